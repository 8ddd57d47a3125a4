"""A network that draws digits (DCGAN: Radford, Metz and Chintala, 2016), epoch by epoch from the same noise. What it
draws is shown to another network, which has learned to read digits: which ones does it see, and of how many is it sure?

Run it: python examples/gan_digits.py
It needs matplotlib: pip install "xpnet[plot]".
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Model, Sequential, datasets, layers, networks
from xpnet.callbacks import EMA, LambdaCallback
from xpnet.visualize import require_matplotlib


def read(reader: Model, images: np.ndarray) -> tuple[np.ndarray, float]:
    """The share of each digit among what the reader sees (10,), and the share of images of which it is 95 % sure."""
    p = reader.predict(images)  # (N, 10)
    return np.bincount(p.argmax(axis=1), minlength=10) / len(p), float((p.max(axis=1) > 0.95).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a DCGAN on MNIST.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, default=20000, help="train on this many images at most")
    parser.add_argument("--out", default="runs/gan_digits.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(6, 4))

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    convnet = networks.SimpleConvNet()
    convnet.compile(metrics=["accuracy"])
    convnet.fit(x, t, epochs=3, verbose=0)
    accuracy, reader = convnet.evaluate(x_test, t_test)[1], Sequential([*convnet.layers, layers.Softmax()])
    print(f"of test images the reader gets {accuracy:.3f} right and is sure of {read(reader, x_test)[1]:.3f}")

    model = networks.DCGAN(noise=20, filters=32, lr=0.0005)
    noise = np.random.default_rng(0).standard_normal((2000, 20)).astype(np.float32)
    drawn: dict[int, np.ndarray] = {}  # by epoch

    def draw(epoch: int, logs: dict[str, Any]) -> None:
        drawn[epoch + 1] = (model.predict(noise) + 1) / 2  # from tanh's -1 to 1
        share, sure = read(reader, drawn[epoch + 1])
        print(f"epoch {epoch + 1}: sure of {sure:.3f}; share of each digit {share.min():.3f} to {share.max():.3f}")

    told = [EMA(), LambdaCallback(on_epoch_end=draw)]  # which sees the mean of the last weights: its digits are clearer
    history = model.fit(2 * x - 1, batch_size=32, epochs=args.epochs, callbacks=told).history

    rows = [epoch for epoch in (1, 2, 4, 8, 16, 32) if epoch in drawn]
    images = np.stack([drawn[row][:10, 0] for row in rows]).swapaxes(1, 2)  # (rows, 28, 10, 28)
    axes, (above, below) = left.subplots(), right.subplots(2, 1)
    axes.imshow(images.reshape(-1, 10 * 28), cmap="gray_r")
    axes.set(xticks=[], yticks=[28 * i + 14 for i in range(len(rows))], yticklabels=[f"epoch {row}" for row in rows])
    for name, label in (("d_loss", "discriminator"), ("g_loss", "generator")):
        above.plot(range(1, args.epochs + 1), history[name], marker="o", label=label)
    above.set(xlabel="epoch", ylabel="loss", ylim=(0, 3))
    for i, (label, shown) in enumerate({"test images": x_test, "drawn": drawn[args.epochs]}.items()):
        below.bar(np.arange(10) + 0.4 * i, read(reader, shown)[0], 0.4, label=label)
    below.margins(y=0.4)  # room for the legend
    below.set(xlabel="digit that is read", ylabel="share", xticks=np.arange(10) + 0.2, xticklabels=range(10))
    for panel in (above, below):
        panel.legend(fontsize=8, loc="upper right", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
