"""A held-out part without the classes that were trained, or with others, deserves a warning."""

import warnings
from typing import Any

import numpy as np
import pytest

import xpnet
from xpnet import Sequential, data, layers, losses

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
SORTED = np.repeat([0, 1, 2], 20)
MIXED = np.tile([0, 1, 2], 20)


def model(loss: Any = "softmax_cross_entropy", outputs: int = 3) -> Sequential:
    xpnet.seed(0)
    net = Sequential([layers.Dense(outputs)])
    net.compile("sgd", loss)
    return net


@pytest.mark.parametrize("t", [SORTED, SORTED[::-1].copy(), SORTED.astype("uint8"), data.one_hot(SORTED)])
def test_a_split_of_sorted_labels(t: Any) -> None:
    last = 0 if t.ndim == 1 and t[0] == 2 else 2
    with pytest.warns(UserWarning, match=f"the labels are sorted, .* which are of class {last} alone: .*stratified_"):
        model().fit(X, t, validation_split=0.1, verbose=0)


def test_of_two_classes() -> None:
    t = np.repeat([0.0, 1.0], 30)[:, None]
    with pytest.warns(UserWarning, match="the labels are sorted"):
        model("binary_cross_entropy", 1).fit(X, t, validation_split=0.2, verbose=0)


def test_a_class_in_the_validation_data_only() -> None:
    with pytest.warns(UserWarning, match="classes 1, 2 occur in the validation data only"):
        model().fit(X, 0 * MIXED, validation_data=(X, MIXED), verbose=0)
    with pytest.warns(UserWarning, match="class 2 occurs in the validation data only"):
        model().fit(X, MIXED % 2, validation_data=(X, MIXED), verbose=0)


def test_what_is_as_it_should_be_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(X, MIXED, validation_split=0.1, verbose=0)
        model().fit(X, SORTED, verbose=0)
        model().fit(X, SORTED, validation_data=(X, MIXED % 2), verbose=0)  # fewer classes are no surprise
        model().fit(X, 0 * SORTED, validation_split=0.1, verbose=0)
        ignoring = losses.SoftmaxCrossEntropy(ignored_label=2)
        model(ignoring).fit(X, MIXED % 2, validation_data=(X, MIXED), verbose=0)
        model("mse", 1).fit(X, np.sort(X[:, :1], axis=0), validation_split=0.1, verbose=0)  # a row of times, say


def test_it_says_so_once_for_a_place() -> None:
    net = model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            net.fit(X, SORTED, validation_split=0.1, epochs=3, verbose=0)
    assert len(caught) == 1 and caught[0].filename == __file__
