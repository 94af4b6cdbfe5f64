"""Ranks that train together: real ones, started by mpiexec, compared with a single process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nn import MLP, SGD
from nn.checkpoint import load_arrays
from nn.schedules import constant
from nn.training import Training

ROOT = Path(__file__).parents[1]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])

try:
    from mpi4py import MPI  # noqa: F401

    missing = "" if shutil.which("mpiexec") else "mpiexec is not installed"
except (ImportError, RuntimeError) as error:
    missing = f"MPI is not installed: {error}"
real_ranks = pytest.mark.skipif(bool(missing), reason=missing)

TOGETHER = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OPENBLAS_NUM_THREADS": "1",
}


running: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Of an mpiexec that was killed Open MPI leaves a folder, named by the process: the next of that number
    # would say "The PMIx server's listener thread failed to start", and end.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    while running:
        with running.pop() as process:
            process.terminate()  # mpiexec, and with it its ranks


def started(ranks: int, *command: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["mpiexec", "-n", str(ranks), sys.executable, *command],
        env=os.environ | TOGETHER | {"PYTHONPATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    return process


def done(ranks: int, *command: str) -> tuple[int, str, str]:
    """Run a program on so many ranks; return its status and what it wrote."""
    process = started(ranks, *command)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def train(ranks: int, folder: Path, *options: str) -> str:
    options = ("--distributed", "--dataset", "digits", "--no-plots", "--out", str(folder), *options)
    status, out, err = done(ranks, str(ROOT / "train.py"), *options)
    assert (status, err) == (0, "")
    return out


def alone(folder: Path, *options: str) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "--dataset", "digits", "--no-plots", *options]
    subprocess.run([*command, "--out", str(folder)], check=True, capture_output=True, timeout=120)


# --------------------------------------------------------------------- the same as a single process

# Batches of 7 of 40 samples: some do not divide, and the last has 5; of 3 samples, some ranks have none.
PROGRAM = """
import sys
import numpy as np
from autograd import backend
from nn import MLP, SGD, Adam, clip_grad_norm_, clip_weight_norm_
from nn.checkpoint import save_arrays
from nn.distributed import Ranks
from nn.schedules import cosine
from nn.training import Training

ranks = Ranks() if sys.argv[1] == "ranks" else None
generator = np.random.default_rng(0)
batch_size, how = int(sys.argv[2]), sys.argv[3]

def sample(count):
    return generator.integers(0, 256, (count, 4, 4)).astype(np.uint8), generator.integers(0, 3, count)

parts = {"train": sample(40), "validation": sample(2300), "test": sample(11)}
model = MLP((16, 8, 3), generator=generator, dtype=np.float64)
if how == "apart":  # as on several machines
    Ranks.shared_arrays = lambda ranks, examples: None
if how == "elsewhere":  # arrays of another library
    backend.LIBRARIES["foreign"] = "foreign"
    model.to("foreign")

class Clipped(SGD):
    def step(self):
        clip_grad_norm_(self.parameters, 0.2)  # of the gradient of all ranks
        super().step()

def constrain():
    clip_weight_norm_(model.parameters()[0], 0.7)

if how == "adam":
    optimizer = Adam(model.parameters(), 0.05)
else:
    optimizer = (Clipped if how == "plain" else SGD)(model.parameters(), 0.5, momentum=0.9)
training = Training(
    model, optimizer, parts, 255, after_step=constrain if how in ("plain", "adam") else int,
    epochs=6, batch_size=batch_size, schedule=cosine(0.5, 40), generator=generator, patience=3,
    replay=how in ("replay", "apart", "adam"), ranks=ranks,
)
losses = [training.loss for record in training]
if ranks is None or ranks.rank == 0:
    numbers = [[record[name] for name in sorted(record) if name != "seconds"] for record in training.history]
    state = {f"optimizer.{name}": value for name, value in optimizer.state_dict().items()}
    told = {"history": np.array(numbers), "losses": np.array(losses)}
    save_arrays(sys.argv[4], {**model.state_dict(), **state, **told})
"""


@real_ranks
@pytest.mark.parametrize("how", ["replay", "plain", "adam", "apart", "elsewhere"])
@pytest.mark.parametrize("batch_size", [7, 2, 40])
def test_ranks_train_as_a_single_process_does(tmp_path: Path, batch_size: int, how: str) -> None:
    arguments = [str(batch_size), how]
    subprocess.run(
        [sys.executable, "-c", PROGRAM, "alone", *arguments, str(tmp_path / "1.npz")],
        env=os.environ | {"PYTHONPATH": PATH},
        check=True,
        timeout=60,
    )
    expected = load_arrays(tmp_path / "1.npz")
    for ranks in (2, 3):
        path = tmp_path / f"{ranks}.npz"
        status, _, err = done(ranks, "-c", PROGRAM, "ranks", *arguments, str(path))
        assert status == 0, err
        found = load_arrays(path)
        assert found.keys() == expected.keys()
        for name, array in found.items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-6, atol=1e-9, err_msg=name)


# Now and then a rank waits between two lines, so that the others are ahead of it wherever they can be.
DELAYS = """
import random
import sys
import time
from mpi4py import MPI

