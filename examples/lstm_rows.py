"""Read the handwritten digits of MNIST row by row, from top to bottom, with an LSTM; and ask it before it has seen all.

Run it: python examples/lstm_rows.py
It needs matplotlib: pip install "xpnet[plot]".
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import analysis, datasets, networks, optimizers, schedules
from xpnet.visualize import require_matplotlib

BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description="Read digits row by row with an LSTM.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--out", default="runs/lstm_rows.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(7.6, 5.4), layout="constrained")

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x[:, 0], t, x_test[:, 0], t_test))  # (N, 28, 28): rows are steps

    model = networks.RecurrentClassifier("lstm", units=128)
    steps = args.epochs * -(-len(x) // BATCH)
    model.compile(optimizers.Adam(schedules.OneCycle(0.005, steps), clip_norm=1.0), metrics=["accuracy"])
    model.fit(x, t, batch_size=BATCH, epochs=args.epochs, verbose=2)
    loss, accuracy = model.evaluate(x_test, t_test)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")
    for r in range(2, 29, 2): print(r, model.evaluate(x_test[:, :r], t_test))
    model.save("/work/tmp/seqs/rows.safetensors")


if __name__ == "__main__":
    main()
