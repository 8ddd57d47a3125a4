"""Watch a small convolutional network learn, in the browser: curves, filters, histograms, and the digits it gets wrong.
The page can pause the training, stop it, and change its learning rate. Two trainings go on in one page.

Run it: python examples/watch_training.py, and open the address that it prints.
It needs a server: pip install "xpnet[web]".
"""

import argparse
import sys

import xpnet
from xpnet import Sequential, datasets, layers, optimizers, serving


def build() -> Sequential:
    return Sequential(
        [
            layers.Conv2D(16, 5, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch a training on MNIST in the browser.")
    parser.add_argument("--epochs", type=int, default=5, help="of each of the two trainings")
    parser.add_argument("--limit", type=int, default=20000, help="use this many images at most")
    parser.add_argument("--port", type=int, help="where the page is served; by default 8477, or the next free one")
    args = parser.parse_args()

    xpnet.seed(0)
    (x, t), (x_test, t_test) = datasets.mnist()
    x, t, x_test, t_test = (a[: args.limit] for a in (x, t, x_test, t_test))

    watch = serving.Watch(args.port)
    model = build()
    for optimizer in (optimizers.Adam(0.001), optimizers.SGD(0.01)):  # first fast, then fine
        model.compile(optimizer, metrics=["accuracy"])
        model.fit(x, t, 100, args.epochs, verbose=2, callbacks=[watch], validation_split=0.1)

    print(f"test accuracy {model.evaluate(x_test, t_test)[1]:.4f}")
    if sys.stdin.isatty():
        input(f"the page stays at {watch.address} until you press Enter")


if __name__ == "__main__":
    main()
