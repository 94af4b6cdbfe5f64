"""The derivative table of NumPy's elementwise functions."""

from __future__ import annotations

from functools import partial
from math import log as _log
from typing import Any

import numpy as np

from autograd.primitives import implements, primitive
from autograd.tensor import Tensor

ufunc = partial(primitive, elementwise=True)

add = ufunc(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
subtract = ufunc(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
multiply = ufunc(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
divide = ufunc(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
negative = ufunc(np.negative, lambda g, y, x: -g)
positive = ufunc(np.positive, lambda g, y, x: g)
absolute = ufunc(np.absolute, lambda g, y, x: g * np.sign(x))
sign = ufunc(np.sign, lambda g, y, x: np.zeros_like(g))

sqrt = ufunc(np.sqrt, lambda g, y, x: g * 0.5 / y)
square = ufunc(np.square, lambda g, y, x: g * (2 * x))
exp = ufunc(np.exp, lambda g, y, x: g * y)
expm1 = ufunc(np.expm1, lambda g, y, x: g * (y + 1))
log = ufunc(np.log, lambda g, y, x: g / x)
log1p = ufunc(np.log1p, lambda g, y, x: g / (1 + x))
log2 = ufunc(np.log2, lambda g, y, x: g / (x * _log(2)))
log10 = ufunc(np.log10, lambda g, y, x: g / (x * _log(10)))

sin = ufunc(np.sin, lambda g, y, x: g * np.cos(x))
cos = ufunc(np.cos, lambda g, y, x: -g * np.sin(x))
tan = ufunc(np.tan, lambda g, y, x: g * (1 + y * y))
arcsin = ufunc(np.arcsin, lambda g, y, x: g / np.sqrt(1 - x * x))
arccos = ufunc(np.arccos, lambda g, y, x: -g / np.sqrt(1 - x * x))
arctan = ufunc(np.arctan, lambda g, y, x: g / (1 + x * x))


def _over_square(a: Any, b: Any) -> Any:
    """Return a / (a^2 + b^2), and 0 at the origin, where arctan2 jumps."""
    square = a * a + b * b
    return np.where(square == 0, 0, a / np.where(square == 0, 1, square))


arctan2 = ufunc(
    np.arctan2,
    lambda g, y, a, b: g * _over_square(b, a),
    lambda g, y, a, b: -g * _over_square(a, b),
)
sinh = ufunc(np.sinh, lambda g, y, x: g * np.cosh(x))
cosh = ufunc(np.cosh, lambda g, y, x: g * np.sinh(x))
tanh = ufunc(np.tanh, lambda g, y, x: g * (1 - y * y))
arctanh = ufunc(np.arctanh, lambda g, y, x: g / (1 - x * x))


def _power_by_base(g: Any, y: Any, x: Any, p: Any) -> Any:
    """g p x^(p-1), and 0 where p = 0, also for x = 0."""
    if type(p) in (float, int):
        return g * (p * x ** (p - 1)) if p else np.zeros_like(g)
    constant = (p == 0) & (x == 0)
    return np.where(constant, 0, g * (p * np.power(x, np.where(constant, 1, p - 1))))


def _power_by_exponent(g: Any, y: Any, x: Any, p: Any) -> Any:
    """g y log(x), and its limit 0 where x = 0 and p >= 0."""
    still = np.equal(x, 0) & np.greater_equal(p, 0)
    return np.where(still, 0, g * y * np.log(np.where(still, 1, x)))


power = ufunc(np.power, _power_by_base, _power_by_exponent)

# Where both are equal each takes half; a NaN passes the gradient to both (PyTorch's convention).
maximum = ufunc(
    np.maximum,
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where(a < b, 0, g)),
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where(b < a, 0, g)),
)
minimum = ufunc(
    np.minimum,
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where(a > b, 0, g)),
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where(b > a, 0, g)),
)

where = primitive(
    np.where,
    None,
    lambda g, y, mask, a, b: np.where(mask, g, 0),
    lambda g, y, mask, a, b: np.where(mask, 0, g),
)


def _clip_rule(g: Any, y: Any, x: Any, *, low: Any, high: Any) -> Any:
    inside = np.isfinite(x) | np.isinf(x)  # everything but NaN
    if low is not None:
        inside = inside & (x >= low)
    if high is not None:
        inside = inside & (x <= high)
    return np.where(inside, g, 0)


_clip = primitive(
    lambda x, *, low, high: np.clip(x, low, high),
    _clip_rule,
    name="clip",
)


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit the values of `a`; at a bound the gradient is 1. The bounds are constants."""
    low = a_min if min is None else min
    high = a_max if max is None else max
    return _clip(a, low=_bound(low), high=_bound(high))


def _bound(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float)) else np.asarray(value)


_astype = primitive(lambda x, *, dtype: x.astype(dtype), lambda g, y, x, *, dtype: g, name="astype")


def astype(x: Any, dtype: Any) -> Any:
    """Convert x to another dtype: tensors that require gradients between floats only."""
    dtype = np.dtype(dtype)
    if isinstance(x, Tensor) and x.requires_grad and dtype.kind != "f":
        raise TypeError(
            f"astype({dtype}) would cut a tensor out of the graph, and its gradient would be lost without a "
            "word; convert t.detach() or t.numpy()"
        )
    return _astype(x, dtype=dtype)
