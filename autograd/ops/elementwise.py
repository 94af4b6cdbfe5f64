"""The derivative table of NumPy's elementwise functions."""

from __future__ import annotations

from functools import partial
from math import factorial as _factorial
from math import inf as _inf
from math import log as _log
from math import pi as _pi
from typing import Any

import numpy as np

from autograd.backend import array_or_tensor, device_of, is_on, to_device
from autograd.primitives import implements, primitive
from autograd.tensor import Tensor

ufunc = partial(primitive, elementwise=True)


def conjugate_of(x: Any) -> Any:
    """Return the conjugate of a complex x, and a real x itself, which NumPy would copy."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _no_slope(g: Any, y: Any, *inputs: Any) -> Any:
    return np.zeros_like(g)


add = ufunc(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
subtract = ufunc(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
multiply = ufunc(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
divide = ufunc(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
negative = ufunc(np.negative, lambda g, y, x: -g)
positive = ufunc(np.positive, lambda g, y, x: g)
reciprocal = ufunc(np.reciprocal, lambda g, y, x: -g * y * y)
absolute = ufunc(np.absolute, lambda g, y, x: g * conjugate_of(np.sign(x)))
fabs = ufunc(np.fabs, lambda g, y, x: g * np.sign(x))


def _sign_rule(g: Any, y: Any, x: Any) -> Any:
    """0; of a complex x, the sign is x / |x|, which turns with x and has no other slope."""
    if x.dtype.kind != "c":
        return np.zeros_like(g)
    still = x == 0
    along = np.real(g * y) * np.conjugate(y)
    return np.where(still, 0, (g - along) / np.where(still, 1, np.absolute(x)))


sign = ufunc(np.sign, _sign_rule)
real = primitive(np.real, lambda g, y, val: g, elementwise=True)
imag = primitive(np.imag, lambda g, y, val: -1j * g, elementwise=True)
conjugate = ufunc(np.conjugate, lambda g, y, x: np.conjugate(g))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Return the angle of complex numbers with the real axis, in radians or degrees."""
    radians = arctan2(imag(z) if np.iscomplexobj(z) else 0, real(z))
    return np.rad2deg(radians) if deg else radians


sqrt = ufunc(np.sqrt, lambda g, y, x: g * 0.5 / y)
cbrt = ufunc(np.cbrt, lambda g, y, x: g / (3 * y * y))
square = ufunc(np.square, lambda g, y, x: g * (2 * x))
exp = ufunc(np.exp, lambda g, y, x: g * y)
exp2 = ufunc(np.exp2, lambda g, y, x: g * (y * _log(2)))
expm1 = ufunc(np.expm1, lambda g, y, x: g * (y + 1))
log = ufunc(np.log, lambda g, y, x: g / x)
log1p = ufunc(np.log1p, lambda g, y, x: g / (1 + x))
log2 = ufunc(np.log2, lambda g, y, x: g / (x * _log(2)))
log10 = ufunc(np.log10, lambda g, y, x: g / (x * _log(10)))


def _share(exp: Any) -> Any:
    """Return the rule by which the logarithm of a sum of powers is shared among them."""
    return lambda g, y, a: g * exp(a - np.where(y == -np.inf, 0, y))


def _by_exchange(rule: Any) -> tuple[Any, Any]:
    """Return the rules by both inputs of a function that does not mind their order."""
    return (lambda g, y, a, b: rule(g, y, a)), (lambda g, y, a, b: rule(g, y, b))


logaddexp = ufunc(np.logaddexp, *_by_exchange(_share(np.exp)))
logaddexp2 = ufunc(np.logaddexp2, *_by_exchange(_share(np.exp2)))

sin = ufunc(np.sin, lambda g, y, x: g * np.cos(x))
cos = ufunc(np.cos, lambda g, y, x: -g * np.sin(x))
tan = ufunc(np.tan, lambda g, y, x: g * (1 + y * y))
arcsin = ufunc(np.arcsin, lambda g, y, x: g / np.sqrt(1 - x * x))
arccos = ufunc(np.arccos, lambda g, y, x: -g / np.sqrt(1 - x * x))
arctan = ufunc(np.arctan, lambda g, y, x: g / (1 + x * x))


