"""One contestant's process: run.py asks it in lines of JSON, and it answers in lines of JSON.

It imports the contestant and nothing of the others, so that none can disturb another.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import sys
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np
import work
from contestants import CONTESTANTS

TASKS: dict[str, dict[str, Any]] = {
    "steps": work.STEPS,
    "ops": work.OPS,
    "chains": work.CHAINS,
    "programs": work.PROGRAMS,
    "memory": work.MEMORY,
}
CHECKED_STEPS = 5


class Worker:
    """A contestant, and the task that it has prepared."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.run: work.Run
        self.chain: work.Chain
        self.ops = 0
        self.before = 0

    def prepare(self, group: str, task: str) -> dict[str, Any]:
        """Make a task ready, and return the numbers in which all contestants must agree."""
        self.before = resident()[1] if group == "memory" else 0
        function = getattr(self.module, "steps" if group == "memory" else group, None)
        if function is None:
            raise NotImplementedError
        made = function(TASKS[group][task])
        if group == "chains":
            self.chain, self.ops = made, TASKS[group][task]
            return {"values": [1.0]}
        self.run = made
        result = self.run(1 if group in ("ops", "programs") else CHECKED_STEPS)
        return {"values": np.ravel(result).astype(float).tolist()}

    def calibrate(self, seconds: float) -> dict[str, Any]:
        """Find out how often to run the task for a chunk of so many seconds."""
        self.run(1)
        count = 1
        while (taken := self._time(count)) < seconds / 2:
            count = max(count + 1, min(4 * count, int(count * seconds / taken)))
        return {"count": max(1, round(count * seconds / taken))}

    def time(self, count: int) -> dict[str, Any]:
        """Run a chunk, and return the seconds of one run; a few before it find their data again."""
        self.run(max(1, count // 10))
        return {"seconds": self._time(count) / count}

    def _time(self, count: int) -> float:
        start = perf_counter()
        self.run(count)
        return perf_counter() - start

    def walk(self, weigh: bool) -> dict[str, Any]:
        """Build a graph, go back through it and let it go; return the times and, weighed, the bytes per op.

        They are the growth of the process. The same number of arrays, kept without a graph, is weighed
        before and kept until the graph is there, so that it does not move into their memory.
        """
        found: dict[str, Any] = {}
        sizes = []
        arrays: list[Any] = []
        if weigh:
            sizes.append(resident()[1])
            if self.chain.array is not None:
                arrays += (self.chain.array + 1.0 for _ in range(self.ops))
            sizes.append(resident()[1])
        start = perf_counter()
        graph = self.chain.build()
        built = perf_counter()
        if weigh:
            sizes.append(resident()[1])
            found["bytes"] = (sizes[2] - sizes[1]) / self.ops
            if arrays:
                alone = (sizes[1] - sizes[0]) / self.ops - 8  # for its place in the list
                found["beside_arrays"] = found["bytes"] - alone
            arrays.clear()
        back = perf_counter()
        gradient = self.chain.backward(graph)
        walked = perf_counter()
        del graph
        freed = perf_counter()
        if gradient != 1.0:
            raise ArithmeticError(f"gradient {gradient} where it is 1")
        return {**found, "build": built - start, "backward": walked - back, "free": freed - walked}

    def weigh(self, steps: int = 5) -> dict[str, Any]:
        """Return the bytes that stay between training steps, and those that a step adds at its peak."""
        kept, added = [], []
        for _ in range(steps):
            give_back()
            everything, own = resident()
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
            self.run(1)
            added.append(peak() - everything)
            kept.append(own - self.before)
        return {"kept": median(kept), "added": median(added)}


def resident() -> tuple[int, int]:
    """Return the bytes of memory that this process has, and those of them that are no files (code, say)."""
    pages = [int(word) for word in Path("/proc/self/statm").read_text().split()]
    return pages[1] * mmap.PAGESIZE, (pages[1] - pages[2]) * mmap.PAGESIZE


def peak() -> int:
    """Return the most bytes of memory that this process has had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def give_back() -> None:
    """Return freed memory to the system, so that a step's use of it shows."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def main(name: str, channel: int) -> None:
    """Answer questions until there are no more."""

    def reply(**answer: Any) -> None:
        os.write(channel, (json.dumps(answer) + "\n").encode())

    try:
        module = import_module(CONTESTANTS[name])
    except ModuleNotFoundError as error:
        reply(missing=f"{error.name} is not installed; pip install -e '.[bench]'")
        return
    except ImportError as error:
        reply(missing=str(error).split(" (/")[0])  # without where it was looked for
        return
    worker = Worker(module)
    reply(version=module.version())
    for line in sys.stdin:
        question = json.loads(line)
        try:
            reply(**getattr(worker, question.pop("do"))(**question))
        except NotImplementedError:
            reply(lacks=True)
        except Exception as error:
            reply(error=f"{type(error).__name__}: {error}".splitlines()[0][:200])


if __name__ == "__main__":
    # What libraries print must not get between the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    if sys.argv[2:]:
        chosen = import_module(CONTESTANTS[sys.argv[1]])
        accuracy = work.train_on_mnist(sys.argv[2] or None, int(sys.argv[3]), chosen.classifier)
        os.write(answers, f"Test Acc = {accuracy}\n".encode())
    else:
        main(sys.argv[1], answers)
