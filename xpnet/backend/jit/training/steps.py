"""The operations of a training step, compiled: what program.py calls for some images, or for some columns of a product.

Their docstrings say what stands in which column of a row of the table. A place is three numbers (base, offset, step):
what belongs to image i lies `step` i bytes behind bases[base] + offset; in memory of a thread's own, images are counted
from the first of the piece. All is float32; of images, channels are `cs` bytes apart, and rows `rs`.
"""

import numpy as np
from numba import carray

from xpnet.backend.jit.curves import tanh
from xpnet.backend.jit.elementwise import sigmoid
from xpnet.backend.jit.kernels import BYTES, LANES, ROWS
from xpnet.backend.jit.program import run
from xpnet.backend.jit.steps import PER_ROW
from xpnet.backend.jit.tiles import (
    CHANNELS,
    IMAGES,
    WIDEST,
    convolution_tile,
    copy_row,
    dense_tile,
    words,
)
from xpnet.backend.jit.training import tiles
from xpnet.backend.jit.training.program import WIDTH, operation, place
from xpnet.backend.jit.training.tiles import (
    TAPS,
    WIDE,
    back_row,
    correlation_tile,
    outer_tile,
    pool_row,
    sum_row,
    unpool_row,
)

ONE, ZERO = np.float32(1), np.float32(0)
OUTER_ROWS, CORRELATED = tiles.ROWS, tiles.CHANNELS

# ---- images ----------------------------------------------------------------------------------------------------------


