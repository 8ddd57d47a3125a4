"""A layer of one's own, Swish with a learned slope for each channel, and the property test that proves its gradient.

Run it: python examples/custom_layer.py
Or the test alone: python -m pytest examples/custom_layer.py
Both need hypothesis, which comes with the extra `test`.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

try:
    from hypothesis import given, settings
    from hypothesis import strategies as st
except ImportError:
    sys.exit('this example tests its layer with hypothesis, which is not installed: pip install "hypothesis"')

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


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.floats(-2, 2), st.integers(0, 2**32 - 1))
def test_the_gradient_is_the_derivative(shape: list[int], start: float, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(shape)
    for name in ("numpy", "reference"):
        with use_backend(name):
            xpnet.gradient_check(Swish(start), x)


def main() -> None:
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
