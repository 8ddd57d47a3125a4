"""A residual network in plain Python, after He, Zhang, Ren and Sun (2016), trained on MNIST.

Run it: python examples/model_subclass.py --epochs 3
"""

import argparse
from typing import Any

import xpnet
from xpnet import Model, datasets, layers, optimizers


class Block(Model):
    """relu(x + f(x)), f two convolutions with batch normalisation; with stride 2, x is halved by a 1x1 convolution."""

    def __init__(self, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.filters, self.stride = filters, stride  # repr and files look for each argument under its name
        self.conv1 = layers.Conv2D(filters, 3, stride=stride, padding=1, bias=False)
        self.norm1 = layers.BatchNorm2D()
        self.conv2 = layers.Conv2D(filters, 3, padding=1, bias=False)
        self.norm2 = layers.BatchNorm2D()
        self.shortcut = layers.Conv2D(filters, 1, stride=stride) if stride > 1 else None
        self.relu = layers.ReLU()

    def call(self, x: Any) -> Any:
        h = self.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        return self.relu(h + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(Model):
    """A convolution, three blocks, the mean of each channel, and a dense layer."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.stem = layers.Conv2D(width, 3, padding=1, activation="relu")
        self.blocks = [Block(width), Block(2 * width, stride=2), Block(4 * width, stride=2)]
        self.pool = layers.GlobalAvgPool2D()
        self.dense = layers.Dense(10)

    def call(self, x: Any) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.dense(self.pool(x))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a small residual network on MNIST.")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=10000, help="use this many images at most")
    args = parser.parse_args()

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    model = ResNet()
    model.compile(optimizer=optimizers.Adam(lr=0.005), metrics=["accuracy"])
    model.fit(x, t, batch_size=50, epochs=args.epochs, verbose=2)
    model.summary()  # after the first batch, which says what shape an image has
    loss, accuracy = model.evaluate(x_test, t_test)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
