"""Every op in one table: values, derivatives of two orders, dtypes and memory; then the conventions at kinks.

A row is a line as a NumPy user writes it, with `x, y, z` for its inputs. Adding an op adds a row here.
"""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, add_at, grad, gradcheck, hessian, jacobian, ops, set_at, vjp
from autograd.ops import cumulative, decompositions, fourier, indexing
from autograd.primitives import Op
from autograd.transforms import _Trace as Trace
from nn import activations, losses
from nn import functional as F

try:
    from scipy import special

    from autograd.ops import special as special_ops
except ImportError:
    special = special_ops = None

NAMES = {
    "np": np,
    "special": special,
    "polygamma": getattr(special_ops, "polygamma", None),
    "F": F,
    "set_at": set_at,
    "add_at": add_at,
    "scatter": indexing.scatter,
    "recurrence": cumulative.recurrence,
    "cofactors": decompositions.cofactors,
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log_softmax": lambda x, axis=-1: x - np.log(np.exp(x).sum(axis, keepdims=True)),
}


def function(text: str, inputs: int) -> Callable[..., Any]:
    return eval(f"lambda {', '.join('xyz'[:inputs])}: {text}", NAMES)


@dataclass
class Row:
    text: str
    inputs: tuple[np.ndarray, ...]
    reference: str = ""  # in NumPy, where the line itself is not
    keeps_dtype: bool = True
    replays: bool = True  # by jit: no shape depends on values
    call: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        self.call = function(self.text, len(self.inputs))

    def __str__(self) -> str:
        return f"{self.text} {' '.join(str(x.shape).replace(' ', '') for x in self.inputs)}"


def row(text: str, *shapes: tuple[int, ...], low: Any = -2.0, high: Any = 2.0, **options: Any) -> Row:
    """Return a row with inputs of `shapes`, uniform in (low, high): one interval, or one per input."""
    generator = np.random.default_rng(list(text.encode()))
    lows, highs = np.broadcast_to(low, len(shapes)), np.broadcast_to(high, len(shapes))
    inputs = tuple(generator.uniform(a, b, s) for a, b, s in zip(lows, highs, shapes, strict=True))
    return Row(text, inputs, **options)


UNARY = [  # and an interval away from kinks
    ("np.absolute(x)", 0.5, 2.0),
    ("np.absolute(x)", -2.0, -0.5),
    ("abs(x)", 0.5, 2.0),
    ("np.negative(x)", -2.0, 2.0),
    ("-x", -2.0, 2.0),
    ("np.positive(x)", -2.0, 2.0),
    ("+x", -2.0, 2.0),
    ("np.sign(x)", 0.5, 2.0),
    ("np.fabs(x)", -2.0, -0.5),
    ("np.reciprocal(x)", 0.5, 2.0),
    ("np.real(x)", -2.0, 2.0),
    ("np.imag(1j * x)", -2.0, 2.0),
    ("np.imag(x)", -2.0, 2.0),
    ("np.conjugate(x)", -2.0, 2.0),
    ("np.angle(x)", 0.5, 2.0),
    ("np.angle(x + 1j, deg=True)", -2.0, 2.0),
    ("np.sqrt(x)", 0.5, 2.0),
    ("np.cbrt(x)", 0.5, 2.0),
    ("np.cbrt(x)", -2.0, -0.5),
    ("np.square(x)", -2.0, 2.0),
    ("np.exp(x)", -2.0, 2.0),
    ("np.exp2(x)", -2.0, 2.0),
    ("np.expm1(x)", -2.0, 2.0),
    ("np.log(x)", 0.5, 2.0),
    ("np.log1p(x)", -0.5, 2.0),
    ("np.log2(x)", 0.5, 2.0),
    ("np.log10(x)", 0.5, 2.0),
    ("np.sin(x)", -4.0, 4.0),
    ("np.cos(x)", -4.0, 4.0),
    ("np.tan(x)", -1.0, 1.0),
    ("np.arcsin(x)", -0.8, 0.8),
    ("np.arccos(x)", -0.8, 0.8),
    ("np.arctan(x)", -4.0, 4.0),
    ("np.sinh(x)", -2.0, 2.0),
    ("np.cosh(x)", -2.0, 2.0),
    ("np.tanh(x)", -2.0, 2.0),
    ("np.arcsinh(x)", -4.0, 4.0),
    ("np.arccosh(x)", 1.5, 4.0),
    ("np.arctanh(x)", -0.8, 0.8),
    ("np.sinc(x)", -3.0, 3.0),
    ("np.sinc(x)", -1e-3, 1e-3),
    ("np.floor(x)", 0.1, 0.9),
    ("np.ceil(x)", 0.1, 0.9),
    ("np.trunc(x)", 0.1, 0.9),
    ("np.rint(x)", 0.6, 0.9),
    ("np.round(x, 1)", 0.26, 0.34),
    ("np.around(x, 1)", 0.26, 0.34),
    *([("np.fix(x)", 0.1, 0.9)] if np.lib.NumpyVersion(np.__version__) < "2.5.0" else []),  # deprecated
    ("np.modf(x)[0]", 0.1, 0.9),
    ("np.modf(x)[1]", -0.9, -0.1),
    ("np.deg2rad(x)", -90, 90),
    ("np.radians(x)", -90, 90),
    ("np.rad2deg(x)", -2.0, 2.0),
    ("np.degrees(x)", -2.0, 2.0),
    ("np.nan_to_num(x)", -2.0, 2.0),
    ("np.ldexp(x, 3)", -2.0, 2.0),
    ("np.ldexp(x, np.array(-1))", -2.0, 2.0),
    ("x // 0.3", 0.1, 0.2),
    ("x % 1.5", 0.1, 0.9),
    ("2.0 // x", 1.1, 1.9),
    ("2.0 % x", 1.1, 1.9),
    ("divmod(x, 1.5)[1]", 0.1, 0.9),
    ("x + 2.0", -2.0, 2.0),
    ("2 + x", -2.0, 2.0),
    ("x - 2.0", -2.0, 2.0),
    ("2 - x", -2.0, 2.0),
    ("x * 2.0", -2.0, 2.0),
    ("2 * x", -2.0, 2.0),
    ("x / 2.0", -2.0, 2.0),
    ("2 / x", 0.5, 2.0),
    ("x ** 2", -2.0, 2.0),
    ("x ** 3", -2.0, 2.0),
    ("x ** -1.5", 0.5, 2.0),
    ("x ** 0", -2.0, 2.0),
    ("2.0 ** x", -2.0, 2.0),
    ("np.power(x, 2)", -2.0, 2.0),
    ("np.power(3, x)", -2.0, 2.0),
    ("np.maximum(x, 0)", 0.5, 2.0),
    ("np.minimum(x, 0)", 0.5, 2.0),
    ("np.where(x > 0, x, 0.5 * x)", -2.0, 2.0),
    ("np.where(x > 0, 1, x)", -2.0, 2.0),
    ("np.clip(x, -1, 1)", -0.9, 0.9),
    ("np.clip(x, -1, 1)", 1.1, 2.0),
    ("np.clip(x, None, 1)", -2.0, 0.9),
    ("np.clip(x, a_min=-1, a_max=None)", -0.9, 2.0),
    *([("np.clip(x, min=-1)", -0.9, 2.0)] if np.lib.NumpyVersion(np.__version__) >= "2.1.0" else []),
    ("x.clip(max=1)", -2.0, 0.9),
]

BINARY = [  # and an interval per input
    ("x + y", (-2, 2), (-2, 2)),
    ("x - y", (-2, 2), (-2, 2)),
    ("x * y", (-2, 2), (-2, 2)),
    ("x / y", (-2, 2), (0.5, 2)),
    ("x ** y", (0.5, 2), (-2, 2)),
    ("np.add(x, y)", (-2, 2), (-2, 2)),
    ("np.subtract(x, y)", (-2, 2), (-2, 2)),
    ("np.multiply(x, y)", (-2, 2), (-2, 2)),
    ("np.divide(x, y)", (-2, 2), (-2, -0.5)),
    ("np.power(x, y)", (0.5, 2), (-2, 2)),
    ("np.arctan2(x, y)", (-2, 2), (0.5, 2)),
    ("np.hypot(x, y)", (-2, 2), (0.5, 2)),
    ("np.logaddexp(x, y)", (-2, 2), (-2, 2)),
    ("np.logaddexp2(x, y)", (-2, 2), (-2, 2)),
    ("np.copysign(x, y)", (0.5, 2), (-2, -0.5)),
    ("np.copysign(x, y)", (-2, -0.5), (-2, -0.5)),
    ("np.heaviside(x, y)", (0.5, 2), (-2, 2)),
    ("np.remainder(x, y)", (3.1, 3.9), (1.6, 1.9)),
    ("np.remainder(x, y)", (-3.9, -3.1), (1.6, 1.9)),
    ("np.mod(x, y)", (3.1, 3.9), (-1.9, -1.6)),
    ("np.fmod(x, y)", (-3.9, -3.4), (1.4, 1.6)),
    ("np.floor_divide(x, y)", (3.1, 3.9), (1.6, 1.9)),
    ("np.divmod(x, y)[0]", (3.1, 3.9), (1.6, 1.9)),
    ("np.divmod(x, y)[1]", (3.1, 3.9), (1.6, 1.9)),
    ("np.fmax(x, y)", (-2, 2), (-2, 2)),
    ("np.fmin(x, y)", (-2, 2), (-2, 2)),
    ("np.maximum(x, y)", (-2, 2), (-2, 2)),
    ("np.minimum(x, y)", (-2, 2), (-2, 2)),
    ("np.where([True, False, True], x, y)", (-2, 2), (-2, 2)),
]
PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (1, 3)),
    ((2, 1, 3), (2, 1)),
    ((3,), ()),
    ((), (3,)),
    ((1, 1), (3,)),
    ((0, 3), (1, 3)),
    ((3,), (0, 1)),
    ((1, 3), (0, 1)),
]

INDICES = [  # of an array of shape (3, 4)
    "1",
    "-1",
    "1, -2",
    "()",
    "...",
    "1:",
    "1:1",
    "::-1",
    "::-1, ::-2",
    "1:, ::2",
    "None",
    ":, None, 1",
    "..., 0",
    "None, ..., None",
    "np.int64(2)",
    "[0, 2]",
    "[0, 0, 2]",
    "[]",
    "[-1, 2, 0]",
    "[[0, 1], [1, 0]]",
    "[0, 0, 2], [1, 1, 3]",
    "[0, 0, 2], 1:",
    "1, [0, 0]",
    "[[0], [2]], [1, 1]",
    "None, [0, 0], ..., [1, 1]",
    "np.array([True, False, True])",
    "[True, False, True]",
    ":, [True, False, True, False]",
    "[True, False, True], [1, 1]",
    "np.arange(12).reshape(3, 4) % 3 == 0",
    "x > 0",
    "True",
    "False",
]

