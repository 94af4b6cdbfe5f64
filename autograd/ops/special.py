"""The derivative table of scipy.special, imported when SciPy has been and a function is not known."""

from __future__ import annotations

from math import factorial, pi, sqrt
from typing import Any

import numpy as np
from scipy import special

from autograd.backend import is_foreign
from autograd.ops.elementwise import ufunc
from autograd.primitives import primitive

erf = ufunc(special.erf, lambda g, y, x: g * (2 / sqrt(pi) * np.exp(-x * x)))
erfc = ufunc(special.erfc, lambda g, y, x: g * (-2 / sqrt(pi) * np.exp(-x * x)))
erfinv = ufunc(special.erfinv, lambda g, y, x: g * (sqrt(pi) / 2 * np.exp(y * y)))
erfcinv = ufunc(special.erfcinv, lambda g, y, x: g * (-sqrt(pi) / 2 * np.exp(y * y)))
erfcx = ufunc(special.erfcx, lambda g, y, x: g * (2 * x * y - 2 / sqrt(pi)))
expit = ufunc(special.expit, lambda g, y, x: g * (y * special.expit(-x)))
log_expit = ufunc(special.log_expit, lambda g, y, x: g * special.expit(-x))
logit = ufunc(special.logit, lambda g, y, x: g / (x * (1 - x)))
ndtr = ufunc(special.ndtr, lambda g, y, x: g * np.exp(-0.5 * x * x) / sqrt(2 * pi))
ndtri = ufunc(special.ndtri, lambda g, y, x: g * (sqrt(2 * pi) * np.exp(0.5 * y * y)))


def _log_ndtr_rule(g: Any, y: Any, x: Any) -> Any:
    """The density over its integral: by erfcx on the left, where both are too small, and not on the right."""
    left = np.less(x, 0)
    below, above = np.where(left, x, 0), np.where(left, 0, x)
    on_the_left = sqrt(2 / pi) / special.erfcx(below * -sqrt(0.5))
    on_the_right = np.exp(-0.5 * above * above) / (sqrt(2 * pi) * special.ndtr(above))
    return g * np.where(left, on_the_left, on_the_right)


log_ndtr = ufunc(special.log_ndtr, _log_ndtr_rule)

gamma = ufunc(special.gamma, lambda g, y, x: g * y * special.digamma(x))
gammaln = ufunc(special.gammaln, lambda g, y, x: g * special.digamma(x))
loggamma = ufunc(special.loggamma, lambda g, y, x: g * special.digamma(x))
rgamma = ufunc(special.rgamma, lambda g, y, x: -g * y * special.digamma(x))
digamma = ufunc(special.digamma, lambda g, y, x: g * polygamma(1, x))


def _polygamma_forward(x: Any, *, n: int) -> Any:
    if x.dtype.kind == "c":
        raise TypeError("digamma of complex numbers is not differentiated: SciPy has no polygamma of them")
    if not is_foreign(x):
        return special.polygamma(n, x).astype(x.dtype)
    if n == 0:
        return special.digamma(x)
    return (special.zeta(n + 1, x) * ((-1) ** (n + 1) * factorial(n))).astype(x.dtype)


_polygamma: Any = primitive(
    _polygamma_forward,
    lambda g, y, x, *, n: g * _polygamma(x, n=n + 1),
    elementwise=True,
    name="polygamma",
)


def polygamma(n: int, x: Any) -> Any:
    """Return the n-th derivative of digamma; for `scipy.special.polygamma`, which takes no Tensors."""
    return _polygamma(x if hasattr(x, "ndim") else np.asarray(x, float), n=n)


beta = ufunc(
    special.beta,
    lambda g, y, a, b: g * y * (special.digamma(a) - special.digamma(a + b)),
    lambda g, y, a, b: g * y * (special.digamma(b) - special.digamma(a + b)),
)
betaln = ufunc(
    special.betaln,
    lambda g, y, a, b: g * (special.digamma(a) - special.digamma(a + b)),
    lambda g, y, a, b: g * (special.digamma(b) - special.digamma(a + b)),
)


