"""The kernels of the JIT backend: register tiles as LLVM vectors, and the loops around them, compiled by Numba.

All arrays are float32 and contiguous in the order (H, W, C, N): a pixel's channels lie behind one another, each of them
one run of N images. A vector holds LANES images; a tile of accumulators stays in registers while the loop over the
inputs runs, so that no columns are copied and nothing is packed but the weights.

A tile's size is part of its code: `convolution(4, 4, ...)` is compiled for four output channels times four vectors of
images, on first use, and cached on disk by Numba (in __pycache__, or in NUMBA_CACHE_DIR).

What shares the builder of vectors and the sizes of tiles is in this file; pooling.py and updates.py have plain loops.
"""

import functools
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.jit.compiled import compiled


def lanes(features: dict[str, bool]) -> int:
    """Entries of float32 in the widest vector register of a processor with these features."""
    return 16 if features.get("avx512f") else 8 if features.get("avx2") else 4


LANES = lanes(dict(llvmlite.binding.get_host_cpu_features()))
VECTORS = {16: 4, 8: 2, 4: 4}[LANES]  # of images in a tile; 32 registers of AVX-512 or NEON hold more than 16 of AVX2
CHANNELS = (4, 6, 5)  # of output in a tile, the best first where they waste the same
WEIGHTS = {16: (4, 4), 8: (3, 3), 4: (4, 4)}[LANES]  # channels of output and input in a tile of the weights' gradient
BYTES = 4  # of a float32
ROWS = 128  # that are added in float32 before they go to a double
SPINS = 1_500_000  # looks at a state: about a millisecond, as long as OpenMP's threads stay awake
GRACE = 20_000  # further looks, about 12 microseconds: by then the one that changed it has given up the GIL


class Part(NamedTuple):
    """Images that a tile takes: `vectors` of them from image `first` on.

    The last vector has `last` lanes and begins `offset` images behind `first`: where the images do not fill it, it
    reaches back over some that the vector before it has, and computes them twice.
    """

    first: int
    vectors: int
    last: int
    offset: int


