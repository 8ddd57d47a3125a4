"""Two networks against each other (Goodfellow et al., 2014): one learns to draw points on a ring, the other to tell
them from real ones. The training step, with two optimizers, is a method of the model.

Run it: python examples/gan_ring.py      (the picture needs matplotlib)
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Model, Sequential, layers, losses, optimizers, random
from xpnet.visualize import require_matplotlib


class GAN(Model):
    """A generator of points (N, 2) from noise (N, 8), and a discriminator that scores how real points are."""

    def __init__(self) -> None:
        super().__init__()
        dense = [layers.Dense(64, activation="relu") for _ in range(4)]
        self.generator = Sequential([*dense[:2], layers.Dense(2)])
        self.discriminator = Sequential([*dense[2:], layers.Dense(1)])
        self.g_optimizer, self.d_optimizer = optimizers.Adam(0.001, beta1=0.5), optimizers.Adam(0.001, beta1=0.5)

    def judge(self, points: Any, real: float) -> tuple[Any, Any]:
        """The discriminator's loss where all points should score as real (1) or not (0), and its dy for the points."""
        y, back = self.discriminator.forward(points, train=True)
        t = self.backend.zeros(y.shape, self.dtype) + real
        loss, loss_back = losses.BinaryCrossEntropyWithLogits().forward(y, t, self.backend)
        return loss, back(loss_back())

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        (points,) = batch
        z = random.stream(self.next_key()).standard_normal((points.shape[0], 8))  # from seed, epoch and step
        fake, generator_back = self.generator.forward(self.backend.asarray(z, self.dtype), train=True)
        d_loss = self.judge(points, 1.0)[0] + self.judge(fake, 0.0)[0]
        self.step.apply_gradients(self.d_optimizer, self.discriminator)

        with self.discriminator.frozen():  # the gradient goes through it to the generator
            g_loss, dfake = self.judge(fake, 1.0)
        generator_back(dfake, need_dx=False)
        self.step.apply_gradients(self.g_optimizer, self.generator)
        return {"d_loss": d_loss, "g_loss": g_loss}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a generator of points on a ring against a discriminator.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", default="runs/gan_ring.png", help="the file to save the picture in")
    args = parser.parse_args()
    figure = require_matplotlib()(figsize=(7.6, 4), layout="constrained")

    xpnet.seed(0)
    draw = np.random.default_rng(0)
    angle, radius = draw.uniform(0, 2 * np.pi, 5000), draw.normal(1, 0.05, 5000)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    model = GAN()
    model.fit(points, batch_size=100, epochs=args.epochs, verbose=2)

    drawn = model.generator.predict(draw.standard_normal((2000, 8)).astype(np.float32))
    share = np.histogram(np.arctan2(*drawn.T), 8, (-np.pi, np.pi))[0] / len(drawn)
    print(f"mean radius {np.hypot(*drawn.T).mean():.3f}, that of the real points {np.hypot(*points.T).mean():.3f}")
    print(f"share of the points in each eighth of the ring: {share.min():.3f} to {share.max():.3f} (1/8 is 0.125)")
    for axes, title, shown in zip(figure.subplots(1, 2), ("real", "generated"), (points[:2000], drawn), strict=True):
        axes.scatter(*shown.T, s=2)
        axes.set(title=title, aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=100)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
