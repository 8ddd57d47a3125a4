"""Networks of 20 and 56 layers, with shortcuts and without them: what more depth does to each.

Run it: python examples/resnet_depth.py
It needs matplotlib and scikit-learn, for its digits: pip install "xpnet[examples,plot]". Source: He, Zhang, Ren and
Sun, "Deep residual learning for image recognition", 2016, figures 1 and 6, there on CIFAR-10.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import xpnet
from xpnet import networks, optimizers, schedules
from xpnet.visualize import require_matplotlib

NETWORKS, COLOURS = {20: networks.ResNet20, 56: networks.ResNet56}, {20: "#0072B2", 56: "#D55E00"}


def digits(limit: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """1,797 handwritten digits of 8 x 8 pixels: the first 1,000 to train on, the others to test with."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        sys.exit('resnet_depth: its digits come with scikit-learn, which is missing: pip install "xpnet[examples]"')
    x, t = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return (x[:1000][:limit], t[:1000][:limit]), (x[1000:][:limit], t[1000:][:limit])


def main() -> None:
    parser = argparse.ArgumentParser(description="ResNets of 20 and 56 layers, and the same without shortcuts.")
    parser.add_argument("--depths", type=int, nargs="+", choices=NETWORKS, default=[20, 56])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=1000, help="use this many images at most")
    parser.add_argument("--lr", type=float, default=0.05, help="the rate at first; it falls to 0")
    parser.add_argument("--out", default="runs/resnet_depth.png", help="the file to save the picture in")
    args = parser.parse_args()

    figure = require_matplotlib()(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    (x, t), (x_test, t_test) = digits(args.limit)
    epochs = range(1, args.epochs + 1)
    for axes, shortcuts in zip(panels, (False, "padded"), strict=True):
        title = "with shortcuts" if shortcuts else "without shortcuts"
        for depth in args.depths:
            xpnet.seed(0)
            model = NETWORKS[depth](shortcuts=shortcuts, input_shape=(1, 8, 8))
            rate = schedules.Cosine(args.lr, args.epochs * -(-len(x) // 50))
            model.compile(optimizers.Momentum(rate, weight_decay=1e-4), metrics=["accuracy"])
            history = model.fit(x, t, 50, args.epochs, validation_data=(x_test, t_test), verbose=0).history
            train, test = ([100 - 100 * each for each in history[name]] for name in ("accuracy", "val_accuracy"))
            print(
                f"{depth} layers {title:17}  errors: training images {train[-1]:4.1f} %, test images {test[-1]:4.1f} %"
            )
            axes.plot(epochs, train, color=COLOURS[depth], linestyle="--", label=f"{depth} layers, training images")
            axes.plot(epochs, test, color=COLOURS[depth], label=f"{depth} layers, test images")
        axes.set(title=title, xlabel="epoch", ylim=(0, 100))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("errors, %")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
