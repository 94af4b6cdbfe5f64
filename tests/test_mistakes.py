"""Every wrong option and every bad file, as somebody new would try them: one sentence, and nothing left."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn.folders
import nn.recipes
import train
from nn.checkpoint import save_arrays
from nn.data import Dataset, load_digits
from nn.layouts import IDX_NAMES

ROOT = Path(__file__).parent.parent
QUICK = ["--dataset", "digits", "--epochs", "1", "--hidden", "8", "--no-plots"]
Capture = pytest.CaptureFixture[str]


def tree(folder: Path) -> dict[Path, bytes | None]:
    """Return what lies in a folder, and what is in its files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def assert_one_sentence(errors: str, status: Any) -> str:
    """Check what was printed on stderr: one sentence, under the usage of the program at most; return it."""
    usage, _, words = errors.rpartition("usage: train.py [options]\n")
    assert usage == ""
    assert words.startswith("train.py: ")
    assert words.endswith("\n")
    assert words.count("\n") == 1, words
    assert len(words) < 1500
    assert status in (1, 2)
    assert (status == 2) == errors.startswith("usage: ")
    return words


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Callable[..., str]:
    """Call train.py in an empty folder; return its one sentence on stderr, and check what it leaves."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(train, "prepare", lambda threads: None)  # the environment of the tests stays

    def refused(*arguments: str) -> str:
        before = tree(tmp_path)
        try:
            status = train.main(list(arguments))
        except SystemExit as error:
            status = error.code
        printed = capsys.readouterr()
        assert "Epoch" not in printed.out
        assert tree(tmp_path) == before
        return assert_one_sentence(printed.err, status)

    return refused


# ------------------------------------------------------------------------------------------ options

COUNT = "a whole number from 1 to 1,000,000,000"
AT_LEAST_ZERO = "a number of at least 0"
FRACTION = "a number of at least 0 and less than 1"
PROBABILITY = "a number between 0 and 1"
ABOVE_ZERO = "a number above 0"
WORDS: dict[str, tuple[str, list[str]]] = {
    "hidden": (COUNT, ["256,128", "0", "-5", "[256]"]),
    "epochs": (
        COUNT,
        ["0", "-1", "1.5", "1e9", "ten", "", "0x10", "nan", "inf", "½", "²", "一", "--1", "1 0"],
    ),
    "batch-size": (COUNT, ["0", "-1", "32.0", "\x00", "9" * 5000]),
    "early-stopping": (COUNT, ["0", "-3", "yes"]),
    "seeds": ("a whole number from 1 to 1,000", ["0", "-1", "1,2,3", "1.0", "1001", "9" * 30]),
    "threads": (COUNT, ["0", "-1", "all"]),
    "seed": ("a whole number of at least 0", ["-1", "one", "1.5", "", "None", "0b1"]),
    "lr": (AT_LEAST_ZERO, ["fast", "nan", "inf", "-inf", "-0.1", "", "1e999", "0,1", "1e", "1/3", "0x1p3"]),
    "weight-decay": (AT_LEAST_ZERO, ["-1", "nan", "-1e-9", "infinity"]),
    "momentum": (FRACTION, ["1", "-0.1", "nan", "90%"]),
    "validation": (FRACTION, ["1", "1.5", "-0.1", "10%", "nan", "1e3"]),
    "dropout": (PROBABILITY, ["1.01", "-0.01", "nan", "half", "50 %"]),
    "input-dropout": (PROBABILITY, ["1.01", "-0.5", "nan", ""]),
    "max-norm": (ABOVE_ZERO, ["0", "-2", "nan", "inf", "none", "1e-999"]),
}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [(option, value, words) for option, (words, values) in WORDS.items() for value in values],
    ids=lambda text: text if text.isascii() and text.isprintable() and len(text) < 20 else "odd",
)
def test_numbers_that_are_none_or_out_of_range(
    refused: Callable[..., str], option: str, value: str, words: str
) -> None:
    said = refused(*QUICK, f"--{option}={value}")
    shown = re.escape(repr(value)) if len(value) < 99 else ""
    kind = r"a (whole )?number\n"
    assert re.search(f"error: (argument --{option}: {shown}.* is not {kind}|--{option} .* {words}\n)", said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--dataset cifar", "argument --dataset: invalid choice: 'cifar'"),
        ("--dataset MNIST", "invalid choice: 'MNIST'"),
        ("--optimizer adma", "argument --optimizer: invalid choice: 'adma'"),
        ("--activation gelu", "argument --activation: invalid choice: 'gelu'"),
        ("--schedule linear", "argument --schedule: invalid choice: 'linear'"),
        ("--preset big", "argument --preset: invalid choice: 'big'"),
        ("--graph jpg", "argument --graph: invalid choice: 'jpg'"),
        ("--graph svg,html", "argument --graph: invalid choice: 'svg,html'"),
        ("--lr", "argument --lr: expected one argument"),
        ("--epochs", "argument --epochs: expected one argument"),
        ("--out", "argument --out: expected one argument"),
        ("--resume", "argument --resume: expected one argument"),
        ("--predict", "argument --predict: expected at least one argument"),
        ("--predict run", "--predict needs a run and an image"),
        ("--optimzer adam", "unrecognized arguments: --optimzer adam"),
        ("extra", "unrecognized arguments: extra"),
        ("--epochs 1 2", "unrecognized arguments: 2"),
        ("-e 3", "unrecognized arguments: -e 3"),
        ("--no-plots=yes", "argument --no-plots: ignored explicit argument 'yes'"),
        ("--quiet=1", "argument --quiet: ignored explicit argument '1'"),
        ("--se 1", "ambiguous option: --se could match --seed, --seeds"),
        ("--hidden 8 x", "argument --hidden: 'x' is not a whole number"),
        ("--dataset digits --data-dir x", "--data-dir is for mnist and fashion-mnist"),
        ("--early-stopping 3", "--early-stopping needs --validation, e.g. --validation 0.1"),
        ("--early-stopping 3 --validation 0", "--early-stopping needs --validation"),
        ("--optimizer nesterov --momentum 0", "--optimizer nesterov needs a --momentum of more than 0"),
        ("--optimizer nesterov --momentum -0.0", "--optimizer nesterov needs a --momentum of more than 0"),
        ("--no-plots --show", "--no-plots asks for no pictures, and --show and --graph for some"),
        ("--no-plots --graph svg", "--no-plots asks for no pictures, and --show and --graph for some"),
        ("--quiet --json", "--quiet asks for no lines, and --json for some"),
        ("--resume run --lr 0.1", "--resume takes a run with the options it has; leave out --lr"),
        ("--resume run --epochs 20 --out x", "leave out --epochs, --out"),
        ("--resume a --evaluate b", "leave out --evaluate"),
        ("--resume a --predict b c", "leave out --predict"),
        ("--evaluate a --predict b c", "leave out --predict"),
        ("--evaluate run --seeds 3", "--evaluate takes a run with the options it has; leave out --seeds"),
        ("--predict run image.png --quiet", "leave out --quiet"),
        ("--dataset digits --epochs 1000000001", "--epochs cannot be 1000000001: give a whole number from 1"),
        (f"--dataset digits --epochs 1{'0' * 400}", "--epochs cannot be"),
        (f"--dataset digits --batch-size 1{'0' * 30}", "--batch-size cannot be"),
        (f"--dataset digits --hidden 8 1{'0' * 30}", "--hidden cannot be"),
        (f"--dataset digits --threads 1{'0' * 30}", "--threads cannot be"),
        ("--dataset digits --hidden 1000000000", "too little memory"),
        ("--dataset digits --hidden 1000000000 1000000000", "too little memory"),
        ("--dataset digits --hidden 2000000 2000000", "too little memory"),
        ("--dataset digits --validation 0.0001", "--validation: fraction 0.0001 of 1437 leaves a side empty"),
        ("--dataset digits --validation 0.9999", "--validation: fraction 0.9999 of 1437 leaves a side empty"),
        ("--dataset digits --validation 1e-300 --early-stopping 1", "--validation: "),
    ],
    ids=lambda text: text[:60],
)  # fmt: skip
def test_options_that_are_unknown_incomplete_or_do_not_go_together(
    refused: Callable[..., str], arguments: str, words: str
) -> None:
    assert words in refused(*arguments.split())


@pytest.mark.parametrize("option", ["--data-dir", "--out", "--resume", "--evaluate"])
def test_an_empty_path(refused: Callable[..., str], option: str) -> None:
    assert f"argument {option}: '' is not a path" in refused(option, "")


@pytest.mark.parametrize("arguments", [["", "x.png"], ["run", ""]])
def test_an_empty_path_among_images(refused: Callable[..., str], arguments: list[str]) -> None:
    assert "argument --predict: '' is not a path" in refused("--predict", *arguments)


@pytest.mark.parametrize("number", ["1_0", " 10", "١٠", "+10"])
def test_numbers_that_python_reads_are_numbers(number: str) -> None:
    assert train.parse_arguments(["--epochs", number]) == {"epochs": 10}


# ------------------------------------------------------------------------------- a new run's folder


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("full", "--out: full exists already; name a new folder\n"),
        ("file", "--out: file exists already"),
        ("/dev/null", "--out: /dev/null exists already"),
        (".", "--out: . exists already"),
        ("..", "--out: .. exists already"),
        ("dangling", "--out: dangling exists already"),
        ("file/run", "the run folder file/run cannot be made, or written to"),
        ("/proc/run", "the run folder /proc/run cannot be made, or written to"),
        ("/dev/null/run", "the run folder /dev/null/run cannot be made, or written to"),
        ("x" * 300, "cannot be made, or written to"),
        (f"new/{'y' * 300}", "cannot be made, or written to"),
    ],
    ids=lambda text: text[:30],
)
@pytest.mark.parametrize("seeds", [[], ["--seeds", "2"]], ids=["", "seeds"])
@pytest.mark.skipif(sys.platform != "linux", reason="folders like /proc are of Linux")
def test_a_run_folder_that_cannot_be_used(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, path: str, words: str, seeds: list[str]
) -> None:
    Path("file").touch()
    Path("full").mkdir()
    Path("full/precious").write_text("precious")
    Path("dangling").symlink_to("nowhere")
    monkeypatch.setattr(nn.recipes, "load_digits", lambda: pytest.fail("went on"))
    assert words in refused(*QUICK, *seeds, "--out", path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(refused: Callable[..., str]) -> None:
    Path("locked").mkdir(0o500)
    assert "the run folder locked/run cannot be made, or written to" in refused(*QUICK, "--out", "locked/run")
    assert "the run folder locked cannot be made, or written to" in refused(*QUICK, "--out", "locked")


@pytest.mark.parametrize("seeds", [[], ["--seeds", "2"]], ids=["", "seeds"])
def test_a_disk_that_is_too_full(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, seeds: list[str]
) -> None:
    usage = shutil.disk_usage("/")._replace(free=19_000_000)
    monkeypatch.setattr(nn.folders.shutil, "disk_usage", lambda path: usage)
    assert "has 19 MB left, and the run needs about 20 MB; make room" in refused(
        *QUICK, *seeds, "--out", "a/b/c"
    )


@pytest.mark.parametrize("seeds", [[], ["--seeds", "2"]], ids=["", "seeds"])
@pytest.mark.parametrize("out", ["a/b/run", "there"])
def test_a_run_that_cannot_start_leaves_folders_as_they_were(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, out: str, seeds: list[str]
) -> None:
    Path("there").mkdir()
    made: list[str] = []

    def load() -> Dataset:
        made.extend(path.name for path in Path(out).iterdir())
        return load_digits()

    monkeypatch.setattr(nn.recipes, "load_digits", load)
    options = ["--dataset", "digits", "--validation", "0.0001", "--out", out, *seeds]
    assert "--validation" in refused(*options)
    assert made


def test_two_runs_that_start_at_once_do_not_share_a_folder(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("run").mkdir()
    Path("run/config.json").write_text("of the other")
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(()))  # as it was a moment ago
    assert "--out: run exists already" in refused(*QUICK, "--out", "run")


# ------------------------------------------------------------------------------------- bad data files


KINDS = ["absent", "empty", "file", "named", "folders", "/dev/null", "x" * 300, "bad.npz", "csv"]


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", None])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[:9])
def test_data_that_are_none(refused: Callable[..., str], dataset: str | None, kind: str) -> None:
    Path("empty").mkdir()
    Path("file").write_text("hello")
    Path("bad.npz").write_bytes(b"PK")
    Path("csv").mkdir()
    for name in ("mnist_train.csv", "mnist_test.csv"):
        Path("csv", name).write_text("label,pixel\nseven,x\n")
    for folder in ("named", "folders"):
        Path(folder).mkdir()
        for number, name in enumerate(IDX_NAMES):
            if folder == "folders":
                Path(folder, name).mkdir()
            else:
                Path(folder, name).write_bytes([b"", b"hello", b"\x1f\x8b", b"\0\0\x08\x03"][number])
    chosen = [] if dataset is None else ["--dataset", dataset]
    refused(*chosen, "--data-dir", kind, "--epochs", "1", "--out", "run")


# --------------------------------------------------------------------- what is no run, or no longer one


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert train.main([*QUICK, "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run(tmp_path: Path, trained: Path) -> Path:
    """A copy of a run, to be spoilt."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    return folder


