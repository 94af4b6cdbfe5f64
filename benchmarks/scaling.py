"""Measure how data-parallel training scales over the cores there are, and predict it for more.

    pip install -e '.[mpi]'        (and an MPI library: its mpiexec is called)
    python benchmarks/scaling.py

The network is 784-1024-1024-1024-10 in float32, trained by SGD with momentum, with one BLAS thread per rank.
Weak scaling gives every rank a batch of 128, strong scaling shares one of 256. In each round every rank takes
steps alone, while the others sleep; then all take them at once, and only wait for each other after each; then
together. What other programs and machines do to a core can slow a step by a third, and ranks wait for the
slowest: so besides the median over all steps there is their first decile, which is as undisturbed as it gets.
From what a sample costs, and a message of MPI of each size, follows a prediction for 8, 64 and 1,024 ranks,
on machines of their own. results/scaling.md and scaling.png are written.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SIZES = (784, 1024, 1024, 1024, 10)
WEAK, STRONG = 128, 256
BATCHES = (16, 32, 64, 128, 256)
MESSAGES = (1, 1024, 16_384, 262_144, 1_048_576, 2_913_292)  # float32 numbers; the last is a step's
PREDICTED = (8, 64, 1024)
STEPS = 8  # a turn, after one that is not counted
Times = dict[str, tuple[float, float]]
"""Seconds: the first decile and the median."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, default=os.cpu_count(), help="as many as cores (%(default)s)")
    parser.add_argument("--rounds", type=int, default=30, help="in which each has a turn (%(default)s)")
    parser.add_argument("--mpiexec", default="mpiexec", help="the command, with options (%(default)s)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ranks < 2:
        parser.error("scaling is measured with 2 ranks or more: give --ranks 2")
    if arguments.worker:
        work(arguments.rounds)
        return
    command = [*arguments.mpiexec.split(), "-n", str(arguments.ranks), sys.executable, __file__, "--worker"]
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
    found = subprocess.run(
        [*command, "--rounds", str(arguments.rounds)],
        env=os.environ | threads | {"PYTHONPATH": str(HERE.parent)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report(arguments.ranks, {name: tuple(times) for name, times in json.loads(found.stdout).items()})


# ------------------------------------------------------------------------------------- the ranks


def work(rounds: int) -> None:
    """Take turns on all ranks; rank 0 prints what each kind of step and message took."""
    from nn.distributed import Ranks, Sum

    ranks = Ranks()
    barrier = ranks.world.Barrier
    alone = {batch: make_step(batch, None) for batch in BATCHES}
    together = {batch: make_step(batch, ranks) for batch in {WEAK, STRONG // ranks.size}}
    sums = {size: Sum(ranks, size, np.float32) for size in MESSAGES}
    messages = {size: np.zeros(size, np.float32) for size in MESSAGES}
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for rank in range(ranks.size):
            wait_asleep(ranks)
            for batch, step in alone.items() if ranks.rank == rank else ():
                times[f"alone {batch}"] += turn(step)
        wait_asleep(ranks)
        times["at once"] += turn(alone[WEAK], after=barrier)
        for batch, step in together.items():
            times[f"together {batch}"] += turn(step)
        for size in MESSAGES:
            times[f"sum {size}"] += turn(sums[size].add, barrier)
            times[f"message {size}"] += turn(partial(ranks.add, messages[size]), barrier)
    everyone = ranks.world.gather(dict(times))
    if everyone is not None:  # on rank 0
        samples = {name: [seconds for one in everyone for seconds in one[name]] for name in times}
        print(json.dumps({name: list(np.quantile(some, [0.1, 0.5])) for name, some in samples.items()}))


def make_step(batch: int, ranks: Any) -> Callable[[], None]:
    """Return a function that takes a training step, with so many samples on each rank."""
    from nn import MLP, SGD
    from nn.schedules import constant
    from nn.training import Training

    generator = np.random.default_rng(0)
    model = MLP(SIZES, generator=generator)
    images = generator.integers(0, 256, (batch, 28, 28)).astype(np.uint8)
    labels = generator.integers(0, 10, batch)
    training = Training(
        model, SGD(model.parameters(), 0.01, momentum=0.9), {"train": (images, labels)}, 255,
        epochs=1, batch_size=batch, schedule=constant(0.01), generator=generator, replay=True, ranks=ranks,
    )  # fmt: skip
    pixels = images.reshape(batch, -1).astype(np.float32) / 255
    return lambda: training.step(pixels, labels)


def turn(
    step: Callable[[], Any], before: Callable[[], Any] = int, after: Callable[[], Any] = int
) -> list[float]:
    """Return what each of some steps takes, with what comes after it."""
    times = []
    for number in range(STEPS + 1):
        before()
        start = perf_counter()
        step()
        after()
        if number:
            times.append(perf_counter() - start)
    return times


def wait_asleep(ranks: Any) -> None:
    """Wait for all ranks, without what MPI does in the meantime, which is to use the processor."""
    request = ranks.world.Ibarrier()
    while not request.Test():
        sleep(1e-3)


# ------------------------------------------------------------------------------------ the report


def report(ranks: int, times: Times) -> None:
    """Write the tables and the picture, and print the first table."""
    each = STRONG // ranks
    weak = over(times, WEAK, f"together {WEAK}")
    strong = [ratio / ranks for ratio in over(times, STRONG, f"together {each}")]
    predicted, words = model(ranks, times)

    def row(name: str, key: str, *efficiencies: float) -> str:
        least, middle = (1e3 * seconds for seconds in times[key])
        first, second = (f"{share:.3f}" for share in efficiencies or (1, 1))
        return f"| {name} | {least:.1f} | {first} | {middle:.1f} | {second} |"

    lines = [
        "# Scaling over ranks",
        "",
        "784-1024-1024-1024-10, float32, SGD with momentum, one BLAS thread a rank.",
        "",
        "| | ms a step, first decile | efficiency | median | efficiency |",
        "|---|---:|---:|---:|---:|",
        row(f"1 rank, {WEAK} samples", f"alone {WEAK}"),
        row(f"{ranks} ranks that only wait for each other", "at once", *over(times, WEAK, "at once")),
        row(f"weak: {ranks} ranks, {WEAK} each", f"together {WEAK}", *weak),
        row(f"1 rank, {STRONG} samples", f"alone {STRONG}"),
        row(f"strong: {ranks} ranks, {each} each", f"together {each}", *strong),
        "",
        "| numbers summed (float32) | in shared memory: ms, first decile | median | by MPI | median |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {size:,} | "
            + " | ".join(
                f"{1e3 * seconds:.3f}" for way in ("sum", "message") for seconds in times[f"{way} {size}"]
            )
            + " |"
            for size in MESSAGES
        ),
        "",
        words,
        "",
        "**Predicted**, not measured: ranks whose messages take what those of MPI take here, in one memory.",
        "",
        "| ranks | ms a sum | weak efficiency, 128 samples a rank | 1,024 |",
        "|---:|---:|---:|---:|",
        *(
            f"| {count:,} | {1e3 * predicted(count, 0)[1]:.2f} | {predicted(count, WEAK)[0]:.3f} | "
            f"{predicted(count, 1024)[0]:.3f} |"
            for count in PREDICTED
        ),
        "",
    ]
    (HERE / "results" / "scaling.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines[4:11]))
    counts = sorted({1, 2, 4, 16, 256, *PREDICTED})
    draw(ranks, weak[1], strong[1], {count: predicted(count, WEAK)[0] for count in counts})


def over(times: Times, batch: int, key: str) -> list[float]:
    return [one / all for one, all in zip(times[f"alone {batch}"], times[key], strict=True)]


def model(ranks: int, times: Times) -> tuple[Callable[[int, int], tuple[float, float]], str]:
    """Return what predicts efficiency and seconds of a sum for (ranks, samples), and its numbers in words.

    It is fitted to first deciles. Of a ring, each rank sends 2 (P - 1) messages of n / P (Thakur et al.,
    "Optimization of collective communication operations in MPICH", 2005), which take
    2 (P - 1) latency + 2 (P - 1) / P n / bandwidth.
    """
    least = {name: first for name, (first, _) in times.items()}
    per_sample, per_step = np.polyfit(BATCHES, [least[f"alone {batch}"] for batch in BATCHES], 1)
    gradient = MESSAGES[-1]
    latency = least["message 1"] / (2 * (ranks - 1))
    per_number = (least[f"message {gradient}"] - least["message 1"]) / (2 * (ranks - 1) / ranks * gradient)

    def predicted(count: int, batch: int) -> tuple[float, float]:
        seconds = 2 * (count - 1) * latency + 2 * (count - 1) / count * gradient * per_number
        step = per_step + per_sample * batch
        return float(step / (step + seconds)), float(seconds)

    return predicted, (
        f"Model: a step costs {1e3 * per_step:.1f} ms and {1e6 * per_sample:.0f} µs a sample; a message "
        f"{1e6 * latency:.1f} µs and {1e9 * per_number:.2f} ns a number."
    )


def draw(ranks: int, weak: float, strong: float, predicted: dict[int, float]) -> None:
    """Draw the efficiencies that were measured and those that are predicted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), facecolor="white", layout="constrained")
    axes = figure.subplots()
    counts = sorted(predicted)
    axes.plot(counts, [predicted[n] for n in counts], "--", color="#666666", label="weak, predicted")
    axes.plot([1, ranks], [1, weak], "o-", color="#0072b2", label="weak, measured (median)")
    axes.plot([1, ranks], [1, strong], "s-", color="#d55e00", label="strong, measured (median)")
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [f"{n:,}" for n in counts])
    axes.minorticks_off()
    axes.set_ylim(0, 1.05)
    axes.grid(axis="y", color="#e4e4e4")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("ranks")
    axes.set_title("share of the ideal speed, 128 samples a rank", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    figure.savefig(HERE / "results" / "scaling.png", dpi=110)


if __name__ == "__main__":
    main()
