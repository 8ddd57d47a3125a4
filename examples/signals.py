"""Tell signals apart, digits of one dimension: a convolution slides over them, a GRU reads them step by step.

Run it: python examples/signals.py
It needs mnist1d, which makes the signals, and matplotlib: pip install "xpnet[examples,plot]".
Source: Greydanus and Kobak, "Scaling down deep learning with MNIST-1D", 2024.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, layers, networks, optimizers, schedules
from xpnet.visualize import require_matplotlib

COLORS = {"Dense": "0.5", "Conv1D": "#0072B2", "GRU": "#D55E00"}


def build(name: str) -> xpnet.Model:
    """A network for x (N, 40, 1); each has about 15,000 parameters."""
    if name == "GRU":
        return networks.RecurrentClassifier("gru", units=64, input_shape=(40, 1))
    if name == "Dense":
        hidden = [layers.Flatten(), *(layers.Dense(100, activation="relu") for _ in range(2))]
    else:
        hidden = [layers.Reshape((1, 40))]  # (N, C, T)
        for filters in (16, 32, 64):  # over 40, 20 and 10 steps
            hidden += [layers.Conv1D(filters, 5, stride=2, padding=2), layers.BatchNorm1D(), layers.ReLU()]
        hidden.append(layers.Flatten())
    return Sequential([*hidden, layers.Dense(10)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify signals by convolutions, and step by step.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=4000, help="use this many signals at most")
    parser.add_argument("--out", default="runs/signals.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(7.2, 4), layout="constrained")
    try:
        from mnist1d.data import make_dataset
    except ImportError:
        sys.exit('signals: they come with mnist1d, which is missing: pip install "xpnet[examples]"')

    made = make_dataset()  # the same each time
    x, x_test = (made[name].astype(np.float32)[: args.limit, :, None] for name in ("x", "x_test"))  # (N, 40, 1)
    t, t_test = (made[name][: args.limit] for name in ("y", "y_test"))

    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    for name, color in COLORS.items():
        xpnet.seed(0)
        model = build(name)
        rate = schedules.OneCycle(0.01, args.epochs * -(-len(x) // 50))
        model.compile(optimizers.AdamW(rate, clip_norm=1.0), metrics=["accuracy"])
        history = model.fit(x, t, 50, args.epochs, verbose=0, validation_data=(x_test, t_test)).history
        count = sum(parameter.value.size for parameter in model.parameters())
        print(f"{name:6}  {count:6,} parameters, test accuracy {history['val_accuracy'][-1]:.3f}")
        for which, style in (("accuracy", ":"), ("val_accuracy", "-")):
            label = name if which == "val_accuracy" else None
            right.plot(range(1, args.epochs + 1), history[which], style, color=color, label=label)
    right.set(xlabel="epoch", ylabel="accuracy", title="training (dotted) and test signals", ylim=(0, 1.02))
    right.grid(alpha=0.3)
    right.legend(loc="lower right")
    for digit in range(10):
        for signal in x[t == digit][:2, :, 0]:
            left.plot(signal / 5 - digit, color="#009E73", linewidth=0.9)
    left.set(xlabel="step", title="two signals of each digit", yticks=range(0, -10, -1), yticklabels=range(10))
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