EINSUMS = [
    ("i->i", (3,)),
    ("i->", (3,)),
    ("ij->ji", (2, 3)),
    ("ij->j", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("iij->ij", (2, 2, 3)),
    ("iij->j", (2, 2, 3)),
    ("iii->i", (2, 2, 2)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("i,j->ji", (2,), (3,)),
    ("i,j->i", (2,), (3,)),
    ("i,j->", (2,), (3,)),
    (",ij->ij", (), (2, 3)),
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk->ki", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...ij,...jk", (2, 3), (2, 3, 2)),
    ("i...,i...->...", (2, 3), (2, 1)),
    ("...,...->...", (2, 3), (3,)),
    ("...i->i...", (2, 3)),
    ("...", (2, 3)),
    ("ba", (2, 3)),
    ("i j -> j i", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 3)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,i,j->", (2, 3), (2,), (3,)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("ij,jk->ik", (0, 2), (2, 3)),
]

PRODUCTS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 2)),
    ((1, 3), (3, 1)),
    ((2, 2, 3), (3, 2)),
    ((2, 3), (2, 3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)),
    ((1, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)),
    ((2, 2, 2, 3), (3, 2)),
]

ACTIVATIONS = [  # and an interval away from kinks
    ("F.softsign(x)", -2, 2, "x / (1 + abs(x))"),
    ("F.erfc(x)", -4, 4, "erfc(x)"),
    ("F.log_sigmoid(x)", -2, 2, "np.log(sigmoid(x))"),
    ("F.gelu(x)", -4, 4, "x * erfc(-x / np.sqrt(2)) / 2"),
    ("F.gelu(x, 'tanh')", -2, 2, "x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))"),
    ("F.silu(x)", -2, 2, "x * sigmoid(x)"),
    ("F.mish(x)", -2, 2, "x * np.tanh(np.log(1 + np.exp(x)))"),
    ("F.leaky_relu(x)", -2, -0.1, "0.01 * x"),
    ("F.leaky_relu(x, 0.2)", 0.1, 2, "x"),
    ("F.elu(x)", -2, -0.1, "np.exp(x) - 1"),
    ("F.elu(x, 1.5)", -2, -0.1, "1.5 * (np.exp(x) - 1)"),
    ("F.elu(x, 1.5)", 0.1, 2, "x"),
    ("F.celu(x, 0.5)", -2, -0.1, "0.5 * (np.exp(x / 0.5) - 1)"),
    ("F.celu(x, 0.5)", 0.1, 2, "x"),
    ("F.selu(x)", -2, -0.1, "1.7580993408473766 * (np.exp(x) - 1)"),
    ("F.selu(x)", 0.1, 2, "1.0507009873554805 * x"),
    ("F.hardtanh(x)", -0.9, 0.9, "x"),
    ("F.hardtanh(x, 2.5, 3)", -2, 2, "2.5 + 0 * x"),
    ("F.relu6(x)", 0.1, 5.9, "x"),
    ("F.relu6(x)", 6.1, 8, "6 + 0 * x"),
]

HUBER = "np.where(abs(x - y) < 0.7, (x - y) ** 2 / 2, 0.7 * (abs(x - y) - 0.35))"
LOSSES = [
    ("mse_loss", "", "((x - y) ** 2).mean()"),
    ("mse_loss", ", 'none'", "(x - y) ** 2"),
    ("l1_loss", "", "abs(x - y).mean()"),
    ("l1_loss", ", 'sum'", "abs(x - y).sum()"),
    ("huber_loss", ", 'none', 0.7", HUBER),
    ("huber_loss", "", "np.where(abs(x - y) < 1, (x - y) ** 2 / 2, abs(x - y) - 0.5).mean()"),
    ("smooth_l1_loss", ", beta=0.7", f"{HUBER}.mean() / 0.7"),
    ("smooth_l1_loss", ", beta=0", "abs(x - y).mean()"),
    ("hinge_loss", "", "np.maximum(1 - x * y, 0).mean()"),
    ("binary_cross_entropy_with_logits", ", 'sum'", "(np.log(1 + np.exp(x)) - x * y).sum()"),
]

SPECIAL = [  # of SciPy, and an interval
    ("special.erf(x)", -2, 2),
    ("special.erfc(x)", -2, 2),
    ("special.erfinv(x)", -0.9, 0.9),
    ("special.erfcinv(x)", 0.1, 1.9),
    ("special.erfcx(x)", -1, 2),
    ("special.expit(x)", -4, 4),
    ("special.log_expit(x)", -4, 4),
    ("special.logit(x)", 0.1, 0.9),
    ("special.ndtr(x)", -2, 2),
    ("special.ndtri(x)", 0.1, 0.9),
    ("special.log_ndtr(x)", -4, 4),
    ("special.gamma(x)", 0.5, 3),
    ("special.gamma(x)", -0.8, -0.2),
    ("special.gammaln(x)", 0.5, 3),
    ("special.loggamma(x)", 0.5, 3),
    ("special.rgamma(x)", 0.5, 3),
    ("special.digamma(x)", 0.5, 3),
    ("special.psi(x)", 0.5, 3),
    ("polygamma(2, x)", 0.5, 3),
    ("special.entr(x)", 0.2, 2),
    ("special.xlogy(x, x)", 0.2, 2),
    ("special.jv(1.5, x)", 0.5, 4),
    ("special.jn(2, x)", -4, 4),
    ("special.yv(1.5, x)", 0.5, 4),
    ("special.iv(1.5, x)", 0.5, 2),
    ("special.ive(1.5, x)", 0.5, 2),
    ("special.kv(1.5, x)", 0.5, 2),
    ("special.j0(x)", -4, 4),
    ("special.j1(x)", -4, 4),
    ("special.y0(x)", 0.5, 4),
    ("special.y1(x)", 0.5, 4),
    ("special.i0(x)", -2, 2),
    ("special.i1(x)", -2, 2),
    ("special.i0e(x)", 0.5, 2),
    ("special.i0e(x)", -2, -0.5),
    ("special.i1e(x)", 0.5, 2),
    ("special.k0(x)", 0.5, 2),
    ("special.k1(x)", 0.5, 2),
]
SPECIAL_BINARY = ["beta", "betaln", "xlogy", "xlog1py"]

AXES = [None, 0, -1, (0, 2), (-1, 0), (0, 1, 2), ()]
REDUCED = ["np.sum", "np.mean", "np.prod", "np.max", "np.min", "np.var", "np.std"]

