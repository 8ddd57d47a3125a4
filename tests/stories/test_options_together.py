"""The options of training, all at once: they do not get into each other's way, and float32 stays float32."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_lives_on
from tests.kit.small import clusters
from xpnet import layers, losses, optimizers, random, regularizers, schedules
from xpnet.backend import Backend, use_backend
from xpnet.callbacks import EMA, CSVLogger, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from xpnet.data import Batches
from xpnet.model import Sequential

# the last batch is a single sample, which batch normalization warns of
pytestmark = pytest.mark.filterwarnings("ignore:.*there is one value for each mean")

X, T = clusters(50)
W = np.linspace(0.5, 1.5, 50)
HELD_OUT = clusters(30, 1)


def trained(from_batches: bool, folder: Path | None = None) -> tuple[Sequential, EMA]:
    random.seed(4)
    model = Sequential(
        [
            layers.Dense(8, activation="relu", regularizer=regularizers.L1L2(1e-4, 1e-3)),
            layers.BatchNorm1D(), layers.Dropout(0.2), layers.Dense(3, regularizer="l2"),
        ]
    )  # fmt: skip
    rate = schedules.Warmup(schedules.OneCycle(0.05, steps=20), steps=3)
    loss = losses.SoftmaxCrossEntropy(label_smoothing=0.1)
    model.compile(optimizers.AdamW(rate, clip_norm=1.0), loss, metrics=["accuracy", "top_2"])
    model.build((2,))
    ema = EMA(0.9)
    callbacks: list[Any] = [EarlyStopping(patience=9), ReduceLROnPlateau(patience=2), ema]
    if folder:
        callbacks += [ModelCheckpoint(folder / "best", save_best_only=True), CSVLogger(folder / "log.csv")]
    options: dict[str, Any] = {"epochs": 6, "class_weight": {1: 2.0}, "accumulate": 3, "callbacks": callbacks}
    if from_batches:
        loader = Batches(X, T, 7, shuffle=True, sample_weight=W)
        model.fit(loader, validation_data=[HELD_OUT], validation_freq=2, **options)
    else:
        model.fit(X, T, 7, sample_weight=W, validation_data=HELD_OUT, validation_freq=2, **options)
    return model, ema


def test_all_together_train_on_every_backend_in_float32(backend: Backend, tmp_path: Path) -> None:
    model, ema = trained(from_batches=True, folder=tmp_path)
    assert model.optimizer and model.history and ema.averages
    assert model.optimizer.steps == 6 * 3  # 8 batches: groups of 3, 3 and 2
    assert model.evaluate(*HELD_OUT)[1] > 0.9
    best = min(model.history.history["val_loss"])
    assert model.evaluate(*HELD_OUT)[0] == pytest.approx(best, rel=1e-6)
    assert xpnet.load(tmp_path / "best").evaluate(*HELD_OUT)[0] == pytest.approx(best, rel=1e-6)
    for p, average in zip(model.parameters(), ema.averages, strict=True):
        for array in (p.value, p.grad, average, *model.optimizer.state.get(p, {}).values()):
            assert_lives_on(backend, array, "float32")


def test_arrays_and_batches_give_the_same_bits() -> None:
    (one, _), (other, _) = trained(True), trained(False)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.history and other.history and one.history.history == other.history.history


def test_every_backend_gives_the_same_numbers(backend: Backend) -> None:
    model, _ = trained(False)
    with use_backend("reference"):
        expected, _ = trained(False)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
