"""BLAS is held to one thread while our own threads call it.

Its own threads would make the bits of a product depend on their number, and would compete with ours. OpenBLAS has one
number for the whole process, and no other way to tell it; so whoever computes sets that number to one, and puts it back
when nobody computes any more. But others look at it and set it meanwhile: scikit-learn, and all who use threadpoolctl,
remember the number that they find, set their own, and put back what they found. If they found our one, BLAS would be
left with one thread for good; and if they put theirs back in the middle of a product of ours, its bits would change.
What is saved and restored cannot tell our one from theirs, whatever the order. So while BLAS is held, threadpoolctl is
shown the number that would be in force without us; what is set through it is kept, and comes into force when we let go
of BLAS. To the rest of the process the number is what it would be if we were not there. Only who bypasses threadpoolctl
sees our one; what such a one sets stays.

OpenBLAS on OpenMP has a number for each thread, which each of ours sets for itself (threadpoolctl knows since 3.8).
"""

import functools
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from xpnet.base.locks import ProcessLock


class Library:
    """A BLAS, and how many threads it would have if nobody held it to one."""

    def __init__(self, controller: Any) -> None:
        self.path = controller.filepath
        layer, found = getattr(controller, "threading_layer", None), getattr(controller, "_get_symbol", None)
        self.by_thread = layer == "openmp" and hasattr(controller, "_real_set_num_threads")
        self.get: Callable[[], int] = controller.get_num_threads
        # Since 3.8 `set_num_threads` of threadpoolctl obeys only the first thread that ever called it.
        self.set: Callable[[int], Any] = getattr(controller, "_real_set_num_threads", controller.set_num_threads)
        if controller.internal_api == "openblas" and layer != "openmp" and found:  # the same, ten times as fast
            self.get = found("openblas_get_num_threads") or self.get
            self.set = found("openblas_set_num_threads") or self.set
        self.shown = 1

    def hold(self) -> None:
        self.shown = self.get()
        if self.shown != 1:  # else there is nothing to change, nor to change back
            self.set(1)

    def let_go(self) -> None:
        if self.shown != 1 and self.get() == 1:  # another number has been set behind threadpoolctl's back
            self.set(self.shown)


class _Local(threading.local):
    """What each thread has of its own."""

    held = 0  # how often it is within `single_threaded_blas`
    before: tuple[int, ...] = ()  # its numbers, of libraries that have one for each thread


local = _Local()
_lock = ProcessLock(threading.RLock)
_holders: set[int] = set()  # threads; a set, so that an interrupt between two lines is mended by the next use
_found: list[Library] = []
_shared: dict[str, Library] = {}  # by its path, what has one number for the whole process
_separate: list[Library] = []  # what has one for each thread


def libraries() -> list[Library]:
    """Those that were loaded when something was first computed: NumPy's is among them."""
    with _lock.lock:
        if not _found:
            from threadpoolctl import ThreadpoolController

            controllers = ThreadpoolController().select(user_api="blas").lib_controllers
            learn([Library(controller) for controller in controllers])
            for kind in {type(controller) for controller in controllers}:
                _listen(kind)
    return _found


def learn(found: list[Library]) -> None:
    _found[:] = found
    _separate[:] = [library for library in found if library.by_thread]
    _shared.clear()
    _shared.update({library.path: library for library in found if not library.by_thread})


class single_threaded_blas:
    """Hold BLAS to one thread while our own threads call it; nested and concurrent uses count as one."""

    __slots__ = ()

    def __enter__(self) -> None:
        if not local.held:
            _hold()
        local.held += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        local.held -= 1
        if not local.held:
            _let_go()


def _hold() -> None:
    if not _found:
        libraries()
    with _lock.lock:
        if not _holders:
            for library in _shared.values():
                library.hold()
        _holders.add(threading.get_ident())
    if _separate:
        local.before = tuple([library.get() for library in _separate])
        hold_in_helper()


def _let_go() -> None:
    with _lock.lock:
        _holders.discard(threading.get_ident())
        if not _holders:
            for library in _shared.values():
                library.let_go()
    for library, count in zip(_separate, local.before, strict=True):
        library.set(count)


def hold_in_helper() -> None:
    """For good, in a thread that does nothing but help those who hold BLAS."""
    for library in _separate:
        library.set(1)


def _listen(kind: Any) -> None:
    """Let a class of threadpoolctl's show and keep the number that others know, as is said above."""
    setter = "_real_set_num_threads" if hasattr(kind, "_real_set_num_threads") else "set_num_threads"
    get, set_ = kind.get_num_threads, getattr(kind, setter)
    if hasattr(get, "of_xpnet"):
        return

    @functools.wraps(get)
    def get_num_threads(self: Any) -> Any:
        with _lock.lock:
            library = _shared.get(self.filepath) if _holders else None
            return get(self) if library is None else library.shown

    @functools.wraps(set_)
    def set_num_threads(self: Any, num_threads: int) -> Any:
        with _lock.lock:
            library = _shared.get(self.filepath) if _holders else None
            if library is None:
                return set_(self, num_threads)
            library.shown = num_threads

    get_num_threads.of_xpnet = True  # type: ignore[attr-defined]
    kind.get_num_threads = get_num_threads
    setattr(kind, setter, set_num_threads)


def _in_child() -> None:
    """Of the threads that held BLAS to one thread only the one that forked is there."""
    others = _holders - {threading.get_ident()}
    _holders.intersection_update({threading.get_ident()} if local.held else ())
    if others and not _holders:
        for library in _shared.values():
            library.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