MODES = {
    "resume": lambda run: ["--resume", str(run)],
    "evaluate": lambda run: ["--evaluate", str(run)],
    "predict": lambda run: ["--predict", str(run), "image.png"],
}
mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
CHECKPOINTS = ("checkpoint.npz", "checkpoint.previous.npz")


@mode
@pytest.mark.parametrize(
    "path", ["absent", "empty", "file", "foreign", "/dev/null", "file/run", "é" * 200, "."]
)
def test_what_is_no_run(refused: Callable[..., str], mode: Callable[[str], list[str]], path: str) -> None:
    Path("empty").mkdir()
    Path("foreign").mkdir()
    Path("foreign/setup.py").touch()
    Path("file").write_text("hello")
    assert "so it holds no run" in (said := refused(*mode(path))) or "cannot be read" in said


NESTED = "[" * 100_000
CONFIGS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "utf-16": '{"options": {}}'.encode("utf-16"),
    "list": b"[]",
    "number": b"7",
    "null": b"null",
    "text": b'"options"',
    "object": b"{}",
    "other": b'{"name": "website", "version": "1.0.0", "dependencies": {}}',
    "list of options": b'{"options": []}',
    "text of options": b'{"options": "all"}',
    "null options": b'{"options": null}',
    "unknown": b'{"options": {"learning_rate": 0.1}}',
    "cut": b'{"options": {"lr": 0.',
    "nested": NESTED.encode(),
    "nested options": f'{{"options": {{"lr": {NESTED}}}}}'.encode(),
    "twice": b'{"options": {}} {"options": {}}',
}


