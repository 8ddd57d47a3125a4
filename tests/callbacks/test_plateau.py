"""ReduceLROnPlateau: when it lowers the rate, how far, on top of any schedule, and that it can go on."""

from typing import Any

import pytest

from tests.callbacks.test_callbacks import Script
from tests.kit.small import clusters, network
from xpnet import optimizers, schedules
from xpnet.callbacks import Callback, ReduceLROnPlateau
from xpnet.errors import OptionError

NAN = float("nan")


class Rates(Callback):
    """The rate of each epoch."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        assert self.model.optimizer
        self.rates.append(self.model.optimizer.current_lr)


def rates(values: list[float], optimizer: Any = None, **options: Any) -> list[float]:
    seen, model = Rates(), network(optimizer or optimizers.SGD(1.0))
    plateau = ReduceLROnPlateau("score", **options)
    model.fit(*clusters(6), batch_size=6, epochs=len(values), callbacks=[Script(score=values), plateau, seen])
    return seen.rates


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([5, 4, 3, 2, 1, 0], {"patience": 1}, [1, 1, 1, 1, 1, 1]),
        ([5, 5, 5, 5, 5, 5], {"patience": 2}, [1, 1, 1, 0.1, 0.1, 0.01]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "factor": 0.5}, [1, 1, 0.5, 0.25, 0.125, 0.0625]),
        ([5, 5, 5, 5, 5, 5], {"patience": 0, "factor": 0.5}, [1, 1, 0.5, 0.25, 0.125, 0.0625]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "cooldown": 2}, [1, 1, 0.1, 0.1, 0.1, 0.01]),
        ([5, 6, 4, 6, 7, 7], {"patience": 2}, [1, 1, 1, 1, 1, 0.1]),
        ([5, 4.95, 4.9, 4.85, 4.8, 4], {"patience": 2, "min_delta": 0.5}, [1, 1, 1, 0.1, 0.1, 0.01]),
        ([1, 2, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, [1, 1, 1, 1, 1, 0.1]),
        ([5, NAN, NAN, 4, 4, 4], {"patience": 2}, [1, 1, 1, 0.1, 0.1, 0.1]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "min_lr": 0.05}, [1, 1, 0.1, 0.05, 0.05, 0.05]),
    ],
)
def test_the_rate_falls_when_nothing_has_improved(values: list[float], options: Any, expected: list[float]) -> None:
    assert rates(values, **options) == pytest.approx(expected)


def test_it_works_on_top_of_a_schedule() -> None:
    step = schedules.Step(1.0, every=2, factor=0.5)
    assert rates([5] * 6, optimizers.Adam(step), patience=3) == pytest.approx([1, 1, 0.5, 0.5, 0.025, 0.025])
    assert rates([5] * 3, optimizers.SGD(step), patience=1, min_lr=2.0) == [1, 1, 0.5]  # the schedule may go lower


def test_the_reduced_rate_is_that_of_the_step_and_the_settings_stay() -> None:
    model = network(optimizers.SGD(1.0))
    model.build((2,))
    assert model.optimizer
    before = model.get_weights()[2].astype("float64")
    model.optimizer.lr_scale = 0.5
    other = model.copy()
    other.optimizer = optimizers.SGD(0.5)
    for m in (model, other):
        m.train_on_batch(*clusters(6))
    assert (model.get_weights()[2] == other.get_weights()[2]).all() and (model.get_weights()[2] != before).any()
    assert repr(model.optimizer) == "SGD(lr=1.0)"


def test_its_state_goes_on() -> None:
    model, seen = network(optimizers.SGD(1.0)), Rates()
    first = ReduceLROnPlateau("score", patience=3, cooldown=1)
    model.fit(*clusters(6), epochs=5, callbacks=[Script(score=[5.0] * 9), first])
    state = first.get_state()
    assert state == {"best": 5.0, "wait": 0, "cooling": 0, "lr_scale": {"optimizer": pytest.approx(0.1)}}

    class Resume(Callback):
        rank = 1

        def on_train_begin(self, logs: Any) -> None:
            again.set_state(state | {"wait": 2})

    fresh, again = network(optimizers.SGD(1.0)), ReduceLROnPlateau("score", patience=3, cooldown=1)
    fresh.fit(*clusters(6), epochs=9, initial_epoch=5, callbacks=[Script(score=[5.0] * 9), Resume(), again, seen])
    assert seen.rates == pytest.approx([0.1, 0.01, 0.01, 0.01])


def test_epochs_without_validation_do_not_count() -> None:
    model, seen = network(optimizers.SGD(1e-30)), Rates()
    plateau = ReduceLROnPlateau(patience=1)
    model.fit(*clusters(6), epochs=8, validation_split=0.5, validation_freq=3, callbacks=[plateau, seen])
    assert seen.rates == pytest.approx([1e-30] * 6 + [1e-31] * 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 1.0}, "ReduceLROnPlateau: factor must be at least 0 and below 1"),
        ({"factor": 0}, "ReduceLROnPlateau: factor must be a positive number"),
        ({"patience": -1}, "ReduceLROnPlateau: patience must be"),
        ({"cooldown": 0.5}, "ReduceLROnPlateau: cooldown must be"),
        ({"min_lr": -1}, "ReduceLROnPlateau: min_lr must be"),
        ({"mode": "best"}, "mode must be"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        ReduceLROnPlateau(**options)
