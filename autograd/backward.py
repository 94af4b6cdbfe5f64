"""The walk back along what was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

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
    if gradient is None and tensor._data.size != 1:
        raise RuntimeError(
            f"backward() of a tensor of shape {tensor._data.shape} needs gradient=, an array of that "
            "shape; or reduce it to one number first, e.g. with .sum()"
        )
    seed = np.ones(tensor.shape, tensor.dtype) if gradient is None else gradient
    gradients = backpropagate([tensor], [seed], retain_graph=retain_graph, create_graph=create_graph)
    for node, value in gradients.items():
        if value is None:
            continue
        if node.grad is not None:
            value = (node.grad if create_graph else node.grad._data) + value
        node.grad = value if type(value) is Tensor else Tensor(value)


_absent = object()


def backpropagate(
    outputs: list[Tensor],
    seeds: list[Any],
    targets: Iterable[Tensor] = (),
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict[Tensor, Any]:
    """Return the gradients of `outputs`, weighted by `seeds`, for every leaf (or for `targets`).

    The keys are the leaves that the outputs depend on, or the targets; the values arrays, or None
    where no gradient arrived. With `retain_graph` the tensors in between are there too. Gradients are
    Tensors when they are recorded: with `create_graph`, and when they depend on a tracked tensor
    that is not a target.
    """
    targets = set(targets)
    gradients, others = _reachable(outputs, _oldest(targets))
    nodes = sorted(
        (node for node in gradients if node.op is not None and node not in targets),
        key=attrgetter("order"),
    )
    if others:
        nodes = _leading_to(targets, nodes, gradients)
    if is_recording() and (others or any(type(seed) is Tensor and seed._tracked for seed in seeds)):
        create_graph = True
    for output, seed in zip(outputs, seeds, strict=True):
        if output in gradients:
            seed = _seed(seed, output, create_graph)
            before = gradients[output]
            gradients[output] = seed if before is None else before + seed
    if create_graph:
        with recording(True):
            _walk(nodes, gradients, targets, Tensor, True)
    else:
        _walk(nodes, gradients, targets, ndarray, retain_graph)
    return {target: gradients.get(target) for target in targets} if targets else gradients


def depends_on_others(outputs: list[Tensor], targets: list[Tensor]) -> bool:
    """Tell whether gradients of `outputs` flow to tensors that are older than all `targets`."""
    return _reachable(outputs, _oldest(targets))[1]


def _oldest(targets: Iterable[Tensor]) -> int:
    return min((target.order for target in targets), default=0)


def _reachable(outputs: list[Tensor], since: int) -> tuple[dict[Tensor, Any], bool]:
    """Collect the tracked tensors that `outputs` were made from, the mutation check on the way.

    Tensors older than `since` cannot depend on the targets: they are left out, and reported.
    """
    found: dict[Tensor, Any] = {
        output: None for output in outputs if output._tracked and output.order >= since
    }
    stack = list(found)
    left_out = False
    while stack:
        node = stack.pop()
        if node.inputs is None:
            raise RuntimeError(
                f"the graph of {node._label()} was freed by an earlier backward(); "
                "pass retain_graph=True to the earlier one to go through it again"
            )
        for x in node.inputs:
            if type(x) is Tensor:
                if x.order > node.order:
                    raise RuntimeError(
                        f"{x._label()} was changed after {node.op.name!r} had used it (by an optimizer "  # type: ignore[union-attr]
                        "step, load_state_dict or an assignment to .data), so the gradient would be "
                        "wrong; call backward() before the change, or compute the output again"
                    )
                if x._tracked and x not in found:
                    if x.order < since:
                        left_out = True
                    else:
                        found[x] = None
                        stack.append(x)
    return found, left_out


def _leading_to(targets: set[Tensor], nodes: list[Tensor], gradients: dict[Tensor, Any]) -> list[Tensor]:
    """Keep the nodes, oldest first, that depend on a target; drop the others' gradients."""
    useful = set(targets)
    for node in nodes:
        if any(type(x) is Tensor and x in useful for x in node.inputs):
            useful.add(node)
    for tensor in [tensor for tensor in gradients if tensor not in useful]:
        del gradients[tensor]
    return [node for node in nodes if node in useful]


