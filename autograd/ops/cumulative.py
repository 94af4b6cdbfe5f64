"""The derivative table of sums, products and differences along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd.backend import accumulate as accumulated
from autograd.backend import array_or_tensor, full
from autograd.ops.indexing import along, laid_along, take_along_axis
from autograd.ops.reductions import check_floating, normalized
from autograd.primitives import implements, primitive
from autograd.tensor import implementations, not_differentiated


def _reversed(x: Any, axis: int) -> Any:
    return x[along(slice(None, None, -1), axis, x.ndim)]


def _cumsum_rule(g: Any, y: Any, x: Any, *, axis: int | None = None, dtype: Any = None) -> Any:
    """Sum the gradients of this place and all after it."""
    check_floating(y)
    along_axis = 0 if axis is None else axis
    total = _reversed(np.cumsum(_reversed(g, along_axis), axis=along_axis), along_axis)
    return np.reshape(total, x.shape)


cumsum = primitive(np.cumsum, _cumsum_rule)


# ---------------------------------------------------------------------------------------- products


def _recurrence(x: Any, b: Any) -> Any:
    """Return s with s[k] = x[k] s[k - 1] + b[k] along the last axis, from s[-1] = 0."""
    s = b.astype(np.result_type(x, b))
    for k in range(1, s.shape[-1]):
        s[..., k] += x[..., k] * s[..., k - 1]
    return s


def _backwards(g: Any, x: Any) -> Any:
    """Return s with s[k] = x[k + 1] s[k + 1] + g[k]: what reaches each place from those after."""
    ones = full((*x.shape[:-1], 1), 1, x.dtype, x)
    following = np.concatenate([x[..., 1:], ones], axis=-1)
    return recurrence(following[..., ::-1], g[..., ::-1])[..., ::-1]


def _previous(y: Any, first: float) -> Any:
    start = full((*y.shape[:-1], 1), first, y.dtype, y)
    return np.concatenate([start, y[..., :-1]], axis=-1)


# A linear recurrence is closed under differentiation, so products are exact with zeros, in any order.
recurrence: Any = primitive(
    _recurrence,
    lambda g, y, x, b: _backwards(g, x) * _previous(y, 0.0),
    lambda g, y, x, b: _backwards(g, x),
    name="recurrence",
)


def _cumprod_rule(g: Any, y: Any, x: Any, *, axis: int | None = None, dtype: Any = None) -> Any:
    """The product of all before this place, times what reaches it from all products after it."""
    check_floating(y)
    if axis is None or x.ndim == 0:
        flat = np.reshape(x, (-1,))
        by_flat = _backwards(g.reshape(-1), flat) * _previous(y.reshape(-1), 1.0)
        return np.reshape(by_flat, x.shape)
    g, y, x = (np.moveaxis(part, axis, -1) for part in (g, y, x))
    return np.moveaxis(_backwards(g, x) * _previous(y, 1.0), -1, axis)


cumprod = primitive(np.cumprod, _cumprod_rule)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: int | None = None) -> Any:
    """Return the cumulative sum of what is not NaN."""
    return cumsum(np.where(np.isnan(a), 0, a), axis=axis)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: int | None = None) -> Any:
    """Return the cumulative product of what is not NaN."""
    return cumprod(np.where(np.isnan(a), 1, a), axis=axis)


def _cumulative(op: Any, first: float) -> Any:
    def cumulative(x: Any, /, *, axis: int | None = None, include_initial: bool = False) -> Any:
        if axis is None and x.ndim > 1:
            raise ValueError(f"a cumulative sum or product of shape {x.shape} needs axis=")
        axis = 0 if axis is None else axis
        result = op(x, axis=axis)
        if not include_initial:
            return result
        shape = list(x.shape)
        shape[axis] = 1
        return np.concatenate([full(tuple(shape), first, result.dtype, result), result], axis=axis)

    return cumulative


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    cumulative_sum = implements(np.cumulative_sum)(_cumulative(cumsum, 0))
    cumulative_prod = implements(np.cumulative_prod)(_cumulative(cumprod, 1))


# --------------------------------------------------------------------------------- running extremes


def _running(ufunc: np.ufunc) -> Any:
    """Return the running extreme as a choice: among ties, of the latest (PyTorch's convention)."""

    def accumulate(array: Any, axis: int = 0, dtype: Any = None) -> Any:
        if dtype is not None:
            raise not_differentiated(f"np.{ufunc.__name__}.accumulate with dtype=")
        axis = normalize_axis_index(axis, array.ndim)
        values = array.data
        found = accumulated(ufunc, values, axis)
        places = laid_along(np.arange(values.shape[axis], like=values), axis, values.ndim)
        attained = np.equal(values, found) | np.isnan(values)
        return take_along_axis(array, accumulated(np.maximum, np.where(attained, places, 0), axis), axis)

    return accumulate


implementations[np.maximum, "accumulate"] = _running(np.maximum)
implementations[np.minimum, "accumulate"] = _running(np.minimum)


def _accumulated(op: Any) -> Any:
    def accumulate(array: Any, axis: int = 0, dtype: Any = None) -> Any:
        return op(array, axis=normalize_axis_index(axis, array.ndim), dtype=dtype)

    return accumulate


implementations[np.add, "accumulate"] = _accumulated(cumsum)
implementations[np.multiply, "accumulate"] = _accumulated(cumprod)


# -------------------------------------------------------------------------------------- differences


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the n-th differences along an axis, of `a` with what is put before and after it."""
    if n < 0:
        raise ValueError(f"np.diff needs a number of times, not {n}")
    a = array_or_tensor(a)
    if a.ndim == 0:
        raise ValueError("np.diff needs an array of at least one axis")

    def joined(end: Any) -> list[Any]:
        if end is None:
            return []
        end = array_or_tensor(end, a)
        one = tuple(1 if i == axis % a.ndim else size for i, size in enumerate(a.shape))
        return [np.broadcast_to(end, one) if end.ndim == 0 else end]

    if n and (prepend is not None or append is not None):
        a = np.concatenate([*joined(prepend), a, *joined(append)], axis=axis)
    for _ in range(n):
        upper, lower = a[along(slice(1, None), axis, a.ndim)], a[along(slice(None, -1), axis, a.ndim)]
        a = np.not_equal(upper, lower) if a.dtype == np.bool_ else upper - lower
    return a


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate y along an axis by the trapezoidal rule, at the places x or in steps of dx."""
    y = array_or_tensor(y, x if hasattr(x, "ndim") else None)
    steps = dx
    if x is not None:
        x = array_or_tensor(x, y)
        steps = diff(x, axis=axis if x.ndim > 1 else 0)
        if x.ndim == 1:
            steps = laid_along(steps, axis, y.ndim)
    pairs = y[along(slice(1, None), axis, y.ndim)] + y[along(slice(None, -1), axis, y.ndim)]
    return np.sum(steps * pairs / 2.0, axis=axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return second-order central differences of samples, one-sided at the ends, along each axis.

    `varargs` are distances: one for all axes, or one for each, a number or the places of the samples.
    """
    axes = normalized(axis, f.ndim)
    spacings = varargs or (1.0,)
    if len(spacings) == 1 and np.ndim(spacings[0]) == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"np.gradient along {len(axes)} axes takes one number, or that many distances; got {len(varargs)}"
        )
    results = [_slope(f, i, array_or_tensor(h, f), edge_order) for i, h in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _slope(f: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    """Return the slopes along an axis, of polynomials through two or three neighbours."""
    n = f.shape[axis]
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient takes edge_order 1 or 2, not {edge_order}")
    if n < edge_order + 1:
        raise ValueError(f"np.gradient needs at least {edge_order + 1} samples along an axis, and got {n}")
    if spacing.ndim > 1 or (spacing.ndim == 1 and len(spacing) != n):
        raise ValueError(
            f"np.gradient along {n} samples takes a distance, or {n} places; got {spacing.shape}"
        )
    steps = diff(spacing) if spacing.ndim else np.broadcast_to(spacing, (n - 1,))
    if f.dtype.kind not in "fc":
        f = f.astype(np.float64)
    if steps.dtype.kind != "c":
        steps = steps.astype(np.finfo(f.dtype).dtype)
    steps = laid_along(steps, axis, f.ndim)
    slopes = diff(f, axis=axis) / steps
    first, last = (slopes[along(slice(*ends), axis, f.ndim)] for ends in ((0, 1), (n - 2, n - 1)))
    if n == 2:
        return np.concatenate([first, last], axis=axis)
    left, right = slopes[along(slice(None, -1), axis, f.ndim)], slopes[along(slice(1, None), axis, f.ndim)]
    before, after = steps[:-1], steps[1:]
    if spacing.ndim:
        inner = (left * after + right * before) / (before + after)
    else:  # not by way of what lies in the middle, which may be infinite
        upper, lower = f[along(slice(2, None), axis, f.ndim)], f[along(slice(None, -2), axis, f.ndim)]
        inner = (upper - lower) / (before + after)
    if edge_order == 2:
        bend = (right - left) / (before + after)
        first = first - before[:1] * bend[along(slice(0, 1), axis, f.ndim)]
        last = last + after[-1:] * bend[along(slice(n - 3, n - 2), axis, f.ndim)]
    return np.concatenate([first, inner, last], axis=axis)
