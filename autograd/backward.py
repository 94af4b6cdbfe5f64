"""The walk back along what was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from autograd.backend import as_array
from autograd.primitives import describe, each
from autograd.recording import is_recording, recording
from autograd.tensor import ArrayLike, Tensor


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
    retain_graph = retain_graph or create_graph
    path = find_path([tensor])
    gradients = backpropagate(path, [tensor], [gradient], retain_graph, create_graph, keep_all=retain_graph)
    for node, value in gradients.items():
        if value is None:
            continue
        if node.grad is not None:
            value = (node.grad if create_graph else node.grad._array) + value
        node.grad = value if type(value) is Tensor else Tensor(value)


_creation = attrgetter("order")


class Path(NamedTuple):
    """The part of a graph that gradients flow through."""

    nodes: list[Tensor]
    """The results of operations, oldest first."""
    ends: list[Tensor]
    """Where gradients are wanted: the targets, or all leaves."""
    others: bool
    """Whether the outputs depend on tracked tensors that are no targets, too."""


def find_path(outputs: Iterable[Tensor], targets: Iterable[Tensor] = ()) -> Path:
    """Collect what lies between `outputs` and `targets`, or all leaves that require gradients.

    Creation order is topological order, so what is older than every target cannot depend on one.
    """
    targets = set(targets)
    since = min([target.order for target in targets], default=0)
    others = False
    reached = list(dict.fromkeys([output for output in outputs if output._tracked]))
    found = set(reached)
    nodes, leaves = [], []
    for node in reached:  # it grows on the way
        if node.order < since:
            others = True
        elif node.op is None:
            leaves.append(node)
        else:
            if node.inputs is None:
                raise RuntimeError(_freed(node))
            nodes.append(node)
            for x in node.inputs:
                if type(x) is Tensor and x._tracked and x not in found:
                    found.add(x)
                    reached.append(x)
    nodes.sort(key=_creation)
    if not targets:
        return Path(nodes, leaves, others)
    return Path(_leading_to(targets, nodes), list(targets), others)


def _leading_to(targets: set[Tensor], nodes: list[Tensor]) -> list[Tensor]:
    """Keep the nodes, oldest first, that depend on a target and are none."""
    useful = set(targets)
    for node in nodes:
        if any(type(x) is Tensor and x in useful for x in node.inputs):
            useful.add(node)
    return [node for node in nodes if node in useful and node not in targets]


_absent = object()


def backpropagate(
    path: Path,
    outputs: Iterable[Tensor],
    seeds: Iterable[Any],
    retain_graph: bool = False,
    create_graph: bool = False,
    keep_all: bool = False,
) -> dict[Tensor, Any]:
    """Return the gradients of `outputs`, weighted by `seeds` (ones for None), at the ends of `path`.

    They are arrays, or Tensors when they are recorded (with `create_graph`, and when a seed is
    tracked), or None where no gradient arrived; each has memory of its own. With `keep_all` those of
    the tensors in between are there too. The graph is freed unless `retain_graph` or recorded.
    """
    gradients: dict[Tensor, Any] = dict.fromkeys([*path.nodes, *path.ends])
    seeds = list(seeds)
    if any([type(seed) is Tensor and seed._tracked for seed in seeds]) and is_recording():
        create_graph = True
    for output, seed in zip(outputs, seeds, strict=True):
        if output in gradients:
            seed = _seed(seed, output, create_graph)
            before = gradients[output]
            gradients[output] = seed if before is None else before + seed
    owners = gradients.keys() if keep_all else set(path.ends)
    retain_graph = retain_graph or create_graph
    nodes = path.nodes.copy() if retain_graph else path.nodes
    if create_graph:
        with recording(True):
            _walk(nodes, gradients, owners, True, True, keep_all)
    else:
        _walk(nodes, gradients, owners, False, retain_graph, keep_all)
    return gradients


def _seed(seed: Any, output: Tensor, create_graph: bool) -> Any:
    """Return `seed` as a gradient of `output`: its shape and dtype, and memory of our own."""
    if seed is None:
        ones = np.ones(output.shape, output.dtype)
        return Tensor(ones) if create_graph else ones
    if type(seed) is not Tensor:
        seed = as_array(seed)
    if seed.shape != output.shape:
        raise ValueError(
            f"the gradient of a tensor of shape {output.shape} must have that shape, not {seed.shape}"
        )
    if not create_graph:
        values = seed._array if type(seed) is Tensor else seed
        return values.astype(output.dtype)
    seed = seed if type(seed) is Tensor else Tensor(seed)
    return seed if seed.dtype == output.dtype else seed.astype(output.dtype)


def _walk(
    nodes: list[Tensor],
    gradients: dict[Tensor, Any],
    owners: Any,
    record: bool,
    retain_graph: bool,
    keep_all: bool,
) -> None:
    """Run the rules of `nodes`, youngest first, adding up in `gradients`.

    The rules see arrays, or the Tensors themselves when they are to `record`. The gradients of `owners`
    share memory with nothing else.
    """
    kind, convert = (Tensor, Tensor) if record else (ndarray, as_array)
    accumulated: set[Tensor] = set()  # whose gradient is a buffer that was allocated here
    take = gradients.__getitem__ if keep_all else gradients.pop
    while nodes:
        node = nodes.pop()
        g = take(node)
        inputs = node.inputs
        if inputs is None:
            raise RuntimeError(_freed(node))
        if not retain_graph:
            node.inputs = None  # type: ignore[assignment]
        if g is None:
            continue
        op, params, order = node.op, node.params, node.order
        rules = op.rules if type(op.rules) is tuple else op.rules.of(inputs)  # type: ignore[union-attr]
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
        for rule, x in zip(rules, inputs):  # noqa: B905 (strict= costs a third of the loop)
            if type(x) is not Tensor:
                continue
            if x.order > order:
                raise RuntimeError(_changed(x, op))
            if x not in gradients or rule is None:
                continue
            try:
                gradient = rule(g, y, *values, **params) if params else rule(g, y, *values)
                if type(gradient) is not kind:
                    gradient = convert(gradient)
                data = x._array
                if gradient.shape != data.shape:
                    gradient = sum_to(gradient, data.shape)
                if gradient.dtype != data.dtype:
                    gradient = _cast(gradient, data.dtype)
            except Exception as error:
                error.add_note(f"in the gradient of {op.name} of {describe(inputs, params)}")  # type: ignore[union-attr]
                raise
            before = gradients[x]
            if before is None:
                if x in owners:
                    data = gradient._array if record else gradient
                    if gradient is g or data.base is not None:
                        gradient = np.copy(gradient)
                gradients[x] = gradient
            elif x in accumulated:
                before += gradient
            else:
                gradients[x] = before + gradient  # a NumPy scalar where both are 0-d
                if gradient.ndim and not record:
                    accumulated.add(x)


def _freed(node: Tensor) -> str:
    return (
        f"the graph of {node._label()} was freed by an earlier backward(); "
        "pass retain_graph=True to the earlier one to go through it again"
    )


def _changed(x: Tensor, op: Any) -> str:
    return (
        f"{x._label()} was changed after {op.name!r} had used it (by an optimizer step, load_state_dict "
        "or an assignment to .data), so the gradient would be wrong; call backward() before the change, or "
        "compute the output again"
    )


def sum_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum `gradient` over the axes along which an array of `shape` was broadcast."""
    add = np.add.reduce if type(gradient) is ndarray else np.sum  # the method of arrays costs twice as much
    extra = gradient.ndim - len(shape)
    total = gradient
    if extra > 0:
        total = add(gradient, axis=0 if extra == 1 else tuple(range(extra)))
    if total.shape != shape and extra >= 0:
        stretched = [i for i, n in enumerate(shape) if n == 1 and total.shape[i] != 1]
        total = add(total, axis=tuple(stretched), keepdims=True)
    if total.shape != shape:
        raise ValueError(f"a gradient rule returned shape {gradient.shape} for an input of shape {shape}")
    return total


def _cast(gradient: Any, dtype: np.dtype[Any]) -> Any:
    if gradient.dtype.kind == "c":
        raise TypeError("complex gradients are not supported; keep tracked tensors real")
    return gradient.astype(dtype)
