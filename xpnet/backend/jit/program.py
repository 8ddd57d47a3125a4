"""The kernel that computes a whole network's answers: it goes down a table that inference.py has written.

A row of the table is an operation on images i0 ... i1: the address of its code, from where it reads (columns 1 to 3), to
where it writes (4 to 6), and what it needs to know besides. A place is three numbers (base, offset, step): image i of
the block is `step` bytes behind image i - 1, and the first lies `offset` bytes behind the base, which is the address of
the arena, of the input, of the output, or 0. All is float32; a channel's rows lie `rs` bytes apart, and channels `cs`.

Each operation is compiled by itself, when a network first has it: compiled together, they would take half a minute.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, types

from xpnet.backend.jit.compiled import callback, compiled
from xpnet.backend.jit.elementwise import exp, fast, gelu, sigmoid, silu
from xpnet.backend.jit.kernels import BYTES, LANES, ROWS
from xpnet.backend.jit.tiles import (
    CHANNELS,
    IMAGES,
    OUTPUTS,
    WIDEST,
    call,
    convolution_tile,
    copy_row,
    dense_tile,
    fill_row,
    floats,
    pool_row,
    words,
)

WIDTH = 24  # numbers in a row
WHOLE = 23  # the last: whether the operation takes many images at once; others are called for each
ARENA, INPUT, OUTPUT, ABSOLUTE = range(4)  # bases
NAMES = (
    "relu", "leaky_relu", "elu", "hard_tanh", "softplus", "gelu", "gelu_tanh", "silu", "mish", "hard_swish", "sigmoid",
    "log_sigmoid", "tanh", "softsign", "hard_sigmoid",
)  # fmt: skip
(
    RELU, LEAKY_RELU, ELU, HARD_TANH, SOFTPLUS, GELU, GELU_TANH, SILU, MISH, HARD_SWISH, SIGMOID,
    LOG_SIGMOID, TANH, SOFTSIGN, HARD_SIGMOID,
) = range(len(NAMES))  # fmt: skip
PER_ROW = tuple(OUTPUTS.values())  # outputs in a tile of a dense layer, by the place of its images in IMAGES

ZERO, ONE, HALF, TWO, SIX = map(np.float32, (0, 1, 0.5, 2, 6))
FARTHER, FARTHEST, THREE = map(np.float32, (1000, 1e30, 3))
BEND, ROOT = np.float32(0.044715), np.float32(math.sqrt(2 / math.pi))
STEEP, FLAT = np.float32(0.625), np.float32(9)  # tanh: a polynomial up to the one, 1 from the other on
# tanh(x) = x + x^3 P(x^2), as in S. L. Moshier's Cephes library (1984).
P0, P1, P2, P3, P4 = map(
    np.float32, (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)


SIGNATURE = types.void(*[types.int64] * 6)  # address of the row, arena, input, output, first and end of the images


def operation(**options: Any) -> Callable[[Callable[..., None]], Callable[[], Any]]:
    """What compiles an operation when it is first asked for; the object that it gives has an `address`."""

    def decorate(function: Callable[..., None]) -> Callable[[], Any]:
        return functools.cache(lambda: callback(SIGNATURE, **options)(function))

    return decorate


@compiled()
def number(bits):  # type: ignore[no-untyped-def]
    """The float32 nearest to the double with these bits."""
    return np.float32(np.int64(bits).view(np.float64))


@compiled()
def run(address, count):  # type: ignore[no-untyped-def]
    """So many float32 from an address on, as an array."""
    return carray(floats(address), (count,))


@compiled()
def opened(row, arena, inputs, outputs, i0):  # type: ignore[no-untyped-def]
    """The numbers of a row, and the addresses of image i0 where it reads, and where it writes."""
    r = carray(words(row), (WIDTH,))
    x = (arena if r[1] == ARENA else inputs if r[1] == INPUT else outputs) + r[2] + i0 * r[3]
    y = (arena if r[4] == ARENA else outputs) + r[5] + i0 * r[6]
    return r, x, y


@compiled()
def place(r, at, arena):  # type: ignore[no-untyped-def]
    """Of what all images share, in columns `at` (its base) and behind."""
    return (arena if r[at] == ARENA else 0) + r[at + 1]


# ---- products --------------------------------------------------------------------------------------------------------


@operation()
def convolution(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 weights, 8 scale, 10 shift, 12 relu, 13 offsets of the taps, 14 how many, 15 groups, 16 outputs of one, 17 bytes
    of x that it has, 18 bytes of a channel of y, 19 vectors of pixels, 20 of a tile, 21 channels at once: those whose
    weights stay in the cache while all pixels meet them."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    relu, offsets, K, OG, y_step = r[12], r[13], r[14], r[16], r[18]
    for g in range(r[15]):
        for together in range(g * OG, (g + 1) * OG, r[21]):
            last = min(together + r[21], (g + 1) * OG)
            for v in range(0, r[19], r[20]):
                o, vectors, at = together, min(r[20], r[19] - v), v * LANES * BYTES
                while o < last:
                    kind = 0
                    while CHANNELS[kind] > last - o:
                        kind += 1
                    convolution_tile(
                        kind * WIDEST + vectors - 1, r[7] + o * K * BYTES, K * BYTES, x + g * r[17] + at, offsets, K,
                        y + o * y_step + at, y_step, place(r, 8, arena) + o * BYTES, place(r, 10, arena) + o * BYTES,
                        relu,
                    )  # fmt: skip
                    o += CHANNELS[kind]


@operation()
def dense(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 weights, 8 scale, 10 shift, 12 relu, 13 inputs, 14 outputs.

    Images in tiles of IMAGES[kind], as many as there are; a group of weights meets all of them before the next does.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    relu, K, O = r[12], r[13], r[14]
    for kind in range(len(IMAGES)):
        last, o = i + (end - i) // IMAGES[kind] * IMAGES[kind], 0
        while o < O and i < last:
            which = 0 if O - o >= PER_ROW[kind] else 1 if O - o >= 2 else 2
            for n in range(0, last - i, IMAGES[kind]):
                dense_tile(
                    3 * kind + which, r[7] + o * K * BYTES, K * BYTES, x + n * r[3], r[3], K, y + n * r[6] + o * BYTES,
                    r[6], place(r, 8, arena) + o * BYTES, place(r, 10, arena) + o * BYTES, relu,
                )  # fmt: skip
            o += PER_ROW[kind] if which == 0 else 3 - which
        x, y, i = x + (last - i) * r[3], y + (last - i) * r[6], last


@operation(error_model="numpy")
def norm(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """Batch normalization by running statistics, behind a bias: the scale and the shift of each channel.

    7 gamma, 8 beta, 9 mean, 10 variance, 11 bias (0: none), 12 channels, 13 eps.
    """
    r, _, y = opened(row, arena, inputs, outputs, i)
    C, eps = r[12], number(r[13])
    scale, shift, mean, var = run(y, C), run(y + C * BYTES, C), run(r[9], C), run(r[10], C)
    for c in range(C):
        slope = ONE / np.sqrt(var[c] + eps)
        if r[7]:
            slope *= run(r[7], C)[c]
        scale[c] = slope
        shift[c] = (run(r[8], C)[c] if r[8] else ZERO) - slope * mean[c]
        if r[11]:
            shift[c] += slope * run(r[11], C)[c]


# ---- pixels ----------------------------------------------------------------------------------------------------------


@operation()
def pad(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """The image with a margin; with a stride, the pixels that are one apart become images of their own.

    7 channels, 8 H, 9 W, 10 cs, 11 rs, 12 top, 13 left, 14 and 15 the size of y, 16 and 17 the stride, 18 the pairs
    (row, column) at which the images begin, 19 how many, 20 value of the margin.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    C, H, W, cs, rs, top, left, HQ, WQ, SH, SW = r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15], r[16], r[17]
    starts, value, size = carray(words(r[18]), (r[19], 2)), number(r[20]), HQ * WQ * BYTES
    for c in range(C):
        source = x + c * cs
        if SH == 1 and SW == 1:
            fill_row(y, top * WQ + left, value)
            at = y + (top * WQ + left) * BYTES
            for h in range(H - 1):
                copy_row(source + h * rs, at, W)
                fill_row(at + W * BYTES, WQ - W, value)
                at += WQ * BYTES
            copy_row(source + (H - 1) * rs, at, W)
            fill_row(at + W * BYTES, HQ * WQ - (top + H - 1) * WQ - left - W, value)
            y += size
            continue
        for a, b in starts:
            fill_row(y, HQ * WQ, value)
            for i in range(HQ):
                h = i * SH + a - top
                if h < 0 or h >= H:
                    continue
                out, pixels = run(y + i * WQ * BYTES, WQ), run(source + h * rs, W)
                for j in range(WQ):
                    w = j * SW + b - left
                    if 0 <= w < W:
                        out[j] = pixels[w]
            y += size