TABLE = [
    *(row(text, s, low=low, high=high) for text, low, high in UNARY for s in [(2, 3), (), (0, 2)]),
    *(row(text, *shapes, low=[a[0], b[0]], high=[a[1], b[1]]) for text, a, b in BINARY for shapes in PAIRS),
    row("x.astype(np.float64)", (2, 3), keeps_dtype=False),
    row("np.clip(x, [-1, -1, 0.1], np.array([1, 2, 3]))", (2, 3), low=0.2, high=0.9, keeps_dtype=False),
    row("round(x, 1)", (3,), low=0.26, high=0.34, reference="np.round(x, 1)"),
    *(row("np.float_power(x, y)", *s, low=(0.5, -2), keeps_dtype=False) for s in PAIRS),
    row("np.clip(0.0, x, 2.0)", (3,), low=0.1, high=0.9, keeps_dtype=False),
    row("np.clip(3.0, None, x)", (), low=0.1, high=0.9, keeps_dtype=False),
    row("np.clip(x, y, z)", (2, 3), (3,), (2, 1), low=(-2, -1, 0.1), high=(2, -0.1, 1)),
    row("np.clip(x, y, z)", (2, 3), (3,), (2, 1), low=(-2, 0.1, -1), high=(2, 1, -0.1)),
    row("np.where(np.array([[True], [False]]), x, y)", (3,), (2, 1)),
    row("np.where(x > y, x, y)", (2, 3), (3,)),
    *(
        row(text, s, low=low, high=high)
        for text, low, high in SPECIAL
        if special
        for s in [(2, 3), (), (0, 2)]
    ),
    *(
        row(f"special.{name}(x, y)", *shapes, low=0.3, high=3)
        for name in SPECIAL_BINARY
        if special
        for shapes in PAIRS
    ),
    # ------------------------------------------------------------------------------------ reductions
    *(
        row(f"{f}(x, axis={axis}, keepdims={keepdims})", (2, 3, 2))
        for f, axis, keepdims in product(REDUCED, AXES, [False, True])
        if not (f in ("np.var", "np.std") and axis == ())
    ),
    *(row(f"{f}(x, 1)", (2, 3)) for f in REDUCED),
    *(row(f"{f}(x)", ()) for f in REDUCED[:-2]),
    *(row(f"{f}(x, axis=1)", (0, 3)) for f in REDUCED),
    *(row(f"{f}(x, axis=0)", (0, 3)) for f in ("np.sum", "np.prod")),
    *(row(f"x.{method}(1, keepdims=True)", (2, 3)) for method in ("sum", "mean", "prod", "max", "min")),
    row("np.amax(x, 0)", (2, 3)),
    row("np.amin(x, 0)", (2, 3)),
    row("np.var(x, axis=(0, 2), ddof=1)", (2, 3, 2)),
    row("np.std(x, ddof=1)", (2, 3)),
    *(row(f"np.{name}(x, axis=0, correction=1)", (3, 2)) for name in ("var", "std", "nanvar", "nanstd")),
    row("x.var(0, ddof=1)", (3, 2)),
    row("x.std(-1)", (2, 3)),
    row("np.prod(x)", (7,)),
    row("np.sum(x, axis=1, where=[True, False, True])", (2, 3)),
    row("np.sum(x, initial=2.0, keepdims=True)", (2, 3)),
    row("np.sum(x, dtype=np.float64)", (2, 3), keeps_dtype=False),
    row("np.prod(x, axis=0, initial=None)", (2, 3)),
    row("x.sum(0, initial=2.0, where=[True, False, True])", (2, 3)),
    row("x.var(1, dtype=np.float64)", (2, 3), keeps_dtype=False),
    row("np.prod(x, axis=0, where=np.array([[True], [False]]), initial=3.0)", (2, 3)),
    row("np.mean(x, axis=1, where=np.array([[True, True, False], [False, True, False]]))", (2, 3)),
    row("np.mean(x, dtype=np.float64)", (2, 3), keeps_dtype=False),
    row("np.max(x, axis=0, initial=-9.0, where=[True, False, True])", (2, 3)),
    row("np.max(x, initial=9.0)", (2, 3)),
    row("np.min(x, axis=1, initial=0.0)", (2, 0)),
    row("np.var(x, dtype=np.float64)", (2, 3), keeps_dtype=False),
    row("np.ptp(x)", (2, 3)),
    row("np.ptp(x, axis=1, keepdims=True)", (2, 3)),
    row("np.average(x)", (2, 3)),
    row("np.average(x, axis=1, weights=y)", (2, 3), (3,), low=0.5),
    row("np.average(x, weights=y, keepdims=True)", (2, 3), (2, 3), low=0.5),
    row("np.average(x, axis=(0, 2), weights=y)", (2, 3, 2), (2, 2), low=0.5),
    row("np.average(x, 0, [1.0, 3.0], returned=True)[1] * x", (2, 3), keeps_dtype=False),
    row("np.nansum(np.where(x > 0, x, np.nan), axis=1)", (2, 3)),
    row("np.nanprod(np.where(x > 0, x, np.nan), axis=1)", (2, 3)),
    row("np.nanmean(np.where(x > -1, x, np.nan), axis=1, keepdims=True)", (3, 4), low=-1.2),
    row("np.nanvar(np.where(x > -1, x, np.nan), axis=1, ddof=1)", (3, 4), low=-1.2),
    row("np.nanstd(np.where(x > -1, x, np.nan), axis=0)", (4, 3), low=-1.2),
    row("np.nanmax(np.where(x > -1, x, np.nan), axis=1)", (3, 4), low=-1.2),
    row("np.nanmin(np.where(x < 1, x, np.nan), axis=1)", (3, 4), high=1.2),
    *(
        row(f"np.{ufunc}.reduce(x{rest})", (3, 2))
        for ufunc in ("add", "multiply", "maximum", "minimum")
        for rest in ("", ", axis=None", ", axis=1, keepdims=True")
    ),
    # ---------------------------------------------------------------------------- cumulative, ordering
    *(row(f"np.cumprod(x{axis})", (2, 3)) for axis in ("", ", 0", ", axis=1", ", axis=-2")),
    row("np.cumprod(x)", ()),
    row("np.cumprod(x, axis=0)", (0, 2)),
    row("x.cumprod(axis=-1)", (2, 5)),
    row(
        "recurrence(x, y)", (3,), (3,), reference="np.array([y[0], w := x[1] * y[0] + y[1], x[2] * w + y[2]])"
    ),
    *(
        row(f"np.{ufunc}.accumulate(x{axis})", (4, 3))
        for ufunc in ("add", "multiply", "maximum", "minimum")
        for axis in ("", ", axis=1")
    ),
    row("np.nancumsum(np.where(x > 0, x, np.nan), axis=1)", (2, 3)),
    row("np.nancumprod(np.where(x > 0, x, np.nan), axis=1)", (2, 3)),
    *(
        row(f"np.{name}({options})", (2, 3))
        for name in ("cumulative_sum", "cumulative_prod")
        if hasattr(np, name)
        for options in ("x, axis=1", "x, axis=-2, include_initial=True", "x[0]")
    ),
    row("np.add.accumulate(x, dtype=np.float64)", (3, 2), keeps_dtype=False),
    row("np.diff(x)", (2, 4)),
    row("np.diff(x, n=2, axis=0)", (4, 2)),
    row("np.diff(x, 0)", (3,)),
    row("np.diff(x, axis=0, prepend=0.0, append=y)", (3, 2), (1, 2), keeps_dtype=False),
    row("np.trapezoid(x)", (2, 4)),
    row("np.trapezoid(x, dx=0.5, axis=0)", (4, 2)),
    row("np.trapezoid(x, y)", (2, 4), (4,)),
    row("np.trapezoid(x, y, axis=0)", (4, 2), (4, 2)),
    row("np.gradient(x)", (5,)),
    row("np.gradient(x, 0.5)", (2,)),
    row("np.gradient(x, 2.0, edge_order=2)", (5,)),
    row("np.gradient(x, [0.0, 1.0, 3.0, 3.5], axis=1)", (2, 4)),
    row("np.gradient(x, [0.0, 1.0, 3.0, 3.5], axis=1, edge_order=2)", (2, 4)),
    row("np.gradient(x)[0]", (3, 4)),
    row("np.gradient(x, 0.5, 2.0)[1]", (3, 4)),
    *(row(f"np.sort(x{axis})", (3, 4)) for axis in ("", ", axis=0", ", axis=None", ", -2, stable=True")),
    row("np.sort(x)", (2, 0)),
    row("np.partition(x, 2)", (3, 5)),
    row("np.partition(x, (1, 3), axis=0)", (5, 2)),
    *(row(f"np.median(x{axis})", (3, 4)) for axis in ("", ", axis=0", ", axis=1, keepdims=True", ", (0, 1)")),
    row("np.median(x)", ()),
    row("np.median(x, axis=1)", (0, 3)),
    row("np.quantile(x, 0.3, axis=0)", (2, 0)),
    *(
        row(f"np.quantile(x, 0.3, axis=1, method='{method}')", (2, 7))
        for method in (
            "linear",
            "lower",
            "higher",
            "midpoint",
            "nearest",
            "hazen",
            "weibull",
            "median_unbiased",
            "normal_unbiased",
            "interpolated_inverted_cdf",
        )
    ),
    row("np.quantile(x, [0.0, 0.25, 1.0])", (7,), keeps_dtype=False),
    row("np.quantile(x, [[0.1], [0.7]], axis=(0, 2), keepdims=True)", (2, 3, 2), keeps_dtype=False),
    row("np.quantile(x, 0.3)", (2, 3)),
    row("np.quantile(x, 0.3)", ()),
    row("np.percentile(x, 40, axis=0)", (4, 2)),
    row("np.percentile(x, 40, axis=(0, 1), keepdims=True)", (4, 2)),
    row("np.percentile(x, [40, 60])", (4, 2), keeps_dtype=False),
    *(row(f"np.cumsum(x{axis})", (2, 3)) for axis in ("", ", 0", ", axis=1", ", axis=-2")),
    row("np.cumsum(x)", ()),
    row("np.cumsum(x, axis=0)", (0, 2)),
    row("x.cumsum(axis=-1)", (2, 3)),
    # --------------------------------------------------------------------------------------- shaping
    row("np.reshape(x, (3, -1))", (2, 3)),
    row("np.reshape(x, 6)", (2, 3)),
    row("np.reshape(x, (3, 2), order='F')", (2, 3)),
    row("x.reshape(3, 2)", (2, 3)),
    row("x.reshape((1, -1))", (2, 3)),
    row("x.reshape(())", (1, 1)),
    row("x.reshape(0, 5)", (2, 0)),
    row("np.copy(x)", (2, 3)),
    row("np.ravel(x)", (2, 3)),
    row("np.ravel(x, order='F')", (2, 3)),
    row("x.ravel()", ()),
    row("np.squeeze(x)", (1, 3, 1)),
    row("np.squeeze(x, axis=-1)", (1, 3, 1)),
    row("x.squeeze((0, 2))", (1, 3, 1)),
    row("np.expand_dims(x, 1)", (2, 3)),
    row("np.expand_dims(x, (0, -1))", (2, 3)),
    row("np.broadcast_to(x, (2, 4, 3))", (4, 1)),
    row("np.broadcast_to(x, shape=(2, 3))", ()),
    row("np.broadcast_to(x, (0, 3))", (1, 3)),
    row("np.transpose(x)", (2, 3, 1)),
    row("np.transpose(x, (1, 2, 0))", (2, 3, 1)),
    row("np.transpose(x, axes=(-1, 0, 1))", (2, 3, 1)),
    row("np.transpose(x, 0)", (3,)),
    row("x.reshape(3, 2, order='F')", (2, 3)),
    row("x.flatten('F')", (2, 3)),
    row("x.transpose(2, 0, 1)", (2, 3, 1)),
    row("x.transpose((1, 0))", (2, 3)),
    row("x.T", (2, 3)),
    row("x.T", ()),
    row("x.mT", (2, 3, 1)),
    row("x.copy()", (2, 3)),
    row("np.swapaxes(x, 0, -1)", (2, 3, 2)),
    row("x.swapaxes(-1, -2)", (2, 3, 2)),
    row("np.moveaxis(x, 0, -1)", (2, 3, 1)),
    row("np.moveaxis(x, [0, 1], [-1, 0])", (2, 3, 1)),
    row("np.concatenate([x, y])", (2, 3), (1, 3)),
    row("np.concatenate((x, y, z), axis=-1)", (2, 1), (2, 0), (2, 2)),
    row("np.concatenate([x, y], axis=None)", (2, 3), (1,)),
    row("np.concatenate([x, [[1.0, 2.0]], x])", (1, 2), keeps_dtype=False),
    row("np.concatenate(x, axis=1)", (2, 2, 3)),
    row("np.stack([x, y])", (2, 3), (2, 3)),
    row("np.stack([x, y, x], axis=-1)", (2, 3), (2, 3)),
    row("np.stack([x, 1.0, y])", (), (), keeps_dtype=False),
    row("np.stack([x, x], 1)", (2,)),
    row("np.repeat(x, 2)", (2, 3)),
    row("np.repeat(x, 3)", ()),
    row("np.repeat(x, 2, axis=-1)", (2, 3)),
    row("np.repeat(x, [2, 0, 1], axis=1)", (2, 3)),
    row("x.repeat([1, 0], axis=0)", (2, 3)),
    row("np.repeat(x, 0)", (3,)),
    row("np.rollaxis(x, 2)", (2, 3, 4)),
    row("np.rollaxis(x, 0, 3)", (2, 3, 4)),
    row("np.matrix_transpose(x)", (2, 3, 4)),
    row("np.flip(x)", (2, 3)),
    row("np.flip(x, axis=(0, -1))", (2, 3, 4)),
    row("np.fliplr(x)", (2, 3)),
    row("np.flipud(x)", (2, 3)),
    *(row(f"np.rot90(x, {k})", (2, 3)) for k in (-1, 0, 1, 2, 3)),
    row("np.rot90(x, 1, (2, 0))", (2, 3, 4)),
    row("np.roll(x, 2)", (2, 3)),
    row("np.roll(x, -1, axis=1)", (2, 3)),
    row("np.roll(x, (1, 4), axis=(0, 1))", (2, 3)),
    row("np.roll(x, 1, axis=0)", (0, 3)),
    row("np.tile(x, 2)", (2, 3)),
    row("np.tile(x, (2, 1, 3))", (2, 3)),
    row("np.tile(x, (2,))", ()),
    row("np.tile(x, 0)", (3,)),
    row("np.pad(x, 1)", (2, 3)),
    row("np.pad(x, ((0, 1), (2, 0)), constant_values=3.0)", (2, 3)),
    row("np.pad(x, (1, 2), constant_values=(1.0, 2.0))", (3,)),
    *(
        row(f"np.pad(x, ((1, 0), (2, 5)), mode='{mode}')", (2, 3))
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    row("np.broadcast_arrays(x, y)[0] * np.broadcast_arrays(x, y)[1]", (2, 1), (3,)),
    row("np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1]", (2,), (3,)),
    row("np.prod(np.meshgrid(x, y, indexing='ij', sparse=True)[1]) * x", (2,), (3,)),
    row("np.atleast_1d(x)", ()),
    row("np.atleast_2d(x)", (3,)),
    *(row("np.atleast_3d(x)", s) for s in [(), (3,), (2, 3), (2, 1, 3)]),
    row("np.atleast_1d(x, y)[0] * y", (), (2,)),
    row("np.full_like(x, y) * x", (2, 3), (3,)),
    row("np.full_like(x, y, shape=(2,)) + x[0]", (3,), ()),
    *(row(f"np.diag(x, {k})", s) for k in (-1, 0, 2) for s in [(3,), (3, 4)]),
    row("np.diagflat(x, 1)", (2, 2)),
    *(row(f"np.diagonal(x, {k})", (3, 4)) for k in (-2, 0, 1, 5)),
    row("np.diagonal(x, 0, 2, 0)", (2, 3, 4)),
    row("x.diagonal(axis1=1, axis2=-1)", (2, 3, 4)),
    row("np.linalg.diagonal(x, offset=1)", (2, 3, 4)),
    row("np.trace(x)", (3, 4)),
    row("np.trace(x, offset=1, axis1=1, axis2=0)", (2, 3, 4)),
    row("np.linalg.trace(x)", (2, 3, 4)),
    *(
        row(f"np.{name}(x, {k})", s)
        for name in ("tril", "triu")
        for k in (-1, 0, 1)
        for s in [(3, 3), (2, 2, 3)]
    ),
    row("np.tril(x)", (3,)),
    # --------------------------------------------------------------------------------------- joining
    row("np.hstack([x, y])", (2, 3), (2, 1)),
    row("np.hstack([x, y])", (2,), ()),
    row("np.vstack([x, y])", (2, 3), (3,)),
    row("np.dstack([x, y])", (2, 3), (2, 3, 2)),
    row("np.column_stack([x, y])", (2,), (2, 3)),
    row("np.append(x, y)", (2, 3), (2,)),
    row("np.append(x, y, axis=0)", (2, 3), (1, 3)),
    row("np.block([[x, y], [z, x]])", (2, 2), (2, 2), (2, 2)),
    row("np.block([x, 1.0, y])", (2,), (), keeps_dtype=False),
    row("np.block([[x], [y]])", (1, 3), (3,)),
    row("np.array_split(x, 3)[1]", (7,)),
    row("np.split(x, [1, 3], axis=1)[1]", (2, 4)),
    row("np.split(x, 2)[0]", (4,)),
    row("np.hsplit(x, 2)[1]", (2, 4)),
    row("np.vsplit(x, [1])[1]", (3, 2)),
    row("np.dsplit(x, 2)[0]", (1, 2, 4)),
    row("np.delete(x, [0, 2], axis=1)", (2, 4)),
    row("np.delete(x, 1)", (2, 2)),
    # -------------------------------------------------------------------------------------- indexing
    row("np.take(x, [0, 0, 5])", (2, 3)),
    row("np.take(x, [[0, -1]], axis=1)", (2, 3)),
    row("np.take(x, [0, 4, -7], axis=-1, mode='wrap')", (2, 3)),
    row("np.take(x, [0, 4, -7], axis=0, mode='clip')", (2, 3)),
    row("x.take(1, axis=0)", (2, 3)),
    row("np.take_along_axis(x, np.array([[0, 0, 2], [1, 0, 1]]), axis=1)", (2, 3)),
    row("np.take_along_axis(x, np.array([[1, 0, 1]]), 0)", (2, 3)),
    row("np.take_along_axis(x, np.array([5, 5, 0]), axis=None)", (2, 3)),
    row("np.compress([True, False, True], x, axis=1)", (2, 3)),
    row("np.extract(x > 0, x)", (2, 3), replays=False),
    row("np.select([x > 1, x > 0], [x, 2 * y])", (2, 3), (3,)),
    row("np.select([np.array([True, False])], [x], 7.0)", (2,)),
    row("np.choose([0, 1, 1], [x, y])", (3,), (3,)),
    row("np.choose([5, -1, 1], [x, y], mode='wrap')", (3,), (3,)),
    *(
        row(
            f"set_at(x, {index}, y)",
            (3, 4),
            shape,
            reference=f"(w := x.copy(), w.__setitem__({index}, y))[0]",
        )
        for index, shape in [
            ("1", (4,)),
            ("np.s_[:, ::2]", (2,)),
            ("np.s_[[0, 2], [1, 1]]", (2,)),
            ("(x > 0)", ()),
        ]
    ),
    row("set_at(x, [0, 0, 1], y)", (3,), (3,), reference="np.array([y[1], y[2], x[2]])"),
    row("set_at(x, 0, 2.0)", (3,), reference="np.array([2.0, x[1], x[2]])"),
    row("add_at(x, [0, 0, 1], y)", (3,), (3,), reference="x + np.array([y[0] + y[1], y[2], 0])"),
    row("add_at(x, np.s_[1:], y)", (3, 2), (2,), reference="x + np.array([[0.0], [1.0], [1.0]]) * y"),
    *(row(f"x[{index}]", (3, 4)) for index in INDICES),
    row("x[()]", ()),
    row("x[..., None]", ()),
    row("x[[1, 1], :, [0, 1]]", (2, 3, 2)),
    row("x[:, [1, 1], [0, 1]]", (2, 3, 2)),
    row("x[[0, 0]]", (2, 0)),
    row("scatter(x, shape=(4, 3), index=[0, 2])", (2, 3), reference="np.eye(4)[[0, 2]].T @ x"),
    row("scatter(x, shape=(4,), index=[1, 1, 3])", (3,), reference="np.array([0, x[0] + x[1], 0, x[2]])"),
    # -------------------------------------------------------------------------------- linear algebra
    *(row("x @ y", *shapes) for shapes in PRODUCTS),
    row("np.matmul(x, y)", (2, 3), (3, 2)),
    row("np.linalg.matmul(x, y)", (2, 3), (3, 2)),
    *(
        row("np.dot(x, y)", *shapes)
        for shapes in [*PRODUCTS[:5], ((), (2,)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (3,))]
    ),
    row("x.dot(y)", (3,), (3,)),
    *(
        row("np.inner(x, y)", *shapes)
        for shapes in [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2,))]
    ),
    row("np.outer(x, y)", (3,), (2,)),
    row("np.outer(x, y)", (2, 2), (3,)),
    row("np.linalg.outer(x, y)", (3,), (2,)),
    *(
        row(f"np.{name}.outer(x, y)", (2,), (3, 1), low=0.5)
        for name in ("add", "subtract", "multiply", "divide")
    ),
    row("np.vdot(x, y)", (2, 3), (2, 3)),
    row("np.vecdot(x, y)", (2, 3), (3,)),
    row("np.vecdot(x, y, axis=0)", (3, 2), (3, 1)),
    row("np.linalg.vecdot(x, y, axis=0)", (3, 2), (3, 2)),
    *(
        row(f"np.tensordot(x, y{axes})", *shapes)
        for axes, *shapes in [
            ("", (2, 3, 4), (3, 4, 2)),
            (", 0", (2,), (3,)),
            (", 1", (2, 3), (3, 2)),
            (", axes=([1, 0], [0, 1])", (2, 3), (3, 2)),
            (", axes=(1, -1)", (2, 3), (4, 3)),
        ]
    ),
    row("np.linalg.tensordot(x, y, axes=1)", (2, 3), (3, 2)),
    *(row("np.kron(x, y)", *s) for s in [((2, 3), (2, 2)), ((2,), (3,)), ((2,), (2, 3)), ((), (2,))]),
    *(row("np.cross(x, y)", *s) for s in [((3,), (3,)), ((2, 3), (3,)), ((0, 3), (3,))]),
    row("np.cross(x, y, axisa=0, axisb=1, axisc=0)", (3, 2), (2, 3)),
    row("np.linalg.cross(x, y)", (2, 3), (2, 3)),
    *(row(f"np.linalg.matrix_power(x, {n})", (3, 3)) for n in (0, 1, 2, 5, -2)),
    row("np.linalg.multi_dot([x, y, z])", (2, 3), (3, 4), (4,)),
    row("np.linalg.multi_dot([x, y, z, x])", (2, 3), (3, 4), (4, 2)),
    # -------------------------------------------------------------------------------- decompositions
    *(row("np.linalg.inv(x)", s) for s in [(3, 3), (2, 2, 2), (0, 0)]),
    *(row("np.linalg.det(x)", s) for s in [(3, 3), (2, 2, 2), (1, 1)]),
    row("cofactors(x)", (3, 3), reference="np.linalg.det(x) * np.linalg.inv(x).T"),
    row("np.linalg.slogdet(x)[1]", (3, 3)),
    row("np.linalg.slogdet(x).logabsdet", (2, 2, 2)),
    row("np.linalg.slogdet(x)[0] * x", (3, 3)),
    *(
        row("np.linalg.solve(x, y)", *s)
        for s in [
            ((3, 3), (3,)),
            ((3, 3), (3, 2)),
            ((2, 3, 3), (3, 2)),
            ((3, 3), (2, 3, 1)),
            ((2, 2, 2), (2,)),
        ]
    ),
    *(row("np.linalg.pinv(x)", s) for s in [(3, 3), (2, 3), (3, 2), (2, 3, 2)]),
    row("np.linalg.lstsq(x, y)[0]", (4, 2), (4,), replays=False),
    row("np.linalg.lstsq(x, y, rcond=None)[1]", (4, 2), (4, 3), replays=False),
    row("np.linalg.lstsq(x, y)[0]", (2, 4), (2, 3), replays=False),
    row("np.linalg.lstsq(x, y)[3] + 0 * y[0]", (4, 2), (4,), replays=False),
    *(row("np.linalg.cholesky(x @ x.T + np.eye(3, dtype=x.dtype))", s) for s in [(3, 3), (3, 2)]),
    row("np.linalg.cholesky(x @ x.T + np.eye(3, dtype=x.dtype), upper=True)", (3, 3)),
    *(
        row(f"np.linalg.eigh(x + np.matrix_transpose(x))[{i}]", s)
        for i in (0, 1)
        for s in [(3, 3), (2, 2, 2)]
    ),
    row("np.linalg.eigh(x + x.T, 'U').eigenvectors", (3, 3)),
    row("np.linalg.eigvalsh(x + x.T)", (3, 3)),
    row("np.real(np.linalg.eig(x + x.T).eigenvalues)", (3, 3)),
    row("np.absolute(np.linalg.eig(x)[1])", (3, 3)),
    row("np.absolute(np.linalg.eigvals(x))", (3, 3)),
    *(
        row(f"np.linalg.svd(x, full_matrices=False)[{i}]", s)
        for i in range(3)
        for s in [(3, 3), (4, 2), (2, 4), (2, 3, 2)]
    ),
    row("np.linalg.svd(x).S", (3, 2)),
    row("np.linalg.svd(x, compute_uv=False)", (3, 3)),
    row("np.linalg.svdvals(x)", (2, 3)),
    *(row(f"np.linalg.qr(x)[{i}]", s) for i in (0, 1) for s in [(3, 3), (4, 2), (2, 4), (2, 3, 2)]),
    row("np.linalg.qr(x, 'r')", (3, 2)),
    row("np.linalg.qr(x, mode='complete').R", (2, 3)),
    *(
        row(f"np.linalg.norm(x{rest})", (2, 3))
        for rest in ("", ", axis=1", ", axis=0, keepdims=True", ", axis=(0, 1)")
    ),
    *(
        row(f"np.linalg.norm(x, {ord}, axis=1)", (2, 3), low=0.2)
        for ord in ("2", "1", "np.inf", "-np.inf", "3", "0.5", "-1", "-2.5", "0")
        if ord != "0"
    ),
    row("np.linalg.norm(x, 0) * x", (3,)),
    *(
        row(f"np.linalg.norm(x, {ord})", (2, 3))
        for ord in ("'fro'", "'nuc'", "2", "-2", "1", "-1", "np.inf", "-np.inf")
    ),
    row("np.linalg.norm(x, 'nuc', axis=(2, 0), keepdims=True)", (2, 3, 3)),
    row("np.linalg.matrix_norm(x)", (2, 3, 2)),
    row("np.linalg.vector_norm(x, axis=(0, 2))", (2, 3, 2)),
    row("np.linalg.vector_norm(x, ord=3)", (3,)),
    *(row(f"np.linalg.cond(x{p})", (3, 3)) for p in ("", ", 2", ", -2", ", 'fro'", ", 1")),
    # ----------------------------------------------------------------------------------------- fourier
    *(
        row(f"np.absolute(np.fft.{name}(x{rest}) + 3)", s)
        for name in ("fft", "ifft", "rfft", "ihfft")
        for rest, s in [
            ("", (2, 5)),
            (", axis=0", (4, 2)),
            (", n=3, norm='ortho'", (5,)),
            (", 6, norm='forward'", (4,)),
        ]
    ),
    *(
        row(f"np.fft.{name}(x + 1j * y{rest})", s, s, keeps_dtype=name != "x")
        for name in ("irfft", "hfft")
        for rest, s in [
            ("", (2, 4)),
            (", n=5", (3,)),
            (", 7, axis=0, norm='ortho'", (3, 2)),
            (", norm='forward'", (4,)),
        ]
    ),
    *(
        row(f"np.absolute(np.fft.{name}(x{rest}) + 3)", s)
        for name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn")
        for rest, s in [
            ("", (3, 4)),
            (", s=(2, 5), axes=(0, 1), norm='ortho'", (3, 3)),
            (", axes=(2, 0)", (2, 2, 3)),
        ]
    ),
    *(
        row(f"np.fft.{name}(x + 1j * y{rest})", s, s)
        for name in ("irfft2", "irfftn")
        for rest, s in [
            ("", (3, 4)),
            (", s=(2, 5), axes=(0, 1), norm='ortho'", (3, 3)),
            (", axes=(2, 0)", (2, 2, 3)),
        ]
    ),
    *(
        row(f"np.fft.{name}(x{axes})", (4, 5))
        for name in ("fftshift", "ifftshift")
        for axes in ("", ", axes=1")
    ),
    *(
        row(f"np.einsum('{subscripts}', {', '.join('xyz'[: len(shapes)])})", *shapes)
        for subscripts, *shapes in EINSUMS
    ),
    row("np.einsum('ij,jk->ik', x, y, optimize=True)", (2, 3), (3, 2)),
    row("np.einsum(x, [0, 1], y, [1, 2])", (2, 3), (3, 2)),
    row("np.einsum(x, [0, 1], y, [1, 2], [2, 0])", (2, 3), (3, 2)),
    row("np.einsum(x, [..., 0], y, [0, ...], [...])", (2, 3), (3, 2)),
    row("np.einsum('ij,j->i', x, [1.0, 2.0, 3.0])", (2, 3), keeps_dtype=False),
    row("np.einsum('ij,j->i', [[1, 2, 3]], x)", (3,), keeps_dtype=False),
    # ------------------------------------------------------------------------------------ functional
    *(row("F.linear(x, y, z)", s, (3, 2), (2,), reference="x @ y + z") for s in [(2, 3), (3,), (2, 2, 3)]),
    row("F.linear(x, y)", (2, 3), (3, 2), reference="x @ y"),
    *(
        row(f"F.linear(x, y, z, {name!r})", s, (3, 2), (2,), low=0.1, reference=reference)
        for s in [(2, 3), (3,), (2, 2, 3)]
        for name, reference in [
            ("relu", "x @ y + z"),
            ("sigmoid", "1 / (1 + np.exp(-(x @ y + z)))"),
            ("tanh", "np.tanh(x @ y + z)"),
        ]
    ),
    row(
        "F.linear(x, y, z, 'relu')",
        (2, 3),
        (3, 2),
        (2,),
        low=(-2, 0.1, -2),
        high=(-0.1, 2, -0.1),
        reference="0 * (x @ y + z)",
    ),
    row("F.nll_loss(x, np.array([2, 0]))", (2, 3), reference="-(x[0, 2] + x[1, 0]) / 2"),
    row("F.nll_loss(x, 1)", (3,), reference="-x[1]"),
    *(row("F.relu(x)", s, low=0.5, reference="np.maximum(x, 0)") for s in [(2, 3), (), (0,)]),
    row("F.relu(x)", (2, 3), high=-0.5, reference="np.maximum(x, 0)"),
    *(row("F.sigmoid(x)", s, reference="1 / (1 + np.exp(-x))") for s in [(2, 3), (), (0,)]),
    *(row("F.softplus(x)", s, reference="np.log(1 + np.exp(x))") for s in [(2, 3), (), (0,)]),
    row("F.softmax(x)", (2, 3), reference="np.exp(x) / np.exp(x).sum(-1, keepdims=True)"),
    row("F.softmax(x, axis=0)", (2, 3), reference="np.exp(x) / np.exp(x).sum(0)"),
    row("F.softmax(x, axis=-2)", (2, 3, 2), reference="np.exp(x) / np.exp(x).sum(1, keepdims=True)"),
    row("F.log_softmax(x)", (2, 3), reference="x - np.log(np.exp(x).sum(-1, keepdims=True))"),
    row("F.log_softmax(x, axis=0)", (2, 3), reference="x - np.log(np.exp(x).sum(0))"),
    row("F.logsumexp(x)", (2, 3), reference="np.log(np.exp(x).sum())"),
    row("F.logsumexp(x, axis=-1)", (2, 3), reference="np.log(np.exp(x).sum(-1))"),
    row("F.logsumexp(x, axis=(0, 2))", (2, 3, 2), reference="np.log(np.exp(x).sum((0, 2)))"),
    row("F.logsumexp(x, axis=0, keepdims=True)", (2, 3), reference="np.log(np.exp(x).sum(0))[None]"),
    *(
        row(text, s, low=low, high=high, reference=reference)
        for text, low, high, reference in ACTIVATIONS
        for s in [(2, 3), (), (0,)]
    ),
    row("F.softmin(x)", (2, 3), reference="np.exp(-x) / np.exp(-x).sum(-1, keepdims=True)"),
    row("F.softmin(x, axis=0)", (2, 3), reference="np.exp(-x) / np.exp(-x).sum(0)"),
    row("F.glu(x)", (2, 6), reference="x[:, :3] * sigmoid(x[:, 3:])"),
    row("F.glu(x, axis=-2)", (2, 4, 3), reference="x[:, :2] * sigmoid(x[:, 2:])"),
    *(row("F.prelu(x, y)", s, (1,), reference="np.where(x > 0, x, y[0] * x)") for s in [(2, 3), (3,), ()]),
    row("F.prelu(x, y)", (2, 3, 2), (3,), reference="np.where(x > 0, x, y[:, None] * x)"),
    row("F.prelu(x, y)", (2, 3), (3,), reference="np.where(x > 0, x, y * x)"),
    row("F.normalize(x)", (2, 3), reference="x / np.sqrt((x * x).sum(-1, keepdims=True))"),
    row("F.normalize(x, 1, axis=0)", (2, 3), reference="x / abs(x).sum(0)"),
    row("F.normalize(x, 2.5)", (2, 3), reference="x / (abs(x) ** 2.5).sum(-1, keepdims=True) ** 0.4"),
    row("F.normalize(x, np.inf, (0, 1))", (2, 3), reference="x / abs(x).max()"),
    row("F.normalize(x, eps=100.0)", (2, 3), reference="x / 100"),
    row(
        "F.layer_norm(x, 3, y, z)",
        *((2, 3), (3,), (3,)),
        reference="y * (x - x.mean(1)[:, None]) / np.sqrt(x.var(1)[:, None] + 1e-5) + z",
    ),
    row(
        "F.layer_norm(x, (3, 2), y, eps=0.1)",
        *((2, 3, 2), (3, 2)),
        reference="y * (x - x.mean((1, 2))[:, None, None]) / np.sqrt(x.var((1, 2))[:, None, None] + 0.1)",
    ),
    row(
        "F.batch_norm(x, None, None, y, z, training=True)",
        *((4, 3), (3,), (3,)),
        reference="y * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + z",
    ),
    row(
        "F.batch_norm(x, None, None, training=True, eps=0.1)",
        (2, 3, 2),
        reference="(x - x.mean((0, 2))[:, None]) / np.sqrt(x.var((0, 2))[:, None] + 0.1)",
    ),
    row(
        "F.batch_norm(x, y, z)",
        *((2, 3), (3,), (3,)),
        low=[-2, -2, 0.5],
        reference="(x - y) / np.sqrt(z + 1e-5)",
    ),
    row("F.embedding([[0, 2], [2, 2]], x)", (3, 2), reference="x[[[0, 2], [2, 2]]]"),
    *(
        row(f"F.{loss}(x, y{options})", (2, 3), (2, 3), reference=reference)
        for loss, options, reference in LOSSES
    ),
    row("F.kl_div(x, y)", (2, 3), (2, 3), low=(-2, 0.1), reference="(y * (np.log(y) - x)).mean()"),
    row("F.kl_div(x, y, 'batchmean')", (2, 3), (2, 3), low=0.1, reference="(y * (np.log(y) - x)).sum() / 2"),
    row("F.kl_div(x, y, 'sum', True)", (2, 3), (2, 3), reference="(np.exp(y) * (y - x)).sum()"),
    row(
        "F.cross_entropy(x, np.array([[1, 0], [2, 2]]), reduction='none', axis=1)",
        (2, 3, 2),
        reference="-log_softmax(x, 1)[[[0, 0], [1, 1]], [[1, 0], [2, 2]], [0, 1]]",
    ),
    row(
        "F.cross_entropy(x, np.array([2, -1, 0]), y, ignore_index=-1, label_smoothing=0.3)",
        *((3, 3), (3,)),
        low=[-2, 0.5],
        reference="-sum(0.7 * y[t] * log_softmax(x)[i, t] + 0.1 * (y * log_softmax(x)[i]).sum()"
        " for i, t in [(0, 2), (2, 0)]) / (y[0] + y[2])",
    ),
    row(
        "F.cross_entropy(x, y, np.array([1, 2, 3]), label_smoothing=0.3)",
        *((2, 3), (2, 3)),
        reference="-(log_softmax(x) * (0.7 * y + 0.1) * [1, 2, 3]).sum() / 2",
    ),
    row(
        "F.nll_loss(x, np.array([2, -1, 0]), y, ignore_index=-1)",
        *((3, 3), (3,)),
        low=[-2, 0.5],
        reference="-(y[2] * x[0, 2] + y[0] * x[2, 0]) / (y[0] + y[2])",
    ),
]

