"""Checkpoints: functions whose graph is not kept, but recorded again when a gradient goes back through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, update_wrapper
from operator import attrgetter
from typing import Any

import numpy as np

from autograd.backend import Array
from autograd.backward import backpropagate, changed, find_path
from autograd.ops.elementwise import conjugate_of
from autograd.primitives import Op, each
from autograd.recording import mode, modes, next_order, recorded, watched_draws
from autograd.tensor import Tensor
from autograd.trees import flatten, map_tree, rebuild


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f as a function that leaves a single node in the graph, and is computed again for its gradient.

    What f computes on the way is not kept: a chain of n ops cut into sqrt(n) checkpoints takes memory for
    about 2 sqrt(n) arrays, and the time of one more computation (Chen et al., "Training deep nets with
    sublinear memory cost", 2016); checkpoints within checkpoints take less still. Arguments and outputs may
    be trees, and f may use tensors from outside, such as a module's parameters: they get their gradients.
    Ops that draw from a generator (dropout) draw the same again, and leave the generator as they found it.

    f must be a pure function otherwise: RuntimeError where it does not return the same again, bit by bit.
    Where nothing is recorded, f is called as it is; and so it is under `jit`, which plans memory itself.
    """

    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if modes and (mode().paused or mode().unrolled or mode().tracer is not None):
            return f(*args, **kwargs)
        start = next_order()
        with watched_draws() as states:
            output = f(*args, **kwargs)
        leaves = flatten(output)
        outputs = [leaf for leaf in leaves if _is_tracked(leaf)]
        if not outputs:
            return output
        inputs = _inputs(outputs, start)
        # Inputs are held by the node alone, which lets go of them when its graph is freed.
        places = {x: _Place(number) for number, x in enumerate(inputs)}
        arguments = map_tree(
            lambda leaf: (
                places.get(leaf) or Tensor(leaf._array, name=leaf.name) if _is_tracked(leaf) else leaf
            ),
            (args, kwargs),
        )
        order = next_order()

        def record(inputs: tuple[Tensor, ...], y: Any) -> Callable[[Any], list[Any]]:
            """Call the function again, and go back through it."""
            for x in inputs:
                if x.order > order:
                    raise RuntimeError(changed(x, "checkpoint"))
            args, kwargs = map_tree(
                lambda leaf: inputs[leaf.number] if type(leaf) is _Place else leaf, arguments
            )
            return _recorded_again(partial(f, *args, **kwargs), inputs, states, y)

        op = Op("checkpoint", None, _together(record))
        node = Tensor(_packed(outputs))
        node.op, node.inputs, node._tracked = op, inputs, True
        parts = _unpacked(node, outputs)
        return rebuild(output, (next(parts) if _is_tracked(leaf) else leaf for leaf in leaves))

    update_wrapper(checkpointed, f, updated=())
    return checkpointed


def _is_tracked(leaf: Any) -> bool:
    return type(leaf) is Tensor and leaf._tracked


class _Place:
    """What stands for an input of the node among the arguments."""

    def __init__(self, number: int) -> None:
        self.number = number


def _inputs(outputs: list[Tensor], start: int) -> tuple[Tensor, ...]:
    """Return the leaves, and the tensors from before `start`, that outputs depend on, oldest first."""
    reached = dict.fromkeys(outputs)
    stack = list(reached)
    inputs = []
    while stack:
        tensor = stack.pop()
        if tensor.order < start or tensor.op is None:
            inputs.append(tensor)
            continue
        for x in tensor.inputs or ():
            if _is_tracked(x) and x not in reached:
                reached[x] = None
                stack.append(x)
    return tuple(sorted(inputs, key=attrgetter("order")))


def _packed(outputs: list[Tensor]) -> Array:
    """Return the values of one output as they are, those of several in one row: a node has one value."""
    if len(outputs) == 1:
        return outputs[0]._array
    return np.concatenate([np.ravel(output._array) for output in outputs])


def _unpacked(packed: Any, outputs: list[Tensor]) -> Iterator[Any]:
    """Yield what belongs to each output of a packed Tensor, or of the gradient of one."""
    if len(outputs) == 1:
        yield packed
        return
    end = 0
    for output in outputs:
        start, end = end, end + output.size
        part = packed[start:end].reshape(output.shape)
        if part.dtype.kind == "c" != output.dtype.kind:
            part = part.real
        yield part if part.dtype == output.dtype else part.astype(output.dtype)


class _together(each):
    """Give one rule to all inputs of an op: `rule(inputs, y)` returns the function from g to all gradients.

    It is called once when a walk back comes by; what it returns, once for each g.
    """

    def of(self, inputs: tuple[Any, ...]) -> list[Callable[..., Any]]:
        pulls: list[Callable[[Any], list[Any]]] = []
        gradients: dict[int, tuple[Any, list[Any]]] = {}

        def gradient(number: int, g: Any, y: Any, *values: Any) -> Any:
            if not pulls:
                pulls.append(self[0](inputs, y))
            # Rows of a Jacobian are views.
            place = g.__array_interface__["data"][0] if type(g) is np.ndarray else id(g)
            if place not in gradients:
                gradients[place] = g, pulls[0](g)  # kept, so that its place stays its own
            return gradients[place][1][number]

        return [partial(gradient, number) for number in range(len(inputs))]


def _recorded_again(
    f: Callable[[], Any], inputs: tuple[Tensor, ...], states: dict[Any, Any], y: Any
) -> Callable[[Any], list[Any]]:
    """Record f, which has returned y, and return the function from a gradient of y to those of the inputs."""
    were_tracked = [x._tracked for x in inputs]
    present = {bits: bits.state for bits in states}
    try:
        for x in inputs:  # variables of transforms are constants by now
            x._tracked = True
        for bits, state in states.items():
            bits.state = state
        outputs = [leaf for leaf in flatten(recorded(f)) if _is_tracked(leaf)]
        path = find_path(outputs, list(inputs))
    finally:
        for bits, state in present.items():
            bits.state = state
        for x, was_tracked in zip(inputs, were_tracked, strict=True):
            x._tracked = was_tracked
    if not all(were_tracked):
        for node in sorted(path.wanted, key=attrgetter("order")):
            if node not in path.targets:
                node._tracked = any(_is_tracked(x) for x in node.inputs)
    before, now = y._array if type(y) is Tensor else y, _packed(outputs) if outputs else None
    if now is None or now.dtype != before.dtype or not np.array_equal(now, before, equal_nan=True):
        raise RuntimeError(
            f"{_name(f)} did not return the same when checkpoint computed it again, so its gradient would be "
            "wrong. It must depend on nothing that changes: no counters, no arrays that are written to in "
            "between, and random numbers only from ops that are given their generator, such as dropout"
        )

    def pull(g: Any) -> list[Any]:
        # Gradients are conjugated outside of the walk back, and not inside, where this is called.
        seeds = list(zip(outputs, map(conjugate_of, _unpacked(g, outputs)), strict=True))
        found = backpropagate(seeds, path, retain_graph=True, create_graph=type(g) is Tensor)
        return [conjugate_of(found[x]) if x in found else np.zeros_like(x._array) for x in inputs]

    return pull


def _name(f: Any) -> str:
    return getattr(f.func, "__name__", type(f.func).__name__)