@operation()
def copy(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 channels, 8 H, 9 W, 10 cs and 11 rs of x, 12 and 13 those of y."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    for c in range(r[7]):
        for h in range(r[8]):
            copy_row(x + c * r[10] + h * r[11], y + c * r[12] + h * r[13], r[9])


@operation()
def pool2(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """The largest of each 2x2, side by side: 7 channels, 10 cs, 11 rs, 12 OH, 13 OW."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    for c in range(r[7]):
        for i in range(r[12]):
            upper = x + c * r[10] + 2 * i * r[11]
            pool_row(upper, upper + r[11], y, r[13])
            y += r[13] * BYTES


@compiled(error_model="numpy")
def pool(r, x, y, largest):  # type: ignore[no-untyped-def]
    """7 channels, 8 H, 9 W, 10 cs, 11 rs, 12 OH, 13 OW, 14 KH, 15 KW, 16 SH, 17 SW, 18 DH, 19 DW, 20 top, 21 left."""
    C, H, W, OH, OW, KH, KW = r[7], r[8], r[9], r[12], r[13], r[14], r[15]
    SH, SW, DH, DW, top, left = r[16], r[17], r[18], r[19], r[20], r[21]
    for c in range(C):
        for i in range(OH):
            out = run(y, OW)
            for j in range(OW):
                best, total = np.float32(-np.inf), 0.0
                for m in range(KH):
                    h = i * SH + m * DH - top
                    if h < 0 or h >= H:
                        continue
                    pixels = run(x + c * r[10] + h * r[11], W)
                    for n in range(KW):
                        w = j * SW + n * DW - left
                        if 0 <= w < W:
                            value = pixels[w]
                            total += value
                            best = value if value > best or value != value else best
                out[j] = best if largest else np.float32(total / (KH * KW))
            y += OW * BYTES


@operation(error_model="numpy")
def max_pool(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """See `pool`."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    pool(r, x, y, True)


@operation(error_model="numpy")
def avg_pool(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """See `pool`."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    pool(r, x, y, False)


@operation(error_model="numpy", fastmath={"reassoc", "contract"})
def mean(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """Of each channel: 7 channels, 8 H, 9 W, 10 cs, 11 rs. ROWS pixels are added in float32, and these in double."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    out = run(y, r[7])
    for c in range(r[7]):
        total = 0.0
        for h in range(r[8]):
            row = run(x + c * r[10] + h * r[11], r[9])
            for first in range(0, r[9], ROWS):
                part = ZERO
                for w in range(first, min(first + ROWS, r[9])):
                    part += row[w]
                total += part
        out[c] = np.float32(total / (r[8] * r[9]))


@operation(error_model="numpy")
def scale_channels(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 channels, 8 scale, 10 shift, 12 entries of a channel, 13 relu."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    factors, terms, relu = run(place(r, 8, arena), r[7]), run(place(r, 10, arena), r[7]), r[13] != 0
    for c in range(r[7]):
        pixels, out, a, b = run(x, r[12]), run(y, r[12]), factors[c], terms[c]
        for i in range(r[12]):
            value = a * pixels[i] + b
            out[i] = ZERO if relu and value < ZERO else value
        x, y = x + r[12] * BYTES, y + r[12] * BYTES


@operation(error_model="numpy")
def add(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 the second place, 10 entries, 11 relu."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    second = (arena if r[7] == ARENA else inputs) + r[8] + i * r[9]
    one, other, out, relu = run(x, r[10]), run(second, r[10]), run(y, r[10]), r[11] != 0
    for i in range(r[10]):
        value = one[i] + other[i]
        out[i] = ZERO if relu and value < ZERO else value


@operation(error_model="numpy")
def softmax(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """exp(x) / sum(exp(x)): 7 entries."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    scores, out, top, total = run(x, r[7]), run(y, r[7]), np.float32(-np.inf), 0.0
    for i in range(r[7]):
        top = scores[i] if scores[i] > top or scores[i] != scores[i] else top
    for i in range(r[7]):
        below = scores[i] - top
        out[i] = exp(below) if below == below else below
        total += out[i]
    share = np.float32(1.0 / total)
    for i in range(r[7]):
        out[i] *= share


@operation(error_model="numpy")
def local_response_norm(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """x / s**beta: 7 channels, 8 entries of one, 9 channels around it, 10 alpha / size, 11 beta, 12 k."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    C, L, size, share, power, k = r[7], r[8], r[9], number(r[10]), -number(r[11]), number(r[12])
    for c in range(C):
        own, out = run(x + c * L * BYTES, L), run(y + c * L * BYTES, L)
        for i in range(L):
            out[i] = ZERO
        for other in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
            seen = run(x + other * L * BYTES, L)
            for i in range(L):
                out[i] += seen[i] * seen[i]
        for i in range(L):
            out[i] = own[i] * (k + share * out[i]) ** power


# ---- activations: those of reference/elementwise.py, a NaN stays one ---------------------------------------------------


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


@functools.cache
def activation(which: int) -> Any:
    """7 entries, 8 ... 10 constants. A loop for each, so that it runs in vector registers."""

    @callback(SIGNATURE, error_model="numpy", fastmath={"contract"})
    def loop(row, arena, inputs, outputs, i0, end):  # type: ignore[no-untyped-def]
        r, source, out = opened(row, arena, inputs, outputs, i0)
        count, a, b, c = r[7], number(r[8]), number(r[9]), number(r[10])
        x, y = run(source, count), run(out, count)
        if which == RELU:
            for i in range(count):
                y[i] = ZERO if x[i] < ZERO else x[i]
        elif which == LEAKY_RELU:
            for i in range(count):
                y[i] = x[i] * (ONE if x[i] > ZERO else a)
        elif which == ELU:
            for i in range(count):
                y[i] = b * (ZERO if x[i] < ZERO else x[i]) + b * a * math.expm1(c * (ZERO if x[i] > ZERO else x[i]))
        elif which == HARD_TANH:
            for i in range(count):
                y[i] = clip(x[i], a, b)
        elif which == SOFTPLUS:
            for i in range(count):
                z = a * x[i]
                y[i] = x[i] if z > b else ((ZERO if z < ZERO else z) + math.log1p(math.exp(-abs(z)))) / a
        elif which == GELU:
            for i in range(count):
                y[i] = gelu(x[i])
        elif which == GELU_TANH:
            for i in range(count):
                near = clip(x[i], -FLAT, FLAT)
                t = tanh(ROOT * near * (ONE + BEND * near * near))
                y[i] = (-FLAT if x[i] < -FLAT else x[i]) * (HALF * (ONE + t))
        elif which == SILU:
            for i in range(count):
                y[i] = silu(x[i])
        elif which == MISH:
            for i in range(count):
                y[i] = (-FARTHER if x[i] < -FARTHER else x[i]) * below_one(x[i])
        elif which == HARD_SWISH:
            for i in range(count):
                y[i] = (-THREE if x[i] < -THREE else x[i]) * clip(x[i] / SIX + HALF, ZERO, ONE)
        elif which == SIGMOID:
            for i in range(count):
                y[i] = sigmoid(x[i]) if x[i] == x[i] else x[i]
        elif which == LOG_SIGMOID:
            for i in range(count):
                y[i] = (ZERO if x[i] > ZERO else x[i]) - math.log1p(math.exp(-abs(x[i])))
        elif which == TANH:
            for i in range(count):
                y[i] = a * tanh(b * x[i])
        elif which == SOFTSIGN:
            for i in range(count):
                near = clip(x[i], -FARTHEST, FARTHEST)
                y[i] = near / (ONE + abs(near))
        elif which == HARD_SIGMOID:
            for i in range(count):
                y[i] = clip(x[i] / SIX + HALF, ZERO, ONE)

    return loop


# ---- the walk --------------------------------------------------------------------------------------------------------


@compiled()
def answer(table, rows, block, x, x_step, y, y_step, arena, first, last):  # type: ignore[no-untyped-def]
    """Images first ... last, `block` at a time; all are addresses and numbers.

    The table is cut into segments, of which each begins with a row (0, rows, one by one): those of which an image goes
    through all before the next one does, so that its arrays stay in the cache, and those that take the whole block.
    """
    program = carray(words(table), (rows, WIDTH))
    for start in range(first, last, block):
        images = min(block, last - start)
        inputs, outputs, at = x + start * x_step, y + start * y_step, 0
        while at < rows:
            end = at + 1 + program[at, 1]
            rounds = images if program[at, 2] else 1
            for i in range(rounds):
                for k in range(at + 1, end):
                    row = table + k * WIDTH * 8
                    if program[at, 2]:
                        call(program[k, 0], row, arena, inputs, outputs, i, i + 1)
                    elif program[k, WHOLE]:
                        call(program[k, 0], row, arena, inputs, outputs, 0, images)
                    else:
                        for each in range(images):
                            call(program[k, 0], row, arena, inputs, outputs, each, each + 1)
            at = end
