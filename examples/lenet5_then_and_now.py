"""LeNet-5 as it was published in 1998, with its radial basis output and with a dense one, beside today's.

Run it: python examples/lenet5_then_and_now.py
It needs matplotlib: pip install "xpnet[plot]". Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning
applied to document recognition", 1998.
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import analysis, datasets, networks, optimizers, schedules
from xpnet.networks.radial_basis import DIGIT_CODES
from xpnet.visualize import require_matplotlib

NETWORKS = {  # how each is made, and its loss
    "1998, radial basis output": ({"variant": "1998", "output": "rbf"}, "rubbish_cross_entropy"),
    "1998, dense output": ({"variant": "1998"}, "softmax_cross_entropy"),
    "today": ({}, "softmax_cross_entropy"),
}
INK, SHOWN = {"cmap": "gray_r", "interpolation": "nearest"}, 10  # pictures in a row


def main() -> None:
    parser = argparse.ArgumentParser(description="LeNet-5 of 1998 and of today on MNIST.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/lenet5_then_and_now.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(9, 6.6), layout="constrained")
    rows = figure.subfigures(5, height_ratios=(3, 3, 2.2, 2.2, 2.2))
    panels = [row.subplots(1, SHOWN) for row in rows]
    for axes in np.ravel(panels):
        axes.set_axis_off()
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))
    digits = np.stack([x_test[t_test == digit][0] for digit in range(SHOWN)])

    for i, (name, (options, loss)) in enumerate(NETWORKS.items()):
        xpnet.seed(0)
        model = networks.LeNet5(**options)
        rate = schedules.Cosine(0.002, args.epochs * -(-len(x) // 64))
        model.compile(optimizers.Adam(rate), loss, metrics=["accuracy"])
        history = model.fit(
            x, t, batch_size=64, epochs=args.epochs, validation_data=(x_test, t_test), verbose=0
        ).history
        errors = ", ".join(f"{100 - 100 * each:.2f}" for each in history["val_accuracy"])
        count = sum(p.size for p in model.parameters())
        print(f"{name:25} {count:,} parameters, errors on test images by epoch, in per cent: {errors}")
        wrong = analysis.misclassified(model, x_test, t_test)
        rows[2 + i].suptitle(f"{name}: the surest of {len(wrong.indices)} mistakes", fontsize=10)
        for axes, index, label, guess in zip(panels[2 + i], wrong.indices, wrong.labels, wrong.guesses, strict=False):
            axes.imshow(x_test[index, 0], **INK)
            axes.set_title(f"{label}, not {guess}", fontsize=8, pad=2)
        if i == 0:
            rows[0].suptitle("1998: what F6 should give for each digit, 84 numbers as 7 x 12 pixels ...", fontsize=10)
            rows[1].suptitle("... and what it gives for a test image of each", fontsize=10)
            for part, pictures in zip(
                panels, (np.array(DIGIT_CODES), analysis.feature_maps(model, digits, "f6")), strict=False
            ):
                for axes, picture in zip(part, pictures, strict=True):
                    axes.imshow(picture.reshape(12, 7), vmin=-1.72, vmax=1.72, **INK)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
