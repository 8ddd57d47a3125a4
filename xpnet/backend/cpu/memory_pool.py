"""Memory for large arrays that comes back when the last view of it is gone, instead of going back to the system.

A fresh array of some megabytes costs a page fault for each 4 KiB of it: of a training step of DeepConvNet on two
threads, a sixth. An array of the pool is an ordinary one that lies in a block of a region; when the array is gone, its
block is a hole, which the next block that fits takes: the lowest first, so that no more of a region is ever touched
than blocks once needed at a time, and what nobody has touched costs nothing.
"""

import math
from bisect import bisect_left
from collections import deque
from typing import Any

import numpy as np

from xpnet.base.locks import ProcessLock

SMALL = 1 << 16  # bytes: below this, malloc keeps what it gets back
PAGE = 4096
REGION = 1 << 26  # bytes that are asked of the system at once; it finds memory for a page when that is first touched


class _Region:
    """A run of memory and its holes, in the order of their places."""

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size, np.uint8)
        self.starts, self.ends = [0], [size]  # of the holes
        self.touched = 0  # bytes from the beginning that blocks ever had

    def take(self, size: int) -> int | None:
        """Where the lowest hole of that size begins, which is one no longer."""
        for place, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
            if end - start >= size:
                self.starts[place] += size
                if self.starts[place] == end:
                    del self.starts[place], self.ends[place]
                self.touched = max(self.touched, start + size)
                return start
        return None

    def give_back(self, start: int, size: int) -> None:
        """A hole again, one with those beside it."""
        place, end = bisect_left(self.starts, start), start + size
        if place < len(self.starts) and self.starts[place] == end:
            end = self.ends.pop(place)
            del self.starts[place]
        if place and self.ends[place - 1] == start:
            self.ends[place - 1] = end
        else:
            self.starts.insert(place, start)
            self.ends.insert(place, end)

    @property
    def idle(self) -> bool:
        return self.starts == [0] and self.ends == [self.memory.nbytes]


class _Block:
    """The base of the array that is handed out, alive as long as any view of that."""

    def __init__(self, pool: "Pool", region: _Region, start: int, size: int) -> None:
        self.pool, self.region, self.start, self.size = pool, region, start, size
        self.__array_interface__ = region.memory[start : start + size].__array_interface__

    def __del__(self) -> None:
        self.pool.returned.append((self.region, self.start, self.size))  # atomic: this may run anywhere, at any time


class Pool:
    """Blocks of memory that arrays have, and the regions that the blocks lie in."""

    def __init__(self) -> None:
        self.returned: deque[tuple[_Region, int, int]] = deque()
        self.used = 0  # bytes of blocks
        self._regions: list[_Region] = []
        self._locked = ProcessLock()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Like np.empty."""
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < SMALL:
            return np.empty(shape, dtype)
        block = self._take(-(-nbytes // PAGE) * PAGE)
        array: np.ndarray = np.asarray(block)[:nbytes].view(dtype).reshape(shape)
        return array

    @property
    def held(self) -> int:
        """Bytes that blocks have, or once had: what the system has found memory for."""
        return sum(region.touched for region in self._regions)

    def clear(self) -> None:
        """Give back the regions in which nothing lies."""
        with self._locked.lock:
            self._collect()
            self._regions = [region for region in self._regions if not region.idle]

    def _take(self, size: int) -> _Block:
        with self._locked.lock:
            self._collect()
            for region in self._regions:
                if (start := region.take(size)) is not None:
                    break
            else:
                # Idle regions were too small for it: were they kept, more would be held than was once in use.
                self._regions = [region for region in self._regions if not region.idle]
                self._regions.append(region := _Region(max(REGION, size)))
                start = region.take(size) or 0
            self.used += size
        return _Block(self, region, start, size)

    def _collect(self) -> None:
        while self.returned:
            region, start, size = self.returned.popleft()
            region.give_back(start, size)
            self.used -= size


pool = Pool()
