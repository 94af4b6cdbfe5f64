"""HIPS autograd, with our import name and so a folder of its own; updates are those of NumPy in place."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version as installed
from typing import Any

import numpy as np
from work import Array, Chain, OpChain, Program, Run, Training

from contestants import in_place

# Spelt so that nobody who reads or checks this file takes it for our package.
autograd = import_module("autograd")
anp = import_module("autograd.numpy")
make_vjp = import_module("autograd.core").make_vjp


def version() -> str:
    return f"HIPS autograd {installed('autograd')}"


def loss_of(weights: Any, x: Array, labels: Array, masks: list[Array]) -> Any:
    for layer in range(0, len(weights) - 2, 2):
        x = anp.maximum(anp.dot(x, weights[layer]) + weights[layer + 1], 0)
        if masks:
            x = x * masks[layer // 2]
    logits = anp.dot(x, weights[-2]) + weights[-1]
    shifted = logits - anp.max(logits, axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - picked)


def steps(task: Training) -> Run:
    weights = task.weights()
    x, labels = task.data()
    update = (in_place.adam if task.optimizer == "Adam" else in_place.sgd)(weights)
    value_and_grad = autograd.value_and_grad(loss_of)
    generator = np.random.default_rng(3)

    def run(count: int) -> float:
        for _ in range(count):
            masks = in_place.dropout_masks(task, generator)
            loss, gradients = value_and_grad(weights, x, labels, masks)
            update(gradients, task.rate)
        return float(loss)

    return run


def repeat(function: Callable[..., Any], *args: Any) -> Run:
    """Return a function that calls `function` so many times."""

    def run(count: int) -> Any:
        for _ in range(count):
            result = function(*args)
        return result

    return run


def ops(task: OpChain) -> Run:
    def chain(x: Any) -> Any:
        return task.forward(x, anp.tanh)

    if task.backward:
        return repeat(autograd.grad(lambda x: anp.sum(chain(x))), task.data())
    # Forward is what records; a plain call of the function would be NumPy and nothing else.
    return repeat(lambda x: make_vjp(chain, x)[1], task.data())


def chains(ops: int) -> Chain:
    def function(x: Any) -> Any:
        for _ in range(ops):
            x = x + 1.0
        return x

    one = np.ones(1)
    return Chain(lambda: make_vjp(function, one)[0], lambda vjp: float(vjp(one)[0]), one)


def programs(task: Program) -> Run:
    f = task.bind(anp)
    if task.vector is not None:
        return repeat(autograd.hessian_vector_product(f), task.x, task.vector)
    return repeat((autograd.grad if task.kind == "gradient" else autograd.jacobian)(f), task.x)
