"""Check gradients against numerical derivatives, and see what is said of a wrong one.

Run it: python examples/gradient_check.py
"""

import argparse
from typing import Any

import numpy as np

import xpnet
from xpnet import Layer, Sequential, layers
from xpnet.errors import GradientError


class WrongSquare(Layer):
    """y = x**2, but with dx = x dy: the factor 2 is missing."""

    def forward(self, x: Any, train: bool = False) -> Any:
        def back(dy: Any) -> Any:
            return x * dy

        return x * x, back


def main() -> None:
    parser = argparse.ArgumentParser(description="Check gradients against numerical derivatives.")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    xpnet.seed(args.seed)
    images = np.random.default_rng(args.seed).standard_normal((args.batch, 3, 8, 8))

    checked: list[Layer] = [
        layers.Conv2D(4, 3, padding="same", activation="tanh"),
        layers.AvgPool2D(2),
        layers.BatchNorm2D(),
        layers.LocalResponseNorm(3),
        layers.Dropout(0.5),
        Sequential([layers.Conv2D(4, 3, stride=2), layers.Sigmoid(), layers.Flatten(), layers.Dense(10)]),
    ]
    for layer in checked:
        error = xpnet.gradient_check(layer, images)
        print(f"{type(layer).__name__:18} relative error {error:.1e}")

    try:
        xpnet.gradient_check(WrongSquare(), images)
    except GradientError as error:
        print(f"\nA wrong gradient: {error}")


if __name__ == "__main__":
    main()
