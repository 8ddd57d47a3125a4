"""See which patches of the data excite the units of a network most, layer by layer: from edges to whole digits.

Run it: python examples/exciting_patches.py
It needs matplotlib: pip install "xpnet[plot]". Source: Zeiler and Fergus, "Visualizing and understanding convolutional
networks", 2014; Girshick et al., "Rich feature hierarchies", 2014, figure 4.
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import analysis, datasets, networks
from xpnet.visualize import require_matplotlib

CHANNELS, COUNT = 10, 6  # a row for each channel, a column for each patch


def main() -> None:
    parser = argparse.ArgumentParser(description="The patches that excite the units of DeepConvNet most.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=10000, help="use this many images at most")
    parser.add_argument("--out", default="runs/exciting_patches.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(9, 2.9), layout="constrained")
    panels = figure.subplots(1, 6)

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    model = networks.DeepConvNet()
    model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    model.fit(x, t, batch_size=100, epochs=args.epochs, verbose=0)
    _, accuracy = model.evaluate(x_test, t_test)
    print(f"test accuracy {accuracy:.4f}")

    for axes, layer in zip(panels, ("conv1", "conv2", "conv3", "conv4", "conv6", "dense2"), strict=True):
        found = analysis.exciting_patches(model, x_test, layer, COUNT)
        strongest = np.argsort(-found.values[:, 0])[:CHANNELS]  # a channel may have learned nothing
        H, W = found.size
        gap = 1 + H // 14
        tiles = found.of(sorted(strongest.tolist())).cut(x_test)[:, :, 0]  # (channels, count, H, W)
        tiles = np.pad(tiles, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=np.nan)
        rows = tiles.swapaxes(1, 2).reshape(CHANNELS * (H + gap), COUNT * (W + gap))
        axes.imshow(rows, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set(title=f"{layer}: {H} x {W}", xticks=[], yticks=[], facecolor="0.85")
        axes.spines[:].set_visible(False)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
