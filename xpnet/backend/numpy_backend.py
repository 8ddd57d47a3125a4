"""The CPU backend: the primitives that are worth more than the reference, tuned for NumPy.

Arrays keep the shape (N, C, H, W); convolution and pooling return them in the memory order (H, C, W, N), which
elementwise NumPy code keeps without knowing of it. `numpy_conv2d` says why.
"""

import contextlib
from typing import Any

import numpy as np

from xpnet.backend import numpy_conv2d
from xpnet.backend.leases import pool
from xpnet.backend.numpy_conv2d import PRODUCT, bands, images_first, rows_first, shared
from xpnet.backend.reference import Array, Backend
from xpnet.backend.threads import run_tiles, single_threaded_blas
from xpnet.backend.window import Window
from xpnet.random import Key

# A dense layer's product is divided into pieces of so many rows and multiplications at least, some 200 microseconds.
PRODUCT_ROWS, PRODUCT_WORK = 64, 1 << 23
UPDATE = 1 << 17  # entries of a parameter that are updated at a time: what an update needs stays in the cache


class NumpyBackend(Backend):
    name = "numpy"
    jit = ""  # which compiler it has, if any

    def __init__(self) -> None:
        super().__init__(np)

    def asarray(self, x: Any, dtype: Any = None) -> Array:
        return np.asarray(x, dtype=dtype)

    def free_memory(self) -> None:
        pool.clear()

    def computing(self) -> contextlib.AbstractContextManager[None]:
        return single_threaded_blas()

    # ---- convolution and dense -------------------------------------------------------------------------------------

    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        return numpy_conv2d.forward(x, w, b, window, groups, activation == "relu")

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
        return numpy_conv2d.backward(dy, x, w, y, window, groups, activation == "relu", need_dx)

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        y = product(x, w.T)
        if b is not None:
            y += b
        return np.maximum(y, 0, out=y) if activation == "relu" else y

    def dense_backward(
        self, dy: Array, x: Array, w: Array, y: Array, activation: str | None = None, need_dx: bool = True
    ) -> tuple[Array | None, Array, Array]:
        dz = self.activate_backward(dy, y, activation)
        return product(dz, w) if need_dx else None, product(dz.T, x), dz.sum(axis=0)

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        return dy * (y > 0) if activation == "relu" else dy

    # ---- pooling: over rows-first views, where every slice is one long run of images -------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        rows = rows_first(_padded(x, window, -np.inf))
        (OH, OW), taps = window.output_size(x.shape[2:]), self.taps(window, x.shape[2:])
        y = pool.empty((OH, x.shape[1], OW, x.shape[0]), x.dtype)

        def work(i0: int, i1: int) -> None:
            first, *others = (rows[part(h, i0, i1), :, w] for _, _, h, w in taps)
            out = y[i0:i1]
            np.copyto(out, first)
            for other in others:
                np.maximum(out, other, out=out)

        run_tiles(work, shared(OH, x.size))
        return images_first(y)

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window) -> Array:
        rows, best, dout = rows_first(_padded(x, window, -np.inf)), rows_first(y), rows_first(dy)
        dx = pool.empty(rows.shape, rows.dtype)
        taps = self.taps(window, x.shape[2:])
        apart = window.stride[0] >= window.extent[0]  # bands share no input rows: they may be written at the same time
        alone = apart and window.stride[1] >= window.extent[1]  # no pixel gets two shares
        tiles = window.extent == window.stride and rows.shape[0:3:2] == tuple(
            size * step for size, step in zip(dout.shape[0:3:2], window.stride, strict=True)
        )
        if not tiles:  # else every pixel is written
            dx[...] = 0

        def work(i0: int, i1: int) -> None:
            left = dout[i0:i1].copy()  # the part of dy whose maximum has not been met yet
            hit, share = np.empty(left.shape, bool), np.empty_like(left)
            for _, _, h, w in taps:
                at = part(h, i0, i1)
                np.equal(rows[at, :, w], best[i0:i1], out=hit)
                np.multiply(left, hit, out=share)
                left -= share
                if alone:
                    dx[at, :, w] = share
                else:
                    dx[at, :, w] += share

        run_tiles(work, shared(y.shape[2], x.size) if apart else [(0, y.shape[2])])
        (top, _), (left_, _) = window.padding
        return images_first(dx[top : top + x.shape[2], :, left_ : left_ + x.shape[3]])

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        rows = rows_first(_padded(x, window, 0))
        first, *others = (rows[h, :, w] for _, _, h, w in self.taps(window, x.shape[2:]))
        y = np.array(first)
        for other in others:
            y += other
        y *= 1 / (window.kernel[0] * window.kernel[1])
        return images_first(y)

    # ---- softmax and dropout ---------------------------------------------------------------------------------------

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        if t.ndim != 1:
            return super().softmax_cross_entropy(y, t)
        dy = y - y.max(axis=1, keepdims=True)  # (N, C)
        picked = np.arange(len(y)), t
        losses = -dy[picked]
        np.exp(dy, out=dy)
        total = dy.sum(axis=1, keepdims=True)
        losses += np.log(total[:, 0])
        dy /= total
        dy[picked] -= 1
        return losses, dy

    def dropout_mask(self, shape: tuple[int, ...], rate: float, key: Key, dtype: Any = "float32") -> Array:
        count = int(np.prod(shape))
        stream = np.random.Philox(key=np.array(key, dtype=np.uint64))
        words = stream.random_raw(-(-count // 2)).astype("<u8", copy=False).view("<u4")[:count]
        return (words >= round(rate * 2**32)).reshape(shape) * np.asarray(1 / (1 - rate), dtype)

    # ---- update steps ----------------------------------------------------------------------------------------------

    def adam(
        self,
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> None:
        # p -= lr (m / a) / (sqrt(v) / c + eps), with a = 1 - beta1**step and c = sqrt(1 - beta2**step), times c / c
        c = (1 - beta2**step) ** 0.5
        rate, least = lr * c / (1 - beta1**step), eps * c
        arrays = [p, g, m, v]
        if all(a.flags.c_contiguous for a in arrays):
            arrays = [a.reshape(-1) for a in arrays]
            pieces = [[a[i : i + UPDATE] for a in arrays] for i in range(0, p.size, UPDATE)]
        else:
            pieces = [arrays]
        for p, g, m, v in pieces:
            if weight_decay and decoupled:
                p *= 1 - lr * weight_decay
            elif weight_decay:
                g = g + weight_decay * p
            m *= beta1
            buffer = g * (1 - beta1)
            m += buffer
            v *= beta2
            np.multiply(g, g, out=buffer)
            buffer *= 1 - beta2
            v += buffer
            np.sqrt(v, out=buffer)
            buffer += least
            np.divide(m, buffer, out=buffer)
            buffer *= rate
            p -= buffer


def product(a: Array, b: Array) -> Array:
    """a @ b, by bands of rows on all threads; BLAS's own threads would make the bits depend on their number."""
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)

    def work(i0: int, i1: int) -> None:
        height = rows_together(i1 - i0, b)
        left, result = (array[i0:i1].reshape(-1, height, array.shape[1]) for array in (a, out))
        np.matmul(left, b, out=result)

    if out.size:
        run_tiles(work, bands(len(a), max(PRODUCT_ROWS, PRODUCT_WORK // max(1, b.size))))
    return out


def rows_together(rows: int, b: Array) -> int:
    """8 or 4, if OpenBLAS then takes the product with a transposed matrix `b` without packing it; else all rows."""
    fits = [height for height in (8, 4) if rows % height == 0 and height * b.size <= PRODUCT]
    return fits[0] if fits and b.flags.f_contiguous else rows


def part(rows: slice, i0: int, i1: int) -> slice:
    """Of the input rows that one row of the window meets, those of the output rows i0 ... i1."""
    return slice(rows.start + i0 * rows.step, rows.start + (i1 - 1) * rows.step + 1, rows.step)


def _padded(x: Array, window: Window, value: float) -> Array:
    """`x` itself where there is nothing to pad; else a padded copy in rows-first memory order."""
    (top, bottom), (left, right) = window.padding
    if not (top or bottom or left or right):
        return x
    N, C, H, W = x.shape
    out = pool.empty((top + H + bottom, C, left + W + right, N), x.dtype)
    out[...] = value
    out[top : top + H, :, left : left + W] = x.transpose(2, 1, 3, 0)
    return images_first(out)
