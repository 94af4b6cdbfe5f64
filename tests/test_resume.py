"""Runs that are really killed and go on: python tests/test_resume.py 50 kills as many."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import sleep, time

import numpy as np
import pytest

from nn.checkpoint import load_arrays

ROOT = Path(__file__).parent.parent
OPTIONS = [
    *("--dataset", "digits", "--hidden", "128", "64", "--epochs", "12", "--optimizer", "adam", "--no-plots"),
    *("--input-dropout", "0.1", "--max-norm", "3", "--validation", "0.1", "--early-stopping", "8"),
]
# Checkpoints every so many seconds; with 0 after each step, so that it is mostly them that a kill meets.
PROGRAM = "import sys, nn.runs, train; nn.runs.SAVE_EVERY = {}; sys.exit(train.main(sys.argv[1:]))"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")


def launch(save_every: float, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(save_every), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def assert_same(folder: Path, whole: Path) -> None:
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    parameters, expected = load_arrays(folder / "parameters.npz"), load_arrays(whole / "parameters.npz")
    assert parameters.keys() == expected.keys()
    for name, array in parameters.items():
        assert array.tobytes() == expected[name].tobytes(), name


def kill_and_resume(folder: Path, whole: Path, save_every: float, generator: random.Random) -> list[str]:
    """Kill a run at a random moment, resume it, and compare; return the names of files that were torn."""
    longest = 2.0
    while True:
        process = launch(save_every, *OPTIONS, "--out", str(folder))
        while not (folder / "checkpoint.npz").exists():
            assert process.poll() is None, process.communicate()
            sleep(0.001)
        sleep(generator.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == -signal.SIGKILL and not (folder / "evaluation.json").exists():
            break
        shutil.rmtree(folder)  # it had come to its end already
        longest /= 2
    torn = [path.name for path in folder.iterdir() if path.suffix in (".part", ".new")]
    finish(launch(save_every or 30, "--resume", str(folder)))
    assert_same(folder, whole)
    return torn


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(launch(30, *OPTIONS, "--out", str(folder)))
    return folder


@pytest.mark.parametrize("save_every", [0, 0.02, 0])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, whole: Path, save_every: float) -> None:
    kill_and_resume(tmp_path / "run", whole, save_every, random.Random())


def main(kills: int) -> None:
    """Kill as many runs, and count."""
    generator = random.Random(kills)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        finish(launch(30, *OPTIONS, "--out", str(whole)))
        torn, begin = 0, time()
        for number in range(kills):
            torn += bool(kill_and_resume(Path(place) / str(number), whole, (0, 0.02)[number % 2], generator))
            print(
                f"{number + 1} kills, {number + 1} resumed bit for bit, {torn} in the middle of a file",
                flush=True,
            )
        print(f"{time() - begin:.0f} s, {np.__name__} {np.__version__}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
