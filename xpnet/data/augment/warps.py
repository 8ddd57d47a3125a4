"""Shift, rotation, scale and shear as one affine map."""

import math
from typing import Any

import numpy as np

from xpnet.base import checks
from xpnet.data.augment.base import Array, Fill, Warp
from xpnet.data.augment.interpolation import Floats, Move
from xpnet.errors import OptionError

Range = float | tuple[float, float]


class Affine(Warp):
    """Shear, scale, rotate about the centre of the image, then shift; each drawn evenly from its range, per sample.

    shift: at most so many pixels, up or down and left or right; a pair is (rows, columns).
    rotate: degrees, from -rotate to rotate; a pair is (from, to). Positive is counter-clockwise.
    scale: from 1 - scale to 1 + scale, the same for both axes; a pair is (from, to). More than 1 is larger.
    shear: degrees by which upright lines lean, from -shear to shear; a pair is (from, to).
    fill: what comes in from outside, a number or "edge", the nearest pixel. whole: shift by whole pixels.

    output = R(rotate) K(shear) scale (input - centre) + centre + shift, with bilinear interpolation.
    Raises OptionError for a range that is none, or a scale that is not positive.
    """

    def __init__(
        self,
        shift: Range = 0.0,
        rotate: Range = 0.0,
        scale: Range = 0.0,
        shear: Range = 0.0,
        fill: Fill = 0.0,
        whole: bool = False,
        p: float = 1.0,
    ) -> None:
        self.shift, self.rotate, self.scale, self.shear = shift, rotate, scale, shear
        self.fill, self.whole, self.p = check_fill(fill), whole, probability(p)
        sides = shift if isinstance(shift, (tuple, list)) else (shift, shift)
        if len(sides) != 2:
            raise OptionError(f"shift must be a number, or a pair (rows, columns), not {shift!r}")
        self._shifts = [checks.at_least_zero("shift", side) for side in sides]
        self._angles, self._leans = _range("rotate", rotate), _range("shear", shear)
        self._scales = _range("scale", scale, around=1.0)
        if self._scales[0] <= 0:
            raise OptionError(f"scale must stay above 0, but {scale!r} goes from {self._scales[0]:g}")
        if max(map(abs, self._leans)) >= 90:
            raise OptionError(f"shear must stay between -90 and 90 degrees, not {shear!r}")

    def plan(self, size: tuple[int, int, int], chosen: Array, rng: np.random.Generator) -> Move:
        N, H, W = size
        shifts = [_draw((-side, side), N, rng) for side in self._shifts]
        angle, lean = (np.deg2rad(_draw(ends, N, rng)) for ends in (self._angles, self._leans))
        scale = _draw(self._scales, N, rng)
        if self.whole:
            shifts = [np.rint(value) for value in shifts]
        # rows and columns of the output are F (those of the input - centre) + centre + shift
        sin, cos, tan = np.sin(angle), np.cos(angle), np.tan(lean)
        forward = np.array([[cos - sin * tan, -sin], [sin + cos * tan, cos]]) * scale  # (2, 2, N)
        identity = np.broadcast_to(np.eye(2)[:, :, None], forward.shape)
        back = np.linalg.inv(np.where(chosen, forward, identity).transpose(2, 0, 1))  # (N, 2, 2)
        centre = np.array([(H - 1) / 2, (W - 1) / 2])
        moved = centre + np.where(chosen, np.stack(shifts), 0).T  # (N, 2)
        offset = centre - (back @ moved[:, :, None])[:, :, 0]  # (N, 2)
        a, b, c, d, e, f = (v.astype(np.float32)[:, None] for v in (*back.reshape(N, 4).T, *offset.T))  # (N, 1) each

        def move(part: slice, rows: Floats, columns: Floats) -> None:
            y = rows * a[part] + columns * b[part] + e[part]
            columns *= d[part]
            columns += rows * c[part] + f[part]
            rows[...] = y

        return move


class Shift(Affine):
    """Shift by at most `shift` pixels, up or down and left or right; see Affine."""

    def __init__(self, shift: Range = 2.0, fill: Fill = 0.0, whole: bool = False, p: float = 1.0) -> None:
        super().__init__(shift=shift, fill=fill, whole=whole, p=p)


class Rotate(Affine):
    """Rotate about the centre by at most `rotate` degrees; see Affine."""

    def __init__(self, rotate: Range = 10.0, fill: Fill = 0.0, p: float = 1.0) -> None:
        super().__init__(rotate=rotate, fill=fill, p=p)


class Scale(Affine):
    """Zoom by 1 - scale to 1 + scale, about the centre; see Affine."""

    def __init__(self, scale: Range = 0.1, fill: Fill = 0.0, p: float = 1.0) -> None:
        super().__init__(scale=scale, fill=fill, p=p)


class Shear(Affine):
    """Lean by at most `shear` degrees; see Affine."""

    def __init__(self, shear: Range = 10.0, fill: Fill = 0.0, p: float = 1.0) -> None:
        super().__init__(shear=shear, fill=fill, p=p)


def probability(p: Any) -> float:
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise OptionError(f"p must be a probability, from 0 to 1, not {p!r}")
    return float(p)


def check_fill(fill: Any) -> Fill:
    if isinstance(fill, str) and fill == "edge":
        return "edge"
    if isinstance(fill, bool) or not isinstance(fill, (int, float, np.integer, np.floating)) or not math.isfinite(fill):
        raise OptionError(f'fill must be a finite number or "edge", not {fill!r}')
    return float(fill)


def _range(name: str, value: Any, around: float = 0.0) -> tuple[float, float]:
    if isinstance(value, (tuple, list)):
        ends = tuple(value)
    else:
        width = checks.at_least_zero(name, value)
        ends = (around - width, around + width)
    if len(ends) != 2 or not all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends):
        raise OptionError(f"{name} must be a number, or a pair of finite numbers, not {value!r}")
    if ends[0] > ends[1]:
        raise OptionError(f"{name} must be a pair (from, to), the smaller first, not {value!r}")
    return float(ends[0]), float(ends[1])


def _draw(ends: tuple[float, float], N: int, rng: np.random.Generator) -> Array:
    """(N,); drawn also where the range is a point, so that settings do not change what is drawn after them."""
    return rng.random(N) * (ends[1] - ends[0]) + ends[0]
