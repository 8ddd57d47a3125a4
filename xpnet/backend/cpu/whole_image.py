"""Convolution whose kernel is as large as the image: a dense layer of all pixels, and one product each way.

Such as the last layer of a discriminator is, and the first one of a generator, transposed. Of the product come pixels
(C, H, W, N), which the images are a view of.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu import columns
from xpnet.backend.cpu.products import product
from xpnet.backend.window import Pair, Window

Array = Any

before_activation = columns.before_activation


def forward(x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
    return _finish(product(w.reshape(len(w), -1), _pixels(x)), b, (1, 1), relu)


def input_gradient(dz: Array, w: Array, b: Array | None, window: Window, size: Pair, groups: int, relu: bool) -> Array:
    return _finish(product(w.reshape(len(w), -1).T, _pixels(dz)), b, size, relu)


def weight_gradient(dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
    return product(_pixels(dz), _pixels(x).T).reshape(w.shape)


def _pixels(x: Array) -> Array:
    """(N, C, H, W) -> (C*H*W, N)."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0)).reshape(-1, len(x))


def _finish(y: Array, b: Array | None, size: Pair, relu: bool) -> Array:
    """(O*H*W, N), with bias and activation, -> (N, O, H, W)."""
    y = y.reshape(-1, *size, y.shape[1])  # (O, H, W, N)
    if b is not None:
        y += b.reshape(-1, 1, 1, 1)
    if relu:
        np.maximum(y, 0, out=y)
    return y.transpose(3, 0, 1, 2)
