"""A problem that a small network learns in a second, networks for it and others, and some digits of MNIST."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import layers
from xpnet.core.layer import Layer
from xpnet.data.idx import read_idx
from xpnet.layers import BatchNorm1D, Dense, Dropout
from xpnet.model import Model, Sequential


def clusters(N: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of points around the corners of a triangle: x (N, 2), t (N,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(N) % 3
    corners = np.array([[0, 2], [2, -1], [-2, -1]])
    return (corners[t] + 0.4 * rng.standard_normal((N, 2))).astype("float32"), t


def network(optimizer: Any = "adam", metrics: Any = ("accuracy",), dropout: float = 0.0) -> Sequential:
    model = Sequential([Dense(16, activation="relu"), Dropout(dropout), Dense(3)])
    model.compile(optimizer, metrics=metrics)
    return model


class Written(Model):
    """A model whose `call` is given as a function of it and its inputs."""

    def __init__(self, body: Callable[..., Any], **parts: Layer) -> None:
        super().__init__()
        self.body = body
        for name, layer in parts.items():
            setattr(self, name, layer)

    def call(self, *xs: Any) -> Any:
        return self.body(self, *xs)


def normed_network(optimizer: Any = "adam") -> Sequential:
    model = Sequential([Dense(8), BatchNorm1D(), Dropout(0.3), Dense(3)])
    model.compile(optimizer, metrics=["accuracy", "top_2"])
    return model


@functools.cache
def digits(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """The first of MNIST's test images and their labels: all of MNIST takes seconds to unpack."""
    folder = Path(xpnet.__file__).parent / "data" / "mnist"
    x, t = (read_idx(folder / f"t10k-{part}-ubyte.xz")[:count] for part in ("images-idx3", "labels-idx1"))
    return x[:, None].astype(np.float32) / 255, t.astype(np.int64)


def sequences() -> Sequential:
    """Layers of sequences of integers, with options that are not the defaults, and several outputs."""
    return Sequential(
        [
            layers.Embedding(5, 4, 0.1, "words", "l2"),
            layers.SimpleRNN(6, stateful=True, initializer="xavier_normal", name="memory"),
            layers.Split((2, 4), axis=2),
        ]
    )


def everything() -> Sequential:
    """A chain of many layers, with options that are not the defaults."""
    inner = Sequential(
        [
            layers.Conv2D(4, (3, 2), (2, 1), ((1, 2), (0, 3)), (1, 2), 2, False, layers.LeakyReLU(0.2), 0.05, "odd"),
            layers.MaxPool2D((3, 2), (1, 2), ((1, 0), (0, 1))),
            layers.BatchNorm2D(0.3, 1e-3),
            layers.LocalResponseNorm(3, 0.5, 0.6, 2.0),
        ],
        name="inner",
    )
    return Sequential(
        [
            layers.Conv2D(2, 3, padding="same", activation="tanh", initializer="xavier_uniform"), inner, layers.ReLU(),
            layers.AvgPool2D(2, 1, 1), layers.Dropout(0.2), layers.GlobalAvgPool2D(), layers.Sigmoid(),
            layers.Tanh(1.5, 0.5), layers.BatchNorm1D(), layers.LeakyReLU(0.3), layers.Flatten(),
            layers.LogSoftmax(-1), layers.Softmax(-1), layers.Dense(3, False, "sigmoid", "normal", "last"),
        ]
    )  # fmt: skip
