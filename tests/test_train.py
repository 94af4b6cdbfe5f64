"""train.py: what it prints, refuses and leaves behind."""

import contextlib
import csv
import io
import json
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from samples import in_a_terminal

import nn.data
import nn.recipes
import train
from autograd import Tensor
from nn import MLP, cross_entropy, plots
from nn.checkpoint import load_arrays
from nn.data import load_digits, scale_pixels
from nn.evaluation import evaluate
from nn.recipes import CHECKS, LEARNING_RATES, PRESETS, SCHEDULES, Recipe, make_optimizer

ROOT = Path(__file__).parent.parent
MNIST = ROOT.parent / "shared" / "data" / "mnist"

DIGITS = ["--dataset", "digits"]
QUICK = [*DIGITS, "--epochs", "1", "--hidden", "16", "--no-plots"]
FILES = {
    *("config.json", "metrics.csv", "log.jsonl", "evaluation.json", "parameters.npz"),
    *("checkpoint.npz", "checkpoint.previous.npz"),
}
EPOCH_LINE = re.compile(
    r"Epoch (\d+): Loss = (\d+\.\d{4}), Train Acc = ([01]\.\d{4}), (?:Val Acc = [01]\.\d{4}, )?"
    r"Test Acc = ([01]\.\d{4}) \((\d+\.\d) s\)(?: best)?"
)

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program dot (Graphviz) is not installed"
)


@dataclass
class Run:
    folder: Path
    output: str
    warnings: str

    @property
    def config(self) -> dict[str, Any]:
        return json.loads((self.folder / "config.json").read_text())

    @property
    def rows(self) -> list[dict[str, str]]:
        with open(self.folder / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def evaluation(self) -> dict[str, float]:
        found = json.loads((self.folder / "evaluation.json").read_text())
        return {"accuracy": found["accuracy"], "low": found["interval"][0], "high": found["interval"][1]}

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return load_arrays(self.folder / "parameters.npz")

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    @property
    def epochs(self) -> list[re.Match[str]]:
        matches = map(EPOCH_LINE.fullmatch, self.output.splitlines())
        return [match for match in matches if match]


def run(folder: Path, *arguments: str) -> Run:
    """Call main() in this process and keep what it prints."""
    output, warnings = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(warnings):
        train.main([*arguments, "--out", str(folder)])
    return Run(folder, output.getvalue(), warnings.getvalue())


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run train.py as a program, and wait for it."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with everything that it writes."""
    options = ["--epochs", "3", "--seed", "1", "--validation", "0.1", "--hidden", "32", "16"]
    return run(tmp_path_factory.mktemp("whole") / "new" / "run", *DIGITS, *options)


def model_of(config: dict[str, Any], parameters: dict[str, np.ndarray]) -> MLP:
    options = config["options"]
    sizes = [64, *options["hidden"], 10]
    model = MLP(sizes, options["activation"], options["dropout"], generator=np.random.default_rng(9))
    model.load_state_dict(parameters)
    return model


# ----------------------------------------------------------------------------------- the run folder


@needs_dot
def test_the_run_folder_has_everything(whole: Run) -> None:
    pictures = {"curves.png", "confusion.png", "mistakes.png", "weights.png", "graph.svg"}
    assert whole.files == pictures | FILES | {"report.html"}
    for name in pictures - {"graph.svg"}:
        assert (whole.folder / name).read_bytes().startswith(b"\x89PNG\r\n")
    assert "layers.0" in (whole.folder / "graph.svg").read_text(encoding="utf-8")
    assert whole.warnings == ""


def test_the_configuration_has_all_options_and_versions(whole: Run) -> None:
    assert whole.config["options"].keys() == asdict(Recipe()).keys()
    chosen = whole.config["options"]
    expected = {
        "dataset": "digits",
        "data_dir": None,
        "validation": 0.1,
        "hidden": [32, 16],
        "optimizer": "momentum",
        "lr": 0.12,
        "batch_size": 32,
        "epochs": 3,
        "seed": 1,
        "graph": ["svg"],
    }
    assert {name: chosen[name] for name in expected} == expected
    assert whole.config["versions"]["python"] == platform.python_version()
    for package in ("numpy", "matplotlib", "graphviz"):
        assert whole.config["versions"][package] == version(package)


def test_the_table_has_a_row_for_each_epoch(whole: Run) -> None:
    assert [row["epoch"] for row in whole.rows] == ["1", "2", "3"]
    assert list(whole.rows[0]) == [
        "epoch",
        "loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "test_loss",
        "test_accuracy",
        "learning_rate",
    ]
    for row in whole.rows:
        values = {name: float(text) for name, text in row.items()}
        assert all(np.isfinite(value) for value in values.values())
        assert all(0 <= values[f"{part}_accuracy"] <= 1 for part in ("train", "validation", "test"))


def test_the_table_has_no_validation_columns_without_validation(tmp_path: Path) -> None:
    row = run(tmp_path / "run", *QUICK).rows[0]
    assert not any("validation" in name for name in row)
    assert {"loss", "train_accuracy", "test_loss", "test_accuracy"} < row.keys()


def test_the_parameters_give_the_reported_accuracy(whole: Run) -> None:
    with np.load(whole.folder / "parameters.npz", allow_pickle=False) as file:
        parameters = dict(file)
    assert all(array.dtype == np.float32 for array in parameters.values())
    data = load_digits()
    model = model_of(whole.config, parameters)
    loss, accuracy = evaluate(model, data.test_images, data.test_labels, data.levels)
    assert accuracy == float(whole.rows[-1]["test_accuracy"])
    assert loss == pytest.approx(float(whole.rows[-1]["test_loss"]), rel=1e-6)
    assert f"Test Acc = {accuracy:.4f}" in whole.epochs[-1][0]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert run(tmp_path, *QUICK).files == FILES


def test_without_out_the_folder_is_named_by_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train.main(QUICK)
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}", folder.name)
    assert f"results in {Path('runs') / folder.name}" in capsys.readouterr().out


