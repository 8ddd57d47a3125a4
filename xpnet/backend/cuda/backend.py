"""The GPU backend: CuPy on an NVIDIA device, with the kernels of kernels/*.cu and the products of cuBLAS.

Arrays keep the shape (N, C, H, W); convolution returns them in the memory order (C, N, H, W), in which the output of
one product of matrices needs no copy, a channel's pixels lie behind one another, and groups are a batch of products.
Any memory order is taken. Nothing here waits for the device or copies from it, but for `to_numpy` and `synchronize`.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xpnet.backend.cuda import launch, products
from xpnet.backend.cuda.attention import CupyAttention
from xpnet.backend.cuda.device import INSTALL, require_device, wants_tf32
from xpnet.backend.cuda.launch import by_block, elementwise, four_axes, strides
from xpnet.backend.reference import AdamStep, Array
from xpnet.backend.window import Window
from xpnet.random import Key

__all__ = ["INSTALL", "CupyBackend", "require_device"]

WORKSPACE = 1 << 26  # bytes of columns that a tile of images may take
ONE_PIXEL = Window()
CHUNK, CHUNKS = 1 << 13, 64  # entries of a channel that one block sums, or more: there are so many chunks at most


class CupyBackend(CupyAttention):
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

    # ---- convolution -----------------------------------------------------------------------------------------------

    def im2col(self, x: Array, window: Window) -> Array:
        N, C, *size = x.shape
        OH, OW = window.output_size((size[0], size[1]))
        cols = self.empty((C, *window.kernel, N, OH, OW), x.dtype)
        self._im2col(x, cols, window)
        return cols.transpose(3, 0, 1, 2, 4, 5)  # (N, C, KH, KW, OH, OW)

    def col2im(self, cols: Array, size: tuple[int, int], window: Window) -> Array:
        dx = self.empty((*cols.shape[:2], *size), cols.dtype)
        self._col2im(self._cp.ascontiguousarray(cols.transpose(1, 2, 3, 0, 4, 5)), dx, window)
        return dx

    def _im2col(self, x: Array, cols: Array, window: Window) -> None:
        k = launch.geometry(*x.shape[:2], x.shape[2:], window)
        kh, kw = window.kernel
        elementwise("im2col", x.dtype, cols.size // (kh * kw), x, strides(x), cols, k)

    def _col2im(self, cols: Array, dx: Array, window: Window) -> None:
        k = launch.geometry(*dx.shape[:2], dx.shape[2:], window)
        elementwise("col2im", dx.dtype, dx.size, cols, dx, strides(dx), k)

    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        N, O, G = x.shape[0], w.shape[0], groups
        OH, OW = window.output_size(x.shape[2:])
        kernels = self._cp.ascontiguousarray(w).reshape(G, O // G, -1)  # (G, O/G, C/G*KH*KW)
        y = self.empty((O, N, OH, OW), x.dtype)
        rows = y.reshape(G, O // G, -1)  # (G, O/G, N*OH*OW)
        if _is_columns(x, window):
            self._product(kernels, _channels_first(x, G), rows)
        else:
            for tile, cols in tiles(self.empty, x, window):
                out = _pixels(rows, tile, N)
                self._im2col(_images(x, tile), cols, window)
                self._product(kernels, cols.reshape(G, kernels.shape[2], -1), out)
        self._bias_activation(y, b, N * OH * OW, O, activation)
        return y.transpose(1, 0, 2, 3)  # (N, O, OH, OW)

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
    ) -> tuple[Array | None, Array, Array]:
        cp, N, O, G = self._cp, x.shape[0], w.shape[0], groups
        OH, OW = dy.shape[2:]
        dz, db = self._activation_backward(dy, y, activation, self.empty((O, N, OH, OW), x.dtype).transpose(1, 0, 2, 3))
        rows = _channels_first(dz, G)  # (G, O/G, N*OH*OW)
        kernels = cp.ascontiguousarray(w).reshape(G, O // G, -1)  # (G, O/G, C/G*KH*KW)
        dw = self.empty(kernels.shape, x.dtype)
        dx = self._like(x) if need_dx else None
        if _is_columns(x, window):
            self._product(rows, _channels_first(x, G).transpose(0, 2, 1), dw)
            if dx is not None:
                self._product(kernels.transpose(0, 2, 1), rows, _channels_first(dx, G))
            return dx, dw.reshape(w.shape), db
        for tile, cols in tiles(self.empty, x, window):
            matrix = cols.reshape(G, kernels.shape[2], -1)  # (G, C/G*KH*KW, n*OH*OW)
            out = _pixels(rows, tile, N)
            self._im2col(_images(x, tile), cols, window)
            self._product(out, matrix.transpose(0, 2, 1), dw, add=tile.start > 0)
            if dx is not None:  # the columns have done their work: their gradient takes their place
                self._product(kernels.transpose(0, 2, 1), out, matrix)
                self._col2im(cols, _images(dx, tile), window)
        return dx, dw.reshape(w.shape), db

    def explain_conv2d(self, x: Array, w: Array, window: Window, groups: int = 1) -> str:
        if window == ONE_PIXEL:
            return "one product: a window of one pixel needs no columns where x lies as convolution returns it"
        (N, C), (OH, OW), (KH, KW) = x.shape[:2], window.output_size(x.shape[2:]), window.kernel
        count = _images_at_once(N, C * KH * KW * OH * OW * x.itemsize)
        return f"columns: those of {count} images, as many as fit into {WORKSPACE} bytes, and a product for each group"

    def _like(self, x: Array) -> Array:
        """A new array of the shape of x, in its memory order; cupy.empty_like takes more than twice as long."""
        if x.flags.c_contiguous:
            return self.empty(x.shape, x.dtype)
        if x.ndim == 4:
            (N, C, H, W), row = x.shape, x.shape[3] * x.itemsize
            if x.strides == (H * row, N * H * row, row, x.itemsize):  # as convolution returns it
                return self.empty((C, N, H, W), x.dtype).transpose(1, 0, 2, 3)
        return self._cp.empty_like(x)

    def _contiguous(self, x: Array | None) -> Array | None:
        return None if x is None else self._cp.ascontiguousarray(x)

    def _product(self, a: Array, b: Array, out: Array, add: bool = False) -> None:
        products.product(a, b, out, add, self.tf32)

    # ---- dense, bias and activation --------------------------------------------------------------------------------

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        x, w = self._cp.ascontiguousarray(x), self._cp.ascontiguousarray(w)
        y = self.empty((x.shape[0], w.shape[0]), x.dtype)
        self._product(x, w.T, y)
        self._bias_activation(y, b, 1, w.shape[0], activation)
        return y

    def dense_backward(
        self, dy: Array, x: Array, w: Array, y: Array, activation: str | None = None, need_dx: bool = True
    ) -> tuple[Array | None, Array, Array]:
        cp = self._cp
        dz, db = self._activation_backward(dy, y, activation, self.empty(dy.shape, dy.dtype))
        x, w = cp.ascontiguousarray(x), cp.ascontiguousarray(w)
        dw, dx = self.empty(w.shape, w.dtype), self.empty(x.shape, x.dtype) if need_dx else None
        self._product(dz.T, x, dw)
        if dx is not None:
            self._product(dz, w, dx)
        return dx, dw, db

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        return _relu_backward()(dy, y) if activation == "relu" else dy

    def _bias_activation(self, y: Array, b: Array | None, inner: int, channels: int, activation: str | None) -> None:
        """In place; channel by channel, `inner` entries of one lie behind one another."""
        if b is not None or activation == "relu":
            b = None if b is None else self._cp.ascontiguousarray(b)
            elementwise("bias_activation", y.dtype, y.size, y, b, y.size, inner, channels, int(activation == "relu"))

    def _activation_backward(self, dy: Array, y: Array, activation: str | None, out: Array) -> tuple[Array, Array]:
        """(dz, db), dz in the memory order of `out`: `out` itself, or dy where it is the same."""
        relu = activation == "relu"
        dz = dy if not relu and dy.strides == out.strides else out
        dy4, dz4 = four_axes(dy), four_axes(dz)
        y4 = four_axes(y) if relu else dy4
        N, C, H, W = dy4.shape
        chunk = max(CHUNK, -(-N * H * W // CHUNKS))
        chunks = -(-N * H * W // chunk)
        sums = db = self.empty((C,), dy.dtype)
        if chunks > 1:
            sums = self.empty((chunks, C), dy.dtype)
        by_block(
            "activation_backward", dy.dtype, (C, chunks), min(chunk, N * H * W),
            dy4, strides(dy4), y4, strides(y4), None if dz is dy else dz, strides(dz4), sums,
            launch.shape4(dy4.shape), chunk, int(relu), size=dy.size,
        )  # fmt: skip
        if chunks > 1:
            by_block("sum_chunks", dy.dtype, (C,), chunks, sums, db, chunks)
        return dz, db

    def embedding_backward(self, dy: Array, x: Array, vocabulary: int) -> Array:
        cp, E = self._cp, dy.shape[-1]
        dy, numbers = cp.ascontiguousarray(dy), cp.ascontiguousarray(x, dtype=np.int64)
        dw = cp.empty((vocabulary, E), dy.dtype)
        by_block("embedding_backward", dy.dtype, (vocabulary,), min(256, E), dy, numbers, dw, numbers.size, E)
        return dw

    # ---- pooling: outputs in the order of their shape, so that Flatten need not copy --------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        return self._pool2d("max_pool2d", x, window)

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window) -> Array:
        dx, k = self._like(x), launch.geometry(*x.shape[:2], x.shape[2:], window)
        arrays = [argument for array in (dy, x, y, dx) for argument in (array, strides(array))]
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

    # ---- normalisation ---------------------------------------------------------------------------------------------

    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        x4 = four_axes(x)
        gamma, beta = self._contiguous(gamma), self._contiguous(beta)
        y, mean, var = self._like(x4), self.empty(x.shape[1:2], x.dtype), self.empty(x.shape[1:2], x.dtype)
        by_block(
            "batch_norm", x.dtype, x4.shape[1:2], x4.size // x4.shape[1], x4, strides(x4), gamma, beta, y, strides(y),
            mean, var, launch.shape4(x4.shape), float(eps), size=x.size,
        )  # fmt: skip
        return y.reshape(x.shape), mean, var

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        x4, dy4 = four_axes(x), four_axes(dy)
        mean, var, gamma = map(self._contiguous, (mean, var, gamma))
        dx, dgamma, dbeta = self._like(x4), self.empty(x.shape[1:2], x.dtype), self.empty(x.shape[1:2], x.dtype)
        by_block(
            "batch_norm_backward", x.dtype, x4.shape[1:2], x4.size // x4.shape[1], dy4, strides(dy4), x4, strides(x4),
            mean, var, gamma, dx, strides(dx), dgamma, dbeta, launch.shape4(x4.shape), float(eps), size=x.size,
        )  # fmt: skip
        return dx.reshape(x.shape), dgamma, dbeta

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        if not _aligned(average, value):
            return super().moving_average(average, value, rate, weight)
        return elementwise(
            "moving_average", average.dtype, average.size, average, value, average.size, float(rate), float(weight)
        )

    def local_response_norm(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        x4 = four_axes(x)
        y, scale = self._like(x4), self._like(x4)
        elementwise(
            "local_response_norm", x.dtype, x.size, x4, strides(x4), y, scale, strides(y), launch.shape4(x4.shape),
            size, float(alpha), float(beta), float(k),
        )  # fmt: skip
        return y.reshape(x.shape), scale.reshape(x.shape)

    def local_response_norm_backward(
        self, dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float
    ) -> Array:
        dy4, x4, scale4 = four_axes(dy), four_axes(x), four_axes(scale)
        dx = self._like(x4)
        arrays = [argument for array in (dy4, x4, scale4, dx) for argument in (array, strides(array))]
        elementwise(
            "local_response_norm_backward", x.dtype, x.size, *arrays, launch.shape4(x4.shape), size, float(alpha),
            float(beta),
        )  # fmt: skip
        return dx.reshape(x.shape)

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

    # ---- update steps ----------------------------------------------------------------------------------------------

    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        parts = [None if part is None else self._cp.ascontiguousarray(part) for part in parts]
        for first in range(0, len(parts), launch.PIECES_MAX):
            last = first + launch.PIECES_MAX
            begin, end = starts[first] if first else 0, starts[last] if last < len(starts) else flat.size
            table = launch.pieces(parts[first:last], starts[first:last])
            elementwise("collect", flat.dtype, end - begin, flat, table, begin, end)

    def sgd(
        self, p: Array, g: Array, v: Array | None, *, lr: float, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        if not _aligned(p, g, v):
            return super().sgd(p, g, v, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
        options = float(lr), float(momentum), int(nesterov), float(weight_decay)
        return elementwise("sgd", p.dtype, p.size, p, g, v, p.size, *options)

    def adagrad(self, p: Array, g: Array, s: Array, *, lr: float, eps: float, weight_decay: float) -> None:
        if not _aligned(p, g, s):
            return super().adagrad(p, g, s, lr=lr, eps=eps, weight_decay=weight_decay)
        return elementwise("adagrad", p.dtype, p.size, p, g, s, p.size, float(lr), float(eps), float(weight_decay))

    def rmsprop(self, p: Array, g: Array, s: Array, *, lr: float, rho: float, eps: float, weight_decay: float) -> None:
        if not _aligned(p, g, s):
            return super().rmsprop(p, g, s, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        options = float(lr), float(rho), float(eps), float(weight_decay)
        return elementwise("rmsprop", p.dtype, p.size, p, g, s, p.size, *options)

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        if not _aligned(p, g, m, v):
            return super().adam(p, g, m, v, how)
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
        options = float(lr), float(beta1), float(beta2), float(eps), float(weight_decay), int(decoupled)
        unbias = 1 - beta1**step, 1 - beta2**step
        return elementwise("adam", p.dtype, p.size, p, g, m, v, p.size, *options, *unbias)


def tiles(empty: Any, x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Parts of the batch whose columns fit into the workspace, and room for them: (C, KH, KW, images, OH, OW)."""
    (N, C), (OH, OW), (KH, KW) = x.shape[:2], window.output_size(x.shape[2:]), window.kernel
    image = C * KH * KW * OH * OW  # entries of the columns of one image
    count = _images_at_once(N, image * x.itemsize)
    if count == N:
        yield slice(0, N), empty((C, KH, KW, N, OH, OW), x.dtype)
        return
    workspace = empty(count * image, x.dtype)
    for n in range(0, N, count):
        images = min(count, N - n)
        yield slice(n, n + images), workspace[: images * image].reshape(C, KH, KW, images, OH, OW)


