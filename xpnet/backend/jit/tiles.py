"""What inference.py's kernel does in vector registers, told to LLVM: tiles of convolutions and dense layers, and rows.

Arguments are addresses, and distances in bytes. Each output is one sum in a fixed order, whatever the tile's size: the
bits do not depend on which tile takes it. The sizes are part of the code; `number` says which one is meant.
"""

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
    _vector,
)

Shapes = list[tuple[int, int]]
VECTOR = BYTES * LANES  # bytes
WIDEST = 4  # vectors of pixels in a tile
# Output channels of a tile, and how many vectors it has at most: as many as leave registers for what is multiplied.
PIXELS = {16: {8: 3, 6: 4, 4: 4, 2: 4, 1: 4}, 8: {6: 2, 4: 3, 2: 4, 1: 4}, 4: {8: 3, 6: 4, 4: 4, 2: 4, 1: 4}}[LANES]
CHANNELS = tuple(PIXELS)
CONVOLUTIONS: Shapes = [(rows, width) for rows in CHANNELS for width in range(1, WIDEST + 1)]
# Images of a tile of a dense layer, and outputs.
OUTPUTS = {16: {4: 6, 2: 8, 1: 8}, 8: {4: 2, 2: 4, 1: 8}, 4: {4: 4, 2: 4, 1: 4}}[LANES]
IMAGES = tuple(OUTPUTS)
DENSE: Shapes = [(rows, outputs) for rows in IMAGES for outputs in (OUTPUTS[rows], 2, 1)]

V = _vector(LANES)
ZERO = ir.Constant(V, [0.0] * LANES)


def _store(b: Any, value: Any, address: Any, offset: Any) -> None:
    b.store(value, _at(b, address, offset, value.type), align=BYTES)


def _step(b: Any, address: Any, distance: Any, times: int) -> Any:
    return b.add(address, b.mul(distance, _const(times)))


def _mask(b: Any, count: Any) -> Any:
    """The first `count` lanes."""
    numbers = ir.Constant(ir.VectorType(I32, LANES), list(range(LANES)))
    return b.icmp_signed("<", numbers, _splat(b, b.trunc(count, I32), LANES))


def _masked_load(b: Any, address: Any, mask: Any) -> Any:
    signature = ir.FunctionType(V, [V.as_pointer(), I32, mask.type, V])
    function = cgutils.get_or_insert_function(b.module, signature, f"llvm.masked.load.v{LANES}f32.p0")
    return b.call(function, [b.inttoptr(address, V.as_pointer()), ir.Constant(I32, BYTES), mask, ZERO])


def _masked_store(b: Any, value: Any, address: Any, mask: Any) -> None:
    signature = ir.FunctionType(ir.VoidType(), [V, V.as_pointer(), I32, mask.type])
    function = cgutils.get_or_insert_function(b.module, signature, f"llvm.masked.store.v{LANES}f32.p0")
    b.call(function, [value, b.inttoptr(address, V.as_pointer()), ir.Constant(I32, BYTES), mask])


def _each_shape(b: Any, number: Any, shapes: Shapes, generate: Callable[[int, int], None]) -> None:
    """Code for each shape, of which the one with this number is run."""
    end, none = b.append_basic_block("end"), b.append_basic_block("none")
    switch = b.switch(number, none)
    for index, shape in enumerate(shapes):
        block = b.append_basic_block(f"tile{index}")
        switch.add_case(_const(index), block)
        b.position_at_end(block)
        generate(*shape)
        b.branch(end)
    b.position_at_end(none)
    b.branch(end)
    b.position_at_end(end)


