"""Every op against PyTorch's: value, dtype, and derivatives of two orders, on generated samples.

A row is a pair of lines: one as a NumPy user writes it, one that says the same to PyTorch, with `x, y, z` for
the inputs and further names for options. Where PyTorch has no such function, its line is the formula. Inputs
are drawn at random, away from kinks and ties, where conventions differ; those have tests of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice, permutations, product
from typing import Any

import numpy as np
import pytest

from autograd import add_at, set_at, vjp
from nn import functional as F

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

if find_spec("scipy"):
    from scipy import special

    from autograd.ops.special import polygamma
else:
    special = polygamma = None

pytestmark = [
    pytest.mark.filterwarnings("ignore:numpy.fix is deprecated"),  # since NumPy 2.5
    pytest.mark.filterwarnings("ignore:Casting complex values to real"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
]

LEAST, MOST = 20, 24  # samples of a row

# ------------------------------------------------------------------------------- what is drawn at random


def apart(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return numbers none of which is near another."""
    size = math.prod(shape)
    ranks = generator.permutation(size) - size // 2
    return np.reshape((ranks + generator.uniform(0.1, 0.4, size)) * 0.7, shape)


def with_zeros(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return generator.uniform(-2, 2, shape) * (generator.random(shape) > 0.4)


def with_nans(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return numbers apart, some NaN, but less than two along any axis."""
    numbers = apart(generator, shape)
    if numbers.size:
        numbers[(0,) * len(shape)] = numbers[(-1,) * len(shape)] = np.nan
    return numbers


def with_infinities(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    odd = generator.choice([np.nan, np.inf, -np.inf], shape)
    return np.where(generator.random(shape) > 0.5, odd, generator.uniform(-2, 2, shape))


def regular(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return generator.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:])


def singular(generator: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Return square matrices of a rank one or two less than full."""
    rank = max(shape[-1] - generator.integers(1, 3), 0)
    left, right = (generator.uniform(-1, 1, (*shape[:-1], rank)) for _ in range(2))
    return left @ np.swapaxes(right, -1, -2)


POSITIVE, FRACTION, WIDE = (0.3, 2.5), (-0.9, 0.9), (-4.0, 4.0)
NONZERO = lambda generator, shape: generator.uniform(0.3, 2, shape) * generator.choice([-1, 1], shape)  # noqa: E731

REAL = ("f", "d")
BOTH = ("f", "d", "F", "D")
ANY = (*BOTH, "fd", "dD", "Dd", "fF")  # one of each input
COMPLEX = ("F", "D")

# ------------------------------------------------------------------------ what PyTorch has no function for


def axes(x: Any, axis: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def together(x: Any, axis: Any) -> Any:
    """Return x with the axes to be reduced made one, the last."""
    chosen = [i % x.ndim for i in axes(x, axis)]
    kept = [i for i in range(x.ndim) if i not in chosen]
    moved = x.permute((*kept, *chosen))
    return moved.reshape((*moved.shape[: len(kept)], math.prod([x.shape[i] for i in chosen])))


def kept(y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    chosen = [i % x.ndim for i in axes(x, axis)]
    return y.reshape([1 if i in chosen else n for i, n in enumerate(x.shape)]) if keepdims else y


def over(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Apply a reduction of the last axis to any axes."""
    return kept(function(together(x, axis)), x, axis, keepdims)


def nanvar(x: Any) -> Any:
    number = ~x.isnan()
    deviation = torch.where(number, x - x.nanmean(-1, keepdim=True), 0)
    return (deviation**2).sum(-1) / number.sum(-1)


def quantile(x: Any, q: float, alpha: float, beta: float) -> Any:
    """Hyndman and Fan's continuous sample quantiles, of the last axis."""
    ordered, n = x.sort(-1).values, x.shape[-1]
    place = min(max(n * q + alpha + q * (1 - alpha - beta) - 1, 0), n - 1)
    k = min(int(place), n - 2)
    return ordered[..., k] + (ordered[..., k + 1] - ordered[..., k]) * (place - k)


def transposed(x: Any) -> Any:
    return x.permute(tuple(reversed(range(x.ndim))))


def symmetric_pad(x: Any, before: int, after: int) -> Any:
    n = x.shape[-1]
    ends = [*range(n), *reversed(range(n))]
    return x[..., [ends[i % (2 * n)] for i in range(-before, n + after)]]


def determinant(x: Any) -> Any:
    """Leibniz's formula, which minds no singular matrix."""
    n = x.shape[-1]
    terms = []
    for p in permutations(range(n)):
        sign = (-1) ** sum(p[i] > p[j] for i in range(n) for j in range(i + 1, n))
        terms.append(sign * torch.stack([x[..., i, p[i]] for i in range(n)], -1).prod(-1))
    return sum(terms)


def integral(function: Any, end: float) -> Any:
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return sum(w * end / 2 * function(float(end / 2 * (t + 1))) for t, w in zip(nodes, weights, strict=True))


# Integrals that are Bessel functions of x > 0 (DLMF 10.9.6, 10.9.7, 10.32.4, 10.32.9).


def bessel_j(v: float, x: Any) -> Any:
    wave = integral(lambda t: torch.cos(v * t - x * math.sin(t)), math.pi)
    rest = integral(lambda t: torch.exp(-x * math.sinh(t) - v * t), 7.0)
    return (wave - math.sin(v * math.pi) * rest) / math.pi


def bessel_y(v: float, x: Any) -> Any:
    wave = integral(lambda t: torch.sin(x * math.sin(t) - v * t), math.pi)
    both = lambda t: math.exp(v * t) + math.exp(-v * t) * math.cos(v * math.pi)  # noqa: E731
    return (wave - integral(lambda t: both(t) * torch.exp(-x * math.sinh(t)), 7.0)) / math.pi


def bessel_i(v: float, x: Any) -> Any:
    wave = integral(lambda t: torch.exp(x * math.cos(t)) * math.cos(v * t), math.pi)
    rest = integral(lambda t: torch.exp(-x * math.cosh(t) - v * t), 7.0)
    return (wave - math.sin(v * math.pi) * rest) / math.pi


def bessel_k(v: float, x: Any) -> Any:
    return integral(lambda t: torch.exp(-x * math.cosh(t)) * math.cosh(v * t), 7.0)


def as_index(index: Any) -> Any:
    """Return an index as PyTorch takes it."""
    if isinstance(index, tuple):
        return tuple(map(as_index, index))
    return torch.tensor(index) if isinstance(index, (list, np.ndarray)) else index


OURS = {"np": np, "F": F, "special": special, "polygamma": polygamma, "set_at": set_at, "add_at": add_at}
CONSTANTS = {
    "MASK": np.array([[True], [False], [True]]),
    "DISTANCES": np.array([0.0, 1.0, 3.0, 3.5]),
    "SAMPLES": np.array([2, 0, 1, 2]),
    "LABELS": np.array([[2, 0, 1], [1, 1, 2]]),
    "WEIGHTS": np.array([0.5, 2.0, 1.5]),
    "MEANS": np.array([0.5, -1.0]),
    "VARIANCES": np.array([2.0, 0.3]),
}
OURS |= CONSTANTS | {"adjoint": lambda x: np.conjugate(np.swapaxes(x, -1, -2))}
THEIRS = {"torch": torch, "F": torch.nn.functional, "math": math, "linalg": torch.linalg, "fft": torch.fft}
THEIRS |= {name: torch.tensor(values) for name, values in CONSTANTS.items()}
THEIRS |= {
    function.__name__: function
    for function in (
        *(axes, over, nanvar, quantile, transposed, symmetric_pad, determinant, as_index, together),
        *(bessel_j, bessel_y, bessel_i, bessel_k),
    )
}

# ----------------------------------------------------------------------------------------------- rows


@dataclass
class Pair:
    ours: str
    theirs: str
    cases: list[tuple[tuple[tuple[int, ...], ...], dict[str, Any]]]  # shapes and options
    domain: list[Any]  # of each input: an interval, or a function of a generator and a shape
    dtypes: tuple[str, ...]
    same_dtype: bool  # in PyTorch as in NumPy

    def __str__(self) -> str:
        return self.ours

    def function(self, text: str, names: dict[str, Any]) -> Callable[..., Any]:
        shapes, options = self.cases[0]
        return eval(f"lambda {', '.join([*'xyz'[: len(shapes)], *options])}: {text}", names)

    def samples(self) -> Iterator[tuple[list[Any], dict[str, Any]]]:
        """Yield inputs and options: those of all cases in turn, or some of them."""
        generator = np.random.default_rng(list(self.ours.encode()))
        choices = [(*case, dtypes) for case in self.cases for dtypes in self.dtypes]
        choices = [choices[i] for i in generator.permutation(len(choices))]
        for shapes, options, dtypes in islice(cycle(choices), min(max(len(choices), LEAST), MOST)):
            dtypes = dtypes * len(shapes) if len(dtypes) == 1 else dtypes
            yield (
                [self.draw(generator, *one) for one in zip(self.domain, shapes, dtypes, strict=False)],
                options,
            )

    def draw(self, generator: np.random.Generator, domain: Any, shape: tuple[int, ...], dtype: str) -> Any:
        def part() -> Any:
            if not isinstance(domain, tuple):
                return domain(generator, shape)
            return generator.uniform(*((-2, 2) if dtype in COMPLEX else domain), shape)

        return np.asarray(part() + 1j * part() if dtype in COMPLEX else part(), dtype)


def pair(
    ours: str,
    theirs: str,
    shapes: list[Any],
    domain: Any = (-2.0, 2.0),
    dtypes: tuple[str, ...] = REAL,
    same_dtype: bool = True,
    also: tuple[Any, ...] = (),
    **options: list[Any],
) -> Any:
    """Return a row with inputs of each of `shapes`, or tuples of shapes, and all combinations of options."""
    cases = [
        (shape, dict(zip(options, values, strict=True)))
        for shape in shapes
        for values in product(*options.values())
    ]
    cases = [
        (shape if shape and isinstance(shape[0], tuple) else (shape,), values)
        for shape, values in [*cases, *also]
    ]
    domains = domain if isinstance(domain, list) else [domain] * 3
    row = Pair(ours, theirs, cases, domains, dtypes, same_dtype)
    absent = [name for name in re.findall(r"\bnp\.(\w+)", ours) if not hasattr(np, name)]
    if special is None and ("special." in ours or "polygamma" in ours):
        absent.append("scipy")
    return pytest.param(row, id=ours, marks=pytest.mark.skipif(bool(absent), reason=f"there is no {absent}"))


ONE = [(2, 3), (), (4,), (0, 2), (2, 1, 3)]
TWO = [
    *(((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((2, 1, 3), (2, 1)), ((3,), ()), ((), (2, 3))),
    *(((), ()), ((0, 3), (1, 3)), ((1, 3), (0, 1)), ((1, 1), (3,))),
]

UNARY = [
    ("np.absolute(x)", "torch.abs(x)", NONZERO, BOTH),
    ("abs(x)", "torch.abs(x)", NONZERO, BOTH),
    ("np.fabs(x)", "torch.abs(x)", NONZERO, REAL),
    ("np.negative(x)", "-x", WIDE, BOTH),
    ("np.positive(x)", "+x", WIDE, BOTH),
    ("np.sign(x)", "torch.sgn(x)", NONZERO, BOTH),
    ("np.reciprocal(x)", "torch.reciprocal(x)", NONZERO, BOTH),
    ("np.real(x)", "torch.real(x)", WIDE, BOTH),
    ("x.real * x.imag", "x.real * x.imag", WIDE, COMPLEX),
    ("np.imag(x)", "torch.imag(x)", WIDE, COMPLEX),
    ("np.imag(x)", "0 * x", WIDE, REAL),
    ("np.conjugate(x)", "torch.conj(x)", WIDE, BOTH),
    ("x.conj() * x", "x.conj() * x", WIDE, BOTH),
    ("np.angle(x)", "torch.angle(x)", NONZERO, BOTH),
    ("np.angle(x, deg=True)", "torch.rad2deg(torch.angle(x))", NONZERO, COMPLEX),
    ("np.sqrt(x)", "torch.sqrt(x)", POSITIVE, BOTH),
    ("np.cbrt(x)", "torch.sign(x) * torch.abs(x) ** (1 / 3)", NONZERO, REAL),
    ("np.square(x)", "torch.square(x)", WIDE, BOTH),
    ("np.exp(x)", "torch.exp(x)", WIDE, BOTH),
    ("np.exp2(x)", "torch.exp2(x)", WIDE, BOTH),
    ("np.expm1(x)", "torch.expm1(x)", WIDE, BOTH),
    ("np.log(x)", "torch.log(x)", POSITIVE, BOTH),
    ("np.log1p(x)", "torch.log1p(x)", FRACTION, BOTH),
    ("np.log2(x)", "torch.log2(x)", POSITIVE, BOTH),
    ("np.log10(x)", "torch.log10(x)", POSITIVE, BOTH),
    ("np.sin(x)", "torch.sin(x)", WIDE, BOTH),
    ("np.cos(x)", "torch.cos(x)", WIDE, BOTH),
    ("np.tan(x)", "torch.tan(x)", (-1.2, 1.2), BOTH),
    ("np.arcsin(x)", "torch.asin(x)", FRACTION, BOTH),
    ("np.arccos(x)", "torch.acos(x)", FRACTION, BOTH),
    ("np.arctan(x)", "torch.atan(x)", WIDE, BOTH),
    ("np.sinh(x)", "torch.sinh(x)", WIDE, BOTH),
    ("np.cosh(x)", "torch.cosh(x)", WIDE, BOTH),
    ("np.tanh(x)", "torch.tanh(x)", WIDE, BOTH),
    ("np.arcsinh(x)", "torch.asinh(x)", WIDE, BOTH),
    ("np.arccosh(x)", "torch.acosh(x)", (1.1, 4), BOTH),
    ("np.arctanh(x)", "torch.atanh(x)", FRACTION, BOTH),
    ("np.sinc(x)", "torch.sinc(x)", NONZERO, BOTH),
    ("np.floor(x)", "torch.floor(x)", WIDE, REAL),
    ("np.ceil(x)", "torch.ceil(x)", WIDE, REAL),
    ("np.trunc(x)", "torch.trunc(x)", WIDE, REAL),
    ("np.fix(x)", "torch.trunc(x)", WIDE, REAL),
    ("np.rint(x)", "torch.round(x)", WIDE, REAL),
    ("np.modf(x)[0]", "torch.frac(x)", WIDE, REAL),
    ("np.modf(x)[1]", "torch.trunc(x)", WIDE, REAL),
    ("np.deg2rad(x)", "torch.deg2rad(x)", (-90, 90), REAL),
    ("np.radians(x)", "torch.deg2rad(x)", (-90, 90), REAL),
    ("np.rad2deg(x)", "torch.rad2deg(x)", WIDE, REAL),
    ("np.degrees(x)", "torch.rad2deg(x)", WIDE, REAL),
    ("np.nan_to_num(x)", "torch.nan_to_num(x)", with_infinities, REAL),
    ("np.nan_to_num(x, True, 1.5, 2, 3)", "torch.nan_to_num(x, 1.5, 2, 3)", with_infinities, REAL),
    ("np.copy(x)", "x.clone()", WIDE, BOTH),
    ("x + 2.0", "x + 2", WIDE, BOTH),
    ("2 - x", "2 - x", WIDE, BOTH),
    ("x * (2 - 1j)", "x * (2 - 1j)", WIDE, BOTH),
    ("3 / x", "3 / x", NONZERO, BOTH),
    ("x % 1.5", "x % 1.5", WIDE, REAL),
    ("x // 0.7", "torch.floor(x / 0.7)", WIDE, REAL),
    ("divmod(x, 1.5)[1]", "x % 1.5", WIDE, REAL),
    ("2.0**x", "2.0**x", WIDE, BOTH),
    ("np.power(3, x)", "torch.pow(3, x)", WIDE, REAL),
    ("x.astype(np.float64)", "x.to(torch.float64)", WIDE, REAL),
    ("x.astype(np.float32)", "x.to(torch.float32)", WIDE, REAL),
    ("x.astype(np.complex128) * 1j", "x.to(torch.complex128) * 1j", WIDE, BOTH),
    ("np.astype(x, np.float32)", "x.to(torch.float32)", WIDE, REAL),
    ("x.clip(max=0.3)", "torch.clamp(x, max=0.3)", WIDE, REAL),
    # ----------------------------------------------------------------------------------- scipy.special
    ("special.erf(x)", "torch.special.erf(x)", WIDE, REAL),
    ("special.erfc(x)", "torch.special.erfc(x)", WIDE, REAL),
    ("special.erfinv(x)", "torch.special.erfinv(x)", FRACTION, REAL),
    ("special.erfcinv(x)", "torch.special.erfinv(1 - x)", (0.1, 1.9), REAL),
    ("special.erfcx(x)", "torch.special.erfcx(x)", WIDE, REAL),
    ("special.expit(x)", "torch.special.expit(x)", WIDE, REAL),
    ("special.log_expit(x)", "F.logsigmoid(x)", WIDE, REAL),
    ("special.logit(x)", "torch.special.logit(x)", (0.05, 0.95), REAL),
    ("special.ndtr(x)", "torch.special.ndtr(x)", WIDE, REAL),
    ("special.ndtri(x)", "torch.special.ndtri(x)", (0.05, 0.95), REAL),
    ("special.log_ndtr(x)", "torch.special.log_ndtr(x)", WIDE, REAL),
    ("special.gamma(x)", "torch.exp(torch.lgamma(x))", (0.2, 4), REAL),
    ("special.gamma(-x)", "-math.pi / torch.sin(math.pi * x) / torch.lgamma(1 + x).exp()", (1.2, 1.8), REAL),
    ("special.gammaln(x)", "torch.special.gammaln(x)", (0.2, 4), REAL),
    ("special.gammaln(-x)", "torch.special.gammaln(-x)", (1.2, 1.8), REAL),
    ("special.loggamma(x)", "torch.special.gammaln(x)", (0.2, 4), REAL),
    ("special.rgamma(x)", "torch.exp(-torch.lgamma(x))", (0.2, 4), REAL),
    ("special.digamma(x)", "torch.special.digamma(x)", (0.3, 4), REAL),
    ("special.psi(-x)", "torch.special.digamma(-x)", (1.2, 1.8), REAL),
    ("special.entr(x)", "torch.special.entr(x)", POSITIVE, REAL),
    ("special.i0(x)", "torch.special.i0(x)", NONZERO, REAL),
    ("special.i1(x)", "torch.special.i1(x)", NONZERO, REAL),
    ("special.i0e(x)", "torch.special.i0e(x)", NONZERO, REAL),
    ("special.i1e(x)", "torch.special.i1e(x)", NONZERO, REAL),
    ("special.j0(x)", "bessel_j(0, x)", (0.5, 6), REAL),
    ("special.j1(x)", "bessel_j(1, x)", (0.5, 6), REAL),
    ("special.y0(x)", "bessel_y(0, x)", (0.5, 6), REAL),
    ("special.y1(x)", "bessel_y(1, x)", (0.5, 6), REAL),
    ("special.k0(x)", "bessel_k(0, x)", (0.5, 6), REAL),
    ("special.k1(x)", "bessel_k(1, x)", (0.5, 6), REAL),
    # ------------------------------------------------------------------------------------- activations
    ("F.relu(x)", "F.relu(x)", NONZERO, REAL),
    ("F.sigmoid(x)", "F.sigmoid(x)", WIDE, REAL),
    ("F.tanh(x)", "F.tanh(x)", WIDE, REAL),
    ("F.softplus(x)", "F.softplus(x)", WIDE, REAL),
    ("F.softsign(x)", "F.softsign(x)", NONZERO, REAL),
    ("F.log_sigmoid(x)", "F.logsigmoid(x)", WIDE, REAL),
    ("F.leaky_relu(x)", "F.leaky_relu(x)", NONZERO, REAL),
    ("F.leaky_relu(x, 0.2)", "F.leaky_relu(x, 0.2)", NONZERO, REAL),
    ("F.elu(x)", "F.elu(x)", NONZERO, REAL),
    ("F.elu(x, 0.7)", "F.elu(x, 0.7)", NONZERO, REAL),
    ("F.selu(x)", "F.selu(x)", NONZERO, REAL),
    ("F.celu(x)", "F.celu(x)", NONZERO, REAL),
    ("F.celu(x, 0.7)", "torch.where(x > 0, x, 0.7 * torch.expm1(x / 0.7))", NONZERO, REAL),
    ("F.gelu(x)", "F.gelu(x)", WIDE, REAL),
    ("F.gelu(x, 'tanh')", "F.gelu(x, approximate='tanh')", WIDE, REAL),
    ("F.silu(x)", "F.silu(x)", WIDE, REAL),
    ("F.mish(x)", "F.mish(x)", WIDE, REAL),
    ("F.hardtanh(x)", "F.hardtanh(x)", WIDE, REAL),
    ("F.hardtanh(x, -0.5, 2)", "F.hardtanh(x, -0.5, 2)", WIDE, REAL),
    ("F.relu6(x)", "F.relu6(x)", (-3, 9), REAL),
    ("F.erfc(x)", "torch.erfc(x)", WIDE, REAL),
]

BINARY = [
    ("np.add(x, y)", "x + y", WIDE, ANY),
    ("np.subtract(x, y)", "x - y", WIDE, ANY),
    ("np.multiply(x, y)", "x * y", WIDE, ANY),
    ("np.divide(x, y)", "x / y", [WIDE, NONZERO], ANY),
    ("np.power(x, y)", "x ** y", [POSITIVE, WIDE], ANY),
    ("np.float_power(x, y)", "torch.float_power(x, y)", [POSITIVE, WIDE], ANY),
    ("np.arctan2(x, y)", "torch.atan2(x, y)", NONZERO, ("f", "d", "fd")),
    ("np.hypot(x, y)", "torch.hypot(x, y)", NONZERO, ("f", "d", "fd")),
    ("np.logaddexp(x, y)", "torch.logaddexp(x, y)", WIDE, ("f", "d", "fd")),
    ("np.logaddexp2(x, y)", "torch.logaddexp2(x, y)", WIDE, ("f", "d", "fd")),
    ("np.maximum(x, y)", "torch.maximum(x, y)", WIDE, ("f", "d", "fd")),
    ("np.minimum(x, y)", "torch.minimum(x, y)", WIDE, ("f", "d", "fd")),
    ("np.fmax(x, y)", "torch.fmax(x, y)", [with_nans, WIDE], ("f", "d", "fd")),
    ("np.fmin(x, y)", "torch.fmin(x, y)", [with_nans, WIDE], ("f", "d", "fd")),
    ("np.copysign(x, y)", "torch.copysign(x, y)", NONZERO, ("f", "d", "fd")),
    ("np.heaviside(x, y)", "torch.where(x == 0, y, (x > 0).to(y))", [with_zeros, WIDE], ("f", "d", "fd")),
    ("np.remainder(x, y)", "torch.remainder(x, y)", [WIDE, NONZERO], ("f", "d")),
    ("np.fmod(x, y)", "torch.fmod(x, y)", [WIDE, NONZERO], ("f", "d")),
    ("np.floor_divide(x, y)", "torch.floor(x / y)", [WIDE, NONZERO], ("f", "d")),
    ("np.divmod(x, y)[0]", "torch.floor(x / y)", [WIDE, NONZERO], ("f", "d")),
    ("np.divmod(x, y)[1]", "torch.remainder(x, y)", [WIDE, NONZERO], ("f", "d")),
    ("np.where(np.real(x) > np.real(y), x, y)", "torch.where(x.real > y.real, x, y)", WIDE, ANY),
    ("np.clip(x, y, 0.5)", "torch.minimum(torch.maximum(x, y), torch.full_like(x, 0.5))", WIDE, REAL),
    (
        "np.select([x > y, x > 0], [x * y, y])",
        "torch.where(x > y, x * y, torch.where(x > 0, y, 0))",
        WIDE,
        REAL,
    ),
    ("np.broadcast_arrays(x, y)[0] * y", "torch.broadcast_tensors(x, y)[0] * y", WIDE, BOTH),
    ("special.xlogy(x, y)", "torch.special.xlogy(x, y)", [with_zeros, POSITIVE], ("f", "d", "fd")),
    ("special.xlog1py(x, y)", "torch.special.xlog1py(x, y)", [with_zeros, FRACTION], ("f", "d", "fd")),
    (
        "special.beta(x, y)",
        "torch.exp(torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y))",
        POSITIVE,
        ("f", "d", "fd"),
    ),
    ("special.betaln(x, y)", "torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y)", POSITIVE, REAL),
]

CUBE, SQUARES = [(2, 3, 2)], [(3, 3), (2, 2, 2), (1, 1), (2, 1, 3, 3)]
SOME_AXES = {"axis": [None, 0, -1, (0, 2), (-2, 0), (0, 1, 2)], "keepdims": [False, True]}
ONE_AXIS = {"axis": [0, 1, -1, -3], "keepdims": [False, True]}
AXIS = {"axis": [0, 1, -1, -3]}
FLAT_OR_AXIS = {"axis": [None, 0, 1, -1, -3]}
NOTHING = [((0, 3), {"axis": 1, "keepdims": k}) for k in (False, True)]
SUMMED = [*NOTHING, *(((0, 3), {"axis": 0, "keepdims": k}) for k in (False, True))]
NUMBER = [((), {"axis": None, "keepdims": k}) for k in (False, True)]

# fmt: off
REDUCTIONS = [
    pair(
        "np.sum(x, axis=axis, keepdims=keepdims)", "torch.sum(x, axis, keepdim=keepdims)",
        CUBE, dtypes=BOTH, also=[*SUMMED, *NUMBER], **SOME_AXES,
    ),
    pair(
        "np.mean(x, axis=axis, keepdims=keepdims)", "torch.mean(x, axis, keepdim=keepdims)",
        CUBE, dtypes=BOTH, also=[*NOTHING, *NUMBER], **SOME_AXES,
    ),
    pair(
        "np.prod(x, axis=axis, keepdims=keepdims)", "over(lambda x: x.prod(-1), x, axis, keepdims)",
        CUBE, with_zeros, BOTH, also=[*SUMMED, *NUMBER], **SOME_AXES,
    ),
    pair(
        "np.max(x, axis=axis, keepdims=keepdims)", "torch.amax(x, axes(x, axis), keepdims)",
        CUBE, apart, also=[*NOTHING, *NUMBER], **SOME_AXES,
    ),
    pair(
        "np.min(x, axis=axis, keepdims=keepdims)", "torch.amin(x, axes(x, axis), keepdims)",
        CUBE, apart, also=[*NOTHING, *NUMBER], **SOME_AXES,
    ),
    pair(
        "np.ptp(x, axis=axis, keepdims=keepdims)",
        "torch.amax(x, axes(x, axis), keepdims) - torch.amin(x, axes(x, axis), keepdims)",
        CUBE, apart, **SOME_AXES,
    ),
    pair(
        "np.var(x, axis=axis, correction=n)", "torch.var(x, axis, correction=n)",
        CUBE, dtypes=BOTH, n=[0, 1], axis=[None, 0, -1, (0, 2)],
    ),
    pair(
        "np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)",
        "torch.var(x, axis, correction=ddof, keepdim=keepdims)",
        CUBE, dtypes=BOTH, ddof=[0, 1, 0.5], **SOME_AXES,
    ),
    pair(
        "np.std(x, axis=axis, correction=n)", "torch.std(x, axis, correction=n)",
        CUBE, dtypes=BOTH, n=[0, 1], axis=[None, 0, -1, (0, 2)],
    ),
    pair(
        "np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)",
        "torch.std(x, axis, correction=ddof, keepdim=keepdims)",
        CUBE, dtypes=BOTH, ddof=[0, 1, 0.5], **SOME_AXES,
    ),
    pair(
        "np.sum(x, axis=axis, keepdims=keepdims, initial=2.0, where=MASK)",
        "2 + torch.sum(torch.where(MASK, x, 0), axis, keepdim=keepdims)",
        CUBE, dtypes=BOTH, **SOME_AXES,
    ),
    pair(
        "np.prod(x, axis=axis, keepdims=keepdims, initial=2.0, where=MASK)",
        "2 * over(lambda x: x.prod(-1), torch.where(MASK, x, 1), axis, keepdims)",
        CUBE, with_zeros, BOTH, **SOME_AXES,
    ),
    pair(
        "np.mean(x, axis=axis, keepdims=keepdims, where=MASK)",
        "torch.sum(torch.where(MASK, x, 0), axis, keepdim=keepdims)"
        " / torch.sum(MASK.expand(x.shape), axis, keepdim=keepdims)",
        CUBE, dtypes=BOTH, axis=[None, 1, (0, 1), (-2, 2)], keepdims=[False, True],
    ),
    pair(
        "np.max(x, axis=axis, keepdims=keepdims, initial=0.1, where=MASK)",
        "torch.amax(torch.where(MASK, x, -9), axes(x, axis), keepdims).clamp(min=0.1)",
        CUBE, apart, **SOME_AXES,
    ),
    pair(
        "np.min(x, axis=axis, keepdims=keepdims, initial=0.1, where=MASK)",
        "torch.amin(torch.where(MASK, x, 9), axes(x, axis), keepdims).clamp(max=0.1)",
        CUBE, apart, **SOME_AXES,
    ),
    pair(
        "np.sum(x, axis=axis, dtype=np.float64)", "torch.sum(x, axis, dtype=torch.float64)",
        CUBE, **FLAT_OR_AXIS,
    ),
    pair("np.amax(x, axis)", "torch.amax(x, axes(x, axis))", CUBE, apart, **FLAT_OR_AXIS),
    pair("np.amin(x, axis)", "torch.amin(x, axes(x, axis))", CUBE, apart, **FLAT_OR_AXIS),
    pair("np.max(x)", "torch.take(x, x.real.argmax())", ONE[:3], dtypes=COMPLEX),
    pair("np.min(x)", "torch.take(x, x.real.argmin())", ONE[:3], dtypes=COMPLEX),
    pair("x.sum(axis, keepdims=keepdims)", "x.sum(axis, keepdims)", CUBE, dtypes=BOTH, **SOME_AXES),
    pair("x.var(axis, ddof=1)", "x.var(axis)", CUBE, dtypes=BOTH, axis=[None, 0, -1, (0, 2)]),
    pair(
        "np.average(x, axis, y, keepdims=keepdims)",
        "torch.sum(x * y, axis, keepdim=keepdims) / torch.sum(y, axis, keepdim=keepdims)",
        [((2, 3, 2), (2, 3, 2))], [WIDE, POSITIVE], **SOME_AXES,
    ),
    pair(
        "np.average(x, axis, y)", "torch.tensordot(x, y, ([axis], [0])) / y.sum()",
        [((3, 3, 3), (3,))], [WIDE, POSITIVE], **AXIS,
    ),
    *(
        pair(
            f"np.{name}.reduce(x, axis=axis, keepdims=keepdims)", theirs,
            CUBE, apart, also=[((), {"axis": None, "keepdims": False})], **ONE_AXIS,
        )
        for name, theirs in [
            ("add", "torch.sum(x, axis, keepdim=keepdims)"),
            ("multiply", "over(lambda x: x.prod(-1), x, axis, keepdims)"),
            ("maximum", "torch.amax(x, axes(x, axis), keepdims)"),
            ("minimum", "torch.amin(x, axes(x, axis), keepdims)"),
        ]
    ),
    # ---------------------------------------------------------------------------- what is not NaN
    *(
        pair(f"np.{name}(x, axis=axis, keepdims=keepdims)", theirs, [(3, 3, 3)], with_nans, **SOME_AXES)
        for name, theirs in [
            ("nansum", "torch.nansum(x, axis, keepdim=keepdims)"),
            ("nanmean", "torch.nanmean(x, axis, keepdim=keepdims)"),
            ("nanprod", "over(lambda x: x.prod(-1), torch.where(x.isnan(), 1, x), axis, keepdims)"),
            ("nanmax", "torch.amax(torch.where(x.isnan(), -99, x), axes(x, axis), keepdims)"),
            ("nanmin", "torch.amin(torch.where(x.isnan(), 99, x), axes(x, axis), keepdims)"),
            ("nanvar", "over(nanvar, x, axis, keepdims)"),
            ("nanstd", "torch.sqrt(over(nanvar, x, axis, keepdims))"),
        ]
    ),
    # ---------------------------------------------------------------------------- medians, quantiles
    pair(
        "np.median(x, axis=axis, keepdims=keepdims)",
        "over(lambda x: torch.quantile(x, 0.5, -1), x, axis, keepdims)",
        [(2, 3, 2), (3, 3, 5)], apart, also=NUMBER, **SOME_AXES,
    ),
    pair(
        "np.quantile(x, q, axis=axis, keepdims=keepdims, method=method)",
        "over(lambda x: torch.quantile(x, q, -1, interpolation=method), x, axis, keepdims)",
        [(2, 3, 2), (3, 3, 5)], apart, also=[(*n[:1], n[1] | {"q": 0.3, "method": "linear"}) for n in NUMBER],
        q=[0.0, 0.17, 0.5, 0.81, 1.0], method=["linear", "lower", "higher", "midpoint", "nearest"],
        **SOME_AXES,
    ),
    pair(
        "np.quantile(x, np.array([0.1, 0.6], x.dtype), axis=axis, keepdims=keepdims)",
        "torch.quantile(x, torch.tensor([0.1, 0.6], dtype=x.dtype), axis, keepdims)",
        [(2, 3, 2), (3, 3, 5)], apart, axis=[None, 0, 1, -1], keepdims=[False, True],
    ),
    pair(
        "np.percentile(x, q, axis=axis, keepdims=keepdims)",
        "over(lambda x: torch.quantile(x, q / 100, -1), x, axis, keepdims)",
        [(2, 3, 2), (3, 3, 5)], apart, q=[0, 13.0, 50, 99], **SOME_AXES,
    ),
    *(
        pair(
            f"np.quantile(x, q, axis=axis, method='{method}')",
            f"quantile(together(x, axis), q, {alpha}, {beta})",
            [(2, 3, 2), (3, 3, 5)], apart, q=[0.05, 0.4, 0.73], axis=[None, 0, -1, (0, 2)],
        )
        for method, alpha, beta in [
            ("hazen", 0.5, 0.5),
            ("weibull", 0, 0),
            ("median_unbiased", 1 / 3, 1 / 3),
            ("normal_unbiased", 3 / 8, 3 / 8),
            ("interpolated_inverted_cdf", 0, 1),
        ]
    ),
]

CUMULATIVE = [
    pair(
        "np.cumsum(x, axis)", "torch.cumsum(x, axis)",
        CUBE, WIDE, BOTH, also=[((0, 2, 2), {"axis": 0})], **AXIS,
    ),
    pair("np.cumsum(x)", "torch.cumsum(x.reshape(-1), 0)", ONE, WIDE, BOTH),
    pair("np.add.accumulate(x, axis)", "torch.cumsum(x, axis)", CUBE, WIDE, BOTH, **AXIS),
    pair("np.cumprod(x, axis)", "torch.cumprod(x, axis)", [(2, 4, 3)], with_zeros, BOTH, **AXIS),
    pair("np.cumprod(x)", "torch.cumprod(x.reshape(-1), 0)", ONE, with_zeros, BOTH),
    pair("np.nancumsum(x, axis)", "torch.cumsum(x, axis)", CUBE, WIDE, **AXIS),
    pair("np.nancumprod(x, axis)", "torch.cumprod(x, axis)", CUBE, with_zeros, **AXIS),
    pair("np.cumulative_sum(x, axis=axis)", "torch.cumsum(x, axis)", CUBE, WIDE, BOTH, **AXIS),
    pair("np.cumulative_prod(x, axis=axis)", "torch.cumprod(x, axis)", CUBE, with_zeros, BOTH, **AXIS),
    pair("np.multiply.accumulate(x, axis)", "torch.cumprod(x, axis)", CUBE, with_zeros, BOTH, **AXIS),
    pair("np.maximum.accumulate(x, axis)", "torch.cummax(x, axis).values", [(3, 4, 3)], apart, **AXIS),
    pair("np.minimum.accumulate(x, axis)", "torch.cummin(x, axis).values", [(3, 4, 3)], apart, **AXIS),
    pair("np.diff(x, n, axis)", "torch.diff(x, n, axis)", [(3, 4, 3)], WIDE, BOTH, n=[0, 1, 2], **AXIS),
    pair(
        "np.diff(x, n, axis, prepend=y, append=z)", "torch.diff(x, n, axis, prepend=y, append=z)",
        [((3, 3), (1, 3), (2, 3)), ((3, 3), (0, 3), (1, 3))], WIDE, BOTH, n=[1, 2], axis=[0, -2],
    ),
    pair("np.trapezoid(x, axis=axis)", "torch.trapezoid(x, dim=axis)", [(3, 4, 3)], WIDE, BOTH, **AXIS),
    pair(
        "np.trapezoid(x, dx=0.3, axis=axis)", "torch.trapezoid(x, dx=0.3, dim=axis)",
        [(3, 4, 3), (1, 1, 1)], WIDE, BOTH, **AXIS,
    ),
    pair(
        "np.trapezoid(x, y, axis=axis)", "torch.trapezoid(x, y, dim=axis)",
        [((3, 3), (3,)), ((3, 3), (3, 3))], WIDE, BOTH, axis=[1, -1],
    ),
    pair("np.trapezoid(x, y, axis=0)", "torch.trapezoid(x, y[:, None], dim=0)", [((3, 4), (3,))], WIDE, BOTH),
    pair(
        "np.gradient(x, h, axis=axis, edge_order=order)",
        "torch.gradient(x, spacing=h, dim=axis, edge_order=order)[0]",
        [(3, 4, 5), (3, 3, 3)], WIDE, BOTH, h=[1.0, 0.3], order=[1, 2], **AXIS,
    ),
    pair(
        "np.gradient(x, DISTANCES, axis=axis, edge_order=order)",
        "torch.gradient(x, spacing=[DISTANCES.to(x)], dim=axis, edge_order=order)[0]",
        [(4, 4, 4)], WIDE, order=[1, 2], **AXIS,
    ),
    pair("np.gradient(x)[i]", "torch.gradient(x)[i]", [(3, 4), (2, 2)], WIDE, BOTH, i=[0, 1]),
    pair(
        "np.gradient(x, 0.5, 2.0)[i]", "torch.gradient(x, spacing=(0.5, 2.0))[i]",
        [(3, 4)], WIDE, BOTH, i=[0, 1],
    ),
    pair("np.sort(x, axis)", "torch.sort(x, axis).values", [(3, 4, 3), (2, 0, 3)], apart, **AXIS),
    pair("np.sort(x, None)", "torch.sort(x.reshape(-1)).values", ONE[:4], apart),
    pair(
        "np.take(np.partition(x, k, axis), k, axis)", "torch.kthvalue(x, k + 1, axis).values",
        [(3, 4, 3)], apart, k=[0, 1, 2], **AXIS,
    ),
    pair(
        "np.partition(x, (1, 3), axis=None)[[1, 3]]", "x.reshape(-1).sort().values[[1, 3]]",
        [(2, 3), (7,)], apart,
    ),
]

SHAPING = [
    pair(
        "np.reshape(x, shape)", "torch.reshape(x, shape)",
        [(2, 3, 2), (12,)], WIDE, BOTH, shape=[(3, -1), (12,), (1, 4, 3)],
    ),
    pair("x.reshape(-1, 2)", "x.reshape(-1, 2)", [(2, 3, 2), (4,), (0, 2)], WIDE, BOTH),
    pair(
        "np.reshape(x, (3, 4), order='F')", "transposed(x).reshape(4, 3).T",
        [(2, 3, 2), (12,), (4, 3)], WIDE, BOTH,
    ),
    pair("np.ravel(x)", "torch.ravel(x)", ONE, WIDE, BOTH),
    pair("np.ravel(x, order='F')", "transposed(x).reshape(-1)", ONE, WIDE, BOTH),
    pair("np.squeeze(x)", "torch.squeeze(x)", [(1, 3, 1), (2, 3), (1,), (1, 0)], WIDE, BOTH),
    pair("np.squeeze(x, axis)", "torch.squeeze(x, axis)", [(1, 3, 1)], WIDE, BOTH, axis=[0, -1, (0, 2)]),
    pair(
        "np.expand_dims(x, axis)", "torch.unsqueeze(x, axis)",
        [(2, 3), (0, 3)], WIDE, BOTH, axis=[0, 1, -1, -3],
    ),
    pair(
        "np.broadcast_to(x, (2, 4, 3))", "torch.broadcast_to(x, (2, 4, 3))",
        [(4, 1), (3,), (), (2, 1, 3)], WIDE, BOTH,
    ),
    pair("np.broadcast_to(x, (0, 3))", "torch.broadcast_to(x, (0, 3))", [(1, 3), (3,), ()], WIDE, BOTH),
    pair(
        "np.transpose(x, axes)", "torch.permute(x, axes)",
        [(2, 3, 4), (2, 0, 1)], WIDE, BOTH, axes=[(1, 2, 0), (-1, 0, 1), (2, 1, 0)],
    ),
    pair("np.transpose(x)", "transposed(x)", ONE, WIDE, BOTH),
    pair("x.T", "transposed(x)", ONE, WIDE, BOTH),
    pair("np.swapaxes(x, i, j)", "torch.swapaxes(x, i, j)", [(2, 3, 4)], WIDE, BOTH, i=[0, -1], j=[1, -2]),
    pair(
        "np.moveaxis(x, i, j)", "torch.moveaxis(x, i, j)",
        [(2, 3, 4)], WIDE, BOTH, i=[0, -1, 1], j=[0, -2, 2],
    ),
    pair("np.moveaxis(x, [0, 1], [-1, 0])", "torch.moveaxis(x, (0, 1), (-1, 0))", [(2, 3, 4)], WIDE, BOTH),
    pair("np.rollaxis(x, 2, start)", "torch.moveaxis(x, 2, start)", [(2, 3, 4)], WIDE, BOTH, start=[0, 1]),
    pair("np.matrix_transpose(x)", "x.mT", [(2, 3), (2, 3, 4), (0, 2)], WIDE, BOTH),
    pair("np.linalg.matrix_transpose(x)", "x.mT", [(2, 3), (2, 3, 4), (0, 2)], WIDE, BOTH),
    pair("np.flip(x, axis)", "torch.flip(x, axes(x, axis))", CUBE, WIDE, BOTH, axis=[None, 0, -1, (0, 2)]),
    pair("np.fliplr(x)", "torch.fliplr(x)", [(2, 3), (2, 3, 2)], WIDE, BOTH),
    pair("np.flipud(x)", "torch.flipud(x)", [(2, 3), (3,)], WIDE, BOTH),
    pair(
        "np.rot90(x, k, axes)", "torch.rot90(x, k, axes)",
        [(2, 3, 4)], WIDE, BOTH, k=[-1, 0, 1, 2, 3, 6], axes=[(0, 1), (2, 0), (1, -1)],
    ),
    pair("np.roll(x, k)", "torch.roll(x, k)", ONE[:1] + ONE[2:], WIDE, BOTH, k=[2, -1, 7]),
    pair("np.roll(x, k, axis)", "torch.roll(x, k, axis)", [(2, 3, 2)], WIDE, BOTH, k=[2, -1], **AXIS),
    pair(
        "np.roll(x, (1, 4), axis=(0, -1))", "torch.roll(x, (1, 4), (0, -1))",
        [(2, 3), (3, 2, 5)], WIDE, BOTH,
    ),
    pair(
        "np.tile(x, reps)", "torch.tile(x, reps)",
        [(2, 3), (), (3,)], WIDE, BOTH, reps=[(2,), (2, 1, 3), (0,), (1, 2)],
    ),
    pair(
        "np.repeat(x, n, axis)", "torch.repeat_interleave(x, n, axis)",
        CUBE, WIDE, BOTH, n=[0, 1, 3], **FLAT_OR_AXIS,
    ),
    pair(
        "np.repeat(x, [2, 0, 1], axis=axis)", "torch.repeat_interleave(x, torch.tensor([2, 0, 1]), axis)",
        [(3, 3, 3)], WIDE, BOTH, **AXIS,
    ),
    pair("np.pad(x, ((1, 0), (2, 3)))", "F.pad(x, (2, 3, 1, 0))", [(2, 3), (0, 2), (1, 1)], WIDE, BOTH),
    pair(
        "np.pad(x, ((0, 0), (2, 1)), mode, constant_values=c)", "F.pad(x, (2, 1), mode, c)",
        [(2, 3)], WIDE, BOTH, mode=["constant"], c=[0, 1.5],
    ),
    *(
        pair(
            f"np.pad(x, ((0, 0), w), mode='{ours}')", f"F.pad(x, w, '{theirs}')",
            [(2, 4), (1, 5)], WIDE, BOTH, w=[(1, 2), (3, 0), (2, 3)],
        )
        for ours, theirs in [("edge", "replicate"), ("reflect", "reflect"), ("wrap", "circular")]
    ),
    pair(
        "np.pad(x, ((0, 0), w), mode='symmetric')", "symmetric_pad(x, *w)",
        [(2, 4), (1, 2)], WIDE, BOTH, w=[(1, 2), (3, 0), (5, 7)],
    ),
    pair(
        "np.pad(x, 2, mode='edge')", "F.pad(x[None], (2, 2, 2, 2), 'replicate')[0]",
        [(3, 4), (1, 2)], WIDE, BOTH,
    ),
    *(
        pair(
            f"np.meshgrid(x, y, indexing=indexing)[{i}] * y[0]",
            f"torch.meshgrid(x, y, indexing=indexing)[{i}] * y[0]",
            [((2,), (3,)), ((1,), (4,))], WIDE, BOTH, indexing=["xy", "ij"],
        )
        for i in (0, 1)
    ),
    *(
        pair(f"np.atleast_{n}d(x)", f"torch.atleast_{n}d(x)", [*ONE, (3, 1, 1, 2)], WIDE, BOTH)
        for n in (1, 2, 3)
    ),
    pair(
        "np.full_like(x, y) * x", "y.expand(x.shape) * x",
        [((2, 3), ()), ((2, 3), (3,)), ((2, 0), ())], WIDE, BOTH,
    ),
    pair("np.diag(x, k)", "torch.diag(x, k)", [(3,), (3, 4), (2, 2)], WIDE, BOTH, k=[-1, 0, 2]),
    pair("np.diagflat(x, k)", "torch.diagflat(x, k)", [(3,), (2, 2), ()], WIDE, BOTH, k=[-1, 0, 2]),
    pair(
        "np.diagonal(x, k, i, j)", "torch.diagonal(x, k, i, j)",
        [(2, 3, 4)], WIDE, BOTH, k=[-1, 0, 1, 2], i=[0], j=[1, -1],
    ),
    pair(
        "np.linalg.diagonal(x, offset=k)", "torch.diagonal(x, k, -2, -1)",
        [(2, 3), (2, 3, 4)], WIDE, BOTH, k=[-1, 0, 2],
    ),
    pair("np.trace(x)", "torch.trace(x)", [(3, 3), (2, 3), (3, 1)], WIDE, BOTH),
    pair(
        "np.trace(x, k, i, j)", "torch.diagonal(x, k, i, j).sum(-1)",
        [(2, 3, 4)], WIDE, BOTH, k=[-1, 0, 1, 2], i=[0], j=[1, -1],
    ),
    pair(
        "np.linalg.trace(x, offset=k)", "torch.diagonal(x, k, -2, -1).sum(-1)",
        [(3, 3), (2, 3, 4)], WIDE, BOTH, k=[-1, 0, 1],
    ),
    pair("np.tril(x, k)", "torch.tril(x, k)", [(3, 3), (2, 3, 4), (0, 2)], WIDE, BOTH, k=[-1, 0, 1]),
    pair("np.triu(x, k)", "torch.triu(x, k)", [(3, 3), (2, 3, 4), (0, 2)], WIDE, BOTH, k=[-1, 0, 1]),
]

JOINING = [
    pair(
        "np.concatenate([x, y, x], axis=axis)", "torch.cat([x, y, x], axis)",
        [((2, 3), (2, 3)), ((0, 2), (0, 2)), ((1, 1), (1, 1))], WIDE, ANY, axis=[0, 1, -1],
    ),
    pair(
        "np.concatenate([x, y], axis=None)", "torch.cat([x.ravel(), y.ravel()])",
        [((2, 3), (2,)), ((), (0, 2)), ((1, 1), (1, 1))], WIDE, ANY,
    ),
    pair(
        "np.stack([x, y, x], axis=axis)", "torch.stack([x, y, x], axis)",
        [((2, 3), (2, 3)), ((0, 2), (0, 2))], WIDE, ANY, axis=[0, 1, -1, -3],
    ),
    pair(
        "np.hstack([x, y])", "torch.hstack([x, y])",
        [((2, 3), (2, 1)), ((2,), ()), ((2, 0), (2, 2))], WIDE, ANY,
    ),
    pair(
        "np.vstack([x, y])", "torch.vstack([x, y])",
        [((2, 3), (3,)), ((), ()), ((0, 2), (2, 2))], WIDE, ANY,
    ),
    pair("np.dstack([x, y])", "torch.dstack([x, y])", [((2, 3), (2, 3, 2)), ((2,), (2,))], WIDE, ANY),
    pair("np.column_stack([x, y])", "torch.column_stack([x, y])", [((2,), (2, 3)), ((2,), (2,))], WIDE, ANY),
    pair(
        "np.append(x, y)", "torch.cat([x.ravel(), y.ravel()])",
        [((2, 3), (2,)), ((), ()), ((0,), (1, 2))], WIDE, ANY,
    ),
    pair(
        "np.append(x, y, axis=axis)", "torch.cat([x, y], axis)",
        [((2, 2), (2, 2))], WIDE, ANY, axis=[0, 1, -1],
    ),
    pair(
        "np.block([[x, y], [y, x]])", "torch.cat([torch.cat([x, y], 1), torch.cat([y, x], 1)])",
        [((2, 2), (2, 2)), ((1, 1), (1, 1))], WIDE, BOTH,
    ),
    pair(
        "np.array_split(x, n)[i]", "torch.tensor_split(x, n)[i]",
        [(7,), (5, 2)], WIDE, BOTH, n=[2, 3], i=[0, 1, -1],
    ),
    pair(
        "np.array_split(x, [1, 3], axis=1)[i]", "torch.tensor_split(x, [1, 3], 1)[i]",
        [(2, 4), (2, 2)], WIDE, BOTH, i=[0, 1, 2],
    ),
    pair(
        "np.split(x, n, axis=axis)[i]", "torch.tensor_split(x, n, axis)[i]",
        [(6, 6)], WIDE, BOTH, n=[2, 3], i=[0, 1], axis=[0, -1],
    ),
    pair("np.hsplit(x, 2)[i]", "torch.hsplit(x, 2)[i]", [(2, 4), (4,), (2, 2, 3)], WIDE, BOTH, i=[0, 1]),
    pair(
        "np.vsplit(x, [1])[i]", "torch.vsplit(x, [1])[i]",
        [(2, 4), (3, 1), (2, 2, 3)], WIDE, BOTH, i=[0, 1],
    ),
    pair("np.dsplit(x, 2)[i]", "torch.dsplit(x, 2)[i]", [(2, 1, 4), (1, 2, 2)], WIDE, BOTH, i=[0, 1]),
    pair(
        "np.delete(x, [0, 2], axis=axis)", "torch.index_select(x, axis, torch.tensor([1, 3]))",
        [(4, 4)], WIDE, BOTH, axis=[0, 1, -1],
    ),
    pair("np.delete(x, 1)", "x.ravel()[[0, *range(2, x.numel())]]", [(4, 4), (2,), (1, 2)], WIDE, BOTH),
    pair("np.unstack(x, axis=axis)[1]", "torch.unbind(x, axis)[1]", [(2, 3, 2)], WIDE, BOTH, **AXIS),
]

INDICES = [
    *(1, -1, (1, -2), (), ..., slice(1, None), slice(1, 1), (slice(1, None), slice(None, None, 2)), None),
    *((slice(None), None, 1), (..., 0), (None, ..., None), [0, 2], [0, 0, 2], [-1, 2, 0], [[0, 1], [1, 0]]),
    *(([0, 0, 2], [1, 1, 3]), ([0, 0, 2], slice(1, None)), (1, [0, 0]), ([[0], [2]], [1, 1])),
    *([True, False, True], (slice(None), [True, False, True, False])),
    *(np.arange(12).reshape(3, 4) % 3 == 0, ([1, 1], None, [0, 1])),
]

INDEXING = [
    *(
        pair(f"x[index] # {k}", "x[as_index(index)]", [(3, 4)], WIDE, BOTH, index=INDICES[k::3])
        for k in range(3)
    ),
    pair("x[[1, 1], :, [0, 1]]", "x[[1, 1], :, [0, 1]]", [(2, 3, 2), (3, 0, 4)], WIDE, BOTH),
    pair("x[:, [1, 1], [0, 1]]", "x[:, [1, 1], [0, 1]]", [(2, 3, 2), (0, 3, 4)], WIDE, BOTH),
    pair("x[::-1, ::-2]", "x.flip(0, 1)[:, ::2]", [(2, 3), (3, 4), (0, 3)], WIDE, BOTH),
    pair("x[x > 0]", "x[x > 0]", ONE, NONZERO),
    pair(
        "set_at(x, index, y)", "torch.index_put(x, as_index(index), y)",
        [((3, 4), ()), ((3, 4), (1,))], WIDE, BOTH,
        index=[([0, 2], [1, 1]), ([2],), ([True, False, True],), ([[0], [1]], [1, 3])],
    ),
    pair(
        "set_at(x, np.s_[1:, ::2], y)",
        "torch.index_put(x, (torch.tensor([[1], [2]]), torch.tensor([[0, 2]])), y)",
        [((3, 4), ()), ((3, 4), (2,)), ((3, 4), (2, 1))], WIDE, BOTH,
    ),
    pair("set_at(x, x > 0, y)", "torch.where(x > 0, y, x)", [((3, 4), ()), ((5,), ())], NONZERO),
    pair(
        "add_at(x, index, y)", "torch.index_put(x, as_index(index), y, accumulate=True)",
        [((3, 4), ()), ((3, 4), (1,))], WIDE, BOTH,
        index=[([0, 2, 0], [1, 1, 1]), ([2, 2],), ([True, False, True],), ([[0], [1]], [1, 1])],
    ),
    pair(
        "np.take(x, index)", "torch.take(x, torch.tensor(index))",
        [(2, 3), (6,)], WIDE, BOTH, index=[0, [0, 0, 5], [[1, -1]]],
    ),
    pair(
        "np.take(x, [0, 2, 2], axis=axis)", "torch.index_select(x, axis, torch.tensor([0, 2, 2]))",
        [(3, 3, 3)], WIDE, BOTH, **AXIS,
    ),
    pair(
        "np.take(x, [0, 4, -7], axis=1, mode=mode)", "x[:, [[0, 1, 2], [0, 2, 0]][mode == 'clip']]",
        [(2, 3)], WIDE, BOTH, mode=["wrap", "clip"],
    ),
    pair(
        "np.take_along_axis(x, np.array([[0, 2, 2], [1, 0, 1]]), axis=axis)",
        "torch.take_along_dim(x, torch.tensor([[0, 2, 2], [1, 0, 1]]), axis)",
        [(2, 3)], WIDE, BOTH, axis=[1, -1],
    ),
    pair(
        "np.take_along_axis(x, np.array([5, 5, 0]), axis=None)",
        "torch.take_along_dim(x, torch.tensor([5, 5, 0]))",
        [(2, 3), (3, 4)], WIDE, BOTH,
    ),
    pair(
        "np.compress([True, False, True], x, axis=axis)", "torch.index_select(x, axis, torch.tensor([0, 2]))",
        [(3, 3, 3)], WIDE, BOTH, **AXIS,
    ),
    pair("np.extract(x > 0, x)", "torch.masked_select(x, x > 0)", ONE, NONZERO),
    pair(
        "np.choose([[0, 1, 1], [1, 0, 1]], [x, y])",
        "torch.where(torch.tensor([[1, 0, 0], [0, 1, 0]]) == 1, x, y)",
        [((3,), (2, 3)), ((), (2, 1)), ((2, 3), (2, 3))], WIDE, BOTH,
    ),
    pair(
        "np.choose([5, -1, 1], [x, y], mode='wrap')",
        "torch.where(torch.tensor([False, False, False]), x, y)",
        [((3,), (2, 3)), ((), (2, 1))], WIDE, BOTH,
    ),
    pair(
        "np.where([True, False, True], x, 0.5)", "torch.where(torch.tensor([True, False, True]), x, 0.5)",
        [(3,), (2, 3), (), (0, 3)], WIDE, BOTH,
    ),
    *(
        pair(
            f"np.{name}.outer(x, y)", f"x.reshape(*x.shape, *(1 for _ in y.shape)) {sign} y",
            [((2,), (3,)), ((2, 1), (3,)), ((), (2,)), ((0,), (2,))], NONZERO, ANY,
        )
        for name, sign in [("add", "+"), ("subtract", "-"), ("multiply", "*"), ("divide", "/")]
    ),
    pair("np.clip(x, low, high)", "torch.clamp(x, low, high)", ONE, WIDE, low=[-1, None], high=[0.5, 1]),
    pair(
        "np.clip(x, y, z)", "torch.clamp(x, y, z)",
        [((2, 3), (3,), (2, 1)), ((3,), (3,), (3,)), ((), (), ())], WIDE,
    ),
    pair("np.around(x, n)", "torch.round(x, decimals=n)", ONE, WIDE, n=[0, 1, 2]),
    pair("np.round(x, n)", "torch.round(x, decimals=n)", ONE, WIDE, n=[0, 1, 2]),
    pair("np.ldexp(x, n)", "x * 2.0**n", ONE, WIDE, n=[3, -2]),
    pair("x**n", "x**n", ONE, POSITIVE, BOTH, n=[2, 3, 4, -1, -2, 0, 1, 0.5, -1.5]),
    pair("x**n # of zeros", "x**n", ONE, with_zeros, n=[0, 1, 2, 3, 4]),
    pair("np.power(x, n)", "torch.pow(x, n)", ONE, NONZERO, n=[2, 3, -1, 0, 1]),
    pair(
        "np.power(x, np.array([0.0, 1.0, 2.0], x.dtype))",
        "x ** torch.tensor([0.0, 1.0, 2.0], dtype=x.dtype)",
        [(2, 3), (3,), (1, 1)], NONZERO,
    ),
    pair("polygamma(n, x)", "torch.special.polygamma(n, x)", ONE, (0.5, 4), n=[0, 1, 2, 3]),
    *(
        pair(
            f"special.{name}v(v, x)", f"bessel_{name}(v, x)",
            [(3,), (), (0, 2)], (0.5, 4), v=[0, 1, 2, 0.5, 1.3],
        )
        for name in "jyik"
    ),
    pair(
        "special.ive(v, x)", "bessel_i(v, x) * torch.exp(-x)",
        [(3,), (), (0, 2)], (0.5, 4), v=[0, 1, 2, 0.5, 1.3],
    ),
    pair("special.iv(v, -x)", "(-1) ** v * bessel_i(v, x)", [(3,), (), (0, 2)], (0.5, 4), v=[0, 1, 2]),
    pair(
        "special.ive(v, -x)", "(-1) ** v * bessel_i(v, x) * torch.exp(-x)",
        [(3,), (), (0, 2)], (0.5, 4), v=[0, 1, 2],
    ),
]

PRODUCTS = [
    *(((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((1, 3), (3, 1)), ((2, 2, 3), (3, 2))),
    *(((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)), ((1, 2, 3), (2, 3, 2)), ((2, 2, 3), (3,))),
    ((3,), (2, 3, 2)),
    *(((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0,), (0,)), ((0, 2, 3), (3, 1)), ((2, 2, 0), (0,))),
]

EINSUMS = [
    ("i->i", (3,)),
    ("ij->ji", (2, 3)),
    ("ij->j", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("i,i->", ((3,), (3,))),
    ("i,j->ji", ((2,), (3,))),
    ("i,j->i", ((2,), (3,))),
    (",ij->ij", ((), (2, 3))),
    ("ij,jk->ik", ((2, 3), (3, 2))),
    ("ij,jk", ((2, 3), (3, 2))),
    ("ii,ij->j", ((3, 3), (3, 2))),
    ("bij,bjk->bik", ((2, 2, 3), (2, 3, 2))),
    ("...ij,...jk->...ik", ((2, 2, 3), (3, 2))),
    ("i...,i...->...", ((2, 3), (2, 1))),
    ("ba", (2, 3)),
    ("ij,jk,kl->il", ((2, 3), (3, 2), (2, 3))),
    ("ij,i,j->", ((2, 3), (2,), (3,))),
    ("ij,jk->ik", ((2, 0), (0, 3))),
]

LINEAR_ALGEBRA = [
    pair("x @ y", "x @ y", PRODUCTS, WIDE, ANY),
    pair("np.matmul(x, y)", "torch.matmul(x, y)", PRODUCTS, WIDE, ANY),
    pair("np.linalg.matmul(x, y)", "torch.matmul(x, y)", PRODUCTS[3:9], WIDE, ANY),
    pair(
        "np.dot(x, y)", "torch.matmul(x, y)",
        [*PRODUCTS[:5], ((0, 3), (3, 2)), ((2, 0), (0, 2))], WIDE, ANY,
    ),
    pair(
        "np.dot(x, y) # of stacks", "torch.tensordot(x, y, ([-1], [-2]))",
        [((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 1))], WIDE, ANY,
    ),
    pair("np.dot(x, y) # of numbers", "x * y", [((), (2, 3)), ((3,), ()), ((), ())], WIDE, ANY),
    pair(
        "np.inner(x, y)", "torch.inner(x, y)",
        [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2,)), ((2, 2, 3), (2, 3))], WIDE, ANY,
    ),
    pair(
        "np.outer(x, y)", "torch.outer(x.ravel(), y.ravel())",
        [((3,), (2,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,))], WIDE, ANY,
    ),
    pair("np.linalg.outer(x, y)", "torch.outer(x, y)", [((3,), (2,)), ((0,), (2,))], WIDE, ANY),
    pair(
        "np.vdot(x, y)", "torch.vdot(x.ravel(), y.ravel())",
        [((3,), (3,)), ((2, 3), (2, 3)), ((), ())], WIDE, ANY,
    ),
    pair(
        "np.vecdot(x, y)", "linalg.vecdot(x, y)",
        [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (2, 3)), ((0, 3), (3,))], WIDE, ANY,
    ),
    pair(
        "np.vecdot(x, y, axis=0)", "linalg.vecdot(x, y, dim=0)",
        [((3, 2), (3, 2)), ((3, 2), (3, 1))], WIDE, ANY,
    ),
    pair(
        "np.linalg.vecdot(x, y, axis=axis)", "linalg.vecdot(x, y, dim=axis)",
        [((3, 3), (3, 3))], WIDE, ANY, axis=[0, -1],
    ),
    pair(
        "np.matvec(x, y)", "torch.einsum('...ij,...j->...i', x, y)",
        [((2, 3), (3,)), ((2, 2, 3), (3,)), ((2, 3), (2, 3))], WIDE, ANY,
    ),
    pair(
        "np.vecmat(x, y)", "torch.einsum('...i,...ij->...j', x.conj(), y)",
        [((3,), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 3), (3, 1))], WIDE, ANY,
    ),
    pair(
        "np.tensordot(x, y)", "torch.tensordot(x, y)",
        [((2, 3, 4), (3, 4, 2)), ((2, 3), (2, 3))], WIDE, ANY,
    ),
    pair(
        "np.tensordot(x, y, axes=n)", "torch.tensordot(x, y, n)",
        [((3, 3), (3, 3)), ((2, 3, 3), (3, 3, 1))], WIDE, ANY, n=[0, 1, 2],
    ),
    pair(
        "np.tensordot(x, y, axes=n) # of pairs", "torch.tensordot(x, y, n)",
        [((2, 3), (3, 2)), ((0, 3), (3, 0))], WIDE, ANY, n=[([1, 0], [0, 1]), ([0], [1]), ([-1], [0])],
    ),
    pair(
        "np.linalg.tensordot(x, y, axes=1)", "torch.tensordot(x, y, 1)",
        [((2, 3), (3, 2)), ((3,), (3,))], WIDE, ANY,
    ),
    pair(
        "np.kron(x, y)", "torch.kron(x, y)",
        [((2, 3), (2, 2)), ((2,), (3,)), ((2,), (2, 3)), ((), (2,)), ((2, 1, 2), (2, 3))], WIDE, ANY,
    ),
    pair(
        "np.cross(x, y)", "linalg.cross(*torch.broadcast_tensors(x, y))",
        [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (2, 3)), ((0, 3), (3,))], WIDE, ANY,
    ),
    pair(
        "np.cross(x, y, axis=axis)", "linalg.cross(x, y, dim=axis)",
        [((3, 3, 3), (3, 3, 3))], WIDE, ANY, **AXIS,
    ),
    pair(
        "np.cross(x, y, axisa=0, axisb=1, axisc=0)", "linalg.cross(x.T, y).T",
        [((3, 2), (2, 3)), ((3, 1), (1, 3))], WIDE, ANY,
    ),
    pair(
        "np.linalg.cross(x, y, axis=axis)", "linalg.cross(x, y, dim=axis)",
        [((3, 3), (3, 3))], WIDE, ANY, axis=[0, 1, -1],
    ),
    pair(
        "np.linalg.matrix_power(x, n)", "linalg.matrix_power(x, n)",
        SQUARES, regular, BOTH, n=[0, 1, 2, 3, 5, -1, -2],
    ),
    pair(
        "np.linalg.multi_dot([x, y, z])", "linalg.multi_dot([x, y, z])",
        [((2, 3), (3, 4), (4, 1)), ((3,), (3, 2), (2, 3)), ((2, 3), (3, 2), (2,)), ((3,), (3, 2), (2,))],
        WIDE, BOTH,
    ),
    pair(
        "np.linalg.multi_dot([x, y, z, x])", "linalg.multi_dot([x, y, z, x])",
        [((2, 3), (3, 4), (4, 2)), ((2, 1), (1, 5), (5, 2))], WIDE, BOTH,
    ),
    *(
        pair(
            f"np.einsum('{text}', {', '.join('xyz'[: text.split('->')[0].count(',') + 1])})",
            f"torch.einsum('{text}', {', '.join('xyz'[: text.split('->')[0].count(',') + 1])})",
            [shapes], WIDE, BOTH,
        )
        for text, shapes in EINSUMS
    ),
    pair(
        "np.einsum(x, [0, 1], y, [1, 2], [2, 0])", "torch.einsum(x, [0, 1], y, [1, 2], [2, 0])",
        [((2, 3), (3, 2))], WIDE, BOTH,
    ),
    pair(
        "np.einsum('ij,jk', x, y, optimize=True)", "torch.einsum('ij,jk', x, y)",
        [((2, 3), (3, 2))], WIDE, ANY,
    ),
    # ------------------------------------------------------------------------------ np.linalg
    pair("np.linalg.inv(x)", "linalg.inv(x)", [*SQUARES, (0, 0), (0, 2, 2)], regular, BOTH),
    pair("np.linalg.pinv(x)", "linalg.pinv(x)", [(3, 3), (2, 3), (3, 2), (2, 3, 2)], regular, BOTH),
    pair(
        "np.linalg.pinv(x + adjoint(x), hermitian=True)", "linalg.pinv(x + x.mH, hermitian=True)",
        [(3, 3), (2, 2, 2)], regular, BOTH,
    ),
    pair("np.linalg.det(x)", "linalg.det(x)", [*SQUARES, (0, 0)], regular, BOTH),
    pair(
        "np.linalg.det(x) # of singular ones", "determinant(x)",
        [(3, 3), (2, 2, 2), (4, 4), (1, 1)], singular, BOTH,
    ),
    pair("np.linalg.slogdet(x)[1]", "linalg.slogdet(x)[1]", SQUARES, regular, BOTH),
    pair(
        "np.linalg.slogdet(x)[0] * x[..., 0, 0]", "linalg.slogdet(x)[0] * x[..., 0, 0]",
        SQUARES, regular, BOTH,
    ),
    pair(
        "np.linalg.solve(x, y)", "linalg.solve(x, y)",
        [
            *(((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((2, 2, 2), (2, 2, 1))),
            *(((0, 0), (0, 2)), ((3, 3), (3, 0))),
        ],
        [regular, WIDE], BOTH,
    ),
    pair(
        "np.linalg.lstsq(x, y)[0]", "linalg.pinv(x) @ y",
        [((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2, 3)), ((3, 3), (3,))], [regular, WIDE], BOTH,
    ),
    pair(
        "np.linalg.lstsq(x, y)[1]", "((y - x @ (linalg.pinv(x) @ y)).abs() ** 2).sum(0)",
        [((4, 2), (4, 3)), ((3, 1), (3, 2))], [regular, WIDE], BOTH,
    ),
    pair(
        "np.linalg.cholesky(x @ adjoint(x) + np.eye(x.shape[-1], dtype=x.dtype), upper=upper)",
        "linalg.cholesky(x @ x.mH + torch.eye(x.shape[-1], dtype=x.dtype), upper=upper)",
        [(3, 3), (2, 2, 2), (1, 1)], WIDE, BOTH, upper=[False, True],
    ),
    pair(
        "np.linalg.qr(x)[i]", "linalg.qr(x)[i]",
        [(3, 3), (4, 2), (2, 4), (2, 3, 2)], regular, BOTH, i=[0, 1],
    ),
    pair("np.linalg.qr(x, mode='r')", "linalg.qr(x)[1]", [(3, 3), (4, 2), (2, 4), (2, 3, 2)], regular, BOTH),
    pair("np.linalg.eigvalsh(x + adjoint(x))", "linalg.eigvalsh(x + x.mH)", SQUARES, WIDE, BOTH),
    pair(
        "np.linalg.eigh(x + adjoint(x), uplo)[0]", "linalg.eigh(x + x.mH, uplo)[0]",
        SQUARES, WIDE, BOTH, uplo=["L", "U"],
    ),
    pair(
        "(lambda w, v: (v * np.sin(w)[..., None, :]) @ adjoint(v))(*np.linalg.eigh(x + adjoint(x)))",
        "(lambda w, v: (v * torch.sin(w)[..., None, :]) @ v.mH)(*linalg.eigh(x + x.mH))",
        SQUARES, WIDE, BOTH,
    ),
    pair(
        "np.absolute(np.linalg.eigh(x + adjoint(x))[1])", "linalg.eigh(x + x.mH)[1].abs()",
        SQUARES, WIDE, BOTH,
    ),
    pair(
        "np.sum((np.linalg.eigvals(x) + 0j) ** 3, axis=-1)", "(linalg.eigvals(x) ** 3).sum(-1)",
        SQUARES, regular, BOTH,
    ),
    pair(
        "np.sum(np.sin(np.linalg.eig(x)[0] + 0j), axis=-1)", "torch.sin(linalg.eig(x)[0]).sum(-1)",
        SQUARES, regular, BOTH,
    ),
    pair(
        "(lambda w, v: np.einsum('...ik,...jk,...k->...ij', v, v.conj(), np.sin(w + 0j)))(*np.linalg.eig(x))",
        "(lambda w, v: torch.einsum('...ik,...jk,...k->...ij', v, v.conj(), torch.sin(w)))(*linalg.eig(x))",
        SQUARES, regular, BOTH,
    ),
    pair("np.linalg.svdvals(x)", "linalg.svdvals(x)", [(3, 3), (2, 3), (3, 2), (2, 3, 2)], regular, BOTH),
    pair(
        "np.linalg.svd(x, compute_uv=False)", "linalg.svdvals(x)",
        [(3, 3), (2, 3), (3, 2), (2, 3, 2)], regular, BOTH,
    ),
    pair(
        "(lambda u, s, vh: (u * np.sin(s)[..., None, :]) @ vh)(*np.linalg.svd(x, full_matrices=False))",
        "(lambda u, s, vh: (u * torch.sin(s)[..., None, :]) @ vh)(*linalg.svd(x, full_matrices=False))",
        [(3, 3), (2, 3), (4, 2), (2, 3, 2)], regular, BOTH,
    ),
    *(
        pair(
            f"np.absolute(np.linalg.svd(x, full_matrices=False)[{i}])",
            f"linalg.svd(x, full_matrices=False)[{i}].abs()",
            [(3, 3), (2, 3), (4, 2), (2, 3, 2)], regular, BOTH,
        )
        for i in (0, 2)
    ),
    pair(
        "np.linalg.norm(x, axis=axis, keepdims=keepdims)", "linalg.vector_norm(x, 2, axis, keepdims)",
        CUBE, NONZERO, BOTH, axis=[0, -1, (0, 2)], keepdims=[False, True],
    ),
    pair("np.linalg.norm(x)", "linalg.vector_norm(x)", ONE, NONZERO, BOTH),
    pair(
        "np.linalg.norm(x, p, axis=axis, keepdims=keepdims)", "linalg.vector_norm(x, p, axis, keepdims)",
        CUBE, NONZERO, BOTH, p=[0, 1, 2, 3, 0.5, -1, -2.5, np.inf, -np.inf], axis=[0, -1],
        keepdims=[False, True],
    ),
    pair(
        "np.linalg.norm(x, p)", "linalg.vector_norm(x, p)",
        [(3,), (5,)], NONZERO, BOTH, p=[1, 2, 3, -1, np.inf],
    ),
    pair(
        "np.linalg.norm(x, p, axis=axis, keepdims=keepdims) # of matrices",
        "linalg.matrix_norm(x, p, axis, keepdims)",
        [(3, 3, 3), (2, 3, 2)], regular, BOTH, p=["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf],
        axis=[(0, 1), (-1, 0), (1, 2)], keepdims=[False, True],
    ),
    pair(
        "np.linalg.norm(x, p) # of matrices", "linalg.matrix_norm(x, p)",
        [(3, 3), (2, 3), (3, 2)], NONZERO, BOTH, p=["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf],
    ),
    pair(
        "np.linalg.matrix_norm(x, ord=p, keepdims=keepdims)", "linalg.matrix_norm(x, p, keepdim=keepdims)",
        [(2, 3), (2, 3, 2)], regular, BOTH, p=["fro", "nuc", 1, 2, np.inf], keepdims=[False, True],
    ),
    pair(
        "np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=p)",
        "linalg.vector_norm(x, p, axis, keepdims)",
        CUBE, NONZERO, BOTH, p=[0, 1, 2, 3, 0.5, -1, np.inf, -np.inf], axis=[0, -1, (0, 2), None],
        keepdims=[False, True],
    ),
    pair("np.linalg.cond(x, p)", "linalg.cond(x, p)", [(3, 3), (2, 2, 2)], regular, BOTH, p=[None, 2, -2]),
    pair(
        "np.linalg.cond(x, p) # by the inverse",
        "linalg.matrix_norm(x, p) * linalg.matrix_norm(linalg.inv(x), p)",
        [(3, 3), (2, 2, 2)], regular, BOTH, p=["fro", 1, -1, np.inf, -np.inf, "nuc"],
    ),
]

SIZES = {"n": [None, 3, 4, 6, 7], "norm": [None, "backward", "ortho", "forward"]}
GRIDS = {"s": [(2, 3), (4, 4), (3, 5)], "axes": [(0, 1), (-1, 0), (2, 1)], "norm": [None, "ortho", "forward"]}

FOURIER = [
    *(
        pair(
            f"np.fft.{name}(x, n, axis, norm)", f"fft.{name}(x, n, axis, norm)",
            [(4, 5)], WIDE, dtypes, axis=[0, -1], **SIZES,
        )
        for name, dtypes in [
            *(("fft", BOTH), ("ifft", BOTH), ("rfft", REAL)),
            *(("ihfft", REAL), ("irfft", BOTH), ("hfft", BOTH)),
        ]
    ),
    *(
        pair(
            f"np.fft.{name}(x, s, axes, norm)", f"fft.{name}(x, s, axes, norm)",
            [(2, 4, 5)], WIDE, dtypes, **GRIDS,
        )
        for name, dtypes in [
            *(("fftn", BOTH), ("ifftn", BOTH), ("rfftn", REAL), ("irfftn", COMPLEX)),
            *(("fft2", BOTH), ("ifft2", BOTH), ("rfft2", REAL), ("irfft2", COMPLEX)),
        ]
    ),
    *(
        pair(
            f"np.fft.{name}(x)", f"fft.{name}(x)",
            [(4,), (2, 4), (3, 5), (2, 3, 2)][name[-1] in "2n" :], WIDE, dtypes,
        )
        for name, dtypes in [
            *(("fft", BOTH), ("ifft", BOTH), ("rfft", REAL)),
            *(("ihfft", REAL), ("irfft", COMPLEX), ("hfft", COMPLEX)),
            *(("fftn", BOTH), ("ifftn", BOTH), ("rfftn", REAL), ("irfftn", COMPLEX)),
            *(("fft2", BOTH), ("ifft2", BOTH), ("rfft2", REAL), ("irfft2", COMPLEX)),
        ]
    ),
    pair(
        "np.fft.fftshift(x, axes)", "fft.fftshift(x, axes)",
        [(4, 5), (3, 2)], WIDE, BOTH, axes=[None, 0, -1, (0, 1)],
    ),
    pair(
        "np.fft.ifftshift(x, axes)", "fft.ifftshift(x, axes)",
        [(4, 5), (3, 2)], WIDE, BOTH, axes=[None, 0, -1, (0, 1)],
    ),
]

REDUCTION = {"reduction": ["mean", "sum", "none"]}
SAME = [((2, 3), (2, 3)), ((4,), (4,)), ((), ()), ((2, 1, 3), (2, 1, 3))]

FUNCTIONAL = [
    pair(
        "F.linear(x, y, z)", "F.linear(x, y.mT, z)",
        [((2, 3), (3, 2), (2,)), ((3,), (3, 2), (2,)), ((2, 2, 3), (3, 1), (1,)), ((0, 3), (3, 2), (2,))],
    ),
    pair("F.linear(x, y)", "F.linear(x, y.mT)", [((2, 3), (3, 2)), ((3,), (3, 2)), ((2, 2, 3), (3, 1))]),
    *(
        pair(
            f"F.linear(x, y, z, '{name}')", f"torch.{name}(F.linear(x, y.mT, z))",
            [((2, 3), (3, 2), (2,)), ((3,), (3, 2), (2,)), ((2, 2, 3), (3, 1), (1,))],
        )
        for name in ("relu", "sigmoid", "tanh")
    ),
    pair("F.softmax(x, axis)", "F.softmax(x, axis)", CUBE, WIDE, **AXIS),
    pair("F.log_softmax(x, axis)", "F.log_softmax(x, axis)", CUBE, WIDE, **AXIS),
    pair("F.softmin(x, axis)", "F.softmin(x, axis)", CUBE, WIDE, **AXIS),
    pair(
        "F.logsumexp(x, axis, keepdims)", "torch.logsumexp(x, axes(x, axis), keepdims)",
        CUBE, WIDE, also=NUMBER, **SOME_AXES,
    ),
    pair("F.glu(x, axis)", "F.glu(x, axis)", [(2, 4, 2)], WIDE, **AXIS),
    pair(
        "F.prelu(x, y)", "F.prelu(x, y)",
        [((2, 3), (3,)), ((2, 3, 2), (3,)), ((2, 3), (1,)), ((3,), (1,))], NONZERO,
    ),
    pair(
        "F.normalize(x, p, axis)", "F.normalize(x, p, axis)",
        [(2, 3, 2)], NONZERO, p=[1, 2, 2.5, np.inf], **AXIS,
    ),
    pair(
        "F.normalize(x, eps=eps)", "F.normalize(x, dim=-1, eps=eps)",
        [(2, 3), (4,)], NONZERO, eps=[1e-12, 1.5, 100.0],
    ),
    pair(
        "F.layer_norm(x, 3, y, z, eps)", "F.layer_norm(x, (3,), y, z, eps)",
        [((2, 3), (3,), (3,)), ((3,), (3,), (3,)), ((2, 2, 3), (3,), (3,))], eps=[1e-5, 0.1],
    ),
    pair("F.layer_norm(x, (2, 3))", "F.layer_norm(x, (2, 3))", [(2, 3), (4, 2, 3)]),
    pair(
        "F.batch_norm(x, None, None, y, z, training=True, eps=eps)",
        "F.batch_norm(x, None, None, y, z, True, 0.1, eps)",
        [((4, 3), (3,), (3,)), ((2, 3, 2), (3,), (3,)), ((2, 1, 2, 2), (1,), (1,))], eps=[1e-5, 0.1],
    ),
    pair(
        "F.batch_norm(x, MEANS.astype(x.dtype), VARIANCES.astype(x.dtype), y, z)",
        "F.batch_norm(x, MEANS.to(x), VARIANCES.to(x), y, z)",
        [((4, 2), (2,), (2,)), ((2, 2, 3), (2,), (2,))],
    ),
    pair(
        "F.embedding([[0, 2], [2, 1]], x, padding_idx=i)",
        "F.embedding(torch.tensor([[0, 2], [2, 1]]), x, i)",
        [(3, 2), (4, 1)], i=[None, 2],
    ),
    # -------------------------------------------------------------------------------------- losses
    pair("F.mse_loss(x, y, reduction)", "F.mse_loss(x, y, reduction=reduction)", SAME, **REDUCTION),
    pair("F.l1_loss(x, y, reduction)", "F.l1_loss(x, y, reduction=reduction)", SAME, **REDUCTION),
    pair(
        "F.huber_loss(x, y, reduction, delta)", "F.huber_loss(x, y, reduction, delta)",
        SAME, delta=[1.0, 0.6], **REDUCTION,
    ),
    pair(
        "F.smooth_l1_loss(x, y, reduction, beta)", "F.smooth_l1_loss(x, y, reduction=reduction, beta=beta)",
        SAME, beta=[1.0, 0.6, 0.0], **REDUCTION,
    ),
    pair("F.hinge_loss(x, y)", "torch.relu(1 - x * y).mean()", SAME),
    pair(
        "F.binary_cross_entropy_with_logits(x, y, reduction)",
        "F.binary_cross_entropy_with_logits(x, y, reduction=reduction)",
        SAME, [WIDE, (0, 1)], **REDUCTION,
    ),
    pair(
        "F.kl_div(x, y, reduction, log)", "F.kl_div(x, y, reduction=reduction, log_target=log)",
        [((2, 3), (2, 3)), ((4,), (4,))], POSITIVE, reduction=["mean", "sum", "none", "batchmean"],
        log=[False, True],
    ),
    pair(
        "F.cross_entropy(x, SAMPLES, reduction=reduction)",
        "F.cross_entropy(x, SAMPLES, reduction=reduction)",
        [(4, 3), (4, 5)], **REDUCTION,
    ),
    pair(
        "F.cross_entropy(x, SAMPLES, WEIGHTS.astype(x.dtype), i, reduction, smoothing)",
        "F.cross_entropy(x, SAMPLES, WEIGHTS.to(x), None, i, None, reduction, smoothing)",
        [(4, 3)], i=[-100, 2], smoothing=[0.0, 0.3], **REDUCTION,
    ),
    pair(
        "F.cross_entropy(x, LABELS, reduction=reduction, axis=1)",
        "F.cross_entropy(x, LABELS, reduction=reduction)",
        [(2, 3, 3), (2, 4, 3)], **REDUCTION,
    ),
    pair(
        "F.cross_entropy(x, y, reduction=reduction, label_smoothing=smoothing)",
        "F.cross_entropy(x, y, reduction=reduction, label_smoothing=smoothing)",
        [((2, 3), (2, 3)), ((3,), (3,))], [WIDE, (0, 1)], smoothing=[0.0, 0.3], **REDUCTION,
    ),
    pair(
        "F.cross_entropy(x, y, WEIGHTS.astype(x.dtype), label_smoothing=0.2, axis=1)",
        "F.cross_entropy(x, y, WEIGHTS.to(x), label_smoothing=0.2)",
        [((2, 3), (2, 3)), ((2, 3, 2), (2, 3, 2))], [WIDE, (0, 1)],
    ),
    pair(
        "F.nll_loss(x, SAMPLES, None, i, reduction)",
        "F.nll_loss(x, SAMPLES, ignore_index=i, reduction=reduction)",
        [(4, 3), (4, 5)], i=[-100, 2], **REDUCTION,
    ),
    pair(
        "F.nll_loss(x, SAMPLES, WEIGHTS.astype(x.dtype), None, reduction)",
        "F.nll_loss(x, SAMPLES, WEIGHTS.to(x), reduction=reduction)",
        [(4, 3)], **REDUCTION,
    ),
]

# fmt: on

TABLE = [
    *(pair(ours, theirs, ONE, domain, dtypes) for ours, theirs, domain, dtypes in UNARY),
    *(pair(ours, theirs, TWO, domain, dtypes) for ours, theirs, domain, dtypes in BINARY),
    *(*REDUCTIONS, *CUMULATIVE, *SHAPING, *JOINING, *INDEXING, *LINEAR_ALGEBRA, *FOURIER, *FUNCTIONAL),
]

# -------------------------------------------------------------------------------------------- the check


def ours_of(f: Callable[..., Any], inputs: list[Any], cotangent: Any, directions: list[Any]) -> list[Any]:
    """Return the value, its dtype in NumPy, the gradients, and the gradients of these times `directions`.

    The last are by the cotangent (the derivative along the directions, that is) and by the inputs.
    """

    def gradients(cotangent: Any, *inputs: Any) -> Any:
        return vjp(f, *inputs)[1](cotangent)

    value = vjp(f, *inputs)[0]
    first, pull = vjp(gradients, cotangent, *inputs)
    return [value, *gradients(cotangent, *inputs), *first, *pull(tuple(directions))]


def theirs_of(f: Callable[..., Any], inputs: list[Any], cotangent: Any, directions: list[Any]) -> list[Any]:
    common = torch.tensor(np.zeros((), np.result_type(*inputs))).dtype
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    seed = torch.tensor(cotangent, requires_grad=True)
    value = f(*(x.to(common) for x in leaves))
    first = derivatives([value], leaves, [seed])
    second = derivatives(first, [seed, *leaves], [torch.tensor(d) for d in directions])
    return [plain(x) for x in (value, *first, *first, *second)]


def derivatives(outputs: list[Any], inputs: list[Any], cotangents: list[Any]) -> list[Any]:
    pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [torch.zeros_like(x) for x in inputs]
    outputs, cotangents = zip(*pairs, strict=True)
    return list(torch.autograd.grad(outputs, inputs, cotangents, create_graph=True, materialize_grads=True))


def plain(x: Any) -> Any:
    return x.detach().numpy(force=True)


def check(pair: Pair, inputs: list[Any], options: dict[str, Any]) -> None:
    generator = np.random.default_rng(7)
    ours, theirs = pair.function(pair.ours, OURS), pair.function(pair.theirs, THEIRS)
    with np.errstate(all="ignore"):
        expected = np.asarray(ours(*inputs, **options))

    def like(x: Any) -> Any:
        parts = generator.uniform(-1, 1, (2, *x.shape))
        return np.asarray(parts[0] + 1j * parts[1] if x.dtype.kind == "c" else parts[0], x.dtype)

    cotangent, directions = like(expected), [like(x) for x in inputs]
    found = ours_of(lambda *inputs: ours(*inputs, **options), inputs, cotangent, directions)
    wanted = theirs_of(lambda *inputs: theirs(*inputs, **options), inputs, cotangent, directions)
    assert found[0].dtype == expected.dtype
    exact = 1e-12 if expected.dtype.char in "dD" else 1e-5
    np.testing.assert_allclose(found[0], expected, exact, exact)
    assert not pair.same_dtype or found[0].dtype == wanted[0].dtype
    single = any(x.dtype.char in "fF" for x in [*inputs, expected])
    count = len(inputs)
    names = ["value", *["first derivative"] * 2 * count, "derivative along", *["second derivative"] * count]
    kinds = [expected, *inputs, *inputs, cotangent, *inputs]
    for name, a, b, kind in zip(names, found, wanted, kinds, strict=True):
        assert a.shape == b.shape == kind.shape and a.dtype == kind.dtype, name
        tolerance = 3e-4 if single else 1e-9
        size = np.max(np.abs(b[np.isfinite(b)]), initial=1)
        np.testing.assert_allclose(a, b, tolerance, tolerance * size, err_msg=name)


@pytest.mark.parametrize("pair", TABLE)
def test_agrees_with_pytorch(pair: Pair) -> None:
    for inputs, options in pair.samples():
        try:
            check(pair, inputs, options)
        except Exception as error:
            described = ", ".join(f"{x.shape} {x.dtype}" for x in inputs)
            error.add_note(f"{pair.ours} against {pair.theirs} of {described} with {options}: {inputs}")
            raise


@pytest.mark.skipif(special is None, reason="SciPy is not installed")
def test_every_function_has_a_pair() -> None:
    import reference

    lines = " ".join(row.values[0].ours for row in TABLE)
    missing = [
        name
        for family, names in reference.functions().items()
        if family != "constants"
        for name in names
        if f"{'special' if family == 'special' else 'np'}.{name}(" not in lines
    ]
    assert missing == []
