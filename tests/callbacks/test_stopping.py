"""Training that ends before its time: by a loss that is not finite, or by the clock."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.callbacks.test_callbacks import Script, Teller, run
from tests.kit.small import clusters, network
from xpnet import optimizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import Callback, CSVLogger, EarlyStopping, LambdaCallback, TerminateOnNaN, TimeLimit
from xpnet.errors import NonFiniteError, OptionError
from xpnet.schedules import Schedule

NAN = float("nan")


class Explodes(Schedule):
    """A rate that is small until `step`, and then so large that the weights are no use."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, step: int) -> float:
        return 0.01 if step < self.step else 1e30


class Weights(Callback):
    """Keeps the weights after each step, by its number from 1."""

    def on_train_begin(self, logs: Any) -> None:
        self.after = [self.model.get_weights()]

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.after.append(self.model.get_weights())


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# ---- TerminateOnNaN --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "every", "good", "origin"),
    [
        (0, 0, 0, "as they were before training"),
        (2, 0, 0, "as they were before training"),  # the weights after epoch 1 are finite, and gave no finite loss
        (4, 0, 3, "of the end of epoch 1"),
        (6, 0, 6, "of the end of epoch 2"),
        (7, 0, 6, "of the end of epoch 2"),
        (7, 1, 7, "of epoch 3, step 1"),
        (7, 2, 6, "of the end of epoch 2"),
        (1, 1, 1, "of epoch 1, step 1"),
    ],
)
def test_training_ends_in_good_order_with_the_last_good_weights(
    step: int, every: int, good: int, origin: str, backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    """`step` steps are good, and the next one spoils the weights; there are three steps an epoch."""
    weights, end, last = Weights(), TerminateOnNaN(every), Teller()
    model = network(optimizers.SGD(Explodes(step)))
    history = model.fit(*clusters(12), batch_size=4, epochs=4, callbacks=[weights, end, last])
    assert last.told[-1] == "end"
    assert end.error is not None and "the loss became" in end.error and end.stopped_epoch is not None
    assert same(model.get_weights(), weights.after[good])
    assert history.epoch == list(range(end.stopped_epoch)) and np.isfinite(history.history.get("loss", [])).all()
    err = capsys.readouterr().err
    assert err.startswith("xpnet: training was ended: the loss became") and err.endswith(
        f"; the weights are {origin}\n"
    )


def test_without_it_the_error_is_raised_and_with_functions_one_may_decide() -> None:
    def explode(*callbacks: Callback) -> Any:
        return run(*callbacks, model=network(optimizers.SGD(Explodes(1))))

    told: list[str] = []
    with pytest.raises(NonFiniteError, match="the loss became"):
        explode(LambdaCallback(on_nonfinite=lambda error: told.append(str(error))))  # type: ignore[arg-type,func-returns-value]
    assert len(told) == 1
    explode(LambdaCallback(on_nonfinite=lambda error: True))


def test_the_best_weights_of_early_stopping_go_before() -> None:
    for order in (1, -1):
        early, end = EarlyStopping("loss", patience=99), TerminateOnNaN()
        model = run(*[early, end][::order], model=network(optimizers.SGD(Explodes(7))), epochs=9)
        assert end.error and early.best_weights is not None
        assert same(model.get_weights(), early.best_weights)


def test_files_of_other_callbacks_hold_the_complete_epochs(tmp_path: Path) -> None:
    run(CSVLogger(tmp_path / "log.csv"), TerminateOnNaN(), model=network(optimizers.SGD(Explodes(4))))
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", "1", "2"]


@pytest.mark.parametrize(("name", "mark"), [("val_loss", 1.0), ("loss", 1.0)])
def test_a_loss_that_is_not_finite_at_the_end_of_an_epoch_ends_training(name: str, mark: float) -> None:
    """Script marks the weights with the epoch's number; validation approves of them, or the next step."""
    end = TerminateOnNaN()
    model = run(Script(**{name: [0.5, 0.5, NAN, 0.5]}), end, validation_split=0.5, model=network(optimizers.SGD(1e-30)))
    assert end.error == f"{name} became nan in epoch 3" and end.stopped_epoch == 2
    assert model.history is not None and model.history.epoch == [0, 1, 2]
    assert np.allclose(np.concatenate([weight.ravel() for weight in model.get_weights()]), mark, atol=1e-6)


def test_a_resumed_training_knows_the_last_good_weights() -> None:
    first, again = TerminateOnNaN(), TerminateOnNaN()
    model = run(first, epochs=2)
    assert first.candidate is not None and first.candidate[0] == "of the end of epoch 2"
    state = {name: list(value) for name, value in first.get_state().items()}  # a file has no tuples

    class Restore(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            if epoch == 2:
                again.set_state(state)

    good = model.get_weights()
    assert model.optimizer is not None
    model.optimizer.lr = Explodes(0)
    run(again, Restore(), initial_epoch=2, model=model)
    assert again.error is not None and same(model.get_weights(), good)


def test_a_last_step_that_spoils_the_weights_is_noticed() -> None:
    class Spoil(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                self.good = self.model.get_weights()
                self.model.parameters()[0].value = np.full(self.model.parameters()[0].shape, NAN)

    end, weights = TerminateOnNaN(), Weights()
    model = run(weights, Spoil(), end, epochs=2)
    assert end.error == "the last step of epoch 2 left weights that are not finite"
    assert same(model.get_weights(), weights.after[2])


def test_training_can_go_on_afterwards() -> None:
    end = TerminateOnNaN()
    x, t = clusters(60)
    model = network(optimizers.Adam(Explodes(14)))
    model.fit(x, t, batch_size=12, epochs=8, callbacks=[end])
    assert end.error and model.optimizer is not None and not model.optimizer.state
    model.optimizer.lr = 0.01
    history = model.fit(x, t, batch_size=12, epochs=5, callbacks=end)
    assert end.error is None and end.stopped_epoch is None
    assert history.epoch == [0, 1, 2, 3, 4] and history.history["loss"][-1] < 0.5


def test_a_training_without_nan_is_left_alone() -> None:
    def weights(*callbacks: Callback) -> list[np.ndarray]:
        xpnet.seed(5)
        return run(*callbacks).get_weights()

    assert same(weights(), weights(TerminateOnNaN(every=1)))


# ---- TimeLimit -------------------------------------------------------------------------------------------------------


class Clock:
    """Goes on by a second whenever a step or an epoch is complete."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now - 1


@pytest.mark.parametrize(
    ("seconds", "stopped", "steps"),
    [(0.5, (0, 0), 1), (1, (0, 0), 1), (1.5, (0, 1), 2), (3, (0, 1), 2), (4, (1, 0), 3), (99, None, 8)],
)
def test_training_ends_at_the_first_step_after_the_limit(
    seconds: float, stopped: tuple[int, int] | None, steps: int
) -> None:
    """Two steps an epoch and four epochs; the third look at the clock is that after validation."""
    limit, teller = TimeLimit(seconds, clock=Clock()), Teller()
    model = run(limit, teller, epochs=4, validation_split=0.25)
    told = [what for what in teller.told if what.startswith("step") and what.endswith("done")]
    assert len(told) == steps and teller.told[-1] == "end"
    assert (limit.stopped_epoch, limit.stopped_step) == (stopped or (None, None))
    assert model.history is not None
    assert len(model.history.history["val_loss"]) == len(model.history.epoch) == (steps + 1) // 2


def test_each_training_has_the_whole_time() -> None:
    limit = TimeLimit(2, clock=Clock())
    for _ in range(2):
        model = run(limit, epochs=4)
        assert model.history is not None and (model.history.epoch, limit.stopped_step) == ([0], 1)


def test_times_add_up_and_must_be_times() -> None:
    assert TimeLimit(1, 2, 3).seconds == 1 + 120 + 10800
    assert TimeLimit(minutes=0.5).seconds == 30
    with pytest.raises(OptionError, match=r"TimeLimit needs a time: TimeLimit\(minutes=30\)"):
        TimeLimit()
    with pytest.raises(OptionError, match="TimeLimit: hours must be a number of at least 0, not -1"):
        TimeLimit(hours=-1)


def test_the_real_clock_stops_a_training_that_would_take_for_ever() -> None:
    model = network(optimizers.SGD(schedules.Constant(1e-3)))
    model.fit(*clusters(12), batch_size=1, epochs=10**6, callbacks=TimeLimit(seconds=0.05))
    assert model.history is not None and len(model.history.epoch) < 10**4