def _finish(b: Any, total: Any, scale: Any, shift: Any, relu: Any) -> Any:
    """max(scale total + shift, 0), or without `relu` what it is of; a NaN is not below zero and stays."""
    kind = total.type
    function = cgutils.get_or_insert_function(b.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{kind.count}f32")
    y, zero = b.call(function, [scale, total, shift]), ir.Constant(kind, [0.0] * kind.count)
    below = b.and_(b.fcmp_ordered("<", y, zero), _splat(b, relu, kind.count))
    return b.select(below, zero, y)


@intrinsic
def convolution_tile(
    _: Any, number: Any, w: Any, w_step: Any, x: Any, offsets: Any, K: Any, y: Any, y_step: Any, scale: Any,
    shift: Any, relu: Any,
) -> Any:  # fmt: skip
    """y[r, p] = act(scale[r] * (sum over k of w[r, k] x[offsets[k] + p]) + shift[r]), for channels r and pixels p."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        number, w, w_step, x, offsets, K, y, y_step, scale, shift, relu = arguments
        fused = b.icmp_signed("!=", relu, _const(0))

        def tile(rows: int, vectors: int) -> None:
            total = _tile_of_slots(b, rows, [LANES] * vectors)
            for slot in (slot for row in total for slot in row):
                b.store(ZERO, slot)
            weights = [_step(b, w, w_step, r) for r in range(rows)]
            with cgutils.for_range(b, K) as k:
                at = b.add(x, _load(b, offsets, b.mul(k.index, _const(8)), I64))
                pixels = [_load(b, at, _const(VECTOR * v), V) for v in range(vectors)]
                place = b.mul(k.index, _const(BYTES))
                for r in range(rows):
                    value = _splat(b, _load(b, weights[r], place, F32), LANES)
                    for image, slot in zip(pixels, total[r], strict=True):
                        _multiply_add(b, value, image, slot)
            for r in range(rows):
                factor, term = (_splat(b, _load(b, each, _const(BYTES * r), F32), LANES) for each in (scale, shift))
                row = _step(b, y, y_step, r)
                for v, slot in enumerate(total[r]):
                    _store(b, _finish(b, b.load(slot), factor, term, fused), row, _const(VECTOR * v))

        _each_shape(b, number, CONVOLUTIONS, tile)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), generate


@intrinsic
def dense_tile(
    _: Any, number: Any, w: Any, w_step: Any, x: Any, x_step: Any, inputs: Any, y: Any, y_step: Any, scale: Any,
    shift: Any, relu: Any,
) -> Any:  # fmt: skip
    """y[n, o] = act(scale[o] * (sum over i of w[o, i] x[n, i]) + shift[o]), for images n and outputs o.

    A vector holds consecutive i, and its lanes are added at the end.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        number, w, w_step, x, x_step, inputs, y, y_step, scale, shift, relu = arguments
        fused = b.icmp_signed("!=", relu, _const(0))
        whole = b.sdiv(inputs, _const(LANES))
        rest = b.sub(inputs, b.mul(whole, _const(LANES)))
        some, mask = b.icmp_signed(">", rest, _const(0)), _mask(b, rest)

        def tile(rows: int, outputs: int) -> None:
            total = _tile_of_slots(b, rows, [LANES] * outputs)
            for slot in (slot for row in total for slot in row):
                b.store(ZERO, slot)
            images = [_step(b, x, x_step, r) for r in range(rows)]
            weights = [_step(b, w, w_step, o) for o in range(outputs)]

            def add(load: Callable[[Any], Any], place: Any) -> None:
                values = [load(b.add(image, place)) for image in images]
                for o in range(outputs):
                    weight = load(b.add(weights[o], place))
                    for r in range(rows):
                        _multiply_add(b, values[r], weight, total[r][o])

            with cgutils.for_range(b, whole) as i:
                add(lambda at: _load(b, at, _const(0), V), b.mul(i.index, _const(VECTOR)))
            with b.if_then(some):
                add(lambda at: _masked_load(b, at, mask), b.mul(whole, _const(VECTOR)))
            kind, lanes = _vector(outputs), ir.Constant(ir.VectorType(I32, outputs), list(range(outputs)))
            factor, term = (_load(b, each, _const(0), kind) for each in (scale, shift))
            for r in range(rows):
                sums = _sums(b, [b.load(slot) for slot in total[r]])
                sums = b.shuffle_vector(sums, sums, lanes)
                _store(b, _finish(b, sums, factor, term, fused), _step(b, y, y_step, r), _const(0))

        _each_shape(b, number, DENSE, tile)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), generate


def _whole_and_rest(b: Any, count: Any, work: Callable[[Any, Any], None]) -> None:
    """`work(offset, mask)` for each vector of a row of `count`; the last has a mask, the others None."""
    whole = b.sdiv(count, _const(LANES))
    rest = b.sub(count, b.mul(whole, _const(LANES)))
    with cgutils.for_range(b, whole) as i:
        work(b.mul(i.index, _const(LANES)), None)
    with b.if_then(b.icmp_signed(">", rest, _const(0))):
        work(b.mul(whole, _const(LANES)), _mask(b, rest))


@intrinsic
def copy_row(_: Any, source: Any, out: Any, count: Any) -> Any:
    """out[i] = source[i]."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        source, out, count = arguments

        def work(first: Any, mask: Any) -> None:
            at = b.mul(first, _const(BYTES))
            if mask is None:
                _store(b, _load(b, source, at, V), out, at)
            else:
                _masked_store(b, _masked_load(b, b.add(source, at), mask), b.add(out, at), mask)

        _whole_and_rest(b, count, work)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@intrinsic
def fill_row(_: Any, out: Any, count: Any, value: Any) -> Any:
    """out[i] = value."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        out, count, value = arguments
        many = _splat(b, value, LANES)

        def work(first: Any, mask: Any) -> None:
            at = b.mul(first, _const(BYTES))
            if mask is None:
                _store(b, many, out, at)
            else:
                _masked_store(b, many, b.add(out, at), mask)

        _whole_and_rest(b, count, work)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32), generate


def _larger(b: Any, x: Any, y: Any) -> Any:
    """A NaN wins."""
    wins = b.or_(b.fcmp_ordered(">", x, y), b.fcmp_unordered("uno", x, x))
    return b.select(wins, x, y)


@intrinsic
def pool_row(_: Any, upper: Any, lower: Any, out: Any, count: Any) -> Any:
    """out[i] = max of upper[2i], upper[2i + 1], lower[2i], lower[2i + 1]. Reads up to two vectors beyond the rows."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        upper, lower, out, count = arguments
        pairs = ir.VectorType(I32, LANES)
        evens, odds = (ir.Constant(pairs, list(range(first, 2 * LANES, 2))) for first in (0, 1))

        def work(first: Any, mask: Any) -> None:
            at = b.mul(first, _const(2 * BYTES))
            further = b.add(at, _const(VECTOR))
            left, right = (_larger(b, _load(b, upper, o, V), _load(b, lower, o, V)) for o in (at, further))
            y = _larger(b, b.shuffle_vector(left, right, evens), b.shuffle_vector(left, right, odds))
            address = b.add(out, b.mul(first, _const(BYTES)))
            if mask is None:
                _store(b, y, address, _const(0))
            else:
                _masked_store(b, y, address, mask)

        _whole_and_rest(b, count, work)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def floats(_: Any, address: Any) -> Any:
    """The address as a pointer to float32, for `carray`."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], F32.as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@intrinsic
def words(_: Any, address: Any) -> Any:
    """The address as a pointer to int64."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], I64.as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def call(_: Any, function: Any, row: Any, arena: Any, inputs: Any, outputs: Any, first: Any, end: Any) -> Any:
    """Call the operation whose code has this address."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * 6)
        b.call(b.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate
