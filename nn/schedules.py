"""Learning-rate schedules: functions from the number of steps taken, 0 at first, to the rate."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """Keep the learning rate."""
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by `factor` after each `every` steps."""
    return lambda step: lr * factor ** (step // every)


def exponential(lr: float, factor: float) -> Schedule:
    """Multiply the learning rate by `factor` after each step."""
    return lambda step: lr * factor**step


def cosine(lr: float, steps: int, final: float = 0.0) -> Schedule:
    """Go from `lr` to `final` in `steps` steps along half a cosine (Loshchilov & Hutter, 2017, eq. 5)."""
    return lambda step: _along_cosine(lr, final, step / max(steps, 1))


def warm_up(schedule: Schedule, steps: int) -> Schedule:
    """Raise the learning rate linearly over `steps` steps to where `schedule`, which then starts, begins."""

    def with_warm_up(step: int) -> float:
        return schedule(0) * (step + 1) / (steps + 1) if step < steps else schedule(step - steps)

    return with_warm_up


def one_cycle(
    peak: float, steps: int, rising: float = 0.3, start: float = 1 / 25, end: float = 1e-5
) -> Schedule:
    """Go up to `peak` in the first part (`rising`) of `steps` steps, then down, both along half a cosine.

    The rate is `start * peak` at first and `end * peak` at last (Smith & Topin, 2018).
    """
    top = rising * steps
    descent = steps - 1 - top

    def cycle(step: int) -> float:
        if step < top:
            return _along_cosine(start * peak, peak, step / top)
        return _along_cosine(peak, end * peak, (step - top) / descent if descent > 0 else 1.0)

    return cycle


def _along_cosine(first: float, last: float, part: float) -> float:
    """Return where half a cosine from `first` to `last` is after a part, 0 to 1, of the way."""
    return last + (first - last) * (1 + cos(pi * min(part, 1.0))) / 2
