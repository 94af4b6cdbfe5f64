"""Gradients held against central differences."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from autograd.backend import Array
from autograd.recording import no_grad
from autograd.tensor import ArrayLike, Tensor
from autograd.transforms import vjp
from autograd.trees import flatten, map_tree, rebuild


class GradcheckError(AssertionError):
    """A gradient that central differences contradict."""


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> bool:
    """Check the gradient of f by every element of every input; return True, or raise GradcheckError.

    Inputs are arrays, or nested lists, tuples and dicts of arrays; they are taken in float64 and left
    as they are. Outputs of any shape are weighted by fixed random numbers and summed. An element x
    is right when |ours - numeric| <= atol + rtol |numeric| with numeric the central difference
    over x ± eps max(1, |x|). `order=2` checks the gradient's own gradient too, and so on.
    The error names the argument, the index of the worst element, both values and the relative error.
    """
    arrays = map_tree(_float64, inputs)
    _check(f, arrays, _paths(f, arrays), 1, order, (eps, rtol, atol))
    return True


def _float64(value: ArrayLike) -> Array:
    array = value.data if type(value) is Tensor else np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"gradcheck needs inputs of real numbers, and one has dtype {array.dtype}")
    return array.astype(np.float64)


def _check(
    f: Callable[..., Any],
    inputs: tuple[Any, ...],
    names: list[str],
    degree: int,
    order: int,
    tolerances: tuple[float, float, float],
) -> None:
    eps, rtol, atol = tolerances
    output, product = vjp(f, *inputs)
    generator = np.random.default_rng(degree)
    weights = map_tree(lambda leaf: generator.uniform(0.5, 1.5, np.shape(leaf)), output)
    ours = flatten(product(weights))
    for number, name in enumerate(names):
        numeric = _differences(f, inputs, number, flatten(weights), eps)
        _compare(ours[number], numeric, f"derivative {degree} by {name}", rtol, atol)
    if degree < order:

        def gradient(*values: Any) -> Any:
            return vjp(f, *values[:-1])[1](values[-1])

        extended = [f"cotangent{number}" for number, _ in enumerate(flatten(weights))]
        _check(gradient, (*inputs, weights), names + extended, degree + 1, order, tolerances)


def _differences(f: Callable[..., Any], inputs: Any, number: int, weights: list[Array], eps: float) -> Array:
    """Return the central differences of the weighted outputs by the elements of one input."""
    leaves = [leaf.copy() for leaf in flatten(inputs)]
    x = leaves[number]
    result = np.zeros(x.shape)

    def outputs() -> list[Array]:
        with no_grad():
            values = f(*rebuild(inputs, iter([Tensor(leaf.copy()) for leaf in leaves])))
        return [np.asarray(value) for value in flatten(values)]

    for index in np.ndindex(x.shape):
        centre = x[index]
        step = eps * max(1.0, abs(centre))
        x[index] = above = centre + step
        high = outputs()
        x[index] = below = centre - step
        low = outputs()
        x[index] = centre
        change = sum(float(np.sum(weight * (a - b))) for weight, a, b in zip(weights, high, low, strict=True))
        result[index] = change / (above - below)
    return result


def _compare(ours: Array, numeric: Array, what: str, rtol: float, atol: float) -> None:
    error = np.abs(ours - numeric)
    wrong = ~(error <= atol + rtol * np.abs(numeric))
    if not wrong.any():
        return
    relative = error / np.maximum(np.abs(ours), np.abs(numeric)).clip(1e-300)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(relative), np.inf, relative) * wrong), wrong.shape)
    raise GradcheckError(
        f"{what} is wrong at index {tuple(map(int, worst))}: the graph gives {ours[worst]:.8g}, "
        f"central differences {numeric[worst]:.8g}, relative error {relative[worst]:.2g} "
        f"({wrong.sum()} of {wrong.size} elements differ)"
    )


def _paths(f: Callable[..., Any], inputs: tuple[Any, ...]) -> list[str]:
    """Name every leaf of the inputs, e.g. "argument 0 ('params')['weights'][1]"."""
    try:
        known = list(signature(f).bind(*inputs).arguments)
    except (TypeError, ValueError):
        known = []
    paths = []
    for number, tree in enumerate(inputs):
        name = f" ({known[number]!r})" if number < len(known) else ""
        paths += [f"argument {number}{name}{path}" for path in _branches(tree)]
    return paths


def _branches(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [f"[{key!r}]{path}" for key, branch in tree.items() for path in _branches(branch)]
    if isinstance(tree, (list, tuple)):
        return [f"[{i}]{path}" for i, branch in enumerate(tree) for path in _branches(branch)]
    return [""]
