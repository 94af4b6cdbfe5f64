"""NumPy, with the gradients written down by hand, as one writes it at first."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from work import BETA1, BETA2, EPSILON, MOMENTUM, Array, Classifier, OpChain, Run, Training

Update = Callable[[list[Array]], Callable[[list[Array], float], None]]
"""Makes, for a list of weights, the function that changes it by gradients and a rate."""


def version() -> str:
    return f"NumPy {np.__version__}"


def sgd(weights: list[Array]) -> Callable[[list[Array], float], None]:
    """Return SGD with momentum: a function that changes the list of weights."""
    velocities = [np.zeros_like(weight) for weight in weights]

    def update(gradients: list[Array], rate: float) -> None:
        for i, g in enumerate(gradients):
            velocities[i] = MOMENTUM * velocities[i] + g
            weights[i] = weights[i] - rate * velocities[i]

    return update


def adam(weights: list[Array]) -> Callable[[list[Array], float], None]:
    """Return Adam: a function that changes the list of weights."""
    means, squares = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    step = 0

    def update(gradients: list[Array], rate: float) -> None:
        nonlocal step
        step += 1
        for i, g in enumerate(gradients):
            means[i] = BETA1 * means[i] + (1 - BETA1) * g
            squares[i] = BETA2 * squares[i] + (1 - BETA2) * g**2
            mean = means[i] / (1 - BETA1**step)
            weights[i] = weights[i] - rate * mean / (np.sqrt(squares[i]) / sqrt(1 - BETA2**step) + EPSILON)

    return update


def forward(
    weights: list[Array], x: Array, dropout: float = 0.0, generator: np.random.Generator | None = None
) -> tuple[list[Array], list[Array]]:
    """Return the inputs of all layers with the logits, and what each relu and dropout multiplied by."""
    inputs, factors = [x], []
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        z = inputs[-1] @ w + b
        a = np.maximum(z, 0)
        factor: Array = z > 0
        if generator is not None:
            mask = (generator.random(a.shape, np.float32) >= dropout) / np.float32(1 - dropout)
            a = a * mask
            factor = factor * mask
        inputs.append(a)
        factors.append(factor)
    inputs.append(inputs[-1] @ weights[-2] + weights[-1])
    return inputs, factors


def gradients_of(
    weights: list[Array],
    x: Array,
    labels: Array,
    dropout: float = 0.0,
    generator: np.random.Generator | None = None,
) -> tuple[float, list[Array]]:
    """Return the loss and the gradients of all weights."""
    (*inputs, logits), factors = forward(weights, x, dropout, generator)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = float(-np.log(p[np.arange(len(x)), labels]).mean())
    d = (p - np.eye(p.shape[1], dtype=p.dtype)[labels]) / len(x)
    gradients = [d.sum(0), inputs[-1].T @ d]
    for w, a, factor in zip(weights[-2:1:-2], inputs[-2::-1], reversed(factors), strict=True):
        d = d @ w.T * factor
        gradients += [d.sum(0), a.T @ d]
    return loss, gradients[::-1]


def trained(task: Training, gradients_of: Callable[..., Any], sgd: Update, adam: Update) -> Run:
    """Return the training steps of a task, made of their parts."""
    weights = task.weights()
    x, labels = task.data()
    update = (adam if task.optimizer == "Adam" else sgd)(weights)
    generator = np.random.default_rng(3) if task.dropout else None

    def run(count: int) -> float:
        for _ in range(count):
            loss, gradients = gradients_of(weights, x, labels, task.dropout, generator)
            update(gradients, task.rate)
        return float(loss)

    return run


def steps(task: Training) -> Run:
    return trained(task, gradients_of, sgd, adam)


def ops(task: OpChain) -> Run:
    x = task.data()

    def chain() -> Array:
        if not task.backward:
            return task.forward(x, np.tanh)  # type: ignore[no-any-return]
        y, kept = x, []
        for _ in range(task.ops // 2):
            t = np.tanh(y)
            kept.append(t)
            y = t + 1.0
        g = np.ones_like(y)
        for t in reversed(kept):
            g = g * (1 - t * t)
        return g

    def run(count: int) -> Array:
        for _ in range(count):
            result = chain()
        return result

    return run


def classifier(weights: list[Array]) -> Classifier:
    update = sgd(weights)

    def step(pixels: Array, labels: Array, rate: float) -> None:
        update(gradients_of(weights, pixels, labels)[1], rate)

    return step, lambda pixels: forward(weights, pixels)[0][-1]
