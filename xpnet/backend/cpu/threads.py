"""Python threads over tiles: NumPy gives up the GIL inside copies and products, so threads use every core for both."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from xpnet.backend.cpu.blas import hold_in_helper, local, single_threaded_blas
from xpnet.backend.cpu.processors import share, usable_cpus
from xpnet.backend.cpu.work import PASSES
from xpnet.base.quiet import quiet
from xpnet.errors import OptionError

MOST = 64  # threads for each core of the machine that may be asked for: more are a mistake


@functools.cache
def thread_count() -> int:
    """XPNET_NUM_THREADS, or as many as this process may use, of which OMP_NUM_THREADS may leave it a share."""
    wish = os.environ.get("XPNET_NUM_THREADS", "").strip()
    if not wish:
        usable = usable_cpus()
        return min(usable, share() or usable)
    digits, most = wish.lstrip("0"), MOST * (os.cpu_count() or 1)
    if not wish.isdecimal() or (len(digits) < 10 and int(digits or "0") < 1):
        raise OptionError(f"XPNET_NUM_THREADS must be a whole number of at least 1, not {wish!r}")
    if len(digits) > 9 or int(digits) > most:  # Python itself refuses a number of very many digits
        found = digits if len(digits) < 10 else f"a number of {len(digits)} digits"
        raise OptionError(
            f"XPNET_NUM_THREADS must be at most {most}, {MOST} for each core of this machine, not {found}"
        )
    return int(wish)


class _Local(threading.local):
    """What each thread has of its own."""

    buffer: np.ndarray | None = None  # scratch space


_local = _Local()


class Computing(quiet):
    """`quiet`, with BLAS held to one thread."""

    __slots__ = ()

    def __enter__(self) -> None:
        super().__enter__()
        try:
            _HELD.__enter__()
        except BaseException:
            super().__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _HELD.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)


_HELD, _NOTHING = single_threaded_blas(), contextlib.nullcontext()


def blas_held() -> contextlib.AbstractContextManager[Any]:
    """`single_threaded_blas`, or nothing where the calling thread is within it already, as in a training step."""
    return _NOTHING if local.held else _HELD


def run_tiles(
    function: Callable[..., None], tiles: Iterable[tuple[Any, ...]], blas: bool = True, alone: bool = False
) -> None:
    """Call `function(*tile)` for every tile, on all threads; which thread takes which tile must not matter.

    Without `blas` the function calls none, and its threads are left alone. `alone`: this thread takes all of them.
    """
    if blas and not local.held:
        with _HELD:
            return run_tiles(function, tiles, blas, alone)
    tiles = list(tiles)
    if alone or len(tiles) == 1 or thread_count() == 1:
        for tile in tiles:
            function(*tile)
    else:
        team().run(Job(function, tiles))
    return None


def is_little(entries: int, passes: int) -> bool:
    """Whether so many passes over so many entries are done sooner than a thread is awake and has had its turns with the
    interpreter; one that waits awake is asked for less. What is left to one thread is cut into the same tiles."""
    return _spin is _asleep and entries * passes < PASSES


class Job:
    """Tiles, which the threads take one after the other."""

    def __init__(self, function: Callable[..., None], tiles: list[tuple[Any, ...]]) -> None:
        self.function = function
        self.error: BaseException | None = None
        self.count = len(tiles)
        self._waiting = iter(tiles)  # to take the next of a list is one step of the interpreter: no two take the same
        self.settings: Mapping[str, Any] = np.geterr()  # of the thread that asked; the others take them over

    def work(self) -> None:
        for tile in self._waiting:
            self.function(*tile)

    def help(self, helper: "Helper") -> None:
        """`work`, in another thread: what goes wrong there is told to the one that asked."""
        try:
            helper.take_over(self.settings)
            self.work()
        except BaseException as error:
            self.error = self.error or error


class Helper(threading.Thread):
    """One of a team's threads, which sleeps at a lock: to wake it is to release the lock, one call of the system."""

    def __init__(self, team: "Team", number: int) -> None:
        super().__init__(name="xpnet", daemon=True)
        self.number = number  # from 1 on; 0 is who has the job
        self.asleep = False
        self._settings: Mapping[str, Any] = {}  # of NumPy, in this thread
        self._team, self._wake = team, threading.Lock()
        self._wake.acquire()

    def call(self) -> None:
        """Wake it, if it sleeps and was not called already. One that finds nothing to do falls asleep again."""
        if self.asleep and self._wake.locked():
            self._wake.release()

    def sleep(self, seen: int) -> None:
        """Until it is called, unless there was a job since `seen`: one is counted before it is asked who sleeps."""
        self.asleep = True
        if self._team.called == seen:
            self._wake.acquire()
        self.asleep = False

    def take_over(self, settings: Mapping[str, Any]) -> None:
        """What NumPy does about errors. To set it takes longer than to see that it is so already."""
        if settings != self._settings:
            np.seterr(**settings)
            self._settings = settings

    def run(self) -> None:
        hold_in_helper()
        self._team.help(self)


