"""Take noise off digits with an autoencoder, which was shown noisy ones and had to give the clean ones (Vincent et al.,
2008); beside it a filter that takes the mean of 3x3 pixels and has learned nothing.

Run it: python examples/denoise.py
It needs matplotlib: pip install "xpnet[plot]".
"""

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, datasets, layers, networks, optimizers
from xpnet.visualize import require_matplotlib

NOISE = 0.5  # standard deviation of what is added to each pixel, which is from 0 (paper) to 1 (ink)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train an autoencoder to take noise off the digits of MNIST.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--limit", type=int, default=20000, help="train on this many images at most")
    parser.add_argument("--out", default="runs/denoise.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))

    xpnet.seed(0)
    (x, _), (x_test, t_test) = datasets.mnist()
    x, x_test, t_test = x[: args.limit], x_test[::10], t_test[::10]  # a tenth of them is enough to judge by
    network = Sequential([layers.GaussianNoise(NOISE), networks.ConvAutoencoder(code=64)])  # noise in training only
    network.compile(optimizers.Adam(0.002), loss="mean_squared_error")
    network.fit(x, x, batch_size=100, epochs=args.epochs, verbose=2)  # new noise in each epoch
    mean_filter = Sequential([layers.AvgPool2D(3, stride=1, padding=1)])

    noise = np.random.default_rng(0).standard_normal(x_test.shape, dtype=np.float32)
    levels = np.linspace(0, 1, 11)
    errors = {"noisy": [], "mean of 3x3": [], "autoencoder": []}
    for level in levels:
        noisy = x_test + np.float32(level) * noise
        images = {"noisy": noisy, "mean of 3x3": mean_filter.predict(noisy), "autoencoder": network.predict(noisy)}
        for name, image in images.items():
            errors[name].append(float(np.mean((image - x_test) ** 2)))
        if level == NOISE:
            chosen = [int(np.flatnonzero(t_test == digit)[1]) for digit in range(10)]  # the second of each digit
            rows = [image[chosen, 0] for image in (x_test, *images.values())]
    for i in (0, 2, 5, 10):
        print(f"noise {levels[i]:.1f}: error", ", ".join(f"{name} {values[i]:.4f}" for name, values in errors.items()))

    mosaic = np.stack(rows).swapaxes(1, 2).reshape(4 * 28, 10 * 28)  # (4, 10, 28, 28), each row of images as one
    left.imshow(mosaic, cmap="gray_r", vmin=0, vmax=1)
    left.set_yticks([14, 42, 70, 98], ["true", *errors])
    left.set_xticks([])
    for (name, values), style in zip(errors.items(), ("k--", "o-", "o-"), strict=True):
        right.plot(levels, values, style, label=name)
    right.axvline(NOISE, color="0.7")
    right.set(xlabel="noise (standard deviation)", ylabel="mean squared error", yscale="log")
    right.grid(alpha=0.3)
    right.legend()
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
