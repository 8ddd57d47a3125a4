"""Several workers in one `fit`: who stops it, who shows it, whose errors they have."""

import threading
from typing import Any

import numpy as np
import pytest

from tests.kit.small import clusters, network
from tests.kit.teams import in_team
from tests.training.test_shards import T, X, assert_same_training, dense
from xpnet import optimizers
from xpnet.callbacks import Callback, EarlyStopping, TimeLimit
from xpnet.parallel import get_communicator


class Stops(Callback):
    """On one worker alone, at some event."""

    def __init__(self, event: str) -> None:
        self.event = event

    def stop(self, event: str, here: bool) -> None:
        workers = get_communicator()
        if event == self.event and here and workers.rank == workers.size - 1:
            self.model.stop_training = True

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        self.stop("begin", batch == 1)

    def on_before_update(self, batch: int, logs: Any) -> None:
        self.stop("update", batch == 1)

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.stop("epoch", epoch == 1)


class Ends(Callback):
    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        if get_communicator().rank == 1 and batch == 1:
            self.model.stop_training = True


def steps_of(callbacks: Any, **options: Any) -> tuple[int, int]:
    model = dense()
    history = model.fit(X, T, batch_size=6, epochs=5, verbose=0, shards=4, callbacks=callbacks(), **options)
    assert model.optimizer is not None
    return model.optimizer.steps, len(history.epoch)


@pytest.mark.parametrize(("event", "steps"), [("begin", 2), ("update", 2), ("epoch", 10)])
def test_all_workers_stop_where_one_does(event: str, steps: int) -> None:
    assert in_team(3, lambda: steps_of(lambda: Stops(event))) == [(steps, 2 if steps == 10 else 1)] * 3


def test_workers_need_not_have_the_same_callbacks() -> None:
    """One of them may show or note something that the others do not."""

    def work() -> Any:
        return steps_of(lambda: [Ends()] if get_communicator().rank == 1 else [])

    assert in_team(3, work) == [(2, 1)] * 3


def test_the_progress_is_shown_by_one_worker(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> float:
        return network().fit(*clusters(20), epochs=2, verbose=1).history["loss"][-1]

    assert len(set(in_team(2, work))) == 1
    lines = [
        line for line in "".join(capsys.readouterr()).splitlines() if line.startswith("epoch ") and "waiting)" in line
    ]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]


def test_a_time_limit_is_that_of_the_first_worker() -> None:
    """Though the clocks of the others go faster."""

    def limit() -> TimeLimit:
        rank, now = get_communicator().rank, [0.0]

        def clock() -> float:
            now[0] += 1 + 10 * rank
            return now[0]

        return TimeLimit(seconds=7, clock=clock)

    assert in_team(3, lambda: steps_of(limit)) == in_team(1, lambda: steps_of(limit)) * 3


def test_early_stopping_restores_the_same_weights() -> None:
    def work() -> Any:
        model = dense(optimizers.SGD(3.0))
        callback = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
        options: Any = {"callbacks": callback, "validation_split": 0.4, "shards": 8, "verbose": 0}
        history = model.fit(X, T, 6, epochs=20, **options)
        return len(history.epoch), [weight.tobytes() for weight in model.get_weights()]

    (alone,) = in_team(1, work)
    assert alone[0] < 20 and in_team(3, work) == [alone] * 3


def test_history_counts_whose_samples_they_were() -> None:
    """Shards of 2, 2, 1, 1 samples in batches of 6, and of 1, 1 in the last one of 2."""

    def work() -> Any:
        history = dense().fit(X, T, batch_size=6, epochs=2, verbose=0, shards=4)
        assert len(history.waited) == 2 and history.samples == [26, 26]
        return history.samples_by_worker

    assert in_team(2, work) == [[2 * (4 * 4 + 2), 2 * 4 * 2]] * 2
    assert in_team(1, work) == [[52]]


def test_an_error_of_one_worker_is_told_to_all() -> None:
    class Fails(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if get_communicator().rank == 2:
                raise ZeroDivisionError("mine")

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="mine"):
        in_team(3, lambda: dense().fit(X, T, 6, verbose=0, shards=4, callbacks=Fails()))
    assert threading.active_count() == before


def test_whole_and_sharded_training_agree_with_several_workers() -> None:
    def work(shards: int) -> Any:
        model = dense().astype("float64")
        history = model.fit(X, T, 8, epochs=2, verbose=0, shards=shards, sample_weight=np.linspace(0, 1, 26))
        return model.get_weights(), history.history

    (whole,) = in_team(1, lambda: work(1))
    for found in in_team(3, lambda: work(4)):
        assert_same_training(whole, found)