# ------------------------------------------------------------------------------------ what is printed


def test_the_lines_that_are_printed(whole: Run) -> None:
    assert whole.output.splitlines() == [
        "digits: 1,293 training, 144 validation and 360 test images",
        f"Network 64-32-16-10, results in {whole.folder}",
        *(match[0] for match in whole.epochs),
        "Test accuracy {} % (95 % interval: {} to {} %)".format(
            *(f"{100 * whole.evaluation[key]:.2f}" for key in ("accuracy", "low", "high"))
        ),
        f"All of it on one page: {whole.folder / 'report.html'}",
    ]
    assert [match[1] for match in whole.epochs] == ["1", "2", "3"]
    for match, row in zip(whole.epochs, whole.rows, strict=True):
        printed = [float(text) for text in match.groups()[1:4]]
        written = [float(row[name]) for name in ("loss", "train_accuracy", "test_accuracy")]
        assert printed == pytest.approx(written, abs=5.1e-5)


def test_no_progress_bar_where_nobody_watches(whole: Run, tmp_path: Path) -> None:
    assert "step" not in whole.warnings
    result = start(*QUICK, "--out", str(tmp_path / "run"))
    assert (result.returncode, result.stderr) == (0, "")
    assert "\r" not in result.stdout


def test_a_progress_bar_in_a_terminal(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), *QUICK, "--out", str(tmp_path / "run")]
    shown = in_a_terminal(command)
    assert "samples/s" in shown
    lines = re.split(r"[\r\n]+", shown)
    assert any(EPOCH_LINE.fullmatch(line) for line in lines)
    assert not lines[-1].strip()


# ---------------------------------------------------------------------------------- reproducibility


def test_the_same_seed_gives_the_same_run(whole: Run, tmp_path: Path) -> None:
    options = ["--epochs", "3", "--validation", "0.1", "--hidden", "32", "16", "--no-plots"]
    again = run(tmp_path / "again", *DIGITS, *options, "--seed", "1")
    assert again.parameters.keys() == whole.parameters.keys()
    for name, array in again.parameters.items():
        assert array.tobytes() == whole.parameters[name].tobytes()
    assert again.rows == whole.rows
    other = run(tmp_path / "other", *DIGITS, *options, "--seed", "2")
    assert any(
        array.tobytes() != whole.parameters[name].tobytes() for name, array in other.parameters.items()
    )
    assert other.rows[0]["loss"] != whole.rows[0]["loss"]


