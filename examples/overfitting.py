"""Train on few images, so that a network learns them by heart, and see what helps against it, epoch by epoch.

Run it: python examples/overfitting.py
It needs matplotlib: pip install "xpnet[plot]". Source: figures 6-20 to 6-23 of *Deep Learning from Scratch* (2016).
"""

import argparse
from pathlib import Path

from xpnet import Sequential, datasets, layers, optimizers, seed
from xpnet.data import Loader, augment
from xpnet.visualize import require_matplotlib

VIEWS = augment.Compose([augment.Affine(shift=2, rotate=10, scale=0.1), augment.Elastic()])
CURES = {  # options of build, of each cure one or several to try, and what changes the images
    "no cure": ([{}], None),
    "dropout": ([{"dropout": 0.2}], None),
    "weight decay": ([{"weight_decay": value} for value in (0.001, 0.003, 0.01, 0.03, 0.1)], None),
    "augmentation": ([{}], VIEWS),
}


def build(dropout: float = 0.0, weight_decay: float = 0.0) -> Sequential:
    model = Sequential([layers.Flatten()])
    for _ in range(5):
        model.add(layers.Dense(100, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10))
    model.compile(optimizers.Momentum(lr=0.01, weight_decay=weight_decay), metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Overfitting on MNIST, and its cures.")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--limit", type=int, default=300, help="the number of images to train on")
    parser.add_argument("--out", default="runs/overfitting.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = x[: args.limit], t[: args.limit], x_test[::2], t_test[::2]  # half of them are enough
    shown = [epoch for epoch in (5, 20, 50, 200) if epoch < args.epochs] + [args.epochs]
    print("accuracy on training and test images after", ", ".join(map(str, shown)), "epochs")

    epochs, marker = range(1, args.epochs + 1), "o" if args.epochs == 1 else ""  # a single point is no line
    for axes, (cure, (settings, views)) in zip(panels, CURES.items(), strict=True):
        tried = []
        for options in settings:
            seed(0)
            batches = Loader((x, t), batch_size=100, shuffle=True, augment=views)
            history = build(**options).fit(batches, epochs=args.epochs, validation_data=(x_test, t_test)).history
            name = " ".join(map(str, (cure, *options.values())))
            train, test = history["accuracy"], history["val_accuracy"]
            tried.append((test[-1], name, train, test))
            axes.plot(epochs, test, marker=marker, color="#D55E00", alpha=0.3, linewidth=1)
            print(f"{name:18}", "  ".join(f"{train[epoch - 1]:.3f} {test[epoch - 1]:.3f}" for epoch in shown))
        last, best, train, test = max(tried)  # by the last test accuracy
        axes.plot(epochs, train, marker=marker, color="#0072B2", linestyle="--", label=f"{args.limit} training images")
        axes.plot(epochs, test, marker=marker, color="#D55E00", linestyle="-", label=f"{len(x_test):,} test images")
        axes.set(title=f"{best}: {last:.3f}", xscale="log", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.05))
        axes.set_xticks(shown, map(str, shown))
        axes.label_outer()
        axes.minorticks_off()
        axes.grid(alpha=0.3)

    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
