"""Images at other coordinates: bilinear interpolation of whole batches."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

# Given which samples of the batch, and rows and columns (n, H * W) in pixels: change these in place, to where in the
# transform's input the values at these places of its output come from.
Move = Callable[[slice, Floats, Floats], None]

_PIECE = 2**14  # pixels that are moved at a time: a piece and all that is computed from it stays in the cache


def warped(x: Array, moves: Sequence[Move], fill: float | Literal["edge"]) -> Array:
    """x, (N, C, H, W), under transforms in the order of `moves`: y[n, c, i, j] = x[n, c, rows, columns].

    Between pixels, values are interpolated; outside of x they are `fill`, or those of the nearest pixel with "edge".
    """
    N, C, H, W = x.shape
    y = np.empty_like(x, order="C")
    grid = np.indices((H, W), np.float32).reshape(2, 1, H * W)
    step = max(1, _PIECE // (H * W))
    for start in range(0, N, step):
        part = slice(start, min(start + step, N))
        n = part.stop - part.start
        rows, columns = np.repeat(grid, n, axis=1)  # (n, H * W) each
        for move in reversed(moves):
            move(part, rows, columns)
        _interpolate(x[part], rows, columns, fill, y[part].reshape(n, C, H * W))
    return y


def _interpolate(x: Array, rows: Floats, columns: Floats, fill: float | Literal["edge"], y: Array) -> None:
    """y[n, c, i] = x[n, c, rows[n, i], columns[n, i]]; rows and columns are used up."""
    n, C, H, W = x.shape
    padded = _padded(x, fill)  # with it, rows go from 0 to H + 1, and what is outside lies on its border
    index = np.arange(0, n * (H + 2) * (W + 2), (H + 2) * (W + 2))[:, None]  # of each sample's first pixel
    for places, size, stride in ((rows, H, W + 2), (columns, W, 1)):
        places += 1
        np.clip(places, 0, size + 1, out=places)
        whole = places.astype(np.int32)
        np.minimum(whole, size, out=whole)
        places -= whole  # the share of the pixel after it, from 0 to 1
        whole *= stride
        index = index + whole  # (n, H * W)
    for c in range(C):
        flat = padded[c].reshape(-1)
        top = _between(flat.take(index), flat[1:].take(index), columns)
        bottom = _between(flat[W + 2 :].take(index), flat[W + 3 :].take(index), columns)
        y[:, c] = _between(top, bottom, rows)


def _between(a: Array, b: Array, share: Floats) -> Array:
    """a + (b - a) share, in the memory of b; exactly a where share is 0."""
    b -= a
    b *= share
    b += a
    return b


def _padded(x: Array, fill: float | Literal["edge"]) -> Array:
    """x, (n, C, H, W), with one pixel around it and the channels first: (C, n, H + 2, W + 2)."""
    n, C, H, W = x.shape
    y = np.empty((C, n, H + 2, W + 2), x.dtype)
    y[:, :, 1:-1, 1:-1] = x.transpose(1, 0, 2, 3)
    for axis in (-1, -2):
        border = np.moveaxis(y, axis, 0)
        border[0], border[-1] = (border[1], border[-2]) if fill == "edge" else (fill, fill)
    return y
