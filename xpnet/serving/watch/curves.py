"""Curves of any length in bounded room: when it is full, every two points become one."""

import math
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

MOST = 2048  # points
T = TypeVar("T")


class Points(NamedTuple):
    """Points of curves that share their x, from number `first` on; what a curve lacks is NaN."""

    first: int
    x: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]  # (points, names)
    unfinished: tuple[int, list[float]] | None  # the mean of what has been added since the last point: x and values


class Curves:
    """Values by name over one x, such as the step. A point is the mean of `stride` additions, which doubles when the
    room for points is full; the points that are there are joined two by two.
    """

    def __init__(self, most: int = MOST) -> None:
        self.names: list[str] = []
        self.generation = 0  # counts how often points that were there have changed
        self.count, self.stride, self.most = 0, 1, most
        self._table = np.full((most, 1), math.nan)  # x, then the values of each name
        self._columns: dict[str, int] = {}
        self._sums, self._counts, self._added = [0.0], [0], 0  # since the last point

    def add(self, x: float, values: Mapping[str, float]) -> None:
        """Values at x. What is not finite is a gap. Called for each step: lists are faster than arrays here."""
        sums, counts = self._sums, self._counts
        sums[0] += x
        counts[0] += 1
        for name, value in values.items():
            column = self._columns.get(name) or self._widen(name)
            if math.isfinite(value):
                sums[column] += value
                counts[column] += 1
        self._added += 1
        if self._added >= self.stride:
            self._table[self.count] = self._mean()
            self._sums[:] = [0.0] * len(sums)
            self._counts[:] = [0] * len(sums)
            self._added = 0
            self.count += 1
            if self.count == self.most:
                self._thin()

    def points(self, first: int = 0) -> Points:
        """Those from number `first` on, as copies."""
        part = self._table[first : self.count]
        unfinished = None
        if self._added:
            x, *values = self._mean()
            unfinished = round(x), values
        return Points(first, np.rint(part[:, 0]).astype(np.int32), part[:, 1:].astype(np.float32), unfinished)

    def _mean(self) -> list[float]:
        return [total / count if count else math.nan for total, count in zip(self._sums, self._counts, strict=True)]

    def _widen(self, name: str) -> int:
        self.names.append(name)
        self.generation += 1
        self._table = np.hstack([self._table, np.full((self.most, 1), math.nan)])
        self._sums.append(0.0)
        self._counts.append(0)
        self._columns[name] = len(self.names)
        return len(self.names)

    def _thin(self) -> None:
        pairs = self._table[: self.count].reshape(self.count // 2, 2, -1)  # (points, 2, 1 + names)
        there = np.isfinite(pairs).sum(axis=1)
        with np.errstate(invalid="ignore"):
            self._table[: self.count // 2] = np.nansum(pairs, axis=1) / there
        self.count //= 2
        self.stride *= 2
        self.generation += 1


class Film(Generic[T]):
    """Pictures of something that changes: the newest, and of those before as many as there is room for, evenly."""

    def __init__(self, most: int = 24) -> None:
        self.most, self.stride, self.shown = most, 1, 0
        self.kept: list[tuple[int, T]] = []  # (number, picture)
        self.newest: tuple[int, T] | None = None

    def add(self, picture: T) -> None:
        self.newest = self.shown, picture
        if self.shown % self.stride == 0:
            self.kept.append(self.newest)
            if len(self.kept) > self.most:
                self.stride *= 2
                self.kept = self.kept[::2]
        self.shown += 1

    def after(self, number: int) -> tuple[int, T] | None:
        """The first that is kept behind this number, else the newest if that is behind it."""
        if self.newest is None or self.newest[0] <= number:
            return None
        return next((each for each in self.kept if each[0] > number), self.newest)
