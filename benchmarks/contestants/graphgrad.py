"""graphgrad, op by op."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from work import MOMENTUM, Array, Chain, OpChain, Program, Run, Training, add_ones

from autograd import Tensor, grad, hvp, jacobian
from nn import MLP, SGD, Adam, cross_entropy

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def version() -> str:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    return f"graphgrad {project['version']}"


def network(weights: list[Array], dropout: float = 0.0) -> MLP:
    """Return the network with given weights."""
    sizes = [weights[0].shape[0], *(bias.size for bias in weights[1::2])]
    model = MLP(sizes, dropout=dropout, generator=np.random.default_rng(3))
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data = weight
    return model


def steps(task: Training, wrap: Wrap = lambda f: f) -> Run:
    model = network(task.weights(), task.dropout)
    parameters = model.parameters()
    if task.optimizer == "Adam":
        optimizer: SGD | Adam = Adam(parameters, task.rate)
    else:
        optimizer = SGD(parameters, task.rate, MOMENTUM)

    def step(x: Array, labels: Array) -> Any:
        loss = cross_entropy(model(Tensor(x)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return repeat(wrap(step), *task.data())


def repeat(function: Callable[..., Any], *args: Any) -> Run:
    """Return a function that calls `function` so many times."""

    def run(count: int) -> Any:
        for _ in range(count):
            result = function(*args)
        return result.data if isinstance(result, Tensor) else result

    return run


def ops(task: OpChain) -> Run:
    x = Tensor(task.data(), requires_grad=True)

    def chain() -> Any:
        y = task.forward(x, np.tanh)
        if not task.backward:
            return y
        x.grad = None
        np.sum(y).backward()
        return x.grad

    return repeat(chain)


def chains(ops: int) -> Chain:
    x: Tensor = Tensor([1.0], requires_grad=True)

    def backward(y: Tensor) -> float:
        x.grad = None
        y.backward()
        assert x.grad is not None
        return float(x.grad.item())

    return Chain(lambda: add_ones(x, ops), backward, np.ones(1))


def programs(task: Program, wrap: Wrap = lambda f: f) -> Run:
    f = task.bind(np)
    if task.kind == "hessian-vector product":
        return repeat(wrap(hvp(f)), task.x, task.vector)
    return repeat(wrap(grad(f) if task.kind == "gradient" else jacobian(f)), task.x)
