"""The walk back along what was recorded."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from heapq import heapify, heappop, heappush
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from autograd.backend import array_or_tensor, as_array, device_of
from autograd.primitives import describe
from autograd.recording import is_recording, mode, recorded
from autograd.tensor import ArrayLike, Tensor
from autograd.tracing import needed_value


def backward(
    tensor: Tensor,
    gradient: ArrayLike = None,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradient of this tensor to the `.grad` of every leaf that requires one.

    `gradient`, of this tensor's shape, is what the result is multiplied by (the vector of the
    vector-Jacobian product); it may be left out for a single element. The graph is freed on
    the way, unless `retain_graph`: then the intermediate tensors keep their gradients too, to be
    looked at or drawn. `create_graph` records the gradients themselves, to be differentiated again.
    """
    if not tensor._tracked:
        raise RuntimeError(
            f"{tensor._label()} does not require gradients: no input was made with "
            "requires_grad=True, or it was computed under no_grad()"
        )
    if gradient is None and tensor._array.size != 1:
        raise RuntimeError(
            f"backward() of a tensor of shape {tensor._array.shape} needs gradient=, an array of that "
            "shape; or reduce it to one number first, e.g. with .sum()"
        )
    if gradient is None and tensor._array.dtype.kind == "c":
        raise RuntimeError(
            "backward() of a complex number needs gradient=; or make it real first, e.g. with np.abs or .real"
        )
    keep_all = retain_graph or create_graph
    gradients = backpropagate([(tensor, gradient)], None, retain_graph, create_graph, keep_all)
    now = mode()
    observer = now.tracer or now.debugger
    for node, value in gradients.items():
        if observer is not None:
            observer.differentiate(node)
        if node.grad is not None:
            value = (node.grad if create_graph else node.grad._array) + value
        node.grad = value if type(value) is Tensor else Tensor(value)


class Path(NamedTuple):
    """The part of a graph that lies between outputs and targets."""

    targets: set[Tensor]
    wanted: dict[Tensor, None]
    """What gradients are needed of: the targets, then the nodes on the way (oldest first, if `others`)."""
    others: bool
    """Whether there are other tracked tensors: that outputs depend on, too, or that targets stand for."""


def find_path(outputs: list[Any], targets: list[Tensor]) -> Path:
    """Collect what lies between `outputs` and `targets`.

    Creation order is topological order, so what is older than every target cannot depend on one.
    """
    since = min([target.order for target in targets], default=0)
    others = any(target.op is not None for target in targets)
    elsewhere = False
    wanted = dict.fromkeys(targets)
    end: Any = SimpleNamespace(inputs=outputs)
    reached: list[Tensor] = [end]
    for node in reached:  # it grows on the way
        if node.inputs is None:
            raise RuntimeError(_freed(node))
        for x in node.inputs:
            if type(x) is Tensor and x._tracked and x not in wanted:
                if x.order < since:
                    others = elsewhere = True
                    continue
                wanted[x] = None
                reached.append(x)
                if x.op is None:
                    elsewhere = True
    if others or elsewhere:
        wanted = dict.fromkeys(targets)
        for node in sorted(reached[1:], key=attrgetter("order")):
            # Where nothing else is tracked, all that was reached leads to the targets.
            if not elsewhere or any(type(x) is Tensor and x in wanted for x in node.inputs):
                wanted[node] = None
    return Path(set(targets), wanted, others)


def backpropagate(
    seeds: list[tuple[Tensor, Any]],
    path: Path | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    keep_all: bool = False,
) -> dict[Tensor, Any]:
    """Return the gradients of outputs, weighted by their seeds (ones for None), by the targets of `path`.

    Without a path they are by all leaves that require gradients. They are arrays, or Tensors when they
    are recorded (with `create_graph`, and when a seed is tracked); each has memory of its own. What no
    gradient arrived at is not there; with `keep_all` the tensors in between are. The graph is freed
    unless `retain_graph` or recorded.
    """
    for _, seed in seeds:
        if type(seed) is Tensor and seed._tracked and is_recording():
            create_graph = True
    retain_graph = retain_graph or create_graph
    gradients: dict[Tensor, Any] = {}
    for output, seed in seeds:
        if path is None or output in path.wanted:
            seed = _seed(seed, output, create_graph)
            if output._array.dtype.kind == "c":
                seed = np.conjugate(seed)
            gradients[output] = gradients[output] + seed if output in gradients else seed
    targets: Container[Tensor] = path.targets if path else ()
    wanted = path.wanted if path else None
    if create_graph:
        recorded(_walk, gradients, targets, wanted, True, True, keep_all)
        recorded(_conjugate, gradients)
    else:
        _walk(gradients, targets, wanted, False, retain_graph, keep_all)
        _conjugate(gradients)
    return gradients


