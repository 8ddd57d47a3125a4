"""Matrix products of cuBLAS that read and write parts of arrays."""

import functools
from typing import Any, NamedTuple

import numpy as np

Array = Any

_NUMBERS = {itemsize: np.array([0, 1], f"f{itemsize}") for itemsize in (4, 8)}
_ZERO_AND_ONE = {n: (pair.ctypes.data, pair.ctypes.data + n) for n, pair in _NUMBERS.items()}  # where they lie
_TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH


class Layout(NamedTuple):
    """What cuBLAS is told of a product beside the addresses. It thinks in columns: a matrix in rows is its transpose.

    So the product is out^T = b^T a^T, and `turn_b` says whether b lies in columns.
    """

    turn_b: int
    turn_a: int
    N: int
    M: int
    K: int
    ldb: int  # entries from row to row, or from column to column
    lda: int
    ldout: int
    step_b: int = 0  # from matrix to matrix of a batch
    step_a: int = 0
    step_out: int = 0
    matrices: int = 1


def product(a: Array, b: Array, out: Array, add: bool = False, tf32: bool = False) -> None:
    """out = a @ b (+ out with `add`), one call of cuBLAS: (M, K), (K, N), (M, N), or (G, M, K), (G, K, N), (G, M, N).

    The last two axes may lie in memory either way round, with rows that are parts of longer ones; `out` in rows.
    """
    if not out.size:
        return
    cublas, get_handle = _cublas()
    itemsize = out.itemsize
    how = _layout(a.shape, a.strides, b.strides, out.shape, out.strides, itemsize)
    zero, one = _ZERO_AND_ONE[itemsize]
    handle, single, factor = get_handle(), itemsize == 4, one if add else zero
    if tf32 and single:
        cublas.setMathMode(handle, _TF32_MATH)
    try:
        if how.matrices == 1:
            gemm = cublas.sgemm if single else cublas.dgemm
            gemm(handle, *how[:5], one, b.data.ptr, how.ldb, a.data.ptr, how.lda, factor, out.data.ptr, how.ldout)
        else:
            gemm = cublas.sgemmStridedBatched if single else cublas.dgemmStridedBatched
            gemm(
                handle, *how[:5], one, b.data.ptr, how.ldb, how.step_b, a.data.ptr, how.lda, how.step_a,
                factor, out.data.ptr, how.ldout, how.step_out, how.matrices,
            )  # fmt: skip
    finally:
        if tf32 and single:
            cublas.setMathMode(handle, 0)


@functools.cache
def _cublas() -> tuple[Any, Any]:
    """CuPy's binding, and what gives the handle of this thread and device."""
    import cupy
    from cupy_backends.cuda.libs import cublas

    return cublas, cupy.cuda.device.get_cublas_handle


Numbers = tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def _layout(a: Numbers, a_bytes: Numbers, b_bytes: Numbers, out: Numbers, out_bytes: Numbers, itemsize: int) -> Layout:
    """Of matrices of the shapes `a` and `out`, and of these strides."""
    a_strides, b_strides, out_strides = ([n // itemsize for n in array] for array in (a_bytes, b_bytes, out_bytes))
    (M, N), K = out[-2:], a[-1]
    turn_a, lda = _rows_or_columns(M, K, *a_strides[-2:])
    turn_b, ldb = _rows_or_columns(K, N, *b_strides[-2:])
    single = Layout(turn_b, turn_a, N, M, K, ldb, lda, out_strides[-2] if M > 1 else N)
    if len(out) == 2 or out[0] == 1:
        return single
    return single._replace(step_b=b_strides[0], step_a=a_strides[0], step_out=out_strides[0], matrices=out[0])


def _rows_or_columns(rows: int, columns: int, row: int, column: int) -> tuple[int, int]:
    """(0, entries from row to row) of a matrix that lies in rows, (1, from column to column) if it lies in columns."""
    if (columns == 1 or column == 1) and (rows == 1 or row >= columns):
        return 0, row if rows > 1 else columns
    return 1, column if columns > 1 else rows
