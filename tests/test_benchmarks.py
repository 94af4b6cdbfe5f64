"""The benchmark runs, and its contestants agree; what it measures is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("group", ["ops", "programs"])
def test_a_contest(group: str, tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/run.py", "--only", group, "--rounds", "1", "--out", str(tmp_path)]
    command += ["--contestants", "graphgrad", "graphgrad jit", "NumPy by hand"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (tasks,) = json.loads((tmp_path / "results.json").read_text())["groups"].values()
    for entries in tasks.values():
        assert {"graphgrad", "graphgrad jit"} <= entries.keys()
        assert all(entry["seconds"] > 0 for entry in entries.values())
    page = (tmp_path / "results.md").read_text()
    assert all(task in page for task in tasks)
    assert (tmp_path / "results.png").stat().st_size > 10_000
