"""What the kernels of a training step do in vector registers, told to LLVM: tiles of products, and rows of pooling.

Arguments are addresses, and distances in bytes. Each result is one sum in a fixed order, whatever tile takes it.
"""

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xpnet.backend.jit.kernels import (
    BYTES,
    F32,
    I32,
    I64,
    LANES,
    _at,
    _const,
    _load,
    _multiply_add,
    _splat,
    _sums,
    _tile_of_slots,
)
from xpnet.backend.jit.tiles import (
    VECTOR,
    ZERO,
    Shapes,
    V,
    _each_shape,
    _mask,
    _masked_load,
    _masked_store,
    _step,
    _store,
    _whole_and_rest,
)

I8 = ir.IntType(8)
# Rows of a tile of an outer product, and vectors of its columns: as many sums as leave registers for what they are of.
ROWS = {16: (6, 4, 2, 1), 8: (4, 2, 1), 4: (6, 4, 2, 1)}[LANES]
WIDE = {16: 4, 8: 3, 4: 4}[LANES]
OUTER: Shapes = [(rows, width) for rows in ROWS for width in (WIDE, 1, 0)]  # 0: one vector, of which a part counts
# Output channels of a tile of a convolution's gradient, and places of its kernel.
CHANNELS = {16: (6, 4, 2, 1), 8: (3, 2, 1), 4: (6, 4, 2, 1)}[LANES]
TAPS = {16: 4, 8: 3, 4: 4}[LANES]
CORRELATION: Shapes = [(rows, taps) for rows in CHANNELS for taps in (TAPS, 1)]


def _back_through(b: Any, how: Any) -> Callable[[Any, Any], Any]:
    """What takes the gradient of an activation's output y to that of its input, for vectors.

    `how` is the address of four numbers: 0, 1 for ReLU, whose gradient goes through where y > 0, or 2 for a derivative
    low + y (middle + high y); and these three.
    """
    kind, low, middle, high = (_load(b, how, _const(BYTES * at), F32) for at in range(4))
    numbers = [_splat(b, each, LANES) for each in (low, middle, high)]
    relu, curve = (_splat(b, b.fcmp_ordered("==", kind, ir.Constant(F32, value)), LANES) for value in (1.0, 2.0))

    def back(dy: Any, y: Any) -> Any:
        passed = b.select(b.and_(relu, b.not_(b.fcmp_ordered(">", y, ZERO))), ZERO, dy)
        slope = b.fadd(numbers[0], b.fmul(y, b.fadd(numbers[1], b.fmul(numbers[2], y))))
        return b.select(curve, b.fmul(passed, slope), passed)

    return back


