"""Tell two spirals apart, which no straight line does, and draw what the network takes for which.

Run it: python examples/two_dimensions.py
It needs matplotlib: pip install "xpnet[plot]". The task is Lang and Witbrock's (1988).
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, layers, optimizers
from xpnet.visualize import require_matplotlib


def spirals(samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) and which spiral each belongs to, 0 or 1, (N,)."""
    t = np.arange(samples) % 2
    turn = rng.uniform(0.25, 1.5, samples)  # how far along the spiral, in turns
    angle = 2 * np.pi * turn + np.pi * t  # one spiral is the other, turned by half a turn
    points = turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + 0.05 * rng.standard_normal(points.shape)).astype(np.float32), t


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify two spirals.")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--out", default="runs/two_dimensions.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()

    xpnet.seed(0)
    rng = np.random.default_rng(0)
    (x, t), (x_test, t_test) = spirals(args.samples, rng), spirals(1000, rng)
    model = Sequential([layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu"), layers.Dense(2)])
    model.compile(optimizers.Adam(lr=0.01), loss="softmax_cross_entropy", metrics=["accuracy"])
    history = model.fit(x, t, batch_size=50, epochs=args.epochs)
    _, accuracy = model.evaluate(x_test, t_test)
    print(f"accuracy on the samples {history.history['accuracy'][-1]:.3f}, on new points {accuracy:.3f}")

    ticks = np.linspace(-1.8, 1.8, 200, dtype=np.float32)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)  # (200 * 200, 2)
    scores = model.predict(grid)
    chance = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))  # the softmax of two scores
    chance = chance.reshape(200, 200)
    areas = axes.contourf(ticks, ticks, chance, levels=np.linspace(0, 1, 11), cmap="PuOr", alpha=0.5)
    axes.contour(ticks, ticks, chance, levels=[0.5], colors="black", linewidths=1.2)  # the decision boundary
    for spiral, marker, color in ((0, "o", "#7F3B08"), (1, "^", "#2D004B")):
        points = x[t == spiral]
        axes.plot(*points.T, marker, color=color, markeredgecolor="white", markersize=5, label=f"spiral {spiral}")
    figure.colorbar(areas, label="probability of spiral 1")
    axes.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal")
    figure.legend(loc="outside upper center", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
