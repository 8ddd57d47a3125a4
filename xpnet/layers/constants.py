"""Arrays that follow from sizes alone, such as the shares of a mean: made once for each backend."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from xpnet.backend import Array, Backend


@functools.lru_cache(maxsize=256)
def constant(backend: Backend, dtype: str, make: Callable[..., Sequence[Any]], *sizes: Any) -> Array:
    """The numbers that `make(*sizes)` lists, as an array of the backend; nobody may write into it."""
    return backend.asarray(make(*sizes), dtype)