@intrinsic
def outer_tile(
    _: Any, number: Any, a: Any, a_row: Any, a_step: Any, x: Any, x_step: Any, K: Any, y: Any, y_row: Any, count: Any,
    start: Any, start_row: Any, relu: Any, gate: Any, gate_row: Any, how: Any,
) -> Any:  # fmt: skip
    """y[r, c] = act(start[r, c] + sum over k of a[r, k] x[k, c]), and back through what gave gate[r, c]; start and gate
    may be 0, for none.

    a[r, k] lies at a + r a_row + k a_step, x[k, c] in row k of x; of a tile of width 0 the first `count` columns count.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        number, a, a_row, a_step, x, x_step, K, y, y_row, count, start, start_row, relu, gate, gate_row, how = arguments
        some = _mask(b, count)
        gated, given, rectified = (b.icmp_signed("!=", each, _const(0)) for each in (gate, start, relu))

        def tile(rows: int, width: int) -> None:
            vectors = max(width, 1)
            total = _tile_of_slots(b, rows, [LANES] * vectors)
            for slot in (slot for row in total for slot in row):
                b.store(ZERO, slot)

            def taken(row: Any, v: int) -> Any:
                return _load(b, row, _const(VECTOR * v), V) if width else _masked_load(b, row, some)

            with b.if_then(given):
                for r in range(rows):
                    row = _step(b, start, start_row, r)
                    for v, slot in enumerate(total[r]):
                        b.store(taken(row, v), slot)
            places = [_step(b, a, a_row, r) for r in range(rows)]
            with cgutils.for_range(b, K) as k:
                at = b.add(x, b.mul(k.index, x_step))
                columns = [taken(at, v) for v in range(vectors)]
                place = b.mul(k.index, a_step)
                for r in range(rows):
                    value = _splat(b, _load(b, places[r], place, F32), LANES)
                    for column, slot in zip(columns, total[r], strict=True):
                        _multiply_add(b, value, column, slot)
            with b.if_then(gated):
                back = _back_through(b, how)
                for r in range(rows):
                    row = _step(b, gate, gate_row, r)
                    for v, slot in enumerate(total[r]):
                        b.store(back(b.load(slot), taken(row, v)), slot)
            with b.if_then(rectified):  # a NaN is not below zero and stays
                for slot in (slot for row in total for slot in row):
                    y_now = b.load(slot)
                    b.store(b.select(b.fcmp_ordered("<", y_now, ZERO), ZERO, y_now), slot)
            for r in range(rows):
                row = _step(b, y, y_row, r)
                for v, slot in enumerate(total[r]):
                    if width:
                        _store(b, b.load(slot), row, _const(VECTOR * v))
                    else:
                        _masked_store(b, b.load(slot), row, some)

        _each_shape(b, number, OUTER, tile)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 16), generate


@intrinsic
def correlation_tile(
    _: Any, number: Any, dz: Any, dz_row: Any, dz_step: Any, x: Any, x_step: Any, offsets: Any, vectors: Any,
    images: Any, dw: Any, dw_row: Any,
) -> Any:  # fmt: skip
    """dw[r, t] = sum over images i and pixels p of dz[i, r, p] x[i, offsets[t] + p], p in so many vectors."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        number, dz, dz_row, dz_step, x, x_step, offsets, vectors, images, dw, dw_row = arguments

        def tile(rows: int, taps: int) -> None:
            total = _tile_of_slots(b, rows, [LANES] * taps)
            for slot in (slot for row in total for slot in row):
                b.store(ZERO, slot)
            places = [_load(b, offsets, _const(8 * t), I64) for t in range(taps)]
            with cgutils.for_range(b, images) as i:
                gradients, image = b.add(dz, b.mul(i.index, dz_step)), b.add(x, b.mul(i.index, x_step))
                channels = [_step(b, gradients, dz_row, r) for r in range(rows)]
                taken = [b.add(image, place) for place in places]
                with cgutils.for_range(b, vectors) as p:
                    at = b.mul(p.index, _const(VECTOR))
                    values = [_load(b, channel, at, V) for channel in channels]
                    for t in range(taps):
                        pixels = _load(b, taken[t], at, V)
                        for r in range(rows):
                            _multiply_add(b, values[r], pixels, total[r][t])
            lanes = ir.Constant(ir.VectorType(I32, taps), list(range(taps)))
            for r in range(rows):
                sums = _sums(b, [b.load(slot) for slot in total[r]])
                _store(b, b.shuffle_vector(sums, sums, lanes), _step(b, dw, dw_row, r), _const(0))

        _each_shape(b, number, CORRELATION, tile)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), generate


def _pairs(first: int) -> Any:
    """Lanes first, first + 2, ... of two vectors behind one another."""
    return ir.Constant(ir.VectorType(I32, LANES), list(range(first, 2 * LANES, 2)))


BYTES_OF_LANES = ir.VectorType(I8, LANES)


