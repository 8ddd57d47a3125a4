"""Train with and without batch normalisation from initial weights of many scales: with it, the scale matters less.

Run it: python examples/compare_batch_norm.py
It needs matplotlib: pip install "xpnet[plot]". Source: figure 6-19 of *Deep Learning from Scratch* (Saitoh, 2016),
after Ioffe and Szegedy (2015).
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, datasets, layers, optimizers
from xpnet.errors import NonFiniteError
from xpnet.visualize import require_matplotlib


def build(scale: float, normalized: bool) -> Sequential:
    model = Sequential([layers.Flatten()])
    for _ in range(5):
        model.add(layers.Dense(100, initializer=scale))  # a number is the standard deviation of the weights
        if normalized:
            model.add(layers.BatchNorm1D())
        model.add(layers.ReLU())
    model.add(layers.Dense(10, initializer=scale))
    model.compile(optimizers.SGD(lr=0.01), loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare training with and without batch normalisation.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=1000, help="the number of images to train on")
    parser.add_argument("--scales", type=int, default=16, help="how many, from 1 down to 0.0001")
    parser.add_argument("--out", default="runs/compare_batch_norm.png", help="the file to save the picture in")
    args = parser.parse_args()

    columns = min(4, args.scales)
    rows = -(-args.scales // columns)
    figure = require_matplotlib()(figsize=(9, 1.7 * rows + 1), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    x, t = (a[: args.limit] for a in datasets.mnist()[0])

    learned = {"with batch normalisation": 0, "without": 0}
    for axes, scale in zip(panels.flat, np.logspace(0, -4, args.scales), strict=False):
        for name, style in zip(learned, ({"color": "#0072B2"}, {"color": "#D55E00", "linestyle": "--"}), strict=True):
            xpnet.seed(0)
            model = build(float(scale), normalized=name != "without")
            try:
                model.fit(x, t, batch_size=100, epochs=args.epochs)
            except NonFiniteError:  # weights this large: the outputs overflow, before the first epoch is over
                axes.text(0.5, 0.85, f"{name}: diverged", ha="center", transform=axes.transAxes, fontsize=9)
            accuracy = model.history.history.get("accuracy", [])
            learned[name] += bool(accuracy) and accuracy[-1] > 0.5
            marker = "." if len(accuracy) == 1 else ""  # a single point is no line
            axes.plot(range(1, len(accuracy) + 1), accuracy, marker=marker, label=name, **style)
        axes.set_title(f"scale {scale:.2g}", fontsize=9)
        axes.grid(alpha=0.3)
    for name, count in learned.items():
        print(f"{name}: more than half of the images right at {count} of {args.scales} scales")

    axes.set(xlim=(0, args.epochs + 1), ylim=(0, 1.05))
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("accuracy on the training images", fontsize=10)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