@operation()
def copy(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """Images: from 1, to 4; 7 channels, 8 H, 9 W, 10 cs and 11 rs of x, 12 and 13 of y."""
    r = carray(words(row), (WIDTH,))
    for i in range(first, end):
        x, y = place(r, 1, bases, first, i), place(r, 4, bases, first, i)
        for c in range(r[7]):
            for h in range(r[8]):
                copy_row(x + c * r[10] + h * r[11], y + c * r[12] + h * r[13], r[9])


@operation()
def convolve(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """y = w * x + bias: from 1, to 4, 7 w, 10 bias, 13 ones, 14 offsets of the taps, 15 how many, 16 channels of y, 17
    their distance, 18 vectors of pixels, 19 of a tile.
    """
    r = carray(words(row), (WIDTH,))
    w, bias, K, O = place(r, 7, bases, 0, 0), place(r, 10, bases, 0, 0), r[15], r[16]
    for i in range(first, end):
        x, y = place(r, 1, bases, first, i), place(r, 4, bases, first, i)
        for v in range(0, r[18], r[19]):
            o, kind, vectors, at = 0, 0, min(r[19], r[18] - v), v * LANES * BYTES
            while o < O:
                while CHANNELS[kind] > O - o:
                    kind += 1
                convolution_tile(
                    kind * WIDEST + vectors - 1, w + o * K * BYTES, K * BYTES, x + at, r[14], K, y + o * r[17] + at,
                    r[17], r[13], bias + o * BYTES, 0,
                )  # fmt: skip
                o += CHANNELS[kind]


@operation()
def pool(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """The largest of each 2x2: from 1, to 4, 7 which it was; 10 channels, 11 H and 12 W of y, 13 cs and 14 rs of x, 15
    and 16 of y, 17 relu.
    """
    r = carray(words(row), (WIDTH,))
    for i in range(first, end):
        x, y, places = place(r, 1, bases, first, i), place(r, 4, bases, first, i), place(r, 7, bases, first, i)
        for c in range(r[10]):
            for h in range(r[11]):
                upper = x + c * r[13] + 2 * h * r[14]
                pool_row(upper, upper + r[14], y + c * r[15] + h * r[16], places, r[12], r[17])
                places += r[12]


@operation()
def unpool(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """The gradient of `pool`: dy from 1, y 4, 7 which it was, dz to 18; 10 channels, 11 H and 12 W of y, 13 cs and 14
    rs of dy, 15 and 16 of y, 17 how (see tiles.py), 21 cs and 22 rs of dz.
    """
    r = carray(words(row), (WIDTH,))
    for i in range(first, end):
        dy, y, places = place(r, 1, bases, first, i), place(r, 4, bases, first, i), place(r, 7, bases, first, i)
        dz = place(r, 18, bases, first, i)
        for c in range(r[10]):
            for h in range(r[11]):
                upper = dz + c * r[21] + 2 * h * r[22]
                unpool_row(
                    dy + c * r[13] + h * r[14], y + c * r[15] + h * r[16], places, upper, upper + r[22], r[12], r[17]
                )
                places += r[12]


@operation()
def back_through(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """dz = dy act'(z): dy from 1, y = act(z) 4, dz to 18; 10 channels, 11 H, 12 W, 13 cs and 14 rs of dy, 15 and 16 of
    y, 17 how (see tiles.py), 21 cs and 22 rs of dz.
    """
    r = carray(words(row), (WIDTH,))
    for i in range(first, end):
        dy, y, dz = place(r, 1, bases, first, i), place(r, 4, bases, first, i), place(r, 18, bases, first, i)
        for c in range(r[10]):
            for h in range(r[11]):
                back_row(
                    dy + c * r[13] + h * r[14], y + c * r[15] + h * r[16], dz + c * r[21] + h * r[22], r[12], r[17]
                )


@operation(error_model="numpy")
def activate(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """y = amplitude tanh(slope y), or with slope 0 sigmoid(y), where y lies: 1; 4 channels, 5 H, 6 W, 7 cs, 8 rs, 9 the
    two numbers.
    """
    r = carray(words(row), (WIDTH,))
    amplitude, slope = run(r[9], 2)
    for i in range(first, end):
        y = place(r, 1, bases, first, i)
        for c in range(r[4]):
            for h in range(r[5]):
                values = run(y + c * r[7] + h * r[8], r[6])
                if slope == ZERO:
                    for k in range(values.size):
                        values[k] = sigmoid(values[k]) if values[k] == values[k] else values[k]
                else:
                    for k in range(values.size):
                        values[k] = amplitude * tanh(slope * values[k]) if values[k] == values[k] else values[k]


@operation()
def correlate(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """The part of dw (O, K) that these images give: dz 1, x 4, to 7, one behind the other for each piece; 10 offsets of
    the taps, 11 how many, 12 O, 13 cs of dz, 14 vectors of pixels.
    """
    r = carray(words(row), (WIDTH,))
    dz, x = place(r, 1, bases, first, first), place(r, 4, bases, first, first)
    dw, K, O, o, kind = place(r, 7, bases, 0, piece), r[11], r[12], 0, 0
    while o < O:
        while CORRELATED[kind] > O - o:
            kind += 1
        t = 0
        while t < K:
            taps = TAPS if K - t >= TAPS else 1
            correlation_tile(
                2 * kind + (0 if taps == TAPS else 1), dz + o * r[13], r[13], r[3], x, r[6], r[10] + 8 * t, r[14],
                end - first, dw + (o * K + t) * BYTES, K * BYTES,
            )  # fmt: skip
            t += taps
        o += CORRELATED[kind]


@operation()
def sum_pixels(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """The part of db (O) that these images give: dz 1, to 4, one behind the other for each piece; 7 O, 8 cs of dz, 9
    entries. Those of a channel are added in float32, in so many lanes at once, and these in double.
    """
    r = carray(words(row), (WIDTH,))
    db = run(place(r, 4, bases, 0, piece), r[7])
    for o in range(r[7]):
        total = 0.0
        for i in range(first, end):
            total += np.float64(sum_row(place(r, 1, bases, first, i) + o * r[8], r[9]))
        db[o] = np.float32(total)


@operation()
def reduce(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """The sum of the parts: from 1, to 4, 7 how many."""
    r = carray(words(row), (WIDTH,))
    x, y = place(r, 1, bases, 0, 0), run(place(r, 4, bases, 0, 0), end)
    for i in range(first, end):
        total = 0.0
        for part in range(r[7]):
            total += np.float64(run(x + part * r[3], end)[i])
        y[i] = np.float32(total)


@operation()
def flip(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """w (O, C, taps) as (C, O, taps from the last to the first): from 1, to 4, 7 O, 8 C, 9 taps."""
    r = carray(words(row), (WIDTH,))
    O, C, taps = r[7], r[8], r[9]
    x, y = run(place(r, 1, bases, 0, 0), O * C * taps), run(place(r, 4, bases, 0, 0), O * C * taps)
    for c in range(first, end):
        for o in range(O):
            for t in range(taps):
                y[(c * O + o) * taps + t] = x[(o * C + c) * taps + taps - 1 - t]


# ---- vectors ---------------------------------------------------------------------------------------------------------


@operation()
def dense(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """y = act(x w^T + bias): from 1, to 4, 7 w, 10 bias, 13 ones, 14 inputs, 15 outputs, 16 relu, 17 samples.

    A piece is some samples, or, if there is a number of them, some outputs for all.
    """
    r = carray(words(row), (WIDTH,))
    w, bias, K = place(r, 7, bases, 0, 0), place(r, 10, bases, 0, 0), r[14]
    begin, O = (first, end) if r[17] else (0, r[15])
    i, samples = (0, r[17]) if r[17] else (first, end)
    for kind in range(len(IMAGES)):
        last, o = i + (samples - i) // IMAGES[kind] * IMAGES[kind], begin
        x, y = place(r, 1, bases, 0, i), place(r, 4, bases, 0, i)
        while o < O and i < last:
            which = 0 if O - o >= PER_ROW[kind] else 1 if O - o >= 2 else 2
            for n in range(0, last - i, IMAGES[kind]):
                dense_tile(
                    3 * kind + which, w + o * K * BYTES, K * BYTES, x + n * r[3], r[3], K, y + n * r[6] + o * BYTES,
                    r[6], r[13], bias + o * BYTES, r[16],
                )  # fmt: skip
            o += PER_ROW[kind] if which == 0 else 3 - which
        i = last


@operation()
def outer(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """y[r, c] = sum over k of a[r, k] x[k, c], and then back through the activation that gave gate[r, c], if there is a
    gate. A piece is some blocks of columns, or, with 19, some rows. A block of x stays in the cache while all rows meet
    it.

    a 1, 4 distance of its rows, 5 of its k; x 6, whose rows are the step apart; y 9, gate 12 (base 0: none), the same;
    15 K, 16 rows, 17 columns, 18 how (see tiles.py).
    """
    r = carray(words(row), (WIDTH,))
    a, x, y = place(r, 1, bases, 0, 0), place(r, 6, bases, 0, 0), place(r, 9, bases, 0, 0)
    passed = place(r, 12, bases, 0, 0) if r[12] else 0
    begin, rows = (first, end) if r[19] else (0, r[16])
    c, last = (0, r[17]) if r[19] else (first * WIDE * LANES, min(end * WIDE * LANES, r[17]))
    while c < last:
        width = 0 if last - c >= WIDE * LANES else 1 if last - c >= LANES else 2
        i, kind = begin, 0
        while i < rows:
            while OUTER_ROWS[kind] > rows - i:
                kind += 1
            outer_tile(
                3 * kind + width, a + i * r[4], r[4], r[5], x + c * BYTES, r[8], r[15], y + i * r[11] + c * BYTES,
                r[11], last - c, 0, 0, 0, passed + (i * r[14] + c * BYTES if passed else 0), r[14], r[18],
            )  # fmt: skip
            i += OUTER_ROWS[kind]
        c += WIDE * LANES if width == 0 else LANES


@operation()
def sum_rows(row, bases, first, end, piece):  # type: ignore[no-untyped-def]
    """db = the sum of the rows of dz (N, O): from 1, to 4, 7 N, 8 O. ROWS of them are added in float32, and these in
    double.
    """
    r = carray(words(row), (WIDTH,))
    out, part, total = run(place(r, 4, bases, 0, 0), r[8]), np.zeros(r[8], np.float32), np.zeros(r[8], np.float64)
    for start in range(0, r[7], ROWS):
        for n in range(start, min(start + ROWS, r[7])):
            dz = run(place(r, 1, bases, 0, n), r[8])
            for o in range(r[8]):
                part[o] += dz[o]
        for o in range(r[8]):
            total[o] += np.float64(part[o])
            part[o] = ZERO
    for o in range(r[8]):
        out[o] = np.float32(total[o])
