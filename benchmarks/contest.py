"""The contest: a process per contestant, asked in turn, so that changes of the machine meet everyone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median, mode
from threading import Timer
from time import perf_counter
from typing import Any

import numpy as np
from contestants import CONTESTANTS

HERE = Path(__file__).parent
US = "graphgrad"

LIMIT = 180  # seconds for an answer: the longest are compilations
CHUNK = 0.04  # seconds that each contestant runs in a round

Entry = dict[str, Any]
"""What is known of a contestant's task: numbers by name, or a `note` in words on why there are none."""


class Process:
    """A contestant at work."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Return the answer; where there is none because the process is gone, say in `died` why."""
        assert self.process.stdin is not None and self.process.stdout is not None
        start = perf_counter()
        timer = Timer(LIMIT, self.process.kill)
        timer.start()
        self.process.send_signal(signal.SIGCONT)
        try:
            if question:
                self.process.stdin.write(json.dumps(question) + "\n")
                self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        # Threads of BLAS and OpenMP spin for a while after their work, and would take a core from the next.
        self.process.send_signal(signal.SIGSTOP)
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.process.send_signal(signal.SIGCONT)
        code = self.process.wait()
        if perf_counter() - start >= LIMIT:
            return {"died": f"no answer in {LIMIT} s"}
        return {"died": f"ends by {signal.Signals(-code).name}" if code < 0 else f"ends with status {code}"}

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


