"""A convolution of a plan of training, with pooling of 2x2 behind it or without.

Arrays are (rows, channels, columns, N), images innermost, so that all is done in long runs. Before pooling, the two
pixels of a window's row are two outputs of one product: its kernel is one column wider, and it sees windows that lie
two columns apart. So there are fewer columns to make, no product has few rows, and pooling takes the larger of whole
blocks. Pooling comes before bias and ReLU, which then have a quarter to do, and its gradient takes the place of what
was pooled. The gradient of the input is a product with the kernel and one addition for each of its columns, a row of
windows at a time.
"""

import contextvars
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from xpnet.backend.cpu.activation import WHOLE
from xpnet.backend.cpu.planned_dense import add_gradient
from xpnet.backend.cpu.products import SMALL
from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import PRODUCT, WORTH, cut_bands, divide_evenly

Array = Any
Call = Callable[[], Any]

BUFFER = 512  # entries: with more, NumPy first copies even what lies in runs of some hundreds, and takes twice as long
RUN = 64  # entries that BLAS adds up at a time, at least where there are as many
BAND = 1 << 20  # bytes of a convolution's output, at most, that are made and pooled before the next


class Map(NamedTuple):
    """Where an image (H, C, W, N) is to be put, in pieces of its columns, and where its gradient is found."""

    array: Array  # what the layer there is given
    pieces: list[tuple[slice, Array, Array]]

    @classmethod
    def of_features(cls, x: Array, dx: Array, shape: tuple[int, ...]) -> "Map":
        """As features (C*H*W, N) of a dense layer; shape: (N, C, H, W)."""
        N, C, H, W = shape
        x_image, dx_image = (each.reshape(C, H, W, N).transpose(1, 0, 2, 3) for each in (x, dx))
        return cls(x, [(slice(None), x_image, dx_image)])


