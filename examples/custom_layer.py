"""A layer of one's own, Swish with a learned slope for each channel, and the test that its gradient is right.

Run it: python examples/custom_layer.py
Or the test alone: python -m pytest examples/custom_layer.py
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Layer, Sequential, layers, use_backend


class Swish(Layer):
    """y = x sigmoid(slope[c] x): (N, C, ...) -> the same shape (Ramachandran, Zoph and Le, 2017)."""

    kind = "swish"

    def __init__(self, start: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        self.start = start  # repr and files look for each argument under its name
        self.sigmoid = layers.Sigmoid()

    def build(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self.slope = self.parameter([self.start] * shape[0])
        return super().build(shape)

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)  # builds the layer on first use
        slope = self.xp.reshape(self.slope.value, (1, -1) + (1,) * (x.ndim - 2))  # (1, C, 1, ...)
        s, s_back = self.sigmoid.forward(slope * x)

        def back(dy: Any) -> Any:
            dz = s_back(dy * x)  # of slope * x
            self.slope.add_grad(self.xp.sum(dz * x, axis=(0, *range(2, x.ndim))))
            return dy * s + dz * slope

        return x * s, back


def test_the_gradient_is_the_derivative() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        shape = random.integers(1, 5, size=random.integers(2, 5))  # (N, C), (N, C, L) or (N, C, H, W)
        for name in ("numpy", "reference"):
            with use_backend(name):
                xpnet.gradient_check(Swish(start=random.uniform(-2, 2)), random.standard_normal(shape))


def main() -> None:
    argparse.ArgumentParser(
        description="Check the gradient of a new layer; save and load a network with it."
    ).parse_args()
    test_the_gradient_is_the_derivative()
    print("The gradient of Swish is right.")

    model = Sequential([layers.Conv2D(8, 3), Swish(), layers.GlobalAvgPool2D(), layers.Dense(10)])
    model.build((1, 28, 28))
    model.summary()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "swish.safetensors")
        again = xpnet.load(Path(folder) / "swish.safetensors", custom=[Swish])  # a file holds the name of a class only
    print("Saved and loaded:", again.parameters()[2])


if __name__ == "__main__":
    main()