luck = random.Random(MPI.COMM_WORLD.rank)

def at_a_line(frame, event, argument):
    if event == "line" and luck.random() < 0.05:
        time.sleep(luck.choice([0.0002, 0.001, 0.004]))
    return at_a_line

def at_a_call(frame, event, argument):
    name = frame.f_code.co_filename
    return at_a_line if name.startswith("<jit") or "/nn/" in name else None

sys.settrace(at_a_call)
"""


@real_ranks
@pytest.mark.parametrize("how", ["replay", "plain", "adam"])
def test_ranks_that_are_late_change_no_bit(tmp_path: Path, how: str) -> None:
    expected, found = tmp_path / "together.npz", tmp_path / "late.npz"
    for program, path in (PROGRAM, expected), (DELAYS + PROGRAM, found):
        status, _, err = done(3, "-c", program, "ranks", "7", how, str(path))
        assert status == 0, err
    arrays = load_arrays(expected)
    for name, array in load_arrays(found).items():
        assert array.tobytes() == arrays[name].tobytes(), name


SUMS = """
import os
import sys
import numpy as np
import nn.distributed
from nn.distributed import Ranks, Sum

ranks = Ranks()
how = sys.argv[1]

def fail(*arguments):
    raise OSError(38, "not here")

if how == "no file":
    os.memfd_create = fail
elif how == "no memory on one" and ranks.rank == 1:
    nn.distributed.mmap = fail
elif how == "another file" and ranks.rank == 2:
    ranks.tell = lambda message=None: ("/proc/self/exe", Ranks.tell(ranks, message)[1])
nn.distributed.PIECE = 7
kept = []
for dtype in "f4", "f8", "c16":
    for count in 1, 2, 100:
        total = Sum(ranks, count, dtype)
        kept.append(total)
        assert total.own.dtype == dtype and total.own.shape == (count,) and not total.own.any()
        for step in range(5):
            total.own[...] = 0.1 * np.arange(count) + ranks.rank + step
            total.add()
            # Rank after rank, so that the bits are those, too.
            expected = np.zeros(count, dtype)
            for rank in range(ranks.size):
                mine = np.zeros(count, dtype)
                mine[...] = 0.1 * np.arange(count) + rank + step
                expected += mine
            np.testing.assert_allclose(total.own, expected, rtol=1e-6)
    ranks.check_alike([total.own for total in kept])
print(*{"apart" if some._all is None else "shared" for some in kept})
"""


@real_ranks
@pytest.mark.parametrize("how", ["as it is", "no file", "no memory on one", "another file"])
def test_sums_are_made_in_memory_that_all_see_or_else_by_mpi(how: str) -> None:
    status, out, err = done(3, "-c", SUMS, how)
    assert (status, err) == (0, "")
    here = how == "as it is" and sys.platform == "linux"
    assert out.split() == ["shared" if here else "apart"] * 3


@real_ranks
@pytest.mark.parametrize("replay", [True, False])
def test_gradients_of_several_dtypes_and_none_at_all_are_shared(replay: bool) -> None:
    program = """
import sys
import numpy as np
from autograd import Tensor, jit
from nn import SGD, Module
from nn.distributed import Ranks, SharedStep

class Model(Module):
    def __init__(self):
        self.some = Tensor(np.ones(3, "f4"), requires_grad=True)
        self.others = Tensor(np.ones((5, 1), "f8"), requires_grad=True)
        self.pair = Tensor(np.array([1 + 1j]), requires_grad=True)
        self.unused = Tensor(np.ones(2), requires_grad=True)

ranks, model = Ranks(), Model()
optimizer = SGD(model.parameters(), 0.5, momentum=0.5)
shared = SharedStep(ranks, model, optimizer)

def step(x):
    for parameter in model.parameters():
        parameter.zero_grad()
    loss = np.sum(model.some * x[0]) + np.sum(model.others * x[1]) + np.sum(np.real(model.pair) * 2)
    shared.part_of(loss).backward()
    shared.sum_gradients()
    optimizer.step()

