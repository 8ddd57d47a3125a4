"""Train one network from three kinds of initial weights, and see why they differ: the spread of each layer's outputs.

Run it: python examples/compare_initializers.py
It needs matplotlib: pip install "xpnet[plot]". Source: figures 6-14 and 6-15 of *Deep Learning from Scratch* (Saitoh,
2016), after Glorot and Bengio (2010) and He et al. (2015).
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, datasets, layers, optimizers
from xpnet.data import Batches
from xpnet.visualize import require_matplotlib

INITIALIZERS = {"0.01": 0.01, "Xavier": "xavier_normal", "He": "he_normal"}  # a number is a standard deviation
WINDOW = 50  # steps; a curve shows the mean loss of so many


def build(initializer: str | float) -> Sequential:
    hidden = [layers.Dense(100, activation="relu", initializer=initializer) for _ in range(5)]
    model = Sequential([layers.Flatten(), *hidden, layers.Dense(10, initializer=initializer)])
    model.build((1, 28, 28))
    model.compile(optimizers.SGD(lr=0.01), loss="softmax_cross_entropy")
    return model


def spreads(model: Sequential, x: np.ndarray) -> list[float]:
    """The standard deviation of what each hidden layer puts out."""
    found, h = [], model.backend.asarray(x)
    for layer in model.layers[:-1]:
        h = layer(h)
        found.append(float(model.backend.to_numpy(h).std()))
    return found[1:]  # the first layer only flattens


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare initial weights on MNIST.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/compare_initializers.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in left, right:
        axes.set_prop_cycle(color=["#D55E00", "#0072B2", "#009E73"], linestyle=["-.", "--", "-"], marker=list("so^"))
        axes.grid(alpha=0.3)
    x, t = (a[: args.limit] for a in datasets.mnist()[0])

    for name, initializer in INITIALIZERS.items():
        xpnet.seed(0)
        model = build(initializer)
        spread = spreads(model, x[:1000])
        batches = itertools.chain.from_iterable(itertools.repeat(Batches(x, t, batch_size=128, shuffle=True)))
        losses = [model.train_on_batch(*batch) for batch in itertools.islice(batches, args.steps)]
        window = min(WINDOW, args.steps)
        means = np.convolve(losses, np.ones(window) / window, mode="valid")
        print(f"{name:7} spread of layers 1 and 5: {spread[0]:.2g} and {spread[-1]:.2g}; last loss {means[-1]:.4f}")
        left.plot(range(1, len(spread) + 1), spread, label=name)
        right.plot(np.arange(window, args.steps + 1), means, label=name, linewidth=1.2, marker="")

    left.set_xticks(range(1, 6))
    left.set(xlabel="hidden layer", ylabel="standard deviation of its outputs", yscale="log", title="before training")
    right.set(xlabel="step (batches of 128)", ylabel=f"training loss (mean of {window} steps)", title="SGD, 0.01")
    left.legend(title="weights")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
