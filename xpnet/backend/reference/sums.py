"""Sums and means that stay right however many entries they are of, and in whatever order those lie in memory.

A namespace's own sum adds one entry after the other where they do not lie behind one another, and its error grows with
their number: of a million entries, one in a hundred may be lost. Halves that are added, again and again, lose no more
than twenty additions do (Higham, "The accuracy of floating point summation", 1993).
"""

import math
from collections.abc import Sequence
from typing import Any

Array = Any  # an array of whichever namespace the backend has

FEW = 128  # entries that may be added one after the other


class Sums:
    xp: Any

    def sum(self, x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        """The sum over an axis, over several or, by default, over all, with an error that grows with log n at most."""
        xp, axes = self.xp, summed_axes(x, axis)
        if xp.isdtype(x.dtype, "real floating"):  # of integers it is exact
            while math.prod(x.shape[one] for one in axes) > FEW:
                x = _fold(x, max(axes, key=x.shape.__getitem__))
        return xp.sum(x, axis=axes, keepdims=keepdims)

    def mean(self, x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        """`sum` through the number of entries."""
        return self.sum(x, axis, keepdims) / math.prod(x.shape[one] for one in summed_axes(x, axis))


def summed_axes(x: Array, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes that are meant, counted from the first."""
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(one % x.ndim for one in ((axis,) if isinstance(axis, int) else axis))


def _fold(x: Array, axis: int) -> Array:
    """Half as many entries along the axis: the first half plus the second, and what is left over on top."""
    half, before = x.shape[axis] // 2, (slice(None),) * axis
    y = x[(*before, slice(0, half), ...)] + x[(*before, slice(half, 2 * half), ...)]
    if x.shape[axis] % 2:
        y[(*before, slice(0, 1), ...)] += x[(*before, slice(2 * half, None), ...)]
    return y


def add_arrays(arrays: Sequence[Array]) -> Array:
    """Their sum, entry by entry: of a few one after the other, of more the halves."""
    if len(arrays) > FEW:
        half = len(arrays) // 2
        return add_arrays(arrays[:half]) + add_arrays(arrays[half:])
    total = 0.0
    for array in arrays:
        total = array + total
    return total
