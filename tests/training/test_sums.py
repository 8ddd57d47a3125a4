"""Sums over batches are kept in double: of losses, of metrics, and of what a train_step logs."""

from typing import Any

import numpy as np
import pytest

from xpnet import Model, Sequential
from xpnet.backend import Array, Backend
from xpnet.callbacks import Callback
from xpnet.layers import Flatten
from xpnet.losses import Loss
from xpnet.metrics import Metric
from xpnet.training.means import Means

LARGE, SMALL = 2.0**24, 9  # in float32 the small ones, of 1 each, would leave no trace behind the large one
X = np.array([[LARGE]] + [[1.0]] * SMALL, np.float32)
MEAN = (LARGE + SMALL) / (1 + SMALL)


class Output(Loss):
    """The mean of the outputs."""

    def forward(self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Any = None) -> Any:
        assert backend is not None
        return backend.xp.mean(y), lambda: backend.xp.ones_like(y)


class OutputMetric(Metric):
    """The same, as somebody writes it who does not think of data types."""

    name = "output"

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        return backend.xp.sum(y)


class Logging(Model):
    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        (x,) = batch
        return {"seen": self.backend.xp.mean(x), "twice": 2 * float(self.backend.xp.mean(x))}


def test_evaluate_adds_up_in_double(backend: Backend) -> None:
    model = Sequential([Flatten()])
    model.compile("sgd", Output(), metrics=[OutputMetric()])
    assert model.evaluate(X, X, batch_size=1, verbose=0) == [pytest.approx(MEAN, rel=1e-12)] * 2


def test_an_epoch_adds_up_in_double(backend: Backend) -> None:
    seen = []

    class SoFar(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            seen.append(logs["so_far"]()["seen"])

    history = Logging().fit(X, batch_size=1, shuffle=False, verbose=0, callbacks=[SoFar()]).history
    assert history["seen"] == [pytest.approx(MEAN, rel=1e-12)] and seen[-1] == history["seen"][0]
    assert history["twice"] == [pytest.approx(2 * MEAN, rel=1e-12)]


def test_a_mean_goes_on_in_double_from_a_state(backend: Backend) -> None:
    """Also from one that an earlier version kept in float32."""
    means, metric = Means(backend), OutputMetric()
    means.add({"loss": backend.asarray(LARGE, "float32")}, 1)
    metric.update(*[backend.asarray(X[:1])] * 2, backend)
    state, own = means.get_state(), metric.get_state(backend)
    for narrow in (False, True):
        if narrow:
            state["totals"]["loss"] = np.float32(state["totals"]["loss"])
            own["total"] = np.asarray(own["total"], np.float32)
        means, metric = Means(backend), OutputMetric()
        means.set_state(state)
        metric.set_state(own, backend)
        for _ in range(SMALL):
            means.add({"loss": backend.asarray(1.0, "float32")}, 1)
            metric.update(*[backend.asarray(X[1:2])] * 2, backend)
        assert means.read()["loss"] == metric.result() == pytest.approx(MEAN, rel=1e-12)


def test_a_weight_on_the_device_counts(backend: Backend) -> None:
    means = Means(backend)
    for value, weight in ((0.5, 3.0), (2.0, 1.0)):
        means.add({"loss": backend.asarray(value, "float32")}, backend.asarray(weight, "float64"))
    assert means.read() == {"loss": pytest.approx(3.5 / 4, rel=1e-12)}