run = jit(step) if sys.argv[1] == "True" else step
alone = Model()
reference = SGD(alone.parameters(), 0.5, momentum=0.5)
for number in range(4):
    loss = 3 * model.some.data[0] * number + 5 * model.others.data[0, 0] * 2.5 + 2 * model.pair.data[0].real
    shared.share(4)
    shared.prepare(number, number == 3 and ranks.rank == 1)
    run(np.array([number, 2.0 + ranks.rank]))
    np.testing.assert_array_equal(model.some.grad.data, np.full(3, number, "f4"))
    np.testing.assert_array_equal(model.others.grad.data, np.full((5, 1), 2.5))
    assert model.unused.grad is None
    for parameter in (model.some, model.others):
        assert parameter.grad.dtype == parameter.dtype and parameter.grad.data.flags.aligned
    found, stop = shared.outcome()
    np.testing.assert_allclose(found, loss, rtol=1e-6)
    assert stop == (number == 3)
    for parameter, other in zip(alone.parameters(), model.parameters()):
        parameter.grad = other.grad
    reference.step()
    for parameter, other in zip(alone.parameters(), model.parameters()):
        np.testing.assert_array_equal(other.data, parameter.data)
    if number == 1:  # as when another state is loaded
        model.others.data = alone.others.data = np.full((5, 1), 7.0)
assert optimizer.together is not None or sys.platform != "linux"
for parameter, other in zip(reference.state["momentum"], optimizer.state["momentum"]):
    np.testing.assert_array_equal(other, parameter)
"""
    status, _, err = done(2, "-c", program, str(replay))
    assert (status, err) == (0, "")


@real_ranks
def test_train_py_gives_what_it_gives_alone(tmp_path: Path) -> None:
    options = ["--epochs", "2", "--dropout", "0", "--validation", "0.1", "--batch-size", "50"]
    alone(tmp_path / "1", *options)
    out = train(3, tmp_path / "3", *options)
    assert out.count("Epoch 1:") == out.count("Test accuracy") == 1
    expected, found = (load_arrays(tmp_path / name / "parameters.npz") for name in "13")
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)
    names = sorted(path.name for path in (tmp_path / "3").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "1").iterdir())


@real_ranks
def test_dropout_of_ranks_differs_and_is_the_same_in_each_run(tmp_path: Path) -> None:
    program = """
import sys
import numpy as np
from nn import MLP, SGD
from nn.distributed import Ranks, SharedStep
ranks = Ranks()
generator = np.random.default_rng(0)
model = MLP((4, 50, 3), dropout=0.5, generator=generator)
shared = SharedStep(ranks, model, SGD(model.parameters()))
for step in range(3):
    shared.prepare(step, False)
    for numbers in ranks.world.allgather([g.integers(0, 2**60) for _, g in model.named_generators()]):
        if ranks.rank == 0:
            print(*numbers)
"""
    status, out, err = done(3, "-c", program)
    assert (status, err) == (0, "")
    numbers = out.split()
    assert len(set(numbers)) == len(numbers) >= 9
    assert done(3, "-c", program)[1] == out
    for name in "ab":
        train(2, tmp_path / name, "--epochs", "1", "--dropout", "0.5")
    one, other = (load_arrays(tmp_path / name / "parameters.npz") for name in "ab")
    assert all(array.tobytes() == other[name].tobytes() for name, array in one.items())


@real_ranks
def test_seeds_are_trained_one_after_the_other(tmp_path: Path) -> None:
    out = train(2, tmp_path / "run", "--epochs", "1", "--seeds", "2")
    assert out.count("Epoch 1:") == 2
    assert "(2 seeds: " in out


# ------------------------------------------------------------------------------------- ends and errors


def wait_for(path: Path, words: str) -> None:
    end = time.monotonic() + 60
    while not (path.exists() and words in path.read_text(encoding="utf-8")):
        assert time.monotonic() < end
        time.sleep(0.05)


def ranks_in(folder: Path) -> list[int]:
    """Return the processes of the ranks that train in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(folder).encode() in words and b"-n" not in words:
                found.append(int(process.name))
    return found


@real_ranks
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="ranks are found in /proc")
@pytest.mark.parametrize("which", [0, -1])
def test_a_killed_rank_ends_all(tmp_path: Path, which: int) -> None:
    folder = tmp_path / "run"
    options = ["--distributed", "--dataset", "digits", "--no-plots", "--epochs", "400", "--out", str(folder)]
    process = started(3, str(ROOT / "train.py"), *options)
    wait_for(folder / "log.jsonl", '"epoch": 2')
    ranks = sorted(ranks_in(folder))
    assert len(ranks) == 3
    os.kill(ranks[which], signal.SIGKILL)
    start = time.monotonic()
    process.communicate(timeout=30)
    assert time.monotonic() - start < 10
    assert process.returncode != 0
    config = json.loads((folder / "config.json").read_text())
    assert config["options"]["epochs"] == 400