class Contest:
    """The contestants, their processes, and how to ask them all in turn."""

    def __init__(self, environments: dict[str, dict[str, str]], rounds: int) -> None:
        self.environments = environments
        self.rounds = rounds
        self.processes: dict[str, Process] = {}

    def versions(self) -> dict[str, Entry]:
        """Start everyone; those that cannot be are left out from now on, with a note."""
        versions: dict[str, Entry] = {}
        for name in list(self.environments):
            answer = self._start(name)
            if "version" in answer:
                versions[name] = {"version": answer["version"]}
            else:
                versions[name] = {"note": f"left out: {answer.get('missing') or answer['died']}"}
                del self.environments[name]
                self.processes.pop(name).stop()
        return versions

    def _start(self, name: str) -> dict[str, Any]:
        self.processes[name] = Process(name, self.environments[name])
        return self.processes[name].ask()

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()
        self.processes.clear()

    def ask(self, name: str, **question: Any) -> dict[str, Any]:
        """Ask a contestant, who is started if need be; a `note` in the answer says what went wrong."""
        if name not in self.processes:
            self._start(name)
        answer = self.processes[name].ask(**question)
        if "died" in answer:
            self.processes.pop(name).stop()
        problem = answer.get("error") or answer.get("died")
        return {"note": f"fails: {problem}"} if problem else answer

    def prepare(self, group: str, task: str, tolerance: float) -> dict[str, Entry]:
        """Let everyone prepare a task; return an entry, empty for those who agree on its result.

        The result that counts is the median of all, number by number.
        """
        entries: dict[str, Entry] = {}
        values: dict[str, Any] = {}
        for name in self.environments:
            answer = self.ask(name, do="prepare", group=group, task=task)
            if "values" in answer:
                values[name] = np.array(answer["values"])
                entries[name] = {}
            elif "note" in answer:
                entries[name] = answer
        if not values:
            return entries
        size = mode(result.size for result in values.values())
        alike = {name: result for name, result in values.items() if result.size == size}
        agreed = np.nanmedian(list(alike.values()), axis=0)
        for name, result in values.items():
            error = np.inf if name not in alike else np.max(np.abs(result - agreed)) / np.max(np.abs(agreed))
            if not error <= tolerance:
                entries[name] = {"note": f"WRONG: its result differs by {error:.1g}"}
        return entries

    def time(self, group: str, task: str, tolerance: float) -> dict[str, Entry]:
        """Return each contestant's median seconds, and the median over rounds of its ratio to ours."""
        entries = self.prepare(group, task, tolerance)
        counts = {}
        for name in ready(entries):
            answer = self.ask(name, do="calibrate", seconds=CHUNK)
            counts[name] = answer.get("count")
            entries[name] = {} if counts[name] else answer
        rounds = []
        for _ in range(self.rounds):
            seconds = {}
            for name in ready(entries):
                answer = self.ask(name, do="time", count=counts[name])
                if "note" in answer:
                    entries[name] = answer
                else:
                    seconds[name] = answer["seconds"]
            rounds.append(seconds)
        for name in ready(entries):
            entries[name] = {"seconds": median(found[name] for found in rounds), **ratio(rounds, name)}
        return entries

    def walk(self, task: str, ops: int, weigh: bool) -> dict[str, Entry]:
        """Return each contestant's times to build, go through and free a graph, and its size in memory."""
        self.stop()  # in a new process, growth is not hidden by memory that was freed before
        entries = self.prepare("chains", task, 0.0)
        parts = ("build", "backward", "free")
        rounds: list[dict[str, Entry]] = []
        for _ in range(max(1, min(self.rounds, 200_000 // ops))):
            walks = {}
            for name in ready(entries):
                answer = self.ask(name, do="walk", weigh=weigh and not rounds)
                if "note" in answer:
                    entries[name] = answer
                else:
                    walks[name] = answer
            rounds.append(walks)
        totals = [{name: sum(map(walk.__getitem__, parts)) for name, walk in r.items()} for r in rounds]
        for name in ready(entries):
            times = {part: median(walks[name][part] for walks in rounds) for part in parts}
            seconds = median(total[name] for total in totals)
            entries[name] = {**rounds[0][name], **times, "seconds": seconds, **ratio(totals, name)}
        self.stop()
        return entries

    def weigh(self, task: str) -> dict[str, Entry]:
        """Return the bytes that each contestant keeps between training steps, and adds in one."""
        self.stop()
        entries = self.prepare("memory", task, 1e-4)
        for name in ready(entries):
            entries[name] = self.ask(name, do="weigh")
        self.stop()
        return entries


def ready(entries: dict[str, Entry]) -> list[str]:
    """Return who has no note."""
    return [name for name, entry in entries.items() if "note" not in entry]


def ratio(rounds: list[dict[str, float]], name: str, base: str = US) -> dict[str, float]:
    """Return the median over rounds of a contestant's time over ours, where both are there."""
    ratios = [seconds[name] / seconds[base] for seconds in rounds if name in seconds and base in seconds]
    return {"ratio": median(ratios)} if ratios else {}


def race(commands: dict[str, tuple[list[str], dict[str, str]]], rounds: int) -> tuple[dict[str, Entry], Any]:
    """Run programs in turn; return for each the median of its wall times, or a note, and all times."""
    entries: dict[str, Entry] = {name: {} for name in commands}
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        seconds: dict[str, float] = {}
        for name in ready(entries):
            command, environment = commands[name]
            start = perf_counter()
            done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True)
            seconds[name] = perf_counter() - start
            if done.returncode:
                entries[name] = {"note": f"fails: {(done.stderr.strip() or '?').splitlines()[-1][:200]}"}
            else:
                entries[name].setdefault("outputs", []).append(done.stdout.strip())
        found.append(seconds)
    for name in ready(entries):
        entries[name]["seconds"] = median(seconds[name] for seconds in found)
    return entries, found


def environments(names: Iterable[str], hips: Path) -> dict[str, dict[str, str]]:
    """Return the environment of each contestant: HIPS autograd's has its folder, the others' our packages."""
    # Compiled, as pip leaves an installed package.
    base = {word: value for word, value in os.environ.items() if word != "PYTHONDONTWRITEBYTECODE"}
    paths = {name: hips if CONTESTANTS[name].endswith("hips") else HERE.parent for name in names}
    return {name: {**base, "PYTHONPATH": str(path)} for name, path in paths.items()}
