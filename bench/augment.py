"""Images per second that augmentation makes, on one core.

    python bench/augment.py --size 28 --channels 1 --batch 100

On random images; each figure is the median over batches, in seconds of processor time.
"""

import argparse
import statistics
import time

import numpy as np

from xpnet.data import augment

TRANSFORMS = {
    "affine": augment.Affine(shift=2, rotate=10, scale=0.1, shear=5),
    "elastic": augment.Elastic(),
    "affine and elastic": augment.Compose([augment.Affine(shift=2, rotate=10, scale=0.1, shear=5), augment.Elastic()]),
    "flip": augment.Flip(),
    "crop": augment.Crop(24),
    "cutout": augment.Cutout(),
    "noise": augment.Noise(),
}


def images_per_second(transform: augment.Transform | augment.Compose, x: np.ndarray, batches: int) -> float:
    rng = np.random.Generator(np.random.Philox(0))
    seconds = []
    for _ in range(batches + 1):  # the first warms up
        start = time.process_time()
        transform(x, rng)
        seconds.append(time.process_time() - start)
    return len(x) / statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=28, help="pixels along a side")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--batches", type=int, default=50)
    arguments = parser.parse_args()
    shape = (arguments.batch, arguments.channels, arguments.size, arguments.size)
    x = np.random.default_rng(0).random(shape, np.float32)
    for name, transform in TRANSFORMS.items():
        print(f"{name:20}{images_per_second(transform, x, arguments.batches):12,.0f} images/s")


if __name__ == "__main__":
    main()
