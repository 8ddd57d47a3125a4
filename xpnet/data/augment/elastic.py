"""Elastic distortion."""

import math

import numpy as np

from xpnet.base import checks
from xpnet.data.augment.base import Array, Fill, Warp
from xpnet.data.augment.interpolation import Floats, Move
from xpnet.data.augment.warps import check_fill, probability


class Elastic(Warp):
    """Every pixel is moved by a smooth random field, as if the paper were rubber.

    y[i, j] = x[i + dy[i, j], j + dx[i, j]], where dy and dx are noise from -1 to 1, smoothed by a Gaussian of `sigma`
    pixels (cut off at 3 sigma; outside of the image the noise is 0) and multiplied by `alpha`. Large sigma is gentle,
    large alpha strong; the defaults are the paper's for digits of 28 x 28.

    Raises OptionError unless alpha is at least 0 and sigma positive.
    Source: P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", 2003.
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, fill: Fill = 0.0, p: float = 1.0) -> None:
        self.alpha, self.sigma = checks.at_least_zero("alpha", alpha), checks.positive("sigma", sigma)
        self.fill, self.p = check_fill(fill), probability(p)

    def plan(self, size: tuple[int, int, int], chosen: Array, rng: np.random.Generator) -> Move:
        _, H, W = size
        taps = np.exp(-(np.arange(math.ceil(3 * self.sigma) + 1) ** 2) / (2 * self.sigma**2))
        taps = (taps / (2 * taps.sum() - taps[0])).astype(np.float32)  # both sides, and the middle once, add up to 1
        strength = (self.alpha * chosen).astype(np.float32)[:, None]

        def move(part: slice, rows: Floats, columns: Floats) -> None:
            n = len(rows)
            # samples go innermost: then each step of the convolution is one run through memory
            noise = rng.random((W, H * 2 * n), np.float32)
            noise *= 2
            noise -= 1
            noise = _smoothed(noise, taps).reshape(W, H, 2 * n).transpose(1, 0, 2).reshape(H, W * 2 * n)
            field = np.ascontiguousarray(_smoothed(noise, taps).reshape(H * W, 2 * n).T)  # (2n, H * W)
            rows += field[:n] * strength[part]
            columns += field[n:] * strength[part]

        return move


def _smoothed(a: Floats, taps: Floats) -> Floats:
    """a, (L, M), convolved with taps[|k|] along its first axis; zeros lie outside."""
    y: Floats = a * taps[0]
    scaled = np.empty_like(a)
    for k in range(1, min(len(taps), len(a))):
        np.multiply(a, taps[k], out=scaled)
        y[k:] += scaled[:-k]
        y[:-k] += scaled[k:]
    return y
