"""What is done with a run that is trained: --evaluate and --predict."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import train
from nn import trained
from nn.checkpoint import load_arrays, save_arrays
from nn.data import load_digits
from nn.images import read_image

DIGITS = load_digits()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert train.main(["--dataset", "digits", "--no-plots", "--quiet", "--out", str(folder)]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = train.main(list(arguments))
    return status, *capsys.readouterr()


def evaluation(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return found


# ------------------------------------------------------------------------------------------ evaluate


def test_an_evaluation_says_what_the_run_ended_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, warnings = said(capsys, "--evaluate", str(run))
    found = evaluation(run)
    assert (status, warnings) == (0, "")
    low, high = found["interval"]
    assert f"{100 * found['accuracy']:.2f} % (95 % interval: {100 * low:.2f} to {100 * high:.2f} %)" in output
    assert f"{100 * found['calibration_error']:.2f} %" in output
    rows = [line.split() for line in output.splitlines() if line[:1].isdigit()]
    assert [row[0] for row in rows] == found["classes"]
    assert [int(row[-1]) for row in rows] == found["support"]


def test_an_evaluation_for_programs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, _ = said(capsys, "--evaluate", str(run), "--json")
    facts = json.loads(output)
    assert (status, facts["event"]) == (0, "evaluation")
    assert {name: facts[name] for name in ("accuracy", "confusion", "f1")} == {
        name: evaluation(run)[name] for name in ("accuracy", "confusion", "f1")
    }


def test_a_run_that_was_killed_is_evaluated_by_its_checkpoint(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "parameters.npz").unlink()
    _, expected, _ = said(capsys, "--evaluate", str(run))
    assert said(capsys, "--evaluate", str(tmp_path / "run")) == (0, expected, "")


# ------------------------------------------------------------------------------------------- predict


def picture(path: Path, digit: np.ndarray, dark_on_light: bool = False) -> str:
    """Write a digit of 8 x 8 pixels as a large picture with a margin."""
    grey = np.kron(np.pad(digit * 15, 2), np.ones((12, 12), np.uint8)).astype(np.uint8)
    Image.fromarray(255 - grey if dark_on_light else grey).save(path)
    return str(path)


def test_images_of_the_networks_own_size_are_seen_as_they_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for number, image in enumerate(DIGITS.test_images[:40]):
        Image.fromarray(image * 15).save(tmp_path / f"{number}.png")
        paths.append(str(tmp_path / f"{number}.png"))
    status, output, warnings = said(capsys, "--predict", str(run), *paths)
    assert (status, warnings) == (0, "")
    lines = output.splitlines()
    assert [line.split(": ")[0] for line in lines] == paths
    seen = [int(line.split(": ")[1].split()[0]) for line in lines]
    assert np.mean(seen == DIGITS.test_labels[:40]) >= 0.95


@pytest.mark.parametrize("dark_on_light", [False, True])
def test_large_pictures_of_both_kinds_are_seen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], dark_on_light: bool
) -> None:
    paths = [
        picture(tmp_path / f"{number}.png", image, dark_on_light)
        for number, image in enumerate(DIGITS.test_images[:40])
    ]
    status, output, _ = said(capsys, "--predict", str(run), *paths, "--json")
    assert status == 0
    facts = [json.loads(line) for line in output.splitlines()]
    assert [fact["image"] for fact in facts] == paths
    for fact in facts:
        assert sum(fact["probabilities"].values()) == pytest.approx(1)
    seen = [int(max(fact["probabilities"], key=fact["probabilities"].get)) for fact in facts]
    assert np.mean(seen == DIGITS.test_labels[:40]) >= 0.8


def test_an_image_that_cannot_be_used_is_named_and_the_others_are_seen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    good = picture(tmp_path / "good.png", DIGITS.test_images[0])
    status, output, warnings = said(capsys, "--predict", str(run), str(tmp_path / "text.png"), good)
    assert status == 1
    assert warnings.startswith(f"train.py: {tmp_path / 'text.png'} is not an image of a known kind")
    assert warnings.count("\n") == 1
    assert output.startswith(f"{good}: ")


@pytest.mark.parametrize(("name", "box"), [("MNIST", None), ("Fashion-MNIST", 28)])
def test_clothes_fill_their_images_and_digits_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, box: int | None
) -> None:
    data = {"name": name, "shape": [28, 28], "levels": 255, "classes": ["a", "b"]}
    given = []

    def read(*arguments: Any) -> np.ndarray:
        given.append(arguments[3])
        return read_image(*arguments)

    monkeypatch.setattr(trained, "_network", lambda *_: (lambda x: x, data, None))
    monkeypatch.setattr(trained, "read_image", read)
    monkeypatch.setattr(trained, "chances_of", lambda *_: {"a": 1.0})
    path = picture(tmp_path / "image.png", DIGITS.test_images[0])
    assert trained.predict(tmp_path, [path], trained.Terminal(quiet=True)) == 0
    assert given == [box]


# --------------------------------------------------------------------------------- what is said besides


def test_other_data_than_the_runs_own_are_told(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(DIGITS, test_labels=DIGITS.test_labels[::-1])
    monkeypatch.setattr(trained, "load_data", lambda recipe: other)
    status, _, warnings = said(capsys, "--evaluate", str(run))
    assert (status, warnings) == (
        0,
        f"train.py: these are not the data that {run} was trained and tested on\n",
    )


def test_a_run_that_goes_on_yet_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "evaluation.json").unlink()
    status, _, warnings = said(capsys, "--evaluate", str(folder))
    words = f"train.py: {folder} has not come to its end: --resume {folder} goes on with it\n"
    assert (status, warnings) == (0, words)


def test_a_network_that_gives_no_numbers_sees_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    parameters = load_arrays(folder / "parameters.npz")
    save_arrays(folder / "parameters.npz", {name: 1e30 * array for name, array in parameters.items()})
    path = picture(tmp_path / "image.png", DIGITS.test_images[0])
    status, output, warnings = said(capsys, "--predict", str(folder), path)
    assert (status, output) == (1, "")
    assert warnings.startswith(f"train.py: the network of {folder} gives no numbers, but NaN")
    assert warnings.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_an_answer_that_cannot_be_written_is_no_success(run: Path) -> None:
    command = [sys.executable, str(Path(train.__file__)), "--evaluate", str(run)]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr == "train.py: what should be printed cannot be written, and is lost\n"