@intrinsic
def pool_row(_: Any, upper: Any, lower: Any, out: Any, places: Any, count: Any, relu: Any) -> Any:
    """out[i] = the largest of upper[2i], upper[2i + 1], lower[2i], lower[2i + 1], and places[i] which it is: 0 to 3.

    The first of equal ones; a NaN wins. With `relu` what is below 0 becomes 0. Reads up to two vectors beyond the rows,
    and writes up to a vector of places beyond.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        upper, lower, out, places, count, relu = arguments
        fused = _splat(b, b.icmp_signed("!=", relu, _const(0)), LANES)
        kinds = [ir.Constant(BYTES_OF_LANES, [place] * LANES) for place in range(4)]

        def work(first: Any, mask: Any) -> None:
            at = b.mul(first, _const(2 * BYTES))
            further = b.add(at, _const(VECTOR))
            four = []
            for row in (upper, lower):
                left, right = (_load(b, row, o, V) for o in (at, further))
                four += [b.shuffle_vector(left, right, _pairs(0)), b.shuffle_vector(left, right, _pairs(1))]
            y, place = four[0], kinds[0]
            for kind, value in zip(kinds[1:], four[1:], strict=True):
                wins = b.or_(b.fcmp_ordered(">", value, y), b.fcmp_unordered("uno", value, value))
                y, place = b.select(wins, value, y), b.select(wins, kind, place)
            y = b.select(b.and_(fused, b.fcmp_ordered("<", y, ZERO)), ZERO, y)
            b.store(place, _at(b, places, first, BYTES_OF_LANES), align=1)
            address = b.add(out, b.mul(first, _const(BYTES)))
            if mask is None:
                _store(b, y, address, _const(0))
            else:
                _masked_store(b, y, address, mask)

        _whole_and_rest(b, count, work)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@intrinsic
def unpool_row(_: Any, dy: Any, y: Any, places: Any, upper: Any, lower: Any, count: Any, how: Any) -> Any:
    """The gradient of `pool_row`: dy[i], through the activation, goes to the place that was the largest; else 0.

    Writes zeros up to two vectors beyond the rows.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        dy, y, places, upper, lower, count, how = arguments
        back = _back_through(b, how)
        kinds = [ir.Constant(BYTES_OF_LANES, [place] * LANES) for place in range(4)]
        halves = [
            ir.Constant(ir.VectorType(I32, LANES), [lane // 2 + LANES * (lane % 2) for lane in range(first, end)])
            for first, end in ((0, LANES), (LANES, 2 * LANES))
        ]

        def work(first: Any, mask: Any, row: Any, kinds: list[Any]) -> None:
            at = b.mul(first, _const(BYTES))
            if mask is None:
                gradient, value = _load(b, dy, at, V), _load(b, y, at, V)
            else:
                gradient, value = (_masked_load(b, b.add(each, at), mask) for each in (dy, y))
            gradient = back(gradient, value)
            place = b.load(_at(b, places, first, BYTES_OF_LANES), align=1)
            even, odd = (b.select(b.icmp_signed("==", place, kind), gradient, ZERO) for kind in kinds)
            for half, offset in zip(halves, (0, VECTOR), strict=True):
                _store(
                    b, b.shuffle_vector(even, odd, half), b.add(row, b.mul(first, _const(2 * BYTES))), _const(offset)
                )

        for row, own in ((upper, kinds[:2]), (lower, kinds[2:])):  # the zeros behind the upper one may reach the lower
            _whole_and_rest(b, count, functools.partial(work, row=row, kinds=own))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


@intrinsic
def back_row(_: Any, dy: Any, y: Any, out: Any, count: Any, how: Any) -> Any:
    """out[i] = dy[i], through the activation that gave y[i]."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        dy, y, out, count, how = arguments
        back = _back_through(b, how)

        def work(first: Any, mask: Any) -> None:
            at = b.mul(first, _const(BYTES))
            if mask is None:
                _store(b, back(_load(b, dy, at, V), _load(b, y, at, V)), out, at)
            else:  # what is behind the row may be another thread's
                gradient, value = (_masked_load(b, b.add(each, at), mask) for each in (dy, y))
                _masked_store(b, back(gradient, value), b.add(out, at), mask)

        _whole_and_rest(b, count, work)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


SUMS = 4  # vectors that are added side by side


@intrinsic
def sum_row(_: Any, x: Any, count: Any) -> Any:
    """The sum of x[i]. Reads up to SUMS vectors, of which what is behind the row must be 0."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        x, count = arguments
        total = _tile_of_slots(b, 1, [LANES] * SUMS)[0]
        for slot in total:
            b.store(ZERO, slot)
        with cgutils.for_range(b, b.sdiv(b.add(count, _const(SUMS * LANES - 1)), _const(SUMS * LANES))) as i:
            at = b.mul(i.index, _const(SUMS * VECTOR))
            for v, slot in enumerate(total):
                b.store(b.fadd(b.load(slot), _load(b, b.add(x, at), _const(VECTOR * v), V)), slot)
        vectors = [b.load(slot) for slot in total]
        while len(vectors) > 1:
            vectors = [b.fadd(one, other) for one, other in zip(vectors[::2], vectors[1::2], strict=True)]
        return b.extract_element(_sums(b, vectors), ir.Constant(I32, 0))

    return types.float32(types.int64, types.int64), generate