@real_ranks
def test_a_signal_stops_all_ranks_and_any_number_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["--distributed", "--dataset", "digits", "--no-plots", "--epochs", "60", "--out", str(folder)]
    process = started(2, str(ROOT / "train.py"), *options)
    wait_for(folder / "log.jsonl", '"epoch": 2')
    os.kill(max(ranks_in(folder)), signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Stopped by SIGTERM" in out
    assert f"--resume {folder}" in out
    for ranks in (3, 1):
        copy = shutil.copytree(folder, tmp_path / str(ranks))
        status, out, err = done(ranks, str(ROOT / "train.py"), "--distributed", "--resume", str(copy))
        assert (status, err) == (0, "")
        assert "Test accuracy" in out


@real_ranks
def test_a_rank_that_fails_says_so_and_ends_all(tmp_path: Path) -> None:
    program = (
        "from nn.distributed import Ranks\n"
        "def follow(): raise ValueError('no good')\n"
        "ranks = Ranks()\n"
        "ranks.run(lambda: ranks.world.barrier() or 0, follow)\n"
    )
    start = time.monotonic()
    status, _, err = done(2, "-c", program)
    assert time.monotonic() - start < 15
    assert status != 0
    assert "rank 1 of 2 failed" in err
    assert "ValueError: no good" in err


def told_once(err: str) -> str:
    """Return what train.py has told, a single line; it may begin in one that mpiexec has left unfinished."""
    lines = [line.partition("train.py: ")[2] for line in err.splitlines() if "train.py: " in line]
    assert len(lines) == 1, err
    return lines[0]


@real_ranks
@pytest.mark.parametrize(
    ("options", "words"),
    [(["--dataset", "mnist", "--data-dir", "nowhere"], "nowhere"), (["--resume", "nowhere"], "nowhere")],
)
def test_what_cannot_start_is_told_once(tmp_path: Path, options: list[str], words: str) -> None:
    process = started(2, str(ROOT / "train.py"), "--distributed", *options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words in told_once(err)
    assert out == ""


CHANGED = """
import sys
import numpy as np
import train
from mpi4py import MPI
from nn import data, recipes, runs, training
from nn.distributed import Ranks
rank = MPI.COMM_WORLD.rank
whole = data.load_digits()
"""
CHANGES = {
    "has other data than rank 0; give all machines the same files": """
if rank == 1:
    whole.train_labels[:] = np.roll(whole.train_labels, 1)
recipes.load_data = runs.load_data = lambda *given: whole
runs.load_digits = lambda: whole
""",
    "rank 1 cannot train along: no such folder": """
def none(*given):
    raise data.DataError("no such folder")
if rank == 1:
    runs.load_digits = runs.load_data = none
""",
    "the parameters of rank 1, 2 are not those of rank 0": """
class Apart(training.SharedStep):
    def outcome(self):
        self._tensors[0].data[0] += rank
        return super().outcome()
training.SharedStep = Apart
""",
    "no space": """
def save(self):
    if self.training.optimizer.steps:
        raise OSError("no space")
runs.Run.save, runs.SAVE_EVERY = save, 0
""",
    "the loss became nan": """
class Spoilt(training.SharedStep):
    def prepare(self, step, asks):
        super().prepare(step, asks)
        if step == 5:
            self._tensors[0].data[...] = np.inf
            self._tensors[0].data = self._tensors[0].data
training.SharedStep, runs.SAVE_EVERY = Spoilt, 0
""",
}


@real_ranks
@pytest.mark.parametrize("words", CHANGES)
def test_whatever_goes_wrong_is_told_once_and_ends_all(tmp_path: Path, words: str) -> None:
    program = f"{CHANGED}{CHANGES[words]}sys.exit(train.main(sys.argv[1:]))"
    options = ["--distributed", "--dataset", "digits", "--no-plots", "--epochs", "3"]
    process = started(3, "-c", program, *options, "--out", str(tmp_path / "run"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words in told_once(err)
    assert "Traceback" not in err
    before_training = "other data" in words or "cannot train along" in words
    assert (tmp_path / "run").exists() != before_training


def test_a_generator_that_ranks_would_share_is_refused() -> None:
    generator = np.random.default_rng(0)
    model = MLP((4, 3, 2), dropout=0.5, generator=generator)
    with pytest.raises(ValueError, match="would differ between ranks; give it a generator of its own"):
        Training(
            model, SGD(model.parameters(), 0.1), {}, 255, epochs=1, batch_size=1,
            schedule=constant(0.1), generator=generator, ranks=SimpleNamespace(size=2),
        )  # fmt: skip


@real_ranks
def test_parameters_that_differ_are_found() -> None:
    program = """
import numpy as np
from nn.distributed import RankError, Ranks
ranks = Ranks()
ranks.check_alike([np.ones(3), np.ones((2, 2), np.float32)])
try:
    ranks.check_alike([np.full(3, 1.0 + (ranks.rank == 2) * 2.0**-52)])
except RankError as error:
    print(error)
"""
    status, out, err = done(3, "-c", program)
    assert (status, err) == (0, "")
    assert out.count("the parameters of rank 2 are not those of rank 0") == 3