def quotient(numerator: Any, denominator: Any) -> Any:
    """Return numerator / denominator, and 0 where both are 0: at a kink, or where it makes no difference."""
    nothing = (denominator == 0) & (numerator == 0)
    return np.where(nothing, 0, numerator / np.where(nothing, 1, denominator))


hypot = ufunc(np.hypot, *_by_exchange(lambda g, y, a: g * quotient(a, y)))


def _over_square(a: Any, b: Any) -> Any:
    """Return a / (a^2 + b^2), and 0 at the origin, where arctan2 jumps; no square may overflow."""
    h = np.hypot(a, b)
    return quotient(quotient(a, h), h)


arctan2 = ufunc(
    np.arctan2,
    lambda g, y, a, b: g * _over_square(b, a),
    lambda g, y, a, b: -g * _over_square(a, b),
)
sinh = ufunc(np.sinh, lambda g, y, x: g * np.cosh(x))
cosh = ufunc(np.cosh, lambda g, y, x: g * np.sinh(x))
tanh = ufunc(np.tanh, lambda g, y, x: g * (1 - y * y))
arcsinh = ufunc(np.arcsinh, lambda g, y, x: g / np.sqrt(1 + x * x))
arccosh = ufunc(np.arccosh, lambda g, y, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)))
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
    base = np.where(still, 1, x)
    return np.where(still, 0, g * y * np.log(base + 0j if y.dtype.kind == "c" else base))


power = ufunc(np.power, _power_by_base, _power_by_exponent)
float_power = ufunc(np.float_power, _power_by_base, _power_by_exponent)


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
# These choose a number before a NaN.
fmax = ufunc(
    np.fmax,
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where((a > b) | np.isnan(b), g, 0)),
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where((b > a) | np.isnan(a), g, 0)),
)
fmin = ufunc(
    np.fmin,
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where((a < b) | np.isnan(b), g, 0)),
    lambda g, y, a, b: np.where(a == b, g * 0.5, np.where((b < a) | np.isnan(a), g, 0)),
)

# Steps are flat where they do not jump.
floor, ceil, trunc, rint = (ufunc(f, _no_slope) for f in (np.floor, np.ceil, np.trunc, np.rint))
round = primitive(np.round, lambda g, y, a, *, decimals=0: np.zeros_like(g), elementwise=True)
implements(np.around)(lambda a, decimals=0: round(a, decimals=decimals))
floor_divide = ufunc(np.floor_divide, _no_slope, _no_slope)
remainder = ufunc(np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b))
fmod = ufunc(np.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b))
heaviside = ufunc(np.heaviside, _no_slope, lambda g, y, a, b: np.where(np.equal(a, 0), g, 0))
copysign = ufunc(np.copysign, lambda g, y, a, b: g * (np.sign(a) * np.copysign(1.0, b)), _no_slope)
ldexp = ufunc(np.ldexp, lambda g, y, x, exponent: np.ldexp(g, exponent), None)
deg2rad, radians = (ufunc(f, lambda g, y, x: g * (_pi / 180)) for f in (np.deg2rad, np.radians))
rad2deg, degrees = (ufunc(f, lambda g, y, x: g * (180 / _pi)) for f in (np.rad2deg, np.degrees))


@implements(np.divmod)
def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a // b and a % b."""
    return floor_divide(a, b), remainder(a, b)


_fraction = primitive(lambda x: np.modf(x)[0], lambda g, y, x: g, elementwise=True, name="modf")
_whole = primitive(lambda x: np.modf(x)[1], _no_slope, elementwise=True, name="modf")


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """Return the fractional and the integral part of x, both with its sign."""
    return _fraction(x), _whole(x)


implements(np.fix)(trunc)


