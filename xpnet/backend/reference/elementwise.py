"""Activations of each entry by itself: what each computes, and its way back, side by side.

A formula takes the namespace, x and its constants, and returns y and `back`, which takes dy and returns dx. None
overflows, whatever x is: exp is taken of what is not above zero, and a square of what is clipped first. What becomes
constant far away is that at infinity, too: x is clipped where the factor beside it is 0 from there on. Where the sign
decides, `step` does, and max(x, 0) and min(x, 0): to choose entry by entry takes a processor ten times as long.
"""

import math
from collections.abc import Callable
from typing import Any

from xpnet.backend.reference.arrays import Array, Arrays
from xpnet.backend.reference.erf import erf

Back = Callable[[Array], Array]
Formula = Callable[..., tuple[Array, Back]]

FAR = 40.0  # exp(-FAR**2 / 2) and 1 - tanh(FAR) are 0: a bell curve and its slope are too, from there on
FARTHER = 1000.0  # exp(-FARTHER) is 0
FARTHEST = 1e30  # 1 + FARTHEST is FARTHEST, also in float64


def step(xp: Any, x: Array) -> Array:
    """1 where x > 0, else 0."""
    return xp.astype(x > 0, x.dtype)


def inside(xp: Any, x: Array, low: float, high: float) -> Array:
    """1 where low < x < high, else 0."""
    return xp.astype((x > low) & (x < high), x.dtype)


def exp_ratio(xp: Any, x: Array) -> tuple[Array, Array]:
    """p and n, neither above 1, with p / n = exp(x)."""
    return xp.exp(xp.minimum(x, 0.0)), xp.exp(-xp.maximum(x, 0.0))


def leaky_relu(xp: Any, x: Array, negative_slope: float) -> tuple[Array, Back]:
    """y = x where x > 0, else negative_slope x."""
    above = step(xp, x)
    slope = above + negative_slope * (1 - above)
    return x * slope, lambda dy: dy * slope


def elu(xp: Any, x: Array, alpha: float, scale: float, rate: float) -> tuple[Array, Back]:
    """y = scale x where x > 0, else scale alpha (exp(rate x) - 1)."""
    below = (scale * alpha) * xp.expm1(rate * xp.minimum(x, 0.0))

    def back(dy: Array) -> Array:
        above = step(xp, x)
        return dy * (scale * above + (1 - above) * (rate * (below + scale * alpha)))

    return scale * xp.maximum(x, 0.0) + below, back


def hard_tanh(xp: Any, x: Array, low: float, high: float) -> tuple[Array, Back]:
    """y = x from low to high, else the nearer of the two."""
    return xp.clip(x, low, high), lambda dy: dy * inside(xp, x, low, high)


def softplus(xp: Any, x: Array, beta: float, threshold: float) -> tuple[Array, Back]:
    """y = log(1 + exp(beta x)) / beta, and x itself where beta x > threshold."""
    z = beta * x
    linear = z > threshold
    y = (xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta

    def back(dy: Array) -> Array:
        p, n = exp_ratio(xp, z)
        return xp.where(linear, dy, dy * (p / (p + n)))

    return xp.where(linear, x, y), back


def gelu(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x P(x), P the distribution function of the standard normal: (1 + erf(x / sqrt(2))) / 2."""
    below = 0.5 * (1 + erf(xp, x * math.sqrt(0.5)))

    def back(dy: Array) -> Array:
        near = xp.clip(x, -FAR, FAR)
        return dy * (below + near * (xp.exp(-0.5 * near * near) / math.sqrt(2 * math.pi)))

    return xp.maximum(x, -FAR) * below, back


def gelu_tanh(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    factor, near = math.sqrt(2 / math.pi), xp.clip(x, -FAR, FAR)
    square = near * near
    t = xp.tanh(factor * near * (1 + 0.044715 * square))

    def back(dy: Array) -> Array:
        slope = factor * near * (1 + 3 * 0.044715 * square)
        return dy * (0.5 * (1 + t) * (1 + (1 - t) * slope))

    return xp.maximum(x, -FAR) * (0.5 * (1 + t)), back


def silu(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x sigmoid(x)."""
    s, _ = sigmoid(xp, x)
    return xp.maximum(x, -FARTHER) * s, lambda dy: dy * (s * (1 + xp.clip(x, -FARTHER, FARTHER) * (1 - s)))


def mish(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x tanh(log(1 + exp(x))), which is x (e^2 + 2 e) / (e^2 + 2 e + 2) with e = exp(x)."""
    p, n = exp_ratio(xp, x)
    above = p * (p + 2 * n)
    t = above / (above + 2 * n * n)

    def back(dy: Array) -> Array:
        return dy * (t + xp.clip(x, -FARTHER, FARTHER) * (1 - t * t) * (p / (p + n)))

    return xp.maximum(x, -FARTHER) * t, back


def hard_swish(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x clip(x / 6 + 1 / 2, 0, 1)."""
    gate = xp.clip(x / 6 + 0.5, 0.0, 1.0)
    return xp.maximum(x, -3.0) * gate, lambda dy: dy * (gate + (gate - 0.5) * inside(xp, x, -3, 3))


def sigmoid(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = 1 / (1 + exp(-x))."""
    p, n = exp_ratio(xp, x)
    y = p / (p + n)
    return y, lambda dy: dy * (y * (1 - y))


def log_sigmoid(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = -log(1 + exp(-x))."""

    def back(dy: Array) -> Array:
        p, n = exp_ratio(xp, x)
        return dy * (n / (p + n))

    return xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x))), back


def tanh(xp: Any, x: Array, amplitude: float, slope: float) -> tuple[Array, Back]:
    """y = amplitude tanh(slope x)."""
    y = amplitude * xp.tanh(slope * x)
    return y, lambda dy: dy * (slope * (amplitude - y * y / amplitude))


def softsign(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = x / (1 + |x|)."""
    near = xp.clip(x, -FARTHEST, FARTHEST)
    share = 1 / (1 + xp.abs(near))
    return near * share, lambda dy: dy * (share * share)


def hard_sigmoid(xp: Any, x: Array) -> tuple[Array, Back]:
    """y = clip(x / 6 + 1 / 2, 0, 1)."""
    return xp.clip(x / 6 + 0.5, 0.0, 1.0), lambda dy: dy * (inside(xp, x, -3, 3) / 6)


FORMULAS: dict[str, Formula] = {
    formula.__name__: formula
    for formula in (
        leaky_relu,
        elu,
        hard_tanh,
        softplus,
        gelu,
        gelu_tanh,
        silu,
        mish,
        hard_swish,
        sigmoid,
        log_sigmoid,
        tanh,
        softsign,
        hard_sigmoid,
    )
}


class Elementwise(Arrays):
    def activation(self, x: Array, name: str, *constants: float) -> tuple[Array, Back]:
        """y and the way back of the activation with this name, whose formula takes these constants."""
        return FORMULAS[name](self.xp, x, *constants)

    def add_relu(self, x: Array, y: Array) -> Array:
        """max(x + y, 0)."""
        return self.xp.maximum(x + y, 0.0)
