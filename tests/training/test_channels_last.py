"""Images whose channels come last, for a network that is not built yet: it would take rows for channels."""

import warnings
from typing import Any

import numpy as np
import pytest

from xpnet import Model, Sequential, layers
from xpnet.errors import ShapeError


def network(*first: Any) -> Sequential:
    net = Sequential([*first, layers.Flatten(), layers.Dense(2)])
    net.compile("sgd")
    return net


def images(*shape: int) -> np.ndarray:
    return np.zeros((2, *shape), "float32")


T = np.array([0, 1])
FIRST: dict[str, Any] = {
    "convolution": lambda: [layers.Conv2D(4, 3, padding="same")],
    "batch norm": lambda: [layers.BatchNorm2D(), layers.Conv2D(4, 3, padding="same")],
    "activation": lambda: [layers.ReLU(), layers.Dropout(0.1), layers.Conv2D(4, 3, padding="same")],
    "pooling": lambda: [layers.MaxPool2D(2, padding=1)],
    "group norm": lambda: [layers.GroupNorm(4), layers.ReLU(), layers.Conv2D(4, 3, padding="same")],
    "inside": lambda: [Sequential([layers.Conv2D(4, 3, padding="same")])],
}


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (16, 16, 4)])
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST.keys())
def test_it_cannot_be_meant(first: Any, shape: tuple[int, int, int]) -> None:
    for verb in (lambda net: net.fit(images(*shape), T), lambda net: net.predict(images(*shape))):
        net = network(*first())
        with pytest.raises(ShapeError, match=r"channels come first, as in x\.transpose\(0, 3, 1, 2\); if they do, say"):
            verb(net)
        assert not net.is_built


def test_who_means_it_says_so() -> None:
    net = network(layers.Conv2D(4, 3, padding="same"))
    net.build((32, 32, 3))
    net.fit(images(32, 32, 3), T, verbose=0)


def test_it_could_be_meant() -> None:
    with pytest.warns(UserWarning, match=r"norm1 \(BatchNorm2D\) would take for 24 channels of 32 x 3"):
        network(layers.BatchNorm2D()).fit(images(24, 32, 3), T, verbose=0)

    class Written(Model):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.flatten, self.dense = layers.Conv2D(2, 3, padding="same"), layers.Flatten(), layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(self.flatten(self.conv(x)))

    with pytest.warns(UserWarning, match="conv .* would take for 32 channels of 32 x 3: channels come first"):
        Written().predict(images(32, 32, 3))


SIGNALS: dict[str, Any] = {
    "convolution": lambda: [layers.Conv1D(4, 1)],
    "batch norm": lambda: [layers.BatchNorm1D(), layers.Conv1D(4, 1)],
    "group norm": lambda: [layers.GroupNorm(4), layers.Conv1D(4, 1)],
    "pooling": lambda: [layers.GlobalAvgPool1D()],
}


@pytest.mark.parametrize("first", SIGNALS.values(), ids=SIGNALS.keys())
def test_signals_are_warned_of(first: Any) -> None:
    for verb in (lambda net: net.fit(images(100, 3), T, verbose=0), lambda net: net.predict(images(100, 3))):
        with pytest.warns(UserWarning, match=r"signals \(100, 3\), which .* for 100 channels of 3: .*\(0, 2, 1\)"):
            verb(network(*first()))
    net = network(*first())
    net.build((100, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(images(100, 3), T, verbose=0)


def test_all_else_is_silent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(layers.Conv2D(4, 3, padding="same")).fit(images(3, 32, 32), T, verbose=0)
        network(layers.Conv2D(4, 3, padding="same")).fit(images(32, 32, 2), T, verbose=0)
        network(layers.Conv2D(4, 3, padding="same")).fit(images(4, 4, 4), T, verbose=0)
        network().fit(images(32, 32, 3), T, verbose=0)  # a Flatten does not mind
        network(layers.Permute((3, 1, 2)), layers.Conv2D(4, 3)).fit(images(32, 32, 3), T, verbose=0)
        network(layers.Conv1D(4, 3)).fit(images(3, 100), T, verbose=0)
        network(layers.Conv1D(4, 1)).fit(images(8, 4), T, verbose=0)
        network(layers.Conv1D(4, 3)).fit(images(100, 5), T, verbose=0)
        network().fit(images(100, 3), T, verbose=0)
        network(layers.LSTM(4)).fit(images(100, 3), T, verbose=0)
        network(layers.Permute((2, 1)), layers.Conv1D(4, 3)).fit(images(100, 3), T, verbose=0)
        network(layers.GroupNorm(4)).fit(images(32, 32, 3), T, verbose=0)  # of no images, as far as is known
