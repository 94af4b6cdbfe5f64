"""The derivatives of a function held against differences of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from autograd.backend import Array, on_host
from autograd.recording import no_grad
from autograd.tensor import Tensor
from autograd.transforms import vjp
from autograd.trees import flatten, rebuild

ELEMENTS = 1000  # of all inputs; from more on, derivatives are along random directions
DIRECTIONS = 10  # in each input
ROUNDING = float(np.finfo(np.float64).eps)


class Tolerances(NamedTuple):
    """How far to step, and what difference is no error."""

    eps: float
    rtol: float
    atol: float

    def of(self, numeric: float) -> float:
        return self.atol + self.rtol * abs(numeric)


class Coordinate(NamedTuple):
    """A direction to differentiate in: one element of an argument, or a random combination of all."""

    argument: int
    where: str
    span: slice
    step: Array


class Derivative(NamedTuple):
    """A derivative by a coordinate, as the graph gives it and as differences do."""

    argument: int
    where: str
    analytic: float
    numeric: float
    left: float
    right: float
    distance: float
    """Of the step to either side."""

    @property
    def error(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def relative_error(self) -> float:
        return self.error / max(abs(self.analytic), abs(self.numeric), 1e-300)


class Comparison(NamedTuple):
    """What came of comparing all derivatives of a function."""

    verdict: str
    """One of right, wrong, kink, noisy and random."""
    compared: int
    """How many derivatives there were."""
    differing: list[Derivative]
    """Those that the verdict is about."""
    order: float | None = None
    """Of Taylor's remainder, where that decided and was more than rounding."""


class Result(NamedTuple):
    """How far a check has come: the latest derivatives compared, and the function that they are of."""

    comparison: Comparison
    degree: int
    f: Callable[..., Any]
    inputs: list[Array]
    names: list[str]
    directions: int | None
    compared: int
    notes: list[str]

    @property
    def verdict(self) -> str:
        return self.comparison.verdict


class Vectorized:
    """A function of arrays as one of a vector of real numbers; a complex number is two of them."""

    def __init__(self, f: Callable[..., Any], inputs: list[Array]) -> None:
        self.f = f
        self.inputs = inputs
        self.point = as_vector(inputs)
        ends = accumulate((as_vector([x]).size for x in inputs), initial=0)
        self.spans = [slice(start, end) for start, end in pairwise(ends)]

    def __call__(self, point: Array) -> Array:
        """Return all outputs, without a graph. The function gets arrays of its own."""
        arrays = [
            point[span].copy().view(x.dtype).reshape(x.shape)
            for span, x in zip(self.spans, self.inputs, strict=True)
        ]
        with no_grad():
            return as_vector(flatten(self.f(*map(Tensor, arrays))))

    def steps(self, eps: float) -> Array:
        return eps * np.maximum(1.0, np.abs(self.point))

    def coordinates(self, eps: float, directions: int | None) -> Iterator[Coordinate]:
        """Yield every element, or so many random directions in each argument."""
        generator = np.random.default_rng(0)
        steps = self.steps(eps)
        for argument, (x, span) in enumerate(zip(self.inputs, self.spans, strict=True)):
            size = span.stop - span.start
            if directions is None:
                for k in range(size):
                    one = slice(span.start + k, span.start + k + 1)
                    yield Coordinate(argument, _index(x, k), one, steps[one])
            else:
                for k in range(min(directions, size)):
                    random = generator.standard_normal(size)
                    yield Coordinate(argument, f"direction {k}", span, steps[span] * random)


def dtype_of(value: Any) -> np.dtype[Any]:
    return on_host(value).dtype


def in_double(value: Any) -> Array:
    """Return a copy in float64, or complex128."""
    array = on_host(value)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, order="C")


def as_vector(values: list[Any]) -> Array:
    """Return arrays as one vector of real numbers; a complex number is two of them."""
    return np.concatenate([np.zeros(0), *(in_double(value).ravel().view(np.float64) for value in values)])


def _index(x: Array, k: int) -> str:
    """Name the k-th real number of an array."""
    k, imaginary = divmod(k, 2) if x.dtype.kind == "c" else (k, None)
    index = str(tuple(map(int, np.unravel_index(k, x.shape))))
    return index if imaginary is None else f"{index} {'imag' if imaginary else 'real'}"


