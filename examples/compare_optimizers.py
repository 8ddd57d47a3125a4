"""Train one network with four optimizers, from the same weights and on the same batches, and compare the losses.

Run it: python examples/compare_optimizers.py
It needs matplotlib: pip install "xpnet[plot]". Source: figure 6-9 of *Deep Learning from Scratch* (Saitoh, 2016).
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

import xpnet
from xpnet import datasets, networks, optimizers
from xpnet.data import Batches
from xpnet.visualize import require_matplotlib

OPTIMIZERS = {
    "SGD, 0.01": optimizers.SGD(lr=0.01),
    "Momentum, 0.01": optimizers.Momentum(lr=0.01),
    "AdaGrad, 0.01": optimizers.AdaGrad(lr=0.01),
    "Adam, 0.001": optimizers.Adam(lr=0.001),
}
WINDOW = 50  # steps; a curve shows the mean of so many, for the loss of a single batch jumps about


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare optimizers on MNIST.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/compare_optimizers.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=["#000000", "#0072B2", "#D55E00", "#009E73"], linestyle=["-", "--", "-.", "-"])
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))

    for name, optimizer in OPTIMIZERS.items():
        xpnet.seed(0)  # for each the same initial weights, and the same batches
        model = networks.MLP(hidden=(100, 100, 100, 100))
        model.compile(optimizer, loss="softmax_cross_entropy", metrics=["accuracy"])
        batches = Batches(x, t, batch_size=128, shuffle=True)  # to iterate over it is an epoch
        endless = itertools.chain.from_iterable(itertools.repeat(batches))
        losses = [model.train_on_batch(*batch) for batch in itertools.islice(endless, args.steps)]
        window = min(WINDOW, args.steps)
        means = np.convolve(losses, np.ones(window) / window, mode="valid")
        _, accuracy = model.evaluate(x_test, t_test)
        print(f"{name:15} loss of the last steps {means[-1]:.4f}, test accuracy {accuracy:.4f}")
        marker = "o" if len(means) == 1 else ""  # a single point is no line
        axes.plot(np.arange(window, args.steps + 1), means, label=name, linewidth=1.2, marker=marker)

    axes.set(xlabel="step (batches of 128)", ylabel=f"training loss (mean of {window} steps)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(title="optimizer, learning rate")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
