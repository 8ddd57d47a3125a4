"""Activations of float32 with Numba: value and slope of one number, and the loop over many, in vector registers.

They are those that transformers and image networks have behind many a layer; the others are NumPy's. Nothing but x is
kept for the way back (of ReLU y, which its layer has): to compute again takes no longer than to read what was kept. A
NaN stays one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.elementwise import NEARNESS, TAIL
from xpnet.backend.cpu.layouts import empty_in_axes, flat_in_axes, memory_axes
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.jit.cells import HALF, NOTHING, ONE
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.work import ENTRIES, count_units, cut_ranges
from xpnet.backend.like import converted

Array = Any
fast = compiled(error_model="numpy", fastmath={"contract"})

LOWEST = np.float32(-88)  # exp of it is below what is not subnormal: 0
LOG2E, HIGH, LOW = np.float32(math.log2(math.e)), np.float32(0.693359375), np.float32(-2.12194440e-4)
# exp(r) for |r| <= log(2) / 2, as in S. L. Moshier's Cephes library (1984).
E0, E1, E2, E3, E4 = map(
    np.float32, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1)
)
NEAR, FAR = np.float32(NEARNESS), np.float32(20)  # beyond FAR a bell curve and its tail are 0
T0, T1, T2, T3, T4, T5 = map(np.float32, TAIL)
BELL = np.float32(1 / math.sqrt(2 * math.pi))
TWICE, CUBE, THRICE = map(np.float32, (2 * math.sqrt(2 / math.pi), 0.044715, 3 * 0.044715))


@fast
def exp(x):  # type: ignore[no-untyped-def]
    """For x <= 0: 2^k exp(r), to two units in the last place."""
    x = x if x > LOWEST else LOWEST
    k = np.floor(x * LOG2E + HALF)
    r = x - k * HIGH - k * LOW
    p = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + HALF
    power = np.int32((np.int32(k) + np.int32(127)) << np.int32(23))  # the bits of 2^k
    return (p * r * r + r + ONE) * power.view(np.float32)


@fast
def tail_of(size):  # type: ignore[no-untyped-def]
    """(1 - P(size)), and exp(-size^2 / 2): see cpu/elementwise.py."""
    t = ONE / (ONE + NEAR * size)
    bell = exp(-HALF * size * size)
    return (((((T0 * t + T1) * t + T2) * t + T3) * t + T4) * t + T5) * t * bell, bell


@fast
def gelu(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    size = size if size < FAR else FAR
    tail, _ = tail_of(size)
    return (NOTHING if x <= NOTHING else x) - size * tail


@fast
def gelu_slope(x):  # type: ignore[no-untyped-def]
    near = -FAR if x < -FAR else FAR if x > FAR else x
    tail, bell = tail_of(abs(near))
    return (ONE - tail if x > NOTHING else tail) + near * bell * BELL


@fast
def sigmoid(x):  # type: ignore[no-untyped-def]
    e = exp(-abs(x))
    return (e if x < NOTHING else ONE) / (ONE + e)


@fast
def silu(x):  # type: ignore[no-untyped-def]
    return (LOWEST if x < LOWEST else x) * sigmoid(x)


@fast
def silu_slope(x):  # type: ignore[no-untyped-def]
    s, near = sigmoid(x), LOWEST if x < LOWEST else -LOWEST if x > -LOWEST else x
    return s * (ONE + near * (ONE - s))


@fast
def gelu_tanh(x):  # type: ignore[no-untyped-def]
    near = -FAR if x < -FAR else FAR if x > FAR else x
    return (-FAR if x < -FAR else x) * sigmoid(TWICE * near * (ONE + CUBE * near * near))


@fast
def gelu_tanh_slope(x):  # type: ignore[no-untyped-def]
    near = -FAR if x < -FAR else FAR if x > FAR else x
    square = near * near
    z = TWICE * near * (ONE + CUBE * square)
    e = exp(-abs(z))
    large = ONE / (ONE + e)
    small = e * large  # s and 1 - s, neither of which is a difference
    s, rest = (small, large) if z < NOTHING else (large, small)
    return s * (ONE + rest * TWICE * near * (ONE + THRICE * square))


# ---- over many: y = value(x), and dx = dy slope(x), of arrays of one axis -------------------------------------------
# Each loop stands for itself: what closes over a compiled function is not found again in the cache on the disk.


@fast
def gelu_all(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = gelu(x[i])


@fast
def gelu_back(dy, x, dx):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        dx[i] = dy[i] * gelu_slope(x[i])


@fast
def gelu_tanh_all(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = gelu_tanh(x[i])


@fast
def gelu_tanh_back(dy, x, dx):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        dx[i] = dy[i] * gelu_tanh_slope(x[i])


@fast
def silu_all(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = silu(x[i])


@fast
def silu_back(dy, x, dx):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        dx[i] = dy[i] * silu_slope(x[i])


@fast
def leaky_relu_all(x, y, negative_slope):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = x[i] * (ONE if x[i] > NOTHING else negative_slope)


@fast
def leaky_relu_back(dy, x, dx, negative_slope):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        dx[i] = dy[i] * (ONE if x[i] > NOTHING else negative_slope)


@fast
def hard_tanh_all(x, y, low, high):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = low if x[i] < low else high if x[i] > high else x[i]


@fast
def hard_tanh_back(dy, x, dx, low, high):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        dx[i] = dy[i] * (ONE if low < x[i] < high else NOTHING)


@fast
def relu_back(dy, y, dx):  # type: ignore[no-untyped-def]
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > NOTHING else NOTHING


@fast
def add_relu_all(x, y, z):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        total = x[i] + y[i]
        z[i] = NOTHING if total <= NOTHING else total


LOOPS: dict[str, tuple[Callable[..., None], Callable[..., None]]] = {
    "gelu": (gelu_all, gelu_back), "gelu_tanh": (gelu_tanh_all, gelu_tanh_back), "silu": (silu_all, silu_back),
    "leaky_relu": (leaky_relu_all, leaky_relu_back), "hard_tanh": (hard_tanh_all, hard_tanh_back),
}  # fmt: skip


def activation(x: Array, name: str, *constants: float) -> tuple[Array, Callable[[Array], Array]]:
    """y and the way back, in the order of memory that x has."""
    axes, (forward, backward), own = memory_axes(x), LOOPS[name], [*map(np.float32, constants)]
    flat, y = flat_in_axes(x, axes), empty_in_axes(x, axes)
    bands, out = cut_ranges(x.size, count_units(x.size, ENTRIES)), flat_in_axes(y, axes)
    run_tiles(lambda i0, i1: forward(flat[i0:i1], out[i0:i1], *own), bands, blas=False)

    def back(dy: Array) -> Array:
        dy = converted(dy, x.dtype)
        dy = dy if dy.shape == x.shape else np.broadcast_to(dy, x.shape)  # the kernel reads as many as x has
        dout, dx = flat_in_axes(dy, axes), empty_in_axes(x, axes)
        out = flat_in_axes(dx, axes)
        run_tiles(lambda i0, i1: backward(dout[i0:i1], flat[i0:i1], out[i0:i1], *own), bands, blas=False)
        return dx

    return y, back


def add_relu(x: Array, y: Array) -> Array:
    """max(x + y, 0), in the order of memory that x has."""
    axes = memory_axes(x)
    z = empty_in_axes(x, axes)
    out, first, second = (flat_in_axes(each, axes) for each in (z, x, y))
    bands = cut_ranges(x.size, count_units(x.size, ENTRIES))
    run_tiles(lambda i0, i1: add_relu_all(first[i0:i1], second[i0:i1], out[i0:i1]), bands, blas=False)
    return z


def relu_backward(dy: Array, y: Array) -> Array:
    """dy where y > 0, else 0, in the order of memory that y has."""
    axes = memory_axes(y)
    dx = empty_in_axes(y, axes)
    out, dout, flat = (flat_in_axes(each, axes) for each in (dx, dy, y))
    bands = cut_ranges(y.size, count_units(y.size, ENTRIES))
    run_tiles(lambda i0, i1: relu_back(dout[i0:i1], flat[i0:i1], out[i0:i1]), bands, blas=False)
    return dx
