"""Many small images as one, and the filters of a layer as small images."""

import math

import numpy as np


def filters_as_tiles(filters: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Filters (F, C, H, W) as tiles (n, H, W, 1 or 3), and how many of them make a row, if that has a meaning.

    Filters of 1 or 3 channels are a tile each, grey or in colour; of others each is a row, of a tile for each channel.
    """
    F, C, H, W = filters.shape
    if C in (1, 3):
        return filters.transpose(0, 2, 3, 1), None  # (F, H, W, C)
    return filters.reshape(F * C, H, W, 1), C


def mosaic(tiles: np.ndarray, columns: int, gap: int, margin: int = 0, blank: float = math.nan) -> np.ndarray:
    """Tiles (n, H, W) or (n, H, W, C) as one image, `columns` in a row; `blank` lies between them, in a margin around
    all and in empty places. The image has the data type of `blank`.
    """
    n, H, W, *colours = tiles.shape
    rows = math.ceil(n / columns)
    size = rows * (H + gap) - gap + 2 * margin, columns * (W + gap) - gap + 2 * margin
    image = np.full((*size, *colours), blank)
    for i, tile in enumerate(tiles):
        top, left = margin + (H + gap) * (i // columns), margin + (W + gap) * (i % columns)
        image[top : top + H, left : left + W] = tile
    return image
