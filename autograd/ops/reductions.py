"""The derivative table of NumPy's reductions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod as _product
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd import backend
from autograd.backend import array_or_tensor, broadcast_to
from autograd.ops.elementwise import conjugate_of
from autograd.primitives import implements, primitive
from autograd.recording import callback
from autograd.tensor import implementations, values_of


def spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Return `g`, reduced from `x` over `axis`, broadcast back to the shape of `x`."""
    if axis is not None and not keepdims and x.ndim:  # a single number is its own sum over axis 0
        kept = list(x.shape)
        for i in axis if isinstance(axis, tuple) else (axis,):
            kept[i] = 1
        g = g.reshape(kept)
    return broadcast_to(g, x.shape)


def _count(x: Any, axis: Any) -> int:
    """Return how many elements of `x` a reduction over `axis` takes together."""
    if axis is None or x.ndim == 0:
        return int(x.size)
    return _product(x.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def _reduced_by(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return what np.sum and its like do, in two thirds of their time for a few numbers."""

    def reduce(x: Any, *, axis: Any = None, keepdims: bool = False, **others: Any) -> Any:
        if type(x) is not np.ndarray and backend.is_foreign(x):
            return backend.reduce(ufunc, x, axis, keepdims, **others)
        if others:
            return ufunc.reduce(x, axis=axis, keepdims=keepdims, **others)
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    return reduce


def check_floating(y: Any) -> None:
    """Raise TypeError for a result that was cast, by dtype=, to what has no gradient."""
    if y.dtype.kind not in "fc":
        raise TypeError(f"a reduction with dtype={y.dtype} has no gradient; give a dtype of floats")


def _masked(g: Any, y: Any, where: Any) -> Any:
    """Return a gradient, and 0 where an element was left out."""
    check_floating(y)
    return g if where is True else np.where(where, g, 0)


def _sum_rule(
    g: Any,
    y: Any,
    x: Any,
    *,
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = True,
) -> Any:
    return _masked(spread(g, x, axis, keepdims), y, where)


def _mean_rule(
    g: Any, y: Any, x: Any, *, axis: Any = None, keepdims: bool = False, dtype: Any = None, where: Any = True
) -> Any:
    """g / n for each of the n elements."""
    if where is True:
        return _masked(spread(g / _at_least_one(_count(x, axis)), x, axis, keepdims), y, where)
    taken = np.broadcast_to(where, x.shape).sum(axis=axis, keepdims=keepdims, dtype=y.dtype)
    return _masked(spread(g / np.maximum(taken, 1), x, axis, keepdims), y, where)


def _at_least_one(number: float) -> float:
    """Keep the gradient of an empty reduction, which is empty, from dividing by zero."""
    return number if number else 1


def _extreme_rule(
    g: Any,
    y: Any,
    x: Any,
    *,
    axis: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Share g equally among the elements that attain the extreme."""
    chosen = np.equal(x, spread(y, x, axis, keepdims))
    if where is not True:
        chosen = chosen & np.asarray(where, like=x)
    count = chosen.sum(axis=axis, keepdims=True, dtype=x.real.dtype.type)
    if where is not True or initial is not None:
        count = np.maximum(count, 1)
    return spread(g, x, axis, keepdims) * (chosen / count)


sum = primitive(_reduced_by(np.add), _sum_rule, numpy=np.sum)
mean = primitive(np.mean, _mean_rule)
max = primitive(_reduced_by(np.maximum), _extreme_rule, numpy=np.max)
min = primitive(_reduced_by(np.minimum), _extreme_rule, numpy=np.min)
implementations[np.amax] = implementations[np.max]
implementations[np.amin] = implementations[np.min]


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the range of values, maximum - minimum."""
    return max(a, axis=axis, keepdims=keepdims) - min(a, axis=axis, keepdims=keepdims)


def _by_deviation(factor: int, g: Any, y: Any, x: Any, axis: Any, keepdims: bool, ddof: float) -> Any:
    """Return factor g (x - mean) / (n - ddof)."""
    check_floating(y)
    scale = factor / _at_least_one(_count(x, axis) - ddof)
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return spread(g * scale, x, axis, keepdims) * conjugate_of(centred)


def _var_rule(
    g: Any,
    y: Any,
    x: Any,
    *,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    correction: float | None = None,
) -> Any:
    return _by_deviation(2, g, y, x, axis, keepdims, ddof if correction is None else correction)


def _std_rule(
    g: Any,
    y: Any,
    x: Any,
    *,
    axis: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    correction: float | None = None,
) -> Any:
    """g (x - mean) / (n y), and 0 where y = 0."""
    constant = y == 0
    share = np.where(constant, 0, g / np.where(constant, 1, y))
    return _by_deviation(1, share, y, x, axis, keepdims, ddof if correction is None else correction)


var = primitive(np.var, _var_rule)
std = primitive(np.std, _std_rule)


def _prod_rule(
    g: Any,
    y: Any,
    x: Any,
    *,
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """g times the product of the other elements: no division, so exact with zeros."""
    if where is not True:
        x = np.where(where, x, 1)
    axes = (
        tuple(range(x.ndim)) if axis is None or x.ndim == 0 else axis if isinstance(axis, tuple) else (axis,)
    )
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    rows = np.reshape(moved, (*moved.shape[: x.ndim - len(axes)], _count(x, axis)))
    others = np.moveaxis(np.reshape(product_of_others(rows), moved.shape), last, axes)
    scale = 1 if initial is None else initial
    return _masked(spread(g * scale, x, axis, keepdims) * others, y, where)


def product_of_others(x: Any) -> Any:
    """Return at each place of the last axis the product of all others, by halving the axis."""
    n = x.shape[-1]
    if n < 2:
        return np.ones_like(x)
    if n % 2:
        x = np.concatenate([x, backend.full((*x.shape[:-1], 1), 1, x.dtype, x)], axis=-1)
    left, right = x[..., ::2], x[..., 1::2]
    outside = product_of_others(left * right)
    pairs = np.stack([outside * right, outside * left], axis=-1)
    return np.reshape(pairs, x.shape)[..., :n]


prod = primitive(_reduced_by(np.multiply), _prod_rule, numpy=np.prod)


# ------------------------------------------------------------------------------- in terms of these


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Return the average weighted by `weights`, of a's shape, or of the length of its one axis."""
    if weights is None:
        result = mean(a, axis=axis, keepdims=keepdims)
        scale: Any = backend.full(result.shape, _count(a, axis), result.dtype, result)
    else:
        weights = array_or_tensor(weights, a)
        if weights.shape != a.shape:
            axes = normalized(axis, a.ndim)
            if axis is None or weights.shape != tuple(a.shape[i] for i in axes):
                raise ValueError(
                    f"np.average of shape {a.shape} over axis {axis} takes weights of that shape, or of that "
                    f"of the axes; got {weights.shape}"
                )
            order = order_of(axes)
            shape = [a.shape[i] if i in axes else 1 for i in range(a.ndim)]
            weights = np.reshape(np.transpose(weights, order), shape)
        dtype = np.result_type(a, weights, *([] if a.dtype.kind in "fc" else [np.float64]))
        weights = np.broadcast_to(weights, a.shape).astype(dtype)
        scale = np.sum(weights, axis=axis, keepdims=keepdims)
        callback(_check_weights, values_of(scale))
        result = sum(a * weights, axis=axis, keepdims=keepdims) / scale
    return (result, scale) if returned else result


def _check_weights(scale: Any) -> None:
    if np.any(scale == 0):
        raise ZeroDivisionError("the weights of np.average sum to zero")


def normalized(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that are meant by None, a number or a tuple of numbers, none of them negative."""
    if axis is None:
        return tuple(range(ndim))
    return normalize_axis_tuple(axis, ndim)


def order_of(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the places of axes in rising order: of a permutation, its inverse."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@implements(np.nansum)
def nansum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Return the sum of what is not NaN."""
    return sum(np.where(np.isnan(a), 0, a), axis=axis, keepdims=keepdims, **_given(dtype))


def _given(dtype: Any) -> dict[str, Any]:
    return {} if dtype is None else {"dtype": dtype}


@implements(np.nanprod)
def nanprod(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Return the product of what is not NaN."""
    return prod(np.where(np.isnan(a), 1, a), axis=axis, keepdims=keepdims, **_given(dtype))


@implements(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Return the mean of what is not NaN; NaN where there is nothing else."""
    if a.dtype.kind not in "fc":
        return mean(a, axis=axis, keepdims=keepdims, **_given(dtype))
    count = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims)
    total = nansum(a, axis, dtype, keepdims=keepdims)
    check_floating(total)
    return total / _counted(count, total.dtype)


def _counted(count: Any, dtype: Any) -> Any:
    """Return numbers of elements to divide by, NaN for none."""
    return np.where(count > 0, count, np.nan).astype(dtype)


@implements(np.nanvar)
def nanvar(
    a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Any:
    """Return the variance of what is not NaN."""
    number = ~np.isnan(a)
    deviation = np.where(number, a - nanmean(a, axis, keepdims=True), 0)
    count = np.sum(number, axis=axis, keepdims=keepdims) - (ddof if correction is None else correction)
    squares = np.square(np.absolute(deviation)) if deviation.dtype.kind == "c" else np.square(deviation)
    return np.sum(squares, axis=axis, keepdims=keepdims) / _counted(count, squares.dtype)


@implements(np.nanstd)
def nanstd(
    a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, correction: float | None = None
) -> Any:
    """Return the standard deviation of what is not NaN; of a constant, its gradient is 0."""
    variance = nanvar(a, axis, ddof=ddof, keepdims=keepdims, correction=correction)
    return np.where(variance == 0, 0, np.sqrt(np.where(variance == 0, 1, variance)))


def _nan_extreme(function: Any, extreme: Any, least: float) -> Any:
    def ignoring(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        if a.dtype.kind not in "fc":
            return extreme(a, axis=axis, keepdims=keepdims)
        found = extreme(np.where(np.isnan(a), least, a), axis=axis, keepdims=keepdims)
        return np.where(np.all(np.isnan(a), axis=axis, keepdims=keepdims), np.nan, found)

    return implements(function)(ignoring)


nanmax = _nan_extreme(np.nanmax, max, -np.inf)
nanmin = _nan_extreme(np.nanmin, min, np.inf)