class Convolution:
    """y = pool(relu(conv(x, w) + b)), each of the three perhaps without pool, relu or b; into the Map of what follows.

    `steps` is 2 with pooling, else 1. Of the padded input, x[h, c, p, v] is column v * steps + p. P x Q is the size of
    the output, M = Q * N.
    """

    def __init__(self, stage: Any, dtype: Any, behind: Map, first: bool) -> None:
        N, C, H, W = stage.given
        _, O, P, Q = stage.gives
        self.weight, self.bias, self.relu = stage.op.args["w"], stage.op.args["b"], bool(stage.activation)
        self.behind, self.first, self.steps, self.dtype = behind, first, 2 if stage.pooled else 1, dtype
        self.sizes, self.image = (N, C, O, P, Q), (H, W)
        (self.KH, KW), ((top, bottom), (left, right)) = stage.op.args["window"].kernel, stage.op.args["window"].padding
        self.wide, rows, wide = KW + self.steps - 1, top + H + bottom, -(-(left + W + right) // self.steps)
        self.x, self.dx = (np.zeros((rows, C, self.steps, wide, N), dtype) for _ in range(2))
        self.map = Map(self.x, [])
        for part in range(self.steps):
            start = (part - left) % self.steps  # the first column that lies there
            where = slice((left + start) // self.steps, (left + start) // self.steps + len(range(start, W, self.steps)))
            x, dx = (each[top : top + H, :, part, where] for each in (self.x, self.dx))
            self.map.pieces.append((slice(start, None, self.steps), x, dx))
        self.whole: Any = WHOLE[dtype.itemsize]
        self._make_products()
        self.alone = self.z.size * self.seen.shape[1] < WORTH // 2  # the same multiplications are done three times
        most = max(1, BAND // (self.z[0].nbytes * self.steps))
        bands = cut_bands(P, divide_evenly(P, most if self.alone else min(most, -(-P // 2))))
        self.bands = [
            (_context(), self._forward_calls(*band), self._back_calls(*band), self._dw_call(*band)) for band in bands
        ]
        self.dx_calls: list[tuple[contextvars.Context, list[Call]]] = []
        if not first:
            self._prepare_dx()

    def _make_products(self) -> None:
        """The columns of x, the kernel, and what comes of them."""
        (N, C, O, P, Q), s, dtype = self.sizes, self.steps, self.dtype
        M, K = Q * N, self.KH * C * self.wide
        self.columns = np.empty((len(self.x), C, self.wide, Q, N), dtype)
        row, item = self.columns.strides[0], dtype.itemsize
        self.seen = as_strided(self.columns, (s * P, K, M), (row, M * item, item), writeable=False)  # by rows of output
        self.kernel = np.zeros((s, O, self.KH, C, self.wide), dtype)
        w, KW = self.weight.value.transpose(0, 2, 1, 3), self.wide - s + 1  # (O, KH, C, KW)
        self.prepare: list[Call] = [
            functools.partial(self.kernel[q, ..., q : q + KW].__setitem__, ..., w) for q in range(s)
        ]
        for a, taps, columns in self._taps():
            place, seen = self.columns[:, :, columns], self.x[:, :, :taps, a : a + Q]
            self.prepare.append(functools.partial(place.__setitem__, ..., seen))
        self.z = np.empty((s * P, s, O, M), dtype)
        self.h = np.empty((P, s, O, M), dtype) if s == 2 else None
        self.y = np.empty((P, O, Q, N), dtype) if s == 2 else self.z.reshape(P, O, Q, N)
        self.dy, self.ones = np.empty((P, O, Q, N), dtype), np.ones(N if N >= RUN else M, dtype)
        self.dkernels, self.dkernel = np.empty((s * P, K, s * O), dtype), np.empty((K, s * O), dtype)

    def _taps(self) -> list[tuple[int, int, slice]]:
        """How far from its first column a window's columns lie in x, how many there are, and which they are."""
        s = self.steps
        return [(k // s, min(s, self.wide - k), slice(k, min(k + s, self.wide))) for k in range(0, self.wide, s)]

    # ---- forward ---------------------------------------------------------------------------------------------------

    def forward(self, x: Array) -> Array:
        """x (N, C, H, W) if the layer is the first; else it is there already."""
        if self.first:
            image = x.transpose(2, 1, 3, 0)
            for columns, place, _ in self.map.pieces:
                place[...] = image[:, :, columns]
        _run(self.prepare)
        run_tiles(_run_in, [(context, forward) for context, forward, *_ in self.bands], alone=self.alone)
        return self.behind.array

    def _forward_calls(self, i0: int, i1: int) -> list[Call]:
        """Of so many rows of the output."""
        (N, _, O, _, Q), s = self.sizes, self.steps
        zero = np.zeros((Q, N), self.dtype)  # np.maximum of arrays is twice as fast as with a number
        M, K, rows = Q * N, self.seen.shape[1], slice(s * i0, s * i1)
        z, y = self.z[rows], self.y[i0:i1]
        n = _part(M, s * O * K)
        kernel, out = self.kernel.reshape(s * O, K), _cut(z.reshape(-1, s * O, M), n)
        calls = [_bound(np.matmul, kernel, _cut(self.seen[rows], n), out=out)]
        if self.h is not None:
            h = self.h[i0:i1]
            calls.append(_bound(np.maximum, z[:, 0], z[:, 1], out=h.reshape(-1, O, M)))
            calls.append(_bound(np.maximum, h[:, 0], h[:, 1], out=y.reshape(-1, O, M)))
        if self.bias is not None:
            calls.append(_bound(np.add, y, self.bias.value.reshape(O, 1, 1), out=y))
        for columns, place, _ in self.behind.pieces:
            if self.relu:
                calls.append(_bound(np.maximum, y[:, :, columns], zero[columns], out=place[i0:i1]))
            else:
                calls.append(functools.partial(place[i0:i1].__setitem__, ..., y[:, :, columns]))
        return calls

    # ---- back ------------------------------------------------------------------------------------------------------

    def back(self, _: Any, need_dx: bool) -> Array | None:
        """From the gradient in the Map behind; dx (N, C, H, W) if the layer is the first, else to its own Map."""
        taken = self.weight.takes_grad
        bands = [(context, back + dw * taken) for context, _, back, dw in self.bands]
        run_tiles(_run_in, bands, alone=self.alone)
        add_gradient(self.weight, self._sum_dw)
        if self.bias is not None:
            add_gradient(self.bias, self._sum_db)
        if not need_dx:
            return None
        if not self.dx_calls:
            self._prepare_dx()
        _run(self.prepare_dx)
        run_tiles(_run_in, self.dx_calls, alone=self.alone)
        if not self.first:
            return self.dx
        N, C, *_ = self.sizes
        H, W = self.image
        dx = np.empty((N, C, H, W), self.dtype)
        image = dx.transpose(2, 1, 3, 0)
        for columns, _, place in self.map.pieces:
            image[:, :, columns] = place
        return dx

    def _back_calls(self, i0: int, i1: int) -> list[Call]:
        """Of so many rows of the output: dy before bias and ReLU, and z's gradient in its place."""
        (N, _, O, _, Q), s, whole = self.sizes, self.steps, self.whole
        dy, y, z = self.dy[i0:i1], self.y[i0:i1], self.z[s * i0 : s * i1]
        bits, shift, calls = dy.view(whole), np.array(8 * self.dtype.itemsize - 1, whole), list[Call]()
        if self.relu:  # as planned_dense.py does
            calls.append(_bound(np.subtract, np.zeros((), self.dtype), y, out=dy))
            calls.append(_bound(np.right_shift, bits, shift, out=bits))
        for columns, _, place in self.behind.pieces:
            if self.relu:
                part = bits[:, :, columns]
                calls.append(_bound(np.bitwise_and, part, place[i0:i1].view(whole), out=part))
            else:
                calls.append(functools.partial(dy[:, :, columns].__setitem__, ..., place[i0:i1]))
        if self.h is not None:  # in place of h, and then of z: second = dy where first < second, and first the rest
            h, flat = self.h[i0:i1], dy.reshape(-1, O, Q * N)
            for given, first, second in ((flat, h[:, 0], h[:, 1]), (h.reshape(-1, O, Q * N), z[:, 0], z[:, 1])):
                given, one, other = given.view(whole), first.view(whole), second.view(whole)
                calls.append(_bound(np.subtract, first, second, out=second))
                calls.append(_bound(np.right_shift, other, shift, out=other))
                calls.append(_bound(np.bitwise_and, given, other, out=other))
                calls.append(_bound(np.bitwise_xor, given, other, out=one))
        return calls

    @property
    def dz(self) -> Array:
        """The gradient of z."""
        (N, _, O, _, Q), s = self.sizes, self.steps
        return (self.dy if self.h is None else self.z).reshape(-1, s * O, Q * N)

    def _dw_call(self, i0: int, i1: int) -> list[Call]:
        """The weight's gradient from each of these rows."""
        rows = slice(self.steps * i0, self.steps * i1)
        seen, dz, out = self.seen[rows], self.dz[rows], self.dkernels[rows]
        (count, K, M), (_, each, _) = seen.shape, dz.shape
        h = _height(K, M * each, SMALL // each)
        r, k, item = seen.strides
        parts = as_strided(seen, (count, K // h, h, M), (r, h * k, k, item), writeable=False)
        return [_bound(np.matmul, parts, dz.swapaxes(1, 2)[:, None], out=out.reshape(count, K // h, h, each))]

    def _sum_dw(self, place: Array) -> None:
        (_, C, O, *_), s, KW = self.sizes, self.steps, self.wide - self.steps + 1
        total = np.add.reduce(self.dkernels, 0, out=self.dkernel)
        each = total.reshape(self.KH, C, self.wide, s, O).transpose(3, 4, 1, 0, 2)  # (steps, O, C, KH, wide)
        if s == 1:
            place[...] = each[0]
        else:
            np.add(each[0, ..., :KW], each[1, ..., 1:], place)

    def _sum_db(self, place: Array) -> None:
        """Runs by BLAS, which is faster, and then these sums."""
        _, _, O, P, _ = self.sizes
        runs = np.matmul(self.dy.reshape(P, O, -1, len(self.ones)), self.ones)
        np.add.reduce(runs, (0, 2), out=place)

    def _prepare_dx(self) -> None:
        """The calls for dx: each row of windows, as high as it is with both rows of pooling, adds its share; half of
        the channels at a time.
        """
        (_, C, O, *_), s = self.sizes, self.steps
        kernel = np.zeros((s, s, O, self.KH + s - 1, C, self.wide), self.dtype)  # at each place of the pooling window
        self.prepare_dx: list[Call] = [
            functools.partial(kernel[p, :, :, p : p + self.KH].__setitem__, ..., self.kernel) for p in range(s)
        ]
        for band in cut_bands(C, C if self.alone else -(-C // 2)):
            calls = self._dx_calls(kernel.reshape(s * s * O, -1, C, self.wide), slice(*band))
            self.dx_calls.append((_context(), calls))

    def _dx_calls(self, kernel: Array, channels: slice) -> list[Call]:
        """For these channels; kernel (K, high, C, wide)."""
        (N, _, _, P, Q), s, dx = self.sizes, self.steps, self.dx[:, channels]
        count, high, C, wide = len(kernel), kernel.shape[1], dx.shape[1], self.wide
        share, dz = np.empty((high, C, wide, Q, N), self.dtype), self.dz.reshape(P, count, Q * N)
        h = _height(C * wide, dz[0].size, C * wide)
        item = self.dtype.itemsize
        factor = as_strided(
            kernel[:, :, channels],
            (high, C * wide // h, h, count),
            (kernel.strides[1], h * item, item, kernel.strides[0]),
        )
        calls: list[Call] = [functools.partial(dx.__setitem__, ..., 0)]
        for i in range(P):
            calls.append(_bound(np.matmul, factor, dz[i], out=share.reshape(high, -1, h, Q * N)))
            for a, taps, columns in self._taps():
                place = dx[s * i : s * i + high, :, :taps, a : a + Q]
                calls.append(_bound(np.add, place, share[:, :, columns], out=place))
        return calls


def _bound(function: Callable[..., Any], *arrays: Array, out: Array) -> Call:
    return functools.partial(function, *arrays, out=out)


def _context() -> contextvars.Context:
    """Settings of NumPy for one thread at a time: it tells of no error, and gathers short runs in small buffers."""
    context = contextvars.Context()
    context.run(np.setbufsize, BUFFER)
    context.run(np.seterr, all="ignore")
    return context


def _run_in(context: contextvars.Context, calls: list[Call]) -> None:
    context.run(_run, calls)


def _run(calls: list[Call]) -> None:
    for call in calls:
        call()


def _part(columns: int, multiplications: int) -> int:
    """How many columns a product takes, each of so many multiplications: as many as BLAS does without packing."""
    fitting = [n for n in range(16, columns + 1) if columns % n == 0 and n * multiplications <= PRODUCT]
    return fitting[-1] if fitting else columns


def _height(rows: int, multiplications: int, most: int) -> int:
    """How many rows it takes, `most` at most, for the same reason."""
    fitting = [n for n in range(4, min(rows, most) + 1) if rows % n == 0 and n * multiplications <= PRODUCT]
    return fitting[-1] if fitting else rows


def _cut(matrices: Array, columns: int) -> Array:
    """(rows, K, M) as (rows, M / columns, K, columns)."""
    rows, K, M = matrices.shape
    r, k, item = matrices.strides
    return as_strided(matrices, (rows, M // columns, K, columns), (r, columns * item, k, item))
