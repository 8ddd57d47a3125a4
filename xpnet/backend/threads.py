"""Python threads over tiles: NumPy gives up the GIL inside copies and products, so threads use every core for both."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from xpnet.errors import OptionError


def usable_cpus() -> int:
    """As many as this process may use, of those that the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def thread_count() -> int:
    """XPNET_NUM_THREADS, or as many as this process may use."""
    wish = os.environ.get("XPNET_NUM_THREADS", "").strip()
    if not wish:
        return usable_cpus()
    if not wish.isdecimal() or int(wish) < 1:
        raise OptionError(f"XPNET_NUM_THREADS must be a whole number of at least 1, not {wish!r}")
    return int(wish)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count() - 1, thread_name_prefix="xpnet")


if hasattr(os, "register_at_fork"):  # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


_depth_lock = threading.Lock()
_depth = 0
_blas_threads: list[int] = []


@contextlib.contextmanager
def single_threaded_blas() -> Any:
    """Hold BLAS to one thread while our own threads call it; nested and concurrent uses count as one."""
    global _depth
    libraries = _blas().lib_controllers
    with _depth_lock:
        if _depth == 0:
            _blas_threads[:] = [library.num_threads for library in libraries]
            for library in libraries:
                _set_threads(library, 1)
        _depth += 1
    try:
        yield
    finally:
        with _depth_lock:
            _depth -= 1
            if _depth == 0:
                for library, threads in zip(libraries, _blas_threads, strict=True):
                    _set_threads(library, threads)


def _set_threads(library: Any, count: int) -> None:
    """From any thread: since 3.8 threadpoolctl lets only the first one that ever did it change OpenBLAS's number."""
    clear = getattr(library, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    library.set_num_threads(count)
    clear(force=True)


def run_tiles(function: Callable[..., None], tiles: Iterable[tuple[Any, ...]]) -> None:
    """Call `function(*tile)` for every tile, on all threads; which thread takes which tile must not matter."""
    tiles = list(tiles)
    workers = min(thread_count(), len(tiles))
    if workers == 1:
        with single_threaded_blas():
            for tile in tiles:
                function(*tile)
        return
    waiting = iter(tiles)
    lock = threading.Lock()

    settings = np.geterr()  # of this thread; the others take them over

    def work() -> None:
        with np.errstate(**settings):
            while True:
                with lock:
                    tile = next(waiting, None)
                if tile is None:
                    return
                function(*tile)

    with single_threaded_blas():
        futures = [_pool().submit(work) for _ in range(workers - 1)]
        try:
            work()
        finally:
            for future in futures:
                future.result()


_local = threading.local()


def scratch(size: int, dtype: Any) -> np.ndarray:
    """A flat uninitialised array of this thread's own, valid until its next request."""
    nbytes = size * np.dtype(dtype).itemsize
    buffer: np.ndarray | None = getattr(_local, "buffer", None)
    if buffer is None or buffer.nbytes < nbytes:
        buffer = _local.buffer = np.empty(nbytes, np.uint8)
    return buffer[:nbytes].view(dtype)
