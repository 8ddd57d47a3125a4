"""What transformers have besides dense layers, in a compiled plan: normalization of rows and groups, and attention."""

import math
from typing import Any

import numpy as np
from numba import carray

from xpnet.backend.jit.arranging import Lines, lines_of
from xpnet.backend.jit.buffers import Buffer, bits
from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.elementwise import exp
from xpnet.backend.jit.kernels import BYTES, LANES, ROWS
from xpnet.backend.jit.program import ARENA, number, opened, operation, run
from xpnet.backend.jit.tiles import CHANNELS, PIXELS, WIDEST, convolution_tile, copy_row, words

ZERO, ONE, LEAST = np.float32(0), np.float32(1), np.float32(-np.inf)
QUERIES = 32  # that meet the keys together
WIDTHS = tuple(PIXELS.values())  # vectors of a tile, by the place of its rows in CHANNELS


def group_norm(
    planner: Any, at: int, x: Any, groups: int, weight: Any, bias: Any, eps: Any, centred: bool = True
) -> None:
    view, rows = planner.compact(planner.whole(x), x), planner.rows_of[x.number]
    C, *others = planner.shapes[x.number][rows > 1 :]
    places = [planner.address(each, C) for each in (weight, bias)]
    ones = places[0] or planner.constant(np.ones(C, np.float32))
    zeros = places[1] or planner.constant(np.zeros(C, np.float32))
    rest = rows, groups, C // groups, math.prod(others), ones, zeros, bits(float(eps)), int(centred)
    planner.add(norm_groups, view.buffer, planner.like(at, view).buffer, *rest)


