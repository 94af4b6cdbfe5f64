"""PyTorch with `torch.compile` around the forward computation, which compiles the backward one as well."""

from __future__ import annotations

from functools import partial

import torch
from work import OpChain, Program, Run, Training

from contestants import pytorch
from contestants.pytorch import repeat, version

__all__ = ["ops", "programs", "steps", "version"]

# One shape per task: a second task's must not make the compiler generalize over both.
compiled = partial(torch.compile, dynamic=False)


def steps(task: Training) -> Run:
    return pytorch.steps(task, compiled)


def ops(task: OpChain) -> Run:
    return pytorch.ops(task, compiled)


def programs(task: Program) -> Run:
    torch.set_num_threads(1)
    f = task.bind(torch, torch.from_numpy)
    x = torch.from_numpy(task.x)
    if task.vector is not None:
        gradient = torch.func.grad(f)
        product = compiled(lambda x, vector: torch.func.jvp(gradient, (x,), (vector,))[1])
        return repeat(product, x, torch.from_numpy(task.vector))
    transform = torch.func.grad if task.kind == "gradient" else torch.func.jacrev
    return repeat(compiled(transform(f)), x)
