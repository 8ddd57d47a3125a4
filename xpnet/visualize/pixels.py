"""Arrays as images: which shapes can be shown, on which scale, several as one, and small ones made large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from xpnet.errors import DataError, OptionError, ShapeError


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


def limits_of(images: np.ndarray) -> tuple[float, float]:
    """The values of black and white: 0 and 255 for bytes, 0 and 1 if all lie between, else the lowest and highest."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)] if images.dtype.kind == "f" else images
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)


def labels_for(t: Any, count: int) -> np.ndarray:
    """Class numbers (N,) from class numbers or one-hot rows (N, classes); DataError unless there is one an image."""
    labels = np.asarray(t)
    labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
    if labels.shape != (count,):
        raise DataError(f"there are {count} images and labels of shape {labels.shape}; expected a label for each")
    if labels.dtype.kind not in "iub":
        raise DataError(f"the labels are {labels.dtype}; expected class numbers: whole numbers, from 0")
    return labels


def name_of(label: int, names: Sequence[str] | None) -> str:
    """The name of a class, or its number where there are no names; OptionError where one is missing."""
    if names is None:
        return str(label)
    if not 0 <= label < len(names):
        raise OptionError(f"names holds {len(names)} names, for classes 0 to {len(names) - 1}, but there is a {label}")
    return str(names[label])


def mosaic(tiles: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """Images (n, H, W) or (n, H, W, 3) as one image, `columns` in a row, with NaN between them and in empty places."""
    n, H, W, *colours = tiles.shape
    rows = math.ceil(n / columns)
    whole = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, *colours), np.nan)
    for i, tile in enumerate(tiles):
        top, left = (H + gap) * (i // columns), (W + gap) * (i % columns)
        whole[top : top + H, left : left + W] = tile
    return whole


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, h, w) -> (N, H, W), bilinear: the maps' outer edges fall on those of the image."""
    vertical, horizontal = _weights(maps.shape[1], size[0]), _weights(maps.shape[2], size[1])
    large: np.ndarray = vertical @ maps @ horizontal.T
    return large


def _weights(n: int, N: int) -> np.ndarray:
    """(N, n): the share of each of n pixels in each of N; each row sums to one."""
    at = np.clip((np.arange(N) + 0.5) * n / N - 0.5, 0, n - 1)
    shares: np.ndarray = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n))).astype(np.float32)
    return shares
