"""Memory for large arrays that comes back when the last view of it is gone, instead of going back to the system.

A fresh array of some megabytes costs a page fault for each 4 KiB of it: of a training step of DeepConvNet on two
threads, a sixth. An array of the pool is an ordinary one that lies in a block of a region; when the array is gone, its
block is a hole, which the next block that fits takes: the lowest first, so that no more of a region is ever touched
than blocks once needed at a time, and what nobody has touched costs nothing. What nobody has used for some steps goes
back to the system: after one large batch, the small ones that follow do not pay for it.
"""

import contextlib
import math
import mmap
import weakref
from bisect import bisect_left
from collections import deque
from typing import Any

import numpy as np

from xpnet.base.locks import ProcessLock

SMALL = 1 << 16  # bytes: below this, malloc keeps what it gets back
PAGE = max(4096, mmap.PAGESIZE)  # the system's pages are as large, and on some of ARM larger
REGION = 1 << 26  # bytes that are asked of the system at once; it finds memory for a page when that is first touched
STEP = 50  # what a step of training or a batch of inference counts, and an array counts 1;
PERIOD = 50 * STEP  # what was not used for so long goes back, at the latest when as much again is counted


class _Region:
    """A run of memory and its holes, in the order of their places."""

    def __init__(self, size: int) -> None:
        self.pages = _pages(size)
        self.memory = np.empty(size, np.uint8) if self.pages is None else np.frombuffer(self.pages, np.uint8)
        self.address = self.memory.ctypes.data
        self.holes = [(0, size)]  # each from where to where; changed in one go, which no Ctrl-C can tear apart
        self.touched = 0  # bytes from the beginning that blocks had, since they last went back to the system
        self.recent = 0  # and those that blocks had in this period

    def take(self, size: int) -> int | None:
        """Where the lowest hole of that size begins, which is one no longer."""
        for place, (start, end) in enumerate(self.holes):
            if end - start >= size:
                self.holes[place : place + 1] = [(start + size, end)] if end - start > size else []
                self.touched = max(self.touched, start + size)
                self.recent = max(self.recent, start + size)
                return start
        return None

    def occupy(self, blocks: list[tuple[int, int]]) -> None:
        """The holes are what these blocks (where, how long) leave: also of what was lost when a Ctrl-C came."""
        edges = sorted([(0, 0), *blocks, (self.memory.nbytes, 0)])
        behind = [start + size for start, size in edges]
        self.holes = [(end, edges[at + 1][0]) for at, end in enumerate(behind[:-1]) if end < edges[at + 1][0]]

    def shrink(self, keep: int) -> None:
        """Give back what is behind the last block and the first `keep` bytes; a new period begins."""
        end = self.memory.nbytes
        last = self.holes[-1][0] if self.holes and self.holes[-1][1] == end else end
        keep, self.recent = max(keep, last), last
        if keep < self.touched and self.pages is not None:
            self.pages.madvise(mmap.MADV_DONTNEED, keep, self.touched - keep)  # zeros, when they are next touched
            self.touched = keep

    def give_back(self, start: int, size: int) -> None:
        """A hole again, one with those beside it."""
        first = behind = bisect_left(self.holes, (start,))
        end = start + size
        if behind < len(self.holes) and self.holes[behind][0] == end:
            end, behind = self.holes[behind][1], behind + 1
        if first and self.holes[first - 1][1] == start:
            start, first = self.holes[first - 1][0], first - 1
        self.holes[first:behind] = [(start, end)]

    @property
    def idle(self) -> bool:
        return self.holes == [(0, self.memory.nbytes)]


def _pages(size: int) -> Any:
    """Memory of which single pages can go back to the system, and as large ones as it has; None: it has no such."""
    if not hasattr(mmap, "MADV_DONTNEED"):
        return None
    try:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError):
        return None  # NumPy's error says how much was asked for
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a system that was built without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


class _Block:
    """The base of the array that is handed out, alive as long as any view of that."""

    def __init__(self, region: _Region, start: int, size: int) -> None:
        self.region = region
        self.__array_interface__ = {
            "data": (region.address + start, False), "shape": (size,), "typestr": "|u1", "version": 3,
        }  # fmt: skip


class _Loan(weakref.ref[_Block]):
    """Where a block lies. When it is gone, the interpreter puts this into `returned`, anywhere and at any time.

    No line of Python runs then, as it would in a `__del__`: what was raised in there, such as by a Ctrl-C that comes in
    that moment, would be lost.
    """

    __slots__ = ("region", "size", "start")
    region: _Region
    start: int
    size: int


def copied_out(x: Any) -> Any:
    """x, or a copy of it where it is less than half of the block that it lies in, and would keep from being used."""
    whole = getattr(x, "base", None)  # NumPy's views all have the first array as their base
    if whole is None or not isinstance(getattr(whole, "base", None), _Block) or 2 * x.nbytes >= whole.nbytes:
        return x
    return x.copy(order="K")


class Pool:
    """Blocks of memory that arrays have, and the regions that the blocks lie in."""

    def __init__(self) -> None:
        self.returned: deque[_Loan] = deque()  # of blocks that are gone
        self.used = 0  # bytes of blocks
        self._loans: dict[int, _Loan] = {}  # by their ids: what is occupied, whatever a Ctrl-C has interrupted
        self._counted = 0  # of the period
        self._regions: list[_Region] = []
        self._locked = ProcessLock()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Like np.empty."""
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        self._counted += 1
        if self._counted >= PERIOD:
            self.count(0)
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
        """Give back all that is behind the last block of a region."""
        self._shrink(False)

    def count(self, uses: int) -> None:
        """So much has been done; after enough of it, what was not used meanwhile goes back."""
        self._counted += uses  # a use that a thread does not see counts for nothing
        if self._counted >= PERIOD:
            self._counted = 0
            if self._regions:
                self._shrink(True)

    def _shrink(self, keep_recent: bool) -> None:
        with self._locked.lock:
            self._collect()
            self.used = sum(loan.size for loan in self._loans.values())
            for region in self._regions:
                region.occupy([(each.start, each.size) for each in self._loans.values() if each.region is region])
            kept = [region for region in self._regions if not region.idle or (keep_recent and region.recent)]
            for region in kept:
                region.shrink(region.recent if keep_recent else 0)
            self._regions = kept

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
            block = _Block(region, start, size)
            loan = _Loan(block, self.returned.append)
            loan.region, loan.start, loan.size = region, start, size
            self._loans[id(loan)] = loan
        return block

    def _collect(self) -> None:
        while self.returned:
            loan = self.returned[0]
            if self._loans.pop(id(loan), None) is not None:  # else a Ctrl-C came before it was taken from here
                loan.region.give_back(loan.start, loan.size)
                self.used -= loan.size
            self.returned.popleft()


pool = Pool()