@mode
@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS)
def test_a_configuration_of_another_program(
    refused: Callable[..., str], run: Path, mode: Callable[[Path], list[str]], content: bytes
) -> None:
    (run / "config.json").write_bytes(content)
    for name in CHECKPOINTS:
        (run / name).unlink()
    assert f"{run / 'config.json'} cannot be used: " in refused(*mode(run))


OPTIONS: dict[str, list[Any]] = {
    "dataset": ["cifar", 7, [], {}, True, ""],
    "data_dir": [7, "", "a\0b", []],
    "validation": [1, -0.1, float("nan"), "0.1", None, True, 1e999],
    "hidden": [8, [0], [-5], ["8"], [8.0], [[8]], [None], [True], "8", None, [10**30], {}],
    "activation": ["gelu", None, 1, ["relu"]],
    "dropout": [2, -1, float("nan"), "half", None, []],
    "input_dropout": [2, float("inf")],
    "max_norm": [0, -1, float("nan"), float("inf"), "2", [2]],
    "optimizer": ["adma", None, 3],
    "lr": [-1, float("nan"), float("inf"), "0.1", [0.1], True],
    "momentum": [1, -1, float("nan")],
    "weight_decay": [-1, float("nan"), float("inf"), None],
    "schedule": ["linear", None, {}],
    "batch_size": [0, -1, 1.5, "32", True, 10**30],
    "epochs": [0, -1, 1.5, "11", None, 10**400, False],
    "early_stopping": [0, -1, "3", 3],
    "seed": [-1, 1.5, "0", None],
    "threads": [0, -1, "all", 1.5, 10**30],
    "graph": [["jpg"], "svg", [1], None, ["../../x"], [["svg"]], [{}]],
    "no_plots": [1, "yes", None],
    "learning_rate": [0.1],
}


