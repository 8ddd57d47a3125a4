"""What a shard gives to a step beside gradients, as one array that is added up over the shards."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend import Array, Backend


class Entry(NamedTuple):
    """How a part of the array is to be read."""

    shape: tuple[int, ...]
    integral: bool


class Ledger:
    """Numbers and arrays that are added up, and rows that are put beside those of other shards: in float64, in which
    counts are exact, one behind the other.

    Rows are a sum too: of each shard's own, and of zeros in the places of the others'.
    """

    def __init__(self, backend: Backend, samples: int, first: int) -> None:
        self.backend, self.samples, self.first = backend, samples, first
        self.entries: list[Entry] = []
        self.parts: list[Any] = []

    def add(self, value: Any, factor: Any = None) -> None:
        """The value, or value * factor."""
        array = self._in_double(value)
        self._append(array if factor is None else array * self._in_double(factor), self._is_integral(value))

    def add_rows(self, rows: Array) -> None:
        """(n, ...) of the shard's samples, in the place that they have among those of the batch."""
        found = self._in_double(rows)
        whole = self._zeros((self.samples, *found.shape[1:]))
        whole[self.first : self.first + found.shape[0]] = found
        self._append(whole, self._is_integral(rows))

    def written(self) -> Array:
        """All of it: 1-D, on the host unless the device computes in the background."""
        if not self.parts:
            return self._zeros((0,))
        if not self.backend.lazy:
            return np.concatenate([each.ravel() for each in self.parts])
        xp = self.backend.xp
        return xp.concat([xp.reshape(each, (-1,)) for each in self.parts])

    def _append(self, array: Any, integral: bool) -> None:
        self.entries.append(Entry(tuple(array.shape), integral))
        self.parts.append(array)

    def _zeros(self, shape: tuple[int, ...]) -> Any:
        return self.backend.zeros(shape, "float64") if self.backend.lazy else np.zeros(shape)

    def _in_double(self, value: Any) -> Any:
        if self.backend.lazy:
            return self.backend.asarray(value, "float64")
        return np.asarray(value if isinstance(value, (int, float)) else self.backend.to_numpy(value), np.float64)

    def _is_integral(self, value: Any) -> bool:
        dtype = getattr(value, "dtype", None)
        if isinstance(dtype, np.dtype):  # on whatever backend, a number may be one of NumPy's
            return dtype.kind in "iu"
        return isinstance(value, int) if dtype is None else bool(self.backend.xp.isdtype(dtype, "integral"))


class Reader:
    """Gives the entries of a ledger, summed up over all shards, in the order in which they were made."""

    def __init__(self, ledger: Ledger, total: Array) -> None:
        self.backend, self.total, self.entries = ledger.backend, total, iter(ledger.entries)
        self.at = 0

    def take(self) -> Any:
        """The next one: a number on the host is an int or a float; an array is on the device, in int64 or float64."""
        shape, integral = next(self.entries)
        size = math.prod(shape)
        found = self.total[self.at : self.at + size]
        self.at += size
        if not shape and not self.backend.lazy:
            return int(found[0]) if integral else float(found[0])
        array = self.backend.asarray(found, "int64" if integral else "float64")
        return self.backend.xp.reshape(array, shape)

    def take_rows(self, like: Array) -> Array:
        """The next one, in the data type of this."""
        return self.backend.xp.astype(self.take(), like.dtype)

    def over(self, total: Any, count: Any) -> Any:
        """total / count, and 0 where there is nothing to be counted."""
        if isinstance(count, (int, float)):
            return total / (count or 1)
        return total / self.backend.xp.where(count == 0, 1, count)
