"""graphgrad with what it records replayed: the same programs, wrapped in `jit`."""

from __future__ import annotations

import numpy as np
from work import OpChain, Program, Run, Training

from autograd import grad, jit
from contestants import graphgrad
from contestants.graphgrad import repeat, version

__all__ = ["ops", "programs", "steps", "version"]


def steps(task: Training) -> Run:
    return graphgrad.steps(task, jit)


def ops(task: OpChain) -> Run:
    function = jit(lambda x: task.forward(x, np.tanh))
    if task.backward:
        function = jit(grad(lambda x: np.sum(task.forward(x, np.tanh))))
    return repeat(function, task.data())


def programs(task: Program) -> Run:
    return graphgrad.programs(task, jit)
