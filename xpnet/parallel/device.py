"""Arrays of any backend, as the host's memory, through which MPI sends them."""

from __future__ import annotations

from typing import Any, NamedTuple

import array_api_compat
import numpy as np
import numpy.typing as npt

from xpnet.backend import Array

MOST = 64  # copies that are kept
Host = npt.NDArray[Any]


class Spec(NamedTuple):
    """How many numbers an array has, and of what data type they are."""

    size: int
    dtype: np.dtype[Any]


def spec_of(array: Array) -> Spec:
    if isinstance(array, np.ndarray):
        return Spec(array.size, array.dtype)
    return Spec(int(array.shape[0]), np.dtype(str(array.dtype).rpartition(".")[2]))


def is_cuda(array: Array) -> bool:
    return bool(array_api_compat.is_cupy_array(array))


class Staging:
    """The host's copies of arrays that are elsewhere; for a CUDA device in pinned memory, kept for the next time."""

    def __init__(self) -> None:
        self._kept: dict[Any, Host] = {}

    def fetch(self, array: Array, place: Any) -> Host:
        """The array as the host's; a NumPy array is it itself. `place` names the copy; the next is the same memory."""
        if isinstance(array, np.ndarray):
            return array
        if not is_cuda(array):
            return fetch_foreign(array)
        spec = spec_of(array)
        if (place, spec) not in self._kept:
            if len(self._kept) == MOST:  # sums of ever other lengths
                self._kept.clear()
            memory = array_api_compat.array_namespace(array).cuda.alloc_pinned_memory(array.nbytes)
            self._kept[place, spec] = np.frombuffer(memory, spec.dtype, spec.size)
        array.get(out=self._kept[place, spec])  # waits for the stream
        return self._kept[place, spec]


def put_back(host: Host, array: Array | None, like: Array) -> Array:
    """The numbers of `host` as an array like the one that is given; in `array`, if there is one that can be written."""
    if isinstance(like, np.ndarray):
        return host
    xp = array_api_compat.array_namespace(like)
    if not is_cuda(like):
        return xp.asarray(host, device=array_api_compat.device(like))
    found = xp.empty_like(like) if array is None else array
    found.set(host)
    return found


def fetch_foreign(array: Any) -> Host:
    """A copy of an array that is neither NumPy's nor CuPy's."""
    xp = array_api_compat.array_namespace(array)
    if hasattr(xp, "Device"):  # array_api_strict, whose other devices NumPy cannot read
        array = array.to_device(xp.Device("CPU_DEVICE"))
    return np.asarray(array).copy()
