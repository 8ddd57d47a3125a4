"""What soak.py does at random: each action is a short use of the library whose result is the same bits every time.

An action takes a `Place` and returns arrays, or what holds them; soak.py compares their hash with that of the same
action done alone, in the beginning. Whatever an action draws comes from one key, in the state of its own thread.
soak_processes.py has the actions that fork, kill and resume.
"""

import copy
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import xpnet
from xpnet import Sequential, callbacks, data, layers, optimizers, schedules
from xpnet.backend import get_backend, use_backend
from xpnet.model import Model

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((44, 1, 12, 12)).astype("float32"), RNG.integers(0, 3, 44)
WORDS = RNG.standard_normal((12, 7, 5)).astype("float32")


@dataclass
class Place:
    """Where an action works: a folder of its own, what chooses its moments, and the network that all threads share."""

    folder: Path
    chance: Random
    shared: Sequential
    patience: float  # seconds that a child may take
    moment: float  # seconds within which a child is killed: about what a training takes


@dataclass
class Action:
    run: Callable[[Place], Any]
    as_if: Callable[[Place], Any]  # what gives the bits that are expected
    weight: int
    forks: bool


@dataclass
class Table:
    actions: dict[str, Action] = field(default_factory=dict)

    def __call__(self, weight: int = 4, forks: bool = False, as_if: Callable[[Place], Any] | None = None) -> Any:
        def add(run: Callable[[Place], Any]) -> Callable[[Place], Any]:
            self.actions[run.__name__] = Action(run, as_if or run, weight, forks)
            return run

        return add


action = Table()


# ---- networks --------------------------------------------------------------------------------------------------------


def compiled(*chain: layers.Layer, optimizer: Any = "adam") -> Sequential:
    model = Sequential(chain)
    model.compile(optimizer, metrics=["accuracy"])
    return model


def convolutional() -> Sequential:
    first = [layers.Conv2D(6, 3, padding="same"), layers.BatchNorm2D(), layers.ReLU(), layers.MaxPool2D(2)]
    last = [layers.Conv2D(8, 3, activation="relu"), layers.GlobalAvgPool2D(), layers.Dropout(0.3), layers.Dense(3)]
    return compiled(*first, *last, optimizer=optimizers.Adam(schedules.Cosine(0.01, 40), clip_norm=1.0))


def plain() -> Sequential:
    return compiled(layers.Flatten(), layers.Dense(24, activation="relu"), layers.Dropout(0.2), layers.Dense(3))


def left(model: Model) -> list[Any]:
    """What a training leaves."""
    history = model.history.history if model.history else {}
    return [model.get_weights(), {name: np.asarray(values) for name, values in history.items()}]


