"""Augmentation: other views of the same images, on whole batches (N, C, H, W), on the host.

Every transform is called with a batch and a NumPy generator, `transform(x, rng)`, and returns a new batch; without a
generator it takes the next key of xpnet.random. It never writes into its input, draws for each sample on its own, and
keeps float32 as float32. Numbers come from NumPy alone, so that a seed gives the same images on every backend.
"""

from xpnet.data.augment.base import Compose, Transform
from xpnet.data.augment.elastic import Elastic
from xpnet.data.augment.pixels import Crop, Cutout, Flip, Noise
from xpnet.data.augment.warps import Affine, Rotate, Scale, Shear, Shift

__all__ = [
    "Affine",
    "Compose",
    "Crop",
    "Cutout",
    "Elastic",
    "Flip",
    "Noise",
    "Rotate",
    "Scale",
    "Shear",
    "Shift",
    "Transform",
]