def backpropagate_rows(output: Tensor, seeds: Any, path: Path) -> dict[Tensor, Any]:
    """Return the gradients of `output` weighted by each of `seeds`, (rows, *shape), as arrays (rows, *shape).

    The graph is kept. Rules of elementwise ops are called once for all rows, others for each.
    """
    gradients = {output: seeds} if output in path.wanted else {}
    _conjugate(gradients)
    _walk(gradients, path.targets, path.wanted, False, True, False, by_rows=True)
    _conjugate(gradients)
    return gradients


def _conjugate(gradients: dict[Tensor, Any]) -> None:
    """Conjugate the complex ones: as they come in, and as they leave.

    Inside, a rule of a complex function is the textbook's derivative times g, without conjugates; outside,
    the gradient of a real L by z = x + iy is dL/dx + i dL/dy, the direction of steepest ascent (PyTorch's).
    """
    for x, gradient in gradients.items():
        if x._array.dtype.kind == "c":
            gradients[x] = np.conjugate(gradient)


def _seed(seed: Any, output: Tensor, create_graph: bool) -> Any:
    """Return `seed` as a gradient of `output`: its shape and dtype, and memory of our own unless tracked."""
    if seed is None:
        ones = output._array
        if type(ones) is ndarray:  # in a fifth of the time
            ones = ones.copy()
            ones.fill(1)
        else:
            ones = np.ones_like(ones)
        return Tensor(ones) if create_graph else ones
    if type(seed) is not Tensor:
        seed = as_array(array_or_tensor(seed, output))
    if device_of(seed) != output.device:
        raise TypeError(
            f"the gradient of a tensor on {output.device} must be there, too, not on {device_of(seed)}; move "
            f"it, as by Tensor(g).to({output.device!r})"
        )
    if seed.shape != output.shape:
        raise ValueError(
            f"the gradient of a tensor of shape {output.shape} must have that shape, not {seed.shape}"
        )
    if seed.dtype.kind == "c" != output.dtype.kind:
        raise ValueError(f"the gradient of a {output.dtype} tensor must be real, not {seed.dtype}")
    if create_graph and type(seed) is Tensor and seed._tracked:
        return seed if seed.dtype == output.dtype else seed.astype(output.dtype)
    values = (seed._array if type(seed) is Tensor else seed).astype(output.dtype)
    return Tensor(values) if create_graph else values


def _walk(
    gradients: dict[Tensor, Any],
    targets: Container[Tensor],
    wanted: dict[Tensor, None] | None,
    record: bool,
    retain_graph: bool,
    keep_all: bool,
    by_rows: bool = False,
) -> None:
    """Run the rules from the tensors in `gradients` down to leaves and `targets`, adding up in `gradients`.

    The youngest node is always next: then all that it was used for has been there. The rules see
    arrays, or the Tensors themselves when they are to `record`. Gradients that stay in `gradients`
    share memory with nothing else.
    """
    kind = Tensor if record else ndarray
    accumulated: set[Tensor] = set()  # whose gradient is a buffer that was allocated here
    upcoming = [(-x.order, x) for x in gradients if x.op is not None and x not in targets]
    heapify(upcoming)
    while upcoming:
        node = heappop(upcoming)[1]
        g = gradients[node] if keep_all else gradients.pop(node)
        op, inputs, params, order = node.op, node.inputs, node.params, node.order
        if inputs is None:
            raise RuntimeError(_freed(node))
        if not retain_graph:
            node.inputs = None  # type: ignore[assignment]
            if wanted is not None:
                del wanted[node]
        rules = op.rules  # type: ignore[union-attr]
        if type(rules) is not tuple:
            rules = rules.of(inputs)
        if record:
            y: Any = node
            values: Any = inputs
        else:
            y = node._array
            if len(inputs) == 1:
                values = (inputs[0]._array,)
            elif len(inputs) == 2:
                a, b = inputs
                values = (
                    a._array if type(a) is Tensor else a,
                    b._array if type(b) is Tensor else b,
                )
            else:
                values = [x._array if type(x) is Tensor else x for x in inputs]
        if op.last is not None:  # type: ignore[union-attr]
            try:
                g = op.last(g, y)  # type: ignore[union-attr]
            except Exception as error:
                g = _as_a_whole(error, record, op.last, (g, y))  # type: ignore[union-attr]
        if by_rows:
            rules = [
                _for_rows(op, rule, x.shape, x.dtype) if type(x) is Tensor else None
                for rule, x in zip(rules, inputs, strict=True)
            ]
        arity = 0 if params else len(values)
        for rule, x in zip(rules, inputs):  # noqa: B905 (strict= costs a third of the loop)
            if type(x) is not Tensor:
                continue
            if x.order > order:
                raise RuntimeError(changed(x, op.name, op))  # type: ignore[union-attr]
            if rule is None or not (x._tracked if wanted is None else x in wanted):
                continue
            try:
                try:
                    if arity == 2:  # a call with * costs twice as much
                        gradient = rule(g, y, values[0], values[1])
                    elif arity == 1:
                        gradient = rule(g, y, values[0])
                    else:
                        gradient = rule(g, y, *values, **(params or {}))
                except Exception as error:
                    gradient = _as_a_whole(error, record, rule, (g, y, *values), params)
                data = x._array
                if (
                    type(gradient) is not kind
                    or gradient.shape != data.shape
                    or gradient.dtype is not data.dtype
                ) and not by_rows:
                    gradient = _fitted(gradient, data.shape, data.dtype, record)
            except Exception as error:
                error.add_note(f"in the gradient of {op.name} of {describe(inputs, params)}{_made(op)}")  # type: ignore[union-attr]
                raise
            before = gradients.get(x)
            if before is None:
                at_end = x.op is None or x in targets
                if at_end or keep_all:
                    data = gradient._array if record else gradient
                    if gradient is g or data.base is not None:
                        gradient = np.copy(gradient)
                gradients[x] = gradient
                if not at_end:
                    heappush(upcoming, (-x.order, x))
            elif x in accumulated:
                before += gradient
                gradients[x] = before
            else:
                gradients[x] = before + gradient  # a NumPy scalar where both are 0-d
                if gradient.ndim and not record:
                    accumulated.add(x)


