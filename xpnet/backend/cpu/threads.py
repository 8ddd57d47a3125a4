"""Python threads over tiles: NumPy gives up the GIL inside copies and products, so threads use every core for both."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import numpy as np

from xpnet.base.locks import ProcessLock
from xpnet.base.quiet import quiet
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
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _Local(threading.local):
    """What each thread has of its own."""

    held = 0  # how often it is within `single_threaded_blas`
    buffer: np.ndarray | None = None  # scratch space


_local = _Local()
_depth_lock = ProcessLock()
_depth = 0
_blas_threads: list[int] = []


@contextlib.contextmanager
def single_threaded_blas() -> Any:
    """Hold BLAS to one thread while our own threads call it; nested and concurrent uses count as one."""
    global _depth
    _local.held += 1
    libraries = _blas().lib_controllers
    with _depth_lock.lock:
        if _depth == 0:
            _blas_threads[:] = [library.num_threads for library in libraries]
            for library, threads in zip(libraries, _blas_threads, strict=True):
                if threads != 1:  # else there is nothing to change, nor to change back
                    _set_threads(library, 1)
        _depth += 1
    try:
        yield
    finally:
        _local.held -= 1
        with _depth_lock.lock:
            _depth -= 1
            if _depth == 0:
                for library, threads in zip(libraries, _blas_threads, strict=True):
                    if threads != 1:
                        _set_threads(library, threads)


def _let_go_of_others() -> None:
    """In a forked child, of the threads that held BLAS to one thread only the one that forked is there."""
    global _depth
    before, _depth = _depth, _local.held
    if before and not _depth:
        for library, threads in zip(_blas().lib_controllers, _blas_threads, strict=True):
            if threads != 1:
                _set_threads(library, threads)


class Computing(quiet):
    """`quiet`, with BLAS held to one thread."""

    __slots__ = ("_blas",)

    def __enter__(self) -> None:
        super().__enter__()
        self._blas = single_threaded_blas()
        self._blas.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blas.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)


def blas_held() -> contextlib.AbstractContextManager[Any]:
    """`single_threaded_blas`, or nothing where the calling thread is within it already, as in a training step."""
    return contextlib.nullcontext() if _local.held else single_threaded_blas()


def _set_threads(library: Any, count: int) -> None:
    """From any thread: since 3.8 threadpoolctl lets only the first one that ever did it change OpenBLAS's number."""
    clear = getattr(library, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    library.set_num_threads(count)
    clear(force=True)


def run_tiles(
    function: Callable[..., None], tiles: Iterable[tuple[Any, ...]], blas: bool = True, alone: bool = False
) -> None:
    """Call `function(*tile)` for every tile, on all threads; which thread takes which tile must not matter.

    Without `blas` the function calls none, and its threads are left alone. `alone`: this thread takes all of them.
    """
    if blas and not _local.held:
        with single_threaded_blas():
            return run_tiles(function, tiles, blas, alone)
    tiles = list(tiles)
    if alone or len(tiles) == 1 or thread_count() == 1:
        for tile in tiles:
            function(*tile)
    else:
        team().run(Job(function, tiles))
    return None


class Job:
    """Tiles, which the threads take one after the other."""

    def __init__(self, function: Callable[..., None], tiles: list[tuple[Any, ...]]) -> None:
        self.function = function
        self.error: BaseException | None = None
        self._waiting = iter(tiles)  # to take the next of a list is one step of the interpreter: no two take the same
        self._settings = np.geterr()  # of the thread that asked; the others take them over

    def work(self) -> None:
        for tile in self._waiting:
            self.function(*tile)

    def help(self) -> None:
        """`work`, in another thread: what goes wrong there is told to the one that asked."""
        try:
            with np.errstate(**self._settings):
                self.work()
        except BaseException as error:
            self.error = self.error or error


class Team:
    """Threads that wait for jobs: for a moment awake, if there is a `spin` to do so without the GIL, and then asleep.

    To wake a thread takes longer than many a tile does, so nobody waits for one that has not begun.
    """

    def __init__(self, helpers: int) -> None:
        self._job: Job | None = None
        self._state = np.zeros(16, np.int64)  # [0]: the number of the job, [8]: how many help with it; two cache lines
        self._changed = threading.Condition()
        self._busy = threading.Lock()
        self._closed = False
        for _ in range(helpers):
            threading.Thread(target=self._help, name="xpnet", daemon=True).start()

    def run(self, job: Job) -> None:
        if not self._busy.acquire(blocking=False):  # another thread has a job, or this is a tile of one
            return job.work()
        try:
            with self._changed:
                self._job = job
                self._state[0] += 1
                self._changed.notify_all()
            try:
                job.work()
            finally:
                self._finish()
        finally:
            self._busy.release()
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Send the threads home."""
        with self._changed:
            self._closed = True
            self._state[0] += 1
            self._changed.notify_all()

    def _finish(self) -> None:
        with self._changed:
            self._job = None
        if self._state[8] and not _spin(self._state, 8, 0, True):
            with self._changed:
                self._changed.wait_for(lambda: self._state[8] == 0)

    def _help(self) -> None:
        seen = 0
        while True:
            if not _spin(self._state, 0, seen, False):
                with self._changed:
                    self._changed.wait_for(lambda: self._state[0] != seen)  # noqa: B023 (it is asked at once)
            if self._closed:
                return
            with self._changed:
                seen, job = int(self._state[0]), self._job
                self._state[8] += job is not None
            if job is not None:
                job.help()
                with self._changed:
                    self._state[8] -= 1
                    self._changed.notify_all()
            del job  # and what its function holds


def _asleep(state: np.ndarray, index: int, value: int, equal: bool) -> bool:
    return False


# Waits a moment, without the GIL, until state[index] equals `value`, or (`equal` false) no longer does; tells whether
# it came to that.
Spin = Callable[[np.ndarray, int, int, bool], bool]
_spin: Spin = _asleep


def wait_with(spin: Spin) -> None:
    """Let the threads wait with `spin`, which keeps them awake, before they fall asleep."""
    global _spin
    _spin = spin


@functools.cache
def team() -> Team:
    return Team(thread_count() - 1)


if hasattr(os, "register_at_fork"):  # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=team.cache_clear)
    os.register_at_fork(after_in_child=_let_go_of_others)


def scratch(size: int, dtype: Any) -> np.ndarray:
    """A flat uninitialised array of this thread's own, valid until its next request."""
    nbytes = size * np.dtype(dtype).itemsize
    buffer = _local.buffer
    if buffer is None or buffer.nbytes < nbytes:
        buffer = _local.buffer = np.empty(nbytes, np.uint8)
    return buffer[:nbytes].view(dtype)