def test_the_same_seed_gives_the_same_run_in_fresh_processes(tmp_path: Path) -> None:
    runs = []
    for number in range(2):
        folder = tmp_path / str(number)
        result = start(*QUICK, "--out", str(folder), PYTHONHASHSEED=str(number + 1))
        assert result.returncode == 0, result.stderr
        runs.append(Run(folder, result.stdout, result.stderr))
    first, second = runs
    assert first.rows[0]["loss"] == second.rows[0]["loss"]
    for name, array in first.parameters.items():
        assert array.tobytes() == second.parameters[name].tobytes()


def test_seeds_of_any_size(tmp_path: Path) -> None:
    assert run(tmp_path / "run", *QUICK, "--seed", str(10**30)).config["options"]["seed"] == 10**30


# ------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_every_optimizer_learns(tmp_path: Path, optimizer: str) -> None:
    options = ["--epochs", "5", "--hidden", "64", "--dropout", "0", "--optimizer", optimizer]
    result = run(tmp_path / "run", *QUICK, *options)
    assert result.config["options"]["lr"] == LEARNING_RATES[optimizer]
    assert float(result.rows[-1]["test_accuracy"]) > 0.8


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_the_optimizer_is_made_as_the_options_say(name: str) -> None:
    recipe = Recipe(optimizer=name, lr=0.25, momentum=0.75, weight_decay=0.125)
    optimizer = make_optimizer(recipe, [Tensor(1.0, requires_grad=True)])
    assert (optimizer.lr, optimizer.weight_decay) == (0.25, 0.125)
    if name in ("sgd", "momentum", "nesterov"):
        assert type(optimizer).__name__ == "SGD"
        assert optimizer.momentum == (0.0 if name == "sgd" else 0.75)
        assert optimizer.nesterov == (name == "nesterov")
    else:
        assert type(optimizer).__name__.lower() == name


@pytest.mark.parametrize(
    "schedule, first, last",
    [
        ("constant", 0.1, 0.1),
        ("step", 0.1, 0.001),
        ("exponential", 0.1 * 0.01 ** (44 / 135), 0.1 * 0.01 ** (134 / 135)),
        ("cosine", None, 0.1 * (1 + np.cos(np.pi * 134 / 135)) / 2),
        ("warm-up", 0.1, 0.1),
        ("one-cycle", None, 0.1e-5),
    ],
)
def test_every_schedule_sets_the_learning_rate(
    tmp_path: Path, schedule: str, first: float | None, last: float
) -> None:
    result = run(tmp_path / "run", *QUICK, "--epochs", "3", "--lr", "0.1", "--schedule", schedule)
    rates = [float(row["learning_rate"]) for row in result.rows]
    assert rates[-1] == pytest.approx(last)
    if first is not None:
        assert rates[0] == pytest.approx(first)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_every_activation_learns(tmp_path: Path, activation: str) -> None:
    result = run(tmp_path / "run", *QUICK, "--epochs", "4", "--activation", activation)
    assert float(result.rows[-1]["test_accuracy"]) > 0.7


def test_no_hidden_layers(tmp_path: Path) -> None:
    result = run(tmp_path / "run", *DIGITS, "--epochs", "3", "--graph", "dot", "--hidden")
    assert "Network 64-10," in result.output
    assert {name: array.shape for name, array in result.parameters.items()} == {
        "layers.0.weight": (64, 10),
        "layers.0.bias": (10,),
    }
    assert float(result.rows[-1]["test_accuracy"]) > 0.85
    assert {"weights.png", "graph.dot"} < result.files
    assert result.warnings == ""


def test_other_options_are_accepted(tmp_path: Path) -> None:
    options = ["--lr", "0.05", "--momentum", "0.5", "--weight-decay", "1e-4", "--dropout", "0"]
    result = run(tmp_path / "run", *QUICK, *options, "--batch-size", "100")
    chosen = result.config["options"]
    assert [chosen[name] for name in ("lr", "momentum", "weight_decay", "dropout", "batch_size")] == [
        0.05, 0.5, 1e-4, 0.0, 100,
    ]  # fmt: skip


