"""What a person sees of a run: lines, a live line while it trains, or JSON for other programs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

REDRAW = 0.1  # seconds between two pictures of the live line
BAR = "|{bar}|"  # of tqdm, which gives it the room that is left
SMALLEST_BAR = 6
PLAIN = str.maketrans({"±": "+/-", "–": "-", "−": "-", "×": "x", "→": "->", "…": "...", "≥": ">=", "≤": "<="})
GREEN, YELLOW = "32", "33"  # SGR parameters (ECMA-48, 8.3.117)


class Terminal:
    """Print lines on stdout and warnings on stderr, with a live line under them while a run trains.

    quiet: print warnings only. json: print each event as one JSON object a line, and no live line.
    log: the file that every event is appended to as a JSON object, whatever is printed.
    Output that cannot be written, as to a pipe that nobody reads any more, never ends a run.
    """

    def __init__(self, quiet: bool = False, json: bool = False) -> None:
        self.quiet = quiet
        self.json = json
        self.log: Path | None = None
        self.lost = False
        """Whether lines could not be written, other than to a pipe that nobody reads any more."""
        self._live: _LiveLine | None = None

    def say(self, event: str, text: str, **facts: Any) -> None:
        """Tell that something happened: `text` to a person, `event` and `facts` to a program."""
        self._tell(event, text, facts)

    def warn(self, text: str) -> None:
        """Print `train.py: text` on stderr; to a program, tell of a "warning" with that "message"."""
        with self._line_put_aside():
            _write(sys.stderr, _coloured(sys.stderr, f"train.py: {text}", YELLOW))
        self._tell("warning", None, {"message": text})

    def epoch(self, record: Mapping[str, float], best: bool = False) -> None:
        """Print what an epoch came to: a row of the history, marked where it is the best so far."""
        number = int(record["epoch"])
        text = f"Epoch {number}: Loss = {record['loss']:.4f}, Train Acc = {record['train_accuracy']:.4f}"
        for name, key in (("Val", "validation_accuracy"), ("Test", "test_accuracy")):
            if key in record:
                text += f", {name} Acc = {record[key]:.4f}"
        text += f" ({record['seconds']:.1f} s)"
        if best:
            text = _coloured(sys.stdout, f"{text} best", GREEN)
        self._tell("epoch", text, {**record, "epoch": number, "best": best})

    def begin(self, total: int, done: int = 0) -> None:
        """Start the live line of a run of `total` samples, `done` of which are behind."""
        if not self.quiet and not self.json and _is_terminal(sys.stderr):
            self._live = _LiveLine(total, done)

    def step(
        self, samples: int, epoch: int, epochs: int, measures: Callable[[], tuple[float, float]]
    ) -> None:
        """Take a training step into account; its loss and accuracy are asked for only to be shown."""
        if self._live is not None:
            self._live.step(samples, epoch, epochs, measures)

    def end(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def _tell(self, event: str, text: str | None, facts: Mapping[str, Any]) -> None:
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        line = as_json({"event": event, "time": now, **facts})
        if self.log is not None:
            with contextlib.suppress(OSError), open(self.log, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        shown = line if self.json else text
        if shown is not None and not self.quiet:
            with self._line_put_aside():
                written = _write(sys.stdout, shown)
            if not written and not self.lost:
                self.lost = True
                self.warn("what should be printed cannot be written, and is lost")

    @contextlib.contextmanager
    def _line_put_aside(self) -> Iterator[None]:
        if self._live is not None:
            self._live.clear()
        yield
        if self._live is not None:
            self._live.show()


class _LiveLine:
    """The last line of a terminal, drawn anew ten times a second: epoch, bar, loss, accuracy, speed, time."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.first, self.done = total, done, done
        self.start = perf_counter()
        self.next = self.start  # when to draw again
        self.loss = _Smoothed(16)
        self.accuracy = _Smoothed(4)
        self.bar: Any = None

    def step(
        self, samples: int, epoch: int, epochs: int, measures: Callable[[], tuple[float, float]]
    ) -> None:
        self.done += samples
        now = perf_counter()
        if now < self.next:
            return
        self.next = now + REDRAW
        for shown, measure in zip((self.loss, self.accuracy), measures(), strict=True):
            shown.add(measure)
        speed = (self.done - self.first) / (now - self.start)
        columns = max(_columns() - 1, 1)  # a terminal may wrap where its last column is written to
        line = _fit(
            f"Epoch {epoch}/{epochs}",
            f"loss {self.loss.value:.4f}",
            f"acc {100 * self.accuracy.value:.1f} %",
            f"{speed:,.0f} samples/s",
            f"{_clock((self.total - self.done) / speed)} left",
            columns,
        )
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, initial=self.first, leave=False, bar_format=line, ncols=columns)
        self.bar.n, self.bar.bar_format, self.bar.ncols = self.done, line, columns
        self.show()

    def show(self) -> None:
        if self.bar is not None:
            self.bar.refresh()

    def clear(self) -> None:
        if self.bar is not None:
            self.bar.clear()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _Smoothed:
    """A running mean: of all numbers at first, and mostly of the last `window` later."""

    def __init__(self, window: int) -> None:
        self.window, self.count, self.value = window, 0, 0.0

    def add(self, number: float) -> None:
        self.count = min(self.count + 1, self.window)
        self.value += (number - self.value) / self.count


def as_json(value: Any) -> str:
    """Write a value as JSON of one line; numbers that are not finite become null, paths text.

    NumPy's arrays and numbers become lists and numbers.
    """
    return json.dumps(_plain_value(value), allow_nan=False)


def _plain_value(value: Any) -> Any:
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _fit(epoch: str, loss: str, accuracy: str, speed: str, left: str, columns: int) -> str:
    """Return the live line that fits: the least important parts are left out first."""
    room = columns
    kept: set[str] = set()
    for part in (epoch, left, loss, BAR, accuracy, speed):
        width = (SMALLEST_BAR if part == BAR else len(part)) + 2 * bool(kept)
        if width > room:
            break
        kept.add(part)
        room -= width
    return "  ".join(part for part in (epoch, BAR, loss, accuracy, speed, left) if part in kept) or " "


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _coloured(stream: TextIO | None, text: str, colour: str) -> str:
    """Colour a line where it is looked at, and colours are welcome (https://no-color.org)."""
    old_console = os.name == "nt" and "WT_SESSION" not in os.environ
    if (
        not _is_terminal(stream)
        or os.environ.get("NO_COLOR")
        or os.environ.get("TERM") == "dumb"
        or old_console
    ):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def _write(stream: TextIO | None, text: str) -> bool:
    """Print a line, and tell whether it is written, or whether nobody wants it any more."""
    if stream is None:
        return True
    try:
        print(_encodable(text, stream.encoding or "utf-8"), file=stream, flush=True)
    except ValueError:
        pass  # it is closed
    except OSError as error:
        # What is still buffered goes nowhere, or Python would fail anew to write it when it exits.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return isinstance(error, BrokenPipeError)
    return True


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text
