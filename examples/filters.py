"""See what the filters of a convolution learn: the first layer of SimpleConvNet before and after training.

Run it: python examples/filters.py
It needs matplotlib: pip install "xpnet[plot]". Source: figure 7-24 of *Deep Learning from Scratch* (Saitoh, 2016).
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import datasets, networks
from xpnet.initializers import Normal
from xpnet.visualize import require_matplotlib


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the first filters of SimpleConvNet.")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/filters.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(9, 3.1), layout="constrained")
    panels = figure.subplots(1, 2)

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    model = networks.SimpleConvNet()
    weight = model.layers[0].weight  # of the convolution: (30, 1, 5, 5)
    weight.value = Normal(0.01)(weight.shape, fan_in=25, fan_out=750)  # small noise, so that what is learned stands out
    before = model.get_weights()[0]
    model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    model.fit(x, t, batch_size=100, epochs=args.epochs)
    after = model.get_weights()[0]
    _, accuracy = model.evaluate(x_test, t_test)
    print(f"test accuracy {accuracy:.4f}; spread of the filters {before.std():.3f}, after training {after.std():.3f}")

    for axes, title, filters in zip(panels, ("before training", "after training"), (before, after), strict=True):
        tiles = np.pad(filters[:, 0], ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)  # (30, 6, 6)
        mosaic = tiles.reshape(5, 6, 6, 6).swapaxes(1, 2).reshape(30, 36)  # five rows of six
        largest = np.abs(filters).max()
        drawn = axes.imshow(mosaic[:-1, :-1], cmap="PuOr", vmin=-largest, vmax=largest)  # white is zero
        axes.set(title=title)
        axes.set_axis_off()
        figure.colorbar(drawn, ax=axes, label="weight", shrink=0.8)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
