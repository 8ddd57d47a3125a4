"""In the place of cupy.cuda.thrust: sorting by NumPy, with the same signatures. The wheel's own needs a real driver."""

import ctypes
from typing import Any

import numpy as np

available = True


def get_build_version() -> int:
    return 300102


def _array(pointer: int, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size == 0:
        return np.empty(shape, dtype)
    return np.frombuffer((ctypes.c_char * size).from_address(pointer), dtype).reshape(shape)


def sort(dtype: Any, data: int, keys: int, shape: Any) -> None:
    _array(data, dtype, tuple(shape)).sort(axis=-1, kind="stable")


def argsort(dtype: Any, indices: int, data: int, keys: int, shape: Any) -> None:
    values = _array(data, dtype, tuple(shape))
    order = values.argsort(axis=-1, kind="stable")
    _array(indices, np.uintp, tuple(shape))[...] = order
    values[...] = np.take_along_axis(values, order, -1)


def lexsort(dtype: Any, indices: int, keys: int, count: int, size: int) -> None:
    _array(indices, np.uintp, (size,))[...] = np.lexsort(tuple(_array(keys, dtype, (count, size))))
