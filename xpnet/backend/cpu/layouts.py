"""The memory orders of images on a CPU, behind arrays of shape (N, C, H, W), and how to come from one to the other.

A name lists the axes from the slowest to the fastest: in `hcwn`, which the columns of cpu/columns.py are made from, the
images of one pixel and channel lie behind one another, before those the pixels of a row, then the channels, then the
rows; in `hwcn`, which Winograd's rows and the compiled kernels take, channels and pixels are the other way round.
NumPy keeps an order in elementwise code, so a network stays in that of its convolutions.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.window import Window

Array = Any


def nchw_to_hcwn(x: Array) -> Array:
    """(N, C, H, W) -> (H, C, W, N), contiguous: a view where the memory order is already so."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def hcwn_to_nchw(x: Array) -> Array:
    """(H, C, W, N) -> a view of shape (N, C, H, W)."""
    return x.transpose(3, 1, 0, 2)


def nchw_to_hwcn(x: Array) -> Array:
    """(N, C, H, W) -> (H, W, C, N), contiguous: a view where the memory order is already so."""
    return np.ascontiguousarray(x.transpose(2, 3, 1, 0))


def hwcn_to_nchw(x: Array) -> Array:
    """(H, W, C, N) -> a view of shape (N, C, H, W)."""
    return x.transpose(3, 2, 0, 1)


# ---- for what is elementwise: any order ----------------------------------------------------------------------------


def memory_axes(x: Array) -> tuple[int, ...]:
    """The axes of x from the slowest to the fastest."""
    return tuple(sorted(range(x.ndim), key=x.strides.__getitem__, reverse=True))


def empty_in_axes(x: Array, axes: tuple[int, ...]) -> Array:
    """An array of the shape of x, whose axes follow one another so in memory; without gaps."""
    new = pool.empty(tuple(x.shape[axis] for axis in axes), x.dtype)
    return new.transpose(sorted(range(x.ndim), key=axes.__getitem__))


def flat_in_axes(x: Array, axes: tuple[int, ...]) -> Array:
    """The entries of x behind one another, axes from the slowest to the fastest: a view where they lie so."""
    return np.ascontiguousarray(x.transpose(axes)).reshape(-1)


# ---- for pooling, which takes both: every slice of pixels is made of runs of images ---------------------------------


def view_as_hwcn(x: Array) -> Array:
    """(N, C, H, W) -> a view (H, W, C, N) over memory in the order hwcn or hcwn; where x lies in neither, a copy."""
    view = x.transpose(2, 3, 1, 0)
    return view if view.transpose(0, 2, 1, 3).flags.c_contiguous else np.ascontiguousarray(view)


def empty_in_order_of(x: Array, size: tuple[int, int]) -> Array:
    """Of shape (*size, C, N), in the memory order of x (H, W, C, N): hwcn or hcwn."""
    (OH, OW), (_, _, C, N) = size, x.shape
    if x.flags.c_contiguous:
        return pool.empty((OH, OW, C, N), x.dtype)
    return pool.empty((OH, C, OW, N), x.dtype).transpose(0, 2, 1, 3)


def pad(x: Array, window: Window, value: float) -> Array:
    """`x` (N, C, H, W) itself where there is nothing to pad; else a padded copy in the memory order hwcn."""
    (top, bottom), (left, right) = window.padding
    if not (top or bottom or left or right):
        return x
    N, C, H, W = x.shape
    out = pool.empty((top + H + bottom, left + W + right, C, N), x.dtype)
    out[...] = value
    out[top : top + H, left : left + W] = x.transpose(2, 3, 1, 0)
    return hwcn_to_nchw(out)
