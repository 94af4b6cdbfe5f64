"""NumPy, with the gradients written down by hand, in place wherever that saves memory and time."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
from work import BETA1, BETA2, EPSILON, MOMENTUM, Array, Classifier, Run, Training

from contestants import by_hand
from contestants.by_hand import version

__all__ = ["adam", "classifier", "dropout_masks", "sgd", "steps", "version"]


def sgd(weights: list[Array]) -> Callable[[list[Array], float], None]:
    """Return SGD with momentum: a function that changes the weights in place, and uses up the gradients."""
    velocities = [np.zeros_like(weight) for weight in weights]

    def update(gradients: list[Array], rate: float) -> None:
        for w, v, g in zip(weights, velocities, gradients, strict=True):
            v *= MOMENTUM
            v += g
            w -= np.multiply(v, rate, out=g)

    return update


def adam(weights: list[Array]) -> Callable[[list[Array], float], None]:
    """Return Adam: a function that changes the weights in place, and uses up the gradients."""
    means, squares = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    step = 0

    def update(gradients: list[Array], rate: float) -> None:
        nonlocal step
        step += 1
        for w, m, s, g in zip(weights, means, squares, gradients, strict=True):
            m *= BETA1
            m += (1 - BETA1) * g
            s *= BETA2
            g *= g
            g *= 1 - BETA2
            s += g
            np.sqrt(s, out=g)
            g *= 1 / sqrt(1 - BETA2**step)
            g += EPSILON
            np.divide(m, g, out=g)
            g *= rate / (1 - BETA1**step)
            w -= g

    return update


def dropout_masks(task: Training, generator: np.random.Generator) -> list[Array]:
    """Return what multiplies each hidden layer of a step with dropout."""
    if not task.dropout:
        return []
    shapes = [(task.batch, width) for width in task.sizes[1:-1]]
    kept = (generator.random(shape, np.float32) >= task.dropout for shape in shapes)
    return [mask * np.float32(1 / (1 - task.dropout)) for mask in kept]


def gradients_of(
    weights: list[Array], x: Array, labels: Array, dropout: float, generator: np.random.Generator | None
) -> tuple[float, list[Array]]:
    """Return the loss and the gradients of all weights."""
    inputs, masks = [x], []
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        a = inputs[-1] @ w
        a += b
        np.maximum(a, 0, out=a)
        if generator is not None:
            mask = generator.random(a.shape, np.float32) >= dropout
            a *= mask
            a *= 1 / (1 - dropout)
            masks.append(mask)
        inputs.append(a)
    p = inputs[-1] @ weights[-2]
    p += weights[-1]
    p -= p.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = float(-np.log(p[rows, labels]).mean())
    p[rows, labels] -= 1
    p /= len(x)
    gradients = [p.sum(0), inputs[-1].T @ p]
    d = p
    for layer in range(len(inputs) - 2, -1, -1):
        d = d @ weights[2 * layer + 2].T
        d *= inputs[layer + 1] > 0  # what was dropped is 0 there, too
        if generator is not None:
            d *= 1 / (1 - dropout)
        gradients += [d.sum(0), inputs[layer].T @ d]
    return loss, gradients[::-1]


def steps(task: Training) -> Run:
    return by_hand.trained(task, gradients_of, sgd, adam)


def classifier(weights: list[Array]) -> Classifier:
    update = sgd(weights)

    def step(pixels: Array, labels: Array, rate: float) -> None:
        update(gradients_of(weights, pixels, labels, 0.0, None)[1], rate)

    return step, lambda pixels: by_hand.forward(weights, pixels)[0][-1]
