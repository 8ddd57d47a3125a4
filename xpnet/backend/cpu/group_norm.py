"""Normalization within a sample on a CPU: of so many samples or groups at a time that what is passed over several times
stays in the cache, and on all threads.
"""

import math
from collections.abc import Iterator

import numpy as np

from xpnet.backend.cpu.layouts import empty_in_axes, memory_axes
from xpnet.backend.cpu.memory_pool import pool
from xpnet.backend.cpu.threads import run_tiles, scratch
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.reference import Array, Backend

BAND = 1 << 16  # entries that are normalized at a time
LONG = (
    1 << 12
)  # entries of a row from which on BLAS, which adds one after the other, is left for NumPy, which adds pairs

Index = tuple[slice, ...]


class CpuGroupNorm(Backend):
    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float, centred: bool = True
    ) -> tuple[Array, Array | None, Array]:
        if _are_rows(x, groups):
            return _rows_norm(x, weight, bias, eps, centred)
        frame, y = _Frame(x, groups), empty_in_axes(x, memory_axes(x))
        mean, rstd = np.empty((len(x), groups), x.dtype), np.empty((len(x), groups), x.dtype)
        parts, out, means, rstds = frame.see(x), frame.see(y), frame.see_groups(mean), frame.see_groups(rstd)
        w, b = (None if v is None else frame.see_channels(v) for v in (weight, bias))

        def work(tile: Index) -> None:
            part, normal = parts[tile], out[tile]
            buffer = scratch(part.size, x.dtype).reshape(part.shape)
            if centred:
                means[tile] = frame.average(part)
                part = np.subtract(part, frame.spread(means[tile]), out=normal)
            inverse = frame.average(np.square(part, out=buffer))
            inverse += eps
            np.sqrt(inverse, out=inverse)
            rstds[tile] = np.reciprocal(inverse, out=inverse)
            np.multiply(part, frame.spread(inverse if w is None else inverse * w[frame.channels(tile)]), out=normal)
            if b is not None:
                normal += frame.spread(b[frame.channels(tile)])

        run_tiles(work, frame.tiles(), blas=False, alone=x.size < LEAST)
        return y, mean if centred else None, rstd

    def group_norm_backward(
        self, dy: Array, x: Array, groups: int, mean: Array | None, rstd: Array, weight: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        if _are_rows(x, groups):
            return _rows_norm_backward(dy, x, mean, rstd, weight)
        frame, dx = _Frame(x, groups), empty_in_axes(x, memory_axes(x))
        parts, dout, out, rstds = frame.see(x), frame.see(dy), frame.see(dx), frame.see_groups(rstd)
        means = None if mean is None else frame.see_groups(mean)
        w = None if weight is None else frame.see_channels(weight)
        sums, products = (np.empty(x.shape[:2], x.dtype) for _ in "dp")  # of dy and of dy * normal, over pixels
        all_sums, all_products = (frame.see(v.reshape(*v.shape, *(1,) * (x.ndim - 2))) for v in (sums, products))

        def work(tile: Index) -> None:
            part, d, inverse = parts[tile], dout[tile], rstds[tile]
            normal, product = scratch(2 * part.size, x.dtype).reshape(2, *part.shape)
            if means is not None:
                part = np.subtract(part, frame.spread(means[tile]), out=normal)
            np.multiply(part, frame.spread(inverse), out=normal)
            np.multiply(d, normal, out=product)
            total, weighted = (np.add.reduce(v, axis=frame.space, keepdims=True) for v in (d, product))
            all_sums[tile], all_products[tile] = total, weighted
            slope = frame.spread(inverse if w is None else inverse * w[frame.channels(tile)])
            dx = np.multiply(d, slope, out=out[tile])
            normal *= frame.spread(frame.share * np.add.reduce(weighted * slope, axis=frame.inner, keepdims=True))
            dx -= normal
            if means is not None:
                dx -= frame.spread(frame.share * np.add.reduce(total * slope, axis=frame.inner, keepdims=True))

        run_tiles(work, frame.tiles(), blas=False, alone=x.size < LEAST)
        if weight is None:
            return dx, None, None
        return dx, products.sum(axis=0), sums.sum(axis=0)


class _Frame:
    """(N, C, ...) seen as (N, G, C/G, ...), with the axes in the order in which they lie in memory."""

    def __init__(self, x: Array, groups: int) -> None:
        N, C, *space = x.shape
        self.shape, self.dtype = (N, groups, C // groups, *space), x.dtype
        self.axes = memory_axes(x.reshape(self.shape))
        self.samples, self.groups, self.inner = (self.axes.index(axis) for axis in range(3))
        self.space = tuple(self.axes.index(axis) for axis in range(3, len(self.axes)))
        self.share = x.dtype.type(N * groups / x.size)
        self.innermost = self.samples > self.inner  # whether samples lie side by side

    def see(self, x: Array) -> Array:
        """An array (N, C, ...): a view, in whatever memory order."""
        N, G, K = self.shape[:3]
        return x.reshape(N, G, K, *x.shape[2:]).transpose(self.axes)

    def see_groups(self, v: Array) -> Array:
        """(N, G)."""
        return v.reshape(*v.shape, *(1,) * (len(self.axes) - 2)).transpose(self.axes)

    def see_channels(self, v: Array) -> Array:
        """(C,)."""
        return v.reshape(1, *self.shape[1:3], *(1,) * (len(self.axes) - 3)).transpose(self.axes)

    def channels(self, tile: Index) -> Index:
        """The part of what `see_channels` gives that goes with a tile."""
        return tuple(slice(None) if axis == self.samples else each for axis, each in enumerate(tile))

    def average(self, part: Array) -> Array:
        """Of each group of a part: first over pixels, which keeps what lies side by side together."""
        pixels = np.add.reduce(part, axis=self.space, keepdims=True)
        total = np.add.reduce(pixels, axis=self.inner, keepdims=True)
        total *= self.share
        return total

    def spread(self, v: Array) -> Array:
        """The same for all channels of a group, in an array that lies as they do: NumPy then takes long runs."""
        shape = list(v.shape)
        shape[self.inner] = self.shape[2]
        return np.ascontiguousarray(np.broadcast_to(v, shape)) if self.innermost else v

    def tiles(self) -> Iterator[tuple[Index]]:
        """Groups and samples that are normalized together; where samples lie side by side, all of them."""
        N, G, group = *self.shape[:2], math.prod(self.shape[2:])
        if self.innermost:
            together = max(1, BAND // (group * N)), N
        else:
            together = max(1, BAND // group), max(1, BAND // (group * G))
        for g in cut_bands(G, together[0]):
            for n in cut_bands(N, together[1]):
                tile = [slice(None)] * len(self.axes)
                tile[self.groups], tile[self.samples] = slice(*g), slice(*n)
                yield (tuple(tile),)


# ---- rows: layer normalization of vectors, whose sums are products of matrices ---------------------------------------


def _are_rows(x: Array, groups: int) -> bool:
    return groups == 1 and x.size == x.shape[0] * x.shape[1] and x.shape[1] <= LONG and x.flags.c_contiguous


def _rows_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, centred: bool
) -> tuple[Array, Array | None, Array]:
    M, F = x.shape[:2]
    rows, y = x.reshape(M, F), pool.empty(x.shape, x.dtype)
    out, mean, rstd = y.reshape(M, F), np.empty((M, 1), x.dtype), np.empty((M, 1), x.dtype)
    share = np.full((F, 1), 1 / F, x.dtype)

    def work(i0: int, i1: int) -> None:
        part, normal, inverse = rows[i0:i1], out[i0:i1], rstd[i0:i1]
        if centred:
            middle = np.matmul(part, share, out=mean[i0:i1])
            part = np.subtract(part, middle, out=normal)
        np.matmul(np.square(part), share, out=inverse)
        inverse += eps
        np.sqrt(inverse, out=inverse)
        np.reciprocal(inverse, out=inverse)
        np.multiply(part, inverse, out=normal)
        if weight is not None:
            normal *= weight
        if bias is not None:
            normal += bias

    run_tiles(work, cut_bands(M, max(1, BAND // F)), alone=x.size < LEAST)
    return y, mean if centred else None, rstd


def _rows_norm_backward(
    dy: Array, x: Array, mean: Array | None, rstd: Array, weight: Array | None
) -> tuple[Array, Array | None, Array | None]:
    M, F = x.shape[:2]
    rows, dout, dx = x.reshape(M, F), dy.reshape(M, F), pool.empty(x.shape, x.dtype)
    out, bands = dx.reshape(M, F), cut_bands(M, max(1, BAND // F))
    sums, products = np.empty((len(bands), F), x.dtype), np.empty((len(bands), F), x.dtype)
    share = np.full((F, 1), 1 / F, x.dtype) if weight is None else weight[:, None] / x.dtype.type(F)

    def work(band: int, i0: int, i1: int) -> None:
        d, inverse = dout[i0:i1], rstd[i0:i1]
        normal = (rows[i0:i1] if mean is None else rows[i0:i1] - mean[i0:i1]) * inverse
        product, ones = d * normal, np.ones(i1 - i0, x.dtype)
        if weight is not None:
            np.matmul(ones, product, out=products[band])
            np.matmul(ones, d, out=sums[band])
        dx = out[i0:i1]
        np.multiply(d, 1 if weight is None else weight, out=dx)
        normal *= product @ share
        dx -= normal
        if mean is not None:
            dx -= d @ share
        dx *= inverse

    run_tiles(work, [(band, *rows) for band, rows in enumerate(bands)], alone=x.size < LEAST)
    return (dx, None, None) if weight is None else (dx, products.sum(axis=0), sums.sum(axis=0))
