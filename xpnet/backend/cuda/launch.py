"""How Python starts the kernels of kernels.cu, and matrix products of cuBLAS that read and write parts of arrays."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xpnet.backend.window import Window

Array = Any

THREADS = 256  # of a block of an elementwise kernel
BLOCKS = 32  # of them for each multiprocessor, at most: further entries are further turns of a thread
WIDE = 1 << 30  # entries from which on indices have 64 bits

STRIDES = np.dtype([(axis, np.int64) for axis in "nchw"])
SHAPE = np.dtype([(axis, np.int32) for axis in "NCHW"])
WINDOW = np.dtype(
    [(name, np.int32) for name in ("N", "C", "H", "W", "OH", "OW", "KH", "KW", "SH", "SW", "DH", "DW", "top", "left")]
)
PIECES_MAX = 100
PIECES = np.dtype(
    [
        ("source", np.uint64, PIECES_MAX), ("start", np.int64, PIECES_MAX), ("end", np.int64, PIECES_MAX),
        ("count", np.int64),
    ]
)  # fmt: skip


def elementwise(name: str, dtype: Any, count: int, *args: Any) -> None:
    """Start a kernel that takes any number of threads, for `count` entries."""
    if count:
        blocks = min(-(-count // THREADS), BLOCKS * _multiprocessors())
        _kernel(name, np.dtype(dtype), count >= WIDE)((blocks,), (THREADS,), args)


def by_block(name: str, dtype: Any, grid: tuple[int, ...], length: int, *args: Any, size: int = 0) -> None:
    """Start a kernel of which each block sums over `length` entries; `size` is that of the largest array."""
    if all(grid):
        threads = min(1024, max(32, 1 << (length - 1).bit_length()))
        _kernel(name, np.dtype(dtype), size >= WIDE)(grid, (threads,), args)


@functools.cache
def _multiprocessors() -> int:
    import cupy

    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


@functools.cache
def _kernel(name: str, dtype: np.dtype[Any], wide: bool) -> Any:
    return _module(dtype, wide).get_function(name)


@functools.cache
def _module(dtype: np.dtype[Any], wide: bool) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=options(dtype.name, wide))


def source() -> str:
    return (Path(__file__).parent / "kernels.cu").read_text(encoding="utf-8")


def options(dtype: str, wide: bool) -> tuple[str, ...]:
    """What NVRTC is told to compile the kernels for "float32" or "float64", with indices of 32 or 64 bits."""
    real = {"float32": "float", "float64": "double"}[dtype]
    return "--std=c++17", f"-DReal={real}", f"-DIndex={'long long' if wide else 'int'}"


# ---- arguments by value --------------------------------------------------------------------------------------------


def strides(x: Array) -> Any:
    """The strides of an (N, C, H, W) array, in entries."""
    return _strides(x.strides, x.itemsize)


@functools.lru_cache(maxsize=4096)
def _strides(in_bytes: tuple[int, ...], itemsize: int) -> Any:
    return np.array(tuple(stride // itemsize for stride in in_bytes), STRIDES)


@functools.lru_cache(maxsize=4096)
def shape4(shape: tuple[int, ...]) -> Any:
    return np.array(shape, SHAPE)


@functools.lru_cache(maxsize=4096)
def geometry(images: int, channels: int, size: tuple[int, int], window: Window) -> Any:
    (top, _), (left, _) = window.padding
    numbers = (images, channels, *size, *window.output_size(size), *window.kernel, *window.stride, *window.dilation)
    return np.array((*numbers, top, left), WINDOW)


def four_axes(x: Array) -> Array:
    """(N, C), (N, C, L), (N, C, H, W) or more -> (N, C, H, W): a view, unless there are more axes than four."""
    if x.ndim > 4:
        return x.reshape(*x.shape[:3], -1)
    return x.reshape(*x.shape, *(1,) * (4 - x.ndim)) if x.ndim < 4 else x


def pieces(sources: Sequence[Array | None], starts: Sequence[int]) -> Any:
    """Where the parts of a flat array come from, for the kernel `collect`; the sources are contiguous."""
    table = np.zeros((), PIECES)
    table["count"] = len(sources)
    for i, (array, start) in enumerate(zip(sources, starts, strict=True)):
        table["source"][i] = 0 if array is None else array.data.ptr
        table["start"][i], table["end"][i] = start, start + (0 if array is None else array.size)
    return table


# ---- products ------------------------------------------------------------------------------------------------------

_ONE_AND_ZERO = {name: (np.array(1, name), np.array(0, name)) for name in ("float32", "float64")}
_TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH


def product(a: Array, b: Array, out: Array, add: bool = False, tf32: bool = False) -> None:
    """out[g] = a[g] @ b[g] (+ out[g] with `add`): (G, M, K), (G, K, N), (G, M, N), one call of cuBLAS.

    The last two axes may lie in memory either way round, with rows that are parts of longer ones; `out` in rows.
    """
    import cupy
    from cupy_backends.cuda.libs import cublas

    G, M, N = out.shape
    K = a.shape[2]
    if not out.size:
        return
    handle = cupy.cuda.device.get_cublas_handle()
    one, zero = _ONE_AND_ZERO[out.dtype.name]
    # cuBLAS thinks in columns: a matrix in rows is its transpose, and out^T = b^T a^T.
    (turn_a, lda), (turn_b, ldb) = _layout(a), _layout(b)
    ldc = out.strides[1] // out.itemsize if M > 1 else N
    factor = (one if add else zero).ctypes.data
    single = out.dtype.name == "float32"
    if tf32 and single:
        cublas.setMathMode(handle, _TF32_MATH)
    try:
        if G == 1:
            gemm = cublas.sgemm if single else cublas.dgemm
            gemm(
                handle, turn_b, turn_a, N, M, K, one.ctypes.data, b.data.ptr, ldb, a.data.ptr, lda, factor,
                out.data.ptr, ldc,
            )  # fmt: skip
        else:
            gemm = cublas.sgemmStridedBatched if single else cublas.dgemmStridedBatched
            step_a, step_b, step_out = (m.strides[0] // m.itemsize for m in (a, b, out))
            gemm(
                handle, turn_b, turn_a, N, M, K, one.ctypes.data, b.data.ptr, ldb, step_b, a.data.ptr, lda, step_a,
                factor, out.data.ptr, ldc, step_out, G,
            )  # fmt: skip
    finally:
        if tf32 and single:
            cublas.setMathMode(handle, 0)


def _layout(m: Array) -> tuple[int, int]:
    """(0, entries from row to row) of matrices that lie in rows, (1, from column to column) if they lie in columns."""
    _, rows, columns = m.shape
    row, column = m.strides[1] // m.itemsize, m.strides[2] // m.itemsize
    if (columns == 1 or column == 1) and (rows == 1 or row >= columns):
        return 0, row if rows > 1 else columns
    return 1, column if columns > 1 else rows
