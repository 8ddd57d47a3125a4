"""Search for a learning rate and a weight decay at random on logarithmic scales, judged by validation images.

Run it: python examples/hyperparameter_search.py
It needs matplotlib: pip install "xpnet[plot]". Source: figure 6-24 of *Deep Learning from Scratch* (Saitoh, 2016),
after Bergstra and Bengio (2012).
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import data, datasets, networks, optimizers
from xpnet.errors import NonFiniteError
from xpnet.visualize import require_matplotlib


def main() -> None:
    parser = argparse.ArgumentParser(description="Search for hyperparameters on MNIST.")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=500, help="the number of images, a fifth of them for validation")
    parser.add_argument("--out", default="runs/hyperparameter_search.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(4, 5))
    x, t = (a[: args.limit] for a in datasets.mnist()[0])
    (x, t), validation = data.split(x, t, 0.2)

    trials = []  # (accuracy, learning rate, weight decay, history)
    rng = np.random.default_rng(0)
    for _ in range(args.trials):
        lr, decay = 10 ** rng.uniform(-4, 0), 10 ** rng.uniform(-6, 0)  # each power of ten is as likely
        xpnet.seed(0)
        model = networks.MLP(hidden=(100, 100))
        model.compile(optimizers.Momentum(lr, weight_decay=decay), metrics=["accuracy"])
        try:
            model.fit(x, t, batch_size=100, epochs=args.epochs, validation_data=validation)
        except NonFiniteError:  # with a learning rate this large the outputs overflow
            trials.append((0.0, lr, decay, {}))
            continue
        history = model.history.history
        trials.append((history["val_accuracy"][-1], lr, decay, history))

    trials.sort(key=lambda trial: -trial[0])  # the best first
    for accuracy, lr, decay, _ in trials[:3]:
        print(f"validation accuracy {accuracy:.3f} with learning rate {lr:.2g}, weight decay {decay:.2g}")

    axes = left.subplots()
    accuracies, lrs, decays, histories = zip(*trials, strict=True)
    drawn = axes.scatter(lrs, decays, c=accuracies, vmin=0, vmax=1, cmap="viridis", edgecolors="black", s=45)
    left.colorbar(drawn, label="validation accuracy")
    axes.set(xlabel="learning rate", ylabel="weight decay", xscale="log", yscale="log", title=f"{len(trials)} trials")

    panels = right.subplots(2, 3, sharex=True, sharey=True).ravel()
    for i, (axes, history) in enumerate(zip(panels, histories, strict=False)):
        epochs = range(1, len(history.get("loss", ())) + 1)
        axes.plot(epochs, history.get("accuracy", ()), "--", color="#0072B2", label="training")
        axes.plot(epochs, history.get("val_accuracy", ()), color="#D55E00", label="validation")
        axes.set_title(f"{i + 1}. rate {lrs[i]:.2g}, decay {decays[i]:.1g}", fontsize=8)
        axes.set(ylim=(0, 1.05))
        axes.grid(alpha=0.3)
    right.supxlabel("epoch", fontsize=10)
    right.supylabel("accuracy", fontsize=10)
    right.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
