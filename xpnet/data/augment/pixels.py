"""Flip, crop, cutout and noise."""

import numpy as np

from xpnet.base import checks
from xpnet.data.augment.base import Array, Fill, Transform
from xpnet.data.augment.warps import check_fill, probability
from xpnet.errors import OptionError, ShapeError


class Flip(Transform):
    """Mirror left and right, or top and bottom with vertical=True; by default every second sample."""

    def __init__(self, vertical: bool = False, p: float = 0.5) -> None:
        self.vertical, self.p = bool(vertical), probability(p)

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        y = x.copy(order="C")
        y[chosen] = x[chosen, :, ::-1] if self.vertical else x[chosen, :, :, ::-1]
        return y


class Crop(Transform):
    """Cut a window of `size` (H, W), or a square, at a random place; `padding` pixels of `fill` are put around first.

    Samples that are not chosen give the window in the middle. (N, C, H, W) becomes (N, C, *size).

    Raises OptionError for a bad size or padding, ShapeError if the window is larger than the padded image.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: Fill = 0.0, p: float = 1.0) -> None:
        self.size, self.padding = size, checks.whole("padding", padding, 0)
        self.fill, self.p = check_fill(fill), probability(p)
        self._window = checks.height_and_width("size", size)

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        if self.padding:
            around = ((0, 0), (0, 0), (self.padding,) * 2, (self.padding,) * 2)
            x = np.pad(x, around, "edge") if self.fill == "edge" else np.pad(x, around, constant_values=self.fill)
        N, _, H, W = x.shape
        h, w = self._window
        if h > H or w > W:
            raise ShapeError(f"Crop: a window of {h} x {w} does not fit into {H} x {W}; choose a smaller size")
        top, left = (
            np.where(chosen, rng.integers(0, space + 1, N), space // 2)  # (N,)
            for space in (H - h, W - w)
        )
        windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(2, 3))  # (N, C, H - h + 1, W - w + 1, h, w)
        y: Array = windows[np.arange(N), :, top, left]  # (N, C, h, w)
        return y


class Cutout(Transform):
    """Put `holes` rectangles of `fill` over each image; their centres are anywhere in it, so that some are cut off.

    `size` is (H, W) of a rectangle, or the side of a square.
    Source: T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    def __init__(self, size: int | tuple[int, int] = 8, holes: int = 1, fill: float = 0.0, p: float = 1.0) -> None:
        self.size, self.holes = size, checks.whole("holes", holes)
        self.p, self._sides = probability(p), checks.height_and_width("size", size)
        if check_fill(fill) == "edge":
            raise OptionError("Cutout: fill must be a number: a hole has no edge to continue")
        self.fill = float(fill)

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        N, _, H, W = x.shape
        y = x.copy(order="C")
        for _ in range(self.holes):
            down, across = (
                _inside(rng.integers(0, length, N) - side // 2, side, length)  # (N, length)
                for side, length in zip(self._sides, (H, W), strict=True)
            )
            hole = (down & chosen[:, None])[:, :, None] & across[:, None, :]  # (N, H, W)
            np.copyto(y, x.dtype.type(self.fill), where=hole[:, None])
        return y


class Noise(Transform):
    """Add Gaussian noise of standard deviation `std` to each pixel; `clip`, (low, high), then bounds the result.

    Raises OptionError unless std is at least 0, and clip a pair of numbers, the smaller first.
    """

    def __init__(self, std: float = 0.1, clip: tuple[float, float] | None = None, p: float = 1.0) -> None:
        self.std, self.clip, self.p = checks.at_least_zero("std", std), clip, probability(p)
        if clip is not None and not (isinstance(clip, (tuple, list)) and len(clip) == 2 and clip[0] < clip[1]):
            raise OptionError(f"clip must be a pair (low, high), the smaller first, not {clip!r}")

    def apply(self, x: Array, chosen: Array, rng: np.random.Generator) -> Array:
        y: Array = rng.standard_normal(x.shape, np.float32).astype(x.dtype, copy=False)
        y *= (self.std * chosen).astype(x.dtype)[:, None, None, None]
        y += x
        if self.clip is not None:
            np.clip(y, *self.clip, out=y, where=chosen[:, None, None, None])
        return y


def _inside(start: Array, side: int, length: int) -> Array:
    """Which of `length` places lie from start to start + side; (N, length) for starts (N,)."""
    places = np.arange(length)
    inside: Array = (places >= start[:, None]) & (places < start[:, None] + side)
    return inside
