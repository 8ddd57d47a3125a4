"""Comparisons that do not forget shape, data type, namespace and device; and work in several threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend import Array, Backend, get_backend
from xpnet.backend.cpu import threads
from xpnet.backend.reference import dtype_name

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest entry


def assert_lives_on(backend: Backend, x: Array, dtype: Any = None) -> None:
    """`x` is an array of the backend's namespace, on its device, and of this data type."""
    native = backend.zeros((1,))
    assert type(x) is type(native), f"a {type(x)} came from backend {backend.name}"
    assert x.device == native.device, f"on device {x.device}, not {native.device}"
    if dtype is not None:
        assert dtype_name(x.dtype) == dtype_name(dtype), f"{dtype_name(x.dtype)}, not {dtype_name(dtype)}"


def assert_close(
    actual: Array, expected: Array, backend: Backend | None = None, tolerance: float | None = None, scale: float = 0.0
) -> None:
    """`actual`, of the backend (default: the current one), is `expected`, of NumPy or of the backend, to rounding.

    The largest difference may be `tolerance` times the largest entry (or `scale`, if that is more); by default 1e-5 for
    float32 and 1e-12 for float64. Shape and data type must be the same.
    """
    backend = backend or get_backend()
    assert_lives_on(backend, actual)
    got = backend.to_numpy(actual)
    want = expected if isinstance(expected, np.ndarray) else backend.to_numpy(expected)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"dtype {got.dtype}, expected {want.dtype}"
    if got.size == 0:
        return
    allowed = (TOLERANCES[got.dtype.name] if tolerance is None else tolerance) * max(np.abs(want).max(), scale)
    difference = np.abs(got - want)
    at = tuple(map(int, np.unravel_index(difference.argmax(), got.shape)))
    assert difference[at] <= allowed, f"differs by {difference[at]:.3g} at {at}, allowed {allowed:.3g}"  # NaN fails


def assert_same(actual: Array, expected: Array, backend: Backend | None = None) -> None:
    """The same bits."""
    assert_close(actual, expected, backend, tolerance=0.0)


def bits(x: Any, backend: Backend | None = None) -> bytes:
    """The content of an array, to compare before and after."""
    return np.array((backend or get_backend()).to_numpy(x)).tobytes()


def calls_of(function: Callable[..., Any]) -> tuple[list[Any], Callable[..., Any]]:
    """A list that fills with the results of `function`, and the function that fills it."""
    results: list[Any] = []

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        results.append(function(*args, **kwargs))
        return results[-1]

    return results, wrapped


def without_helpers() -> None:
    """Send home the threads that share tiles: who shares some next makes others, as many as are told then."""
    if threads.team.cache_info().currsize:
        threads.team().close()
    threads.team.cache_clear()


def in_threads(work: Callable[[int], None], count: int = 4) -> None:
    """Call `work` with the numbers from 0 on at the same time, and wait until all are done."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lying_in(x: Array, axes: tuple[int, ...], backend: Backend) -> Array:
    """x, whose axes lie in this order in memory, from the slowest; `backend.copy` would keep the one that they have."""
    turned = backend.asarray(np.ascontiguousarray(np.transpose(backend.to_numpy(x), axes)))
    y = backend.xp.permute_dims(turned, tuple(map(int, np.argsort(axes))))
    assert not isinstance(y, np.ndarray) or y.transpose(axes).flags.c_contiguous
    return y
