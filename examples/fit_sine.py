"""Fit y = sin x with a small network, from noisy samples, and look at it also where there were none.

Run it: python examples/fit_sine.py
It needs matplotlib: pip install "xpnet[plot]".
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, layers, optimizers
from xpnet.visualize import require_matplotlib


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit y = sin x.")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--out", default="runs/fit_sine.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(7.6, 4), layout="constrained")
    axes = figure.subplots()

    xpnet.seed(0)
    rng = np.random.default_rng(0)
    x = rng.uniform(-np.pi, np.pi, (args.samples, 1)).astype(np.float32)  # (N, 1)
    t = np.sin(x) + 0.1 * rng.standard_normal(x.shape, dtype=np.float32)

    model = Sequential(
        [
            layers.Dense(32, activation="tanh", initializer="xavier_normal"),
            layers.Dense(32, activation="tanh", initializer="xavier_normal"),
            layers.Dense(1),  # no activation: the output is any number
        ]
    )
    model.compile(optimizers.Adam(lr=0.005), loss="mean_squared_error")
    model.fit(x, t, batch_size=20, epochs=args.epochs)

    grid = np.linspace(-2 * np.pi, 2 * np.pi, 401, dtype=np.float32)[:, None]  # (401, 1)
    y, inside = model.predict(grid), np.abs(grid) <= np.pi
    for where, errors in (("within", np.abs(y - np.sin(grid))[inside]), ("outside", np.abs(y - np.sin(grid))[~inside])):
        print(f"largest error {where} the samples' range: {errors.max():.3f}")

    axes.axvspan(-np.pi, np.pi, color="0.93", label="range of the samples")
    axes.plot(x, t, "o", color="0.6", markersize=3, label="samples, with noise of 0.1")
    axes.plot(grid, np.sin(grid), color="#0072B2", linestyle="--", label="sin x")
    axes.plot(grid, y, color="#D55E00", label="the network")
    axes.set(xlabel="x (radians)", ylabel="y", xlim=(-2 * np.pi, 2 * np.pi))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