class Team:
    """Threads that wait for jobs: for a moment awake, if there is a `spin` to do so without the GIL, and then asleep.

    To wake a thread takes longer than many a tile does, so nobody waits for one that has not begun. Threads beyond the
    cores only compete with each other: one is made when a job first has a tile for it, no more are woken than there are
    tiles, and where there are more threads than cores, nobody waits awake. None is bound to a core: a free one is what
    it is woken on, and where another process has them all, that of the caller is the better place.
    """

    def __init__(self, helpers: int) -> None:
        self._job: Job | None = None
        # [0]: the number of the job, [8]: how many help with it; what stands behind is for compiled jobs, of which
        # jit/together.py says more. Each is a cache line.
        self.state = np.zeros(64, np.int64)
        self._lock = threading.Lock()  # of all that stands here
        self._left = threading.Condition(self._lock)
        self._busy = threading.Lock()
        self._closed = False
        self._most, self._helpers = helpers, list[Helper]()
        self._may_spin = helpers < usable_cpus()

    @property
    def called(self) -> int:
        """How many jobs there have been."""
        return int(self.state[0])

    def run(self, job: Job) -> None:
        if not self._busy.acquire(blocking=False):  # another thread has a job, or this is a tile of one
            return job.work()
        try:
            self._call(job)
            try:
                job.work()
            finally:
                self._finish()
        finally:
            self._busy.release()
        if job.error is not None:
            raise job.error

    def enter(self, wanted: int) -> bool:
        """Before a compiled job, which so many threads may help with: whether this thread may open one; then it has to
        `leave`.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            wanted = min(self._most, wanted)
            if len(self._helpers) < wanted:
                self._make(wanted)
            for helper in self._helpers[:wanted]:
                helper.call()
        except BaseException:
            self._busy.release()
            raise
        return True

    def leave(self) -> None:
        """After it."""
        self._busy.release()

    def close(self) -> None:
        """Send the threads home."""
        with self._lock:
            self._closed = True
            self.state[0] += 1
        for helper in self._helpers:
            helper.call()

    def _call(self, job: Job) -> None:
        wanted = min(self._most, job.count - 1)
        if len(self._helpers) < wanted:
            self._make(wanted)
        helpers = self._helpers[:wanted]
        with self._lock:
            self._job = job
            self.state[0] += 1
        for helper in helpers:
            helper.call()

    def _make(self, wanted: int) -> None:
        while len(self._helpers) < wanted:
            helper = Helper(self, len(self._helpers) + 1)
            try:
                helper.start()
            except RuntimeError:  # the system allows no more of them
                self._most = len(self._helpers)
                return
            self._helpers.append(helper)

    def _finish(self) -> None:
        with self._lock:
            self._job = None
        if self.state[8] and not self._awake(8, 0, True):
            with self._left:
                self._left.wait_for(lambda: self.state[8] == 0)

    def help(self, helper: Helper) -> None:
        """With all jobs, until the team is closed."""
        seen = 0  # so that a thread that has just been made looks for a job at once
        while True:
            if self.called == seen and not _serve(self.state, seen, self._may_spin, helper.number):
                helper.sleep(seen)
            if self._closed:
                return
            with self._lock:
                seen, job = int(self.state[0]), self._job
                self.state[8] += job is not None
            if job is not None:
                job.help(helper)
                with self._left:
                    self.state[8] -= 1
                    self._left.notify_all()
            del job  # and what its function holds

    def _awake(self, index: int, value: int, equal: bool) -> bool:
        """Wait awake, if that disturbs nobody; tells whether it came to what was waited for."""
        return self._may_spin and _spin(self.state, index, value, equal)


def _asleep(state: np.ndarray, index: int, value: int, equal: bool) -> bool:
    return False


# Waits a moment, without the GIL, until state[index] equals `value`, or (`equal` false) no longer does; tells whether
# it came to that.
Spin = Callable[[np.ndarray, int, int, bool], bool]
_spin: Spin = _asleep


# Helps with compiled jobs, as the helper of this number, until state[0] is another than this; waits awake for a moment
# only (`stay` true), or not at all; tells whether it came to that.
Serve = Callable[[np.ndarray, int, bool, int], bool]
_serve: Serve = lambda state, seen, stay, number: False  # noqa: E731


def wait_with(spin: Spin, serve: Serve) -> None:
    """Let the threads wait with these, which keep them awake, before they fall asleep."""
    global _spin, _serve
    _spin, _serve = spin, serve


@functools.cache
def team() -> Team:
    return Team(thread_count() - 1)


if hasattr(os, "register_at_fork"):  # a forked child has none of the parent's threads
    os.register_at_fork(after_in_child=team.cache_clear)


def scratch(size: int, dtype: Any) -> np.ndarray:
    """A flat uninitialised array of this thread's own, valid until its next request."""
    nbytes = size * np.dtype(dtype).itemsize
    buffer = _local.buffer
    if buffer is None or buffer.nbytes < nbytes:
        buffer = _local.buffer = np.empty(nbytes, np.uint8)
    return buffer[:nbytes].view(dtype)
