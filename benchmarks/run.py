"""Run graphgrad and every installed peer on the same work, and write a table and a picture.

    pip install -e '.[bench]'      (before it PyTorch's CPU build, where your index has one)
    pip install --no-deps --target benchmarks/.hips autograd      (HIPS autograd: it has our import name)
    python benchmarks/run.py

Each contestant runs in its own process. Before a task is timed, their results must agree. Then they run in
turn (A B C A B C ...), and what counts is the median over the rounds of each one's time over ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import report
import work
from contest import HERE, US, Contest, Entry, environments, race, ratio
from contestants import CONTESTANTS

ROOT = HERE.parent
PROC = Path("/proc/self/clear_refs").exists()

# Masks are random, so with dropout the losses are only near each other.
TOLERANCE, TOLERANCE_WITH_DROPOUT = 1e-4, 0.25

Results = dict[str, dict[str, Entry]]
"""Entries by task and contestant."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=" ".join(GROUPS))
    add("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), metavar="NAME")
    add(
        "--hips",
        type=Path,
        default=HERE / ".hips",
        help="folder of HIPS autograd (default: benchmarks/.hips)",
    )
    add("--mnist", type=Path, help="folder of the MNIST files; default: where train.py keeps them")
    add("--rounds", type=int, default=9, help="in which everyone has a turn (default: %(default)s)")
    add("--quick", action="store_true", help="3 rounds, and one task of a kind")
    add(
        "--out",
        type=Path,
        default=HERE / "results",
        help="folder of the results (default: benchmarks/results)",
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("argument --rounds: give 1 or more")
    options.rounds = 3 if options.quick else options.rounds
    return options


def choose(tasks: dict[str, Any], quick: bool, first: int = 0) -> list[str]:
    """Return the names of the tasks: of a quick run, every fourth from the `first`."""
    return list(tasks)[first::4] if quick else list(tasks)


def steps(contest: Contest, options: argparse.Namespace) -> Results:
    """Time training steps."""
    results = {}
    for name in choose(work.STEPS, options.quick):
        near = TOLERANCE_WITH_DROPOUT if work.STEPS[name].dropout else TOLERANCE
        results[name] = told(name, contest.time("steps", name, near))
    return results


def ops(contest: Contest, options: argparse.Namespace) -> Results:
    """Time single ops: seconds per op."""
    results = {}
    for name in choose(work.OPS, options.quick, 1):
        results[name] = contest.time("ops", name, TOLERANCE)
        for entry in results[name].values():
            if "seconds" in entry:
                entry["seconds"] /= work.OPS[name].ops
        told(name, results[name])
    return results


def chains(contest: Contest, options: argparse.Namespace) -> Results:
    """Time and weigh long graphs."""
    names = list(work.CHAINS)[: 3 if options.quick else None]
    return {name: told(name, contest.walk(name, work.CHAINS[name], PROC)) for name in names}


def programs(contest: Contest, options: argparse.Namespace) -> Results:
    """Time derivatives of small scientific programs."""
    return {name: told(name, contest.time("programs", name, TOLERANCE)) for name in work.PROGRAMS}


def imports(contest: Contest, options: argparse.Namespace) -> Results:
    """Time new processes that import a package, over one that imports NumPy."""
    packages = {
        US: "autograd",
        "PyTorch": "torch",
        "JAX jit": "jax",
        "HIPS autograd": "autograd.numpy",
        "MyGrad": "mygrad",
    }
    everyone = contest.environments
    commands = {
        name: ([sys.executable, "-P", "-c", f"import {package}"], everyone[name])
        for name, package in packages.items()
        if name in everyone
    }
    commands["NumPy by hand"] = ([sys.executable, "-P", "-c", "import numpy"], next(iter(everyone.values())))
    race(commands, 1)  # compiles
    entries, rounds = race(commands, options.rounds)
    alone = entries.pop("NumPy by hand")["seconds"]
    for name, entry in entries.items():
        if "seconds" in entry:
            # Differences may come near 0 in a round, so the ratio is that of the medians.
            entry["seconds"] = median(found[name] - found["NumPy by hand"] for found in rounds)
            del entry["outputs"]
            if "seconds" in entries.get(US, {}):
                entry["ratio"] = entry["seconds"] / entries[US]["seconds"]
    task = f"import over that of NumPy, which takes {alone * 1e3:.0f} ms"
    return {task: told(task, entries)}


def memory(contest: Contest, options: argparse.Namespace) -> Results | str:
    """Weigh training steps."""
    if not PROC:
        return "Left out: it is read from Linux's /proc."
    results = {}
    for name in choose(work.MEMORY, options.quick, 1):
        results[name] = contest.weigh(name)
        totals = {n: entry["kept"] + entry["added"] for n, entry in results[name].items() if "kept" in entry}
        for contestant in totals:
            results[name][contestant].update(ratio([totals], contestant, "NumPy by hand"))
        told(name, results[name])
    return results


def mnist(contest: Contest, options: argparse.Namespace) -> Results | str:
    """Time whole programs that train on MNIST, from the start of the process to its end."""
    sys.path.insert(0, str(ROOT))
    from nn.data import load_mnist

    try:
        load_mnist(options.mnist)
    except (OSError, ValueError) as error:
        return f"Left out: {str(error).splitlines()[0]}"
    seeds = range(1 if options.quick else 3)
    rounds: list[dict[str, float]] = []
    accuracies: dict[str, list[float]] = {}
    results: dict[str, Entry] = {}
    with tempfile.TemporaryDirectory() as runs:
        for seed in seeds:
            commands = {
                name: (mnist_command(name, options.mnist, seed, f"{runs}/{seed}"), environment)
                for name, environment in contest.environments.items()
                if name in WITH_MNIST
            }
            entries, seconds = race(commands, 1)
            rounds += seconds
            for name, entry in entries.items():
                if "note" in entry:
                    results[name] = entry
                else:
                    accuracy = entry["outputs"][0].split("Test Acc = ")[-1].split()[0]
                    accuracies.setdefault(name, []).append(float(accuracy))
    for name, found in accuracies.items():
        if median(found) < ACCURACY:
            results.setdefault(name, {"note": f"WRONG: the test accuracy is {median(found):.2%}"})
        times = {"seconds": median(each[name] for each in rounds), **ratio(rounds, name)}
        results.setdefault(name, {"accuracy": median(found), **times})
    task = f"{work.EPOCHS} epochs, median of {len(seeds)} seeds"
    return {task: told(task, results)}


def mnist_command(name: str, data: Path | None, seed: int, run: str) -> list[str]:
    """Return the command that trains on MNIST and prints the test accuracy."""
    folder = "" if data is None else str(data.resolve())
    if name != US:
        return [sys.executable, str(HERE / "worker.py"), name, folder, str(seed)]
    options = (
        f"--epochs {work.EPOCHS} --lr {work.PEAK_RATE} --dropout 0 --seed {seed} --no-plots --out".split()
    )
    return [sys.executable, "train.py", *options, run, *(["--data-dir", folder] if folder else [])]


WITH_MNIST = (US, "NumPy by hand", "NumPy in place", "PyTorch", "JAX jit")
ACCURACY = 0.98

GROUPS: dict[str, Callable[[Contest, argparse.Namespace], Results | str]] = {
    "steps": steps,
    "ops": ops,
    "chains": chains,
    "programs": programs,
    "import": imports,
    "memory": memory,
    "mnist": mnist,
}


def told(task: str, entries: dict[str, Entry]) -> dict[str, Entry]:
    """Print what came out of a task, and return it."""
    words = (f"{name} {report.cell(entry)}" for name, entry in entries.items())
    print(f"{task}: {'; '.join(words)}", flush=True)
    return entries


def machine() -> dict[str, str]:
    """Return where this ran."""
    facts = {
        "date": date.today().isoformat(),
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    if not commit.returncode:
        facts["commit"] = commit.stdout.strip()
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return facts
    libraries = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    facts["NumPy's BLAS"] = "; ".join(
        f"{pool['internal_api']} {pool['version']}, {pool.get('architecture')} kernels, "
        f"{pool['num_threads']} threads"
        for pool in libraries
    )
    return facts


def processor() -> str:
    """Return the model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def main() -> None:
    """Run the contest and write its results."""
    options = parse_arguments()
    start = perf_counter()
    # Threads that wait for each other suffer most where others work: then the numbers say little.
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    names = list(options.contestants)
    absent = {}
    if "HIPS autograd" in names and not (options.hips / "autograd").is_dir():
        names.remove("HIPS autograd")
        command = f"pip install --no-deps --target {os.path.relpath(options.hips)} autograd"
        absent["HIPS autograd"] = {"note": f"left out: not installed; {command}"}
    if options.quick and "PyTorch compiled" in names:
        names.remove("PyTorch compiled")
        absent["PyTorch compiled"] = {"note": "left out: it compiles for longer than a quick run takes"}
    contest = Contest(environments(names, options.hips.resolve()), options.rounds)
    versions = {**contest.versions(), **absent}
    for name, entry in versions.items():
        print(f"{name}: {entry.get('version') or entry['note']}", flush=True)
    groups: dict[str, Results | str] = {}
    try:
        for group in options.only:
            print(f"\n{group}", flush=True)
            groups[group] = GROUPS[group](contest, options)
            if isinstance(groups[group], str):
                print(groups[group])
            contest.stop()  # so that nobody's threads and memory are in the way of the next group
    finally:
        contest.stop()
    minutes = f"{(perf_counter() - start) / 60:.0f} minutes, {options.rounds} rounds"
    facts = {**machine(), "load before": load, "duration": minutes}
    report.write({"machine": facts, "contestants": versions, "groups": groups}, options.out)
    print(f"\nThe results are in {options.out}")


if __name__ == "__main__":
    main()
