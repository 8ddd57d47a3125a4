"""Transposed convolutions in a compiled plan: for each phase of the stride a convolution of its own, without zeros
between the pixels, by those taps of the kernel that lead there; its pixels are then spread over the output.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from xpnet.backend.jit import steps
from xpnet.backend.jit.buffers import Buffer, View, buffers_of, full, together
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.program import opened, operation, run
from xpnet.backend.jit.rows import many_products
from xpnet.backend.jit.tiles import CHANNELS, PIXELS, words
from xpnet.backend.window import Window

TOGETHER = 8  # outputs whose kernels are turned together: reading goes along memory, and each has a line to write to
MOST = max(CHANNELS)


class Phase(NamedTuple):
    """Of one axis: the places first, first + stride, ... of the output, and from where they come."""

    first: int
    places: int  # how many
    taps: list[tuple[int, int]]  # of the kernel, and which place of the input it meets for the first of the output


def phases_of(size: int, stride: int, dilation: int, kernel: int, before: int) -> list[Phase]:
    """y[i * stride + m * dilation - before] has w[m] x[i]; `size` is that of the output."""
    found = []
    for first in range(min(stride, size)):
        taps = [m for m in range(kernel) if (first + before - m * dilation) % stride == 0]
        places = [(m, (first + before - m * dilation) // stride) for m in taps]
        found.append(Phase(first, len(range(first, size, stride)), places))
    return found


def margins(phases: list[Phase], size: int) -> tuple[int, int]:
    """How many zeros the input needs on both sides."""
    met = [(start, start + phase.places) for phase in phases for _, start in phase.taps]
    return max(0, 0, *(-first for first, _ in met)), max(0, 0, *(last - size for _, last in met))


def conv2d_transposed(
    planner: Any, at: int, x: Any, w: Any, b: Any, window: Window, size: tuple[int, int], groups: int = 1,
    activation: Any = None,
) -> None:  # fmt: skip
    view = planner.value(x)
    norm, relu, number = planner.take_over(at, activation)
    weights = planner.array(w)
    (C, OG, KH, KW), (_, H, W) = weights.shape, view.shape
    O, CG = OG * groups, C // groups
    if (
        (H, W, *size, groups) == (1, 1, KH, KW, 1)
        and OG * KH * KW % LANES == 0
        and window == Window(window.kernel, window.stride)
    ):
        return from_pixel(planner, planner.compact(view, x), weights, planner.affine(b, O, norm), relu, number)
    affine = planner.affine(b, O, norm)
    planner.work, planner.once = planner.work + weights.size * H * W, planner.once + weights.size
    given = zip(size, window.stride, window.dilation, window.kernel, (pads[0] for pads in window.padding), strict=True)
    vertical, horizontal = (phases_of(*each) for each in given)
    (top, bottom), (left, right) = pads = margins(vertical, H), margins(horizontal, W)
    padded, cs, rs, _ = planner.taps(view, Window(padding=pads), (H + top + bottom, W + left + right))

    pairs = list(itertools.product(vertical, horizontal))
    turned, at_weight = Buffer(weights.size, own=False), 0
    planner.first(turn, turned, weights.ctypes.data, groups, CG, OG, KH * KW, planner.constant(_kernels(pairs, KW)))
    out = full(Buffer(O * math.prod(size)), (O, *size))
    for rows, columns in pairs:
        places = np.array([(top + i) * rs + left + j for _, i in rows.taps for _, j in columns.taps], np.int64)
        K, vectors = CG * places.size, -(-((rows.places - 1) * rs + columns.places) // LANES)
        offsets = (np.arange(CG)[:, None] * cs + places).reshape(-1) * BYTES
        largest = next(each for each in CHANNELS if each <= OG)
        part = View(Buffer(O * vectors * LANES), (O, rows.places, columns.places), vectors * LANES, rs)
        planner.add(
            steps.convolution, padded, part.buffer, (turned, at_weight), *affine, relu, planner.constant(offsets), K,
            groups, OG, CG * cs * BYTES, part.cs * BYTES, vectors, PIXELS[largest], together(largest, K), 1,
            others=(turned, *buffers_of(affine)),
        )  # fmt: skip
        at_weight += O * K
        if window.stride == (1, 1):
            planner.values[number] = part
            return
        distances = part.cs * BYTES, rs * BYTES, math.prod(size) * BYTES, window.stride[0] * size[1] * BYTES
        start = (rows.first * size[1] + columns.first) * BYTES
        planner.add(
            spread, part.buffer, out.buffer, *part.shape, *distances, window.stride[1], first=start
        )  # fmt: skip
    planner.values[number] = out


def from_pixel(planner: Any, view: View, weights: Any, affine: tuple[Any, ...], relu: int, number: int) -> None:
    """Of an image of one pixel: each channel's kernel that many times, added up; then the bias, or what is behind."""
    C, *shape = weights.shape
    size, whole = math.prod(shape), full(Buffer(math.prod(shape)), tuple(shape))
    places = planner.constant(np.arange(C, dtype=np.int64) * (size * BYTES))
    ones = planner.constant(np.repeat(np.array([1, 0], np.float32), MOST))
    rest = weights.ctypes.data, places, C, size // LANES, ones
    planner.work += weights.size
    planner.add(project, view.buffer, whole.buffer, *rest, each=False)
    out = planner.values[number] = full(Buffer(size), tuple(shape))
    rest = shape[0], *affine, size // shape[0], relu
    planner.add(steps.scale_channels, whole.buffer, out.buffer, *rest, others=buffers_of(affine))


