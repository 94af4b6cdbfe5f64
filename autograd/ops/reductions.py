"""The derivative table of NumPy's reductions and cumulative sums."""

from __future__ import annotations

from collections.abc import Callable
from math import prod as _product
from typing import Any

import numpy as np

from autograd.backend import broadcast_to
from autograd.primitives import primitive
from autograd.tensor import implementations


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
    return lambda x, *, axis=None, keepdims=False: ufunc.reduce(x, axis=axis, keepdims=keepdims)


sum = primitive(
    _reduced_by(np.add),
    lambda g, y, x, *, axis=None, keepdims=False: spread(g, x, axis, keepdims),
    numpy=np.sum,
)


def _mean_rule(g: Any, y: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return spread(g / _at_least_one(_count(x, axis)), x, axis, keepdims)


def _at_least_one(number: float) -> float:
    """Keep the gradient of an empty reduction, which is empty, from dividing by zero."""
    return number if number else 1


mean = primitive(np.mean, _mean_rule)


def _extreme_rule(g: Any, y: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Share g equally among the elements that attain the extreme."""
    chosen = np.equal(x, spread(y, x, axis, keepdims))
    shares = chosen / chosen.sum(axis=axis, keepdims=True, dtype=x.dtype.type)
    return spread(g, x, axis, keepdims) * shares


max = primitive(_reduced_by(np.maximum), _extreme_rule, numpy=np.max)
min = primitive(_reduced_by(np.minimum), _extreme_rule, numpy=np.min)
implementations[np.amax] = implementations[np.max]
implementations[np.amin] = implementations[np.min]


def _centred(x: Any, axis: Any) -> Any:
    return x - np.mean(x, axis=axis, keepdims=True)


def _var_rule(g: Any, y: Any, x: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    scale = 2 / _at_least_one(_count(x, axis) - ddof)
    return spread(g * scale, x, axis, keepdims) * _centred(x, axis)


def _std_rule(g: Any, y: Any, x: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """g (x - mean) / (n y), and 0 where y = 0."""
    constant = y == 0
    share = np.where(constant, 0, g / np.where(constant, 1, y))
    scale = 1 / _at_least_one(_count(x, axis) - ddof)
    return spread(share * scale, x, axis, keepdims) * _centred(x, axis)


var = primitive(np.var, _var_rule)
std = primitive(np.std, _std_rule)


def _prod_rule(g: Any, y: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """g times the product of the other elements: no division, so exact with zeros."""
    axes = (
        tuple(range(x.ndim)) if axis is None or x.ndim == 0 else axis if isinstance(axis, tuple) else (axis,)
    )
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    rows = np.reshape(moved, (*moved.shape[: x.ndim - len(axes)], _count(x, axis)))
    others = np.moveaxis(np.reshape(_product_of_others(rows), moved.shape), last, axes)
    return spread(g, x, axis, keepdims) * others


def _product_of_others(x: Any) -> Any:
    """Return at each place of the last axis the product of all others, by halving the axis."""
    n = x.shape[-1]
    if n < 2:
        return np.ones(x.shape, x.dtype)
    if n % 2:
        x = np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
    left, right = x[..., ::2], x[..., 1::2]
    outside = _product_of_others(left * right)
    pairs = np.stack([outside * right, outside * left], axis=-1)
    return np.reshape(pairs, x.shape)[..., :n]


prod = primitive(_reduced_by(np.multiply), _prod_rule, numpy=np.prod)


def _cumsum_rule(g: Any, y: Any, x: Any, *, axis: int | None = None) -> Any:
    """Sum the gradients of this place and all after it."""
    along = 0 if axis is None else axis
    backwards = (slice(None),) * (along % g.ndim) + (slice(None, None, -1),)
    return np.reshape(np.cumsum(g[backwards], axis=along)[backwards], x.shape)


cumsum = primitive(np.cumsum, _cumsum_rule)
