"""The CPU backend: the primitives that are worth more than the reference, tuned for NumPy.

Arrays keep the shape (N, C, H, W); convolution and pooling return them in the memory order (H, C, W, N), which
elementwise NumPy code keeps without knowing of it. `numpy_conv2d` says why.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from xpnet.backend.cpu import convolution, winograd
from xpnet.backend.cpu.convolution import PRODUCT, bands, shared
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles, single_threaded_blas
from xpnet.backend.cpu.winograd import Winograd
from xpnet.backend.reference import AdamStep, Array, Backend
from xpnet.backend.window import Window
from xpnet.random import Key

# A dense layer's product is divided into pieces of so many rows and multiplications at least, some 200 microseconds.
PRODUCT_ROWS, PRODUCT_WORK = 64, 1 << 23
UPDATE = 1 << 17  # entries of a parameter that are updated at a time: what an update needs stays in the cache


class NumpyBackend(Backend):
    name = "numpy"
    flat = True
    winograd = Winograd()

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
        if winograd.fits(x, w, window, groups):
            return self.winograd.forward(x, w, b, window, activation == "relu")
        return convolution.forward(x, w, b, window, groups, activation == "relu")

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
        if winograd.fits(x, w, window, groups):
            return self.winograd.backward(dy, x, w, y, window, activation == "relu", need_dx)
        return convolution.backward(dy, x, w, y, window, groups, activation == "relu", need_dx)

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

    # ---- pooling: over views (H, W, C, N), in the memory order of x, where every slice is made of runs of images -----

    def max_pool2d(self, x: Array, window: Window) -> Array:
        rows = pixels(_padded(x, window, -np.inf))
        (OH, OW), taps = window.output_size(x.shape[2:]), window.taps(x.shape[2:])
        y = empty_beside(rows, (OH, OW))

        def work(i0: int, i1: int) -> None:
            first, *others = (rows[part(h, i0, i1), w] for _, _, h, w in taps)
            out = y[i0:i1]
            np.copyto(out, first)
            for other in others:
                np.maximum(out, other, out=out)

        run_tiles(work, shared(OH, x.size))
        return y.transpose(3, 2, 0, 1)

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window) -> Array:
        rows = pixels(_padded(x, window, -np.inf))
        best, dout = pixels(y), pixels(dy)
        dx = empty_beside(rows, rows.shape[:2])
        taps = window.taps(x.shape[2:])
        apart = window.stride[0] >= window.extent[0]  # bands share no input rows: they may be written at the same time
        alone = apart and window.stride[1] >= window.extent[1]  # no pixel gets two shares
        tiles = window.extent == window.stride and rows.shape[:2] == tuple(
            size * step for size, step in zip(dout.shape[:2], window.stride, strict=True)
        )
        if not tiles:  # else every pixel is written
            dx[...] = 0

        def work(i0: int, i1: int) -> None:
            best_, share = best[i0:i1], np.empty_like(best[i0:i1])
            hit, met = np.empty_like(best_, bool), np.zeros_like(best_, bool)  # outputs whose maximum has been met
            for _, _, h, w in taps:
                at = part(h, i0, i1)
                np.equal(rows[at, w], best_, out=hit)
                np.greater(hit, met, out=hit)  # for the first time
                np.logical_or(met, hit, out=met)
                if alone:
                    np.multiply(dout[i0:i1], hit, out=dx[at, w])
                else:
                    np.multiply(dout[i0:i1], hit, out=share)
                    dx[at, w] += share

        run_tiles(work, shared(y.shape[2], x.size) if apart else [(0, y.shape[2])])
        (top, _), (left_, _) = window.padding
        return dx[top : top + x.shape[2], left_ : left_ + x.shape[3]].transpose(3, 2, 0, 1)

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        rows = pixels(_padded(x, window, 0))
        first, *others = (rows[h, w] for _, _, h, w in window.taps(x.shape[2:]))
        y = empty_beside(rows, first.shape[:2])
        np.copyto(y, first)
        for other in others:
            y += other
        y *= 1 / (window.kernel[0] * window.kernel[1])
        return y.transpose(3, 2, 0, 1)

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

    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        for part, start, end in zip(parts, starts, (*starts[1:], flat.size), strict=True):
            size = 0 if part is None else part.size
            if part is not None:
                flat[start : start + size].reshape(part.shape)[...] = part
            flat[start + size : end] = 0

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
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


def pixels(x: Array) -> Array:
    """(N, C, H, W) -> a view (H, W, C, N), in memory (H, W, C, N) or (H, C, W, N); where x lies in neither, a copy."""
    view = x.transpose(2, 3, 1, 0)
    return view if view.transpose(0, 2, 1, 3).flags.c_contiguous else np.ascontiguousarray(view)


def empty_beside(x: Array, size: tuple[int, int]) -> Array:
    """For images of another size, in the memory order of x (H, W, C, N): (*size, C, N)."""
    (OH, OW), (_, _, C, N) = size, x.shape
    if x.flags.c_contiguous:
        return pool.empty((OH, OW, C, N), x.dtype)
    return pool.empty((OH, C, OW, N), x.dtype).transpose(0, 2, 1, 3)


def _padded(x: Array, window: Window, value: float) -> Array:
    """`x` itself where there is nothing to pad; else a padded copy in the memory order (H, W, C, N)."""
    (top, bottom), (left, right) = window.padding
    if not (top or bottom or left or right):
        return x
    N, C, H, W = x.shape
    out = pool.empty((top + H + bottom, left + W + right, C, N), x.dtype)
    out[...] = value
    out[top : top + H, left : left + W] = x.transpose(2, 3, 1, 0)
    return out.transpose(3, 2, 0, 1)
