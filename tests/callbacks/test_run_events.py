"""The events of a run: before all others and after them."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.small import clusters, network
from xpnet.callbacks import EMA, Backup, Callback
from xpnet.errors import OptionError


class Told(Callback):
    """Notes its events; knows nothing of a run, and has names of its own for other things."""

    def __init__(self) -> None:
        self.run, self.place, self.events = "mine", "here", []  # type: ignore[var-annotated]

    def on_train_begin(self, logs: Any) -> None:
        self.events.append("train begin")

    def on_train_end(self, logs: Any) -> None:
        self.events.append("train end")


class OfTheRun(Told):
    def on_run_begin(self, run: Any) -> None:
        self.events.append(f"run begin {run.next_step} {run.place_in_words()}, {run.verbose}")
        assert run.followers[1:] == [self] and run.describe()["batch_size"] == 4

    def on_run_end(self) -> None:
        self.events.append("run end")


def test_a_run_begins_before_all_else_and_ends_after_it() -> None:
    told, of_the_run = Told(), OfTheRun()
    network().fit(*clusters(12), batch_size=4, callbacks=told)
    assert told.events == ["train begin", "train end"] and told.run == "mine"
    network().fit(*clusters(12), 4, 3, 0, of_the_run, initial_epoch=1)
    first, *others = of_the_run.events
    assert first == "run begin (1, 0) in epoch 2 of 3, 0" and others == ["train begin", "train end", "run end"]


def test_a_backup_is_told_after_callbacks_of_rank_100(tmp_path: Path) -> None:
    """It keeps what they have become by then."""

    class Late(Callback):
        rank = 100

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert backup.saved == (epoch, 0)

    backup = Backup(tmp_path / "backup")
    network().fit(*clusters(12), epochs=2, callbacks=[backup, Late()])
    assert backup.saved == (2, 0)


def test_a_run_that_fails_has_no_end_and_one_that_is_refused_no_beginning() -> None:
    class Failing(OfTheRun):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            raise KeyboardInterrupt

    class Refusing(Told):
        def on_run_begin(self, run: Any) -> None:
            raise OptionError("not like this")

    failing, refusing = Failing(), Refusing()
    with pytest.raises(KeyboardInterrupt):
        network().fit(*clusters(12), batch_size=4, callbacks=failing)
    assert failing.events[1:] == ["train begin", "train end"]
    with pytest.raises(OptionError, match="not like this"):
        network().fit(*clusters(12), callbacks=refusing)
    assert refusing.events == []


def test_of_callbacks_that_exclude_each_other_a_derived_one_counts_too() -> None:
    class Mine(EMA):
        pass

    with pytest.raises(OptionError, match="fit takes one EMA, not 2"):
        network().fit(*clusters(12), callbacks=[EMA(), Mine()])
