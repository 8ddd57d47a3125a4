"""Class numbers in a data type that is too small to count all classes."""

from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import losses, metrics
from xpnet.backend import Backend

C = 300
Y = normal((6, C), 0, "float32")
T = np.array([0, 3, 44, 45, 200, 255])
EACH = [
    losses.SoftmaxCrossEntropy(),
    losses.SoftmaxCrossEntropy(label_smoothing=0.1),
    losses.SoftmaxCrossEntropy(class_weights=[1.0] * C),
    losses.SoftmaxCrossEntropy(ignored_label=255),
    losses.NegativeLogLikelihood(),
    losses.Focal(),
    losses.MultiClassHinge(),
    losses.Dice(),
]


@pytest.mark.parametrize("loss", EACH, ids=lambda loss: f"{loss!r:.50}")
def test_a_loss_converts_them_for_itself(loss: Any, backend: Backend) -> None:
    y, t = backend.asarray(Y), backend.asarray(T)
    value, back = loss.forward(y, t, backend)
    dy = backend.to_numpy(back())
    for dtype in (
        "uint8",
        "int16",
        *(["uint16"] if backend.name != "torch" else []),
    ):  # PyTorch computes with no uint16
        small = backend.asarray(T.astype(dtype))
        small_value, small_back = loss.forward(y, small, backend)
        assert float(small_value) == float(value)
        assert np.array_equal(backend.to_numpy(small_back()), dy)
        assert float(loss.weight_of(small, backend)) == float(loss.weight_of(t, backend))


METRICS = [
    metrics.Accuracy(),
    metrics.Accuracy(ignored_label=255),
    metrics.TopK(3),
    metrics.F1(),
    metrics.ConfusionMatrix(C),
]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_so_does_a_metric(metric: Any, backend: Backend) -> None:
    results = []
    for dtype in ("int64", "uint8"):
        metric.reset()
        metric.update(backend.asarray(Y), backend.asarray(T.astype(dtype)), backend)
        results.append(metric.result())
    assert np.array_equal(*results)