def _images(x: Array, tile: slice) -> Array:
    """Those of a tile, a view; x itself where it is all of them, as a view takes as long to make as a launch."""
    return x if tile.stop - tile.start == x.shape[0] else x[tile]


def _pixels(rows: Array, tile: slice, images: int) -> Array:
    """(G, O/G, N*OH*OW) -> those of the tile's images, of `images` in all."""
    if tile.stop - tile.start == images:
        return rows
    each = rows.shape[2] // images
    return rows[:, :, tile.start * each : tile.stop * each]


def _images_at_once(images: int, column_bytes: int) -> int:
    """How many images' columns fit into the workspace, one at least."""
    return min(images, max(1, WORKSPACE // column_bytes))


def _is_columns(x: Array, window: Window) -> bool:
    """Whether im2col would only copy x: for a window of one pixel on channels that lie behind one another."""
    return window == ONE_PIXEL and bool(x.transpose(1, 0, 2, 3).flags.c_contiguous)


def _channels_first(x: Array, groups: int) -> Array:
    """(N, C, H, W) in the memory order (C, N, H, W) -> (G, C/G, N*H*W), a view."""
    return x.transpose(1, 0, 2, 3).reshape(groups, x.shape[1] // groups, -1)


def _aligned(*arrays: Array | None) -> bool:
    """Whether entry i of one belongs to entry i of the others in memory."""
    return all(array is None or array.flags.c_contiguous for array in arrays)


@functools.cache
def _relu_backward() -> Any:
    import cupy

    return cupy.ElementwiseKernel("T dy, T y", "T dz", "dz = y > 0 ? dy : T(0)", "xpnet_relu_backward")
