"""How Python compiles the kernels of kernels/*.cu, starts them, and hands structures over."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xpnet.backend.window import Window

Array = Any

FAMILIES = (
    "common", "columns", "activations", "attention", "pooling", "normalization", "group_norm", "elementwise", "losses",
    "dropout", "embedding", "recurrent", "updates",
)  # fmt: skip
THREADS = 256  # of a block of an elementwise kernel
BLOCKS = 32  # of them for each multiprocessor, at most: further entries are further turns of a thread
WIDE = 1 << 30  # entries from which on indices have 64 bits

STRIDES = np.dtype([(axis, np.int64) for axis in "nchw"])
SHAPE = np.dtype([(axis, np.int32) for axis in "NCHW"])
WINDOW = np.dtype(
    [(name, np.int32) for name in ("N", "C", "H", "W", "OH", "OW", "KH", "KW", "SH", "SW", "DH", "DW", "top", "left")]
)
PIECES_MAX = 100


def elementwise(name: str, dtype: Any, count: int, *args: Any) -> None:
    """Start a kernel that takes any number of threads, for `count` entries."""
    if count:
        blocks = min(-(-count // THREADS), BLOCKS * _multiprocessors())
        kernel(name, np.dtype(dtype), count >= WIDE)((blocks,), (THREADS,), args)


def by_block(name: str, dtype: Any, grid: tuple[int, ...], length: int, *args: Any, size: int = 0) -> None:
    """Start a kernel of which each block sums over `length` entries; `size` is that of the largest array."""
    if all(grid):
        threads = min(1024, max(32, 1 << (length - 1).bit_length()))
        kernel(name, np.dtype(dtype), size >= WIDE)(grid, (threads,), args)


@functools.cache
def _multiprocessors() -> int:
    import cupy

    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


@functools.cache
def kernel(name: str, dtype: np.dtype[Any], wide: bool) -> Any:
    return module(dtype, wide).get_function(name)


@functools.cache
def module(dtype: np.dtype[Any], wide: bool) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=options(dtype.name, wide))


def source() -> str:
    """All families in one, behind what they share; what the compiler says names the file and the line in it."""
    folder = Path(__file__).parent / "kernels"
    return "\n".join(f'#line 1 "{name}.cu"\n{(folder / f"{name}.cu").read_text(encoding="utf-8")}' for name in FAMILIES)


def options(dtype: str, wide: bool) -> tuple[str, ...]:
    """What NVRTC is told to compile the kernels for "float32" or "float64", with indices of 32 or 64 bits.

    CuPy adds -ftz=true to whatever it compiles: denormal floats count as 0 (`is_above` of common.cu sees them).
    """
    real = {"float32": "float", "float64": "double"}[dtype]
    return "--std=c++17", f"-DReal={real}", f"-DIndex={'long long' if wide else 'int'}"


# ---- arguments by value --------------------------------------------------------------------------------------------


def by_value(structure: Any) -> Any:
    """A NumPy array as an argument that the kernel gets a copy of.

    A kernel takes the array itself too, but then CuPy asks for its address anew in every launch, and of a structure
    NumPy describes each field before it answers: ten microseconds, ten times what the launch takes.
    """
    import cupy

    return cupy.cuda.function.CNumpyArray(structure)


def strides(x: Array) -> Any:
    """The strides of an (N, C, H, W) array, in entries."""
    return _strides(x.strides, x.itemsize)


@functools.lru_cache(maxsize=4096)
def _strides(in_bytes: tuple[int, ...], itemsize: int) -> Any:
    return by_value(np.array(tuple(stride // itemsize for stride in in_bytes), STRIDES))


@functools.lru_cache(maxsize=4096)
def shape4(shape: tuple[int, ...]) -> Any:
    return by_value(np.array(shape, SHAPE))


@functools.lru_cache(maxsize=4096)
def geometry(images: int, channels: int, size: tuple[int, int], window: Window) -> Any:
    (top, _), (left, _) = window.padding
    numbers = (images, channels, *size, *window.output_size(size), *window.kernel, *window.stride, *window.dilation)
    return by_value(np.array((*numbers, top, left), WINDOW))


def four_axes(x: Array) -> Array:
    """(N, C), (N, C, L), (N, C, H, W) or more -> (N, C, H, W): a view, unless there are more axes than four."""
    if x.ndim > 4:
        return x.reshape(*x.shape[:3], -1)
    return x.reshape(*x.shape, *(1,) * (4 - x.ndim)) if x.ndim < 4 else x


def aligned(*arrays: Array | None) -> bool:
    """Whether entry i of one belongs to entry i of the others in memory."""
    return all(array is None or array.flags.c_contiguous for array in arrays)


def pieces(sources: Sequence[Array | None], starts: Sequence[int]) -> Any:
    """Where the parts of a flat array come from, for the kernel `collect`; the sources are contiguous.

    `Pieces` of updates.cu: their addresses, where each starts and ends in the flat array, and how many they are.
    """
    table, count = np.zeros(3 * PIECES_MAX + 1, np.int64), len(sources)
    table[:count] = [0 if array is None else array.data.ptr for array in sources]
    table[PIECES_MAX : PIECES_MAX + count] = starts
    table[2 * PIECES_MAX : 2 * PIECES_MAX + count] = [
        start if array is None else start + array.size for array, start in zip(sources, starts, strict=True)
    ]
    table[-1] = count
    return by_value(table)
