"""Activations on a CPU: the formulas of the reference, band by band on all threads."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.activation import pick, relu
from xpnet.backend.cpu.layouts import empty_in_axes, flat_in_axes, memory_axes
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles, scratch
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.like import converted
from xpnet.backend.reference import Array, Backend
from xpnet.backend.reference.elementwise import FAR, FORMULAS, Formula

Back = Callable[[Array], Array]
BAND = 1 << 15  # entries that are passed over several times: with what is made of them, they stay in the cache


class CpuElementwise(Backend):
    def activate(self, y: Array, activation: str | None) -> Array:
        if activation != "relu" or y.size <= LEAST:
            return super().activate(y, activation)
        axes = memory_axes(y)
        z = empty_in_axes(y, axes)
        flat, out = flat_in_axes(y, axes), flat_in_axes(z, axes)
        run_tiles(lambda a, e: relu(flat[a:e], out[a:e]), cut_bands(y.size, LEAST), blas=False)
        return z

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        if activation != "relu":
            return dy
        if y.size <= LEAST:
            return pick(dy, y > 0)
        axes = memory_axes(y)  # dy may lie otherwise, such as what was broadcast
        dx = empty_in_axes(y, axes)
        out, dout, flat = (flat_in_axes(each, axes) for each in (dx, dy, y))
        bands = cut_bands(y.size, LEAST)
        run_tiles(lambda a, e: pick(dout[a:e], flat[a:e] > 0, out[a:e]), bands, blas=False)
        return dx

    def add_relu(self, x: Array, y: Array) -> Array:
        axes = memory_axes(x)
        z = empty_in_axes(x, axes)
        out, first, second = (flat_in_axes(each, axes) for each in (z, x, y))

        def work(i0: int, i1: int) -> None:
            part = np.add(first[i0:i1], second[i0:i1], out=out[i0:i1])
            relu(part, part)

        run_tiles(work, cut_bands(x.size, BAND), blas=False, alone=x.size <= LEAST)
        return z

    def activation(self, x: Array, name: str, *constants: float) -> tuple[Array, Back]:
        if name == "gelu_tanh" and x.dtype == np.float32:
            return gelu_tanh(x)
        formula = FEW_PASSES.get(name, FORMULAS[name]) if x.dtype == np.float32 else FORMULAS[name]
        if x.size <= LEAST:
            return formula(np, x, *constants)
        axes = memory_axes(x)
        flat, y = flat_in_axes(x, axes), empty_in_axes(x, axes)
        out, bands, backs = flat_in_axes(y, axes), cut_bands(x.size, LEAST), {}

        def work(i0: int, i1: int) -> None:
            out[i0:i1], backs[i0] = formula(np, flat[i0:i1], *constants)

        run_tiles(work, bands, blas=False)

        def back(dy: Array) -> Array:
            dout, dx = flat_in_axes(dy, axes), empty_in_axes(x, axes)
            out = flat_in_axes(dx, axes)

            def work(i0: int, i1: int) -> None:
                out[i0:i1] = backs[i0](dout[i0:i1])

            run_tiles(work, bands, blas=False)
            return dx

        return y, back


# 1 - P(a) = exp(-a^2 / 2) TAIL(1 / (1 + NEARNESS a)) for a >= 0, to 1e-8: fitted by least squares with weights, for
# float32. It is of the form 26.2.17 in Abramowitz and Stegun, "Handbook of mathematical functions" (1964).
NEARNESS = 0.28
TAIL = (-0.1063299624579415, 0.3920729213347626, -0.24067928737150587, 0.2719804785785238, 0.06622616327814063,
        0.11672967554993026)  # fmt: skip


def gelu(xp: Any, x: Array) -> tuple[Array, Back]:
    """x P(x) of float32, and the way back: max(x, 0) - |x| (1 - P(|x|)), which is exact far below zero, too."""
    near = np.abs(x)
    np.minimum(near, 20, out=near)  # beyond, the tail is 0; squares stay finite
    t = near * NEARNESS
    t += 1
    np.reciprocal(t, out=t)
    tail = t * TAIL[0]
    for coefficient in TAIL[1:]:
        tail += coefficient
        tail *= t
    bell = near * near
    bell *= -0.5
    np.exp(bell, out=bell)
    tail *= bell
    near *= tail
    y = np.maximum(x, 0, out=t)
    y -= near

    def back(dy: Array) -> Array:
        slope = np.clip(x, -20, 20)
        slope *= 1 / math.sqrt(2 * math.pi)
        slope *= bell
        slope += ~np.signbit(x)  # as `copysign` has it, so that 0 belongs to one side
        slope -= np.copysign(tail, x)
        slope *= dy
        return slope

    return y, back


# Of the formulas below nothing but x is kept; slopes are made of their bits, for which whole numbers suffice: float32
# times bool takes four times as long.
ONE_BITS = int(np.float32(1).view(np.int32))


def leaky_relu(xp: Any, x: Array, negative_slope: float) -> tuple[Array, Back]:
    """As the reference's, of float32."""
    back = leaky_relu_back(x, negative_slope)
    return back(x), back


