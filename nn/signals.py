"""Ctrl-C and the wishes of the system to end: noted, and done when the work at hand is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Note SIGINT, SIGTERM and SIGHUP in a list in place of ending; a second one ends the process at once.

    Signals that are ignored stay so, and outside of the main thread nothing can be noted.
    """
    noted: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        noted.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in filter(None, (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None))):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    except ValueError:  # of threads
        pass
    try:
        yield noted
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