class TwoLosses(Model):
    """A step of its own: every second batch counts double."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = plain()

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        x, t = batch
        y, back = self.forward(x, train=True)
        losses, loss_back = self.step.compute_losses(y, t)
        back(loss_back(), need_dx=False)
        self.step.apply_gradients()
        return {"loss": losses["loss"], "twice": losses["loss"] * 2}


# ---- training --------------------------------------------------------------------------------------------------------


@action()
def fit(place: Place) -> Any:
    model = convolutional()
    around = [
        callbacks.EMA(0.9), callbacks.EarlyStopping(patience=5), callbacks.CSVLogger(place.folder / "log.csv"),
        callbacks.ModelCheckpoint(place.folder / "best.safetensors", save_best_only=True),
    ]  # fmt: skip
    model.fit(X, T, batch_size=8, epochs=2, verbose=0, callbacks=around, validation_split=0.2)
    return left(model), (place.folder / "log.csv").read_text(), (place.folder / "best.safetensors").read_bytes()


@action()
def train_on_batches_of_changing_size(place: Place) -> Any:
    model = convolutional()
    losses = [model.train_on_batch(X[:size], T[:size]) for size in (8, 13, 2, 44, 13)]
    return losses, left(model)


@action()
def train_step(place: Place) -> Any:
    model = TwoLosses()
    model.compile("momentum")
    model.fit(X, T, batch_size=16, epochs=2, verbose=0)
    return left(model)


@action(weight=3)
def train_in_float64_with_weights(place: Place) -> Any:
    model = plain().astype("float64")
    model.fit(X, T, 11, verbose=0, sample_weight=np.linspace(0, 2, len(X)), class_weight="balanced", accumulate=2)
    return left(model)


@action(weight=3)
def sequences(place: Place) -> Any:
    model = compiled(layers.LSTM(6, return_sequence=False), layers.Dense(3))
    model.fit(WORDS, T[: len(WORDS)], batch_size=5, epochs=2, verbose=0)
    return left(model), model.predict(WORDS)


@action(weight=3)
def load_batches_in_threads(place: Place) -> Any:
    loader = data.Loader((X, T), 8, augment=data.augment.Shift(1), workers=2, prefetch=3)
    model = plain()
    model.fit(loader, epochs=2, verbose=0)
    next(iter(loader))  # an epoch that is abandoned
    loader.close()
    return left(model)


@action(weight=1)
def load_batches_in_processes(place: Place) -> Any:
    loader = data.Loader((X, T), 8, augment=data.augment.Shift(1), workers=1, processes=True)
    try:
        return [list(batch) for batch in loader]
    finally:
        loader.close()


# ---- looking ---------------------------------------------------------------------------------------------------------


@action(weight=8)
def predict_with_a_shared_network(place: Place) -> Any:
    return place.shared.predict(X), place.shared.predict(X, batch_size=7)


@action()
def evaluate(place: Place) -> Any:
    model = place.shared.copy()  # its metrics are counters
    return model.evaluate(X, T), model.evaluate(X, T, batch_size=9, sample_weight=np.arange(len(X)) / 9)


@action()
def images_of_changing_size(place: Place) -> Any:
    sizes = ((3, 16, 9), (1, 40, 40), (7, 12, 12), (2, 9, 31))
    rng = np.random.default_rng(1)
    return [place.shared.predict(rng.standard_normal((n, 1, h, w)).astype("float32")) for n, h, w in sizes]


@action()
def work_for_all_cores(place: Place) -> Any:
    """Batches so large that the library's own threads share them, and those of BLAS."""
    images, classes = np.resize(X, (96, 1, 28, 28)), np.resize(T, 96)
    model = compiled(layers.Conv2D(16, 5, activation="relu"), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3))
    losses = [model.train_on_batch(images, classes) for _ in range(3)]
    return losses, left(model), model.predict(images)


@action(weight=1)
def a_large_batch_whose_memory_is_given_back(place: Place) -> Any:
    images = np.resize(X, (150, 1, 48, 48))
    y = place.shared.predict(images, batch_size=150)
    get_backend().free_memory()
    return y


# ---- moving, copying, files ------------------------------------------------------------------------------------------


@action()
def move_to_another_backend_and_back(place: Place) -> Any:
    home = get_backend().name
    model = place.shared.copy()
    model.to("numpy" if home == "reference" else "reference")
    there = model.predict(X)
    model.to(home).astype("float64").astype("float32")
    return there, model.predict(X)


@action()
def use_another_backend_in_a_block(place: Place) -> Any:
    home, other = get_backend(), "numpy" if get_backend().name == "reference" else "reference"
    with use_backend(other):
        model = plain()
        model.fit(X, T, 16, verbose=0)
        with use_backend(home):
            inner = plain()
            inner.fit(X, T, 16, verbose=0)
        assert get_backend().name == other and inner.backend is home
    assert get_backend() is home
    return left(model), left(inner)


@action()
def copy_and_send(place: Place) -> Any:
    twins = copy.deepcopy(place.shared), pickle.loads(pickle.dumps(place.shared)), place.shared.copy()
    for twin in twins:
        twin.train_on_batch(X[:9], T[:9])
    return [left(twin) for twin in twins], place.shared.get_weights()


@action()
def set_weights(place: Place) -> Any:
    model = place.shared.copy()
    model.set_weights([weight * 2 + 1 for weight in model.get_weights()])
    return model.predict(X), model.get_weights()


@action()
def save_and_load(place: Place) -> Any:
    for _ in range(3):
        place.shared.save(place.folder / "model.safetensors")
        model = xpnet.load(place.folder / "model.safetensors")
        model.fit(X, T, 16, epochs=1, verbose=0)
    assert os.listdir(place.folder) == ["model.safetensors"]
    return left(model), model.predict(X)