each_row = pytest.mark.parametrize("row", TABLE, ids=str)

SOURCES = {F.dropout_mask.op}  # random numbers: nothing flows back through them


def all_ops() -> set[Any]:
    modules = [getattr(ops, name) for name in ops.__all__] + [decompositions, fourier, F, activations, losses]
    modules += [special_ops] if special else []
    values = [value for module in modules for value in vars(module).values()]
    values += [value for table in values if isinstance(table, dict) for value in table.values()]
    return {value.op for value in values if isinstance(getattr(value, "op", None), Op)}


def test_every_op_has_a_row() -> None:
    covered: set[Any] = set()
    for row in TABLE:
        nodes = [row.call(*(Tensor(x, requires_grad=True) for x in row.inputs))]
        for node in nodes:  # it grows on the way
            covered.add(node.op)
            nodes += [x for x in node.inputs if isinstance(x, Tensor)]
    assert {op.name for op in all_ops() - SOURCES - covered} == {"to"}  # of tests/test_devices.py


@each_row
def test_jacobians_of_many_rows_at_once_are_those_of_single_gradients(row: Row) -> None:
    output, pull = vjp(row.call, *row.inputs)
    blocks = jacobian(row.call, tuple(range(len(row.inputs))))(*row.inputs)
    units = np.eye(output.size).reshape(output.size, *output.shape)
    rows = [pull(unit.astype(output.dtype)) for unit in units]
    for number, (block, x) in enumerate(zip(blocks, row.inputs, strict=True)):
        assert block.shape == output.shape + x.shape
        assert block.dtype == x.dtype
        for row_of_block, gradients in zip(block.reshape(output.size, *x.shape), rows, strict=True):
            np.testing.assert_array_equal(row_of_block, gradients[number])