def check(
    f: Callable[..., Any],
    inputs: list[Array],
    names: list[str],
    order: int,
    tolerances: Tolerances,
    directions: int | None = None,
) -> Result:
    """Compare derivative after derivative, up to the first that is not right."""
    compared = 0
    notes = []
    for degree in range(1, order + 1):
        output, pull = vjp(f, *inputs)
        generator = np.random.default_rng(degree)
        weights = [_weights(leaf, generator) for leaf in flatten(output)]
        if degree == 1 and directions is None:
            size = as_vector(inputs).size + (as_vector(weights).size if order > 1 else 0)
            directions = DIRECTIONS if size > ELEMENTS else None
        gradient = as_vector(list(pull(rebuild(output, iter(weights)))))
        function = Vectorized(f, inputs)
        comparison = compare(function, gradient, as_vector(weights), tolerances, directions)
        compared += comparison.compared
        if comparison.verdict == "right" and comparison.differing:
            order_found = "no remainder" if comparison.order is None else f"order {comparison.order:.1f}"
            count = len(comparison.differing)
            notes.append(f"the step could not resolve {count}, and Taylor's test decided: {order_found}")
        if comparison.verdict != "right" or degree == order:
            break
        f = _gradient_of(f, len(inputs))
        names = names + [f"cotangent{number}" for number in range(len(weights))]
        inputs = inputs + weights
    return Result(comparison, degree, f, inputs, names, directions, compared, notes)


def _weights(output: Any, generator: np.random.Generator) -> Array:
    shape = np.shape(output)
    weights = np.asarray(generator.uniform(0.5, 1.5, shape))
    return weights + 1j * generator.uniform(0.5, 1.5, shape) if dtype_of(output).kind == "c" else weights


