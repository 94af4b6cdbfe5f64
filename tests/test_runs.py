"""Runs that are stopped, spoilt, moved and gone on with: what they leave is what they would have left."""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn.runs
import nn.training
import train
from nn.checkpoint import load_arrays, load_checkpoint
from nn.data import DataError, load_digits
from nn.folders import held, read_parameters
from nn.layouts import IDX_NAMES
from nn.training import Training

ROOT = Path(__file__).parent.parent
OPTIONS = [
    *("--dataset", "digits", "--hidden", "16", "--epochs", "3", "--no-plots", "--validation", "0.1"),
    *("--dropout", "0.2", "--input-dropout", "0.1", "--max-norm", "3", "--optimizer", "adam"),
    *("--batch-size", "64"),
]
STEPS = 21  # of an epoch
SAME = ("metrics.csv", "parameters.npz")
Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")


@pytest.fixture(autouse=True)
def default_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Ctrl-C do what it does in a program of its own; suites in the background ignore it."""
    monkeypatch.setattr(train, "prepare", lambda threads: None)  # the environment of the tests stays
    monkeypatch.setattr(os, "fsync", lambda file: None)  # no test survives a power cut anyway
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train.main([*OPTIONS, "--quiet", "--out", str(folder)]) == 0
    return folder


def resume(folder: Path, *arguments: str) -> int:
    return train.main(["--resume", str(folder), *arguments])


def assert_same(folder: Path, whole: Path) -> None:
    for name in SAME:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def assert_finite(folder: Path) -> None:
    """Check that what a run has saved can be gone on with."""
    state, wrong = load_checkpoint(folder)
    assert wrong == []
    for arrays in (state["training"]["parameters"], load_arrays(folder / "parameters.npz")):
        assert all(np.isfinite(array).all() for array in arrays.values())


def events(folder: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]


Interrupt = Callable[..., None]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Let this process send itself signals when a function is called for the n-th time, once."""

    def interrupt(owner: Any, name: str, call: int, *numbers: int) -> None:
        function, calls = getattr(owner, name), 0

        def interrupted(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                for number in numbers or (signal.SIGINT,):
                    os.kill(os.getpid(), number)
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, interrupted)

    return interrupt


# ------------------------------------------------------------------------------------------ signals

STEP, EVALUATE, SAVE = (Training, "step"), (nn.training, "evaluate"), (nn.runs, "save_checkpoint")
DRAW, ASSESS = (nn.runs, "draw"), (nn.runs, "assess")


