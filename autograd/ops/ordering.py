"""The derivative table of sorting, and what is picked by rank: medians and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from math import prod as _product
from typing import Any

import numpy as np

from autograd.backend import array_or_tensor
from autograd.ops.indexing import laid_along, take, take_along_axis
from autograd.ops.reductions import normalized
from autograd.primitives import implements, primitive


def _sort_rule(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """Take each gradient back to where its element was; equal ones keep their own: sorting is stable."""
    order = np.argsort(x, axis=axis, kind="stable")
    ranks = np.empty_like(order)
    places = laid_along(np.arange(x.shape[axis], like=x), axis, x.ndim)
    np.put_along_axis(ranks, order, places, axis)
    return np.take_along_axis(g, ranks, axis)


_sort = primitive(lambda x, *, axis: np.sort(x, axis=axis, kind="stable"), _sort_rule, name="sort")


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, *, kind: str | None = None, stable: bool | None = None) -> Any:
    """Return the elements in order along an axis; it is always stable."""
    return _sort(np.ravel(a), axis=-1) if axis is None else _sort(a, axis=axis)


@implements(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1) -> Any:
    """Return the elements along an axis so that those of the ranks `kth` are where sorting would put them."""
    if axis is None:
        a, axis = np.ravel(a), -1
    return take_along_axis(a, np.argpartition(a, kth, axis=axis), axis)


def _sorted_rows(a: Any, axis: Any) -> Any:
    """Return `a` with the axes to be reduced made one, the last, and sorted."""
    axes = normalized(axis, a.ndim)
    moved = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    return sort(np.reshape(moved, (*moved.shape[: a.ndim - len(axes)], _product(a.shape[i] for i in axes))))


def _kept(result: Any, a: Any, axis: Any, keepdims: bool, leading: int = 0) -> Any:
    """Return a result over axes, of length 1 where they are to be kept; `leading` axes are its own."""
    if not keepdims:
        return result
    axes = normalized(axis, a.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    return np.reshape(result, result.shape[:leading] + kept)


@implements(np.median)
def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Return the median, NaN where there is a NaN; the middle ones of an even number take half each."""
    a = array_or_tensor(a)
    rows = _sorted_rows(a, axis)
    n = rows.shape[-1]
    middle = np.mean(rows[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    if n:
        middle = np.where(np.isnan(rows[..., -1]), np.nan, middle)
    return _kept(middle, a, axis, keepdims)


# Where among n sorted elements the quantile q lies (Hyndman and Fan, "Sample quantiles in statistical
# packages", 1996): at n q + alpha + q (1 - alpha - beta) - 1, between two of them.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0.0, 1.0),
}
# The place of an element, from that place (for "linear").
_PICKED: dict[str, Callable[[Any], Any]] = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}


@implements(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """Return the quantiles q, between 0 and 1, which are constants; NaN where there is a NaN.

    Methods are NumPy's: those that interpolate, "lower", "higher", "midpoint" and "nearest".
    """
    a = array_or_tensor(a)
    if a.dtype.kind == "c":
        raise TypeError(f"quantiles need an order, which {a.dtype} numbers do not have")
    q = np.asarray(q, a.dtype if isinstance(q, (int, float)) and a.dtype.kind == "f" else None)
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("quantiles must lie between 0 and 1 (percentiles between 0 and 100)")
    rows = _sorted_rows(a, axis)
    n = rows.shape[-1]
    if not n:
        raise IndexError(f"np.quantile of nothing: shape {a.shape}, axis {axis}")
    place = q * (n - 1.0)
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        place = np.clip(n * q + (alpha + q * (1 - alpha - beta)) - 1, 0, n - 1)
    elif method == "midpoint":
        place = (np.floor(place) + np.ceil(place)) * 0.5
    elif method in _PICKED:
        place = _PICKED[method](place)
    else:
        raise ValueError(
            f"quantiles by the method {method!r} are not differentiated; there are "
            f"{', '.join([*_CONTINUOUS, *_PICKED, 'midpoint'])}"
        )
    below = np.floor(place).astype(np.intp)
    result = take(rows, below, -1)
    if method not in _PICKED:
        share = np.asarray((place - below).astype(place.dtype), like=a)
        above = take(rows, np.minimum(below + 1, n - 1), -1)
        gap = above - result  # from the nearer end, as NumPy: the other may be infinite
        between = np.where(share >= 0.5, above - gap * (1 - share), result + gap * share)
        result = np.where(share == 0, result, between)
    if a.dtype.kind in "fc":
        unknown = np.isnan(rows[..., -1])
        result = np.where(unknown[(..., *(None,) * q.ndim)], np.nan, result)
    result = np.moveaxis(result, range(result.ndim - q.ndim, result.ndim), range(q.ndim))
    return _kept(result, a, axis, keepdims, q.ndim)


@implements(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False) -> Any:
    """Return the percentiles q, between 0 and 100; see np.quantile."""
    a = array_or_tensor(a)
    q = np.true_divide(q, a.dtype.type(100) if a.dtype.kind == "f" else 100)
    return quantile(a, q, axis, method=method, keepdims=keepdims)
