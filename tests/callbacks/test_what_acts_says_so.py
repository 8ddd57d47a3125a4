"""A callback that ends training, changes the rate or restores weights says so in one line; verbose=0 is quiet."""

from typing import Any

import pytest

from tests.callbacks.test_callbacks import Script
from tests.kit.small import clusters, network
from xpnet import optimizers, schedules
from xpnet.callbacks import Callback, EarlyStopping, ReduceLROnPlateau, TimeLimit

Said = pytest.CaptureFixture[str]


def fit(*around: Callback, verbose: Any = 2, epochs: int = 6, lr: Any = 1.0) -> Any:
    model = network(optimizers.SGD(lr))
    return model.fit(*clusters(6), batch_size=3, epochs=epochs, callbacks=list(around), verbose=verbose)


def lines(said: Said, verbose: int = 2) -> list[str]:
    """Those that are not of an epoch, in the place where epochs are told."""
    out, err = said.readouterr()
    here, other = (out, err) if verbose == 2 else (err, out)
    assert not other
    return [line.strip() for line in here.replace("\r", "\n").splitlines() if line.strip() and "epoch " not in line[:6]]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (
            [1, 2, 3, 2.5, 2.9, 4],
            {"patience": 2},
            "EarlyStopping: ended training after epoch 5, score not improved for 2 epochs; went back to the weights of"
            " epoch 3 (score 3)",
        ),
        ([1, 1], {}, "EarlyStopping: ended training after epoch 2, score not improved for 1 epoch; went back to the"
                     " weights of epoch 1 (score 1)"),
        ([1, 3, 2], {"patience": 9}, "EarlyStopping: went back to the weights of epoch 2 (score 3)"),
        ([1, 1], {"restore_best_weights": False},
         "EarlyStopping: ended training after epoch 2, score not improved for 1 epoch"),
        ([1, 2, 3], {"patience": 2}, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_early_stopping(values: list[float], options: Any, expected: str | None, verbose: int, capsys: Said) -> None:
    fit(Script(score=values), EarlyStopping("score", mode="max", **options), epochs=len(values), verbose=verbose)
    said = [line for line in lines(capsys, verbose) if "EarlyStopping" in line]
    assert said == ([expected] if expected and verbose else [])


@pytest.mark.parametrize("verbose", [0, 2])
def test_reduce_lr_on_plateau(verbose: int, capsys: Said) -> None:
    fit(Script(score=[5.0] * 6), ReduceLROnPlateau("score", patience=2), verbose=verbose)
    first = "ReduceLROnPlateau: score did not improve for 2 epochs: lr falls from 1 to 0.1"
    assert lines(capsys) == ([first, first.replace("1 to 0.1", "0.1 to 0.01")] if verbose else [])


def test_the_line_follows_that_of_its_epoch(capsys: Said) -> None:
    fit(Script(score=[5.0] * 3), ReduceLROnPlateau("score", patience=1, factor=0.5), epochs=2)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["epoch", "epoch", "ReduceLROnPlateau:"]


def test_a_rate_that_is_at_its_least_is_not_told_of(capsys: Said) -> None:
    fit(Script(score=[5.0] * 4), ReduceLROnPlateau("score", patience=1, min_lr=1.0), epochs=4)
    assert lines(capsys) == []


def test_one_epoch_is_one(capsys: Said) -> None:
    fit(Script(score=[5.0] * 2), ReduceLROnPlateau("score", patience=1), epochs=2)
    assert lines(capsys) == ["ReduceLROnPlateau: score did not improve for 1 epoch: lr falls from 1 to 0.1"]


@pytest.mark.parametrize("verbose", [0, 2])
def test_time_limit(verbose: int, capsys: Said) -> None:
    ticks = iter(range(100))
    fit(TimeLimit(3, clock=lambda: next(ticks)), verbose=verbose)
    assert lines(capsys) == (["TimeLimit: ended training in epoch 1, after step 2"] if verbose else [])


def test_the_rate_is_in_the_history_as_the_last_step_had_it() -> None:
    history = fit(Script(score=[5.0] * 6), ReduceLROnPlateau("score", patience=2), verbose=0).history
    assert history["lr"] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    rates = fit(verbose=0, epochs=3, lr=schedules.Step(1.0, every=2, factor=0.5)).history["lr"]
    assert rates == [1, 0.5, 0.25], "two steps in an epoch"