def attention(
    planner: Any, at: int, q: Any, k: Any, v: Any, bias: Any = None, real: Any = None, causal: bool = False,
    kept: Any = None,
) -> None:  # fmt: skip
    """Heads that lie side by side are read where they are, and what comes out is laid side by side."""
    if bias is not None or real is not None or kept is not None:
        planner.unknown()
    lines = [_readable(planner, each) for each in (q, k, v)]
    (H, T, D), (_, S, V) = lines[0].shape, lines[2].shape
    planner.work += H * T * S * (D + V)
    wide, wide_values = (-(-size // LANES) * LANES for size in (S, V))
    out, scratch = Buffer(H * T * V), Buffer(D * wide + QUERIES * (wide + wide_values))
    sizes = planner.constant(np.array([H, T, S, D, V, wide, wide_values, causal], np.int64))
    firsts = np.array([[each.first, *each.strides[:2]] for each in lines], np.int64) * BYTES
    offsets = np.concatenate([np.arange(D) * wide, np.arange(S) * lines[2].strides[1]]).astype(np.int64) * BYTES
    scales = np.repeat(np.array([1 / math.sqrt(D), 1, 0], np.float32), QUERIES)
    _, keys, values = (each.buffer for each in lines)
    planner.add(
        attend, lines[0].buffer, out, sizes, (keys, 0), (keys,), (values, 0), (values,), (scratch, 0),
        *map(planner.constant, (firsts, offsets, scales)), others=(keys, values, scratch),
    )  # fmt: skip
    planner.parts[planner.ops[at].outputs[0]] = Lines(out, (H, T, V), (V, H * V, 1))


def _readable(planner: Any, x: Any) -> Lines:
    """Rows of numbers in the arena, one behind the other."""
    lines: Lines = planner.lines(x)
    if len(lines.shape) != 3:
        planner.unknown()
    return (
        lines if lines.strides[2] == 1 and lines.buffer.base == ARENA else lines_of(planner.joined(lines), lines.shape)
    )


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
def mean_of(pixels, middle, squares):  # type: ignore[no-untyped-def]
    """Of pixels - middle, or of its squares: ROWS are added in float32, and these in double."""
    total = 0.0
    for first in range(0, pixels.size, ROWS):
        part = ZERO
        if squares:
            for k in range(first, min(first + ROWS, pixels.size)):
                part += (pixels[k] - middle) * (pixels[k] - middle)
        else:
            for k in range(first, min(first + ROWS, pixels.size)):
                part += pixels[k]
        total += np.float64(part)
    return np.float32(total / pixels.size)


@operation(error_model="numpy")
def norm_groups(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """weight (x - mean) / sqrt(variance + eps) + bias of each group of each row.

    7 rows, 8 groups, 9 channels of one, 10 entries of a channel, 11 weight, 12 bias, 13 eps, 14 whether it is centred.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    G, C, L, eps = r[8], r[9], r[10], number(r[13])
    for _ in range(r[7]):
        for g in range(G):
            group, weight, bias = run(x, C * L), run(r[11] + g * C * BYTES, C), run(r[12] + g * C * BYTES, C)
            middle = mean_of(group, ZERO, False) if r[14] else ZERO
            inverse = ONE / np.sqrt(mean_of(group, middle, True) + eps)
            out = run(y, C * L)
            if L == 1:
                for c in range(C):
                    out[c] = (group[c] - middle) * inverse * weight[c] + bias[c]
            else:
                for c in range(C):
                    pixels, channel, a, b = run(x + c * L * BYTES, L), run(y + c * L * BYTES, L), weight[c], bias[c]
                    for k in range(L):
                        channel[k] = (pixels[k] - middle) * inverse * a + b
            x, y = x + C * L * BYTES, y + C * L * BYTES


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
def weigh(scores):  # type: ignore[no-untyped-def]
    """Softmax, in its place; a NaN stays one, and where all is -inf there are zeros."""
    top, total = LEAST, ZERO
    for k in range(scores.size):
        top = scores[k] if scores[k] > top else top
    top = ZERO if top == LEAST else top
    for k in range(scores.size):
        below = scores[k] - top
        e = exp(below) if below == below else below
        scores[k] = e
        total += e
    share = ONE / total if total != ZERO else ONE
    for k in range(scores.size):
        scores[k] *= share


@compiled()
def many_products(w, w_step, count, x, offsets, K, y, y_step, vectors, scale, shift):  # type: ignore[no-untyped-def]
    """y = scale w x + shift, for so many rows of w: see tiles.py."""
    o = 0
    while o < count:
        kind = 0
        while CHANNELS[kind] > count - o:
            kind += 1
        for v in range(0, vectors, WIDTHS[kind]):
            convolution_tile(
                kind * WIDEST + min(WIDTHS[kind], vectors - v) - 1, w + o * w_step, w_step, x + v * LANES * BYTES,
                offsets, K, y + o * y_step + v * LANES * BYTES, y_step, scale, shift, 0,
            )  # fmt: skip
        o += CHANNELS[kind]


@operation()
def attend(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """softmax(q k^T / sqrt(D)) v of each head; QUERIES rows at a time.

    7 sizes; where k (8, 9) and v (10, 11) lie, and room (12) for k^T, weights and a part of y; 13 of q, k and v where
    they begin, and how far heads and rows are apart; 14 the rows of k^T and of v; 15 QUERIES times 1 / sqrt(D), 1, 0.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    sizes, places = carray(words(r[7]), (8,)), carray(words(r[13]), (3, 3))
    H, T, S, D, V, wide, wide_values, causal = sizes
    k, v, turned, scale = arena + r[8] + i * r[9], arena + r[10] + i * r[11], arena + r[12], r[15]
    weights = turned + D * wide * BYTES
    part, one, zero = weights + QUERIES * wide * BYTES, scale + QUERIES * BYTES, scale + 2 * QUERIES * BYTES
    for h in range(H):
        query, key, value = (
            x + places[0, 0] + h * places[0, 1], k + places[1, 0] + h * places[1, 1],
            v + places[2, 0] + h * places[2, 1],
        )  # fmt: skip
        for s in range(S):
            numbers = run(key + s * places[1, 2], D)
            column = run(turned + s * BYTES, (D - 1) * wide + 1)
            for d in range(D):
                column[d * wide] = numbers[d]
        for t in range(0, T, QUERIES):
            count = min(QUERIES, T - t)
            many_products(
                query + t * places[0, 2], places[0, 2], count, turned, r[14], D, weights, wide * BYTES, wide // LANES,
                scale, zero,
            )  # fmt: skip
            for n in range(count):
                scores, seen = run(weights + n * wide * BYTES, S), min(S, t + n + 1) if causal else S
                weigh(scores[:seen])
                scores[seen:] = ZERO
            many_products(
                weights, wide * BYTES, count, value, r[14] + D * 8, S, part, wide_values * BYTES, wide_values // LANES,
                one, zero,
            )  # fmt: skip
            for n in range(count):
                copy_row(part + n * wide_values * BYTES, y + ((t + n) * H + h) * V * BYTES, V)
