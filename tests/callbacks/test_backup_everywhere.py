"""Training that is interrupted after any step, with every source of batches and all that fit can do at once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.callbacks.test_tensorboard import read
from xpnet import data, layers, optimizers, random, regularizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import (
    EMA,
    Backup,
    Callback,
    CSVLogger,
    EarlyStopping,
    JSONLinesLogger,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from xpnet.data import Loader, augment
from xpnet.model import Sequential

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 3, 5
rng = np.random.default_rng(0)
X, T = rng.random((33, 1, 6, 6), dtype="float32"), rng.integers(0, 4, 33)
W = rng.random(33, dtype="float32")
X_VAL, T_VAL = rng.random((12, 1, 6, 6), dtype="float32"), rng.integers(0, 4, 12)


class Interrupt(Callback):
    """Ctrl-C after so many steps, when all that belongs to the step is done."""

    rank = 150
    places = ("after",)

    def __init__(self, after: int | None) -> None:
        self.after = after

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        if self.after is not None:
            self.after -= 1
            if self.after <= 0:
                raise KeyboardInterrupt


# ---- where batches come from -----------------------------------------------------------------------------------------


class Sized:
    """Batches that are drawn one by one, in an order that is drawn anew."""

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[Any]:
        order = random.generator().permutation(len(X))
        for i in range(STEPS):
            chosen = order[i * 7 : (i + 1) * 7]
            yield X[chosen] + random.generator().normal(0, 0.1, (len(chosen), 1, 6, 6)).astype("float32"), T[chosen]


class Kept:
    """As one writes it without xpnet: a generator of its own that goes on from epoch to epoch."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[Any]:
        order = self.rng.permutation(len(X))
        for i in range(STEPS):
            yield X[order[i::STEPS]], T[order[i::STEPS]]


class Endless:
    """No length, and no end that fits the epochs."""

    def __iter__(self) -> Iterator[Any]:
        for i in range(7):
            yield augment.Noise(0.1)(X[i * 4 : i * 4 + 4]), T[i * 4 : i * 4 + 4]


def generator() -> Iterator[Any]:
    own, i = np.random.default_rng(1), 0
    while True:
        chosen = own.integers(0, len(X), 6)
        yield X[chosen] + np.float32(0.01 * i), T[chosen]
        i += 1


def stream(rng: np.random.Generator) -> Iterator[Any]:
    while True:
        yield rng.random((1, 6, 6), dtype="float32"), int(rng.integers(4))


def augmented() -> Loader:
    distort = augment.Compose([augment.Affine(shift=1, rotate=10), augment.Elastic(p=0.5), augment.Noise(0.1)])
    return Loader((X, T, W), 7, augment=distort, prefetch=3, workers=2)


SOURCES: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "arrays": lambda: ((X, T), {"batch_size": 7, "sample_weight": W}),
    "loader": lambda: ((augmented(),), {}),
    "stream": lambda: ((Loader(data.Stream(stream, samples=33), 7),), {}),
    "drawn one by one": lambda: ((Sized(),), {}),
    "a generator that is kept": lambda: ((Kept(),), {}),
    "without a length": lambda: ((Endless(),), {"steps_per_epoch": STEPS}),
    "generator": lambda: ((generator(),), {"steps_per_epoch": STEPS}),
}
VALIDATION: dict[str, Callable[[], dict[str, Any]]] = {
    "arrays": lambda: {"validation_data": (X_VAL, T_VAL)},
    "generator": lambda: {"validation_data": generator(), "validation_steps": 2},
    "loader": lambda: {"validation_data": Loader((X_VAL, T_VAL), 5, shuffle=False)},
    "a generator that is kept": lambda: {"validation_data": Kept()},
}


def train(folder: Path, after: int | None, source: str, validation: str, accumulate: int, every: int | None) -> Any:
    """All that is left; None if it was interrupted. The network is built by its first batch."""
    xpnet.seed(3)
    model = Sequential(
        [
            layers.Conv2D(3, 3, padding="same", regularizer=regularizers.L1L2(1e-3, 1e-3)), layers.BatchNorm2D(),
            layers.ReLU(), layers.Flatten(), layers.Dropout(0.3), layers.Dense(4, regularizer="l2"),
        ]
    )  # fmt: skip
    rate = schedules.OneCycle(0.02, EPOCHS * STEPS)
    model.compile(optimizers.Adam(rate, clip_norm=1.0), metrics=["accuracy"])
    (x, *t), options = SOURCES[source]()
    callbacks = [
        EMA(0.9),
        EarlyStopping(patience=2),
        ReduceLROnPlateau(patience=1, factor=0.5, min_delta=0.05),
        TerminateOnNaN(every=2),
        CSVLogger(folder / "log.csv"),
        JSONLinesLogger(folder / "log.jsonl"),
        TensorBoard(folder / "board", every=2),
        Interrupt(after),
    ]
    if every is not None:
        callbacks.append(Backup(folder / "backup", every=every))
    options |= VALIDATION[validation]() | {"class_weight": {0: 2.0, 1: 0.5}, "accumulate": accumulate}
    try:
        history = model.fit(x, *t, epochs=EPOCHS, callbacks=callbacks, verbose=0, **options).history
    except KeyboardInterrupt:
        return None
    logs = (folder / "log.csv").read_text(), (folder / "log.jsonl").read_text().count("\n"), board(folder / "board")
    assert model.optimizer is not None
    return [w.tobytes() for w in model.get_weights()], history, logs, model.optimizer.lr_scale, random.get_state()


def board(folder: Path) -> dict[str, Any]:
    """All that TensorBoard shows: numbers, and of histograms and images the steps."""
    return {
        f"{run}/{tag}": [(entry.step, entry.value if isinstance(entry.value, float) else None) for entry in entries]
        for run in ("train", "validation")
        for tag, entries in sorted(read(folder / run).items())
    }


def interrupted(folder: Path, first: int, then: int, *how: Any) -> Any:
    """The same with a first interruption after some steps, and another later."""
    folder.mkdir()
    for after in (first, then):
        if (result := train(folder, after, *how)) is not None:
            return result
    return train(folder, None, *how)


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("source", SOURCES)
def test_training_goes_on_from_any_step(tmp_path: Path, source: str, accumulate: int) -> None:
    never = train(tmp_path, None, source, "arrays", accumulate, None)
    for after in range(1, EPOCHS * STEPS, 1 if accumulate == 2 else 3):
        again = interrupted(tmp_path / str(after), after, 2, source, "arrays", accumulate, 1)
        assert again == never, f"interrupted after step {after}"


@pytest.mark.parametrize("validation", ["generator", "loader", "a generator that is kept"])
@pytest.mark.parametrize("every", [2, 100])
def test_so_does_validation(tmp_path: Path, validation: str, every: int) -> None:
    """every=100: at the end of each epoch only."""
    never = train(tmp_path, None, "loader", validation, 2, None)
    for after in (3, 6, 9, 12):
        again = interrupted(tmp_path / str(after), after, 4, "loader", validation, 2, every)
        assert again == never, f"interrupted after step {after}"


def test_on_every_backend(backend: Backend, tmp_path: Path) -> None:
    """On a GPU a batch is fetched ahead."""
    for source in ("loader", "without a length"):
        never = train(tmp_path, None, source, "arrays", 2, None)
        for after in (1, 4, 8, 10):
            again = interrupted(tmp_path / f"{source} {after}", after, 3, source, "arrays", 2, 1)
            assert again == never, f"{source} interrupted after step {after}"
