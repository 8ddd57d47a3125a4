"""python bench/deaths_worker.py NETWORK FOLDER [WHO:EVENT:NUMBER:DELAY ...]: what one of the workers of deaths.py does.

It trains, writes into the folder what callbacks write, and in the end what it has come to. A worker that began as
number WHO sends itself SIGKILL, DELAY seconds after an event comes for the NUMBER-th time: `begin` (training), `step`,
`validation`, `backup`, `checkpoint` (while the file is written), `line` (before one is added to the CSV file), `lined`
(after it), `end` (of an epoch, behind all that is written). Only the worker that leads comes to those of files.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paths

import xpnet
from xpnet import Sequential, callbacks, data, layers, networks
from xpnet.callbacks import backup as backup_module
from xpnet.files.digest import weights_sha256
from xpnet.parallel import get_communicator

assert paths
SHARDS, BATCH, EPOCHS = 8, 32, 3
EVENTS = ("begin", "step", "validation", "backup", "checkpoint", "line", "lined", "end")
RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((128, 1, 28, 28)).astype("float32"), RNG.integers(0, 10, 128)
Fed = tuple[Any, tuple[Any, ...], dict[str, Any]]  # a network, what fit is given, and the options


def lenet() -> Fed:
    model = networks.LeNet5()
    model.compile("adam", metrics=["accuracy"])
    return model, (X, T), {"batch_size": BATCH, "validation_split": 0.25}


def norm() -> Fed:
    first = [layers.Conv2D(6, 3, padding="same"), layers.BatchNorm2D(), layers.ReLU(), layers.MaxPool2D(2)]
    last = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(10)]
    model = Sequential([*first, *last])
    model.compile("momentum", metrics=["accuracy"])
    return model, (X[:, :, :12, :12], T), {"batch_size": BATCH, "validation_split": 0.25, "accumulate": 2}


def gan() -> Fed:
    """Its step makes two updates."""
    return networks.DCGAN(8, 4, image_shape=(1, 12, 12)), (X[:, :, :12, :12].clip(-1, 1),), {"batch_size": BATCH}


def loader() -> Fed:
    """Batch norm with the statistics of the whole batch, for which shards wait, and pictures that are shifted."""
    chain = [layers.Conv2D(4, 3), layers.BatchNorm2D(sync=True), layers.ReLU(), layers.Flatten(), layers.Dense(10)]
    model = Sequential(chain)
    model.compile("adam", metrics=["accuracy"])
    batches = data.Loader((X[:96, :, :12, :12], T[:96]), BATCH, augment=data.augment.Shift(2), workers=2)
    return model, (batches,), {"validation_data": (X[96:, :, :12, :12], T[96:])}


NETWORKS: dict[str, Callable[[], Fed]] = {"lenet": lenet, "norm": norm, "gan": gan, "loader": loader}


class Fate:
    """When this worker is to die."""

    def __init__(self, folder: Path, own: int, plans: list[str]) -> None:
        self.folder, self.own, self.counts = folder, own, Counter[str]()
        self.plans: dict[tuple[str, int], float] = {}
        for plan in plans:
            who, event, number, delay = plan.split(":")
            if int(who) == own:
                self.plans[event, int(number)] = float(delay)

    def comes(self, event: str) -> None:
        self.counts[event] += 1
        delay = self.plans.pop((event, self.counts[event]), None)
        if delay == 0:
            self.die(0)
        elif delay is not None:
            threading.Thread(target=self.die, args=(delay,), daemon=True).start()

    def die(self, delay: float) -> None:
        time.sleep(delay)
        (self.folder / f"killed.{self.own}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, event: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The event comes when `work` has written its file and not yet put it in its place."""

        def run(*arguments: Any, **options: Any) -> Any:
            flush, os.fsync = os.fsync, lambda number: self.comes(event)
            try:
                return work(*arguments, **options)
            finally:
                os.fsync = flush

        return run


class Watching(callbacks.Callback):
    """Tells fate of what comes."""

    recorded = False
    rank = callbacks.base.SHOWS + 1

    def __init__(self, fate: Fate) -> None:
        self.fate = fate

    def on_train_begin(self, logs: Any) -> None:
        self.fate.comes("begin")

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        self.fate.comes("step")

    def on_train_epoch_end(self, epoch: int, logs: Any) -> None:
        self.fate.comes("validation")

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.fate.comes("end")


class Lines(callbacks.CSVLogger):
    """A CSVLogger that tells fate of what it writes."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self.fate = fate

    def write(self, text: str) -> None:
        if self.leads:
            self.fate.comes("line")
        super().write(text)
        if self.leads:
            self.fate.comes("lined")


def main(network: str, place: str, *plans: str) -> None:
    xpnet.seed(0)
    folder, workers = Path(place), get_communicator()
    own = workers.rank
    fate = Fate(folder, own, list(plans))
    model, given, options = NETWORKS[network]()
    model.save = fate.around("checkpoint", model.save)
    backup_module.write_state = fate.around("backup", backup_module.write_state)
    around = [
        Lines(folder / "log.csv", fate),
        callbacks.JSONLinesLogger(folder / "log.jsonl"),
        callbacks.ModelCheckpoint(folder / "at-{epoch}.safetensors"),
        callbacks.Backup(folder / "backup.safetensors", every=2),
        Watching(fate),
    ]
    if network == "lenet":
        around += [callbacks.EMA(0.9), callbacks.ModelCheckpoint(folder / "best.safetensors", save_best_only=True)]
    model.fit(*given, epochs=EPOCHS, shards=SHARDS, verbose=0, callbacks=around, **options)
    assert model.history is not None
    found = {"weights": weights_sha256(model), "history": model.history.history, "left": workers.size}
    (folder / f"end.{own}").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
