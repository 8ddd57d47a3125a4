"""Warnings that point at the line of the user's that led to them, and those that are nobody's business."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from xpnet.base.locks import ProcessLock

INSIDE = ("xpnet", "contextlib")  # context managers of the library are entered by way of it


def notify(text: str) -> None:
    """Warn, with the first frame outside the library as the place: Python shows such a warning once for each place."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


class _Here:
    """In the place of a filter's pattern: any text matches it, where the calling thread is within `unheard`."""

    def __init__(self) -> None:
        self.inside: ContextVar[bool] = ContextVar("inside", default=False)

    def match(self, text: str) -> bool:
        return self.inside.get()


_here = _Here()
_FILTER: Any = ("ignore", _here, Warning, None, 0)
_filtering = ProcessLock(threading.RLock)
_blocks = 0  # of all threads


@contextmanager
def unheard() -> Iterator[None]:
    """Within the block, and in this thread, no warning is given.

    `warnings.catch_warnings` is for one thread: of two blocks of it, the one that ends last puts back the filters that
    it found, which are those of the other. Here all blocks share a filter, which goes with the last of them.
    """
    global _blocks
    token = _here.inside.set(True)
    try:
        with _filtering.lock:
            _blocks += 1
            if not (warnings.filters and warnings.filters[0] is _FILTER):
                warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
        yield
    finally:
        _here.inside.reset(token)
        with _filtering.lock:
            _blocks -= 1
            if not _blocks:
                warnings.filters[:] = [each for each in warnings.filters if each is not _FILTER]  # type: ignore[index]