def _kernels(pairs: list[tuple[Phase, Phase]], KW: int) -> Any:
    """Of each phase how many taps, and which."""
    found = []
    for rows, columns in pairs:
        taps = [m * KW + n for m, _ in rows.taps for n, _ in columns.taps]
        found += [len(taps), *taps]
    return np.array([len(pairs), *found], np.int64)


@operation()
def turn(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """Kernels of the phases, each (O, C, taps): 7 weights, 8 groups, 9 channels, 10 outputs, 11 taps, 12 which."""
    r, _, y = opened(row, arena, inputs, outputs, i)
    G, C, O, taps = r[8], r[9], r[10], r[11]
    w, phases, at = run(r[7], G * C * O * taps), carray(words(r[12]), (1,))[0], 1
    for _ in range(phases):
        count = carray(words(r[12]), (at + 1,))[at]
        which = carray(words(r[12] + (at + 1) * 8), (count,))
        for g in range(G):
            for first in range(0, O, TOGETHER):
                for c in range(C):
                    for o in range(first, min(first + TOGETHER, O)):
                        out, start = run(y + ((g * O + o) * C + c) * count * BYTES, count), ((g * C + c) * O + o) * taps
                        for k in range(count):
                            out[k] = w[start + which[k]]
        y += G * O * C * count * BYTES
        at += 1 + count


@operation()
def project(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """y[p] = sum over c of w[c, p] x[c]: 7 weights, 8 their rows, 9 how many, 10 vectors of one, 11 ones and zeros."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    many_products(x, r[3], end - i, r[7], r[8], r[9], y, r[6], r[10], r[11], r[11] + MOST * BYTES)


@operation()
def spread(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 channels, 8 H, 9 W, 10 cs, 11 rs, 12 cs and 13 rs of y, 14 how far its columns are apart."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    H, W, SW = r[8], r[9], r[14]
    for c in range(r[7]):
        for h in range(H):
            pixels, out = run(x + c * r[10] + h * r[11], W), run(y + c * r[12] + h * r[13], (W - 1) * SW + 1)
            if SW == 2:
                for j in range(W):
                    out[2 * j] = pixels[j]
            else:
                for j in range(W):
                    out[j * SW] = pixels[j]
