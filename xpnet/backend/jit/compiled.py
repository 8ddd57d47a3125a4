"""Compilation by Numba, with a cache on the disk where there is a place for one.

Numba looks for a place itself: NUMBA_CACHE_DIR, `__pycache__` beside the source, a folder of the user's cache. In a
container whose installation is read-only and whose user has no home there is none, and Numba raises RuntimeError.
"""

import functools
from collections.abc import Callable
from typing import Any

from numba import cfunc, njit

from xpnet.base.console import say


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """What compiles a function on its first use, without the GIL, and keeps the result for other processes."""

    return _kept_if_possible(lambda cache: njit(nogil=True, cache=cache, **options))


def callback(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """What compiles a function at once, for those who call it by its `address`."""
    return _kept_if_possible(lambda cache: cfunc(signature, cache=cache, **options))


def _kept_if_possible(compiler: Callable[[bool], Callable[[Callable[..., Any]], Any]]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return compiler(True)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            tell_of_no_cache()
            return compiler(False)(function)

    return decorate


@functools.cache
def tell_of_no_cache() -> None:
    """Once in a process."""
    say(
        "xpnet: compiled kernels find no folder to be kept in, so that each process compiles them anew, which takes"
        " seconds; NUMBA_CACHE_DIR may name a folder that can be written to, and XPNET_JIT=0 does without them"
    )
