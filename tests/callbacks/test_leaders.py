"""What callbacks write when the worker that leads dies: the next one writes it, once. Real deaths are killed in
tests/stories/test_workers_die.py; here the communicator only says that it has come to lead.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpnet import Sequential, callbacks, layers
from xpnet.backend import Array
from xpnet.parallel import Communicator
from xpnet.parallel.engine import use_communicator
from xpnet.parallel.tree import TreeSum

X, T = np.arange(48, dtype="float32").reshape(12, 4) / 48, np.arange(12) % 3
EPOCHS = 3


class Second(Communicator):
    """The second of two workers, until the first one dies, whose shard adds nothing."""

    rank, size = 1, 2
    members = (0, 1)
    dies = False  # in the exchange that comes

    def together(self, attempt: Callable[[], Any]) -> Any:
        result = attempt()
        if self.dies:
            self.rank, self.size, self.members, self.dies = 0, 1, (1,), False
            result = attempt()
        return result

    def complete(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        return tree.roots[0][1] if self.size == 2 else tree.finish()


class Death(callbacks.Callback):
    """Of the first worker, at the end of this epoch, where it has written before this one comes to write."""

    recorded = False
    rank = -2

    def __init__(self, workers: Second, epoch: int, write: Callable[[], None]) -> None:
        self.workers, self.epoch, self.write = workers, epoch, write

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        if epoch == self.epoch:
            self.workers.dies = True
            self.write()


@pytest.fixture
def workers() -> Iterator[Second]:
    with use_communicator(Second()) as workers:
        yield workers


def fit(*around: callbacks.Callback, epochs: int = EPOCHS) -> None:
    model = Sequential([layers.Dense(3)])
    model.compile("sgd")
    model.fit(X, T, batch_size=6, epochs=epochs, verbose=0, shuffle=False, shards=2, callbacks=list(around))


def nothing() -> None:
    pass


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_the_next_one_writes_what_is_missing(epoch: int, workers: Second, tmp_path: Path) -> None:
    log, lines = tmp_path / "log.csv", tmp_path / "log.jsonl"
    around = [
        callbacks.CSVLogger(log),
        callbacks.JSONLinesLogger(lines),
        callbacks.ModelCheckpoint(tmp_path / "at-{epoch}.safetensors"),
        callbacks.Backup(tmp_path / "backup.safetensors", keep=True),
    ]
    fit(*around, Death(workers, epoch, nothing))
    assert [row["epoch"] for row in csv.DictReader(log.read_text().splitlines())] == ["1", "2", "3"]
    assert [json.loads(line)["epoch"] for line in lines.read_text().splitlines()] == [1, 2, 3]
    written = {f"at-{number + 1}.safetensors" for number in range(epoch, EPOCHS)}  # those before are the first one's
    files = {path.name for path in tmp_path.iterdir()}
    assert files == written | {"log.csv", "log.jsonl", "backup.safetensors"}


@pytest.mark.parametrize("text", ["", "epoch,loss,lr\r\n", "epoch,loss,lr\r\n1,2.0,0.1\r\n"])
def test_a_line_that_the_dead_one_has_added_is_there_once(text: str, workers: Second, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    if text:
        log.write_bytes(text.encode())

    def write() -> None:
        with log.open("ab") as file:
            file.write(b"epoch,loss,lr\r\n" * (not text) + b"1,7.0,0.1\r\n2,")

    fit(callbacks.CSVLogger(log, append=True), Death(workers, 0, write))
    before = text or "epoch,loss,lr\r\n"
    assert log.read_bytes().decode().startswith(before)
    rows = list(csv.reader(log.read_bytes().decode().removeprefix(before).splitlines()))
    assert [row[0] for row in rows] == ["1", "2", "3"] and float(rows[0][1]) != 7


def test_a_backup_that_the_dead_one_has_not_deleted_is_deleted(workers: Second, tmp_path: Path) -> None:
    backup = tmp_path / "backup.safetensors"

    class AtTheEnd(callbacks.Callback):
        recorded = False

        def on_train_end(self, logs: Any) -> None:
            backup.write_text("")  # as the first worker's
            workers.dies = True

    fit(callbacks.Backup(backup), AtTheEnd())
    assert not any(tmp_path.iterdir())


def test_a_callback_of_ones_own_hears_that_it_leads_and_writes_again(workers: Second) -> None:
    told: list[str] = []

    class Own(callbacks.Callback):
        recorded = False

        def on_lead(self) -> None:
            told.append("lead")

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.by_leader(lambda: told.append(f"epoch {epoch}"))

    fit(Own(), Death(workers, 1, nothing), epochs=4)
    assert told == ["lead", "epoch 1", "epoch 2", "epoch 3"]
