"""What arranges numbers in a compiled plan: other shapes and orders of axes, parts, zeros, one beside the other.

A part, or another order of axes, is no copy: who reads it is told where its numbers lie, or has them put together.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from xpnet.backend.jit.buffers import Buffer, Shape, View, full
from xpnet.backend.jit.kernels import BYTES
from xpnet.backend.jit.program import opened, operation, run
from xpnet.backend.jit.steps import take
from xpnet.backend.jit.tiles import copy_row, fill_row, words

AXES = 5  # that `gather` goes along
NOTHING = np.float32(0)


class Lines(NamedTuple):
    """Numbers of a buffer: from `first` on, so many entries apart along each axis."""

    buffer: Buffer
    shape: Shape
    strides: Shape
    first: int = 0

    @property
    def compact(self) -> bool:
        return not self.first and all(
            stride == whole or size == 1
            for size, stride, whole in zip(self.shape, self.strides, steps_of(self.shape), strict=True)
        )


def steps_of(shape: Shape) -> Shape:
    """How far apart the numbers of an array in C order are along each axis."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def lines_of(view: View, shape: Shape) -> Lines:
    """Of what is there as a whole, which `view` may have an axis of 1 more of: (C, 1, T) for (C, T)."""
    if len(view.shape) != 3:
        return Lines(view.buffer, shape, steps_of(shape))
    return Lines(view.buffer, shape, (view.cs, 1) if len(shape) == 2 else (view.cs, view.rs, 1))


def is_line(image: Shape, shape: Shape) -> bool:
    """Whether an image of one row is a signal of this shape, or the image itself."""
    return len(image) == 3 and image[1] == 1 and shape in (image, (image[0], image[2]))


def taken(lines: Lines, index: tuple[Any, ...]) -> Lines:
    """lines[index], of integers, slices, None and ...."""
    given = sum(each is not None and each is not ... for each in index)
    everything = [slice(None)] * (len(lines.shape) - given)
    at = next((place for place, each in enumerate(index) if each is ...), len(index))
    shape, strides, first, axis = [], [], lines.first, 0
    for each in (*index[:at], *everything, *index[at + 1 :]):
        if each is None:
            shape.append(1)
            strides.append(0)
            continue
        size, stride = lines.shape[axis], lines.strides[axis]
        if isinstance(each, slice):
            start, _, step = each.indices(size)
            shape.append(len(range(*each.indices(size))))
            strides.append(stride * step)
            first += start * stride
        else:
            first += each % size * stride
        axis += 1
    return Lines(lines.buffer, tuple(shape), tuple(strides), first)


# ---- rows of the table -----------------------------------------------------------------------------------------------


def put_together(planner: Any, lines: Lines, out: Buffer, first: int = 0) -> None:
    """Its numbers, one behind the other, from an entry of a buffer on."""
    table, axes = np.ones((2, AXES), np.int64), len(lines.shape)
    if not 1 <= axes <= AXES:
        planner.unknown()
    table[:, AXES - axes :] = lines.shape, np.multiply(lines.strides, BYTES)
    planner.add(gather, lines.buffer, out, planner.constant(table), lines.first * BYTES, first=first * BYTES)


def reshape(planner: Any, at: int, x: Any, **_: Any) -> None:
    number = planner.ops[at].outputs[0]
    shape, rows = planner.shapes[number], planner.rows_of[number]
    view = planner.whole(x)
    if math.prod(shape) != math.prod(view.shape):
        planner.unknown()
    if rows == planner.rows_of[x.number] == 1 and is_line(view.shape, shape):
        planner.values[number] = view
    else:
        planner.values[number] = full(planner.compact(view, x).buffer, shape)


def slice_(planner: Any, at: int, x: Any, index: tuple[Any, ...]) -> None:
    if any(isinstance(each, slice) and (each.step or 1) < 0 for each in index):
        planner.unknown()
    _keep(planner, at, x, taken(planner.lines(x), index[1:]))


def permute(planner: Any, at: int, x: Any, axes: tuple[int, ...]) -> None:
    lines, (batch, *others) = planner.lines(x), axes
    if batch != 0:
        planner.unknown()
    shape, strides = ([each[axis - 1] for axis in others] for each in (lines.shape, lines.strides))
    _keep(planner, at, x, lines._replace(shape=tuple(shape), strides=tuple(strides)))


def _keep(planner: Any, at: int, x: Any, lines: Lines) -> None:
    number = planner.ops[at].outputs[0]
    if planner.rows_of[x.number] != 1:
        planner.unknown()
    if lines.compact:
        planner.values[number] = full(lines.buffer, lines.shape)
    else:
        planner.parts[number] = lines


def repeat2d(planner: Any, at: int, x: Any, times: tuple[int, int]) -> None:
    lines, (down, right) = planner.lines(x), times
    if len(lines.shape) != 3:
        planner.unknown()
    (C, H, W), (a, b, c) = lines.shape, lines.strides
    out = planner.result(at, (C, H * down, W * right))
    repeated = lines._replace(shape=(C, H, down, W, right), strides=(a, b, 0, c, 0))
    put_together(planner, repeated, out.buffer)


def zeros_like(planner: Any, at: int, x: Any) -> None:
    """They are written where they are put beside others, and nowhere else."""
    planner.zeros.add(planner.ops[at].outputs[0])


def concat(planner: Any, at: int, xs: tuple[Any, ...], axis: int = 0) -> None:
    number, place = planner.ops[at].outputs[0], 0
    shape = planner.shapes[number]
    if axis not in (1, -len(shape)) or planner.rows_of[number] != 1:
        planner.unknown()
    out = planner.values[number] = full(Buffer(math.prod(shape)), shape)
    for x in xs:
        size = math.prod(planner.shapes[x.number])
        if x.number in planner.zeros:
            planner.add(fill, out.buffer, out.buffer, size, first=place * BYTES)
        elif x.number in planner.parts:
            put_together(planner, planner.parts[x.number], out.buffer, place)
        else:
            view = planner.value(x)
            planner.copy(view, out.buffer, full(out.buffer, view.shape), place * BYTES)
        place += size


@operation()
def gather(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """Numbers, one behind the other: 7 the sizes of AXES axes and how many bytes lie between, 8 those to the first."""
    r, x, y = opened(row, arena, inputs, outputs, i)
    table = carray(words(r[7]), (2, 5))
    sizes, steps = table[0], table[1]
    width, right = sizes[4], steps[4] // BYTES
    for a in range(sizes[0]):
        for b in range(sizes[1]):
            for c in range(sizes[2]):
                source = x + r[8] + a * steps[0] + b * steps[1] + c * steps[2]
                for d in range(sizes[3]):
                    at = source + d * steps[3]
                    if right == 1:
                        copy_row(at, y, width)
                    else:
                        take(at, right, run(y, width))
                    y += width * BYTES


@operation()
def fill(row, arena, inputs, outputs, i, end):  # type: ignore[no-untyped-def]
    """7 zeros."""
    r, _, y = opened(row, arena, inputs, outputs, i)
    fill_row(y, r[7], NOTHING)