def test_a_batch_larger_than_the_training_set(tmp_path: Path) -> None:
    assert len(run(tmp_path / "run", *QUICK, "--batch-size", "1000000").rows) == 1


def test_validation_takes_images_from_the_training_set(tmp_path: Path) -> None:
    result = run(tmp_path / "run", *QUICK, "--validation", "0.25")
    assert result.output.startswith("digits: 1,078 training, 359 validation and 360 test images\n")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which the validation loss is at its lowest before the last epoch."""
    options = ["--optimizer", "sgd", "--lr", "0.5", "--schedule", "constant", "--dropout", "0", "--no-plots"]
    options += ["--hidden", "16", "--epochs", "60", "--validation", "0.2", "--early-stopping", "2"]
    return run(tmp_path_factory.mktemp("stopped") / "run", *DIGITS, *options)


def test_early_stopping_stops_and_keeps_the_best_epoch(stopped: Run) -> None:
    losses = [float(row["validation_loss"]) for row in stopped.rows]
    best = int(np.argmin(losses))
    assert best > 0
    assert len(losses) == best + 3 < 60
    data = load_digits()
    model = model_of(stopped.config, stopped.parameters)
    _, accuracy = evaluate(model, data.test_images, data.test_labels, data.levels)
    assert accuracy == float(stopped.rows[best]["test_accuracy"])


def test_early_stopping_says_which_epoch_is_kept(stopped: Run) -> None:
    best = 1 + int(np.argmin([float(row["validation_loss"]) for row in stopped.rows]))
    others = [line for line in stopped.output.splitlines() if not EPOCH_LINE.fullmatch(line)]
    assert re.search(rf"epoch {best}\b", "\n".join(others))


def test_no_plots_writes_no_pictures(tmp_path: Path) -> None:
    assert run(tmp_path / "run", *QUICK).files == FILES


@pytest.mark.parametrize(
    "arguments, name, start_of_file",
    [
        (["--graph", "dot"], "graph.dot", b"digraph "),
        pytest.param(["--graph", "png"], "graph.png", b"\x89PNG", marks=needs_dot),
        pytest.param(["--graph", "pdf"], "graph.pdf", b"%PDF", marks=needs_dot),
        (["--graph", "html"], "graph.html", b"<!doctype html>"),
        pytest.param(["--graph"], "graph.svg", b"<?xml", marks=needs_dot),
    ],
)
def test_the_graph_in_each_format(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    name: str,
    start_of_file: bytes,
) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)
    result = run(tmp_path / "run", *QUICK[:-1], *arguments)
    both = {"graph.svg", "graph.html"} if arguments == ["--graph"] else {name}
    assert result.files == FILES | {*both, "report.html"}
    assert (result.folder / name).read_bytes().startswith(start_of_file)
    assert result.warnings == ""


def test_the_graph_shows_the_gradients_of_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)
    result = run(tmp_path / "run", *QUICK[:-1], "--dropout", "0", "--graph", "dot")
    data = load_digits()
    model = model_of(result.config, result.parameters)
    pixels = scale_pixels(data.train_images[:32], data.levels)
    cross_entropy(model(Tensor(pixels)), data.train_labels[:32]).backward()
    source = (result.folder / "graph.dot").read_text(encoding="utf-8")
    shown = re.findall(r"<b>(weight|bias)</b>.*?grad rms ([^<]*)<", source)
    expected = [
        (parameter.name, f"{np.sqrt(np.mean(np.square(parameter.grad.data, dtype=float))):.3g}")
        for parameter in model.parameters()
    ]
    assert sorted(shown) == sorted(expected)


def test_threads_are_set_before_numpy_is_imported(tmp_path: Path) -> None:
    program = (
        "import os, sys, train; assert 'numpy' not in sys.modules; train.main(sys.argv[1:]);"
        "print([os.environ[name + '_NUM_THREADS'] for name in ('OPENBLAS', 'OMP', 'MKL')])"
    )
    command = [sys.executable, "-c", program, *QUICK, "--threads", "1", "--out", str(tmp_path / "run")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "['1', '1', '1']"


AMD = "vendor_id : AuthenticAMD\nflags : avx2 avx512f avx512bw avx512cd avx512dq avx512vl\n"


@pytest.mark.parametrize(
    ("processor", "before", "after"),
    [
        (AMD, None, "SkylakeX"),
        (AMD, "Haswell", "Haswell"),
        (AMD.replace("avx512f", ""), None, None),
        (AMD.replace("AuthenticAMD", "GenuineIntel"), None, None),
        (None, None, None),
    ],
)
def test_kernels_are_chosen_where_openblas_would_not(
    monkeypatch: pytest.MonkeyPatch, processor: str | None, before: str | None, after: str | None
) -> None:
    def read_text(path: Path) -> str:
        if processor is None:
            raise FileNotFoundError(path)
        return processor

    monkeypatch.setattr(Path, "read_text", read_text)
    environment = {} if before is None else {"OPENBLAS_CORETYPE": before}
    monkeypatch.setattr(os, "environ", environment)
    train.prepare(None)
    assert environment.get("OPENBLAS_CORETYPE") == after


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), *QUICK, "--out", "here"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "here" / "parameters.npz").is_file()


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_results_are_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(nn.recipes, "load_digits", lambda: pytest.fail("went on"))
    (tmp_path / "file").write_text("precious")
    out = tmp_path / "file" if kind == "file" else tmp_path
    assert train.main([*QUICK, "--out", str(out)]) == 1
    assert f"train.py: --out: {out} exists already; name a new folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def assert_ends_with_one_line(result: subprocess.CompletedProcess[str], words: str) -> None:
    assert result.returncode not in (0, -1)
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("train.py: ")
    assert words in last
    assert "Epoch" not in result.stdout


def test_a_folder_without_mnist_is_refused_in_one_line(tmp_path: Path) -> None:
    result = start("--dataset", "mnist", "--data-dir", str(tmp_path), "--out", str(tmp_path / "run"))
    assert_ends_with_one_line(result, f"{tmp_path} holds run; give a folder with four IDX files")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_that_does_not_exist_is_refused_without_a_dataset_too(tmp_path: Path) -> None:
    result = start("--data-dir", str(tmp_path / "typo"), "--out", str(tmp_path / "run"))
    assert_ends_with_one_line(result, "typo does not exist; give a folder")


def test_a_run_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = start(*QUICK, "--out", str(tmp_path / "file" / "run"))
    assert_ends_with_one_line(result, str(tmp_path / "file"))


@pytest.mark.parametrize("part", ["0.0001", "0.9999"])
def test_a_validation_set_that_leaves_a_side_empty_is_refused_in_one_line(tmp_path: Path, part: str) -> None:
    result = start(*QUICK, "--validation", part, "--out", str(tmp_path / "run"))
    assert_ends_with_one_line(result, "validation")


def test_help_is_quick_and_imports_no_numpy() -> None:
    program = (
        "import contextlib, sys, train\n"
        "with contextlib.suppress(SystemExit): train.main(['--help'])\n"
        "print({'numpy', 'matplotlib', 'graphviz', 'tqdm'} & sys.modules.keys())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage: ")
    assert result.stdout.splitlines()[-1] == "set()"
    shown = result.stdout.splitlines()[:-1]
    assert len(shown) <= 48  # two screens
    assert max(map(len, shown)) < 80


def test_help_has_every_option_of_a_recipe_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.parse_arguments(["--help"])
    shown = capsys.readouterr().out
    for name, default in asdict(Recipe()).items():
        (line,) = re.findall(rf"  --{name.replace('_', '-')} .*", shown)
        words = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        given = re.search(r"\(([^()]*)\)$", line)
        if isinstance(default, (int, float, tuple)) and given and not isinstance(default, bool):
            assert given[1] in (words, words.removesuffix(".0"))
    assert train.OPTIMIZERS[0] == Recipe().optimizer
    assert train.SCHEDULES[0] == Recipe().schedule
    assert train.ACTIVATIONS[0] == Recipe().activation


def test_the_names_on_the_command_line_are_those_of_recipes() -> None:
    assert set(train.OPTIMIZERS) == LEARNING_RATES.keys()
    assert set(train.SCHEDULES) == SCHEDULES.keys()
    assert set(train.PRESETS) == PRESETS.keys()
    for option, names in (("activation", train.ACTIVATIONS), ("graph", train.FORMATS)):
        assert CHECKS[option][1] == ", ".join(names)


def test_help_states_no_default_of_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.parse_arguments(["--help"])
    assert "None" not in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------- data


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(folder: Path, train_shape: tuple[int, int], test_shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    for part, count, shape in (("train", 200, train_shape), ("t10k", 50, test_shape)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = generator.integers(0, 40, (count, *shape), dtype=np.uint8)
        images[np.arange(count), labels % shape[0]] += (100 + 10 * labels)[:, np.newaxis]
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)


@pytest.mark.parametrize("dataset", [["--dataset", "mnist"], []])
def test_a_folder_of_idx_files_trains_as_mnist(tmp_path: Path, dataset: list[str]) -> None:
    write_mnist(tmp_path, (10, 6), (10, 6))
    options = ["--data-dir", str(tmp_path), "--epochs", "5", "--hidden", "12", "--batch-size", "10"]
    result = run(tmp_path / "run", *dataset, *options, "--graph", "dot")
    assert result.output.splitlines()[:2] == [
        "MNIST: 200 training and 50 test images",
        f"Network 60-12-10, results in {tmp_path / 'run'}",
    ]
    assert result.config["options"]["dataset"] == "mnist"
    assert result.config["options"]["data_dir"] == str(tmp_path)
    assert float(result.rows[-1]["test_accuracy"]) > 0.5
    assert result.warnings == ""


def test_fashion_mnist_shows_the_names_of_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, (10, 6), (10, 6))
    seen = []
    monkeypatch.setattr(plots, "plot_confusion", lambda matrix, classes, title: seen.append((classes, title)))
    options = ["--data-dir", str(tmp_path), "--epochs", "1", "--hidden", "--graph", "dot"]
    result = run(tmp_path / "run", "--dataset", "fashion-mnist", *options)
    assert result.output.startswith("Fashion-MNIST: 200 training")
    assert seen == [(nn.data.FASHION_CLASSES, "Fashion-MNIST, 50 test images")]


def test_training_and_test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, (10, 6), (10, 7))
    result = start("--data-dir", str(tmp_path), "--epochs", "1", "--out", str(tmp_path / "run"))
    assert_ends_with_one_line(result, "has test images of (10, 7) pixels")


@pytest.fixture
def no_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Any) -> None:
        raise nn.data.DataError("no mirror delivers it")

    monkeypatch.setattr(nn.recipes, "load_mnist", fail)


def titles_of(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Keep the titles of figures, by file name, and write no files."""
    titles: dict[str, str] = {}

    def savefig(figure: Figure, path: Path, **_: Any) -> None:
        titles[Path(path).name] = figure.get_suptitle()

    monkeypatch.setattr(Figure, "savefig", savefig)
    return titles


