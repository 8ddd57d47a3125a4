"""Schedules are what their formulas say, stay within their bounds, and come back from a file."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.small import clusters, network
from xpnet import optimizers, schedules
from xpnet.errors import OptionError
from xpnet.schedules import SCHEDULES, Constant, Cosine, Exponential, OneCycle, Schedule, Step, Warmup

rates = st.floats(1e-5, 10.0)
lengths = st.integers(1, 500)


def every(schedule: Schedule, steps: int) -> list[float]:
    return [schedule(s) for s in range(steps)]


def test_step_falls_after_every_so_many_steps() -> None:
    assert every(Step(1.0, every=2, factor=0.5), 7) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert Step(1.0, every=2)(2) == pytest.approx(0.1)


@given(lr=rates, rate=st.floats(0.01, 2.0), steps=lengths)
def test_exponential_is_multiplied_by_its_rate_in_so_many_steps(lr: float, rate: float, steps: int) -> None:
    schedule = Exponential(lr, rate, steps)
    assert schedule(0) == lr
    assert schedule(steps) == pytest.approx(lr * rate)
    assert schedule(1) / schedule(0) == pytest.approx(schedule(8) / schedule(7))
    assert Exponential(lr, rate)(3) == pytest.approx(lr * rate**3)


def test_warmup_rises_in_equal_parts_to_the_schedule_behind_it() -> None:
    assert every(Warmup(Constant(1.0), 3), 5) == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert every(Warmup(0.4, 1, start=0.2), 3) == pytest.approx([0.3, 0.4, 0.4])
    cosine = Cosine(1.0, 10)
    warm = Warmup(cosine, 4, start=0.5)
    assert every(warm, 4) == pytest.approx([0.6, 0.7, 0.8, 0.9])
    assert [warm(4 + s) for s in range(12)] == every(cosine, 12)
    assert Warmup(warm, 2)(0) == pytest.approx(0.2)  # a schedule like any other


@given(lr=rates, steps=lengths, rise=st.floats(0.0, 0.9))
def test_one_cycle_starts_low_reaches_its_rate_and_ends_lower(lr: float, steps: int, rise: float) -> None:
    schedule = OneCycle(lr, steps, rise, divide=10.0, end_divide=100.0)
    top = rise * steps
    if top:
        assert schedule(0) == pytest.approx(lr / 10)
    assert schedule(steps) == schedule(10 * steps) == pytest.approx(lr / 100)
    values = every(schedule, steps + 1)
    assert max(values) <= lr * (1 + 1e-12)
    up, down = [v for s, v in enumerate(values) if s < top], [v for s, v in enumerate(values) if s >= top]
    assert up == sorted(up) and down == sorted(down, reverse=True)


def test_one_cycle_is_its_formula() -> None:
    schedule = OneCycle(1.0, 10, rise=0.4, divide=5.0, end_divide=20.0)
    assert schedule(4) == 1.0
    assert schedule(2) == pytest.approx((1 + 1 / 5) / 2)  # half of the way up
    assert schedule(7) == pytest.approx((1 + 1 / 20) / 2)
    assert schedule(1) == pytest.approx(1 + (1 / 5 - 1) * (1 + math.cos(math.pi / 4)) / 2)


@given(name=st.sampled_from(sorted(SCHEDULES)), lr=rates, steps=lengths)
def test_a_name_gives_a_schedule_over_a_whole_training(name: str, lr: float, steps: int) -> None:
    schedule = SCHEDULES[name](lr, steps)
    values = every(schedule, steps)
    assert all(0 <= value <= lr * (1 + 1e-12) for value in values)
    if steps >= 20:
        assert max(values) >= 0.9 * lr
        assert values[-1] < 0.2 * lr or name == "constant"


SAVED: list[Schedule] = [
    Constant(0.1),
    Step(0.1, 5, 0.3),
    Exponential(0.1, 0.9, 7),
    Cosine(0.1, 50, 0.01),
    Warmup(Cosine(0.1, 40), 10, 0.001),
    OneCycle(0.1, 50, 0.2, 10.0, 1e3),
]


@pytest.mark.parametrize("schedule", SAVED, ids=lambda schedule: type(schedule).__name__)
def test_a_schedule_comes_back_with_its_model(tmp_path: Path, schedule: Schedule) -> None:
    model = network(optimizers.Momentum(schedule))
    model.fit(*clusters(30), epochs=1)
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net").optimizer
    assert again is not None and isinstance(again.lr, Schedule)
    assert repr(again.lr) == repr(schedule)
    assert every(again.lr, 60) == every(schedule, 60)


def test_every_schedule_is_saved_above() -> None:
    kinds = {value for value in vars(schedules).values() if isinstance(value, type) and issubclass(value, Schedule)}
    assert {type(schedule) for schedule in SAVED} == kinds - {Schedule}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Step(0.1, 0), "Step: every must be an integer of at least 1, not 0"),
        (lambda: Step(0.1, 5, 0), "Step: factor must be a positive number"),
        (lambda: Exponential(0.1, -1), "Exponential: rate must be a positive number"),
        (lambda: Exponential(0.1, 0.5, 1.5), "Exponential: steps must be an integer"),  # type: ignore[arg-type]
        (lambda: Cosine(0.1, True), "Cosine: steps must be an integer of at least 1, not True"),
        (lambda: Cosine(0.1, 5, float("nan")), "Cosine: end must be a number of at least 0, not nan"),
        (lambda: Warmup(0.1, 0), "Warmup: steps must be"),
        (lambda: Warmup(0.0, 3), "lr must be a positive number, not 0.0"),
        (lambda: Warmup(Constant(0.1), 3, -1), "Warmup: start must be a number of at least 0"),
        (lambda: OneCycle(0.1, 0), "OneCycle: steps must be"),
        (lambda: OneCycle(0.1, 9, rise=1.0), "OneCycle: rise must be at least 0 and below 1"),
        (lambda: OneCycle(0.1, 9, divide=0), "OneCycle: divide must be a positive number"),
        (lambda: OneCycle(0.1, 9, end_divide=0), "OneCycle: end_divide must be a positive number"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_a_warmup_is_as_long_as_its_rise_and_its_schedule() -> None:
    assert Warmup(Cosine(0.1, 40), 10).length == 50
    assert Warmup(Warmup(OneCycle(0.1, 7), 2), 3).length == 12
    assert Warmup(0.1, 10).length is None


@pytest.mark.parametrize(("taken", "steps", "told"), [(0, 40, False), (10, 30, False), (0, 41, True), (10, 31, True)])
def test_a_schedule_that_ends_before_the_training_is_told_of(taken: int, steps: int, told: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        schedules.warn_of_short_schedule(Cosine(0.1, 40), taken, steps)
        schedules.warn_of_short_schedule(Warmup(0.1, 3), taken, steps)
        schedules.warn_of_short_schedule(0.1, taken, steps)
    assert len(found) == told
    if told:
        assert f"Cosine ends after 40 steps, and this training has {steps}" in str(found[0].message)