@pytest.mark.parametrize("option", OPTIONS)
def test_options_in_a_configuration_that_cannot_be(
    refused: Callable[..., str], run: Path, option: str
) -> None:
    path = run / "config.json"
    config = json.loads(path.read_text())
    for name in CHECKPOINTS:
        (run / name).unlink()
    for value in OPTIONS[option]:
        path.write_text(json.dumps({**config, "options": {**config["options"], option: value}}))
        for arguments in MODES.values():
            said = refused(*arguments(run))
            assert said.startswith(f"train.py: {path} cannot be used: ")
            assert option.replace("_", "-") in said.replace("_", "-")


@mode
@pytest.mark.parametrize("seeds", [0, 1, -1, "3", None, 2.0, True, 10**30, [3], float("nan")], ids=repr)
def test_seeds_that_cannot_be(
    refused: Callable[..., str], run: Path, mode: Callable[[Path], list[str]], seeds: Any
) -> None:
    path = run / "config.json"
    config = json.loads(path.read_text())
    for name in CHECKPOINTS:
        (run / name).unlink()
    path.write_text(json.dumps({**config, "seeds": seeds}))
    assert f"{path} cannot be used: seeds cannot be" in refused(*mode(run))


DATA: dict[str, list[Any]] = {
    "shape": [
        None,
        [8],
        [8, 9],
        "8x8",
        [8, 8, 8],
        [-8, -8],
        [0, 8],
        [8.0, 8.0],
        [[8], 8],
        [10**9, 10**9],
        {},
    ],
    "levels": [None, 0, -1, "16", 16.0, [16], float("nan")],
    "classes": [None, [], 10, ["0"], ["0"] * 11, {}],
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("mode", ["evaluate", "predict"])
def test_a_description_of_data_that_does_not_fit(
    refused: Callable[..., str], run: Path, mode: str, name: str
) -> None:
    path = run / "config.json"
    config = json.loads(path.read_text())
    for value in [*DATA[name], ...]:
        data = {**config["data"], name: value}
        if value is ...:
            del data[name]
        path.write_text(json.dumps({**config, "data": data}))
        said = refused(*MODES[mode](run))
        assert f"the parameters in {run} do not fit its options: " in said or "too little memory" in said


@pytest.mark.parametrize("mode", ["evaluate", "predict"])
@pytest.mark.parametrize("data", [None, [], "digits", {}, 7], ids=repr)
def test_a_description_of_data_that_is_none(
    refused: Callable[..., str], run: Path, mode: str, data: Any
) -> None:
    path = run / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": data}))
    assert f"the parameters in {run} do not fit its options: " in refused(*MODES[mode](run))


def bad_parameters(path: Path) -> dict[str, Callable[[], Any]]:
    whole = path.read_bytes()
    fitting = dict(np.load(path))
    first = next(iter(fitting))

    def with_first(array: Any) -> Callable[[], Any]:
        return lambda: save_arrays(path, {**fitting, first: array})

    return {
        "empty": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("hello"),
        "cut": lambda: path.write_bytes(whole[:-100]),
        "changed": lambda: path.write_bytes(whole[:500] + b"x" + whole[501:]),
        "folder": lambda: (path.unlink(), path.mkdir()),
        "pickled": lambda: np.savez(path, weight=np.array([{}], object), allow_pickle=True),
        "pickle": lambda: path.write_bytes(b"\x80\x04N."),
        "npy": lambda: path.write_bytes(whole[whole.index(b"\x93NUMPY") :]),
        "none": lambda: save_arrays(path, {}),
        "others": lambda: save_arrays(path, {"conv1.weight": np.ones((3, 3))}),
        "more": lambda: save_arrays(path, {**fitting, "extra": np.ones(3)}),
        "shape": with_first(np.ones((3, 3))),
        "text in it": with_first(np.full(fitting[first].shape, "x")),
        "complex": with_first(fitting[first] * 1j),
        "dates": with_first(np.full(fitting[first].shape, np.datetime64("2024-01-01"))),
    }


@pytest.mark.parametrize("mode", ["evaluate", "predict"])
def test_parameters_that_cannot_be_used(refused: Callable[..., str], run: Path, mode: str) -> None:
    path = run / "parameters.npz"
    for number, spoil in enumerate(bad_parameters(path).values()):
        spoil()
        said = refused(*MODES[mode](run))
        assert str(path) in said or f"the parameters in {run} do not fit its options" in said, number
        shutil.rmtree(path, ignore_errors=True)


def test_no_parameters_at_all(refused: Callable[..., str], run: Path) -> None:
    for name in ("parameters.npz", *CHECKPOINTS):
        (run / name).unlink()
    assert f"no parameters can be read: {run} holds no checkpoint" in refused("--evaluate", str(run))


@pytest.mark.parametrize("mode", ["resume", "evaluate"])
def test_a_run_on_digits_takes_no_other_data(refused: Callable[..., str], run: Path, mode: str) -> None:
    said = refused(*MODES[mode](run), "--data-dir", "data")
    assert "--data-dir is for mnist and fashion-mnist; digits come with the program" in said


def test_a_run_of_seeds_has_no_network_of_its_own(refused: Callable[..., str], tmp_path: Path) -> None:
    run = tmp_path / "seeds"
    run.mkdir()
    (run / "config.json").write_text('{"options": {"dataset": "digits", "seed": 3}, "seeds": 2}')
    for mode in ("evaluate", "predict"):
        said = refused(*MODES[mode](run))
        assert f"{run} holds a run for each of several seeds; name one, e.g. {run / 'seed-3'}" in said


def test_a_run_that_was_ended_before_training_is_told(refused: Callable[..., str], tmp_path: Path) -> None:
    run = tmp_path / "early"
    run.mkdir()
    (run / "config.json").write_text('{"options": {"dataset": "digits"}}')
    for mode in ("evaluate", "predict"):
        assert f"{run} holds a run that ended before training began" in refused(*MODES[mode](run))


def test_two_damaged_checkpoints_are_named_and_nothing_is_touched(
    refused: Callable[..., str], run: Path
) -> None:
    for name in CHECKPOINTS:
        (run / name).write_bytes(b"x")
    (run / "log.jsonl").unlink()
    (run / "log.jsonl").symlink_to("/dev/full")  # which takes nothing
    said = refused("--resume", str(run))
    assert all(f"{run / name} is damaged" in said for name in CHECKPOINTS)
    assert "start it anew with another --out" in said


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-1.4", None])
def test_images_that_are_none(refused: Callable[..., str], run: Path, content: bytes | None) -> None:
    if content is not None:
        Path("image.png").write_bytes(content)
    assert "image.png" in refused("--predict", str(run), "image.png")


def test_any_configuration_is_used_or_refused_in_a_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(train, "prepare", lambda threads: None)
    generator = random.Random(0)
    path = run / "config.json"
    whole = path.read_bytes()
    for _ in range(60):
        mutated = bytearray(whole)
        for _ in range(generator.randrange(1, 4)):
            start = generator.randrange(len(mutated))
            new = generator.choice([b"", b"9", b"-", b'"', b"e9", b"null", b"[", b"}", b"\xff", b","])
            mutated[start : start + generator.choice([0, 1, 2, 20])] = new
        path.write_bytes(mutated)
        status = train.main(["--evaluate", str(run)])
        errors = capsys.readouterr().err
        if status:
            assert_one_sentence(errors, status)
        else:
            # Of a checksum, or of what is no JSON any more.
            warnings = ("these are not the data", "the options are taken from the checkpoint")
            assert errors == "" or any(words in errors for words in warnings)


# ------------------------------------------------------------------------------------ as a program


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "many"],
        ["--dataset", "digits", "--hidden", "1000000000"],
        ["--data-dir", "/dev/null"],
        ["--resume", "/dev/null"],
        ["--evaluate", "\udcff"],
        ["--predict", "é", "\udcff"],
    ],
    ids=repr,
)
def test_the_program_itself_says_it_in_a_sentence(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    assert_one_sentence(result.stderr.decode(errors="replace"), result.returncode)
    assert result.stdout == b""
    assert list(tmp_path.iterdir()) == []