def leaky_relu_back(x: Array, negative_slope: float) -> Back:
    below = int(np.float32(negative_slope).view(np.int32))

    def back(dy: Array) -> Array:
        slope = np.multiply(x > 0, np.int32(ONE_BITS - below))
        slope += np.int32(below)
        return _times(dy, slope)

    return back


def hard_tanh(xp: Any, x: Array, low: float, high: float) -> tuple[Array, Back]:
    """As the reference's, of float32."""
    return np.clip(x, low, high), hard_tanh_back(x, low, high)


def hard_tanh_back(x: Array, low: float, high: float) -> Back:
    def back(dy: Array) -> Array:
        chosen = x > low
        chosen &= x < high
        return _times(dy, np.multiply(chosen, np.int32(ONE_BITS)))

    return back


def pass_on(dy: Array, y: Array, below: float, above: float) -> Array:
    """dy times the slope of what `batch_norm_then` ends with, of float32, told from what came of it."""
    axes = memory_axes(y)
    flat, dout, dx = flat_in_axes(y, axes), flat_in_axes(dy, axes), empty_in_axes(y, axes)
    out = flat_in_axes(dx, axes)

    def work(i0: int, i1: int) -> None:
        if above < math.inf:
            out[i0:i1] = hard_tanh_back(flat[i0:i1], 0.0, above)(dout[i0:i1])
        elif below:
            out[i0:i1] = leaky_relu_back(flat[i0:i1], below)(dout[i0:i1])
        else:
            pick(dout[i0:i1], flat[i0:i1] > 0, out[i0:i1])

    run_tiles(work, cut_bands(y.size, LEAST), blas=False)
    return dx


def _times(a: Array, slope: Array) -> Array:
    """a times the numbers whose bits are given, into which it is written if they are of its kind."""
    slopes = slope.view(np.float32)
    return np.multiply(a, slopes, out=slopes if a.dtype == slopes.dtype else None)


FEW_PASSES: dict[str, Formula] = {"gelu": gelu, "leaky_relu": leaky_relu, "hard_tanh": hard_tanh}


def gelu_tanh(x: Array) -> tuple[Array, Back]:
    """x s of float32, and the way back; s = (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), which is kept.

    The slope is s (1 + 2 (1 - s) x u').
    """
    axes, bands = memory_axes(x), cut_bands(x.size, BAND)
    flat, y, s = flat_in_axes(x, axes), empty_in_axes(x, axes), pool.empty((x.size,), x.dtype)
    out, few, factor = flat_in_axes(y, axes), x.size <= LEAST, math.sqrt(2 / math.pi)

    def work(i0: int, i1: int) -> None:
        above, part, near = np.maximum(flat[i0:i1], -FAR, out=out[i0:i1]), s[i0:i1], scratch(i1 - i0, x.dtype)
        np.minimum(above, FAR, out=near)
        np.square(near, out=part)
        part *= 0.044715 * factor
        part += factor
        part *= near
        np.tanh(part, out=part)
        part += 1
        part *= 0.5
        above *= part

    def back(dy: Array) -> Array:
        dy = converted(dy, x.dtype)
        dy = dy if dy.shape == x.shape else np.broadcast_to(dy, x.shape)
        dout, dx = flat_in_axes(dy, axes), empty_in_axes(x, axes)
        dflat = flat_in_axes(dx, axes)

        def work(i0: int, i1: int) -> None:
            slope, near, part = dflat[i0:i1], scratch(i1 - i0, x.dtype), s[i0:i1]
            np.clip(flat[i0:i1], -FAR, FAR, out=near)
            np.square(near, out=slope)
            slope *= 6 * 0.044715 * factor
            slope += 2 * factor
            slope *= near
            slope *= np.subtract(1, part, out=near)
            slope += 1
            slope *= part
            slope *= dout[i0:i1]

        run_tiles(work, bands, blas=False, alone=few)
        return dx

    run_tiles(work, bands, blas=False, alone=few)
    return y, back
