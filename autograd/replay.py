"""Replay: a function recorded once as a program of NumPy calls, and run again without its Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from itertools import zip_longest
from threading import Lock
from types import MethodType
from typing import Any

import numpy as np
from numpy import ndarray

from autograd.backend import is_foreign
from autograd.recording import changed_mode, is_recording, mode, modes, next_order
from autograd.tensor import Tensor
from autograd.tracing import Array, TracedArray, Tracer, Variable, is_unchanged, needed_value
from autograd.trees import field_names, flatten, parameter_names, rebuild

PROGRAMS = 16  # that a function keeps, the latest


def jit(function: Callable[..., Any]) -> Jitted:
    """Return `function` as one that records its NumPy calls once, and then replays them from a flat list.

    Arguments may be arrays, Tensors, and lists, tuples, dicts and dataclasses of them; a result is what
    `function` returns, Tensors without their graph. Gradients are taken inside: `jit(grad(f))`, or a whole
    training step with `backward()` and an optimizer's `step()`. Each combination of shapes and dtypes is
    recorded by itself, and so is each value of an argument that is no array: give a number that changes as an
    array, e.g. `np.float32(x)`.

    Arrays and tensors from outside are used by reference, so what optimizers do to parameters is seen;
    dropout draws afresh. Any other Python code runs at the recording alone: what depends on values
    (`if loss > 1`, `float(x)`) raises a TypeError, and what is computed from other arrays alone, or drawn
    from a generator by other means than an op, stays as it was at the recording. In every call `.grad`
    starts from None; its arrays are overwritten by the next. Under a transform that differentiates by its
    arguments, the function is called as it is.
    """
    return Jitted(function)


class Jitted:
    """A function with the programs that were recorded of it; printing it shows them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function, updated=())
        self.name = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.programs: dict[Any, Program] = {}
        self.latest: Program | None = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        arrays: list[Array] = []
        key = _signature((args, kwargs) if kwargs else args, arrays)
        if key is None or (modes and mode().tracer is not None):
            return self.function(*args, **kwargs)
        if modes and (debugger := mode().debugger) is not None:
            return debugger.call(self.function, args, kwargs)
        program = self.programs.get(key)
        if program is None or not program.fits():
            return self._record(key, args, kwargs)
        if program.moved and program.overlaps(arrays):
            return self.function(*args, **kwargs)
        if not program.lock.acquire(blocking=False):  # it is running, in another thread or further up
            return self.function(*args, **kwargs)
        try:
            self.latest = program
            return program(arrays)
        finally:
            program.lock.release()

    def _record(self, key: Any, args: Any, kwargs: Any) -> Any:
        self.programs.pop(key, None)
        recording = Recording(self.function, args, kwargs)
        self.programs[key] = self.latest = Program(recording, self.name)
        while len(self.programs) > PROGRAMS:
            del self.programs[next(iter(self.programs))]
        return recording.result

    def __str__(self) -> str:
        """Return the source of the recorded programs."""
        return "\n\n".join(program.source for program in self.programs.values()) or "nothing recorded yet"


def _signature(tree: Any, arrays: list[Array]) -> Any:
    """Return what a program depends on, a key, and collect the arrays; None where gradients are recorded."""
    kind = type(tree)
    if kind is ndarray:
        arrays.append(tree if tree.flags.c_contiguous else np.ascontiguousarray(tree))
        return tree.shape, tree.dtype
    if isinstance(tree, (tuple, list)):
        keys = [_signature(part, arrays) for part in tree]
        return None if None in keys else (kind, *keys)
    if kind is Tensor:
        if tree._tracked and is_recording():
            return None
        key = _signature(tree._array, arrays)
        return None if key is None else (Tensor, *key)
    if is_foreign(tree):
        return None
    if isinstance(tree, (np.generic, ndarray)):
        arrays.append(np.array(tree, order="C", copy=None))
        return tree.shape, tree.dtype
    if isinstance(tree, dict):
        key = _signature(tuple(tree.values()), arrays)
        return None if key is None else (kind, tuple(tree), key)
    if (names := field_names(tree.__class__)) is not None:
        key = _signature(tuple(getattr(tree, name) for name in names), arrays)
        return None if key is None else (kind, key)
    if kind is float:  # 0.0 and -0.0 are equal, and nan is not
        return kind, repr(tree)
    try:
        hash(tree)
    except TypeError:
        raise TypeError(
            f"jit takes arrays, Tensors and what can be a key of a dictionary, and not {kind.__name__}"
        ) from None
    return kind, tree