def _fitted(gradient: Any, shape: tuple[int, ...], dtype: np.dtype[Any], record: bool = False) -> Any:
    """Return what a rule has computed in the shape and dtype of its input, a Tensor to `record`."""
    if type(gradient) is not (Tensor if record else ndarray):
        gradient = Tensor(gradient) if record else as_array(gradient)
    if gradient.shape != shape:
        gradient = sum_to(gradient, shape)
    return gradient if gradient.dtype == dtype else _cast(gradient, dtype)


def _as_a_whole(
    error: Exception,
    record: bool,
    rule: Any,
    args: tuple[Any, ...],
    params: dict[str, Any] | None = None,
) -> Any:
    """Have jit note a rule that has failed since it looks at values as a single call; raise other errors."""
    if record or needed_value(error) is None:
        try:
            raise error
        finally:
            del error  # whose traceback holds this frame: a cycle would keep the graph
    return mode().tracer.whole(rule, args, params or {})


def _for_rows(op: Any, rule: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Return the rule of an input, of a shape and dtype, for many gradients at once: (rows, *shape of y)."""

    def many(g: Any, y: Any, /, *values: Any, **params: Any) -> Any:
        if op.elementwise:
            rows = rule(g, y, *values, **params)
            if np.shape(rows) == (len(g), *y.shape):
                if y.shape != shape:
                    axes = tuple(axis + 1 for axis in _broadcast_axes(y.shape, shape))
                    rows = np.add.reduce(rows, axis=axes).reshape(len(g), *shape)
                return _fitted(rows, rows.shape, dtype)
        for i in range(len(g)):
            gradient = _fitted(rule(g[i, ...], y, *values, **params), shape, dtype)
            if i == 0:
                rows = np.empty_like(gradient, shape=(len(g), *shape))
            rows[i] = gradient
        return rows

    return None if rule is None else many


def _freed(node: Tensor) -> str:
    return (
        f"the graph of {node._label()} was freed by an earlier backward(); "
        f"pass retain_graph=True to the earlier one to go through it again{_made(node.op)}"
    )


def changed(x: Tensor, name: str, op: Any = None) -> str:
    """Tell that x is younger than an op that has used it: what it was computed with is gone."""
    return (
        f"{x._label()} was changed after {name!r} had used it (by an optimizer step, load_state_dict "
        "or an assignment to .data), so the gradient would be wrong; call backward() before the change, or "
        f"compute the output again{_made(op)}"
    )


def _made(op: Any) -> str:
    """Say where the program made an op, which one that was recorded in `debug()` knows."""
    return f"\nmade at {op.line}" if op is not None and op.line else ""


def sum_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum `gradient` over the axes along which an array of `shape` was broadcast."""
    add = np.add.reduce if type(gradient) is ndarray else np.sum  # the method of arrays costs twice as much
    total = add(gradient, axis=_broadcast_axes(gradient.shape, shape))
    return total if total.shape == shape else total.reshape(shape)


@lru_cache(1024)
def _broadcast_axes(shape: tuple[int, ...], original: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of `shape` along which an array of the `original` shape was broadcast to it."""
    extra = len(shape) - len(original)
    stretched = [i for i in range(max(extra, 0), len(shape)) if original[i - extra] != shape[i]]
    if extra < 0 or any(original[i - extra] != 1 for i in stretched):
        raise ValueError(f"a gradient rule returned shape {shape} for an input of shape {original}")
    return (*range(extra), *stretched)


def _cast(gradient: Any, dtype: np.dtype[Any]) -> Any:
    """Return a gradient in the dtype of its input; of a real input, it is the real part."""
    if gradient.dtype.kind == "c" != dtype.kind:
        gradient = gradient.real
    return gradient.astype(dtype)
