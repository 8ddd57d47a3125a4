"""Convolution on a GPU: columns of as many images as fit into a workspace, and products of cuBLAS.

Outputs lie in the memory order (C, N, H, W): there the output of one product needs no copy, a channel's pixels lie
behind one another, and groups are a batch of products.
"""

from collections.abc import Iterator
from typing import Any

from xpnet.backend.cuda import launch, products
from xpnet.backend.cuda.arrays import CupyArrays
from xpnet.backend.cuda.launch import by_block, elementwise, four_axes, strides
from xpnet.backend.like import require_like
from xpnet.backend.reference import Array
from xpnet.backend.window import Pair, Window

WORKSPACE = 1 << 26  # bytes of columns that a tile of images may take
ONE_PIXEL = Window()
CHUNK, CHUNKS = 1 << 13, 64  # entries of a channel that one block sums, or more: there are so many chunks at most


class CupyConvolution(CupyArrays):
    tf32 = False

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
        for tile, matrix in self._columns(x, window, G):
            self._product(kernels, matrix, _pixels(rows, tile, N))
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
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        cp, N, O, G = self._cp, x.shape[0], w.shape[0], groups
        OH, OW = dy.shape[2:]
        out = self.empty((O, N, OH, OW), x.dtype).transpose(1, 0, 2, 3)
        dz, db = self._activation_backward(dy, y, activation, out, need_db)
        rows = _channels_first(dz, G)  # (G, O/G, N*OH*OW)
        kernels = cp.ascontiguousarray(w).reshape(G, O // G, -1)  # (G, O/G, C/G*KH*KW)
        dw = self.empty(kernels.shape, x.dtype) if need_dw else None
        dx = self._like(x) if need_dx else None
        if _is_columns(x, window):
            if dw is not None:
                self._product(rows, _channels_first(x, G).transpose(0, 2, 1), dw)
            if dx is not None:
                self._product(kernels.transpose(0, 2, 1), rows, _channels_first(dx, G))
            return dx, None if dw is None else dw.reshape(w.shape), db
        for tile, cols in tiles(self.empty, x, window):
            matrix = cols.reshape(G, kernels.shape[2], -1)  # (G, C/G*KH*KW, n*OH*OW)
            out = _pixels(rows, tile, N)
            if dw is not None:
                self._im2col(_images(x, tile), cols, window)
                self._product(out, matrix.transpose(0, 2, 1), dw, add=tile.start > 0)
            if dx is not None:  # the columns have done their work: their gradient takes their place
                self._product(kernels.transpose(0, 2, 1), out, matrix)
                self._col2im(cols, _images(dx, tile), window)
        return dx, None if dw is None else dw.reshape(w.shape), db

    def conv2d_transposed(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        window: Window,
        size: Pair,
        groups: int = 1,
        activation: str | None = None,
    ) -> Array:
        (N, C), G, O = x.shape[:2], groups, groups * w.shape[1]
        rows = _channels_first(self._as_output(x), G)  # (G, C/G, N*H*W)
        kernels = self._cp.ascontiguousarray(w).reshape(G, C // G, -1).transpose(0, 2, 1)  # (G, O/G*KH*KW, C/G)
        y = self.empty((O, N, *size), x.dtype).transpose(1, 0, 2, 3)  # (N, O, OH, OW)
        if window == ONE_PIXEL:
            self._product(kernels, rows, _channels_first(y, G))
        else:
            for tile, cols in tiles(self.empty, y, window):
                self._product(kernels, _pixels(rows, tile, N), cols.reshape(G, kernels.shape[1], -1))
                self._col2im(cols, _images(y, tile), window)
        self._bias_activation(y, b, N * size[0] * size[1], O, activation)
        return y

    def conv2d_transposed_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        (N, C, H, W), G, O = x.shape, groups, dy.shape[1]
        out = self.empty((O, N, *dy.shape[2:]), x.dtype).transpose(1, 0, 2, 3)
        dz, db = self._activation_backward(dy, y, activation, out, need_db)
        rows = _channels_first(self._as_output(x), G)  # (G, C/G, N*H*W)
        kernels = self._cp.ascontiguousarray(w).reshape(G, C // G, -1)  # (G, C/G, O/G*KH*KW)
        dw = self.empty(kernels.shape, x.dtype) if need_dw else None
        dx = self.empty((C, N, H, W), x.dtype).transpose(1, 0, 2, 3) if need_dx else None
        for tile, matrix in self._columns(dz, window, G):  # (G, O/G*KH*KW, n*H*W)
            if dw is not None:
                self._product(_pixels(rows, tile, N), matrix.transpose(0, 2, 1), dw, add=tile.start > 0)
            if dx is not None:
                self._product(kernels, matrix, _pixels(_channels_first(dx, G), tile, N))
        return dx, None if dw is None else dw.reshape(w.shape), db

    def _columns(self, x: Array, window: Window, groups: int) -> Iterator[tuple[slice, Array]]:
        """Of each tile of images the columns (G, C/G*KH*KW, n*OH*OW), where they can be used until the next."""
        if _is_columns(x, window):
            yield slice(0, len(x)), _channels_first(x, groups)
            return
        for tile, cols in tiles(self.empty, x, window):
            self._im2col(_images(x, tile), cols, window)
            yield tile, cols.reshape(groups, cols.shape[0] // groups * cols.shape[1] * cols.shape[2], -1)

    def _as_output(self, x: Array) -> Array:
        """x, or a copy of it, in the memory order in which convolution returns it."""
        return self._cp.ascontiguousarray(x.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)

    def explain_conv2d(self, x: Array, w: Array, window: Window, groups: int = 1) -> str:
        if window == ONE_PIXEL:
            return "one product: a window of one pixel needs no columns where x lies as convolution returns it"
        (N, C), (OH, OW), (KH, KW) = x.shape[:2], window.output_size(x.shape[2:]), window.kernel
        count = _images_at_once(N, C * KH * KW * OH * OW * x.itemsize)
        return f"columns: those of {count} images, as many as fit into {WORKSPACE} bytes, and a product for each group"

    def _product(self, a: Array, b: Array, out: Array, add: bool = False) -> None:
        products.product(a, b, out, add, self.tf32)

    def _bias_activation(self, y: Array, b: Array | None, inner: int, channels: int, activation: str | None) -> None:
        """In place; channel by channel, `inner` entries of one lie behind one another."""
        if b is not None or activation == "relu":
            b = None if b is None else self._cp.ascontiguousarray(b)
            elementwise("bias_activation", y.dtype, y.size, y, b, y.size, inner, channels, int(activation == "relu"))

    def _activation_backward(
        self, dy: Array, y: Array, activation: str | None, out: Array, need_db: bool
    ) -> tuple[Array, Array | None]:
        """(dz, db), dz in the memory order of `out`: `out` itself, or dy where it is the same. Without `need_db` db is
        None, and where dz is dy nothing is launched.
        """
        relu = activation == "relu"
        if not relu and not need_db and dy.strides == out.strides:
            return dy, None
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
        return dz, db if need_db else None


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
