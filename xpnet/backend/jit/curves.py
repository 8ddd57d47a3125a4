"""Activations in inference, compiled: the formulas of reference/elementwise.py. A NaN stays one."""

import functools
import math
from typing import Any

import numpy as np

from xpnet.backend.jit.compiled import callback
from xpnet.backend.jit.elementwise import exp, fast, gelu, sigmoid, silu
from xpnet.backend.jit.program import SIGNATURE, number, opened, run

NAMES = (
    "relu", "leaky_relu", "elu", "hard_tanh", "softplus", "gelu", "gelu_tanh", "silu", "mish", "hard_swish", "sigmoid",
    "log_sigmoid", "tanh", "softsign", "hard_sigmoid",
)  # fmt: skip
(
    RELU, LEAKY_RELU, ELU, HARD_TANH, SOFTPLUS, GELU, GELU_TANH, SILU, MISH, HARD_SWISH, SIGMOID,
    LOG_SIGMOID, TANH, SOFTSIGN, _,
) = range(len(NAMES))  # fmt: skip

ZERO, ONE, HALF, TWO, SIX = map(np.float32, (0, 1, 0.5, 2, 6))
FARTHER, FARTHEST, THREE = map(np.float32, (1000, 1e30, 3))
BEND, ROOT = np.float32(0.044715), np.float32(math.sqrt(2 / math.pi))
STEEP, FLAT = np.float32(0.625), np.float32(9)  # tanh: a polynomial up to the one, 1 from the other on
# tanh(x) = x + x^3 P(x^2), as in S. L. Moshier's Cephes library (1984).
P0, P1, P2, P3, P4 = map(
    np.float32, (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)


@fast
def clip(x, low, high):  # type: ignore[no-untyped-def]
    return low if x < low else high if x > high else x


@fast
def tanh(x):  # type: ignore[no-untyped-def]
    size, square = abs(x), x * x
    near = ((((P0 * square + P1) * square + P2) * square + P3) * square + P4) * square * x + x
    e = exp(-TWO * (size if size < FLAT else FLAT))
    far = (ONE - e) / (ONE + e)
    return (far if x > ZERO else -far) if size > STEEP else near


@fast
def below_one(x):  # type: ignore[no-untyped-def]
    """tanh(log(1 + exp(x)))."""
    p, n = exp(x if x < ZERO else ZERO), exp(-x if x > ZERO else ZERO)
    above = p * (p + TWO * n)
    return above / (above + TWO * n * n)


@fast
def value(which, x, a, b, c):  # type: ignore[no-untyped-def]
    """y of one number; what is not `which` is left out of the code."""
    below, above = (ZERO if x > ZERO else x), (ZERO if x < ZERO else x)
    if which == RELU:
        return above
    if which == LEAKY_RELU:
        return x * (ONE if x > ZERO else a)
    if which == ELU:
        return b * above + b * a * math.expm1(c * below)
    if which == HARD_TANH:
        return clip(x, a, b)
    if which == SOFTPLUS:
        z = a * x
        return x if z > b else ((ZERO if z < ZERO else z) + math.log1p(math.exp(-abs(z)))) / a
    if which == GELU:
        return gelu(x)
    if which == GELU_TANH:
        near = clip(x, -FLAT, FLAT)
        return (-FLAT if x < -FLAT else x) * (HALF * (ONE + tanh(ROOT * near * (ONE + BEND * near * near))))
    if which == SILU:
        return silu(x)
    if which == MISH:
        return (-FARTHER if x < -FARTHER else x) * below_one(x)
    if which == HARD_SWISH:
        return (-THREE if x < -THREE else x) * clip(x / SIX + HALF, ZERO, ONE)
    if which == SIGMOID:
        return sigmoid(x) if x == x else x
    if which == LOG_SIGMOID:
        return below - math.log1p(math.exp(-abs(x)))
    if which == TANH:
        return a * tanh(b * x)
    if which == SOFTSIGN:
        near = clip(x, -FARTHEST, FARTHEST)
        return near / (ONE + abs(near))
    return clip(x / SIX + HALF, ZERO, ONE)  # hard_sigmoid


@functools.cache
def activation(which: int) -> Any:
    """Compiled for each by itself, so that its loop runs in vector registers: 7 entries, 8 ... 10 constants."""

    @callback(SIGNATURE, error_model="numpy", fastmath={"contract"})
    def loop(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
        r, source, out = opened(row, arena, inputs, outputs, i)
        count, a, b, c = r[7], number(r[8]), number(r[9]), number(r[10])
        x, y = run(source, count), run(out, count)
        for k in range(count):
            y[k] = value(which, x[k], a, b, c)

    return loop
