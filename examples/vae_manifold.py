"""Digits from two numbers: a variational autoencoder (Kingma and Welling, 2014) whose codes lie in a plane, and all
that the plane holds, as in the paper's figure 4; beside it one with twenty numbers.

Run it: python examples/vae_manifold.py
It needs matplotlib: pip install "xpnet[plot]".
"""

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np

import xpnet
from xpnet import Model, Sequential, datasets, layers, networks
from xpnet.visualize import require_matplotlib

PIXELS = 28 * 28


def draw(network: Model, x: np.ndarray, columns: int) -> np.ndarray:
    """The scores that the network gives, (rows * columns, 1, 28, 28), as the pixels of one image."""
    pixels = Sequential([network, layers.Sigmoid()]).predict(x)
    return pixels.reshape(-1, columns, 28, 28).swapaxes(1, 2).reshape(-1, columns * 28)  # (28 * rows, 28 * columns)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train variational autoencoders on MNIST.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=60000, help="train on this many images at most")
    parser.add_argument("--out", default="runs/vae_manifold.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(10, 5.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(46, 54))
    above, below = left.subplots(2, 1, height_ratios=(2, 3))

    (x, _), (x_test, t_test) = datasets.mnist()
    x = x[: args.limit]
    chosen = [int(np.flatnonzero(t_test == digit)[1]) for digit in range(10)]  # the second of each digit
    rows = {"test image": x_test[chosen, 0].swapaxes(0, 1).reshape(28, 280)}
    for latent, colour in ((2, "#D55E00"), (20, "#0072B2")):
        xpnet.seed(0)
        model = networks.VAE(latent)
        model.compile("adam", "binary_cross_entropy")
        history = model.fit(x, x, batch_size=100, epochs=args.epochs).history
        kl = np.array(history["kl"])
        reconstruction = PIXELS * np.array(history["loss"]) - kl  # the loss is that of a pixel, and holds KL too
        print(f"{latent:2} numbers: reconstruction {reconstruction[-1]:.1f} nats, KL {kl[-1]:.1f};", end=" ")
        print(f"of test images, from the mean, {PIXELS * model.evaluate(x_test, x_test):.1f}")
        rows[f"{latent} numbers"] = draw(model, x_test[chosen], 10)
        epochs = range(1, args.epochs + 1)
        below.plot(epochs, reconstruction, ".-", color=colour, label=f"{latent} numbers: reconstruction")
        below.plot(epochs, kl, ".--", color=colour, label=f"{latent} numbers: KL")
        if latent == 2:
            shares = (np.arange(20) + 0.5) / 20  # of the normal distribution: the middles of twenty equal parts
            z = np.array([NormalDist().inv_cdf(share) for share in shares], dtype=np.float32)
            plane = np.stack(np.meshgrid(z, z[::-1]), axis=-1).reshape(400, 2)
            manifold = draw(model.decoder, plane, 20)

    above.imshow(np.concatenate(list(rows.values())), cmap="gray_r", vmin=0, vmax=1)
    above.set(xticks=[], yticks=[14, 42, 70], yticklabels=rows)
    below.margins(y=0.4)  # room for the legend
    below.set(xlabel="epoch", ylabel="nats per image", ylim=(0, None))
    below.grid(alpha=0.3)
    below.legend(fontsize=8, loc="upper right")
    axes = right.subplots()
    axes.imshow(manifold, cmap="gray_r")
    axes.set(xticks=[], yticks=[], xlabel="$z_1$", ylabel="$z_2$", title="the plane of two numbers, decoded")
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