@each_row
def test_jacobians_by_columns_are_those_by_rows(row: Row) -> None:
    for dtype in (np.float64, np.float32):
        trace = Trace(row.call, tuple(x.astype(dtype) for x in row.inputs))
        by_rows = [trace.by_rows(output) for output in trace.outputs]
        for blocks, expected in zip(trace.by_columns(), by_rows, strict=True):
            for block, other in zip(blocks, expected, strict=True):
                assert (block.shape, block.dtype) == (other.shape, other.dtype)
                tolerance = 1e-12 if dtype is np.float64 else 2e-5
                np.testing.assert_allclose(block, other, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not special, reason="SciPy is not installed, so its functions are not in the table")
def test_special_functions_are_in_the_table() -> None:
    assert any("special.erf(x)" in str(row) for row in TABLE)


def test_sources_have_no_rules() -> None:
    assert all(op.rules == () for op in SOURCES)


@each_row
def test_value(row: Row) -> None:
    result = row.call(*(Tensor(x, requires_grad=True) for x in row.inputs))
    expected = function(row.reference or row.text, len(row.inputs))(*row.inputs)
    assert type(result) is Tensor
    assert result.requires_grad
    assert result.shape == np.shape(expected)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result.data, expected, rtol=1e-12 if row.reference else 0, atol=1e-14)


