"""Choose the size of a network by K-fold cross-validation: five scores each, so that luck shows as luck.

Run it: python examples/k_fold.py
It needs matplotlib: pip install "xpnet[plot]". Source: Stone, 1974.
"""

import argparse
from functools import partial
from pathlib import Path

import xpnet
from xpnet import Sequential, datasets, networks
from xpnet.visualize import require_matplotlib

SIZES = (5, 10, 30, 100, 300)  # units of the hidden layer


def build(units: int) -> Sequential:
    model = networks.MLP(hidden=(units,))
    model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose the size of a network by cross-validation, on MNIST.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=1000, help="the number of images to choose with")
    parser.add_argument("--out", default="runs/k_fold.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t = x[: args.limit], t[: args.limit]

    means: dict[int, float] = {}
    for units in SIZES:
        xpnet.seed(0)  # the same folds for each
        found = xpnet.cross_validate(partial(build, units), x, t, args.folds, batch_size=50, epochs=args.epochs)
        print(f"{units:3} units: {found}")
        means[units] = found.mean["accuracy"]
        # side by side, so that nothing hides the other
        fold = axes.plot([0.94 * units] * args.folds, found.scores["accuracy"], "o", color="#0072B2", alpha=0.5)[0]
        bar = axes.errorbar(1.06 * units, means[units], found.std["accuracy"], color="#D55E00", marker="D", capsize=5)

    best = max(means, key=means.__getitem__)
    model = build(best)  # and now with all images
    model.fit(x, t, batch_size=50, epochs=args.epochs)
    _, accuracy = model.evaluate(x_test, t_test)
    print(f"best: {best} units; trained on all {len(x):,} images, test accuracy {accuracy:.4f}")

    final = axes.plot(1.2 * best, accuracy, "k*", markersize=12)[0]
    axes.set(xlabel="units of the hidden layer", ylabel="accuracy on images held out", xscale="log")
    axes.set_xticks(SIZES, map(str, SIZES))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    labels = "one fold", "mean of the folds ± standard deviation", "the best one, on the test images"
    axes.legend((fold, bar, final), labels, loc="lower right")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
