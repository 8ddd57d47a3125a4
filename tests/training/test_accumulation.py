"""Accumulated gradients: a group of batches takes the step that one batch of their sum would take."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.small import clusters, network
from tests.kit.strategies import seeds
from xpnet import layers, losses, optimizers, regularizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import Callback
from xpnet.errors import OptionError
from xpnet.model import Sequential
from xpnet.optimizers import Optimizer


def net(optimizer: Optimizer) -> Sequential:
    model = Sequential([layers.Dense(8, activation="tanh", regularizer=regularizers.L2(0.01)), layers.Dense(3)])
    model.compile(optimizer, metrics=["accuracy"])
    return model


def assert_same_training(one: Sequential, other: Sequential, tolerance: float = 1e-5) -> None:
    assert one.optimizer and other.optimizer
    assert one.optimizer.steps == other.optimizer.steps
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "optimizer",
    [lambda: optimizers.SGD(0.1), lambda: optimizers.Momentum(0.1, weight_decay=0.1, clip_norm=0.2), optimizers.Adam],
)
def test_a_group_is_one_batch_of_the_sum_of_the_sizes(backend: Backend, optimizer: Any) -> None:
    """50 samples, by 4 in groups of 3: 4 groups of 12, and a last one of one batch, of 2."""
    x, t = clusters(50)
    whole, parts = net(optimizer()), net(optimizer())
    whole.build((2,))
    parts.build((2,))
    parts.set_weights(whole.get_weights())
    one = whole.fit(x, t, batch_size=12, epochs=2, shuffle=False).history
    other = parts.fit(x, t, batch_size=4, epochs=2, shuffle=False, accumulate=3).history
    assert_same_training(whole, parts, 1e-4)
    assert other["accuracy"] == pytest.approx(one["accuracy"])
    assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)


@given(N=st.integers(1, 30), size=st.integers(1, 7), accumulate=st.integers(1, 5), seed=seeds)
def test_any_sizes(N: int, size: int, accumulate: int, seed: int) -> None:
    """In float64, with weights of the samples, shuffled by one seed: the batches of both lie in one order."""
    x, t = clusters(N, seed)
    w = np.random.default_rng(seed).random(N)
    start = net(optimizers.SGD(0.5)).astype("float64")
    start.build((2,))
    results = []
    for options in ({"batch_size": size * accumulate}, {"batch_size": size, "accumulate": accumulate}):
        model = start.copy()
        model.optimizer = optimizers.SGD(0.5)
        model.fit(x, t, shuffle=False, epochs=2, sample_weight=w, **options)  # type: ignore[arg-type]
        results.append(model)
    assert_same_training(*results, 1e-10)


def test_schedules_count_steps_of_the_optimizer() -> None:
    seen: list[float] = []

    class Look(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            assert self.model.optimizer
            seen.append(self.model.optimizer.current_lr)

    rates = schedules.Step(1.0, every=1, factor=0.5)
    network(optimizers.SGD(rates)).fit(*clusters(70), batch_size=10, accumulate=3, callbacks=Look())
    assert seen == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.125]


def test_a_group_that_a_callback_cuts_off_is_dropped() -> None:
    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            self.model.stop_training = batch == 4

    x, t = clusters(60)
    whole, cut = net(optimizers.SGD(0.1)), net(optimizers.SGD(0.1))
    whole.build((2,))
    cut.build((2,))
    cut.set_weights(whole.get_weights())
    whole.fit(x[:30], t[:30], batch_size=30, shuffle=False)
    cut.fit(x, t, batch_size=10, shuffle=False, accumulate=3, callbacks=Stop())
    assert_same_training(whole, cut)
    for model in (whole, cut):  # and it does not enter the next training
        model.fit(x, t, batch_size=60, shuffle=False)
    assert_same_training(whole, cut)


@pytest.mark.parametrize("ignored", ["some", "all of a batch", "all of the last batch", "all"])
def test_labels_that_are_ignored_do_not_count_in_a_group(backend: Backend, ignored: str) -> None:
    x = np.random.default_rng(0).integers(0, 12, (12, 5))
    t = x % 3
    t[:4, 1:] = -1
    t[
        {"all of a batch": slice(4, 8), "all of the last batch": slice(8, 12), "all": slice(12)}.get(ignored, slice(0))
    ] = -1
    weights = []
    for size, accumulate in ((12, 1), (4, 3), (5, 3)):
        xpnet.seed(0)
        regularizer = regularizers.L2(0.01)
        model = Sequential([layers.Embedding(12, 6), layers.Dense(3, regularizer=regularizer)]).to(backend)
        model.compile(optimizers.SGD(0.5), losses.SoftmaxCrossEntropy(ignored_label=-1), metrics=["accuracy"])
        model.fit(x, t, batch_size=size, accumulate=accumulate, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True, None])
def test_a_number_that_cannot_be_is_refused(accumulate: Any) -> None:
    with pytest.raises(OptionError, match="accumulate must be an integer of at least 1"):
        network().fit(*clusters(), accumulate=accumulate)
