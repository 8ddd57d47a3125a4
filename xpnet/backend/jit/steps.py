"""The operations of a network in inference, compiled: what program.py calls for one image, or for many.

They have the arguments of program.SIGNATURE; their docstrings say what stands in which column of a row of the table.
"""

import numpy as np
from numba import carray

from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.elementwise import exp
from xpnet.backend.jit.kernels import BYTES, LANES, ROWS
from xpnet.backend.jit.program import ARENA, INPUT, number, opened, operation, place, run
from xpnet.backend.jit.tiles import (
    CHANNELS,
    IMAGES,
    OUTPUTS,
    WIDEST,
    convolution_tile,
    copy_row,
    dense_tile,
    fill_row,
    pool_row,
    words,
)

PER_ROW = tuple(OUTPUTS.values())  # outputs in a tile of a dense layer, by the place of its images in IMAGES
ZERO, ONE, LEAST = np.float32(0), np.float32(1), np.float32(-np.inf)

# ---- products --------------------------------------------------------------------------------------------------------


@operation()
def convolution(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """act(scale (w * x) + shift): 7 weights, 8 scale, 10 shift, 12 relu, 13 offsets of the taps, 14 how many.

    15 groups, 16 outputs of one, 17 bytes of x that it has, 18 bytes of a channel of y, 19 vectors of pixels, 20 of a
    tile, 21 channels at once: those whose weights stay in the cache while all pixels meet them; 22 whether the weights
    are in the arena.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    relu, offsets, K, OG, y_step, w = r[12], r[13], r[14], r[16], r[18], r[7] + (arena if r[22] else 0)
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
                        kind * WIDEST + vectors - 1, w + o * K * BYTES, K * BYTES, x + g * r[17] + at, offsets, K,
                        y + o * y_step + at, y_step, place(r, 8, arena) + o * BYTES, place(r, 10, arena) + o * BYTES,
                        relu,
                    )  # fmt: skip
                    o += CHANNELS[kind]


@operation()
def dense(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 weights, 8 scale, 10 shift, 12 relu, 13 inputs, 14 outputs."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    many_dense(r, x, r[3], y, r[6], arena, i, end)


@operation()
def dense_rows(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """As `dense`, of 15 rows that an image has."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    many_dense(r, x, r[13] * BYTES, y, r[14] * BYTES, arena, 0, r[15])


@compiled()
def many_dense(r, x, x_step, y, y_step, arena, i, end):  # type: ignore[no-untyped-def]
    """Images in tiles of IMAGES[kind], as many as there are: a group of weights meets all of them, then the next."""
    relu, K, O = r[12], r[13], r[14]
    for kind in range(len(IMAGES)):
        last, o = i + (end - i) // IMAGES[kind] * IMAGES[kind], 0
        while o < O and i < last:
            which = 0 if O - o >= PER_ROW[kind] else 1 if O - o >= 2 else 2
            for n in range(0, last - i, IMAGES[kind]):
                dense_tile(
                    3 * kind + which, r[7] + o * K * BYTES, K * BYTES, x + n * x_step, x_step, K,
                    y + n * y_step + o * BYTES, y_step, place(r, 8, arena) + o * BYTES, place(r, 10, arena) + o * BYTES,
                    relu,
                )  # fmt: skip
            o += PER_ROW[kind] if which == 0 else 3 - which
        x, y, i = x + (last - i) * x_step, y + (last - i) * y_step, last


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


@compiled(error_model="numpy")
def met(shift, stride, count, length):  # type: ignore[no-untyped-def]
    """The range of j for which 0 <= j stride + shift < length, within 0 ... count."""
    first = min(max(0, -(shift // stride)), count)  # ceil(-shift / stride)
    return first, max(first, min(count, (length - 1 - shift) // stride + 1))


@compiled()
def take(first, stride, out):  # type: ignore[no-untyped-def]
    """out[j] = pixel j * stride from an address on; a stride of 2 has code of its own, for vector registers."""
    pixels = run(first, max(0, (out.size - 1) * stride + 1))
    if stride == 2:
        for j in range(out.size):
            out[j] = pixels[2 * j]
    else:
        for j in range(out.size):
            out[j] = pixels[j * stride]


@compiled()
def keep_larger(first, stride, out):  # type: ignore[no-untyped-def]
    """As `take`, where the pixel is larger; a NaN wins."""
    pixels = run(first, max(0, (out.size - 1) * stride + 1))
    if stride == 1:
        for j in range(out.size):
            out[j] = pixels[j] if (pixels[j] > out[j]) | (pixels[j] != pixels[j]) else out[j]
    elif stride == 2:
        for j in range(out.size):
            out[j] = pixels[2 * j] if (pixels[2 * j] > out[j]) | (pixels[2 * j] != pixels[2 * j]) else out[j]
    else:
        for j in range(out.size):
            value = pixels[j * stride]
            out[j] = value if (value > out[j]) | (value != value) else out[j]


@compiled()
def add_to(first, stride, out):  # type: ignore[no-untyped-def]
    """As `take`, added."""
    pixels = run(first, max(0, (out.size - 1) * stride + 1))
    if stride == 1:
        for j in range(out.size):
            out[j] += pixels[j]
    elif stride == 2:
        for j in range(out.size):
            out[j] += pixels[2 * j]
    else:
        for j in range(out.size):
            out[j] += pixels[j * stride]


@operation()
def pad(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """The image with a margin; with a stride, the pixels that are one apart become images of their own.

    7 channels, 8 H, 9 W, 10 cs, 11 rs, 12 top, 13 left, 14 and 15 the size of y, 16 and 17 the stride, 18 the pairs
    (row, column) at which the images begin, 19 how many, 20 value of the margin, 21 entries of
    a channel of y.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    C, H, W, cs, rs, top, left = r[7], r[8], r[9], r[10], r[11], r[12], r[13]
    HQ, WQ, SH, SW = r[14], r[15], r[16], r[17]
    starts, value, size = carray(words(r[18]), (r[19], 2)), number(r[20]), r[21] * BYTES
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
            fill_row(at + W * BYTES, r[21] - (top + H - 1) * WQ - left - W, value)
            y += size
            continue
        for a, b in starts:
            fill_row(y, r[21], value)
            for p in range(HQ):
                h = p * SH + a - top
                if h < 0 or h >= H:
                    continue
                j0, j1 = met(b - left, SW, WQ, W)
                first = source + h * rs + (j0 * SW + b - left) * BYTES
                take(first, SW, run(y + (p * WQ + j0) * BYTES, j1 - j0))
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


@operation(error_model="numpy")
def max_pool(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 channels, 8 H, 9 W, 10 cs, 11 rs, 12 OH, 13 OW, 14 KH, 15 KW, 16 SH, 17 SW, 18 DH, 19 DW, 20 top, 21 left.

    A tap after the other, along a row of the output; a NaN wins.
    """
    r, x, y = opened(row, arena, inputs, outputs, i)
    H, W, OW, SW = r[8], r[9], r[13], r[17]
    for c in range(r[7]):
        for p in range(r[12]):
            out = run(y, OW)
            for j in range(OW):
                out[j] = LEAST
            for m in range(r[14]):
                h = p * r[16] + m * r[18] - r[20]
                if h < 0 or h >= H:
                    continue
                for n in range(r[15]):
                    shift = n * r[19] - r[21]
                    j0, j1 = met(shift, SW, OW, W)
                    first = x + c * r[10] + h * r[11] + (j0 * SW + shift) * BYTES
                    keep_larger(first, SW, run(y + j0 * BYTES, j1 - j0))
            y += OW * BYTES


@operation(error_model="numpy")
def avg_pool(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """As `max_pool`, but the mean of all taps, of which those in the margin are 0; many are added in double."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    H, W, OW, KW, SW, taps = r[8], r[9], r[13], r[15], r[17], r[14] * r[15]
    double = np.empty(OW if taps > ROWS else 0, np.float64)
    for c in range(r[7]):
        for p in range(r[12]):
            out = run(y, OW)
            for j in range(OW):
                out[j] = ZERO
            double[:] = 0
            for m in range(r[14]):
                h = p * r[16] + m * r[18] - r[20]
                if h < 0 or h >= H:
                    continue
                for n in range(KW):
                    shift = n * r[19] - r[21]
                    j0, j1 = met(shift, SW, OW, W)
                    first = x + c * r[10] + h * r[11] + (j0 * SW + shift) * BYTES
                    if taps <= ROWS:
                        add_to(first, SW, run(y + j0 * BYTES, j1 - j0))
                    else:
                        add_to(first, SW, double[j0:j1])
            for j in range(OW):
                out[j] = (np.float32(double[j]) if taps > ROWS else out[j]) / np.float32(taps)
            y += OW * BYTES


@operation(error_model="numpy", fastmath={"reassoc", "contract"})
def mean(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """Of each channel: 7 channels, 8 H, 9 W, 10 cs, 11 rs. ROWS pixels are added in float32, and these in double."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    out = run(y, r[7])
    for c in range(r[7]):
        total = 0.0
        for h in range(r[8]):
            pixels = run(x + c * r[10] + h * r[11], r[9])
            for first in range(0, r[9], ROWS):
                part = ZERO
                for w in range(first, min(first + ROWS, r[9])):
                    part += pixels[w]
                total += np.float64(part)
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
    second = (arena if r[7] == ARENA else inputs if r[7] == INPUT else 0) + r[8] + i * r[9]
    one, other, out, relu = run(x, r[10]), run(second, r[10]), run(y, r[10]), r[11] != 0
    for i in range(r[10]):
        value = one[i] + other[i]
        out[i] = ZERO if relu and value < ZERO else value


@operation(error_model="numpy")
def softmax(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """exp(x) / sum(exp(x)): 7 entries, 8 times."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    for _ in range(r[8]):
        scores, out, top, total = run(x, r[7]), run(y, r[7]), LEAST, 0.0
        for i in range(r[7]):  # a NaN stays
            top = scores[i] if scores[i] > top or scores[i] != scores[i] else top
        for i in range(r[7]):
            below = scores[i] - top
            out[i] = exp(below) if below == below else below
            total += out[i]
        share = np.float32(1.0 / total)
        for i in range(r[7]):
            out[i] *= share
        x, y = x + r[7] * BYTES, y + r[7] * BYTES


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