def _gradient_of(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return the gradient of f by its inputs, as a function of these and of the weights of its outputs."""

    def gradient(*values: Any) -> Any:
        output, pull = vjp(f, *values[:count])
        return pull(rebuild(output, iter(values[count:])))

    return gradient


def compare(
    function: Vectorized, gradient: Array, weights: Array, tolerances: Tolerances, directions: int | None
) -> Comparison:
    """Hold the gradient of the outputs, weighted and summed, against central differences.

    What differs is a kink if it lies between one-sided differences that disagree and keep disagreeing in
    a smaller step, or if these grow. If it differs by no more than the noise of the function, or by
    what depends on the step, Taylor's theorem decides.
    """
    with np.errstate(all="ignore"):  # a step may lead out of the domain
        check = _Check(function, gradient, weights, tolerances)
        if not np.array_equal(check.centre, function(function.point), equal_nan=True):
            return Comparison("random", 0, [])
        compared = 0
        kinds: dict[str, list[Derivative]] = {"wrong": [], "undefined": [], "unresolved": [], "kink": []}
        unresolved = np.zeros(function.point.size)  # a direction in which all of them take part
        generator = np.random.default_rng(1)
        for coordinate in function.coordinates(tolerances.eps, directions):
            compared += 1
            derivative = check.derivative(coordinate)
            if derivative.error <= tolerances.of(derivative.numeric):
                continue
            kind = check.kind(coordinate, derivative)
            kinds[kind].append(derivative)
            if kind == "unresolved":
                unresolved[coordinate.span] += coordinate.step * generator.standard_normal()
        if kinds["wrong"]:
            return Comparison("wrong", compared, kinds["wrong"])
        if kinds["undefined"]:
            return Comparison("noisy", compared, kinds["undefined"])
        verdict, order = "right", None
        if kinds["unresolved"]:
            verdict, order = check.by_taylor(unresolved / tolerances.eps)
        if verdict == "right" and kinds["kink"]:
            return Comparison("kink", compared, kinds["kink"])
        return Comparison(verdict, compared, kinds["unresolved"], order)


class _Check:
    """A function at its point, and the gradient there that is in question."""

    def __init__(self, function: Vectorized, gradient: Array, weights: Array, tolerances: Tolerances) -> None:
        self.function = function
        self.point = function.point
        self.gradient = gradient
        self.weights = weights
        self.tolerances = tolerances
        self.centre = function(function.point)

    def change(self, point: Array) -> float:
        """Return by how much the weighted outputs differ from those at the centre."""
        return float(self.weights @ (self.function(point) - self.centre))

    def moved(self, coordinate: Coordinate, factor: float) -> Array:
        point = self.point.copy()
        point[coordinate.span] += factor * coordinate.step
        return point

    def derivative(self, coordinate: Coordinate) -> Derivative:
        above, below = self.moved(coordinate, 1), self.moved(coordinate, -1)
        up, down = self.change(above), self.change(below)
        apart = (above - below)[coordinate.span]  # as far as rounding has let it
        distance = apart.item() / 2 if apart.size == 1 else self.tolerances.eps
        return Derivative(
            coordinate.argument,
            coordinate.where,
            float(self.gradient[coordinate.span] @ apart) / (2 * distance),
            (up - down) / (2 * distance),
            -down / distance,
            up / distance,
            distance,
        )

    def kind(self, coordinate: Coordinate, derivative: Derivative) -> str:
        """Say why a derivative may differ: a kink, something unresolved or undefined, or that it is wrong."""
        left, right = derivative.left, derivative.right
        if not np.isfinite(derivative.numeric):
            return "kink" if np.isfinite(left) != np.isfinite(right) else "undefined"
        up, down = (self.change(self.moved(coordinate, side / 16)) for side in (1, -1))
        if self.is_steep(coordinate, max(abs(up), abs(down))):
            return "kink"
        allowed = self.tolerances.of(derivative.numeric)
        between = min(left, right) - allowed <= derivative.analytic <= max(left, right) + allowed
        bent = abs(right - left) > allowed and (between or not np.isfinite(derivative.analytic))
        if bent and not self.is_smooth((right - left) * derivative.distance, up + down):
            return "kink"
        depends_on_step = (
            abs((up - down) / (derivative.distance / 8) - derivative.numeric) > derivative.error / 2
        )
        is_small = derivative.error * derivative.distance <= 10 * self.coarse_noise
        return "unresolved" if depends_on_step or is_small else "wrong"

    def is_steep(self, coordinate: Coordinate, near: float) -> bool:
        """Tell whether a smaller step changes nearly as much: at a jump, or a vertical tangent."""
        nearer = max(abs(self.change(self.moved(coordinate, side / 256))) for side in (1, -1))
        return near > 30 * self.noise and nearer > near / 8

    def is_smooth(self, bend: float, nearer: float) -> bool:
        """Tell whether a second difference is noise, or shrinks with the square of the step."""
        quadratic = abs(bend) / 1024 <= abs(nearer) + 10 * self.noise and abs(nearer) <= abs(bend) / 64
        return abs(bend) <= 30 * self.noise or quadratic

    @cached_property
    def noise(self) -> float:
        """The size of what is random in the changes within a step."""
        return self.noise_within(1)

    @cached_property
    def coarse_noise(self) -> float:
        """The same, together with jumps that are wider than a step: those of large numbers cancelled."""
        return max(self.noise, self.noise_within(100))

    def noise_within(self, factor: float) -> float:
        """Estimate the noise in so many steps, on the quieter side of the point: it may be at a kink."""
        signs = np.random.default_rng(2).choice([-1.0, 1.0], self.point.size)
        step = factor * self.function.steps(self.tolerances.eps) * signs
        above, below = (
            _noise([self.change(self.point + i * side * step) for i in range(1, 8)]) for side in (1, -1)
        )
        return float(np.fmax(np.fmin(above, below), self.rounding))

    @property
    def rounding(self) -> float:
        return ROUNDING * float(np.max(np.abs(self.weights * self.centre), initial=0))

    def by_taylor(self, direction: Array) -> tuple[str, float | None]:
        """Decide by the order of Taylor's remainder |f(x + hv) - f(x) - h g·v|: 2 if g is right, 1 if not.

        The order is that of the three smallest steps in a row whose remainder is more than noise. Without
        such, as for a linear function, the gradient is right if a step leaves less than the tolerance.
        (Farrell, Ham, Funke and Rognes, "Automated derivation of the adjoint of high-level transient finite
        element programs", 2013, verify adjoints so.)
        """
        moved = direction != 0
        slope = self.gradient[moved] @ direction[moved]
        steps = 2.0 ** -np.arange(1, 41)
        remainders, noises = np.full((2, len(steps)), np.nan)
        for k, h in enumerate(steps):
            points = [self.point + h * (1 + i / 8) * direction for i in range(7)]
            changes = [self.change(point) for point in points]
            if np.ptp(changes) > 0:  # else the step is too small to be seen
                expected = self.gradient[moved] @ (points[0] - self.point)[moved]
                remainders[k] = abs(changes[0] - expected)
                noises[k] = max(_noise(changes), self.rounding)
        seen = remainders > 100 * noises
        for k in reversed(range(len(steps) - 2)):
            if seen[k : k + 3].all():
                order = float(np.log2(remainders[k] / remainders[k + 2]) / 2)
                return "right" if order > 1.7 else "wrong" if order < 1.3 else "noisy", order
        small = (remainders + 10 * noises) / steps <= self.tolerances.of(slope)
        return "right" if small.any() else "noisy", None


def _noise(values: list[float]) -> float:
    """Estimate the noise in values at equal distances from their fourth differences.

    (Moré and Wild, "Estimating computational noise", 2011.)
    """
    return float(np.sqrt(np.mean(np.diff(values, 4) ** 2) / 70))
