"""JAX, each task compiled whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from work import BETA1, BETA2, EPSILON, MOMENTUM, Array, Classifier, OpChain, Program, Run, Training

jax.config.update("jax_enable_x64", True)


def version() -> str:
    return f"JAX {jax.__version__}"


def logits(weights: list[Any], x: Any, dropout: float = 0.0, key: Any = None) -> Any:
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = jnp.maximum(x @ w + b, 0)
        if dropout:
            key, part = jax.random.split(key)
            x = x * jax.random.bernoulli(part, 1 - dropout, x.shape) / np.float32(1 - dropout)
    return x @ weights[-2] + weights[-1]


def loss_of(weights: list[Any], x: Any, labels: Any, dropout: float = 0.0, key: Any = None) -> Any:
    rows = jax.nn.log_softmax(logits(weights, x, dropout, key))
    return -jnp.mean(jnp.take_along_axis(rows, labels[:, None], 1))


def sgd(weights: list[Any], gradients: list[Any], state: list[Any], rate: Any) -> tuple[list[Any], list[Any]]:
    velocities = [MOMENTUM * v + g for v, g in zip(state, gradients, strict=True)]
    return [w - rate * v for w, v in zip(weights, velocities, strict=True)], velocities


def adam(weights: list[Any], gradients: list[Any], state: Any, rate: Any) -> tuple[list[Any], Any]:
    count, means, squares = state
    count = count + 1
    means = [BETA1 * m + (1 - BETA1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [BETA2 * s + (1 - BETA2) * g * g for s, g in zip(squares, gradients, strict=True)]
    unbias, root = 1 / (1 - BETA1**count), 1 / jnp.sqrt(1 - BETA2**count)
    new = [
        w - rate * unbias * m / (jnp.sqrt(s) * root + EPSILON)
        for w, m, s in zip(weights, means, squares, strict=True)
    ]
    return new, (count, means, squares)


def steps(task: Training) -> Run:
    weights = [jnp.asarray(weight) for weight in task.weights()]
    zeros = [jnp.zeros_like(weight) for weight in weights]
    state: Any = zeros
    if task.optimizer == "Adam":
        state = jnp.float32(0), zeros, [jnp.zeros_like(weight) for weight in weights]
    update: Callable[..., Any] = adam if task.optimizer == "Adam" else sgd
    x, labels = map(jnp.asarray, task.data())

    def step(weights: Any, state: Any, key: Any) -> Any:
        key, part = jax.random.split(key) if task.dropout else (key, key)
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, labels, task.dropout, part)
        return loss, *update(weights, gradients, state, task.rate), key

    compiled = jax.jit(step, donate_argnums=(0, 1, 2))
    key = jax.random.key(3)

    def run(count: int) -> float:
        nonlocal weights, state, key
        for _ in range(count):
            loss, weights, state, key = compiled(weights, state, key)
        jax.block_until_ready(weights)
        return float(loss)

    return run


def repeat(function: Callable[..., Any], *args: Any) -> Run:
    """Return a function that calls `function` so many times."""

    def run(count: int) -> Array:
        for _ in range(count):
            result = jax.block_until_ready(function(*args))
        return np.asarray(result)

    return run


def ops(task: OpChain) -> Run:
    def chain(x: Any) -> Any:
        return task.forward(x, jnp.tanh)

    function = jax.grad(lambda x: jnp.sum(chain(x))) if task.backward else chain
    return repeat(jax.jit(function), jnp.asarray(task.data()))


def programs(task: Program) -> Run:
    f = task.bind(jnp, jnp.asarray)
    x = jnp.asarray(task.x)
    if task.vector is not None:
        product = jax.jit(lambda x, vector: jax.jvp(jax.grad(f), (x,), (vector,))[1])
        return repeat(product, x, jnp.asarray(task.vector))
    return repeat(jax.jit((jax.grad if task.kind == "gradient" else jax.jacrev)(f)), x)


def classifier(weights: list[Array]) -> Classifier:
    parameters = [jnp.asarray(weight) for weight in weights]
    velocities = [jnp.zeros_like(weight) for weight in parameters]

    def new(parameters: Any, velocities: Any, x: Any, labels: Any, rate: Any) -> Any:
        return sgd(parameters, jax.grad(loss_of)(parameters, x, labels), velocities, rate)

    compiled, outputs = jax.jit(new, donate_argnums=(0, 1)), jax.jit(logits)

    def step(pixels: Array, labels: Array, rate: float) -> None:
        nonlocal parameters, velocities
        parameters, velocities = compiled(parameters, velocities, pixels, labels, np.float32(rate))

    return step, lambda pixels: np.asarray(outputs(parameters, pixels))