@each_row
def test_derivatives(row: Row) -> None:
    assert gradcheck(row.call, *row.inputs, order=2)


@each_row
def test_float32_stays_float32(row: Row) -> None:
    result = row.call(*(Tensor(x.astype(np.float32), requires_grad=True) for x in row.inputs))
    assert not row.keeps_dtype or result.dtype == np.float32
    plain = [Tensor(x.astype(np.float32), requires_grad=True) for x in row.inputs]
    recorded = [Tensor(x.astype(np.float32), requires_grad=True) for x in row.inputs]
    row.call(*plain).sum().backward()
    row.call(*recorded).sum().backward(create_graph=True)
    for p, r in zip(plain, recorded, strict=True):
        assert p.grad.dtype == r.grad.dtype == np.float32
        assert p.grad.shape == r.grad.shape == p.shape
        np.testing.assert_allclose(p.grad.data, r.grad.data, rtol=1e-5, atol=1e-5)


@each_row
def test_inputs_are_not_written_and_may_lie_in_memory_in_any_way(row: Row) -> None:
    def scattered(x: np.ndarray) -> np.ndarray:
        """Return x with gaps between its elements, the last first, not to be written."""
        space = np.full([2 * n for n in x.shape], np.nan)
        view = space[(..., *(slice(None, None, -2) for _ in x.shape))]
        view[...] = x
        view.flags.writeable = False
        return view

    value, product = vjp(row.call, *row.inputs)
    again, scattered_product = vjp(row.call, *map(scattered, row.inputs))
    np.testing.assert_allclose(value, again, rtol=1e-12, atol=1e-14)
    weights = np.random.default_rng(0).normal(size=np.shape(value))
    weights.flags.writeable = False
    for a, b in zip(product(weights), scattered_product(weights), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
        assert a.flags.writeable and b.flags.writeable


@pytest.mark.parametrize("a", [(0, 3), (2, 0), (0, 0), (0, 2, 3), (2, 2, 0)])
@pytest.mark.parametrize("n", [2, 0])
def test_products_with_empty_axes(a: tuple[int, ...], n: int) -> None:
    assert gradcheck(np.matmul, np.ones(a), np.ones((a[-1], n)), order=2)


def test_einsum_broadcasts_axes_of_one_element() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.ones((2, 1))
    for subscripts in ("ij,ij->i", "ij,ij->", "ij,ij->ij", "ji,ji->i"):
        assert gradcheck(lambda x, y, s=subscripts: np.einsum(s, x, y), x, y, order=2)
        assert gradcheck(lambda x, y, s=subscripts: np.einsum(s, y, x), x, y, order=2)


# ------------------------------------------------------------------------------------------- complex


def complex_row(text: str, *shapes: tuple[int, ...], **options: Any) -> Row:
    """Return a row with complex inputs of `shapes`, off the axes, where the functions have their cuts."""
    generator = np.random.default_rng(list(text.encode()))
    parts = [generator.uniform(0.3, 1.2, (2, *s)) for s in shapes]
    return Row(text, tuple(real + 1j * imag for real, imag in parts), **options)


# fmt: off
HOLOMORPHIC = [
    "negative", "positive", "reciprocal", "sqrt", "square", "exp", "exp2", "expm1", "log", "log1p", "log2",
    "log10", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh",
    "arctanh", "sinc",
]
OTHERS = ["absolute", "sign", "real", "imag", "conjugate", "angle"]
# fmt: on
SQUARE = (3, 3)
COMPLEX = [
    *(complex_row(f"np.{name}(x)", s) for name in HOLOMORPHIC + OTHERS for s in [(2, 2), ()]),
    *(complex_row(f"x {operator} y", (2, 2), (2,)) for operator in ("+", "-", "*", "/", "**")),
    *(
        complex_row(text, (2, 2))
        for text in ("x ** 3", "2.0 ** x", "x ** (1 + 2j)", "1j * x", "x / (2 - 1j)")
    ),
    *(
        complex_row(f"np.{name}(x, axis=1)", (2, 3))
        for name in ("sum", "mean", "prod", "var", "std", "cumsum", "cumprod", "diff", "sort")
    ),
    complex_row("np.max(x, axis=0)", (3, 2)),
    complex_row("np.average(x, axis=0, weights=y)", (2, 2), (2,)),
    *(
        complex_row(f"special.{name}", (2, 2))
        for name in (
            *("erf(x)", "erfc(x)", "erfcx(x)", "ndtr(x)", "log_ndtr(x)", "log_ndtr(-x)", "xlogy(x, x)"),
            *("jv(1.5, x)", "yv(1.5, x)", "iv(1.5, x)", "kv(1.5, x)", "ive(1.5, x)", "ive(2, -x)"),
        )
        if special
    ),
    complex_row("np.gradient(x)", (4,)),
    complex_row("np.where(x.real > 0.7, x, 2j)", (2, 3)),
    complex_row("x[[0, 0, 1]]", (2, 2)),
    complex_row("np.pad(x, 1, constant_values=1j)", (2,)),
    complex_row("np.concatenate([x, y.real])", (2,), (3,)),
    *(complex_row(f"np.{name}(x, y)", (2, 3), (2, 3)) for name in ("vdot", "vecdot", "inner", "kron")),
    complex_row("x @ y", (2, 3), (3, 2)),
    complex_row("np.tensordot(x, y, 1)", (2, 3), (3, 2)),
    complex_row("np.einsum('ij,jk,ii->k', x, y, x)", (3, 3), (3, 2)),
    complex_row("np.cross(x, y)", (3,), (3,)),
    complex_row("np.linalg.inv(x)", SQUARE),
    complex_row("np.linalg.pinv(x)", (3, 2)),
    complex_row("np.linalg.det(x)", SQUARE),
    complex_row("np.linalg.slogdet(x)[0]", SQUARE),
    complex_row("np.linalg.slogdet(x)[1]", SQUARE),
    complex_row("np.linalg.solve(x, y)", SQUARE, (3, 2)),
    complex_row("np.linalg.lstsq(x, y)[0]", (4, 2), (4,)),
    complex_row("np.linalg.cholesky(x @ np.conjugate(x.T) + np.eye(3, dtype=x.dtype))", SQUARE),
    complex_row("np.linalg.cholesky(x @ np.conjugate(x.T) + np.eye(3, dtype=x.dtype), upper=True)", SQUARE),
    complex_row("np.linalg.eigvalsh(x + np.conjugate(x.T))", SQUARE),
    complex_row("np.absolute(np.linalg.eigh(x + np.conjugate(x.T))[1])", SQUARE),
    complex_row("np.linalg.eigvals(x)", SQUARE),
    complex_row("np.absolute(np.linalg.eig(x)[1])", SQUARE),
    *(
        complex_row(f"np.{f}(np.linalg.svd(x, full_matrices=False)[{i}])", s)
        for i, f in enumerate(("absolute", "real", "absolute"))
        for s in [SQUARE, (4, 2), (2, 3)]
    ),
    complex_row("np.linalg.svdvals(x)", (2, 3)),
    *(complex_row(f"np.linalg.qr(x)[{i}]", s) for i in (0, 1) for s in [SQUARE, (4, 2), (2, 3)]),
    *(complex_row(f"np.linalg.norm(x, {ord})", (2, 3)) for ord in ("None", "2", "'nuc'", "1", "np.inf")),
    *(complex_row(f"np.linalg.norm(x, {ord}, axis=0)", (2, 3)) for ord in ("2", "3", "np.inf")),
    *(
        complex_row(f"np.fft.{name}(x, {n})", (5,))
        for name in ("fft", "ifft", "irfft", "hfft")
        for n in (4, 5, 7)
    ),
    complex_row("np.fft.fftn(x, norm='ortho')", (2, 3)),
    complex_row("np.fft.irfftn(x)", (2, 3)),
    complex_row("set_at(x, [0, 0, 1], y)", (3,), (3,), reference="np.array([y[1], y[2], x[2]])"),
]


@pytest.mark.parametrize("row", COMPLEX, ids=str)
def test_complex_values_and_derivatives(row: Row) -> None:
    result = row.call(*(Tensor(x, requires_grad=True) for x in row.inputs))
    expected = function(row.reference or row.text, len(row.inputs))(*row.inputs)
    assert result.shape == np.shape(expected) and result.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(result.data, expected, rtol=1e-12, atol=1e-14)
    assert gradcheck(row.call, *row.inputs, order=2)


@pytest.mark.parametrize("row", COMPLEX, ids=str)
def test_complex64_stays_complex64(row: Row) -> None:
    single = [x.astype(np.complex64) for x in row.inputs]
    expected = np.asarray(function(row.reference or row.text, len(single))(*single)).dtype
    plain = [Tensor(x, requires_grad=True) for x in single]
    recorded = [Tensor(x, requires_grad=True) for x in single]
    for inputs, create_graph in ((plain, False), (recorded, True)):
        result = row.call(*inputs)
        assert result.dtype == expected
        np.sum(np.square(np.absolute(result))).backward(create_graph=create_graph)
    for p, r in zip(plain, recorded, strict=True):
        assert p.grad.dtype == r.grad.dtype == np.complex64
        np.testing.assert_allclose(p.grad.data, r.grad.data, rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------------- conventions at kinks and ties


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("np.absolute(x)", 0.0, 0.0),
        ("np.sign(x)", 0.0, 0.0),
        ("np.sign(x)", 3.0, 0.0),
        ("F.relu(x)", 0.0, 0.0),
        ("np.maximum(x, 0)", 0.0, 0.5),
        ("np.minimum(0.0, x)", 0.0, 0.5),
        ("np.maximum(x, x)", 2.0, 1.0),
        ("np.clip(x, 0, 1)", 0.0, 1.0),
        ("np.clip(x, 0, 1)", 1.0, 1.0),
        ("np.clip(x, 0, 1)", 1.001, 0.0),
        ("x ** 0", 0.0, 0.0),
        ("x ** 0.0", 0.0, 0.0),
        ("x ** np.zeros(())", 0.0, 0.0),
        ("x ** 1", 0.0, 1.0),
        ("x ** 1.5", 0.0, 0.0),
        ("x ** np.array(1.5)", 0.0, 0.0),
        ("0.0 ** x", 0.0, 0.0),
        ("0.0 ** x", 2.0, 0.0),
        ("np.zeros(()) ** x", 2.0, 0.0),
        ("np.std(x)", 5.0, 0.0),
        ("np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0)", 0.0, 0.0),
    ],
)
def test_derivative_at_a_kink(text: str, x: float, expected: float) -> None:
    for dtype in (np.float64, np.float32):
        assert grad(function(text, 1))(dtype(x)) == expected
        assert jacobian(function(text, 1))(np.array([x], dtype)) == expected


