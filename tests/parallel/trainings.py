"""python -m tests.parallel.trainings BACKEND FOLDER [CASE ...]: trainings of several workers, and what comes of them.

Each worker prints a line for each case, its name and a hash of weights and history; the first one adds a hash of the
files that callbacks wrote into FOLDER.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from tests import cudasim
from xpnet import data, layers, networks, optimizers
from xpnet.backend import make_backend, set_default
from xpnet.callbacks import (
    EMA,
    Backup,
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLinesLogger,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
    TimeLimit,
)  # fmt: skip
from xpnet.files.state import read_state
from xpnet.model import Model, Sequential
from xpnet.parallel import get_communicator

SHARDS = 8
STEPS = 30
Made = tuple[Model, dict[str, Any]]
RNG = np.random.default_rng(0)
IMAGES = RNG.random((60, 1, 28, 28), dtype=np.float32)
LABELS = RNG.integers(0, 10, 60)
ROWS = RNG.standard_normal((60, 7, 5), dtype=np.float32)
POINTS = RNG.standard_normal((60, 4), dtype=np.float32)


def images(size: int = 20, **options: Any) -> data.Loader:
    """Turned, moved and scaled; 3 batches of 20 an epoch, or of another size, of which the last may be smaller."""
    affine = data.augment.Affine(shift=2, rotate=20, scale=0.2)
    return data.Loader((IMAGES, LABELS), size, shuffle=True, augment=affine, **options)


def lenet(optimizer: Any, **options: Any) -> Made:
    model = networks.LeNet5()
    model.compile(optimizer, metrics=["accuracy"])
    return model, {"x": images(), "epochs": STEPS // 3} | options


def lenet_sgd(folder: Path) -> Made:
    return lenet(optimizers.SGD(0.1), validation_data=(IMAGES[:50], LABELS[:50]))


def lenet_momentum(folder: Path) -> Made:
    return lenet(optimizers.Momentum(0.05), class_weight={0: 0.5, 3: 2.0}, x=images(19, workers=2), epochs=8)


def lenet_adam(folder: Path) -> Made:
    return lenet("adam", accumulate=2, x=IMAGES, t=LABELS, batch_size=21)


def deep(folder: Path) -> Made:
    """Convolutions, batch normalisation, dropout."""
    model = Sequential([
        layers.Conv2D(4, 3, padding="same"), layers.BatchNorm2D(), layers.ReLU(), layers.MaxPool2D(4),
        layers.Dropout(0.2), layers.Conv2D(6, 3), layers.BatchNorm2D(momentum=None), layers.ReLU(), layers.Flatten(),
        layers.Dense(16), layers.BatchNorm1D(), layers.ReLU(), layers.Dropout(0.5), layers.Dense(10),
    ])  # fmt: skip
    model.compile(optimizers.Adam(0.01), metrics=["accuracy", data_metric()])
    return model, {"x": images(19), "epochs": 8, "validation_data": images(13), "callbacks": EMA(0.9)}


def data_metric() -> Any:
    return xpnet.metrics.ConfusionMatrix(10)


def deepconvnet(folder: Path) -> Made:
    model = networks.DeepConvNet()
    model.compile(optimizers.Momentum(0.01), metrics=["accuracy"])
    return model, {"x": images(12), "epochs": 1}


def recurrent(folder: Path) -> Made:
    model = Sequential([layers.LSTM(8), layers.Dropout(0.2), layers.Dense(3)])
    model.compile(optimizers.Adam(0.02, clip_norm=0.5), metrics=["accuracy"])
    t = LABELS[:, None] * np.arange(7) % 3
    return model, {"x": ROWS, "t": t, "batch_size": 10, "epochs": 5, "validation_split": 0.2}


def stateful(folder: Path) -> Made:
    model = Sequential([layers.LSTM(6, stateful=True), layers.Dense(3)])
    model.compile(optimizers.SGD(0.1), metrics=["accuracy"])
    t = LABELS[:, None] * np.arange(7) % 3
    return model, {
        "x": ROWS, "t": t, "batch_size": 5, "epochs": 2, "shuffle": False, "validation_data": (ROWS[:10], t[:10]),
    }  # fmt: skip


def gan(folder: Path) -> Made:
    from tests.training.test_train_step import GAN

    return GAN(), {"x": POINTS[:, :2], "batch_size": 10, "epochs": 5, "accumulate": 2}


def pairs(size: int) -> Iterator[Any]:
    while True:
        for start in range(0, 55, size):
            yield POINTS[start : start + size], LABELS[start : start + size] % 3


def small(optimizer: Any = "adam", **options: Any) -> Made:
    model = Sequential([layers.Dense(8, activation="tanh"), layers.Dropout(0.1), layers.Dense(3)])
    model.compile(optimizer, metrics=["accuracy"])
    return model, {"x": POINTS, "t": LABELS % 3, "batch_size": 10, "epochs": 5} | options


def generator(folder: Path) -> Made:
    """Read whole by each worker, and cut."""
    return small(x=pairs(7), t=None, batch_size=None, steps_per_epoch=5, validation_data=pairs(9), validation_steps=3)


def few_samples(folder: Path) -> Made:
    """Fewer than shards: some workers have none."""
    return small(batch_size=3, x=POINTS[:10], t=LABELS[:10] % 3, validation_data=(POINTS[:2], LABELS[:2] % 3))


def balanced(folder: Path) -> Made:
    return small(class_weight="balanced", sample_weight=RNG_WEIGHTS, accumulate=3)


RNG_WEIGHTS = np.random.default_rng(3).random(60)


def files(folder: Path) -> Made:
    callbacks = [
        CSVLogger(folder / "log.csv"), JSONLinesLogger(folder / "log.jsonl"), TensorBoard(folder / "board", every=2),
        ModelCheckpoint(folder / "{epoch}-{val_loss:.4f}.safetensors"), Backup(folder / "backup", every=2, keep=True),
        ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
    ]  # fmt: skip
    return small(optimizers.Momentum(0.1), callbacks=callbacks, validation_split=0.3)


def early(folder: Path) -> Made:
    ends = EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    callbacks = [ends, ReduceLROnPlateau("loss", patience=1)]
    return small(optimizers.SGD(2.0), callbacks=callbacks, validation_split=0.3, epochs=30)


def time_limit(folder: Path) -> Made:
    ticks = iter(range(1000))
    return small(callbacks=TimeLimit(seconds=9, clock=lambda: next(ticks)))


class StopsOne(Callback):
    """For a reason of its own, such as a signal, on one worker alone."""

    def __init__(self, event: str) -> None:
        self.event = event

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        if self.event == "begin" and batch == 4:
            self.stop()

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        if self.event == "epoch" and epoch == 2:
            self.stop()

    def stop(self) -> None:
        workers = get_communicator()
        if workers.rank == workers.size - 1:
            self.model.stop_training = True


def one_stops(folder: Path) -> Made:
    return small(callbacks=StopsOne("begin"))


def one_stops_after_an_epoch(folder: Path) -> Made:
    return small(callbacks=StopsOne("epoch"))


def shown(folder: Path) -> Made:
    """The first worker shows how far it is, and the others have no such callback."""
    return small(verbose=1)


def nan(folder: Path) -> Made:
    """In samples that the last worker has."""
    x = POINTS.copy()
    x[-1] = np.inf
    return small(x=x, shuffle=False, callbacks=TerminateOnNaN())


CASES: dict[str, Callable[[Path], Made]] = {
    make.__name__: make
    for make in (
        lenet_sgd, lenet_momentum, lenet_adam, deep, deepconvnet, recurrent, stateful, gan, generator, few_samples,
        balanced, files, early, time_limit, one_stops, one_stops_after_an_epoch, shown, nan,
    )
}  # fmt: skip


def hash_of_files(folder: Path) -> str:
    """Of names and contents, but for times."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        content = path.read_bytes()
        if path.parent.parent.name == "board":  # the name holds the time
            digest.update(path.parent.name.encode() + b"".join(events(content)))
        elif path.name == "backup":
            state = read_state(path)
            del state["progress"]["seconds"]
            state["callbacks"][0].pop("seconds")
            digest.update(repr(state).encode())
        else:
            digest.update(path.name.encode() + content)
    return digest.hexdigest()


def events(content: bytes) -> Iterator[bytes]:
    """Those of a file of TensorBoard's, without their times, and how long workers have waited."""
    from tensorboardX.proto.event_pb2 import Event

    while content:
        (length,) = struct.unpack_from("<Q", content)
        event = Event.FromString(content[12 : 12 + length])
        event.wall_time = 0
        if all(value.tag != "epoch/waiting" for value in event.summary.value):
            yield event.SerializeToString()
        content = content[length + 16 :]


def train(name: str, folder: Path) -> str:
    """The hash of weights and history."""
    xpnet.seed(5)
    model, options = CASES[name](folder)
    history = model.fit(**{"verbose": 0, "shards": SHARDS} | options)
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    digest.update(repr([history.history, history.epoch, history.samples]).encode())
    assert sum(history.samples_by_worker) == sum(history.samples)
    return digest.hexdigest()


def main(backend: str, folder: str, *names: str) -> None:
    if backend == "cupy":
        cudasim.activate_for_tests()
    set_default(make_backend(backend))
    for name in names or CASES:
        own = Path(folder, name)
        own.mkdir(exist_ok=True)
        found = train(name, own)
        print(name, found, hash_of_files(own) if get_communicator().leads else "", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