def _sinc_derivative(x: Any, *, order: int) -> Any:
    """Return the derivative of sin(pi x) / (pi x) of an order, exact near 0, too.

    From the Taylor series where |x| < 1. Elsewhere x sinc(x) = sin(pi x) / pi, differentiated n times, is
    x sinc^(n)(x) + n sinc^(n-1)(x) = pi^(n-1) sin(pi x + n pi/2).
    """
    if order == 0:
        return np.sinc(x)
    far = np.abs(x) >= 1
    safe = np.where(far, x, 1)
    result = np.sinc(safe)
    for n in range(1, order + 1):
        result = (_pi ** (n - 1) * np.sin(_pi * safe + n * (_pi / 2)) - n * result) / safe
    square = np.where(far, 0, x) ** 2
    # The k-th term is (-1)^k pi^2k x^(2k - order) / ((2k - order)! (2k + 1)), first that of 2k >= order.
    parity = order % 2
    series = np.zeros_like(x)
    for k in range((order + 1) // 2 + 14, (order + 1) // 2 - 1, -1):
        term = (-1) ** k * _pi ** (2 * k) / (_factorial(2 * k - order) * (2 * k + 1))
        series = series * square + term
    return np.where(far, result, series * x if parity else series)


_sinc: Any = primitive(
    _sinc_derivative,
    lambda g, y, x, *, order: g * _sinc(x, order=order + 1),
    elementwise=True,
    name="sinc",
)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), and 1 at 0."""
    return _sinc(x, order=0)


def _nan_to_num_rule(
    g: Any, y: Any, x: Any, *, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    return np.where(np.isfinite(x), g, 0)


nan_to_num = primitive(np.nan_to_num, _nan_to_num_rule, elementwise=True)

where = primitive(
    np.where,
    None,
    lambda g, y, mask, a, b: np.where(mask, g, 0),
    lambda g, y, mask, a, b: np.where(mask, 0, g),
)


_clip = primitive(
    lambda x, low, high: np.minimum(np.maximum(x, low), high),  # in a fifth of the time of np.clip
    lambda g, y, x, low, high: np.where((x >= low) & (x <= high), g, 0),
    lambda g, y, x, low, high: np.where((x < low) & (low <= high), g, 0),
    lambda g, y, x, low, high: np.where((x > high) | ((low > high) & (x <= x)), g, 0),
    name="clip",
)


@implements(np.clip)
def clip(a: Any, a_min: Any = ..., a_max: Any = ..., *, min: Any = None, max: Any = None) -> Any:
    """Limit the values of `a`; at a bound the gradient by `a` is 1. Where bounds cross, `a_max` counts."""
    if a_min is ... and a_max is ...:
        a_min, a_max = min, max
    elif a_min is ... or a_max is ... or min is not None or max is not None:
        raise TypeError("np.clip takes a_min and a_max together, or the keywords min and max instead")
    if a_min is None:
        a_min = _extremes(a)[0]
    if a_max is None:
        a_max = _extremes(a)[1]
    return _clip(a, a_min, a_max)


def _extremes(x: Any) -> tuple[Any, Any]:
    """Return bounds that leave x as it is, and its dtype."""
    dtype = array_or_tensor(x).dtype
    if dtype.kind in "fc":
        return -_inf, _inf
    return (False, True) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


_astype = primitive(lambda x, *, dtype: x.astype(dtype), lambda g, y, x, *, dtype: g, name="astype")


def astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    """Convert x to another dtype: tensors that require gradients between floats, and to complex, only."""
    dtype = np.dtype(dtype)
    if isinstance(x, Tensor) and x.requires_grad and dtype.kind not in ("c" if x.dtype.kind == "c" else "fc"):
        instead = (
            "take its .real or np.absolute" if x.dtype.kind == "c" else "convert t.detach() or t.numpy()"
        )
        raise TypeError(
            f"astype({dtype}) would cut a tensor out of the graph, and its gradient would be lost without a "
            f"word; {instead}"
        )
    return _astype(x, dtype=dtype)


_to: Any = primitive(
    lambda x, *, device: to_device(x, device),
    lambda g, y, x, *, device: _to(g, device=device_of(x)),
    name="to",
)


def to(x: Any, device: str) -> Any:
    """Return x on a device, "cpu", "cuda" or "cuda:1": x itself if it is there, or else a copy."""
    return x if is_on(x, device) else _to(x, device=device)


if hasattr(np, "astype"):  # NumPy 2.1
    implements(np.astype)(astype)
