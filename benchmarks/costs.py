"""Print what the engine costs: a training step against hand-written NumPy, an op, a long chain, the import.

    python benchmarks/costs.py

Every comparison runs in turn within this one process (A B A B ...), with the median of the ratios, so
that a change in the machine's speed meets both sides. PyTorch is measured beside us where it is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from autograd import Tensor, draw_graph
from nn import MLP, SGD, cross_entropy

SIZES = (784, 256, 128, 10)
BATCH, LR, MOMENTUM = 128, 0.1, 0.9


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of each, and the median of the ratios ours / theirs."""
    seconds: list[tuple[float, float]] = []
    for _ in range(rounds):
        start = perf_counter()
        ours()
        middle = perf_counter()
        theirs()
        seconds.append((middle - start, perf_counter() - middle))
    seconds = seconds[rounds // 5 :]  # the first ones warm up
    return median(a for a, _ in seconds), median(b for _, b in seconds), median(a / b for a, b in seconds)


def contestants(seed: int) -> dict[str, Callable[[], float]]:
    """Return three versions of a step from the same weights: on the graph, and twice in NumPy by hand."""
    generator = np.random.default_rng(seed)
    x = generator.random((BATCH, SIZES[0]), np.float32)
    labels = generator.integers(0, SIZES[-1], BATCH)
    model = MLP(SIZES, generator=generator)
    optimizer = SGD(model.parameters(), LR, MOMENTUM)
    weights, others = ([parameter.numpy() for parameter in model.parameters()] for _ in range(2))
    velocities, other_velocities = ([np.zeros_like(weight) for weight in weights] for _ in range(2))

    def graph() -> float:
        loss = cross_entropy(model(Tensor(x)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    def in_place() -> float:
        w1, b1, w2, b2, w3, b3 = weights
        a1 = x @ w1
        a1 += b1
        np.maximum(a1, 0, out=a1)
        a2 = a1 @ w2
        a2 += b2
        np.maximum(a2, 0, out=a2)
        p = a2 @ w3
        p += b3
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        loss = float(-np.log(p[np.arange(BATCH), labels]).mean())
        p[np.arange(BATCH), labels] -= 1
        p /= BATCH
        d2 = p @ w3.T
        d2 *= a2 > 0
        d1 = d2 @ w2.T
        d1 *= a1 > 0
        gradients = (x.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0), a2.T @ p, p.sum(0))
        for w, v, g in zip(weights, velocities, gradients, strict=True):
            v *= MOMENTUM
            v += g
            w -= LR * v
        return loss

    def plainly() -> float:
        w1, b1, w2, b2, w3, b3 = others
        z1 = x @ w1 + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ w2 + b2
        a2 = np.maximum(z2, 0)
        logits = a2 @ w3 + b3
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = float(-np.log(p[np.arange(BATCH), labels]).mean())
        d3 = (p - np.eye(SIZES[-1], dtype=np.float32)[labels]) / BATCH
        d2 = d3 @ w3.T * (z2 > 0)
        d1 = d2 @ w2.T * (z1 > 0)
        gradients = (x.T @ d1, d1.sum(0), a1.T @ d2, d2.sum(0), a2.T @ d3, d3.sum(0))
        for i, g in enumerate(gradients):
            other_velocities[i] = MOMENTUM * other_velocities[i] + g
            others[i] = others[i] - LR * other_velocities[i]
        return loss

    return {"graph": graph, "in place": in_place, "plainly": plainly}


def training_step() -> None:
    """A step of 784-256-128-10 at batch 128, no dropout, SGD with momentum, float32.

    Where the arrays happen to lie in memory makes either side several percent faster, so the contest is
    repeated with new arrays, each time somewhere else.
    """
    padding = []
    for name in ("in place", "plainly"):
        results = []
        for seed in range(10):
            padding.append(np.zeros(np.random.default_rng(seed).integers(1, 500_000), np.uint8))
            steps = contestants(seed)
            difference = max(abs(steps["graph"]() - steps[name]()) for _ in range(8))
            assert difference < 1e-4, f"the losses of the first steps differ by {difference}"
            results.append(compare(steps["graph"], steps[name], 150))
        ours, theirs, ratio = (median(column) for column in zip(*results, strict=True))
        low, *_, high = sorted(result[2] for result in results)
        print(
            f"training step   {ours * 1e6:7.0f} us, by hand in NumPy, {name}, {theirs * 1e6:.0f} us, "
            f"ratio {ratio:.3f} (from {low:.2f} to {high:.2f} over {len(results)} places in memory)"
        )


def per_op() -> None:
    """A chain of tanh and + 1 on one element: microseconds per op."""
    ops = 1_000
    tensor = Tensor([1.0], requires_grad=True)

    def chain(x: Any, tanh: Callable[[Any], Any]) -> Any:
        for _ in range(ops // 2):
            x = tanh(x) + 1.0
        return x

    from autograd.ops.elementwise import tanh

    def ours_forward() -> None:
        chain(tensor, tanh)

    def ours_both() -> None:
        chain(tensor, tanh).backward()

    try:
        import torch
    except ImportError:
        alone_forward, _, _ = compare(ours_forward, lambda: None, 200)
        alone_both, _, _ = compare(ours_both, lambda: None, 200)
        print(f"op, 1 element   {alone_forward / ops * 1e6:7.2f} us forward")
        print(f"op, 1 element   {alone_both / ops * 1e6:7.2f} us and backward")
        return
    torch.set_num_threads(1)
    other = torch.ones(1, dtype=torch.float64, requires_grad=True)
    forward = compare(ours_forward, lambda: chain(other, torch.tanh), 200)
    both = compare(ours_both, lambda: chain(other, torch.tanh).backward(), 200)
    for name, (ours, theirs, ratio) in (("forward", forward), ("and backward", both)):
        print(
            f"op, 1 element   {ours / ops * 1e6:7.2f} us {name}, "
            f"PyTorch {torch.__version__} {theirs / ops * 1e6:.2f} us, ratio {ratio:.2f}"
        )


def long_chain() -> None:
    """A million ops, forward, backward and freed; a hundred thousand as DOT text."""
    x = Tensor([1.0], requires_grad=True)
    start = perf_counter()
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    built = perf_counter()
    y.backward()
    walked = perf_counter()
    print(f"1,000,000 ops   {built - start:7.2f} s forward, {walked - built:.2f} s backward and freed")
    y = x
    for _ in range(100_000):
        y = y + 1.0
    start = perf_counter()
    size = len(draw_graph(y).source)
    print(f"100,000 drawn   {perf_counter() - start:7.2f} s, {size / 1e6:.0f} MB of DOT text")


def import_time() -> None:
    """`import autograd` over `import numpy`, in new processes."""

    def start(package: str) -> Callable[[], Any]:
        command = [sys.executable, "-c", f"import {package}"]
        # Compiled, as pip leaves an installed package.
        environment = {word: value for word, value in os.environ.items() if word != "PYTHONDONTWRITEBYTECODE"}
        return lambda: subprocess.run(command, check=True, cwd=Path(__file__).parents[1], env=environment)

    both, alone, _ = compare(start("autograd"), start("numpy"), 25)
    print(f"import          {(both - alone) * 1e3:7.1f} ms over import numpy ({alone * 1e3:.0f} ms)")


if __name__ == "__main__":
    training_step()
    per_op()
    long_chain()
    import_time()
