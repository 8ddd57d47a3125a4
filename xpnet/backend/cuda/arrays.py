"""Arrays in the memory of a GPU: how they come there and back, and what happens when there is no more room."""

import collections
import contextlib
import functools
import threading
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from xpnet.backend.cuda.device import memory_limit
from xpnet.backend.reference import Array, Backend, Memory
from xpnet.base.host import as_host, native, refuse_masked
from xpnet.base.quiet import quiet, quietly
from xpnet.errors import BackendError


class CupyArrays(Backend):
    """The reference on CuPy's namespace. Nothing waits for the device but `to_numpy` and `synchronize`."""

    lazy = True

    def __init__(self) -> None:
        import array_api_compat.cupy as xp
        import cupy

        super().__init__(xp)
        self._cp: Any = cupy
        self._limit = memory_limit()
        self._lock = threading.Lock()
        self.in_flight = collections.deque[tuple[Any, Any]]()  # events, and pinned memory that is read until then
        self.empty: Any = cupy.ndarray  # (shape, dtype); cupy.empty calls it, and takes a third longer
        if self._limit is not None:
            self.pool().set_limit(size=self._limit)

    # ---- arrays in and out -----------------------------------------------------------------------------------------

    def to_numpy(self, x: Array) -> np.ndarray:
        result: np.ndarray = self._cp.asnumpy(x)
        return result

    @quietly
    def asarray(self, x: Any, dtype: Any = None) -> Array:
        refuse_masked(x)
        return self.xp.asarray(native(x), dtype=self.dtype(dtype))

    def dtype(self, dtype: Any) -> Any:
        """CuPy's data types are NumPy's, which need not be looked up by name."""
        return None if dtype is None else np.dtype(dtype)

    def batch(self, arrays: Iterable[np.ndarray], dtype: Any) -> tuple[Array, ...]:
        return self._stage(arrays, dtype)[0]

    def staged(self, batches: Iterable[Iterable[np.ndarray]], dtype: Any) -> Iterator[tuple[Array, ...]]:
        """Each batch is copied on a second stream while the device computes with the batch before it."""
        computing, copying = self._cp.cuda.get_current_stream(), self._copying
        waiting = None
        for arrays in batches:
            # The copy may reuse the memory of a batch that has been given up, but not before the device is through
            # with it: it waits for the steps up to the last, and runs beside the one that comes now.
            copying.wait_event(self._mark(computing))
            with copying:
                staged = self._stage(arrays, dtype)
            if waiting is not None:
                computing.wait_event(waiting[1])
                yield waiting[0]
            waiting = staged
        if waiting is not None:
            computing.wait_event(waiting[1])
            yield waiting[0]

    @functools.cached_property
    def _copying(self) -> Any:
        """One stream for all copies: CuPy keeps memory that was given up for the stream that it was made on."""
        return self._cp.cuda.Stream(non_blocking=True)

    def _stage(self, arrays: Iterable[np.ndarray], dtype: Any) -> tuple[tuple[Array, ...], Any]:
        """All on the device, in one copy from pinned memory, and the event of its end; Python does not wait."""
        with quiet():
            arrays = [as_host(array, dtype if array.dtype.kind == "f" else None) for array in arrays]
        starts, size = [], 0
        for array in arrays:
            starts.append(-(-size // 256) * 256)
            size = starts[-1] + array.nbytes
        host, device = self._cp.cuda.alloc_pinned_memory(size), self._cp.cuda.alloc(size)
        parts = []
        for offset, array in zip(starts, arrays, strict=True):
            np.ndarray(array.shape, array.dtype, host, offset)[...] = array
            parts.append(self.empty(array.shape, array.dtype, device + offset))
        stream = self._cp.cuda.get_current_stream()
        device.copy_from_host_async(host.ptr, size, stream)
        copied = self._mark(stream)
        # The pinned memory must not be used again before it has been read.
        with self._lock:
            while self.in_flight and self.in_flight[0][0].done:
                self.in_flight.popleft()
            self.in_flight.append((copied, host))
        return tuple(parts), copied

    def _mark(self, stream: Any) -> Any:
        """An event that happens when the device has done all that is in the stream by now."""
        return stream.record(self._cp.cuda.Event(disable_timing=True))

    def _like(self, x: Array) -> Array:
        """A new array of the shape of x, in its memory order; cupy.empty_like takes more than twice as long."""
        if x.flags.c_contiguous:
            return self.empty(x.shape, x.dtype)
        if x.ndim == 4:
            (N, C, H, W), row = x.shape, x.shape[3] * x.itemsize
            if x.strides == (H * row, N * H * row, row, x.itemsize):  # as convolution returns it
                return self.empty((C, N, H, W), x.dtype).transpose(1, 0, 2, 3)
        return self._cp.empty_like(x)

    def _contiguous(self, x: Array | None) -> Array | None:
        return None if x is None else self._cp.ascontiguousarray(x)

    def synchronize(self) -> None:
        self._cp.cuda.get_current_stream().synchronize()

    # ---- memory ----------------------------------------------------------------------------------------------------

    def memory(self) -> Memory:
        return Memory(self.pool().used_bytes(), self.pool().total_bytes(), self._limit)

    @contextlib.contextmanager
    def memory_advice(self, samples: int | None) -> Iterator[None]:
        try:
            yield
        except self._cp.cuda.memory.OutOfMemoryError as error:
            traceback.clear_frames(error.__traceback__)  # the arrays of the step that failed
            self.free_memory()
            advice = f"batch_size={samples // 2}" if samples and samples > 1 else "smaller images or a smaller network"
            of = f"batches of {samples}"
            if samples is None:
                of, advice = "these batches", "smaller ones"
            more = "" if self._limit is None else ", or a higher XPNET_MEMORY_LIMIT"
            raise BackendError(
                f"the device has not enough memory for {of}: {str(error).rstrip('.')}. What was held"
                f" has been freed; try {advice}{more}"
            ) from None

    def free_memory(self) -> None:
        self.pool().free_all_blocks()

    def pool(self) -> Any:
        return self._cp.get_default_memory_pool()
