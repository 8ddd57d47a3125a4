"""The kernels of jit/blocks.py: what Winograd does with a block of 2 x 2 pixels, as LLVM vectors.

A vector holds LANES images, or LANES output channels where a weight's gradient is summed over the images. A block's
numbers stay in the level-2 cache from the first step to the last, those of one of its 16 products in the first level.
Addresses and distances are in bytes. What LLVM is told stands in this one file with the kernels that are made of it,
since Numba looks at the file of a kernel alone to see whether what it keeps on disk is still true.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.jit.compiled import compiled
from xpnet.backend.jit.kernels import BYTES, LANES

F32, I64, I32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
LINE = 64  # bytes of a cache line
VECTOR = BYTES * LANES
CHANNELS = (6, 5, 4)
AT_ONCE = 2
MARGIN = 40 * LINE // BYTES  # numbers that `space` has besides
# Input channels and vectors of output channels in a tile of the weights' gradient: with one vector, and with two.
ONE, TWO = {16: ((16, 1), (8, 2)), 8: ((8, 1), (4, 2)), 4: ((16, 1), (8, 2))}[LANES]


def _kind(width: int) -> ir.VectorType:
    return ir.VectorType(F32, width)


def _const(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


def _load(b: Any, address: Any, offset: Any, kind: Any) -> Any:
    return b.load(b.inttoptr(b.add(address, offset), kind.as_pointer()), align=BYTES)


def _store(b: Any, value: Any, address: Any, offset: Any) -> None:
    b.store(value, b.inttoptr(b.add(address, offset), value.type.as_pointer()), align=BYTES)


def _splat(b: Any, scalar: Any, width: int) -> Any:
    nothing, numbers = ir.Constant(_kind(width), ir.Undefined), ir.VectorType(I32, width)
    return b.shuffle_vector(b.insert_element(nothing, scalar, ir.Constant(I32, 0)), nothing, ir.Constant(numbers, None))


def _multiply_add(b: Any, x: Any, y: Any, total: Any) -> Any:
    signature = ir.FunctionType(x.type, [x.type] * 3)
    function = cgutils.get_or_insert_function(b.module, signature, f"llvm.fma.v{x.type.count}f32")
    return b.call(function, [x, y, total])


def _both_ways(combine: Callable[[list[Any]], list[Any]], square: list[list[Any]]) -> list[list[Any]]:
    """Of each column, and of what comes of it each row."""
    columns = [combine(list(column)) for column in zip(*square, strict=True)]
    return [combine(list(row)) for row in zip(*columns, strict=True)]


@intrinsic(prefer_literal=True)
def combine_inputs(_: Any, width: Any, pixels: Any, offset: Any, out: Any, step: Any) -> Any:
    """The 16 combinations, `step` apart, of 4 x 4 pixels, whose addresses stand in the table `pixels`."""
    kind = _kind(width.literal_value)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        pixels, offset, out, step = arguments[1:]
        x = [
            [_load(b, _load(b, pixels, _const(8 * (4 * i + j)), I64), offset, kind) for j in range(4)] for i in range(4)
        ]

        def combine(x: list[Any]) -> list[Any]:
            return [b.fsub(x[0], x[2]), b.fadd(x[1], x[2]), b.fsub(x[2], x[1]), b.fsub(x[1], x[3])]

        for i, row in enumerate(_both_ways(combine, x)):
            for j, value in enumerate(row):
                _store(b, value, out, b.mul(step, _const(4 * i + j)))
        return context.get_dummy_value()

    return types.void(width, *[types.intp] * 4), generate


@intrinsic(prefer_literal=True)
def finish(
    _: Any, R: Any, width: Any, w: Any, w_step: Any, x: Any, x_step: Any, step: Any, count: Any, bias: Any, least: Any,
    pixels: Any, offset: Any, away: Any, sums: Any,
) -> Any:  # fmt: skip
    """2 x 2 output pixels of R channels from `count` channels of 16 combinations of inputs and kernels.

    With bias, and not below `least` (a NaN stays). Each number times 0 is added to the vector at `sums`, which so
    becomes NaN if one is not finite. The outputs stay in registers: each product is added to those that it is part of.
    """
    rows, lanes, square = R.literal_value, width.literal_value, [(i, j) for i in range(4) for j in range(4)]
    kind, A = _kind(lanes), ((1, 1, 1, 0), (0, 1, -1, -1))

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        w, w_step, x, x_step, step, count, bias, least, pixels, offset, away, sums = arguments[2:]
        least, zero, y = _splat(b, least, lanes), ir.Constant(kind, None), {}
        for r in range(rows):
            value = _splat(b, _load(b, bias, _const(BYTES * r), F32), lanes)
            for place in range(4):
                y[r, place] = value
        for k in range(0, 16, AT_ONCE):
            group = range(k, k + AT_ONCE)
            products = {(k, r): cgutils.alloca_once(b, kind) for k in group for r in range(rows)}
            for slot in products.values():
                b.store(zero, slot)
            with cgutils.for_range(b, count) as c:
                x_c, w_c = b.add(x, b.mul(c.index, step)), b.add(w, b.mul(c.index, _const(BYTES * rows)))
                for k in group:
                    image, w_of_k = _load(b, x_c, b.mul(x_step, _const(k)), kind), b.add(w_c, b.mul(w_step, _const(k)))
                    for r in range(rows):
                        value = _splat(b, _load(b, w_of_k, _const(BYTES * r), F32), lanes)
                        b.store(_multiply_add(b, value, image, b.load(products[k, r])), products[k, r])
            for (k, r), slot in products.items():
                product, (i, j) = b.load(slot), square[k]
                for place in range(4):
                    sign = A[place // 2][i] * A[place % 2][j]
                    if sign:
                        y[r, place] = (b.fadd if sign > 0 else b.fsub)(y[r, place], product)
        total = _load(b, sums, _const(0), kind)
        for place in range(4):
            pixel = b.add(_load(b, pixels, _const(8 * place), I64), offset)
            for r in range(rows):
                value = y[r, place]
                total = _multiply_add(b, value, zero, total)
                value = b.select(b.fcmp_ordered("<", value, least), least, value)
                _store(b, value, pixel, b.mul(away, _const(r)))
        _store(b, total, sums, _const(0))
        return context.get_dummy_value()

    integers = [types.intp] * 7, [types.intp] * 4
    return types.void(R, width, *integers[0], types.float32, *integers[1]), generate


@intrinsic
def turn(_: Any, x: Any, x_step: Any, out: Any, out_step: Any) -> Any:
    """LANES rows of LANES numbers, as columns."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, x_step, out, out_step = arguments
        half, numbers = LANES // 2, ir.VectorType(I32, LANES)
        rows = [_load(b, x, b.mul(x_step, _const(i)), _kind(LANES)) for i in range(LANES)]
        low, high = (
            ir.Constant(numbers, [v for i in range(first, first + half) for v in (i, LANES + i)]) for first in (0, half)
        )
        for _ in range(LANES.bit_length() - 1):  # each time, the rows of both halves are interleaved
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [b.shuffle_vector(p, q, part) for p, q in pairs for part in (low, high)]
        for i, row in enumerate(rows):
            _store(b, row, out, b.mul(out_step, _const(i)))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def combine_gradients(_: Any, z: Any, z_step: Any, out: Any, step: Any) -> Any:
    """The 16 combinations, `step` apart, of a vector of each of 2 x 2 pixels, `z_step` apart."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        z, z_step, out, step = arguments
        pixels = [[_load(b, z, b.mul(z_step, _const(2 * i + j)), _kind(LANES)) for j in range(2)] for i in range(2)]

        def combine(z: list[Any]) -> list[Any]:
            return [z[0], b.fadd(z[0], z[1]), b.fsub(z[0], z[1]), b.fneg(z[1])]

        for i, row in enumerate(_both_ways(combine, pixels)):
            for j, value in enumerate(row):
                _store(b, value, out, b.mul(step, _const(4 * i + j)))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic(prefer_literal=True)
def add_products(
    _: Any, R: Any, V: Any, x: Any, x_step: Any, z: Any, z_step: Any, count: Any, out: Any, step: Any
) -> Any:
    """out[r, v] += sum over n < count of x[r, n] z[n, v], of R input channels and V vectors of outputs."""
    rows, vectors = R.literal_value, V.literal_value

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, x_step, z, z_step, count, out, step = arguments[2:]
        if not rows:
            return context.get_dummy_value()
        total = [[cgutils.alloca_once(b, _kind(LANES)) for _ in range(vectors)] for _ in range(rows)]
        places = [
            [(b.add(out, b.mul(step, _const(r))), _const(VECTOR * v)) for v in range(vectors)] for r in range(rows)
        ]
        for r in range(rows):
            for v in range(vectors):
                b.store(_load(b, *places[r][v], _kind(LANES)), total[r][v])
        with cgutils.for_range(b, count) as n:
            x_n, z_n = b.add(x, b.mul(n.index, _const(BYTES))), b.add(z, b.mul(n.index, z_step))
            gradients = [_load(b, z_n, _const(VECTOR * v), _kind(LANES)) for v in range(vectors)]
            for r in range(rows):
                value = _splat(b, _load(b, x_n, b.mul(x_step, _const(r)), F32), LANES)
                for gradient, slot in zip(gradients, total[r], strict=True):
                    b.store(_multiply_add(b, value, gradient, b.load(slot)), slot)
        for r in range(rows):
            for v in range(vectors):
                _store(b, b.load(total[r][v]), *places[r][v])
        return context.get_dummy_value()

    return types.void(R, V, *[types.intp] * 7), generate


@compiled()
def look(table, image, H, W, pixel, h, w, size, outside):  # type: ignore[no-untyped-def]
    """The addresses of the size x size pixels from (h, w) on; `outside` for those that the image has not."""
    for i in range(size):
        for j in range(size):
            inside = 0 <= h + i < H and 0 <= w + j < W
            table[size * i + j] = image + ((h + i) * W + w + j) * pixel if inside else outside


@functools.cache
def correlation(R: int, width: int) -> Any:
    """Rows p0 ... p1 of blocks, for `count` vectors of images, by tiles of R channels: are they finite?

    x (H, W, C, N), w (tiles, 16, C, R), b (O), out (OH, OW, O, N). `starts` are the tiles' first channels; `space` has
    room for 16 C vectors, and for a pixel of out.
    """

    @compiled()
    def kernel(x, w, b, out, space, starts, top, left, p0, p1, first, count, least):  # type: ignore[no-untyped-def]
        (H, W, C, N), (OH, OW, O, _) = x.shape, out.shape
        step, columns, sums = BYTES * width, (OW + 1) // 2, np.zeros(LANES, np.float32)
        x_step = C * step + LINE  # not a power of two: the 16 would meet in one set of a cache
        combined = (space.ctypes.data + LINE - 1) // LINE * LINE
        beyond, nothing = combined + 16 * x_step, np.zeros(C * N, np.float32)
        pixels, results = np.empty(16, np.int64), np.empty(4, np.int64)
        for p in range(p0, p1):
            for j in range(columns):
                look(pixels, x.ctypes.data, H, W, C * N * BYTES, 2 * p - top, 2 * j - left, 4, nothing.ctypes.data)
                look(results, out.ctypes.data, OH, OW, O * N * BYTES, 2 * p, 2 * j, 2, beyond)
                for n in range(first, first + count * width, width):
                    n = min(n, N - width)
                    for c in range(C):
                        combine_inputs(width, pixels.ctypes.data, (c * N + n) * BYTES, combined + c * step, x_step)
                    for t in range(starts.size):
                        o, kernels = starts[t], w.ctypes.data + t * 16 * C * R * BYTES
                        finish(
                            R, width, kernels, C * R * BYTES, combined, x_step, step, C, b.ctypes.data + o * BYTES,
                            least, results.ctypes.data, (o * N + n) * BYTES, N * BYTES, sums.ctypes.data,
                        )  # fmt: skip
        return sums.sum() == 0

    return kernel


@functools.cache
def gradient(R: int, V: int, r: int) -> Any:
    """What rows p0 ... p1 of blocks add to P (16, C, O), by tiles of R input channels, the last of r, and V vectors.

    x (H, W, C, N), dz (OH, OW, channels, N). `starts` are the first channels of the vectors, in which O counts those
    of two vectors twice; `bounds` divides the images. `space` has room for 16 C + 20 O times the most images at once.
    """

    @compiled()
    def kernel(x, dz, P, space, starts, bounds, top, left, p0, p1):  # type: ignore[no-untyped-def]
        (H, W, C, N), (OH, OW, channels, _), O = x.shape, dz.shape, P.shape[2]
        images, row = np.max(np.diff(bounds)), O * BYTES
        length = (images + LANES - 1) // LANES * VECTOR
        x_step, z_step = C * length + LINE, images * row + LINE
        combined = (space.ctypes.data + LINE - 1) // LINE * LINE
        gradients = combined + 16 * x_step
        turned = gradients + 16 * z_step
        pixels, nothing = np.empty(16, np.int64), np.zeros(C * N, np.float32)
        blanks, results = np.zeros(channels * N, np.float32), np.empty(4, np.int64)
        for p in range(p0, p1):
            for j in range((OW + 1) // 2):
                look(pixels, x.ctypes.data, H, W, C * N * BYTES, 2 * p - top, 2 * j - left, 4, nothing.ctypes.data)
                look(results, dz.ctypes.data, OH, OW, channels * N * BYTES, 2 * p, 2 * j, 2, blanks.ctypes.data)
                for part in range(bounds.size - 1):
                    n0, count = bounds[part], bounds[part + 1] - bounds[part]
                    for c in range(C):
                        for n in range(0, count, LANES):
                            n = min(n, count - LANES)
                            at, to = (c * N + n0 + n) * BYTES, combined + c * length + n * BYTES
                            combine_inputs(LANES, pixels.ctypes.data, at, to, x_step)
                    for pixel in range(4):
                        for v in range(starts.size):
                            for n in range(0, count, LANES):
                                n = min(n, count - LANES)
                                to = turned + pixel * z_step + n * row + v * VECTOR
                                turn(results[pixel] + (starts[v] * N + n0 + n) * BYTES, N * BYTES, to, row)
                    for at in range(0, count * row, VECTOR):
                        combine_gradients(turned + at, z_step, gradients + at, z_step)
                    for k in range(16):
                        xs, zs = combined + k * x_step, gradients + k * z_step
                        to = P.ctypes.data + k * C * row
                        for v in range(0, starts.size, V):
                            z, at = zs + v * VECTOR, to + v * VECTOR
                            for c in range(0, C - r, R):
                                add_products(R, V, xs + c * length, length, z, row, count, at + c * row, row)
                            c = C - r
                            add_products(r, V, xs + c * length, length, z, row, count, at + c * row, row)

    return kernel


@compiled()
def pack(w, starts, ratio, out):  # type: ignore[no-untyped-def]
    """G w G^T of w (O, C, 3, 3), any strides -> out (tiles, 16, C, R), whose first channels are `starts`.

    Returns whether they are alike: of each output, the largest weights of any two of the nine places are within
    `ratio`, and where one place has a zero the others have, too.
    """
    tiles, _, C, R = out.shape
    half, zero, rows = np.float32(0.5), np.float32(0), np.empty((4, 3), np.float32)
    largest, alike = np.empty((3, 3), np.float32), True
    for t in range(tiles):
        for r in range(R):
            o = starts[t] + r
            largest[:] = zero
            for c in range(C):
                holes = 0
                for j in range(3):
                    for i in range(3):
                        size = abs(w[o, c, i, j])
                        holes += size == zero
                        largest[i, j] = max(largest[i, j], size)
                    first, second, third = w[o, c, 0, j], w[o, c, 1, j], w[o, c, 2, j]
                    outer = first + third
                    rows[0, j], rows[1, j] = first, half * (outer + second)
                    rows[2, j], rows[3, j] = half * (outer - second), third
                for i in range(4):
                    outer = rows[i, 0] + rows[i, 2]
                    out[t, 4 * i, c, r], out[t, 4 * i + 1, c, r] = rows[i, 0], half * (outer + rows[i, 1])
                    out[t, 4 * i + 2, c, r], out[t, 4 * i + 3, c, r] = half * (outer - rows[i, 1]), rows[i, 2]
                alike &= holes == 0 or holes == 9
            alike &= largest.min() * ratio >= largest.max()
    return alike


@compiled()
def unpack(partial, starts, rounding, dw):  # type: ignore[no-untyped-def]
    """G^T P G of the sum P of partial (bands, 16, C, vectors of channels) -> dw (O, C, 3, 3), whether it is finite.

    What is within `rounding` of the largest of its kernel becomes zero, as in `Safeguards.flush`.
    """
    bands, _, C, L = partial.shape
    P, rows, values = np.empty((4, 4, L), np.float32), np.empty((3, 4, L), np.float32), np.empty((3, 3), np.float32)
    half, zero, total = np.float32(0.5), np.float32(0), np.float32(0)
    for c in range(C):
        for k in range(16):
            of = P[k // 4, k % 4]
            of[:] = partial[0, k, c]
            for band in range(1, bands):
                row = partial[band, k, c]
                for q in range(L):
                    of[q] += row[q]
        for j in range(4):
            for q in range(L):
                outer = half * (P[1, j, q] + P[2, j, q])
                rows[0, j, q], rows[2, j, q] = P[0, j, q] + outer, outer + P[3, j, q]
                rows[1, j, q] = half * (P[1, j, q] - P[2, j, q])
        for v in range(starts.size):
            for lane in range(LANES):
                q, largest = v * LANES + lane, zero
                for i in range(3):
                    outer = half * (rows[i, 1, q] + rows[i, 2, q])
                    values[i, 0], values[i, 2] = rows[i, 0, q] + outer, outer + rows[i, 3, q]
                    values[i, 1] = half * (rows[i, 1, q] - rows[i, 2, q])
                    for j in range(3):
                        largest, total = max(largest, abs(values[i, j])), total + values[i, j] * zero
                for i in range(3):
                    for j in range(3):
                        kept = abs(values[i, j]) > largest * rounding
                        dw[starts[v] + lane, c, i, j] = values[i, j] if kept else zero
    return total == zero