def _logarithm(out: Any, x: Any, y: Any, log: Any, least: float) -> Any:
    """Return log(y), and 0 where x is 0 and the logarithm is not a number: there x log(y) is 0."""
    nothing = np.equal(x, 0) & np.less_equal(y, least)
    safe = np.where(nothing, 1, y)
    return np.where(nothing, 0, log(safe + 0j if out.dtype.kind == "c" else safe))


def _ratio(x: Any, y: Any) -> Any:
    """Return x / y, and 0 where both are 0."""
    nothing = np.equal(x, 0) & np.equal(y, 0)
    return np.where(nothing, 0, x / np.where(nothing, 1, y))


xlogy = ufunc(
    special.xlogy,
    lambda g, out, x, y: g * _logarithm(out, x, y, np.log, 0),
    lambda g, out, x, y: g * _ratio(x, y),
)
xlog1py = ufunc(
    special.xlog1py,
    lambda g, out, x, y: g * _logarithm(out, x, y, np.log1p, -1),
    lambda g, out, x, y: g * _ratio(x, 1 + y),
)
entr = ufunc(special.entr, lambda g, y, x: g * (-np.log(x) - 1))


# Bessel functions: neighbouring orders give the derivative without a division (DLMF 10.6.1, 10.29.1).


def _by_order(g: Any, y: Any, v: Any, x: Any) -> Any:
    raise TypeError("Bessel functions are not differentiated by their order; give it as a plain number")


jv = ufunc(
    special.jv, _by_order, lambda g, y, v, x: g * 0.5 * (special.jv(v - 1.0, x) - special.jv(v + 1.0, x))
)
yv = ufunc(
    special.yv, _by_order, lambda g, y, v, x: g * 0.5 * (special.yv(v - 1.0, x) - special.yv(v + 1.0, x))
)
iv = ufunc(
    special.iv, _by_order, lambda g, y, v, x: g * 0.5 * (special.iv(v - 1.0, x) + special.iv(v + 1.0, x))
)
kv = ufunc(
    special.kv, _by_order, lambda g, y, v, x: g * -0.5 * (special.kv(v - 1.0, x) + special.kv(v + 1.0, x))
)


def _ive_rule(g: Any, y: Any, v: Any, x: Any) -> Any:
    """That of iv exp(-|Re x|): the second factor changes with the real part of a complex x alone."""
    along = np.real(g * y) * np.sign(np.real(x))
    return g * 0.5 * (special.ive(v - 1.0, x) + special.ive(v + 1.0, x)) - along


ive = ufunc(special.ive, _by_order, _ive_rule)
j0 = ufunc(special.j0, lambda g, y, x: -g * special.j1(x))
j1 = ufunc(special.j1, lambda g, y, x: g * 0.5 * (special.j0(x) - special.jv(2, x)))
y0 = ufunc(special.y0, lambda g, y, x: -g * special.y1(x))
y1 = ufunc(special.y1, lambda g, y, x: g * 0.5 * (special.y0(x) - special.yv(2, x)))
i0 = ufunc(special.i0, lambda g, y, x: g * special.i1(x))
i1 = ufunc(special.i1, lambda g, y, x: g * 0.5 * (special.i0(x) + special.iv(2, x)))
i0e = ufunc(special.i0e, lambda g, y, x: g * (special.i1e(x) - np.sign(x) * y))
i1e = ufunc(special.i1e, lambda g, y, x: g * (0.5 * (special.i0e(x) + special.ive(2, x)) - np.sign(x) * y))
k0 = ufunc(special.k0, lambda g, y, x: -g * special.k1(x))
k1 = ufunc(special.k1, lambda g, y, x: g * -0.5 * (special.k0(x) + special.kv(2, x)))
