"""Activations on a CPU: the formulas of the reference, band by band on all threads."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.activation import pick
from xpnet.backend.cpu.layouts import empty_in_axes, flat_in_axes, memory_axes
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.reference import Array, Backend
from xpnet.backend.reference.elementwise import FORMULAS

Back = Callable[[Array], Array]


class CpuElementwise(Backend):
    def activate(self, y: Array, activation: str | None) -> Array:
        if activation != "relu" or y.size <= LEAST:
            return super().activate(y, activation)
        axes = memory_axes(y)
        z = empty_in_axes(y, axes)
        flat, out = flat_in_axes(y, axes), flat_in_axes(z, axes)
        run_tiles(lambda a, e: np.maximum(flat[a:e], 0, out=out[a:e]), cut_bands(y.size, LEAST), blas=False)
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

    def activation(self, x: Array, name: str, *constants: float) -> tuple[Array, Back]:
        formula = gelu if name == "gelu" and x.dtype == np.float32 else FORMULAS[name]
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
