"""The work of the contest: sizes, data, first weights, programs. Everyone gets the same arrays from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Run = Callable[[int], Any]
"""Does a task so many times, and returns the last result: a number or an array."""

# ---------------------------------------------------------------------------------- training steps

MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
DROPOUT = 0.15


@dataclass(frozen=True)
class Training:
    """A training step of a network with relu between its layers, softmax and cross-entropy, in float32."""

    sizes: tuple[int, ...]
    batch: int
    optimizer: str
    dropout: float

    @property
    def rate(self) -> float:
        return 0.001 if self.optimizer == "Adam" else 0.01

    def data(self) -> tuple[Array, Array]:
        """Return inputs (batch, inputs) from 0 to 1 and labels (batch,)."""
        generator = np.random.default_rng(1)
        x = generator.random((self.batch, self.sizes[0]), np.float32)
        return x, generator.integers(0, self.sizes[-1], self.batch)

    def weights(self, seed: int = 2) -> list[Array]:
        """Return He's first weights (inputs, outputs) and biases (outputs,), layer by layer."""
        generator = np.random.default_rng(seed)
        weights: list[Array] = []
        for inputs, outputs in pairwise(self.sizes):
            weight = generator.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
            weights += [weight.astype(np.float32), np.zeros(outputs, np.float32)]
        return weights


SMALL, LARGE = (784, 256, 128, 10), (784, 1024, 1024, 1024, 10)


def _trainings() -> dict[str, Training]:
    trainings = {}
    sizes = [(SMALL, 32), (SMALL, 128), (SMALL, 512), (LARGE, 256)]
    for (widths, batch), optimizer, dropout in product(sizes, ("SGD", "Adam"), (0.0, DROPOUT)):
        name = f"{'-'.join(map(str, widths))}, batch {batch}, {optimizer}{', dropout' if dropout else ''}"
        trainings[name] = Training(widths, batch, optimizer, dropout)
    return trainings


STEPS = _trainings()

# Memory does not depend much on the optimizer: one is enough.
MEMORY = {name: step for name, step in STEPS.items() if step.optimizer == "SGD" and not step.dropout}

# --------------------------------------------------------------------------------------- single ops


