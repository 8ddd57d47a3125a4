"""Read handwritten digits row by row from the top, with two LSTMs: one must answer at the end, one after each row.

Run it: python examples/lstm_rows.py      (it takes some minutes; the picture needs matplotlib)
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, datasets, layers, networks, optimizers, schedules
from xpnet.visualize import require_matplotlib

BATCH = 100


def fit(model: xpnet.Model, x: np.ndarray, t: np.ndarray, epochs: int) -> None:
    rate = schedules.OneCycle(0.005, steps=epochs * -(-len(x) // BATCH))
    model.compile(optimizers.Adam(rate, clip_norm=1.0), metrics=["accuracy"])
    model.fit(x, t, BATCH, epochs, verbose=2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Read the digits of MNIST row by row with LSTMs.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/lstm_rows.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(7.2, 5.6), layout="constrained")

    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x[:, 0], t, x_test[:, 0], t_test))  # x (N, 28, 28): 28 steps
    rows = np.arange(1, 29)

    xpnet.seed(0)
    model = networks.RecurrentClassifier("lstm", units=128)  # the last state is what it answers by: (N, 10)
    fit(model, x, t, args.epochs)
    at_end = [np.mean(model.predict(x_test[:, :row]).argmax(axis=1) == t_test) for row in rows]

    xpnet.seed(0)
    model = Sequential([layers.LSTM(128), layers.Dense(10)])  # all states: (N, 28, 10)
    fit(model, x, np.tile(t[:, None], 28), args.epochs)  # the label is the same at each row
    chance = Sequential([*model.layers, layers.Softmax(axis=2)]).predict(x_test)
    after_each = np.mean(chance.argmax(axis=2) == t_test[:, None], axis=0)
    for when, accuracy in (("at the end", at_end), ("after each row", after_each)):
        print(f"asked {when:14}  test accuracy {accuracy[-1]:.4f}, of the upper half {accuracy[13]:.4f}")

    above, below = figure.subfigures(2, height_ratios=(1, 1.2))
    axes = above.subplots()
    axes.plot(rows, after_each, ".-", color="#0072B2", label="asked after each row")
    axes.plot(rows, at_end, ".--", color="#D55E00", label="asked at the end alone")
    axes.set(xlabel="rows read", ylabel="test accuracy", xlim=(0.5, 28.5), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", bbox_to_anchor=(0.6, 0.15))
    # of the digits that are read rightly in the end, those that were taken for another half way
    another = np.where(np.arange(10) == t_test[:, None], 0, chance[:, 13]).max(axis=1)
    another *= chance[:, -1].argmax(axis=1) == t_test
    surest = [np.where(t_test == digit, another, -1).argmax() for digit in range(10)]
    panels = below.subplots(1, 8, sharey=True, width_ratios=(1.2, 1) * 4).reshape(4, 2)
    for (image, curves), n in zip(panels, sorted(surest, key=lambda n: -another[n])[:4], strict=True):
        image.imshow(x_test[n], cmap="gray_r", extent=(0, 28, 28.5, 0.5), aspect="auto", interpolation="nearest")
        image.set(xticks=[], yticks=range(4, 29, 4))
        for digit in np.argsort(-chance[n].max(axis=0))[:3]:
            line, row = chance[n, :, digit], chance[n, :, digit].argmax()
            curves.plot(line, rows, color=f"C{digit}")
            curves.text(line[row] + 0.06, rows[row], str(digit), color=f"C{digit}", va="center", weight="bold")
        curves.set(xlabel="probability", xlim=(0, 1.3), xticks=[0, 1])
    panels[0, 0].set(ylabel="rows read")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
