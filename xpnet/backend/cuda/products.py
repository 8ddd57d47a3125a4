"""Matrix products of cuBLAS that read and write parts of arrays."""

from typing import Any

import numpy as np

Array = Any

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
