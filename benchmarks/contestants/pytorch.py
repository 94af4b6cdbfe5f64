"""PyTorch, op by op. Training steps have all cores; where arrays are small it is faster with one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from work import (
    BETA1,
    BETA2,
    EPSILON,
    MOMENTUM,
    Array,
    Chain,
    Classifier,
    OpChain,
    Program,
    Run,
    Training,
    add_ones,
)

ALL_CORES = torch.get_num_threads()

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def version() -> str:
    return f"PyTorch {torch.__version__}"


def network(weights: list[Array], dropout: float = 0.0) -> Any:
    """Return the network with given weights (inputs, outputs) and biases."""
    sizes = [weights[0].shape[0], *(bias.size for bias in weights[1::2])]
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        if dropout:
            layers.append(torch.nn.Dropout(dropout))
    model = torch.nn.Sequential(*layers[: -2 if dropout else -1])
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(weight.T))
    return model


def sgd(model: Any, rate: float) -> Any:
    return torch.optim.SGD(model.parameters(), rate, MOMENTUM, fused=True)


def repeat(function: Callable[..., Any], *args: Any) -> Run:
    """Return a function that calls `function` so many times."""

    def run(count: int) -> Any:
        for _ in range(count):
            result = function(*args)
        return result.detach().numpy()

    return run


def steps(task: Training, wrap: Wrap = lambda f: f) -> Run:
    torch.set_num_threads(ALL_CORES)
    model = network(task.weights(), task.dropout)
    if task.optimizer == "Adam":
        rates = (BETA1, BETA2)
        optimizer = torch.optim.Adam(model.parameters(), task.rate, rates, EPSILON, fused=True)
    else:
        optimizer = sgd(model, task.rate)
    loss_of = wrap(lambda x, labels: torch.nn.functional.cross_entropy(model(x), labels))

    def step(x: Any, labels: Any) -> Any:
        loss = loss_of(x, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return repeat(step, *map(torch.from_numpy, task.data()))


def ops(task: OpChain, wrap: Wrap = lambda f: f) -> Run:
    torch.set_num_threads(1)
    x = torch.from_numpy(task.data()).requires_grad_()
    forward = wrap(lambda x: task.forward(x, torch.tanh))

    def chain() -> Any:
        y = forward(x)
        if not task.backward:
            return y
        x.grad = None
        y.sum().backward()
        return x.grad

    return repeat(chain)


def chains(ops: int) -> Chain:
    torch.set_num_threads(1)
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)

    def backward(y: Any) -> float:
        x.grad = None
        y.backward()
        return float(x.grad.item())

    return Chain(lambda: add_ones(x, ops), backward)


def programs(task: Program) -> Run:
    torch.set_num_threads(1)
    f = task.bind(torch, torch.from_numpy)

    def gradient(x: Any, create_graph: bool = False) -> Any:
        return torch.autograd.grad(f(x), x, create_graph=create_graph)[0]

    def product(x: Any, vector: Any) -> Any:
        return torch.autograd.grad(gradient(x, create_graph=True) @ vector, x)[0]

    def jacobian(x: Any) -> Any:
        return torch.autograd.functional.jacobian(f, x, vectorize=True)

    x = torch.from_numpy(task.x).requires_grad_()
    if task.vector is not None:
        return repeat(product, x, torch.from_numpy(task.vector))
    return repeat(gradient if task.kind == "gradient" else jacobian, x)


def classifier(weights: list[Array]) -> Classifier:
    model = network(weights)
    optimizer = sgd(model, 0.0)

    def step(pixels: Array, labels: Array, rate: float) -> None:
        optimizer.param_groups[0]["lr"] = rate
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(pixels)), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def logits(pixels: Array) -> Array:
        with torch.no_grad():
            return model(torch.from_numpy(pixels)).numpy()  # type: ignore[no-any-return]

    return step, logits
