"""Sums and means on a GPU, in double: in CuPy's own a thread adds one number in so many after the other."""

import functools
from typing import Any

from xpnet.backend.cuda.arrays import CupyArrays
from xpnet.backend.reference import Array


class CupySums(CupyArrays):
    def sum(self, x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        if x.dtype.kind != "f":
            return self.xp.sum(x, axis=axis, keepdims=keepdims)
        return _reduction("xpnet_sum", "y = a")(x, axis=axis, keepdims=keepdims)

    def mean(self, x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        return _reduction("xpnet_mean", "y = a / (_in_ind.size() / _out_ind.size())")(x, axis=axis, keepdims=keepdims)


@functools.cache
def _reduction(name: str, end: str) -> Any:
    import cupy

    return cupy.ReductionKernel("T x", "T y", "(double)x", "a + b", end, "0", name, reduce_type="double")
