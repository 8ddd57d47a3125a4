"""python -m tests.stories.dying_worker FOLDER [WHO:WHAT:STEP ...]: one of the workers of test_workers_die.py.

It trains, and prints the number that it began with, how many are left, and a hash of the weights and the history. Those
numbered WHO (`all` are all) do WHAT before step STEP of the training, counted from 0: a signal by its name, `PAUSE30`
(they are stopped for so many seconds), `raise` an error, `interrupt` (KeyboardInterrupt), `full` (no file of
this process may become larger than 8000 bytes from there on, as a backup is).
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Sequential, callbacks, layers
from xpnet.files.digest import weights_sha256
from xpnet.parallel import get_communicator

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((128, 12)).astype("float32"), RNG.integers(0, 3, 128)
EPOCHS, STEPS, ROOM = 8, 3, 8000


class Fate(callbacks.Callback):
    """Does what is planned for this worker."""

    recorded = False

    def __init__(self, own: int, plans: list[str]) -> None:
        self.plans = {}
        self.steps = 0
        for plan in plans:
            who, what, step = plan.split(":")
            if who in ("all", str(own)):
                self.plans[int(step)] = what

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.steps = epoch * STEPS + logs.get("step", 0)

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        what, self.steps = self.plans.get(self.steps, ""), self.steps + 1
        if what == "raise":
            raise ValueError("planned")
        if what == "interrupt":
            raise KeyboardInterrupt
        if what == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
        elif what.startswith("PAUSE"):
            subprocess.Popen(["sh", "-c", f"sleep {what.removeprefix('PAUSE')}; kill -CONT {os.getpid()}"])
            os.kill(os.getpid(), signal.SIGSTOP)
        elif what:
            os.kill(os.getpid(), signal.Signals[what])


def main(folder: str, *plans: str) -> None:
    xpnet.seed(0)
    own = get_communicator().rank
    model = Sequential([layers.Dense(16), layers.BatchNorm1D(), layers.ReLU(), layers.Dropout(0.2), layers.Dense(3)])
    model.compile("adam", metrics=["accuracy"])
    place = Path(folder)
    around = [
        callbacks.CSVLogger(place / "log.csv"),
        callbacks.ModelCheckpoint(place / "at-{epoch}.safetensors"),
        callbacks.Backup(place / "backup.safetensors", every=2),
        Fate(own, list(plans)),
    ]
    history = model.fit(
        X, T, batch_size=32, epochs=EPOCHS, validation_split=0.25, shards=8, verbose=0, callbacks=around
    )
    found = hashlib.sha256(f"{weights_sha256(model)} {history.history}".encode()).hexdigest()
    print(own, get_communicator().size, found, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
