"""MyGrad, without its memory guard, as its manual advises for speed; updates are those of NumPy in place."""

from __future__ import annotations

from typing import Any

import mygrad
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.losses import softmax_crossentropy
from work import Array, Chain, OpChain, Program, Run, Training, add_ones

from contestants import in_place

mygrad.turn_memory_guarding_off()


def version() -> str:
    return f"MyGrad {mygrad.__version__}"


def steps(task: Training) -> Run:
    parameters = [mygrad.tensor(weight) for weight in task.weights()]
    x, labels = task.data()
    weights = [parameter.data for parameter in parameters]
    update = (in_place.adam if task.optimizer == "Adam" else in_place.sgd)(weights)
    generator = np.random.default_rng(3)

    def run(count: int) -> float:
        for _ in range(count):
            a: Any = x
            masks = in_place.dropout_masks(task, generator)
            for layer in range(0, len(parameters) - 2, 2):
                a = relu(mygrad.matmul(a, parameters[layer]) + parameters[layer + 1])
                if masks:
                    a = a * masks[layer // 2]
            loss = softmax_crossentropy(mygrad.matmul(a, parameters[-2]) + parameters[-1], labels)
            loss.backward()
            update([parameter.grad for parameter in parameters], task.rate)
        return float(loss)

    return run


def ops(task: OpChain) -> Run:
    x = mygrad.tensor(task.data())

    def run(count: int) -> Array:
        for _ in range(count):
            y = task.forward(x, mygrad.tanh)
            if task.backward:
                y.sum().backward()
        return x.grad if task.backward else y.data  # type: ignore[no-any-return]

    return run


def chains(ops: int) -> Chain:
    x = mygrad.tensor([1.0])

    def backward(y: Any) -> float:
        y.backward()
        return float(x.grad[0])

    return Chain(lambda: add_ones(x, ops), backward, np.ones(1))


def programs(task: Program) -> Run:
    if task.vector is not None:
        raise NotImplementedError("MyGrad has first derivatives only")
    f = task.bind(mygrad)
    x = mygrad.tensor(task.x)

    def derivative() -> Array:
        if task.kind == "gradient":
            f(x).backward()
            return x.grad  # type: ignore[no-any-return]
        rows = []
        for i in range(len(task.x)):  # its graph can be gone through once
            f(x)[i].backward()
            rows.append(x.grad)
        return np.stack(rows)

    def run(count: int) -> Array:
        for _ in range(count):
            result = derivative()
        return result

    return run
