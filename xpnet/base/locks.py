"""Locks of the whole process, which a fork must not leave locked, nor what they guard half changed.

A forked child has of its parent's threads only the one that forked. What another held there is never given back, what
it was in the middle of stays in the middle, and a module that it was importing is never there. So the thread that forks
first waits until nobody is in the middle of such a thing, for PATIENCE at most; a lock that it did not get is a new one
in the child. All else that threads hold, whoever holds it takes care of: cpu/threads.py, cpu/blas.py, random.py.
"""

import _imp
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

PATIENCE = (
    300.0  # seconds: longer than a first use imports and compiles on a busy machine, and than to draw large weights
)
# What the library imports when it is first asked for, and a child would wait for if another thread was just at it.
IMPORTED = frozenset(
    (
        *("PIL", "array_api_compat", "array_api_strict", "llvmlite", "multiprocessing", "numba", "numpy"),
        *("safetensors", "threadpoolctl", "tqdm", "xpnet"),
    )
)
# Locks of others that the library comes by: a module, and where it has one.
OTHERS = (
    ("numba.core.compiler_lock", "global_compiler_lock._lock"),
    ("llvmlite.binding.ffi", "lib._lock._lock"),
    ("threadpoolctl", "_CACHE_LOCK"),
    ("threadpoolctl", "OpenBLASController._SHARED_STATE.lock"),
    ("tqdm.std", "TqdmDefaultWriteLock.th_lock"),
)


class ProcessLock:
    """`with process_lock.lock: ...`. A fork waits until nobody is in the block; the forked process has a new lock."""

    def __init__(self, make: Callable[[], Any] = threading.Lock) -> None:
        self.make = make
        self.renew()
        _known.append(self)

    def renew(self) -> None:
        self.lock = self.make()


_known: list[ProcessLock] = []
_taken: dict[int, list[Any]] = {}  # by a thread that is about to fork


def take_all(locks: Iterable[Any], until: float) -> list[Any]:
    """All of the locks, or none of them when the time is over.

    It waits for one only while it has no other: whoever has that one may be waiting for another.
    """
    waiting = list(locks)
    while waiting and waiting[0].acquire(timeout=max(0.0, until - time.monotonic())):
        taken = waiting[:1]
        for number, lock in enumerate(waiting[1:], 1):
            if not lock.acquire(blocking=False):
                _give_back(taken)
                waiting = waiting[number:] + waiting[:number]
                break
            taken.append(lock)
        else:
            return taken
    return []


def _give_back(locks: list[Any]) -> None:
    for lock in reversed(locks):
        lock.release()


def _of_others() -> list[Any]:
    """The locks of OTHERS, as far as they are there."""
    found = [_found(module, place) for module, place in OTHERS]
    return [lock for lock in found if hasattr(lock, "acquire")]


def _found(module: str, place: str) -> Any:
    try:
        return attrgetter(place)(sys.modules[module])
    except (KeyError, AttributeError):
        return None


def _others_import() -> bool:
    """Whether another thread is in the middle of importing one of IMPORTED, and be it just before it or just behind.
    The interpreter keeps a lock of the module for so long, which knows the thread.
    """
    modules = sys.modules["_frozen_importlib"]
    _imp.acquire_lock()  # which is held while such a lock is made
    try:
        found = [(name, lock()) for name, lock in list(modules._module_locks.items())]
    finally:
        _imp.release_lock()
    me = threading.get_ident()
    return any(lock and lock.owner != me and name.partition(".")[0] in IMPORTED for name, lock in found)


def _flush() -> None:
    """Wait until nobody is in the middle of writing to stderr, which has a lock too; but not for long: there may be
    nobody who reads.
    """
    flush = getattr(sys.stderr, "flush", None)
    if flush and threading.active_count() > 1:
        flushing = threading.Thread(target=_quietly, args=(flush,), name="xpnet-flush", daemon=True)
        flushing.start()
        flushing.join(1.0)


def _quietly(function: Callable[..., Any], *args: Any) -> None:
    with contextlib.suppress(Exception):
        function(*args)


def _before_fork() -> None:
    until = time.monotonic() + PATIENCE
    while True:
        while _others_import() and time.monotonic() < until:
            time.sleep(
                0.001
            )  # not by importing it, too: where modules import one another, that may break either import
        locks = [*(known.lock for known in _known), *_of_others()]
        taken = take_all(locks, until)
        _flush()
        # What was imported while we waited for those may have brought locks of its own, and be in use already.
        if time.monotonic() > until or (len(locks) == len(_known) + len(_of_others()) and not _others_import()):
            break
        _give_back(taken)
    _taken[threading.get_ident()] = taken


def _after_fork() -> None:
    _give_back(_taken.pop(threading.get_ident(), []))


def _in_child() -> None:
    taken = _taken.get(threading.get_ident(), [])
    for lock in _of_others():
        if not taken and hasattr(lock, "_at_fork_reinit"):
            lock._at_fork_reinit()
    _after_fork()
    _taken.clear()
    for known in _known:
        known.renew()
    # One of all processes, which is not theirs alone to wait for; but the child believes that it is its own thread who
    # has it, and would never let go of it.
    _quietly(_found("tqdm.std", "TqdmDefaultWriteLock.mp_lock._semlock._after_fork"))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
