"""Replay: a function recorded once as a program of NumPy calls, and run again without its Python."""

from __future__ import annotations

import builtins
import keyword
import linecache
from collections.abc import Callable, Iterable
from functools import update_wrapper
from inspect import signature
from itertools import zip_longest
from operator import is_
from threading import Lock
from types import MethodType
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from autograd.recording import changed_mode, is_recording, mode, next_order
from autograd.tensor import Tensor
from autograd.tracing import (
    Array,
    Call,
    Storage,
    TracedArray,
    Tracer,
    Variable,
    attributes,
    needed_value,
    replaced,
)
from autograd.transforms import flatten, rebuild

PROGRAMS = 16  # that a function keeps, the latest


def jit(function: Callable[..., Any]) -> Jitted:
    """Return `function` as one that records its NumPy calls once, and then replays them from a flat list.

    Arguments may be arrays, Tensors, and lists, tuples and dicts of them; a result is what `function`
    returns, Tensors without their graph. Gradients are taken inside: `jit(grad(f))`, or a whole training
    step with `backward()` and an optimizer's `step()`. Each combination of shapes and dtypes is recorded by
    itself, and so is each value of an argument that is no array: give a number that changes as an array,
    e.g. `np.float32(x)`.

    Arrays and tensors from outside are used by reference, so what optimizers do to parameters is seen;
    dropout draws afresh. Any other Python code runs at the recording alone: what depends on values
    (`if loss > 1`, `float(x)`) raises a TypeError. In every call `.grad` starts from None; its arrays are
    overwritten by the next. Under a transform that differentiates by its arguments, the function is called
    as it is.
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
        if key is None or mode().tracer is not None:
            return self.function(*args, **kwargs)
        program = self.programs.get(key)
        if program is None or not program.fits():
            return self._record(key, args, kwargs)
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
    if kind is tuple or kind is list:
        keys = [_signature(part, arrays) for part in tree]
        return None if None in keys else (kind, *keys)
    if kind is Tensor:
        if tree._tracked and is_recording():
            return None
        arrays.append(tree._array)
        return Tensor, tree._array.shape, tree._array.dtype
    if isinstance(tree, (np.generic, ndarray)):
        arrays.append(np.array(tree, order="C", copy=None))
        return tree.shape, tree.dtype
    if isinstance(tree, dict):
        pairs = [(name, _signature(part, arrays)) for name, part in tree.items()]
        return None if any(part is None for _, part in pairs) else (kind, *pairs)
    if isinstance(tree, (tuple, list)):
        keys = [_signature(part, arrays) for part in tree]
        return None if None in keys else (kind, *keys)
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
                except ValueError as error:  # NumPy's, over our own
                    raise (needed_value(error) or error) from None
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
        changed = [owner for owner, then in tracer.owners.values() if not _same(attributes(owner), then)]
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
    try:
        parameters = list(signature(function).parameters)
    except (TypeError, ValueError):  # a function in C that says nothing of its parameters
        parameters = []
    given = [*zip_longest(parameters[: len(args)], args, fillvalue="argument"), *kwargs.items()]
    return [
        name for name, tree in given for leaf in flatten(tree) if isinstance(leaf, (ndarray, np.generic, Tensor))
    ]


def _structured(tree: Any, leaves: list[tuple[bool, Any]], values: list[Any]) -> Any:
    """Return values in the structure that a function returned them in, Tensors where it returned Tensors."""
    returned = [Tensor(value) if leaf[0] else value for leaf, value in zip(leaves, values, strict=True)]
    return returned[0] if tree == 0 else rebuild(tree, iter(returned))


def _own(leaf: Any) -> Any:
    return leaf.value.copy() if type(leaf) is Variable else leaf


def _same(now: tuple[Any, ...], then: tuple[Any, ...]) -> bool:
    return len(now) == len(then) and all(map(is_, now, then))


# --------------------------------------------------------------------------------------- simplifying


def _live(calls: list[Call], kept: Iterable[Variable]) -> list[Call]:
    """Return the calls that something depends on: kept variables, or what is outside."""
    needed = set(kept)
    storages = {variable.storage for variable in needed}
    live = []
    for call in reversed(calls):
        if call.kind in ("effect", "draw"):
            used = True
        elif call.kind == "write":
            used = any(v.storage in storages or v.storage.kind == "outside" for v in call.written)
        elif call.kind == "view":
            used = any(variable in needed for variable in call.results)
        else:
            used = any(variable.storage in storages for variable in call.results)
        if used:
            live.append(call)
            operands = (*call.operands(), *call.written)
            needed.update(operands)
            storages.update(variable.storage for variable in operands)
    return live[::-1]


def _common(calls: list[Call]) -> tuple[list[Call], dict[Variable, Variable]]:
    """Return the calls without those whose result another has computed before, and what stands for it."""
    stand_ins: dict[Variable, Variable] = {}
    known: dict[Any, Variable] = {}
    merged: dict[Storage, Storage] = {}
    versions: dict[Storage | None, int] = {}
    kept = []

    def frozen(tree: Any, by_value: bool) -> Any:
        if type(tree) is Variable:
            version = (versions.get(tree.storage, 0), versions.get(None, 0)) if by_value else 0
            return id(tree), version
        if isinstance(tree, (tuple, list)):
            return (type(tree), *(frozen(part, by_value) for part in tree))
        if isinstance(tree, dict):
            return tuple((word, frozen(part, by_value)) for word, part in tree.items())
        if isinstance(tree, slice):
            return tree.start, tree.stop, tree.step
        return type(tree), str(tree) if isinstance(
            tree, float
        ) else tree  # 0.0 and -0.0 are equal, nan is not

    for call in calls:
        call.args, call.kwargs = replaced(
            (call.args, call.kwargs), Variable, lambda variable: stand_ins.get(variable, variable)
        )
        call.written = tuple(stand_ins.get(variable, variable) for variable in call.written)
        for variable in call.results:
            variable.storage = merged.get(variable.storage, variable.storage)
        for variable in call.written:
            versions[variable.storage] = versions.get(variable.storage, 0) + 1
        if call.kind == "effect":
            versions[None] = versions.get(None, 0) + 1
        result = call.results[0] if len(call.results) == 1 else None
        if call.function in FILLED and result is not None and not result.storage.writes:
            result.storage.kind = "outside"  # a constant
            continue
        if result is not None and (
            call.kind == "view" or (call.kind == "compute" and not result.storage.writes)
        ):
            try:
                key = call.function, frozen((call.args, call.kwargs), call.kind == "compute")
                earlier = known.setdefault(key, result)
            except TypeError:  # not hashable
                earlier = result
            if earlier is not result:
                stand_ins[result] = earlier
                merged[result.storage] = earlier.storage
                continue
        kept.append(call)
    return kept, stand_ins


# ------------------------------------------------------------------------------------------ planning


class Plan:
    """Where the results of a program are: in buffers that are made once, and shared when lifetimes allow."""

    def __init__(self, calls: list[Call], outputs: set[Storage], kept: set[Storage]) -> None:
        self.arrays: dict[Variable, Array] = {}  # what is in a fixed place
        self.placed: dict[Any, Array] = {}
        self.blocks: list[Array] = []
        self.bytes = 0
        planned = [
            _out_form(call) if call.results and call.results[0].storage not in outputs else None
            for call in calls
        ]
        self.forms: dict[Call, str] = {c: form for c, form in zip(calls, planned, strict=True) if form}
        last: dict[Storage, int] = {}
        for number, call in enumerate(calls):
            for variable in (*call.operands(), *call.written, *call.results):
                last[variable.storage] = number
        for storage in kept:
            last[storage] = len(calls)
        free: list[Array] = []
        blocks: dict[Storage, Array] = {}
        for number, call in enumerate(calls):
            ending = {
                v.storage
                for v in (*call.operands(), *call.written, *call.results)
                if last[v.storage] == number
            }
            if call in self.forms:
                result = call.results[0]
                heir = _in_place(call, ending, blocks)
                block = self._block(free, result.value.nbytes) if heir is None else blocks.pop(heir)
                blocks[result.storage] = block
                self.arrays[result] = self._in_block(block, result.value)
            elif call.kind == "view":
                self._view(call)
            free += [blocks.pop(storage) for storage in ending if storage in blocks]

    def _block(self, free: list[Array], size: int) -> Array:
        """Return the smallest free block that is large enough, and not much too large; or a new one."""
        fitting = [block for block in free if size <= block.nbytes <= 2 * size + 64]
        if fitting:
            best = min(fitting, key=lambda block: block.nbytes)
            free[:] = [block for block in free if block is not best]
            return best
        self.bytes += size
        memory = np.empty(size + 64, np.uint8)
        start = -memory.ctypes.data % 64  # a line of the cache
        self.blocks.append(memory[start : start + size])
        return self.blocks[-1]

    def _in_block(self, block: Array, example: Array) -> Array:
        """Return the array that is laid out in a block like an example: one for all that are alike."""
        key = id(block), example.shape, example.dtype, example.strides
        if key not in self.placed:
            self.placed[key] = ndarray(example.shape, example.dtype, block.data, strides=example.strides)
        return self.placed[key]

    def _view(self, call: Call) -> None:
        """Make a view of what is in a fixed place, once and for all."""
        if all(variable in self.arrays or variable.storage.kind == "outside" for variable in call.operands()):
            args, kwargs = replaced((call.args, call.kwargs), Variable, self.array)
            value = call.function(*args, **kwargs)
            for variable, array in zip(
                call.results, value if isinstance(value, tuple) else (value,), strict=True
            ):
                self.arrays[variable] = array

    def array(self, variable: Variable) -> Array | None:
        """Return the array that a variable is in every run, or None if each has its own."""
        return variable.value if variable.storage.kind == "outside" else self.arrays.get(variable)


def _in_place(call: Call, ending: set[Storage], blocks: dict[Storage, Array]) -> Storage | None:
    """Return the storage of an operand that the result of an elementwise call may overwrite."""
    if not _is_elementwise(call.function):
        return None
    result = call.results[0].value
    for variable in call.operands():
        storage = variable.storage
        if (
            storage in ending
            and storage in blocks
            and variable.value.dtype == result.dtype
            and all(
                v.value.shape == result.shape
                and v.value.strides == result.strides
                and v.value is v.storage.root
                for v in call.operands()
                if v.storage is storage
            )
        ):
            return storage
    return None


def _is_elementwise(function: Any) -> bool:
    return isinstance(function, np.ufunc) and function.signature is None


WITH_OUT = {np.mean, np.var, np.std, np.clip, np.concatenate, np.stack, np.einsum, np.dot, np.cumsum, np.take}
FILLED = {np.zeros_like: "0", np.ones_like: "1", np.empty_like: "0"}
COPIES = {np.copy, ndarray.copy, ndarray.astype}


def _out_form(call: Call) -> str:
    """Say how a call is told where to write its result: "" if it cannot be."""
    function, (result, *others) = call.function, call.results or (None,)
    if call.kind != "compute" or others or result is None or result.value is not result.storage.root:
        return ""
    if isinstance(function, np.ufunc):
        return "out" if function.nout == 1 else ""
    if _is_reduction(function):
        return "reduction"
    if function in FILLED:
        return "fill"
    if function in COPIES:
        return "copy"
    return "keyword" if function in WITH_OUT else ""


def _is_reduction(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), np.ufunc) and function.__name__ == "reduce"


# ------------------------------------------------------------------------------------------- writing


class Program:
    """What is run in place of a function: NumPy calls in a flat list, with the buffers for their results."""

    def __init__(self, recording: Recording, name: str) -> None:
        tracer = recording.tracer
        outputs = [leaf for _, leaf in recording.leaves if type(leaf) is Variable]
        gradients = [variable for _, variable in recording.gradients]
        calls, stand_ins = _common(_live(tracer.calls, outputs + gradients))
        outputs, gradients = ([stand_ins.get(v, v) for v in some] for some in (outputs, gradients))
        calls = _live(calls, outputs + gradients)
        plan = Plan(calls, {v.storage for v in outputs}, {v.storage for v in gradients})
        arguments = dict(zip(recording.arguments, recording.names, strict=True))
        self.steps = _steps(calls, arguments, outputs, tracer)
        writer = Writer(name, arguments, plan, tracer)
        for call in calls:
            writer.write(call)
        self.source, self.run = writer.finish(outputs, gradients)
        self.bytes = plan.bytes
        self.lock = Lock()
        self.touched = list(tracer.touched.items())
        self.owners = list(tracer.owners.values())
        self.assigned = list(tracer.assigned)
        self.tree = recording.tree
        self.leaves = [
            (is_tensor, Variable if type(v) is Variable else v) for is_tensor, v in recording.leaves
        ]
        self.count = len(outputs)
        self.gradients = [tensor for tensor, _ in recording.gradients]
        self.cleared = [tensor for tensor in tracer.differentiated if tensor not in set(self.gradients)]

    def fits(self) -> bool:
        """Tell whether everything from outside is as it was when the program was recorded."""
        for tensor, array in self.touched:
            if tensor._array is not array:
                return False
        return all(_same(attributes(owner), then) for owner, then in self.owners)

    def __call__(self, arrays: list[Array]) -> Any:
        """Run the program on arrays of the shapes and dtypes that it was recorded with."""
        results = self.run(*arrays)
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


class Step(NamedTuple):
    """What a picture of a program shows: a call, an argument, or an array from outside."""

    kind: str
    """ "op", "output", "data", "parameter" or "constant"."""
    name: str
    shape: tuple[int, ...] | None
    dtype: Any
    inputs: list[int]
    """The numbers of the steps that it depends on."""


def _steps(
    calls: list[Call], arguments: dict[Variable, str], outputs: list[Variable], tracer: Tracer
) -> list[Step]:
    steps: list[Step] = []
    latest: dict[Variable | Storage, int] = {}  # the step that has made a variable, or changed its memory
    tensors = {id(array): tensor for tensor, array in tracer.touched.items()}

    def add(kind: str, name: str, example: Array | None, inputs: Iterable[Variable]) -> int:
        shape, dtype = (None, None) if example is None else (example.shape, example.dtype)
        numbers = {number(variable) for variable in inputs}
        steps.append(Step(kind, name, shape, dtype, sorted(numbers - {-1})))
        return len(steps) - 1

    def number(variable: Variable) -> int:
        if variable not in latest and variable.storage.kind == "outside" and variable.value.ndim:
            tensor = tensors.get(id(variable.value))
            kind = "parameter" if tensor is not None and tensor._tracked else "constant"
            latest[variable] = add(kind, (tensor is not None and tensor.name) or kind, variable.value, ())
        return max(latest.get(variable, -1), latest.get(variable.storage, -1))

    for variable, name in arguments.items():
        latest[variable] = add("data", name, variable.value, ())
    for call in calls:
        made = call.results or call.written
        kind = "output" if any(result in outputs for result in call.results) else "op"
        this = add(kind, _name(call.function), made[0].value if call.results else None, call.operands())
        latest.update(dict.fromkeys(call.results, this))
        latest.update((variable.storage, this) for variable in call.written)
    return steps


def _name(function: Any) -> str:
    """Return the name of a function as an identifier, e.g. add_reduce."""
    while hasattr(function, "func"):  # of a partial
        function = function.func
    name = getattr(function, "__name__", type(function).__name__).strip("_<>")
    owner = getattr(function, "__self__", None)
    return f"{owner.__name__}_{name}" if isinstance(owner, np.ufunc) else name


class Writer:
    """Write a program as Python source."""

    def __init__(self, name: str, arguments: dict[Variable, str], plan: Plan, tracer: Tracer) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.globals: dict[str, Any] = {}
        self.names: dict[
            int, str
        ] = {}  # by the identity of what is named, which `globals` or others keep alive
        self.given_names: dict[int, str] = {
            id(array): tensor.name for tensor, array in tracer.touched.items() if tensor.name
        }
        self.methods: dict[str, Any] = {}
        self.count = 0
        self.errors: dict[str, Any] = dict(np.geterr())
        self.name = self.fresh_name(name)
        for variable, stem in arguments.items():
            self.names[id(variable)] = self.fresh_name(stem)
        self.arguments = [self.names[id(variable)] for variable in arguments]

    def fresh_name(self, stem: str) -> str:
        """Return a name that is not in use, from a stem that is made an identifier."""
        stem = "".join(letter if letter.isidentifier() else "_" for letter in stem) or "f"
        stem = stem + "_" if keyword.iskeyword(stem) or hasattr(builtins, stem) else stem
        self.count += 1
        name = stem
        while name in self.globals:
            name = f"{stem}_{self.count}"
        self.globals[name] = None
        return name

    def constant(self, value: Any, stem: str) -> str:
        """Return the name of an object that the program refers to."""
        if id(value) not in self.names:
            name = self.names[id(value)] = self.fresh_name(stem)
            self.globals[name] = value
        return self.names[id(value)]

    def text(self, tree: Any) -> str:
        """Write an operand."""
        if type(tree) is Variable:
            return self.variable(tree)
        if isinstance(tree, slice):
            return self.constant(tree, "part")
        if type(tree) is tuple:
            parts = [self.text(part) for part in tree]
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if type(tree) is list:
            return f"[{', '.join(map(self.text, tree))}]"
        if tree is Ellipsis:
            return "..."
        if tree is None or type(tree) in (bool, int, str) or (type(tree) is float and np.isfinite(tree)):
            return repr(tree)
        return self.constant(tree, getattr(tree, "__name__", "constant"))

    def variable(self, variable: Variable) -> str:
        array = self.plan.array(variable)
        if array is not None:
            return self.constant(array, self.given_names.get(id(array), "v"))
        if id(variable) not in self.names:
            self.names[id(variable)] = self.fresh_name("v")
        return self.names[id(variable)]

    def write(self, call: Call) -> None:
        """Add the line of a call."""
        if call.kind == "view" and all(result in self.plan.arrays for result in call.results):
            return
        line = self.line(call)
        if call.results:
            example = call.results[0].value
            line = f"{line}  # {example.shape} {example.dtype}"
        changed = {word: how for word, how in call.errors.items() if how != self.errors[word]}
        if changed:
            words = ", ".join(f"{word}={how!r}" for word, how in changed.items())
            line = f"with {self.constant(np.errstate, 'errstate')}({words}): {line}"
        self.lines.append(line)

    def line(self, call: Call) -> str:
        """Write a call."""
        function, kwargs = call.function, call.kwargs
        args = call.args
        if isinstance(function, np.ufunc):
            args = self.in_dtype(function, args)
        operands = [self.text(arg) for arg in args]
        if function is ndarray.__setitem__:
            return f"{operands[0]}[{operands[1]}] = {operands[2]}"
        if isinstance(function, np.ufunc) and call.kind == "write":
            outs = kwargs["out"] if isinstance(kwargs["out"], tuple) else (kwargs["out"],)
            places = [self.text(out) for out in outs]
            operands += [f"out={places[0]}"] if function in (np.maximum, np.minimum) else places
            kwargs = {word: value for word, value in kwargs.items() if word != "out"}
        form = self.plan.forms.get(call)
        out = self.variable(call.results[0]) if form else ""
        if form == "copy":
            return f"{out}[...] = {operands[0]}"
        if form == "fill":
            return f"{out}[...] = {FILLED[function]}"
        if form == "reduction" and kwargs.keys() <= {"axis", "keepdims", "dtype"} and len(operands) == 1:
            words = [self.text(kwargs.get(word, default)) for word, default in REDUCTION_DEFAULTS.items()]
            return f"{self.function(function)}({operands[0]}, {words[0]}, {words[1]}, {out}, {words[2]})"
        if form == "out":
            operands.append(f"out={out}" if function in (np.maximum, np.minimum) else out)
        elif form:
            kwargs = {**kwargs, "out": call.results[0]}
        words = [f"{word}={self.text(value)}" for word, value in kwargs.items()]
        if function is ndarray.__getitem__:
            result = f"{operands[0]}[{operands[1]}]"
        elif function is np.transpose and len(operands) == 1 and not words:
            result = f"{operands[0]}.T"
        elif (function in AS_METHODS and not words) or getattr(function, "__objclass__", None) is ndarray:
            result = f"{operands[0]}.{function.__name__}({', '.join(operands[1:] + words)})"
        else:
            result = f"{self.function(function)}({', '.join(operands + words)})"
        if form or not call.results:
            return result
        names = [self.variable(variable) for variable in call.results]
        if len(names) > 1:
            return f"{', '.join(names)} = {result}"
        example = call.results[0].value
        if call.kind in ("whole", "draw"):
            checked, shape = self.constant(_checked, "checked"), self.text(example.shape)
            return (
                f"{names[0]} = {checked}({result}, {shape}, {self.constant(call.function.__name__, 'name')})"
            )
        if example.ndim == 0 and call.kind == "compute":
            result = f"{self.constant(np.asarray, 'asarray')}({result})"
        return f"{names[0]} = {result}"

    def function(self, function: Any) -> str:
        if isinstance(getattr(function, "__self__", None), np.ufunc):  # each time another object
            function = self.methods.setdefault(_name(function), function)
        return self.constant(function, _name(function))

    def in_dtype(self, ufunc: np.ufunc, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the operands of a ufunc with numbers as arrays, which NumPy takes in a third of the time."""
        if not any(type(arg) in (int, float) for arg in args):
            return args
        kinds = [arg.value.dtype if type(arg) is Variable else type(arg) for arg in args]
        try:
            dtypes = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
            return tuple(
                Variable(np.asarray(arg, dtype), Storage(None, "outside"))
                if type(arg) in (int, float)
                else arg
                for arg, dtype in zip(args, dtypes, strict=False)
            )
        except (TypeError, OverflowError):
            return args

    def finish(self, outputs: list[Variable], gradients: list[Variable]) -> tuple[str, Any]:
        """Return the source, and the function that it defines."""
        returned = []
        for variable in outputs:
            text = self.variable(variable)
            if variable.storage.kind != "result" or self.plan.array(variable) is not None:
                text += ".copy()"
            returned.append(text)
        returned += [self.variable(variable) for variable in gradients]
        self.lines.append(f"return ({''.join(text + ', ' for text in returned)})")
        source = "\n    ".join([f"def {self.name}({', '.join(self.arguments)}):", *self.lines]) + "\n"
        file = f"<jit {self.name} {id(self):x}>"
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
        exec(compile(source, file, "exec"), self.globals)
        return source, self.globals[self.name]


REDUCTION_DEFAULTS = {"axis": 0, "dtype": None, "keepdims": False}
AS_METHODS = {np.reshape, np.transpose, np.swapaxes, np.squeeze, np.ravel, np.repeat, np.diagonal}


def _checked(value: Any, shape: tuple[int, ...], name: str) -> Array:
    """Return the result of a function that looks at values, if it has the shape that it had before."""
    array = np.asarray(value)
    if array.shape != shape:
        raise TypeError(
            f"the result of {name} had shape {shape} when jit recorded it, and has shape {array.shape} now: "
            "it depends on the values, so the function cannot be replayed; compute this part outside of jit"
        )
    return array
