"""The networks that the tests of plans use."""

from typing import Any

import numpy as np

from tests.kit.strategies import normal
from xpnet import Model, layers, networks, random
from xpnet.core.layer import Layer

IMAGE = (1, 28, 28)


def lenet5() -> Any:
    random.seed(0)
    model = networks.LeNet5()
    model.build(IMAGE)
    return model


def unplanned(model: Any, x: Any) -> Any:
    return model.forward(x)[0]


def images(N: int, seed: int = 0, shape: tuple[int, ...] = IMAGE) -> Any:
    return normal((N, *shape), seed, "float32")


class Residual(Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(4, 3, padding="same", activation="relu")
        self.norm = layers.BatchNorm2D()
        self.blocks = [layers.Conv2D(4, 3, padding="same"), layers.ReLU()]
        self.skip: Layer | None = None
        self.dense = layers.Dense(10)

    def call(self, x: Any) -> Any:
        h = self.norm(self.conv1(x))
        y = h
        for block in self.blocks:
            y = block(y)
        if self.skip is not None:
            h = self.skip(h)
        return self.dense(layers.GlobalAvgPool2D()(h + y))


def residual() -> Any:
    random.seed(0)
    model = Residual()
    model.build((2, 6, 6))
    for name, parameter in model.named_parameters():
        if "running" in name:
            parameter.value = 1 + 0.1 * np.abs(normal(parameter.shape, 5, "float32"))
    return model