class Recording:
    """A call of a function with all that was noted: the calls, and what is left in the end."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        tracer = self.tracer = Tracer()
        self.arguments: list[Variable] = []
        self.names = _argument_names(function, args, kwargs)
        try:
            with changed_mode(tracer=tracer):
                args, kwargs = rebuild((args, kwargs), map(self._argument, flatten((args, kwargs))))
                try:
                    output = function(*args, **kwargs)
                except Exception as error:  # NumPy's, perhaps, over our own
                    if (needed := needed_value(error)) is not None:
                        raise needed from None
                    raise
            self.leaves = [self._leaf(leaf) for leaf in flatten(output)]
            self.tree = rebuild(output, iter(range(len(self.leaves))))
            self.gradients = [
                (tensor, self._leaf(tensor.grad)[1])
                for tensor in tracer.differentiated
                if tensor.grad is not None
            ]
        finally:
            tracer.leave()
        del args, kwargs, output
        if tracer.leaked():
            raise TypeError(
                f"{getattr(function, '__name__', function)} keeps an array that it has computed (in a list, "
                "an attribute, a global name ...); replays would not, so return it instead"
            )
        changed = [owner for owner, contents in tracer.owners.values() if not is_unchanged(contents)]
        if changed:
            raise TypeError(
                f"an attribute of {type(changed[0]).__name__} was changed while jit recorded it, and replays "
                "would not do that; keep state in Tensors, or change it in autograd.callback"
            )
        for tensor, variable in self.gradients:
            tensor.grad = Tensor(variable.value)
        for tensor in tracer.differentiated:
            if tensor not in dict(self.gradients):
                tensor.grad = None
        self.result = _structured(self.tree, self.leaves, [_own(leaf) for _, leaf in self.leaves])

    def _argument(self, leaf: Any) -> Any:
        if not isinstance(leaf, (ndarray, np.generic, Tensor)):
            return leaf
        array = self.tracer.argument(leaf._array if type(leaf) is Tensor else np.asarray(leaf))
        self.arguments.append(array.variable)
        if type(leaf) is not Tensor:
            return array
        tensor = Tensor(array, name=leaf.name)
        tensor._tracked = leaf._tracked
        return tensor

    def _leaf(self, leaf: Any) -> tuple[bool, Any]:
        """Return whether an output is a Tensor, and its variable, or what it is itself."""
        is_tensor = type(leaf) is Tensor
        array = leaf._array if is_tensor else leaf
        if type(array) is ndarray:
            return is_tensor, self.tracer.outside(array)
        return is_tensor, array.variable if type(array) is TracedArray else array


def _argument_names(function: Callable[..., Any], args: Any, kwargs: Any) -> list[str]:
    """Return the name of the parameter that each array is given for."""
    names = parameter_names(function)
    given = [*zip_longest(names[: len(args)], args, fillvalue="argument"), *kwargs.items()]
    leaves = ((name, leaf) for name, tree in given for leaf in flatten(tree))
    return [name for name, leaf in leaves if isinstance(leaf, (ndarray, np.generic, Tensor))]


def _structured(tree: Any, leaves: list[tuple[bool, Any]], values: list[Any]) -> Any:
    """Return values in the structure that a function returned them in, Tensors where it returned Tensors."""
    returned = [Tensor(value) if leaf[0] else value for leaf, value in zip(leaves, values, strict=True)]
    return returned[0] if tree == 0 else rebuild(tree, iter(returned))


def _own(leaf: Any) -> Any:
    return leaf.value.copy() if type(leaf) is Variable else leaf


class Program:
    """What is run in place of a function: NumPy calls in a flat list, with the buffers for their results."""

    def __init__(self, recording: Recording, name: str) -> None:
        from autograd.compiler import Plan, Writer, common, live, steps_of

        tracer = recording.tracer
        outputs = [leaf for _, leaf in recording.leaves if type(leaf) is Variable]
        gradients = [variable for _, variable in recording.gradients]
        calls, stand_ins = common(live(tracer.calls, outputs + gradients))
        outputs, gradients = ([stand_ins.get(v, v) for v in some] for some in (outputs, gradients))
        calls = live(calls, outputs + gradients)
        plan = Plan(calls, {v.storage for v in outputs}, {v.storage for v in gradients})
        arguments = dict(zip(recording.arguments, recording.names, strict=True))
        self.steps = steps_of(calls, arguments, outputs, tracer)
        writer = Writer(name, arguments, plan, tracer)
        writer.write_all(calls)
        self.source, self.run = writer.finish(outputs, gradients)
        self.bytes = plan.bytes
        self.moved = list(plan.moved.values())
        self.lock = Lock()
        self.touched = list(tracer.touched.items())
        self.contents = [entry for _, contents in tracer.owners.values() for entry in contents]
        self.assigned = list(tracer.assigned)
        self.tree = recording.tree
        self.leaves = [
            (is_tensor, Variable if type(v) is Variable else v) for is_tensor, v in recording.leaves
        ]
        self.count = len(outputs)
        self.gradients = [tensor for tensor, _ in recording.gradients]
        self.cleared = [tensor for tensor in tracer.differentiated if tensor not in set(self.gradients)]
        # A single array, and nothing else to do.
        effects = tracer.differentiated or tracer.assigned
        self.is_plain = self.tree == 0 and self.leaves == [(False, Variable)] and not effects

    def fits(self) -> bool:
        """Tell whether everything from outside is as it was when the program was recorded."""
        for tensor, array in self.touched:
            if tensor._array is not array:
                return False
        return is_unchanged(self.contents)

    def overlaps(self, arrays: list[Array]) -> bool:
        """Tell whether an argument lies where the program computes results, perhaps before it is read."""
        return any(np.may_share_memory(array, place) for place in self.moved for array in arrays)

    def __call__(self, arrays: list[Array]) -> Any:
        """Run the program on arrays of the shapes and dtypes that it was recorded with."""
        results = self.run(*arrays)
        if self.is_plain:
            return results[0]
        for tensor, gradient in zip(self.gradients, results[self.count :], strict=True):
            if tensor.grad is None or tensor.grad._array is not gradient:
                tensor.grad = Tensor(gradient)
        for tensor in self.cleared:
            tensor.grad = None
        for tensor in self.assigned:
            tensor.order = next_order()
        values = iter(results)
        leaves = [next(values) if constant is Variable else constant for _, constant in self.leaves]
        return _structured(self.tree, self.leaves, leaves)
