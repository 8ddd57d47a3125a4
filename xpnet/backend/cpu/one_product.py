"""Convolution of an image or a few: all columns at once and one product, without tiles and threads, which would cost
more."""

from typing import Any

import numpy as np

from xpnet.backend.cpu import columns
from xpnet.backend.cpu.threads import blas_held
from xpnet.backend.window import Window

Array = Any


def forward(x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
    (N, _, H, W), (O, C, KH, KW) = x.shape, w.shape
    (OH, OW), (SH, SW), (DH, DW) = window.output_size((H, W)), window.stride, window.dilation
    (top, bottom), (left, right) = window.padding
    pixels = np.zeros((groups * C, top + H + bottom, left + W + right, N), x.dtype)  # channels first
    pixels[:, top : top + H, left : left + W] = x.transpose(1, 2, 3, 0)
    c, h, v, n = pixels.strides
    shape, strides = (groups, C, KH, KW, OH, OW, N), (C * c, c, DH * h, DW * v, SH * h, SW * v, n)
    cols = np.ndarray(shape, x.dtype, pixels, strides=strides).reshape(groups, C * KH * KW, OH * OW * N)
    with blas_held():
        y = np.matmul(w.reshape(groups, O // groups, -1), cols).reshape(O, OH, OW, N)
    if b is not None:
        y += b.reshape(O, 1, 1, 1)
    if relu:
        np.maximum(y, 0, out=y)
    return y.transpose(3, 0, 1, 2)  # (O, OH, OW, N) -> (N, O, OH, OW)


# To train on so few images is not worth a way of its own.
input_gradient, weight_gradient = columns.input_gradient, columns.weight_gradient
before_activation = columns.before_activation