@pytest.mark.parametrize(
    ("moment", "call", "number"),
    [
        (SAVE, 1, signal.SIGTERM),  # before the first step
        (STEP, 1, signal.SIGINT),
        (STEP, STEPS - 1, signal.SIGTERM),
        (STEP, STEPS, signal.SIGINT),
        (EVALUATE, 1, signal.SIGINT),
        (EVALUATE, 3, signal.SIGTERM),
        (STEP, STEPS + 1, signal.SIGINT),
        (STEP, 2 * STEPS + 7, signal.SIGTERM),
        (STEP, 3 * STEPS, signal.SIGINT),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else value,
)
def test_a_signal_stops_after_the_step_and_the_run_goes_on_bit_for_bit(
    tmp_path: Path, whole: Path, interrupt: Interrupt, capsys: Capture, moment: Any, call: int, number: int
) -> None:
    interrupt(*moment, call, number)
    folder = tmp_path / "run"
    status = train.main([*OPTIONS, "--out", str(folder)])
    output, errors = capsys.readouterr()
    assert status == 128 + number
    assert errors == ""
    if (moment, call) == (STEP, 3 * STEPS):
        assert "Epoch 3" not in output
    stopped = [line for line in output.splitlines() if line.startswith("Stopped by ")]
    assert len(stopped) == 1
    assert f"Stopped by {signal.Signals(number).name} " in stopped[0]
    assert stopped[0].endswith(f"all is saved: go on with --resume {folder}")
    assert_finite(folder)
    assert not json.loads((folder / "evaluation.json").read_text())["finished"]
    assert events(folder)[-2:] == ["stop", "result"]
    assert resume(folder) == 0
    assert_same(folder, whole)
    assert json.loads((folder / "evaluation.json").read_text())["finished"]
    assert events(folder)[-1] == "end"


@pytest.mark.parametrize(
    ("moment", "call"), [(EVALUATE, 7), (EVALUATE, 9), (SAVE, 2), (ASSESS, 1), (DRAW, 1)], ids=str
)
def test_a_signal_after_the_last_step_lets_the_run_end(
    tmp_path: Path, whole: Path, interrupt: Interrupt, capsys: Capture, moment: Any, call: int
) -> None:
    interrupt(*moment, call, signal.SIGTERM)
    folder = tmp_path / "run"
    assert train.main([*OPTIONS, "--out", str(folder)]) == 128 + signal.SIGTERM
    assert "Stopped" not in capsys.readouterr().out
    assert_same(folder, whole)
    assert json.loads((folder / "evaluation.json").read_text())["finished"]


def test_a_run_may_be_stopped_again_and_again(
    tmp_path: Path, whole: Path, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    for number, call in enumerate([1, 1, 19, 15, 20, 1]):
        with monkeypatch.context() as patch:
            interrupt(*STEP, call)
            arguments = ["--resume", str(folder)] if number else [*OPTIONS, "--out", str(folder)]
            assert train.main([*arguments, "--quiet"]) == 130
            patch.undo()
        monkeypatch.undo()
    assert resume(folder, "--quiet") == 0
    assert_same(folder, whole)


def test_a_signal_that_is_ignored_stays_so(
    tmp_path: Path, whole: Path, interrupt: Interrupt, capsys: Capture
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as after nohup, or in the background of a script
    interrupt(*STEP, 5)
    assert train.main([*OPTIONS, "--out", str(tmp_path / "run")]) == 0
    assert "Stopped" not in capsys.readouterr().out
    assert_same(tmp_path / "run", whole)


def test_handlers_are_put_back(tmp_path: Path, interrupt: Interrupt) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupt(*STEP, 5)
    train.main([*OPTIONS, "--out", str(tmp_path / "run")])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_while_data_are_loaded_leaves_nothing(
    tmp_path: Path, interrupt: Interrupt, capsys: Capture
) -> None:
    interrupt(nn.runs, "load_data", 1)
    assert train.main([*OPTIONS, "--out", str(tmp_path / "new" / "run")]) == 130
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def program(*arguments: str, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run train.py after some lines, in a process of its own in which Ctrl-C does what it should."""
    lines = "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"{lines}{before}\nimport train\nsys.exit(train.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, **options)


def signalled(call: int, *numbers: int) -> str:
    """Return lines by which a program sends itself signals, with a line printed if it survives them."""
    return f"""
import nn.training
step, calls = nn.training.Training.step, 0
def interrupted(*arguments):
    global calls
    calls += 1
    if calls == {call}:
        for number in {[int(number) for number in numbers]}:
            os.kill(os.getpid(), number)
        print("still here")
    return step(*arguments)
nn.training.Training.step = interrupted
"""


@pytest.mark.parametrize("module", ["numpy", "nn.functional", "nn.runs"])
def test_ctrl_c_during_the_imports_gives_no_traceback(tmp_path: Path, module: str) -> None:
    hook = f"""
class Hook:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Hook())
"""
    result = program(*OPTIONS, "--out", str(tmp_path / "run"), before=hook)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path: Path, whole: Path, second: int) -> None:
    folder = tmp_path / "run"
    lines = signalled(30, signal.SIGINT, second)
    result = program(*OPTIONS, "--out", str(folder), before=lines)
    assert result.returncode == -second
    assert result.stderr == ""
    assert "still here" not in result.stdout
    assert resume(folder, "--quiet") == 0
    assert_same(folder, whole)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_program_itself_is_stopped_from_outside(tmp_path: Path, number: int, status: int) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, str(ROOT / "train.py"), *OPTIONS, "--epochs", "100000", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 2:"):
            break
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (status, "")
    assert output.splitlines()[-2].startswith(f"Stopped by {signal.Signals(number).name} ")
    assert output.splitlines()[-1].startswith("Test accuracy ")
    assert_finite(folder)


# ----------------------------------------------------------------------------------------- resuming


@pytest.fixture
def finished(tmp_path: Path, whole: Path) -> Path:
    """A copy of a run that has come to its end."""
    return Path(shutil.copytree(whole, tmp_path / "finished"))


@pytest.fixture
def stopped(tmp_path: Path, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped in its second epoch."""
    interrupt(*STEP, STEPS + 9)
    assert train.main([*OPTIONS, "--quiet", "--out", str(tmp_path / "stopped")]) == 130
    return tmp_path / "stopped"


def test_a_run_that_has_ended_is_only_drawn_again(
    finished: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(nn.runs, "draw", drawn.append)
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("took a step"))
    assert resume(finished) == 0
    assert "Training has ended after epoch 3" in capsys.readouterr().out
    assert len(drawn) == 1
    names = {path.name for path in whole.iterdir()} - {"log.jsonl", "checkpoint.previous.npz"}
    for name in names:
        assert (finished / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("run", ["finished", "stopped"])
@pytest.mark.parametrize("damage", ["gone", "empty", "torn"])
def test_files_that_are_missing_or_damaged_are_written_anew(
    request: pytest.FixtureRequest, whole: Path, capsys: Capture, run: str, damage: str
) -> None:
    folder = request.getfixturevalue(run)
    for name in ("metrics.csv", "parameters.npz", "evaluation.json", "config.json", "checkpoint.npz"):
        path = folder / name
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(content[: len(content) // 2] if damage == "torn" else b"")
    assert resume(folder) == 0
    errors = capsys.readouterr().err
    assert (
        f"{folder / 'config.json'} is missing or damaged; the options are taken from the checkpoint" in errors
    )
    assert "the options are taken from the checkpoint" in errors
    assert (f"{folder / 'checkpoint.npz'} is damaged" in errors) == (damage != "gone")
    assert errors.count("\n") == (1 if damage == "gone" else 2)
    assert_same(folder, whole)
    assert (folder / "config.json").read_bytes() == (whole / "config.json").read_bytes()
    assert (folder / "evaluation.json").read_bytes() == (whole / "evaluation.json").read_bytes()


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(
    stopped: Path, whole: Path, capsys: Capture
) -> None:
    for path in stopped.iterdir():
        if path.name != "config.json":
            path.unlink()
    assert resume(stopped) == 0
    assert (
        capsys.readouterr().err == f"train.py: {stopped} holds no checkpoint yet, so the run starts again\n"
    )
    assert_same(stopped, whole)


def test_a_run_that_is_killed_while_it_loads_data_can_be_gone_on_with(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    lines = "import nn.runs\nnn.runs.load_data = lambda recipe: os.kill(os.getpid(), signal.SIGKILL)"
    assert program(*OPTIONS, "--out", str(folder), before=lines).returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert resume(folder, "--quiet") == 0
    assert_same(folder, whole)


def test_a_run_that_goes_on_and_is_killed_is_not_judged_by_its_old_parameters(stopped: Path) -> None:
    """What --evaluate and --predict use is the latest: the checkpoint, not what the first stop has left."""
    lines = "import nn.runs\nnn.runs.SAVE_EVERY = 0\n" + signalled(5, signal.SIGKILL)
    assert program("--resume", str(stopped), before=lines).returncode == -signal.SIGKILL
    state, _ = load_checkpoint(stopped)
    assert state["training"]["position"] == 9 + 4
    for name, array in read_parameters(stopped).items():
        np.testing.assert_array_equal(array, state["training"]["parameters"][name])
    assert not (stopped / "evaluation.json").exists()


def test_both_checkpoints_damaged_are_one_sentence(stopped: Path, capsys: Capture) -> None:
    for name in ("checkpoint.npz", "checkpoint.previous.npz"):
        (stopped / name).write_bytes(b"PK")
    assert resume(stopped) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "the run cannot go on, start it anew with another --out" in errors


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_labels", "levels", "classes"])
def test_other_data_are_refused(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, part: str
) -> None:
    data = load_digits()
    value = getattr(data, part)
    other = value[::-1] if part != "levels" else 255
    monkeypatch.setattr(nn.runs, "load_data", lambda recipe: replace(data, **{part: other}))
    before = {path: path.read_bytes() for path in stopped.glob("checkpoint*")}
    assert resume(stopped) == 1
    errors = capsys.readouterr().err
    assert f"the data have changed since {stopped} was begun (" in errors
    assert "put the old ones back" in errors
    assert {path: path.read_bytes() for path in stopped.glob("checkpoint*")} == before


@pytest.mark.parametrize(
    ("option", "value"),
    [("lr", 0.1), ("epochs", 4), ("dropout", 0.0), ("seed", 1), ("schedule", "cosine"), ("hidden", [17])],
)
def test_options_that_were_changed_are_refused(
    stopped: Path, capsys: Capture, option: str, value: Any
) -> None:
    path = stopped / "config.json"
    config = json.loads(path.read_text())
    old = config["options"][option]
    config["options"][option] = value
    path.write_text(json.dumps(config))
    assert resume(stopped) == 1
    words = f"{path} has been changed since the run was begun ({option} was {old}, is {value}); undo that"
    assert capsys.readouterr().err == f"train.py: {words}\n"


def test_another_numpy_is_told(
    stopped: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(nn.runs, "version", lambda package: "9.8.7")
    assert resume(stopped) == 0
    words = f"begun with NumPy {np.__version__}, and this is 9.8.7: it may round differently"
    assert words in capsys.readouterr().err
    assert_same(stopped, whole)


def test_pictures_may_be_asked_for_later(stopped: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stopped / "config.json"
    config = json.loads(path.read_text())
    config["options"] |= {"no_plots": False, "graph": ["dot"]}
    path.write_text(json.dumps(config))
    asked = []
    monkeypatch.setattr(nn.runs, "draw", lambda run: asked.append((run.recipe.no_plots, run.recipe.graph)))
    assert resume(stopped, "--quiet") == 0
    assert asked == [(False, ("dot",))]
    assert_same(stopped, whole)


def write_idx(folder: Path) -> None:
    """Write the digits as the four files of MNIST."""
    data = load_digits()
    arrays = data.train_images, data.train_labels, data.test_images, data.test_labels
    folder.mkdir(parents=True)
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (folder / name).write_bytes(header + array.tobytes())


def test_runs_and_data_may_be_moved(
    tmp_path: Path, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    here = tmp_path / "here"
    write_idx(here / "data")
    monkeypatch.chdir(here)
    options = ["--data-dir", "data", "--hidden", "8", "--epochs", "2", "--no-plots", "--quiet"]
    assert train.main([*options, "--out", "whole"]) == 0
    interrupt(*STEP, 14)
    assert train.main([*options, "--out", "run"]) == 130
    config = json.loads(Path("run/config.json").read_text())
    assert config["options"]["data_dir"] == str(here / "data")

    monkeypatch.chdir(tmp_path)
    shutil.copytree("here/run", "there/renamed")
    assert train.main(["--resume", "there/renamed", "--quiet"]) == 0
    assert_same(tmp_path / "there/renamed", here / "whole")

    (here / "data").rename("moved")
    monkeypatch.chdir(here)
    capsys.readouterr()
    assert train.main(["--resume", "run", "--quiet"]) == 1
    assert str(here / "data") in capsys.readouterr().err
    assert train.main(["--resume", "run", "--quiet", "--data-dir", "../moved"]) == 0
    assert_same(here / "run", here / "whole")
    assert train.main(["--evaluate", "run"]) == 0


def test_threads_are_set_before_numpy_is_imported_when_a_run_goes_on(stopped: Path) -> None:
    config = json.loads((stopped / "config.json").read_text())
    config["options"]["threads"] = 3
    (stopped / "config.json").write_text(json.dumps(config))
    lines = """
import atexit
class Hook:
    def find_spec(self, name, *_):
        if name == 'numpy':
            print([os.environ.get(name + '_NUM_THREADS') for name in ('OPENBLAS', 'OMP', 'MKL')])
sys.meta_path.insert(0, Hook())
"""
    result = program("--resume", str(stopped), before=lines)
    assert result.stdout.splitlines()[0] == "['3', '3', '3']"


# ------------------------------------------------------------------------------------ early stopping

PATIENT = [
    *("--dataset", "digits", "--hidden", "16", "--epochs", "60", "--no-plots", "--quiet", "--dropout", "0"),
    *("--validation", "0.2", "--early-stopping", "2", "--optimizer", "sgd", "--schedule", "constant"),
    *("--batch-size", "100"),
]


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patient") / "run"
    assert train.main([*PATIENT, "--lr", "1.5", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("epoch", [-1, 0, 1, 2])
@pytest.mark.parametrize("moment", ["evaluate", "step"])
def test_runs_stopped_around_the_best_epoch_keep_it(
    tmp_path: Path, patient: Path, interrupt: Interrupt, epoch: int, moment: str
) -> None:
    history = load_checkpoint(patient)[0]["training"]["history"]
    best = int(np.argmin([record["validation_loss"] for record in history])) + 1
    assert 2 < best == len(history) - 2 < 58
    folder = tmp_path / "run"
    if moment == "evaluate":
        interrupt(*EVALUATE, 3 * (best + epoch) - 1)
    else:
        interrupt(*STEP, 12 * (best + epoch) - 5)
    last = (moment, epoch) == ("evaluate", 2)
    assert train.main([*PATIENT, "--lr", "1.5", "--out", str(folder)]) == 130
    assert json.loads((folder / "evaluation.json").read_text())["finished"] == last
    if last:
        assert_same(folder, patient)
    assert resume(folder, "--quiet") == 0
    assert_same(folder, patient)


@pytest.mark.skipif(os.name != "posix", reason="folders are locked on POSIX")
def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert train.main([*OPTIONS, "--quiet", "--out", str(folder)]) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with held(folder):
        assert train.main(["--resume", str(folder)]) == 1
    words = f"train.py: {folder} is being trained in by another process; wait for it, or stop it\n"
    assert capsys.readouterr().err == words
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert resume(folder, "--quiet") == 0


# ------------------------------------------------------------------------------------------- seeds

SEEDS = [*OPTIONS, "--seed", "5", "--seeds", "3", "--epochs", "2"]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds") / "run"
    assert train.main([*SEEDS, "--quiet", "--out", str(folder)]) == 0
    return folder


def assert_same_seeds(folder: Path, seeds: Path) -> None:
    assert (folder / "summary.json").read_bytes() == (seeds / "summary.json").read_bytes()
    for seed in (5, 6, 7):
        assert_same(folder / f"seed-{seed}", seeds / f"seed-{seed}")


def test_the_curves_of_several_runs_are_not_shown(
    tmp_path: Path, seeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([*SEEDS, "--out", str(tmp_path / "run")], ["--resume", str(seeds)]):
        options = [option for option in arguments if option != "--no-plots"]
        assert train.main([*options, "--show"]) == 1
        words = "train.py: --show shows the curves of one run, and these are several; leave it out\n"
        assert capsys.readouterr().err == words
    assert not (tmp_path / "run").exists()


def test_seeds_are_runs_of_their_own_and_a_summary(tmp_path: Path, seeds: Path) -> None:
    assert {path.name for path in seeds.iterdir()} == {
        *("config.json", "summary.json", "seed-5", "seed-6", "seed-7")
    }
    accuracies = {}
    for seed in (5, 6, 7):
        folder = seeds / f"seed-{seed}"
        assert json.loads((folder / "config.json").read_text())["options"]["seed"] == seed
        accuracies[str(seed)] = json.loads((folder / "evaluation.json").read_text())["accuracy"]
    summary = json.loads((seeds / "summary.json").read_text())
    assert summary["accuracies"] == accuracies
    assert len(set(accuracies.values())) > 1
    assert summary["mean"] == pytest.approx(statistics.fmean(accuracies.values()), rel=1e-12)
    assert summary["standard_deviation"] == pytest.approx(statistics.stdev(accuracies.values()), rel=1e-12)
    alone = tmp_path / "alone"
    arguments = [*OPTIONS, "--epochs", "2", "--seed", "6", "--quiet", "--out", str(alone)]
    assert train.main(arguments) == 0
    assert_same(alone, seeds / "seed-6")


def test_a_summary_is_told(seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(nn.runs, "Run", lambda *_: pytest.fail("trained again"))
    (seeds / "summary.json").unlink()
    assert resume(seeds) == 0
    assert "(3 seeds: " in capsys.readouterr().out
    assert (seeds / "summary.json").exists()


@pytest.mark.parametrize(
    ("moment", "call", "last"),
    [(STEP, 3, 5), (STEP, 2 * STEPS + 3, 6), (EVALUATE, 7, 6), (DRAW, 1, 5), (DRAW, 2, 6), (EVALUATE, 6, 5)],
    ids=str,
)
def test_a_signal_stops_all_seeds_and_they_go_on(
    tmp_path: Path, seeds: Path, interrupt: Interrupt, capsys: Capture, moment: Any, call: int, last: int
) -> None:
    folder = tmp_path / "run"
    interrupt(*moment, call)
    assert train.main([*SEEDS, "--out", str(folder)]) == 130
    assert f"All seeds go on with --resume {folder}\n" in capsys.readouterr().out
    assert {path.name for path in folder.glob("seed-*")} == {f"seed-{seed}" for seed in range(5, last + 1)}
    assert not (folder / "summary.json").exists()
    assert resume(folder) == 0
    assert_same_seeds(folder, seeds)


@pytest.mark.parametrize("call", [1, 2 * STEPS + 1, 2 * STEPS + 30])
def test_seeds_that_are_killed_go_on(tmp_path: Path, seeds: Path, call: int) -> None:
    folder = tmp_path / "run"
    assert (
        program(*SEEDS, "--out", str(folder), before=signalled(call, signal.SIGKILL)).returncode
        == -signal.SIGKILL
    )
    assert resume(folder, "--quiet") == 0
    assert_same_seeds(folder, seeds)


@pytest.mark.parametrize("options", [["--lr", "1e30"], ["--lr", "1e9", "--epochs", "1"]], ids=" ".join)
def test_seeds_that_diverge_have_no_mean(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "run"
    assert train.main([*SEEDS, "--quiet", *options, "--out", str(folder)]) == 1
    assert resume(folder, "--quiet") == 1
    assert not (folder / "summary.json").exists()
    assert not (folder / "seed-6").exists()


def test_seeds_that_cannot_start_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(recipe: Any) -> None:
        raise DataError("no such data")

    monkeypatch.setattr(nn.runs, "load_data", fail)
    assert train.main([*SEEDS, "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "train.py: no such data\n"
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------- beyond all hope

HOPELESS = ["--dataset", "digits", "--hidden", "16", "--epochs", "2", "--no-plots"]
ONE_STEP = ["--schedule", "constant", "--epochs", "1", "--batch-size", "2000"]


@pytest.mark.parametrize("save_every", [30.0, 0.0])
@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        (["--lr", "1e30"], r"in step \d+ of epoch 1.*'(linear|nll_loss|log_softmax)' gave .*in layers\."),
        (["--lr", "1e300"], r"the step of SGD made NaN or Inf of layers\."),
        (["--lr", "1e300", *ONE_STEP], r"(of|by) (step|epoch|the end).*made NaN or Inf of layers\."),
        (["--lr", "1e38", *ONE_STEP], r"at the end of epoch 1.*'linear' gave .*in layers\."),
        (["--optimizer", "adam", "--lr", "1e38"], r"in step 2 of epoch 1.*'linear' gave .*in layers\."),
        (["--weight-decay", "1e30"], r"in step \d+ of epoch 1.*in layers\."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_loss_that_is_no_number_is_told_and_what_stays_is_good(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    options: list[str],
    pattern: str,
    save_every: float,
) -> None:
    monkeypatch.setattr(nn.runs, "SAVE_EVERY", save_every)
    folder = tmp_path / "run"
    for arguments in ([*HOPELESS, *options, "--out", str(folder)], ["--resume", str(folder)]):
        assert train.main(arguments) == 1
        errors = capsys.readouterr().err
        assert errors.count("train.py: ") == 1
        assert re.search(pattern, errors, re.DOTALL), errors
        assert "at a learning rate of " in errors
        assert "start a new run with a lower --lr, or with --schedule warm-up" in errors
        assert f"the checkpoint in {folder} is from before that" in errors
        assert_finite(folder)
        assert json.loads((folder / "evaluation.json").read_text())["finished"] is False
        assert events(folder)[-2:] == ["stop", "result"]


def test_a_loss_that_is_only_hopeless_is_told_too(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "run"
    assert train.main([*OPTIONS, "--lr", "1e9", "--out", str(folder)]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("train.py: training diverges: the loss is ")
    assert errors.endswith("try a lower --lr\n")
    assert_finite(folder)
    assert events(folder)[-2:] == ["stop", "result"]


# --------------------------------------------------------------------------------------- full disks

LIMIT = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"


@pytest.mark.parametrize("seeds", [[], ["--seeds", "2"]], ids=["", "seeds"])
def test_a_disk_that_is_full_at_the_start_leaves_nothing(tmp_path: Path, seeds: list[str]) -> None:
    folder = tmp_path / "new" / "run"
    result = program(*OPTIONS, *seeds, "--out", str(folder), before=LIMIT.format(10))
    assert (result.returncode, result.stdout) == (1, "")
    words = f"the run folder {folder} cannot be made, or written to: File too large"
    assert result.stderr == f"train.py: {words}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [1, STEPS - 1, STEPS + 9, 3 * STEPS])
def test_a_disk_that_is_full_later_loses_nothing(tmp_path: Path, whole: Path, step: int) -> None:
    folder = tmp_path / "run"
    lines = f"""
import resource, nn.runs, nn.training
nn.runs.SAVE_EVERY = 0
take, calls = nn.training.Training.step, 0
def full(*arguments):
    global calls
    calls += 1
    if calls == {step}:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    return take(*arguments)
nn.training.Training.step = full
"""
    result = program(*OPTIONS, "--out", str(folder), before=lines)
    assert result.returncode == 1
    assert result.stderr.startswith("train.py: ")
    assert result.stderr.count("\n") == 1
    assert "cannot be written" in result.stderr
    assert "--resume" in result.stderr
    state, wrong = load_checkpoint(folder)
    assert wrong == []
    training = state["training"]
    assert len(training["history"]) * STEPS + training["position"] == step - 1
    assert not list(folder.glob("*.part")) + list(folder.glob("*.new"))
    assert resume(folder, "--quiet") == 0
    assert_same(folder, whole)
