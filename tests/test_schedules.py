"""Learning-rate schedules: their values at the first, the last and the turning steps."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, pi

import pytest

from nn.schedules import Schedule, constant, cosine, exponential, one_cycle, step_decay, warm_up


def rates(schedule: Schedule, steps: int) -> list[float]:
    return [schedule(step) for step in range(steps)]


def rises(values: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(values))


def falls(values: Sequence[float]) -> bool:
    return all(a > b for a, b in pairwise(values))


ALL = [
    constant(0.1),
    step_decay(0.1, 3),
    exponential(0.1, 0.9),
    cosine(0.1, 10),
    warm_up(cosine(0.1, 10), 5),
    one_cycle(0.1, 10),
]


@pytest.mark.parametrize("schedule", ALL)
def test_rates_are_positive_numbers_however_long_it_goes_on(schedule: Schedule) -> None:
    for step in (*range(40), 1000, 100_000):
        rate = schedule(step)
        assert isinstance(rate, float)
        assert 0 <= rate <= 0.1


@pytest.mark.parametrize("schedule", ALL)
def test_rates_depend_on_the_step_alone(schedule: Schedule) -> None:
    assert rates(schedule, 20) == [schedule(step) for step in reversed(range(20))][::-1]


def test_constant() -> None:
    assert rates(constant(0.3), 5) == [0.3] * 5


def test_step_decay() -> None:
    assert rates(step_decay(0.8, 3, 0.5), 8) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert step_decay(1.0, 10)(10) == 0.1
    assert rates(step_decay(0.8, 1, 0.5), 3) == [0.8, 0.4, 0.2]


def test_exponential() -> None:
    assert rates(exponential(0.8, 0.5), 4) == [0.8, 0.4, 0.2, 0.1]
    assert exponential(1.0, 0.01 ** (1 / 50))(50) == pytest.approx(0.01)


def test_cosine() -> None:
    schedule = cosine(0.8, 8, final=0.2)
    assert schedule(0) == 0.8
    assert schedule(4) == pytest.approx(0.5)
    assert schedule(8) == schedule(9) == schedule(1000) == 0.2
    assert falls(rates(schedule, 9))
    for step, rate in enumerate(rates(schedule, 9)):
        assert rate == pytest.approx(0.2 + 0.6 * (1 + cos(pi * step / 8)) / 2)
    assert cosine(0.8, 8)(8) == 0


def test_cosine_may_rise() -> None:
    schedule = cosine(0.1, 4, final=0.5)
    assert rises(rates(schedule, 5))
    assert schedule(4) == 0.5


@pytest.mark.parametrize(("steps", "expected"), [(1, [0.8, 0, 0]), (0, [0.8, 0, 0])])
def test_cosine_of_a_single_step(steps: int, expected: list[float]) -> None:
    assert rates(cosine(0.8, steps), 3) == expected


def test_warm_up() -> None:
    assert rates(warm_up(constant(0.8), 3), 6) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


@pytest.mark.parametrize("schedule", ALL[:4])
def test_warm_up_joins_the_schedule_where_it_begins(schedule: Schedule) -> None:
    joined = warm_up(schedule, 4)
    assert rises(rates(joined, 5))
    assert [joined(step) for step in range(4, 24)] == rates(schedule, 20)
    increments = [b - a for a, b in pairwise(rates(joined, 5))]
    assert increments == pytest.approx([schedule(0) / 5] * 4)


def test_warm_up_of_no_steps_is_the_schedule() -> None:
    schedule = cosine(0.8, 8)
    assert rates(warm_up(schedule, 0), 10) == rates(schedule, 10)


def test_one_cycle() -> None:
    schedule = one_cycle(0.5, 11, rising=4 / 11)
    values = rates(schedule, 11)
    assert values[0] == pytest.approx(0.5 / 25)
    assert values[4] == max(values) == 0.5
    assert values[10] == pytest.approx(0.5e-5)
    assert rises(values[:5])
    assert falls(values[4:])
    assert values[2] == pytest.approx((0.5 / 25 + 0.5) / 2)
    assert values[7] == pytest.approx((0.5 + 0.5e-5) / 2)
    assert schedule(11) == schedule(1000) == values[10]


@pytest.mark.parametrize("steps", [10, 20, 100, 1000])
def test_one_cycle_reaches_its_peak_at_three_tenths(steps: int) -> None:
    values = rates(one_cycle(0.5, steps), steps)
    assert values.index(max(values)) == 3 * steps // 10
    assert max(values) == 0.5
    assert values[0] == pytest.approx(0.02)
    assert values[-1] == pytest.approx(0.5e-5)


def test_one_cycle_with_chosen_ends() -> None:
    values = rates(one_cycle(0.5, 10, rising=0.5, start=0.1, end=0.2), 10)
    assert values[0] == pytest.approx(0.05)
    assert values[5] == 0.5
    assert values[-1] == pytest.approx(0.1)


def test_one_cycle_that_only_falls() -> None:
    values = rates(one_cycle(0.5, 10, rising=0), 10)
    assert values[0] == 0.5
    assert falls(values)
    assert values[-1] == pytest.approx(0.5e-5)


def test_one_cycle_that_only_rises() -> None:
    values = rates(one_cycle(0.5, 10, rising=1), 10)
    assert values[0] == pytest.approx(0.02)
    assert rises(values)


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_one_cycle_of_few_steps_stays_within_its_bounds(steps: int) -> None:
    assert all(0.5e-5 <= rate <= 0.5 for rate in rates(one_cycle(0.5, steps), 10))


@pytest.mark.parametrize(("steps", "rising"), [(2, 0.3), (10, 0.85), (100, 0.985)])
def test_one_cycle_ends_at_its_end(steps: int, rising: float) -> None:
    assert one_cycle(0.5, steps, rising)(steps - 1) == pytest.approx(0.5e-5)
