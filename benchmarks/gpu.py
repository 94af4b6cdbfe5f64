"""Compare a training step on a GPU with PyTorch's, eager and compiled, on the same card.

    pip install -e '.[gpu]' torch
    python benchmarks/gpu.py

The network is 784-1024-1024-1024-10 in float32 (no TF32), trained by SGD with momentum, from the same weights
on the same batch; before anything is timed, the losses after 100 steps must agree to 1e-3. Contestants have
their turns in rounds, timed by events of the device; what counts is the median. A table is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import work

STEPS = 100  # before the losses are compared
TURN = 20  # steps of a turn


class Contestant:
    """A network, its optimizer, and how the device is asked for the time."""

    def __init__(
        self, name: str, loss: Callable[[], Any], optimizer: Any, clock: Callable[..., float]
    ) -> None:
        self.name = name
        self.loss = loss
        self.optimizer = optimizer
        self.clock = clock

    def step(self) -> Any:
        """Take a training step; return the loss."""
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def time(self) -> float:
        """Return the seconds that a step takes, from the mean of some."""
        return self.clock(lambda: [self.step() for _ in range(TURN)]) / TURN


def ours(task: work.Training, device: str) -> Contestant:
    """Return graphgrad, which records the graph of each step."""
    from autograd import Tensor
    from nn import MLP, SGD, cross_entropy

    x, labels = task.data()
    model = MLP(task.sizes, generator=np.random.default_rng(0))
    names = [name for name, _ in model.named_parameters()]
    model.load_state_dict(dict(zip(names, task.weights(), strict=True)))
    model.to(device)
    optimizer = SGD(model.parameters(), task.rate, momentum=work.MOMENTUM)
    inputs = Tensor(x).to(device)

    def by_events(run: Callable[[], Any]) -> float:
        import cupy

        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        run()
        end.record()
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1e3

    clock = by_clock if device == "cpu" else by_events
    return Contestant("graphgrad", lambda: cross_entropy(model(inputs), labels), optimizer, clock)


def pytorch(task: work.Training, device: str, compiled: bool = False) -> Contestant:
    """Return PyTorch with its fused optimizer; if compiled, the loss and its gradients as CUDA graphs."""
    import torch

    layers: list[Any] = []
    weights = [torch.tensor(weight, device=device) for weight in task.weights()]
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        layer = torch.nn.Linear(*weight.shape, device=device)
        with torch.no_grad():
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias)
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), task.rate, momentum=work.MOMENTUM, fused=True)
    inputs, labels = (torch.tensor(array, device=device) for array in task.data())

    def loss() -> Any:
        return torch.nn.functional.cross_entropy(model(inputs), labels)

    def by_events(run: Callable[[], Any]) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    clock = by_clock if device == "cpu" else by_events
    if compiled:
        return Contestant("PyTorch compiled", torch.compile(loss, mode="reduce-overhead"), optimizer, clock)
    return Contestant("PyTorch eager", loss, optimizer, clock)


def by_clock(run: Callable[[], Any]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cpu is for trying this out (%(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 8192], help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="in which each has a turn (%(default)s)")
    arguments = parser.parse_args()
    print("| batch | contestant | loss after 100 steps | ms a step | over ours |\n|---|---|---|---|---|")
    for batch in arguments.batches:
        task = work.Training(work.LARGE, batch, "SGD", 0.0)
        device = arguments.device
        contestants = [ours(task, device), pytorch(task, device), pytorch(task, device, compiled=True)]
        losses = [[float(each.step().item()) for _ in range(STEPS)][-1] for each in contestants]
        for each, loss in zip(contestants, losses, strict=True):
            if not abs(loss - losses[0]) <= 1e-3 * abs(losses[0]):
                raise SystemExit(f"{each.name} has the loss {loss} at batch {batch}, and ours is {losses[0]}")
        times: list[list[float]] = [[] for _ in contestants]
        for _ in range(arguments.rounds):
            for each, found in zip(contestants, times, strict=True):
                found.append(each.time())
        for each, loss, found in zip(contestants, losses, times, strict=True):
            ratio = median(other / own for other, own in zip(found, times[0], strict=True))
            print(f"| {batch:,} | {each.name} | {loss:.5f} | {1e3 * median(found):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
