"""Backpropagation one op at a time: what arrives, what leaves, what it takes; run by the engine itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from autograd.backward import Path, backpropagate, backpropagate_rows
from autograd.recording import next_order, recorded
from autograd.tensor import Tensor, values_of

SMALL = 64  # elements of a Jacobian that is shown
REPETITIONS = 3  # of a measurement


class Step(NamedTuple):
    """The way back through one op."""

    node: Tensor
    arriving: Any
    leaving: dict[Tensor, Any]
    first: int
    """Creation numbers from here to `last` are those of what was recorded on the way."""
    last: int


class Steps(NamedTuple):
    """The way back through a graph, op by op, and the gradient of every tensor on it."""

    steps: list[Step]
    gradients: dict[Tensor, Any]
    first: int
    """The creation number from which on tensors belong to it, if it was recorded."""


def walk(outputs: list[Tensor], record: bool = False) -> Steps:
    """Go back from the outputs in the order of `backward()`: as arrays, or recorded, as Tensors.

    The graph, and `.grad`, stay as they are. A recorded walk starts from seeds that require gradients, so
    that all of it is in the graph. Outputs of several elements stand for their sum.
    """
    first = next_order()
    gradients: dict[Tensor, Any] = {}
    for output in outputs:
        if output.requires_grad:
            seed = np.ones_like(output.data)
            gradients[output] = Tensor(seed, requires_grad=True, name="seed") if record else seed
    steps = []
    for node in reversed(ancestors(outputs)):
        if node in gradients and node.op is not None:
            begin = next_order()
            leaving = _leaving(node, gradients[node], record)
            if record:
                leaving = {x: _without_copy(gradient) for x, gradient in leaving.items()}
            for x, gradient in leaving.items():
                gradients[x] = recorded(np.add, gradients[x], gradient) if x in gradients else gradient
            steps.append(Step(node, gradients[node], leaving, begin, next_order()))
    return Steps(steps, gradients, first)


def ancestors(outputs: list[Tensor]) -> list[Tensor]:
    """Return every tensor that the outputs were computed from, oldest first."""
    found = dict.fromkeys(outputs)
    stack = list(found)
    while stack:
        tensor = stack.pop()
        if tensor.inputs is None:
            raise RuntimeError(
                f"backward() has freed the graph of the result of {tensor.op.name!r}, "
                "so there is nothing left to draw; draw it before, or call backward(retain_graph=True)"
            )
        for x in tensor.inputs:
            if type(x) is Tensor and x not in found:
                found[x] = None
                stack.append(x)
    return sorted(found, key=lambda tensor: tensor.order)


def _without_copy(gradient: Tensor) -> Tensor:
    """Return what a gradient is a copy of: it has memory of its own, which is nothing to see in a picture."""
    return gradient.inputs[0] if gradient.op is not None and gradient.op.name == "copy" else gradient


def _path(node: Tensor) -> Path:
    """Return the way from a node to its inputs."""
    inputs = [x for x in node.inputs if type(x) is Tensor and x.requires_grad]
    return Path(set(inputs), dict.fromkeys([node, *inputs]), False)


def _leaving(node: Tensor, gradient: Any, record: bool = False) -> dict[Tensor, Any]:
    return backpropagate([(node, gradient)], _path(node), retain_graph=True, create_graph=record)


def local_derivatives(node: Tensor) -> dict[Tensor, Any]:
    """Return the derivatives of an op's result by its inputs, where they are arrays that one can look at.

    Of an elementwise op they have the shape of the result, of a single number that of the input; else they
    are Jacobians (*result.shape, *input.shape) of at most 64 elements. Inputs for which there is none are
    left out.
    """
    if not node.requires_grad or node.dtype.kind == "c" or not node.size:
        return {}
    found: dict[Tensor, Any] = {}
    rows: dict[Tensor, Any] = {}
    for x, gradient in _leaving(node, np.ones_like(node.data)).items():
        if x.dtype.kind == "c":
            continue
        if node.size == 1 or (node.op is not None and node.op.elementwise and x.shape == node.shape):
            found[x] = gradient
        elif node.size * x.size <= SMALL:
            if not rows:
                unit = np.eye(node.size, dtype=node.dtype).reshape(node.size, *node.shape)
                rows = backpropagate_rows(node, unit, _path(node))
            found[x] = rows[x].reshape(*node.shape, *x.shape)
    return found


def seconds(node: Tensor) -> tuple[float, float] | None:
    """Return how long an op takes, forward and back: the least of three times that it is run again.

    None is for what cannot be run by itself: leaves, and checkpoints.
    """
    op = node.op
    if op is None or op.forward is None:
        return None
    values = [values_of(x) for x in node.inputs]
    # A generator that draws again must not go on for it.
    draws = [deepcopy(node.params or {}) for _ in range(REPETITIONS)]
    with np.errstate(all="ignore"):
        forward = min(_duration(partial(op.forward, *values, **params)) for params in draws)
        if not node.requires_grad:
            return forward, 0.0
        back = partial(_leaving, node, np.ones_like(node.data))
        return forward, min(_duration(back) for _ in range(REPETITIONS))


def _duration(action: Callable[[], Any]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start
