"""Memory for large arrays that comes back when the last view of it is gone, instead of going back to the system.

A fresh array of some megabytes costs a page fault for each 4 KiB of it: of a training step of DeepConvNet, a seventh.
A lease is an ordinary array; what it lies in is kept, and used again for an array of the same size. What is held, in
use and waiting together, is at most what was once in use.
"""

import os
import threading
from collections import OrderedDict, deque
from typing import Any

import numpy as np

SMALL = 1 << 16  # bytes: below this, malloc keeps what it gets back
PAGE = 4096


class _Block:
    """Memory on loan: the base of the array that is handed out, alive as long as any view of that."""

    def __init__(self, pool: "Pool", memory: np.ndarray) -> None:
        self.pool, self.memory = pool, memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self.pool.returned.append(self.memory)  # atomic: this may run at any time, in any thread


class Pool:
    """Leases, and the memory of those that came back, by its size."""

    def __init__(self) -> None:
        self.returned: deque[np.ndarray] = deque()
        self.used = self.waiting = self.peak = 0  # bytes
        self._free: OrderedDict[int, list[np.ndarray]] = OrderedDict()  # the size that was asked for last comes last
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Like np.empty."""
        dtype = np.dtype(dtype)
        count = 1
        for length in shape:
            count *= length
        nbytes = count * dtype.itemsize
        if nbytes < SMALL:
            return np.empty(shape, dtype)
        block = _Block(self, self._take(-(-nbytes // PAGE) * PAGE))
        array: np.ndarray = np.asarray(block)[:nbytes].view(dtype).reshape(shape)
        return array

    def renew_lock(self) -> None:
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Give back all that waits."""
        with self._lock:
            self._collect()
            self._free.clear()
            self.waiting, self.peak = 0, self.used

    def _take(self, size: int) -> np.ndarray:
        with self._lock:
            self._collect()
            self.used += size
            self.peak = max(self.peak, self.used)
            waiting = self._free.get(size)
            if waiting:
                self._free.move_to_end(size)
                self.waiting -= size
                return waiting.pop()
            self._shrink()
        return np.empty(size, np.uint8)

    def _collect(self) -> None:
        while self.returned:
            memory = self.returned.popleft()
            self._free.setdefault(memory.nbytes, []).append(memory)
            self.used -= memory.nbytes
            self.waiting += memory.nbytes

    def _shrink(self) -> None:
        """Give back what has not been asked for the longest."""
        while self._free and self.used + self.waiting > self.peak:
            size, waiting = next(iter(self._free.items()))
            if waiting:
                waiting.pop()
                self.waiting -= size
            if not waiting:
                del self._free[size]


pool = Pool()

if hasattr(os, "register_at_fork"):  # another thread of the parent may have held the lock
    os.register_at_fork(after_in_child=pool.renew_lock)