@pytest.mark.usefixtures("no_mnist")
def test_without_mnist_it_trains_on_digits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = titles_of(monkeypatch)
    result = run(tmp_path / "run", "--epochs", "1", "--graph", "dot")
    assert result.warnings == (
        "train.py: no MNIST (no mirror delivers it): "
        "training on the 1,797 small digits that come with the program\n"
    )
    assert "digits: 1,437 training and 360 test images" in result.output.splitlines()
    assert result.config["options"]["dataset"] == "digits"
    assert result.config["options"]["batch_size"] == 32
    assert titles.keys() == {"curves.png", "confusion.png", "mistakes.png", "weights.png"}
    assert all(title.startswith("digits") for title in titles.values())


@pytest.mark.usefixtures("no_mnist")
def test_mnist_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    result = run(tmp_path / "run", "--dataset", "mnist", "--epochs", "1")
    assert result.warnings == "train.py: no mirror delivers it\n"
    assert not result.folder.exists()


def test_a_broken_file_in_the_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, (10, 6), (10, 6))
    broken = tmp_path / "train-labels-idx1-ubyte"
    broken.write_bytes(broken.read_bytes()[:-1])
    load_mnist = nn.recipes.load_mnist
    monkeypatch.setattr(nn.recipes, "load_mnist", lambda folder: load_mnist(tmp_path))
    result = run(tmp_path / "run", *QUICK[2:])
    assert str(broken) in result.output + result.warnings