def parts(N: int) -> list[Part]:
    """All N images (at least LANES) in tiles of up to VECTORS vectors, of as equal a size as can be."""
    total, rest = -(-N // LANES), N % LANES
    narrow = next(width for width in (4, 8, 16) if width >= rest) if rest else LANES
    count, result = -(-total // VECTORS), []
    for index in range(count):
        first, end = ((i * total + count - 1) // count for i in (index, index + 1))
        last, offset = (LANES, (end - first - 1) * LANES) if end < total else (narrow, N - narrow - first * LANES)
        result.append(Part(first * LANES, end - first, last, offset))
    return result


def channels_of_a_tile(O: int) -> int:
    """How many output channels of O a tile takes; the last tile reaches back over channels that another one has."""
    return min((size for size in CHANNELS if size <= O), key=lambda size: -(-O // size) * size, default=O)


# ---- what LLVM is told ---------------------------------------------------------------------------------------------

F32, I64, I32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)


def _vector(width: int) -> ir.VectorType:
    return ir.VectorType(F32, width)


def _const(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


def _at(b: Any, address: Any, offset: Any, kind: Any) -> Any:
    return b.inttoptr(b.add(address, offset), kind.as_pointer())


def _load(b: Any, address: Any, offset: Any, kind: Any) -> Any:
    return b.load(_at(b, address, offset, kind), align=BYTES)


def _splat(b: Any, scalar: Any, width: int) -> Any:
    """A vector of `width` times the scalar."""
    kind = ir.VectorType(scalar.type, width)
    first = b.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(I32, 0))
    return b.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, width), [0] * width))


def _multiply_add(b: Any, x: Any, y: Any, total: Any) -> None:
    """total += x * y; `total` is a slot that LLVM keeps in a register."""
    kind = x.type
    signature = ir.FunctionType(kind, [kind, kind, kind])
    function = cgutils.get_or_insert_function(b.module, signature, f"llvm.fma.v{kind.count}f32")
    b.store(b.call(function, [x, y, b.load(total)]), total)


def _sums(b: Any, vectors: list[Any]) -> Any:
    """A vector whose lane i is the sum of the lanes of vectors[i]; neighbours are added, four times for 16 lanes."""
    kind = ir.VectorType(I32, LANES)
    evens, odds = (ir.Constant(kind, list(range(first, 2 * LANES, 2))) for first in (0, 1))
    vectors = [*vectors, *[ir.Constant(_vector(LANES), [0.0] * LANES)] * (LANES - len(vectors))]
    while len(vectors) > 1:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [b.fadd(b.shuffle_vector(x, y, evens), b.shuffle_vector(x, y, odds)) for x, y in pairs]
    return vectors[0]


def _tile_of_slots(b: Any, rows: int, widths: list[int]) -> list[list[Any]]:
    return [[cgutils.alloca_once(b, _vector(width)) for width in widths] for _ in range(rows)]


@intrinsic(prefer_literal=True)
def conv_tile(
    _: Any, R: Any, S: Any, last: Any, relu: Any, x: Any, w: Any, bias: Any, out: Any, runs: Any, count: Any,
    stride: Any, offset: Any,
) -> Any:  # fmt: skip
    """out[r, n] = act(bias[r] + sum_k w[k, r] x[k, n]) for R channels and S vectors of images.

    `runs` is a table of `count` rows (offset in x, offset in w, length): in each run, consecutive k are `stride` bytes
    apart in x and R floats apart in w. `x` ... `runs` are addresses; the last vector begins at `offset`, in bytes.
    """
    rows, vectors, last_width, fused = (kind.literal_value for kind in (R, S, last, relu))

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, w, bias, out, runs, count, stride, offset = arguments[4:]
        widths = [LANES] * (vectors - 1) + [last_width]
        offsets = [_const(BYTES * LANES * s) for s in range(vectors - 1)] + [offset]
        total = _tile_of_slots(b, rows, widths)
        for r in range(rows):
            value = _load(b, bias, _const(BYTES * r), F32)
            for width, slot in zip(widths, total[r], strict=True):
                b.store(_splat(b, value, width), slot)
        with cgutils.for_range(b, count) as run:
            row = b.add(runs, b.mul(run.index, _const(24)))
            x_offset, w_offset, length = (_load(b, row, _const(8 * i), I64) for i in range(3))
            x_run, w_run = b.add(x, x_offset), b.add(w, w_offset)
            with cgutils.for_range(b, length) as k:
                x_k, w_k = b.add(x_run, b.mul(k.index, stride)), b.add(w_run, b.mul(k.index, _const(BYTES * rows)))
                images = [_load(b, x_k, at, _vector(width)) for at, width in zip(offsets, widths, strict=True)]
                for r in range(rows):
                    value = _load(b, w_k, _const(BYTES * r), F32)
                    for width, image, slot in zip(widths, images, total[r], strict=True):
                        _multiply_add(b, _splat(b, value, width), image, slot)
        for r in range(rows):
            row = b.add(out, b.mul(stride, _const(r)))
            for at, width, slot in zip(offsets, widths, total[r], strict=True):
                y, zero = b.load(slot), ir.Constant(_vector(width), [0.0] * width)
                if fused:  # a NaN is not below zero and stays
                    y = b.select(b.fcmp_ordered("<", y, zero), zero, y)
                b.store(y, _at(b, row, at, _vector(width)), align=BYTES)
        return context.get_dummy_value()

    return types.void(R, S, last, relu, *[types.intp] * 8), generate


@intrinsic(prefer_literal=True)
def weight_tile(
    _: Any, R: Any, T: Any, dz: Any, x: Any, out: Any, pixels: Any, dz_step: Any, x_step: Any, stride: Any,
    vectors: Any, tail: Any, hidden: Any, out_stride: Any,
) -> Any:  # fmt: skip
    """out[t, r] += sum over pixels and images of x[t] dz[r], for R channels of dz and T of x.

    `tail` is the offset, in bytes, of a last vector whose first `hidden` lanes have been counted already, or -1.
    """
    rows, columns = R.literal_value, T.literal_value

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        dz, x, out, pixels, dz_step, x_step, stride, vectors, tail, hidden, out_stride = arguments[2:]
        if not rows or not columns:
            return context.get_dummy_value()
        V, zero = _vector(LANES), ir.Constant(_vector(LANES), [0.0] * LANES)
        total = _tile_of_slots(b, rows, [LANES] * columns)
        for slot in (slot for row in total for slot in row):
            b.store(zero, slot)
        numbers = ir.Constant(ir.VectorType(I32, LANES), list(range(LANES)))
        counts = b.icmp_signed(">=", numbers, _splat(b, b.trunc(hidden, I32), LANES))

        def step(dz: Any, x: Any, masked: bool) -> None:
            gradients = [_load(b, dz, b.mul(stride, _const(r)), V) for r in range(rows)]
            if masked:
                gradients = [b.select(counts, gradient, zero) for gradient in gradients]
            for t in range(columns):
                image = _load(b, x, b.mul(stride, _const(t)), V)
                for r in range(rows):
                    _multiply_add(b, gradients[r], image, total[r][t])

        with cgutils.for_range(b, pixels) as pixel:
            dz_pixel, x_pixel = b.add(dz, b.mul(pixel.index, dz_step)), b.add(x, b.mul(pixel.index, x_step))
            with cgutils.for_range(b, vectors) as n:
                at = b.mul(n.index, _const(BYTES * LANES))
                step(b.add(dz_pixel, at), b.add(x_pixel, at), False)
            with b.if_then(b.icmp_signed(">=", tail, _const(0))):
                step(b.add(dz_pixel, tail), b.add(x_pixel, tail), True)
        together = LANES // rows  # rows of `out` that one vector holds
        for t0 in range(0, columns, together):
            group = range(t0, min(t0 + together, columns))
            sums = _sums(b, [b.load(total[r][t]) for t in group for r in range(rows)])
            for place, t in enumerate(group):
                lanes = ir.Constant(ir.VectorType(I32, rows), [place * rows + r for r in range(rows)])
                row = _at(b, b.add(out, b.mul(out_stride, _const(t))), _const(0), _vector(rows))
                value = b.shuffle_vector(sums, sums, lanes)
                b.store(b.fadd(b.load(row, align=BYTES), value), row, align=BYTES)
        return context.get_dummy_value()

    return types.void(R, T, *[types.intp] * 11), generate


@intrinsic
def _peek(_: Any, address: Any) -> Any:
    """The int64 at an address, read anew each time: another thread may write it."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.load_atomic(b.inttoptr(arguments[0], I64.as_pointer()), "acquire", 8)

    return types.int64(types.intp), generate


@compiled()
def spin(state, index, value, equal):  # type: ignore[no-untyped-def]
    """Wait about a millisecond until state[index] equals `value`, or no longer does; tells whether that came."""
    address = state.ctypes.data + 8 * index
    for _ in range(SPINS):
        if (_peek(address) == value) == equal:
            for _ in range(GRACE):
                _peek(address)
            return True
    return False


# ---- convolution ---------------------------------------------------------------------------------------------------


@functools.cache
def convolution(R: int, S: int, last: int, relu: bool) -> Any:
    """Rows y0 ... y1 of a convolution, for the images of one part, by tiles of R channels and S vectors.

    x (H, W, C, N); w (G, tiles, KH, KW, C/G, R); b (O); out (OH, OW, O, N). Row i of `rows` lists (input row, kernel
    row, 1) for each row of the window that meets the image, closed by a length of 0; row j of `columns` the runs
    (first input column, first kernel column, length). `starts` are the first channels of the tiles in a group.
    """

    @compiled()
    def kernel(x, w, b, out, rows, columns, starts, y0, y1, first, offset):  # type: ignore[no-untyped-def]
        _, W, C, N = x.shape
        _, OW, O, _ = out.shape
        G, tiles, KH, KW, CG, _ = w.shape
        runs = np.empty((rows.shape[1] * columns.shape[1], 3), np.int64)  # of one output pixel, offsets in bytes
        for i in range(y0, y1):
            for j in range(OW):
                count = 0
                for m in range(rows.shape[1]):
                    for n in range(columns.shape[1]):
                        if rows[i, m, 2] == 0 or columns[j, n, 2] == 0:
                            break
                        runs[count, 0] = (rows[i, m, 0] * W + columns[j, n, 0]) * C * N * BYTES
                        runs[count, 1] = (rows[i, m, 1] * KW + columns[j, n, 1]) * CG * R * BYTES
                        runs[count, 2] = columns[j, n, 2] * CG
                        count += 1
                for g in range(G):
                    for tile in range(tiles):
                        o = g * (O // G) + starts[tile]
                        conv_tile(
                            R, S, last, relu, x.ctypes.data + (g * CG * N + first) * BYTES,
                            w.ctypes.data + (g * tiles + tile) * KH * KW * CG * R * BYTES, b.ctypes.data + o * BYTES,
                            out.ctypes.data + (((i * OW + j) * O + o) * N + first) * BYTES, runs.ctypes.data, count,
                            N * BYTES, offset * BYTES,
                        )  # fmt: skip

    return kernel


@functools.cache
def weight_gradient(R: int, T: int, r: int, t: int) -> Any:
    """What the output rows y0 ... y1 add to dw, by tiles of R output channels and T input channels.

    dz (OH, OW, O, N), x (H, W, C, N), dw (G, KH, KW, C/G, O/G). r and t are the channels that full tiles leave over.
    Output pixel (i, j) and tap (m, n) meet the input pixel (i SH + m DH - top, j SW + n DW - left); `geometry` holds
    SH, SW, DH, DW, top, left. `chunk` columns are done at a time: as many as the cache holds.
    """

    @compiled()
    def kernel(dz, x, dw, geometry, y0, y1, chunk):  # type: ignore[no-untyped-def]
        _, OW, O, N = dz.shape
        H, W, C, _ = x.shape
        G, KH, KW, CG, OG = dw.shape
        SH, SW, DH, DW, top, left = geometry
        vectors, stride, hidden = N // LANES, N * BYTES, -N % LANES
        tail = (N - LANES) * BYTES if hidden else -1
        full_c, full_o = CG - t, OG - r
        for i in range(y0, y1):
            for j0 in range(0, OW, chunk):
                for m in range(KH):
                    h = i * SH + m * DH - top
                    if h < 0 or h >= H:
                        continue
                    for n in range(KW):
                        shift = n * DW - left
                        a = max(j0, -(shift // SW))  # of the columns, those for which 0 <= j SW + shift < W
                        pixels = min(j0 + chunk, OW, (W - 1 - shift) // SW + 1) - a
                        if pixels <= 0:
                            continue
                        dz_pixel = dz.ctypes.data + (i * OW + a) * O * stride
                        x_pixel = x.ctypes.data + (h * W + a * SW + shift) * C * stride
                        dz_step, x_step = O * stride, SW * C * stride
                        for g in range(G):
                            for c in range(0, CG, T):
                                xs = x_pixel + (g * CG + c) * stride
                                for o in range(0, OG, R):
                                    zs = dz_pixel + (g * OG + o) * stride
                                    at = dw.ctypes.data + ((((g * KH + m) * KW + n) * CG + c) * OG + o) * BYTES
                                    # fmt: off
                                    if c < full_c and o < full_o:
                                        weight_tile(R, T, zs, xs, at, pixels, dz_step, x_step, stride, vectors, tail, hidden, OG * BYTES)  # noqa: E501
                                    elif o < full_o:
                                        weight_tile(R, t, zs, xs, at, pixels, dz_step, x_step, stride, vectors, tail, hidden, OG * BYTES)  # noqa: E501
                                    elif c < full_c:
                                        weight_tile(r, T, zs, xs, at, pixels, dz_step, x_step, stride, vectors, tail, hidden, OG * BYTES)  # noqa: E501
                                    else:
                                        weight_tile(r, t, zs, xs, at, pixels, dz_step, x_step, stride, vectors, tail, hidden, OG * BYTES)  # noqa: E501
                                    # fmt: on

    return kernel


@compiled()
def pack(w, starts, R, out):  # type: ignore[no-untyped-def]
    """w (G, O/G, C/G, KH, KW), any strides -> out (G, tiles, KH, KW, C/G, R); returns whether all are finite."""
    wrong = 0
    G, tiles, KH, KW, CG, _ = out.shape
    for g in range(G):
        for tile in range(tiles):
            for m in range(KH):
                for n in range(KW):
                    for c in range(CG):
                        for r in range(R):
                            value = w[g, starts[tile] + r, c, m, n]
                            out[g, tile, m, n, c, r] = value
                            wrong += value - value != np.float32(0)
    return wrong == 0


@functools.cache
def before_activation(relu: bool) -> Any:
    """dz = dy where y > 0, else 0, and its sums over the pixels i0 ... i1: dy, y, dz (pixels, O*N), sums double (O*N,).

    Without `relu` dz is dy, and only summed.
    """

    @compiled()
    def kernel(dy, y, dz, sums, i0, i1):  # type: ignore[no-untyped-def]
        sums[:] = 0
        part = np.zeros(sums.size, np.float32)
        for i in range(i0, i1):
            gradient, output, result = dy[i], y[i], dz[i]
            for q in range(sums.size):
                value = gradient[q]
                if relu:
                    value = value if output[q] > 0 else np.float32(0)
                    result[q] = value
                part[q] += value
            if (i - i0) % ROWS == ROWS - 1 or i == i1 - 1:
                for q in range(sums.size):
                    sums[q] += part[q]
                    part[q] = 0

    return kernel