def test_derivative_of_the_root_of_zero_is_infinite() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert grad(np.sqrt)(0.0) == np.inf


@pytest.mark.parametrize("f", [np.max, np.min])
def test_ties_share_the_gradient_of_an_extreme_equally(f: Any) -> None:
    x = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 5.0, -5.0], [5.0, 5.0, -5.0, -5.0]])
    shares = x == f(x, axis=1, keepdims=True)
    by_row = grad(lambda x: np.sum(f(x, axis=1)))(x)
    np.testing.assert_array_equal(by_row, shares / shares.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(by_row.sum(axis=1), [1, 1, 1])
    np.testing.assert_array_equal(grad(f)(x), (x == f(x)) / np.sum(x == f(x)))


def test_maximum_and_minimum_share_ties_between_their_inputs() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for f, by_a in ((np.maximum, [0, 0.5, 1]), (np.minimum, [1, 0.5, 0])):
        ours = grad(lambda a, b, f=f: f(a, b).sum(), (0, 1))(a, b)
        np.testing.assert_array_equal(ours[0], by_a)
        np.testing.assert_array_equal(ours[1], 1 - np.array(by_a))


@pytest.mark.parametrize("f", [np.maximum, np.minimum])
def test_nan_passes_the_gradient_of_maximum_and_minimum_to_both(f: Any) -> None:
    a, b = np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan])
    for gradient in grad(lambda a, b: f(a, b).sum(), (0, 1))(a, b):
        np.testing.assert_array_equal(gradient, [1, 1, 1])


def test_arctan2_at_the_origin_has_no_gradient() -> None:
    assert grad(np.arctan2, (0, 1))(0.0, 0.0) == (0, 0)


def test_relu_turns_an_infinite_gradient_into_nan() -> None:
    with pytest.warns(RuntimeWarning, match="invalid value|divide by zero"):
        assert np.isnan(grad(lambda x: np.sqrt(F.relu(x)))(-1.0))


def test_logsumexp_of_infinities() -> None:
    np.testing.assert_array_equal(grad(F.logsumexp)(np.array([-np.inf, -np.inf])), [0, 0])
    np.testing.assert_array_equal(grad(F.logsumexp)(np.array([1.0, np.nan])), [np.nan, np.nan])
    with pytest.warns(RuntimeWarning, match="invalid"):
        np.testing.assert_array_equal(grad(F.logsumexp)(np.array([1.0, np.inf])), [0, np.nan])


@pytest.mark.parametrize("shape", [(3, 0), (2, 3, 0), (2, 0, 0)])
def test_largest_norms_of_nothing_are_0(shape: tuple[int, ...]) -> None:  # in NumPy from 2.3 on
    norm = np.linalg.norm
    x = np.zeros(shape)
    for f in (
        lambda x: norm(x, np.inf, axis=-1),
        *(lambda x, ord=ord: norm(x, ord, axis=(-2, -1)) for ord in (1, 2)),
    ):
        value, pull = vjp(f, x)
        np.testing.assert_array_equal(value, np.zeros(value.shape))
        assert pull(np.ones(value.shape))[0].shape == shape


@pytest.mark.skipif(not special, reason="SciPy is not installed")
def test_log_ndtr_has_its_derivatives_far_from_zero() -> None:
    hazard = np.exp(-450) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(grad(special.log_ndtr)(30.0), hazard, rtol=1e-12)
    np.testing.assert_allclose(hessian(special.log_ndtr)(30.0), -30 * hazard, rtol=1e-12)
    for x in (50.0, 1000.0):
        assert grad(special.log_ndtr)(x) == hessian(special.log_ndtr)(x) == 0
    np.testing.assert_allclose(grad(special.log_ndtr)(-100.0), 100.009998001, rtol=1e-9)
    np.testing.assert_allclose(hessian(special.log_ndtr)(-100.0), -0.9999000599, rtol=1e-7)


@pytest.mark.skipif(not special, reason="SciPy is not installed")
def test_mixed_derivatives_of_xlogy_at_zero() -> None:
    for f, y in ((special.xlogy, 2.0), (special.xlog1py, 1.0)):
        assert grad(f, (0, 1))(0.0, y) == (np.log(2), 0)
        (by_xx, by_xy), (by_yx, by_yy) = hessian(f, (0, 1))(0.0, y)
        assert (by_xx, by_xy, by_yx, by_yy) == (0, 0.5, 0.5, 0)
    assert grad(special.xlogy, (0, 1))(0.0, 0.0) == (0, 0)


def test_mixed_derivatives_of_powers_at_the_exponent_zero() -> None:
    (_, by_xp), (by_px, _) = hessian(lambda x, p: x**p, (0, 1))(2.0, 0.0)
    assert by_xp == by_px == 0.5


@pytest.mark.parametrize(
    "text", ["np.sum(x, axis=0)", "np.max(x, axis=-1)", "np.prod(x, 0)", "np.repeat(x, 2, axis=0)"]
)
def test_numpy_lets_a_single_number_have_an_axis(text: str) -> None:
    assert gradcheck(function(text, 1), 2.0)


@pytest.mark.parametrize("f", [np.max, np.min])
def test_byte_orders(f: Any) -> None:
    np.testing.assert_allclose(grad(f)(np.array([1.0, 2.0], ">f8")), grad(f)(np.array([1.0, 2.0])))


def test_clip_at_nan_has_no_gradient() -> None:
    assert grad(lambda x: np.clip(x, 0, 1))(np.nan) == 0


@pytest.mark.parametrize("zeros", range(5))
def test_prod_is_exact_with_zeros_in_three_orders(zeros: int) -> None:
    x = np.array([2.0, 3.0, -5.0, 7.0])
    x[:zeros] = 0
    first, second, third = np.zeros(4), np.zeros((4, 4)), np.zeros((4, 4, 4))
    for table in (first, second, third):
        for index in np.ndindex(table.shape):
            others = [x[i] for i in range(4) if i not in index]
            table[index] = np.prod(others) if len(set(index)) == len(index) else 0
    np.testing.assert_array_equal(grad(np.prod)(x), first)
    np.testing.assert_array_equal(hessian(np.prod)(x), second)
    np.testing.assert_array_equal(jacobian(hessian(np.prod))(x), third)