@dataclass(frozen=True)
class OpChain:
    """Ops on `elements` numbers in float64, alternately tanh and + 1, with the gradient of their sum or not.

    There are few enough of them for the gradient, about 0.08 of itself per pair, to stay a normal number.
    """

    elements: int
    ops: int
    backward: bool

    def data(self) -> Array:
        return np.linspace(-1, 1, self.elements) if self.elements > 1 else np.ones(1)

    def forward(self, x: Any, tanh: Callable[[Any], Any]) -> Any:
        for _ in range(self.ops // 2):
            x = tanh(x) + 1.0
        return x


OPS = {
    f"{elements:,} element{'s' * (elements > 1)}, forward{' and backward' * backward}": OpChain(
        elements, 200 if elements < 100_000 else 20, backward
    )
    for elements, backward in product((1, 1_000, 100_000), (False, True))
}

# ------------------------------------------------------------------------------------------- chains


class Chain(NamedTuple):
    """How to build a graph of `y + 1.0` on one element, and to go back through it."""

    build: Callable[[], Any]
    """Return the graph: when it is let go, its memory is free."""
    backward: Callable[[Any], float]
    """Return the gradient, which is 1."""
    array: Any = None
    """One element without a graph, to see what arrays alone take; None where the graph does not keep them."""


def add_ones(y: Any, ops: int) -> Any:
    """Return the end of a chain of so many ops."""
    for _ in range(ops):
        y = y + 1.0
    return y


CHAINS = {f"{ops:,} ops": ops for ops in (1_000, 10_000, 100_000, 1_000_000)}

# ------------------------------------------------------------------------------- scientific programs
# Written once: `xp` is NumPy, or the module that stands in for it. Constants are made with `constant`.

BODIES, LEAPS, TIME_STEP, SOFTENING = 10, 20, 0.01, 0.1
RUNGE_KUTTA_STEPS, DURATION = 50, 2.0


@dataclass(frozen=True)
class Program:
    """A derivative of a function of one array: its gradient, Jacobian, or Hessian times a vector."""

    kind: str
    function: Callable[[Any, Callable[[Array], Any], Any], Any]
    x: Array
    vector: Array | None = None

    def bind(self, xp: Any, constant: Callable[[Array], Any] = lambda array: array) -> Callable[[Any], Any]:
        """Return the function of x alone."""
        return lambda x: self.function(xp, constant, x)


def _numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def n_body(xp: Any, constant: Callable[[Array], Any], positions: Any) -> Any:
    """Return the sum of the squared positions (bodies, 3) after some leapfrog steps under gravity."""
    velocities = constant(0.1 * _numbers(11, BODIES, 3))
    masses = constant(np.linspace(0.5, 1.5, BODIES).reshape(1, BODIES, 1))

    def accelerations(p: Any) -> Any:
        apart = xp.reshape(p, (1, BODIES, 3)) - xp.reshape(p, (BODIES, 1, 3))
        squares = xp.sum(apart * apart, -1) + SOFTENING**2
        return xp.sum(masses * apart * xp.reshape(squares**-1.5, (BODIES, BODIES, 1)), 1)

    pull = accelerations(positions)
    for _ in range(LEAPS):
        velocities = velocities + TIME_STEP / 2 * pull
        positions = positions + TIME_STEP * velocities
        pull = accelerations(positions)
        velocities = velocities + TIME_STEP / 2 * pull
    return xp.sum(positions * positions)


def ode(xp: Any, constant: Callable[[Array], Any], w: Any) -> Any:
    """Return |y|^2 at the end of y' = tanh(W y), by the classical Runge-Kutta method."""
    y = constant(np.linspace(-1, 1, len(w)))
    h = DURATION / RUNGE_KUTTA_STEPS

    def slope(y: Any) -> Any:
        return xp.tanh(w @ y)

    for _ in range(RUNGE_KUTTA_STEPS):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return xp.sum(y * y)


def rosenbrock(xp: Any, constant: Callable[[Array], Any], x: Any) -> Any:
    """Return Rosenbrock's function in as many variables as x has."""
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gated(xp: Any, constant: Callable[[Array], Any], x: Any) -> Any:
    """Return tanh(A x) * x."""
    return xp.tanh(constant(0.1 * _numbers(12, len(x), len(x))) @ x) * x


PROGRAMS = {
    "gradient of a 10-body simulation": Program("gradient", n_body, _numbers(13, BODIES, 3)),
    "gradient of an ODE solve": Program("gradient", ode, 0.5 * _numbers(14, 8, 8)),
    "Hessian-vector product, 100 variables": Program(
        "hessian-vector product", rosenbrock, _numbers(15, 100), _numbers(16, 100)
    ),
    "Jacobian, 100x100": Program("jacobian", gated, _numbers(17, 100)),
}

# -------------------------------------------------------------------------------------------- MNIST

EPOCHS, BATCH, PEAK_RATE, AT_ONCE = 3, 128, 0.2, 500

Classifier = tuple[Callable[[Array, Array, float], Any], Callable[[Array], Array]]
"""A training step with (pixels, labels, learning rate), and the logits of pixels."""


def train_on_mnist(folder: str | None, seed: int, classifier: Callable[[list[Array]], Classifier]) -> float:
    """Train as train.py does, look at all images after each epoch as it does, return the test accuracy."""
    # Data and schedule have nothing to do with gradients: everyone uses ours.
    from nn.data import batches, load_mnist, scale_pixels
    from nn.schedules import one_cycle

    data = load_mnist(folder)
    step, logits = classifier(Training(SMALL, BATCH, "SGD", 0.0).weights(seed))
    generator = np.random.default_rng(seed)
    schedule = one_cycle(PEAK_RATE, EPOCHS * -(-len(data.train_images) // BATCH))
    taken = 0
    accuracy = 0.0

    def measure(images: Array, labels: Array) -> float:
        right = 0
        for start in range(0, len(images), AT_ONCE):
            outputs = logits(scale_pixels(images[start : start + AT_ONCE], data.levels))
            right += int(np.sum(np.argmax(outputs, axis=1) == labels[start : start + AT_ONCE]))
        return right / len(images)

    for _ in range(EPOCHS):
        for pixels, labels in batches(data.train_images, data.train_labels, BATCH, data.levels, generator):
            step(pixels, labels, schedule(taken))
            taken += 1
        measure(data.train_images, data.train_labels)
        accuracy = measure(data.test_images, data.test_labels)
    return accuracy