def _seed(seed: Any, output: Tensor, create_graph: bool) -> Any:
    """Return `seed` as a gradient of `output`: its shape and dtype, and memory of our own."""
    if type(seed) is not Tensor:
        seed = as_array(seed)
    if seed.shape != output.shape:
        raise ValueError(
            f"the gradient of a tensor of shape {output.shape} must have that shape, not {seed.shape}"
        )
    if not create_graph:
        values = seed._data if type(seed) is Tensor else seed
        return values.astype(output.dtype)
    seed = seed if type(seed) is Tensor else Tensor(seed)
    return seed if seed.dtype == output.dtype else seed.astype(output.dtype)


def _walk(
    nodes: list[Tensor],
    gradients: dict[Tensor, Any],
    targets: set[Tensor],
    kind: type,
    retain_graph: bool,
) -> None:
    """Run the rules of `nodes`, youngest first, adding up in `gradients`.

    The rules see arrays, or the Tensors themselves when `kind` is Tensor, which records them.
    """
    convert = Tensor if kind is Tensor else as_array
    owned: set[Tensor] = set()  # whose gradient is a buffer that was allocated here
    while nodes:
        node = nodes.pop()
        g = gradients[node] if retain_graph else gradients.pop(node)
        op, inputs, params = node.op, node.inputs, node.params
        if not retain_graph:
            node.inputs = None  # type: ignore[assignment]
        if g is None:
            continue
        rules = op.rules  # type: ignore[union-attr]
        if type(rules) is each:
            rules = rules.of(inputs)
        if kind is Tensor:
            y: Any = node
            values: Any = inputs
        else:
            y = node._data
            if len(inputs) == 1:
                values = (inputs[0]._data,)
            elif len(inputs) == 2:
                a, b = inputs
                values = (
                    a._data if type(a) is Tensor else a,
                    b._data if type(b) is Tensor else b,
                )
            else:
                values = [x._data if type(x) is Tensor else x for x in inputs]
        for rule, x in zip(rules, inputs):  # noqa: B905 (strict= costs a third of the loop)
            if rule is None or type(x) is not Tensor:
                continue
            before = gradients.get(x, _absent)
            if before is _absent:
                continue
            try:
                gradient = rule(g, y, *values, **params) if params else rule(g, y, *values)
                if type(gradient) is not kind:
                    gradient = convert(gradient)
                data = x._data
                if gradient.shape != data.shape:
                    gradient = sum_to(gradient, data.shape)
                if gradient.dtype != data.dtype:
                    gradient = _cast(gradient, data.dtype)
            except Exception as error:
                error.add_note(f"in the gradient of {op.name} of {describe(inputs, params)}")  # type: ignore[union-attr]
                raise
            if before is None:
                if (
                    kind is not Tensor
                    and (gradient is g or gradient.base is not None)
                    and (x.op is None or x in targets)
                ):
                    gradient = gradient.copy()  # results are the caller's own
                gradients[x] = gradient
            elif x in owned:
                before += gradient
            else:
                gradients[x] = before + gradient  # a NumPy scalar where both are 0-d
                if gradient.ndim:
                    owned.add(x)


def sum_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum `gradient` over the axes along which an array of `shape` was broadcast."""
    extra = gradient.ndim - len(shape)
    total = gradient.sum(axis=tuple(range(extra))) if extra > 0 else gradient
    if total.shape != shape and extra >= 0:
        stretched = [i for i, n in enumerate(shape) if n == 1 and total.shape[i] != 1]
        total = total.sum(axis=tuple(stretched), keepdims=True)
    if total.shape != shape:
        raise ValueError(f"a gradient rule returned shape {gradient.shape} for an input of shape {shape}")
    return total


def _cast(gradient: Any, dtype: np.dtype[Any]) -> Any:
    if gradient.dtype.kind == "c":
        raise TypeError("complex gradients are not supported; keep tracked tensors real")
    return gradient.astype(dtype)
