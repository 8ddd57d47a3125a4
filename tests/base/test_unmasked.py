"""A masked array is refused wherever data comes in: what it hides would be taken for numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xpnet
from xpnet import Sequential, data, layers, losses, metrics
from xpnet.core.parameter import Parameter
from xpnet.data import augment
from xpnet.errors import DataError

X = np.ma.masked_equal(np.array([[1, 999], [2, 3], [4, 5], [6, 7]], "float32"), 999)
T = np.ma.masked_equal(np.array([0, 1, 1, 0]), 1)
XS, TS = np.asarray(X.filled(0)), np.asarray(T.filled(1))


def model() -> Sequential:
    net = Sequential([layers.Dense(2)])
    net.compile("adam", metrics=["accuracy"])
    return net


WAYS: dict[str, Callable[[], Any]] = {
    "fit x": lambda: model().fit(X, TS),
    "fit t": lambda: model().fit(XS, T),
    "fit weights": lambda: model().fit(XS, TS, sample_weight=np.ma.ones(4)),
    "fit batches": lambda: model().fit([(X, TS)]),
    "fit a list": lambda: model().fit(list(X), TS),
    "validation": lambda: model().fit(XS, TS, validation_data=(X, TS)),
    "evaluate": lambda: model().evaluate(X, TS),
    "predict": lambda: model().predict(X),
    "train_on_batch": lambda: model().train_on_batch(X, TS),
    "Loader": lambda: data.Loader((X, TS)),
    "Arrays": lambda: data.Arrays(X, TS),
    "Batches": lambda: data.Batches(XS, T),
    "split": lambda: data.split(X, TS, 0.5),
    "one_hot": lambda: data.one_hot(T),
    "Standardize": lambda: data.Standardize().fit(X),
    "pad": lambda: data.pad([X[0], X[1]]),
    "windows": lambda: data.windows(T, 2),
    "augment": lambda: augment.Rotate(10)(X[:, None, None]),
    "forward": lambda: layers.Dense(2).forward(X),
    "Parameter": lambda: Parameter(X),
    "set_weights": lambda: Parameter(XS)._set_value(X),
    "loss": lambda: losses.MeanSquaredError().forward(XS, X),
    "class loss": lambda: losses.SoftmaxCrossEntropy().forward(XS, T),
    "metric": lambda: metrics.Accuracy().update(XS, T),
    "gradient_check": lambda: xpnet.gradient_check(layers.ReLU(), X),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_it_is_refused(way: Callable[[], Any]) -> None:
    with pytest.raises(DataError, match=r"the data are a masked array, .*x\.filled\(0\)"):
        way()


def test_scikit_learn_gets_the_same_answer() -> None:
    from xpnet import sklearn

    with pytest.raises(DataError, match="masked array"):
        sklearn.Classifier(model()).fit(X, TS)
