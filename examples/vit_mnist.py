"""A small vision transformer on MNIST, beside a convolutional network of as many parameters; and what it looks at.

Run it: python examples/vit_mnist.py
It needs matplotlib: pip install "xpnet[plot]". Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021.
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Model, Sequential, analysis, datasets, layers, networks, optimizers, schedules
from xpnet.visualize import require_matplotlib

PATCH = 4  # pixels: 7 x 7 patches


def convolutional() -> Sequential:
    model = Sequential()
    for filters in (16, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPool2D(2))
    model = Sequential([*model, layers.Flatten(), layers.Dense(36, activation="relu"), layers.Dense(10)])
    model.build((1, 28, 28))
    return model


def draw(path: str, model: networks.ViT, x: np.ndarray) -> None:
    """A row for each block of the transformer: how much the patch in the frame looks at each of all."""
    blocks, backend = model.encoder.layers, model.backend
    figure = require_matplotlib()(figsize=(1.2 * len(x), 1.3 * len(blocks)), layout="constrained")
    panels = figure.subplots(len(blocks), len(x), squeeze=False)
    ink = x.reshape(-1, 7, PATCH, 7, PATCH).sum(axis=(2, 4)).reshape(-1, 49)  # of each patch
    corners = PATCH * np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]) - 0.5
    for i, block in enumerate(blocks):
        looking = block.self_attn.copy()
        looking.return_weights = True
        _, weights = looking(backend.asarray(analysis.feature_maps(model, x, block.norm1)))
        seen = backend.to_numpy(weights)  # (N, 49, 49), the mean over the heads
        for axes, image, query, each in zip(panels[i], x[:, 0], ink.argmax(axis=1), seen, strict=True):
            axes.imshow(image, cmap="gray_r")
            heat = np.kron(each[query].reshape(7, 7), np.ones((PATCH, PATCH)))  # (28, 28)
            axes.imshow(heat, cmap="YlOrRd", vmin=0, alpha=0.65)
            axes.plot(corners[0] + PATCH * (query % 7), corners[1] + PATCH * (query // 7), color="#0072B2")
            axes.set(xticks=[], yticks=[], xlim=(-0.5, 27.5), ylim=(27.5, -0.5))
        panels[i, 0].set_ylabel(f"block {i + 1}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    print(f"saved {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A vision transformer and a convolutional network on MNIST.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/vit_mnist.png", help="the file to save the picture in")
    args = parser.parse_args()

    xpnet.seed(0)
    vit = networks.ViT(patch=PATCH, width=48, depth=3, heads=4)
    models: dict[str, Model] = {"transformer": vit, "convolutional": convolutional()}
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    for name, model in models.items():
        rate = schedules.OneCycle(0.003, args.epochs * -(-len(x) // 100))
        model.compile(optimizers.Adam(rate), metrics=["accuracy"])
        history = model.fit(x, t, batch_size=100, epochs=args.epochs, validation_data=(x_test, t_test), verbose=0)
        errors = ", ".join(f"{100 - 100 * each:.2f} %" for each in history.history["val_accuracy"])
        count = sum(p.size for p in model.parameters())
        print(f"{name:13} {count:,} parameters, errors on test images by epoch: {errors}")
    draw(args.out, vit, np.stack([x_test[t_test == digit][0] for digit in range(8)]))


if __name__ == "__main__":
    main()
