"""What a person sees: piped, in a terminal of any width, quietly, and as JSON."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import in_a_terminal

from nn import terminal
from nn.terminal import Terminal, as_json

ROOT = Path(__file__).parents[1]
RECORD = {
    "epoch": 3.0,
    "loss": 0.24351,
    "train_accuracy": 0.93648,
    "test_loss": 0.25,
    "test_accuracy": 0.9268,
    "learning_rate": 0.1,
    "seconds": 1.234,
}
EPOCH = "Epoch 3: Loss = 0.2435, Train Acc = 0.9365, Test Acc = 0.9268 (1.2 s)"

# A run of two epochs of twenty steps that asks for the accuracy with each picture of its line.
PROGRAM = """
import sys, time
from nn import terminal
from nn.terminal import Terminal

RECORD = {RECORD}
asked = []
show = Terminal({options})
terminal.REDRAW = {redraw}
show.say("start", "error 1.09 % ± 0.06 %", images=60000)
show.begin(11 * 1280, 1280)
for epoch in (2, 3):
    for step in range(20):
        show.step(64, epoch, 11, lambda: asked.append(1) or (0.5, 0.9))
    show.epoch(RECORD, best=epoch == 3)
    if epoch == 2:
        show.warn("could not draw curves.png: no space")
show.end()
show.say("end", f"asked {{len(asked) > 0}}")
"""


def program(options: str = "", redraw: float = 0.0) -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(RECORD=RECORD, options=options, redraw=redraw)]


def piped(options: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(options), cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def shown(columns: int, options: str = "", **environment: str) -> str:
    """Run the program in a terminal; return all that it wrote there."""
    settings = {"TERM": "xterm", "NO_COLOR": "", "PYTHONIOENCODING": "utf-8"} | environment
    return in_a_terminal(program(options), columns, cwd=ROOT, env=os.environ | settings)


def screen(written: str) -> list[str]:
    """Return the lines that stay: a carriage return goes back, and what follows is written over."""
    lines = []
    for line in re.sub(r"\x1b\[\d*m", "", written).split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def live(written: str) -> list[str]:
    return [part for part in re.split(r"[\r\n]+", written) if re.match(r"Epoch \d+/", part)]


# ---------------------------------------------------------------------------------------- a terminal


def test_a_live_line_in_a_terminal() -> None:
    line = live(shown(80))[-1]
    assert re.fullmatch(
        r"Epoch 3/11  \|█+[▉-▏]? +\|  loss 0\.5000  acc 90\.0 %  [\d,]+ samples/s  \d+:\d\d left", line
    )
    assert len(line) == 79


def test_what_stays_in_a_terminal_is_the_lines() -> None:
    assert screen(shown(80)) == [
        "error 1.09 % ± 0.06 %",
        EPOCH,
        "train.py: could not draw curves.png: no space",
        f"{EPOCH} best",
        "asked True",
        "",
    ]


def test_the_live_line_comes_back_under_a_warning() -> None:
    after = shown(80).partition("no space")[2]
    assert live(after)[0].startswith("Epoch 2/11")


@pytest.mark.parametrize("columns", [200, 80, 60, 50, 40, 30, 20, 10, 2, 1])
def test_the_live_line_never_wraps(columns: int) -> None:
    written = shown(columns)
    stay = screen(written)
    parts = re.split(r"[\r\n]+", re.sub(r"\x1b\[\d*m", "", written))
    passing = [part for part in parts if part not in stay]
    assert len(passing) > 20
    assert max(map(len, passing)) < max(columns, 2)
    assert stay[-2:] == ["asked True", ""]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (60, r"Epoch 3/11  \|█* +\|  loss 0\.5000  acc 90\.0 %  \d+:\d\d left"),
        (48, r"Epoch 3/11  \|█* +\|  loss 0\.5000  \d+:\d\d left"),
        (40, r"Epoch 3/11  loss 0\.5000  \d+:\d\d left"),
        (30, r"Epoch 3/11  \d+:\d\d left"),
        (20, r"Epoch 3/11"),
    ],
)
def test_a_narrow_line_leaves_the_least_important_out(columns: int, expected: str) -> None:
    assert re.fullmatch(expected, re.sub("[▉-▏]", " ", live(shown(columns))[-1]))


def test_a_terminal_of_unknown_width_is_taken_for_80_columns() -> None:
    assert len(live(shown(0))[-1]) == 79


def test_ascii_where_the_encoding_has_no_blocks() -> None:
    written = shown(80, PYTHONIOENCODING="ascii")
    assert written.isascii()
    assert "error 1.09 % +/- 0.06 %" in written
    assert re.match(r"Epoch 3/11  \|#+\d? +\|  loss", live(written)[-1])


def test_the_best_epoch_is_green_and_a_warning_yellow() -> None:
    written = shown(80)
    assert f"\x1b[32m{EPOCH} best\x1b[0m" in written
    assert "\x1b[33mtrain.py: could not draw curves.png: no space\x1b[0m" in written
    assert f"\r{EPOCH}\r\n" in written


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_no_colours_where_they_are_not_welcome(environment: dict[str, str]) -> None:
    assert "\x1b" not in shown(80, **environment)


@pytest.mark.parametrize("options", ["quiet=True", "json=True"])
def test_no_live_line_for_those_who_do_not_look(options: str) -> None:
    written = shown(80, options)
    assert live(written) == []
    assert "\x1b[32m" not in written


# --------------------------------------------------------------------------------------------- piped


def test_lines_only_where_nobody_watches() -> None:
    result = piped(PYTHONIOENCODING="utf-8")
    assert result.stdout.splitlines() == ["error 1.09 % ± 0.06 %", EPOCH, f"{EPOCH} best", "asked False"]
    assert result.stderr == "train.py: could not draw curves.png: no space\n"


def test_quiet_prints_warnings_only() -> None:
    result = piped("quiet=True")
    assert (result.stdout, result.stderr) == ("", "train.py: could not draw curves.png: no space\n")


def test_each_line_of_json_is_an_event() -> None:
    result = piped("json=True")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "warning", "epoch", "end"]
    assert all(datetime.fromisoformat(event["time"]).tzinfo for event in events)
    assert events[0]["images"] == 60000
    assert events[2]["message"] == "could not draw curves.png: no space"
    assert {name: events[3][name] for name in RECORD} == RECORD
    assert type(events[3]["epoch"]) is int
    assert [events[1]["best"], events[3]["best"]] == [False, True]
    assert result.stderr == "train.py: could not draw curves.png: no space\n"


@pytest.mark.skipif(os.name != "posix", reason="a closed pipe is another error elsewhere")
@pytest.mark.parametrize("options", ["", "json=True"])
def test_a_reader_that_leaves_does_not_end_a_run(options: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    mark = tmp_path / "end"
    command = program(options)
    command[-1] += f"\nopen({str(mark)!r}, 'w').close()"
    result = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert result.returncode == 0
    assert result.stderr == "train.py: could not draw curves.png: no space\n"
    assert mark.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_under_the_output_does_not_end_a_run() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(program(), cwd=ROOT, stdout=full, stderr=full, timeout=60)
    assert result.returncode == 0


def test_without_streams_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    monkeypatch.setattr(sys, "stderr", None)
    show = Terminal()
    show.begin(10)
    show.step(5, 1, 2, lambda: (0.5, 0.9))
    show.say("start", "words")
    show.warn("words")
    show.end()


def test_closed_streams_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", closed)
    show = Terminal()
    show.begin(10)
    show.say("start", "words")
    show.warn("words")


def test_what_cannot_be_encoded_is_written_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    Terminal().say("end", "98.9 % ± 0.1 %, 1 → 2, runs/é\udcff")
    assert raw.getvalue().splitlines() == [b"98.9 % +/- 0.1 %, 1 -> 2, runs/\\xe9\\udcff"]


# -------------------------------------------------------------------------------------- single calls


def test_the_epoch_line(capsys: pytest.CaptureFixture[str]) -> None:
    show = Terminal()
    show.epoch(RECORD)
    show.epoch(RECORD | {"validation_accuracy": 0.93006, "seconds": 12.0}, best=True)
    show.epoch({"epoch": 4.0, "loss": float("nan"), "train_accuracy": 0.1, "seconds": 0.0})
    assert capsys.readouterr().out.splitlines() == [
        EPOCH,
        "Epoch 3: Loss = 0.2435, Train Acc = 0.9365, Val Acc = 0.9301, Test Acc = 0.9268 (12.0 s) best",
        "Epoch 4: Loss = nan, Train Acc = 0.1000 (0.0 s)",
    ]


@pytest.mark.parametrize("options", [{}, {"quiet": True}, {"json": True}], ids=str)
def test_the_log_has_every_event(
    tmp_path: Path, options: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    show = Terminal(**options)
    show.say("early", "before there is a folder")
    show.log = tmp_path / "log.jsonl"
    show.say("start", "words", folder=tmp_path, sizes=(784, 10))
    show.epoch(RECORD | {"loss": float("nan")})
    show.warn("careful")
    lines = show.log.read_text(encoding="utf-8").splitlines()
    start, epoch, warning = (json.loads(line, parse_constant=pytest.fail) for line in lines)
    assert (start["folder"], start["sizes"]) == (str(tmp_path), [784, 10])
    assert (epoch["event"], epoch["epoch"], epoch["loss"]) == ("epoch", 3, None)
    assert (warning["event"], warning["message"]) == ("warning", "careful")
    if options.get("json"):
        assert capsys.readouterr().out.splitlines()[1:] == lines


def test_a_log_that_cannot_be_written_does_not_end_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = Terminal()
    show.log = tmp_path / "gone" / "log.jsonl"
    show.say("start", "words")
    assert capsys.readouterr().out == "words\n"


def test_json_of_numpy_paths_and_what_is_no_number() -> None:
    value: dict[str, Any] = {
        "array": np.array([[1.5, np.nan]], np.float32),
        "number": np.int64(3),
        "infinite": [float("inf"), -float("inf")],
        "path": Path("runs") / "é",
        "others": [None, True, "text"],
    }
    text = as_json(value)
    assert "\n" not in text
    assert json.loads(text) == {
        "array": [[1.5, None]],
        "number": 3,
        "infinite": [None, None],
        "path": str(value["path"]),
        "others": [None, True, "text"],
    }


class Watched(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_accuracy_is_asked_for_with_each_picture_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Watched())
    seconds = iter(np.arange(0, 10, 0.03).tolist())
    monkeypatch.setattr(terminal, "perf_counter", lambda: next(seconds))
    asked = []
    show = Terminal()
    show.begin(6400)
    for _ in range(100):
        show.step(64, 1, 1, lambda: asked.append(1) or (0.5, 0.9))
    assert 24 <= len(asked) <= 26


def test_what_jitters_is_shown_smoothly(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Watched()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(terminal, "REDRAW", 0)
    show = Terminal()
    show.begin(64 * 200)
    for step in range(200):
        show.step(64, 1, 1, lambda: (1.0 + step % 2, 0.9 if step % 2 else 0.8))  # noqa: B023
    losses = [float(text) for text in re.findall(r"loss ([\d.]+)", stream.getvalue())]
    accuracies = [float(text) for text in re.findall(r"acc ([\d.]+)", stream.getvalue())]
    assert losses[0] == 1.0
    assert all(abs(loss - 1.5) < 0.2 for loss in losses[20:])
    assert all(abs(accuracy - 85) < 2 for accuracy in accuracies[20:])


def test_speed_and_time_left_are_those_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Watched()
    monkeypatch.setattr(sys, "stderr", stream)
    seconds = iter([100.0, 101.0, 102.0])
    monkeypatch.setattr(terminal, "perf_counter", lambda: next(seconds))
    show = Terminal()
    show.begin(1_000_000, 500_000)  # half of it is behind, from another day
    show.step(50, 6, 11, lambda: (0.5, 0.9))
    show.step(50, 6, 11, lambda: (0.5, 0.9))
    line = stream.getvalue().split("\r")[-1]
    assert "50 samples/s" in line
    assert "2:46:38 left" in line
    bar = line.split("|")[1]
    assert bar.count("█") == pytest.approx(len(bar) / 2, abs=1)


def test_a_step_that_is_not_shown_does_nothing() -> None:
    show = Terminal(quiet=True)
    show.begin(100)
    show.step(64, 1, 1, lambda: pytest.fail("asked for the accuracy"))
    show.end()
