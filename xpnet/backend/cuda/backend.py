"""The GPU backend: CuPy on an NVIDIA device, with the kernels of kernels/*.cu and the products of cuBLAS.

Arrays keep the shape (N, C, H, W); convolution returns them in the memory order (C, N, H, W), in which the output of
one product of matrices needs no copy, a channel's pixels lie behind one another, and groups are a batch of products.
Any memory order is taken. Nothing here waits for the device or copies from it, but for `to_numpy` and `synchronize`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from xpnet.backend.cuda import launch
from xpnet.backend.cuda.attention import CupyAttention
from xpnet.backend.cuda.convolution import CupyConvolution
from xpnet.backend.cuda.device import INSTALL, own_device, require_device, wants_tf32
from xpnet.backend.cuda.launch import by_block, elementwise, strides
from xpnet.backend.cuda.normalization import CupyNormalization
from xpnet.backend.cuda.recurrent import CupyRecurrent
from xpnet.backend.cuda.updates import CupyUpdates
from xpnet.backend.like import converted, require_like
from xpnet.backend.reference import Array
from xpnet.backend.window import Window
from xpnet.random import Key

__all__ = ["INSTALL", "CupyBackend", "require_device"]


class CupyBackend(CupyAttention, CupyConvolution, CupyNormalization, CupyRecurrent, CupyUpdates):
    """`XPNET_MEMORY_LIMIT` (megabytes) bounds what it takes of the device's memory. With `XPNET_TF32=1`, products of
    float32 matrices run on the tensor cores, which round their factors to 10 bits: about eight times as fast, errors
    of about 1e-3 instead of 1e-6.
    """

    name = "cupy"
    flat = True

    def __init__(self) -> None:
        require_device()
        super().__init__()
        self.tf32 = wants_tf32()
        self.number = own_device(self._cp.cuda.runtime.getDeviceCount())
        if self.number:
            self._cp.cuda.Device(self.number).use()

    def computing(self) -> contextlib.AbstractContextManager[None]:
        """CUDA's device is that of a thread: within the block it is this one in every thread."""
        return self._on_device() if self.number else super().computing()

    @contextlib.contextmanager
    def _on_device(self) -> Iterator[None]:
        with self._cp.cuda.Device(self.number), super().computing():
            yield

    # ---- dense and activation --------------------------------------------------------------------------------

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        x, w = self._cp.ascontiguousarray(x), self._cp.ascontiguousarray(w)
        y = self.empty((x.shape[0], w.shape[0]), x.dtype)
        self._product(x, w.T, y)
        self._bias_activation(y, b, 1, w.shape[0], activation)
        return y

    def dense_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        activation: str | None = None,
        need_dx: bool = True,
        out: Array | None = None,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        cp = self._cp
        dz, db = self._activation_backward(dy, y, activation, self.empty(dy.shape, dy.dtype), need_db)
        x, w = cp.ascontiguousarray(x), cp.ascontiguousarray(w)
        dw = self.empty(w.shape, w.dtype) if need_dw else None
        dx = self.empty(x.shape, x.dtype) if need_dx else None
        if dw is not None:
            self._product(dz.T, x, dw)
        if dx is not None:
            self._product(dz, w, dx)
        return dx, dw, db

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        if activation != "relu":
            return dy
        dz, dy = self._like(y), converted(dy, y.dtype)
        require_like(dy, y)
        dy, y = self._in_order_of(dz, dy), self._in_order_of(dz, y)
        elementwise("relu_backward", y.dtype, y.size, dy, y, dz, y.size)
        return dz

    def embedding_backward(self, dy: Array, x: Array, vocabulary: int) -> Array:
        cp, E = self._cp, dy.shape[-1]
        dy, numbers = cp.ascontiguousarray(dy), cp.ascontiguousarray(x, dtype=np.int64)
        dw = cp.empty((vocabulary, E), dy.dtype)
        by_block("embedding_backward", dy.dtype, (vocabulary,), E, dy, numbers, dw, numbers.size, E)
        return dw

    # ---- pooling: outputs in the order of their shape, so that Flatten need not copy --------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        return self._pool2d("max_pool2d", x, window)

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window, relu: bool = False) -> Array:
        dy = self.activate_backward(dy, y, "relu") if relu else dy
        dx, k = self._like(x), launch.geometry(*x.shape[:2], x.shape[2:], window)
        arrays = [argument for array in (converted(dy, x.dtype), x, y, dx) for argument in (array, strides(array))]
        elementwise("max_pool2d_backward", x.dtype, x.size, *arrays, k)
        return dx

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        return self._pool2d("avg_pool2d", x, window)

    def avg_pool2d_backward(self, dy: Array, size: tuple[int, int], window: Window) -> Array:
        dx = self.empty((*dy.shape[:2], *size), dy.dtype)
        k = launch.geometry(*dx.shape[:2], tuple(size), window)
        elementwise("avg_pool2d_backward", dy.dtype, dx.size, dy, strides(dy), dx, strides(dx), k)
        return dx

    def _pool2d(self, name: str, x: Array, window: Window) -> Array:
        y = self.empty((*x.shape[:2], *window.output_size(x.shape[2:])), x.dtype)
        k = launch.geometry(*x.shape[:2], x.shape[2:], window)
        elementwise(name, x.dtype, max(x.size, y.size), x, strides(x), y, strides(y), k)
        return y

    # ---- loss, accuracy and dropout --------------------------------------------------------------------------------

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        cp = self._cp
        y = cp.ascontiguousarray(y)
        t = cp.ascontiguousarray(t, dtype=np.int64 if t.ndim == 1 else y.dtype)
        losses, dy = self.empty(y.shape[:1], y.dtype), self.empty(y.shape, y.dtype)
        labels, targets = (t, None) if t.ndim == 1 else (None, t)
        by_block(
            "softmax_cross_entropy", y.dtype, y.shape[:1], min(256, y.shape[1]), y, labels, targets, losses, dy,
            y.shape[1], size=y.size,
        )  # fmt: skip
        return losses, dy

    def count_hits(self, y: Array, t: Array) -> Array:
        cp = self._cp
        if y.ndim != 2:
            return super().count_hits(y, t)
        y, t = cp.ascontiguousarray(y), cp.ascontiguousarray(t, dtype=np.int64)
        hits = self.empty((), np.int64)
        by_block("count_hits", y.dtype, (1,), y.shape[0], y, t, hits, *y.shape, size=y.size)
        return hits

    def dropout_mask(
        self, shape: tuple[int, ...], rate: float, key: Key, dtype: Any = "float32", first: int = 0
    ) -> Array:
        mask = self.empty(shape, self.dtype(dtype))
        blocks = -(-(first % 8 + mask.size) // 8)
        words = (np.uint64(word) for word in (*key, round(rate * 2**32)))
        elementwise("dropout_mask", mask.dtype, blocks, mask, mask.size, first, *words, 1 / (1 - rate))
        return mask

    def normal(self, shape: tuple[int, ...], key: Key, dtype: Any = "float32", first: int = 0) -> Array:
        out = self.empty(shape, self.dtype(dtype))
        blocks = -(-(first % 8 + out.size) // 8)
        elementwise("normal", out.dtype, blocks, out, out.size, first, *map(np.uint64, key))
        return out
