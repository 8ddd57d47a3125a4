"""Arrays as images: which shapes are images, the classes that belong to them, and small maps made large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xpnet.errors import DataError, ShapeError


def as_images(x: np.ndarray) -> np.ndarray:
    """Grey images (N, H, W) or coloured ones (N, H, W, 3), from (N, 1, H, W), (N, 3, H, W), (N, H, W) or (N, H * H).

    Raises ShapeError for other shapes, DataError if there are no images or they are no real numbers.
    """
    side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
    if x.ndim == 4 and x.shape[1] in (1, 3):
        images = x[:, 0] if x.shape[1] == 1 else x.transpose(0, 2, 3, 1)  # (N, H, W) or (N, H, W, 3)
    elif x.ndim == 3:
        images = x
    elif x.ndim == 2 and side * side == x.shape[1] > 0:
        images = x.reshape(-1, side, side)  # (N, H, W)
    else:
        raise ShapeError(
            f"the images have shape {x.shape}; expected (N, 1, H, W) or, in colours, (N, 3, H, W), or (N, H, W) or flat"
            " squares (N, H * H)"
        )
    if images.size == 0 or images.dtype.kind not in "fiub":
        raise DataError(f"there is nothing to show: the images have shape {x.shape} and type {x.dtype}")
    return images


def labels_for(t: Any, count: int) -> np.ndarray:
    """Class numbers (N,) from class numbers or one-hot rows (N, classes); DataError unless there is one an image."""
    labels = np.asarray(t)
    labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
    if labels.shape != (count,):
        raise DataError(f"there are {count} images and labels of shape {labels.shape}; expected a label for each")
    if labels.dtype.kind not in "iub":
        raise DataError(f"the labels are {labels.dtype}; expected class numbers: whole numbers, from 0")
    return labels


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, h, w) -> (N, H, W), bilinear: the maps' outer edges fall on those of the image."""
    vertical, horizontal = bilinear_shares(maps.shape[1], size[0]), bilinear_shares(maps.shape[2], size[1])
    large: np.ndarray = vertical @ maps @ horizontal.T
    return large


def bilinear_shares(n: int, N: int) -> np.ndarray:
    """(N, n): the share of each of n pixels in each of N; each row sums to one."""
    at = np.clip((np.arange(N) + 0.5) * n / N - 0.5, 0, n - 1)
    shares: np.ndarray = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n))).astype(np.float32)
    return shares