def test_std_of_a_constant_has_no_gradient() -> None:
    x = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    gradient = grad(lambda x: np.std(x, axis=1).sum())(x)
    np.testing.assert_array_equal(gradient[0], 0)
    np.testing.assert_allclose(gradient[1], [-1 / np.sqrt(6), 0, 1 / np.sqrt(6)])
    np.testing.assert_array_equal(hessian(np.std)(np.ones(3)), np.zeros((3, 3)))


@pytest.mark.parametrize("index", [array("q", [0, 0, 1]), memoryview(np.array([0, 0, 1]))])
def test_any_sequence_that_indexes_twice_adds_up(index: Any) -> None:
    np.testing.assert_array_equal(grad(lambda x: np.sum(x[index]))(np.zeros(3)), [2, 1, 0])


def test_what_is_indexed_twice_adds_up() -> None:
    x, w = np.zeros(3), np.array([1.0, 10.0, 100.0, 1000.0])
    for index in ([0, 2, 0, 0], np.array([0, -1, 0, -3]), Tensor([0, 2, 0, 0]), (np.array([0, 2, 0, 0]),)):
        np.testing.assert_array_equal(grad(lambda x, i=index: (x[i] * w).sum())(x), [1101, 0, 10])


# ------------------------------------------------------------------------------ calls as NumPy takes them

INPUTS = {
    "x": np.array([[1.5, -0.5, 2.0], [0.25, 3.0, -1.0]]),
    "w": np.array([[0.5, 1.25, 2.5], [1.0, 2.0, 0.75]]),
    "v": np.array([0.5, -0.75, 1.25]),
    "c": np.array([[1.5 + 1j, -0.5], [0.25, 3.0 - 2j]], np.complex64),
    "h": np.array([1.5, -0.5, 2.25], np.float16),
    "f": np.array([1.5, -0.5, 2.25], np.float32),
    "i": np.array([[1, 2, 3], [4, 6, 5]]),
    "u": np.array([0, 2, 250], np.uint8),
    "b": np.array([[True, False, True], [True, True, False]]),
    "s": np.array(1.75),
    "e": np.zeros((3, 0)),
    "m": np.array([np.inf, -np.inf, -1.5]),
}


@pytest.mark.parametrize(
    "text",
    [
        *("np.modf(m)", "np.modf(i)", "np.modf(b)", "np.modf(u)", "np.angle(b)"),
        *("np.angle(i, deg=True)", "np.average(i, 1, u, returned=True)"),
        *("np.average(x, 0, [1, 3], returned=True)",),
        *("np.average(c, weights=[[1, 2], [3, 4]], returned=True)", "np.nanmean(i)"),
        *("np.nanmean(i, dtype=int)", "np.nanmax(i)", "np.nanmin(b, axis=0)", "np.nanmax(u)"),
        *("np.tril(b)", "np.triu(b, 1)", "np.triu(i)", "np.linalg.norm(e, np.inf)"),
        *("np.linalg.norm(i)", "np.linalg.norm(i, 1)"),
        *("np.linalg.norm(i[0], -1)", "np.linalg.norm(i[0], 0)"),
        *("np.linalg.vector_norm(b, ord=np.inf)", "np.linalg.matrix_norm(i, ord=-np.inf)"),
        *("np.linalg.cond(0 * x)", "np.linalg.trace(x, dtype=None)", "np.vecdot(u, u)"),
        *("np.vecdot(b, b)", "np.linalg.vecdot(i, i)", "np.lexsort((v, f))", "np.take(x, [])"),
        *("np.choose([[0]], [b])", "np.choose([1, 0, 1], [u, h])", "np.median(e, axis=0)"),
        *("np.quantile(i, 0.5, method='lower')", "np.quantile(f, [0.2], method='higher')"),
        *("np.quantile(x, 0.5)", "np.percentile(v, 50)", "np.percentile(x, np.float32(30))"),
        *("np.percentile(f, 30)", "np.percentile(h, 30, method='nearest')"),
        *("np.percentile(b, 30, method='lower')", "np.gradient(m)", "np.gradient(m, 2.0)"),
        *("np.linalg.lstsq(i, u[:2])[0]", "np.fft.irfftn(x, (3, -1), axes=(0, 1))"),
        *("np.fft.irfftn(x)", "np.fft.rfftn(v, axes=(0, -1))"),
        *("np.add.accumulate(x, dtype=np.float32)", "np.multiply.accumulate(i, dtype=float)"),
        *("np.multiply.reduce(x, initial=None)", "np.maximum.reduce(x, 0, None, None, True)"),
        *("x.sum(dtype=np.float32)", "x.max(0, initial=9.0)", "x.cumsum(0, np.float32)"),
        *("x.argmax(keepdims=True)", "x.mean(axis=0, dtype=None, out=None)"),
        *("i.reshape(3, 2, order='F')", "x.ravel(order='F')"),
    ],
)  # fmt: skip
def test_values_dtypes_and_containers_are_numpys(text: str) -> None:
    call = eval(f"lambda {', '.join(INPUTS)}: {text}", {"np": np})
    expected = call(**INPUTS)
    for tracked in (False, True):
        ours = call(
            **{n: Tensor(x, requires_grad=tracked and x.dtype.kind in "fc") for n, x in INPUTS.items()}
        )
        assert type(ours).__name__ == type(expected).__name__ or type(ours) is Tensor
        pairs = zip(ours, expected, strict=True) if isinstance(expected, tuple) else [(ours, expected)]
        for a, b in pairs:
            a = a.data if isinstance(a, Tensor) else np.asarray(a)
            assert (a.shape, a.dtype) == (np.shape(b), np.asarray(b).dtype)
            np.testing.assert_allclose(a, b, rtol=1e-6 if a.dtype.itemsize < 8 else 1e-13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("np.clip(x, 0)", "a_max|together"),
        ("np.clip(x, 0, 1, min=2)", "min|together"),
        ("np.take(x, 0, mode='nothing')", "raise, wrap and clip|clip"),
        ("np.take_along_axis(x, np.array([[0]]), axis=-3)", "out of bounds"),
        ("np.take_along_axis(s, np.array(0), axis=-1)", "out of bounds"),
        ("np.diff(x, axis=2)", "out of bounds"),
        ("np.compress([[True, False]], x)", "one axis|1-d"),
        ("np.select([i], [x])", "boolean"),
        ("np.gradient(x, [0.0, 1.0])", "axes|arguments"),
        ("np.linalg.norm(x, axis=())", "one axis or two|dimensions"),
        ("np.linalg.outer(x, v)", "vectors|one-dimensional"),
        ("np.linalg.lstsq(x, x[None])", "matrix|dimensional"),
        ("np.linalg.vecdot(x, v[:1])", "mismatch|in its core dimension"),
        ("np.tensordot(x, v, axes=(2, 0))", "out of bounds|out of range"),
        ("np.tensordot(s, v, axes=1)", "out of bounds|out of range"),
        ("np.rot90(x, 0, (0, 3))", "out of bounds|out of range"),
        ("np.rot90(x, 1, (0, -2))", "repeated|different"),
        ("np.einsum('...->', x)", r"\.\.\."),
        ("np.quantile(c, 0.5)", "order|real numbers"),
        ("np.nanmean(x, dtype=int)", "inexact|dtype=int"),
        ("np.fft.hfft(x, norm='x')", "norm"),
        ("np.fft.ifftn(v, s=(3, 4))", "axis -2 is out of bounds|axes"),
        ("np.add.accumulate(x, axis=None)", "integer|axes"),
        ("np.add.accumulate(s)", "out of bounds|scalar"),
        ("np.matmul.outer(x, x)", "not differentiated|signature"),
        *([("np.matvec(v, v)", "matrices|dimensions")] if hasattr(np, "matvec") else []),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_numpy_refuses_is_refused_in_words(text: str, message: str) -> None:
    call = eval(f"lambda {', '.join(INPUTS)}: {text}", {"np": np})
    for inputs in (INPUTS, {name: Tensor(x) for name, x in INPUTS.items()}):
        with pytest.raises((TypeError, ValueError, IndexError, RuntimeError), match=message) as refusal:
            call(**inputs)
        assert "unexpected keyword" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        *("np.add.outer(v, v, dtype=np.float32)", "np.multiply.outer(v, v, where=True)"),
        *("np.maximum.reduce(x, dtype=np.float32)", "np.maximum.accumulate(x, dtype=np.float32)"),
        *("x.max(out=np.zeros(()))", "x.sum(out=np.zeros(()))"),
    ],
)
def test_options_that_no_rule_knows_are_refused_by_name(text: str) -> None:
    call = eval(f"lambda {', '.join(INPUTS)}: {text}", {"np": np})
    with pytest.raises(TypeError, match=r"np\..* with (dtype|where|out|correction)= is not differentiated"):
        call(**{name: Tensor(x) for name, x in INPUTS.items()})


@pytest.mark.parametrize("f", [np.power, np.float_power])
def test_negative_numbers_to_complex_powers(f: Any) -> None:
    x, p = np.array([-2.0, 3.0]), np.array([0.5 + 1j, -1.0 + 0.25j])
    assert gradcheck(f, x, p, order=2)


def test_a_distance_of_gradient_may_surround_what_is_infinite() -> None:
    np.testing.assert_array_equal(
        grad(lambda x: np.gradient(x)[1])(np.array([1.0, np.inf, 3.0])), [-0.5, 0, 0.5]
    )


def test_orders_of_bessel_functions_may_be_unsigned() -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    order = np.array([0, 1], np.uint8)
    for f in (special.jv, special.iv, special.kv, special.ive):
        assert gradcheck(lambda x, f=f: f(order, x), np.array([0.7, 1.3]))


def test_logarithms_of_negative_numbers_times_complex_ones() -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    for f in (special.xlogy, special.xlog1py):
        assert gradcheck(f, np.array([0.5 + 1j, -1.0 + 0.25j]), np.array([-1.5, 3.0]), order=2)


def test_digamma_of_complex_numbers_says_what_it_has_no_gradient_for() -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    with pytest.raises(TypeError, match="digamma of complex numbers is not differentiated"):
        vjp(special.digamma, np.array([1.0 + 2j]))[1](np.array([1.0]))


@pytest.mark.parametrize("ord", [1, 2, np.inf])
def test_norms_of_nothing_are_0(ord: Any) -> None:  # NumPy's since 2.3
    for x in (np.zeros(0), np.zeros((3, 0))):
        assert np.linalg.norm(Tensor(x), ord).item() == 0
        assert grad(lambda x: np.linalg.norm(x, ord))(x).shape == x.shape


def test_quantiles_between_infinity_and_a_number_are_numpys() -> None:
    x = np.array([-np.inf, -1.5, 0.0])
    with np.errstate(invalid="ignore"):
        for q in (0.2, 0.3, 0.9):
            np.testing.assert_allclose(np.quantile(Tensor(x), q).data, np.quantile(x, q))