def test_mnist_itself(tmp_path: Path) -> None:
    if not MNIST.is_dir():
        pytest.skip(f"MNIST is not there: {MNIST.name} in the folder shared/data beside the project")
    result = run(tmp_path / "run", "--data-dir", str(MNIST), "--epochs", "1", "--hidden", "32", "--no-plots")
    assert result.output.startswith("MNIST: 60,000 training and 10,000 test images\n")
    assert float(result.rows[-1]["test_accuracy"]) > 0.8


# --------------------------------------------------------------------------------- what may go wrong


def test_a_plot_that_fails_warns_and_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = titles_of(monkeypatch)

    def fail(*_: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(plots, "plot_confusion", fail)
    result = run(tmp_path / "run", *QUICK[:-1], "--graph", "dot")
    assert result.warnings == "train.py: could not draw confusion.png: no ink\n"
    assert titles.keys() == {"curves.png", "mistakes.png", "weights.png"}
    assert "graph.dot" in result.files


def test_without_dot_the_graph_is_left_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles_of(monkeypatch)
    monkeypatch.setitem(sys.modules, "graphlay", None)  # as where it is not installed
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(tmp_path / "run", *QUICK[:-1])
    assert result.warnings.count("\n") == 1
    assert re.search(
        r"graph\.dot is written instead of a svg.*dot is not installed.*Graphviz", result.warnings
    )
    assert (result.folder / "graph.dot").read_text(encoding="utf-8").startswith("digraph ")
    assert "graph.svg" not in result.files


def test_without_dot_the_text_is_left_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles_of(monkeypatch)
    monkeypatch.setitem(sys.modules, "graphlay", None)  # as where it is not installed
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(tmp_path / "run", *QUICK[:-1])
    assert [name for name in sorted(result.files) if name.startswith("graph")] == ["graph.dot"]


def test_without_dot_the_graph_is_drawn_where_graphlay_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphlay", reason="the package graphlay (pip install '.[layout]') is not installed")
    titles_of(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(tmp_path / "run", *QUICK[:-1])
    assert result.warnings == ""
    assert [name for name in sorted(result.files) if name.startswith("graph")] == ["graph.svg"]
    assert "<svg" in (result.folder / "graph.svg").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="the failing program is a shell script")
def test_a_dot_that_fails_leaves_the_graph_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles_of(monkeypatch)
    monkeypatch.setitem(sys.modules, "graphlay", None)  # as where it is not installed
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    deep = ["--hidden", *["2"] * 60]  # more text than a pipe holds: it breaks, since nobody reads it
    result = run(tmp_path / "run", *QUICK[:-1], *deep)
    assert "dot could not draw the graph: " in result.warnings
    assert [name for name in sorted(result.files) if name.startswith("graph")] == ["graph.dot"]


def test_show_without_a_display_warns_and_goes_on(tmp_path: Path) -> None:
    environment = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "MPLBACKEND": "agg"}
    result = start(*QUICK[:-1], "--graph", "dot", "--show", "--out", str(tmp_path / "run"), **environment)
    assert result.returncode == 0
    assert result.stderr.startswith("train.py: could not show the curves: matplotlib cannot open a window")
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "run" / "curves.png").is_file()


def test_training_that_diverges_is_told_in_words(tmp_path: Path) -> None:
    result = start(*QUICK, "--lr", "1e9", "--out", str(tmp_path / "run"))
    assert "RuntimeWarning" not in result.stderr
    assert re.search(r"train\.py: .*--lr", result.stderr)


@pytest.mark.skipif(os.name != "posix", reason="the signal of Ctrl-C is sent as on POSIX")
def test_an_interrupted_run_ends_in_words_and_keeps_what_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, str(ROOT / "train.py"), *QUICK, "--epochs", "100000", "--out", str(folder)]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a suite in the background ignores
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 3:"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert (folder / "parameters.npz").is_file()


# ------------------------------------------------------------------------------------------ accuracy


def test_the_defaults_reach_97_percent_on_digits(tmp_path: Path) -> None:
    result = run(tmp_path / "run", *DIGITS, "--no-plots")
    assert len(result.rows) == 11
    assert float(result.rows[-1]["test_accuracy"]) >= 0.97
