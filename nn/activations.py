"""Activations and softmax, as functions of Tensors (or of arrays)."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd import primitive

ArrayLike = Any


def check_real(name: str, x: Any) -> None:
    """Raise TypeError for complex numbers, which have no order."""
    if hasattr(x, "dtype") and x.dtype.kind == "c":
        raise TypeError(
            f"{name} is a function of real numbers, and these are {x.dtype}; apply it to np.absolute of "
            "them, or to .real and .imag"
        )


# ------------------------------------------------------------------------------- bounded, and softplus


def sigmoid_of(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow; of complex x, from tanh."""
    if x.dtype.kind == "c":
        return 0.5 * (1 + np.tanh(0.5 * x))
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


# Rules of the output alone.
def through_sigmoid(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (y * (1 - y))


def through_tanh(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (1 - y * y)


def _softsign(x: Any) -> Any:
    """Return x / (1 + |x|)."""
    check_real("softsign", x)
    return x / (1 + np.abs(x))


def _softsign_rule(g: Any, y: Any, x: Any) -> Any:
    """g / (1 + |x|)^2, whose square cannot overflow."""
    root = 1 / (1 + np.abs(x))
    return g * (root * root)


sigmoid = primitive(sigmoid_of, through_sigmoid, elementwise=True, name="sigmoid")
tanh = np.tanh
softplus = primitive(
    lambda x: np.logaddexp(x, 0), lambda g, y, x: g * sigmoid(x), elementwise=True, name="softplus"
)
softsign = primitive(_softsign, _softsign_rule, elementwise=True)


def log_sigmoid(x: ArrayLike) -> Any:
    """Return the logarithm of the sigmoid, -softplus(-x), computed without overflow."""
    return 0.0 - softplus(0.0 - x)


# ------------------------------------------------------------------------------------------ rectifiers


def relu_of(x: Any, out: Any = None) -> Any:
    check_real("relu", x)
    # A row of zeros takes half the time of the scalar 0.
    zeros = np.zeros(x.shape[-1:], x.dtype, like=x) if x.ndim else x.dtype.type(0)
    return np.maximum(x, zeros, out=out)


# It asks y and not x, which is the same, since the layer that y went to has just used it: it is in the cache.
def through_relu(g: Any, y: Any, *inputs: Any) -> Any:
    return g * (y > 0)


relu = primitive(relu_of, through_relu, elementwise=True, name="relu")


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Any:
    """Return x where it is positive, and negative_slope x elsewhere (Maas et al., 2013)."""
    check_real("leaky_relu", x)
    return np.where(x > 0, x, negative_slope * x)


def prelu(x: ArrayLike, weight: ArrayLike) -> Any:
    """Return x where it is positive, and weight x elsewhere (He et al., 2015).

    `weight` has one element, or one for each channel: for x of shape (N, C, ...), the shape (C,).
    """
    check_real("prelu", x)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size != 1 and weight.shape != (channels,):
        raise ValueError(
            f"prelu of shape {x.shape} needs a weight of one element or of shape ({channels},), one for "
            f"each channel (axis 1); got {weight.shape}"
        )
    weight = np.reshape(weight, (channels, *(1,) * (x.ndim - 2)) if weight.size != 1 else ())
    return np.where(x > 0, x, weight * x)


def hardtanh(x: ArrayLike, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return x limited to min_val and max_val, numbers; at a bound the gradient is 0."""
    check_real("hardtanh", x)
    if min_val > max_val:
        raise ValueError(f"hardtanh needs min_val <= max_val, and got {min_val} and {max_val}")
    return np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x))


def relu6(x: ArrayLike) -> Any:
    """Return min(max(x, 0), 6); at 0 and 6 the gradient is 0 (Krizhevsky, 2010)."""
    return hardtanh(x, 0, 6)


# ------------------------------------------------------------------------ exponential below zero


def _elu_of(x: Any, *, alpha: float, rate: float) -> Any:
    check_real("elu", x)
    return np.where(x > 0, x, alpha * np.expm1(rate * np.minimum(x, 0)))


def _elu_rule(g: Any, y: Any, x: Any, *, alpha: float, rate: float) -> Any:
    """g, and below zero g alpha rate exp(rate x), which y + alpha would round away."""
    return g * np.where(x > 0, 1, (alpha * rate) * np.exp(rate * np.where(x >= 0, 0, x)))


_elu = primitive(_elu_of, _elu_rule, elementwise=True, name="elu")


def elu(x: ArrayLike, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and alpha (exp(x) - 1) elsewhere (Clevert et al., 2016).

    The slope at 0 is alpha.
    """
    return _elu(x, alpha=alpha, rate=1.0)


def selu(x: ArrayLike) -> Any:
    """Return the elu that leads to outputs of mean 0 and variance 1 (Klambauer et al., 2017, eq. 14)."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def celu(x: ArrayLike, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and alpha (exp(x / alpha) - 1) elsewhere (Barron, 2017)."""
    return _elu(x, alpha=alpha, rate=1 / alpha)


# ----------------------------------------------------------------------------------------------- gates

# (1 + 2x) exp(x²) erfc(x), for x >= 0, is a smooth function of t = (x - 3.75) / (x + 3.75) (Shepherd &
# Laframboise, Mathematics of Computation 36, 1981): its Chebyshev series of degree 22 as a polynomial in t,
# the highest power first.
_ERFC = (
    *(-2.623107347133476e-09, -1.9551358868985616e-09, 3.197926671666804e-08, 1.879082322370048e-08),
    *(-2.4857126248016745e-07, -5.084465378687302e-08, 1.7419821586224816e-06, -9.792625707303523e-07),
    *(-1.1438048033346894e-05, 2.2387565714911816e-05, 5.164652974177416e-05, -0.00029015535246077655),
    *(0.000293714378044958, 0.0017556261651970652, -0.009746579683265262, 0.02836227737211114),
    *(-0.05869339857664934, 0.09230432116428125, -0.10880393014244462, 0.08227673848999506),
    *(0.0035854154854790257, -0.14024059858554525, 1.2375126308378275),
)
_FAR = 28.0  # exp(-x²) is 0 from there on


def _erfc(x: Any) -> Any:
    """Return 1 less the error function: 2 / sqrt(pi) times the integral of exp(-t²) from x on.

    In float64 the relative error is below 1e-15 up to x = 2, and that of exp(-x²) beyond.
    """
    check_real("erfc", x)
    size = np.minimum(np.abs(x), _FAR)
    t = (size - 3.75) / (size + 3.75)
    tail = _ERFC[0] * t
    for coefficient in _ERFC[1:-1]:
        tail += coefficient
        tail *= t
    tail += _ERFC[-1]
    tail *= np.exp(-size * size) / (1 + 2 * size)
    return np.where(x < 0, 2 - tail, tail)


def _erfc_rule(g: Any, y: Any, x: Any) -> Any:
    """-g * 2 / sqrt(pi) * exp(-x * x), where that is not 0 in any dtype."""
    near = np.clip(x, -_FAR, _FAR)
    return g * ((-2 / sqrt(pi)) * np.exp(-near * near))


erfc = primitive(_erfc, _erfc_rule, elementwise=True)


def gelu(x: ArrayLike, approximate: str = "none") -> Any:
    """Return x P(X <= x) for a standard normal X (Hendrycks & Gimpel, 2016).

    `approximate="tanh"` computes the probability as (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2.
    """
    check_real("gelu", x)
    if approximate == "none":
        return x * (0.5 * erfc(x * -sqrt(0.5)))
    if approximate != "tanh":
        raise ValueError(f'approximate must be "none" or "tanh"; got {approximate!r}')
    near = np.clip(x, -_FAR, _FAR)  # the cube of a large x would overflow
    # (1 + tanh(u)) / 2 = sigmoid(2u), which does not round small values away.
    return x * sigmoid(sqrt(8 / pi) * (near * (1 + 0.044715 * (near * near))))


def silu(x: ArrayLike) -> Any:
    """Return x sigmoid(x), also known as swish (Elfwing et al., 2018)."""
    return x * sigmoid(x)


def mish(x: ArrayLike) -> Any:
    """Return x tanh(softplus(x)) (Misra, 2019)."""
    return x * np.tanh(softplus(x))


def glu(x: ArrayLike, axis: int = -1) -> Any:
    """Return a sigmoid(b), a and b the halves of x along `axis` (Dauphin et al., 2017)."""
    axis = normalize_axis_index(axis, x.ndim)
    size = x.shape[axis]
    if size % 2:
        raise ValueError(f"glu halves an axis, and axis {axis} of shape {x.shape} has {size} elements")
    before = (slice(None),) * axis
    return x[(*before, slice(size // 2))] * sigmoid(x[(*before, slice(size // 2, None))])


# What a linear layer can end in, in one op.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": relu, "sigmoid": sigmoid, "tanh": tanh}


def check_activation(name: str) -> None:
    """Raise ValueError unless `name` is that of an activation."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")


# ----------------------------------------------------------------------------------------- softmax


def _shifted(x: Any, axis: Any) -> tuple[Any, Any]:
    """Return x less its maximum, and the maximum, made finite: then exp overflows for infinite x alone."""
    check_real("softmax", x)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    finite = np.finfo(x.dtype)
    if x.device == "cpu":
        largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=finite.min)
    else:  # other libraries have no reduce with initial=
        largest = np.maximum(np.max(x, axis=axis, keepdims=True), finite.min)
    largest = np.minimum(largest, finite.max)
    return x - largest, largest


def _softmax(x: Any, *, axis: Any = -1) -> Any:
    powers = np.exp(_shifted(x, axis)[0])
    return powers / powers.sum(axis=axis, keepdims=True)


def _log_softmax(x: Any, *, axis: Any = -1) -> Any:
    shifted, _ = _shifted(x, axis)
    if not x.size:
        return shifted
    shifted -= np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))
    return shifted


def _logsumexp(x: Any, *, axis: Any = None) -> Any:
    shifted, largest = _shifted(x, axis)
    with np.errstate(divide="ignore"):  # log(0) = -inf is the answer where every x is -inf
        return np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True)) + largest


def _softmax_rule(g: Any, y: Any, x: Any, *, axis: Any = -1) -> Any:
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


def _log_softmax_rule(g: Any, y: Any, x: Any, *, axis: Any = -1) -> Any:
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)


def _logsumexp_rule(g: Any, y: Any, x: Any, *, axis: Any = None) -> Any:
    return g * np.exp(x - np.where(y == -np.inf, 0, y))


_softmax_op = primitive(_softmax, _softmax_rule)
log_softmax_op = primitive(_log_softmax, _log_softmax_rule)
_logsumexp_op = primitive(_logsumexp, _logsumexp_rule)


def softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along `axis`, computed without overflow."""
    return _softmax_op(x, axis=axis)


def log_softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """Return the logarithm of the softmax along `axis`, computed without overflow."""
    return log_softmax_op(x, axis=axis)


def logsumexp(x: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))) over `axis`, computed without overflow."""
    result = _logsumexp_op(x, axis=axis)
    return result if keepdims else np.squeeze(result, axis)


def softmin(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """Return the softmax of -x along `axis`."""
    return softmax(0.0 - x, axis)
