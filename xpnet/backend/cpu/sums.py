"""Sums on a CPU, in whatever order an array lies: of blocks, by BLAS, and of these sums in double.

NumPy adds pairs along the axis that lies innermost in memory, and one after the other along any other; BLAS adds the
rows of a matrix, or the entries of its rows, several times as fast, but one after the other, too. So what is handed to
it at a time is short.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import blas_held, run_tiles
from xpnet.backend.cpu.view import view_of
from xpnet.backend.cpu.work import LEAST, cut_bands
from xpnet.backend.reference import Array, Backend
from xpnet.backend.reference.sums import FEW, summed_axes

BLOCK = 64  # rows that BLAS adds at a time
MANY = 2 * LEAST  # entries from which on the threads share the blocks of rows
RUN = 1024  # entries behind one another that it adds at a time, at most: several side by side, as vectors

_reduce: Any = np.add.reduce


class CpuSums(Backend):
    def sum(self, x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        if x.dtype.kind != "f" or (isinstance(axis, int) and x.shape[axis] <= FEW):
            return _reduce(x, axis=axis, keepdims=keepdims)
        axes = summed_axes(x, axis)
        if x.flags.c_contiguous:
            if axes == (x.ndim - 1,) or len(axes) == x.ndim:
                return _reduce(x, axis=axes, keepdims=keepdims)  # in pairs
            if axes == (0,) and x.ndim == 2:
                return add_rows(x).astype(x.dtype).reshape((1, -1) if keepdims else (-1,))
        kept = tuple(i for i in range(x.ndim) if i not in axes)
        view = view_of(x, kept)
        if view.counts * view.each <= FEW:
            return _reduce(x, axis=axes, keepdims=keepdims)
        with blas_held():
            total = add_cells(view.see(x))  # (P, L)
        lying = np.asarray(total.reshape(*(x.shape[i] for i in view.order), view.each).sum(axis=-1))
        total = lying.transpose(sorted(range(lying.ndim), key=view.order.__getitem__)).astype(x.dtype)
        return np.expand_dims(total, axes) if keepdims else total[()]


def add_cells(part: Array) -> Array:
    """(a, p, m, l) -> (p, l), over a and m: in double where there are many blocks."""
    a, p, m, l = part.shape
    if p == m == 1:
        return add_rows(part[:, 0, 0])[None]
    if l == 1 and part.dtype == np.float64:
        return add_first(add_runs(part[..., 0]))[:, None]
    if l == 1:
        length = length_of_runs(m)
        sums = part.reshape(-1, length) @ _ones(length, part.dtype.char) if length else np.add.reduce(part, axis=2)
        return _reduce(sums.reshape(a, p, m // length if length else 1), axis=(0, 2), dtype=np.float64)[:, None]
    return add_first(add_rows(part))


def add_rows(x: Array) -> Array:
    """(..., n, l) -> (..., l): in double where there are more than a few."""
    *outer, n, l = x.shape
    if n <= FEW:
        return x[..., 0, :] if n == 1 else np.matmul(_ones(n, x.dtype.char), x)
    blocks, rest = divmod(n, BLOCK)
    ones, parts = _ones(BLOCK, x.dtype.char), x[..., : n - rest, :].reshape(*outer, blocks, BLOCK, l)
    if outer or x.size < MANY or blocks < 4:
        sums = np.matmul(ones, parts)
    else:
        sums = np.empty((blocks, l), x.dtype)

        def work(i0: int, i1: int) -> None:
            np.matmul(ones, parts[i0:i1], out=sums[i0:i1])

        run_tiles(work, cut_bands(blocks, -(-blocks // 4)))
    total = _add_blocks(sums)
    return total + np.matmul(_ones(rest, x.dtype.char), x[..., n - rest :, :]) if rest else total


def add_first(x: Array) -> Array:
    """(n, ...) -> (...), as `add_rows`, but for a few in the order that NumPy adds them in."""
    return np.add.reduce(x, axis=0) if len(x) <= FEW else add_rows(x.reshape(len(x), -1)).reshape(x.shape[1:])


def _add_blocks(sums: Array) -> Array:
    """(..., blocks, l) -> (..., l), in double; where double is what they are, too, in blocks again."""
    if sums.dtype == np.float64 and sums.shape[-2] > FEW:
        return add_rows(sums)
    return np.add.reduce(sums, axis=-2, dtype=np.float64)


def add_runs(x: Array) -> Array:
    """(..., m) -> (...), of entries that lie behind one another."""
    m = x.shape[-1]
    length = length_of_runs(m)
    if length == m:
        return x @ _ones(m, x.dtype.char)
    if not length:
        return np.add.reduce(x, axis=-1)  # in pairs
    sums = (x.reshape(-1, length) @ _ones(length, x.dtype.char)).reshape(*x.shape[:-1], m // length)
    return add_runs(sums)


def add_arrays(arrays: Sequence[Array], out: Array) -> Array:
    """Their sum, entry by entry: of a few one after the other, of more the halves."""
    if len(arrays) > FEW:
        half = len(arrays) // 2
        out = add_arrays(arrays[:half], out)
        out += add_arrays(arrays[half:], np.empty_like(out))
        return out
    np.copyto(out, arrays[0])
    for other in arrays[1:]:
        out += other
    return out


def add_groups(x: Array, starts: Array) -> Array:
    """(n, l) -> (groups, l): the rows from each start to the next one."""
    lengths = np.diff(starts, append=len(x))
    while len(lengths) and lengths.max() > FEW:
        blocks = -(-lengths // BLOCK)
        first = np.cumsum(blocks) - blocks  # of each group, its first block
        within = np.arange(blocks.sum()) - np.repeat(first, blocks)
        x = np.add.reduceat(x, np.repeat(starts, blocks) + BLOCK * within, axis=0)
        starts, lengths = first, blocks
    return np.add.reduceat(x, starts, axis=0)


def weigh_rows(x: Array, weights: Array, out: Array | None = None) -> Array:
    """(n, m) times weights (m, 1) -> (n, 1)."""
    (n, m), length = x.shape, length_of_runs(x.shape[1])
    if length == m:
        return np.matmul(x, weights, out=out)
    if not length:
        return np.add.reduce(x * weights[:, 0], axis=1, keepdims=True, out=out)
    blocks = x.reshape(n, m // length, length).swapaxes(0, 1)  # (blocks, n, length)
    return np.add.reduce(np.matmul(blocks, weights.reshape(-1, length, 1)), axis=0, out=out)


@functools.lru_cache(maxsize=4096)
def length_of_runs(m: int) -> int:
    """Into runs of what length m entries are cut: not more than RUN, all alike; 0 where there is no such number."""
    return next((n for n in range(min(m, RUN), min(m, RUN // 4) - 1, -1) if n and m % n == 0), 0) if m else m


@functools.lru_cache(maxsize=1024)
def _ones(count: int, dtype: str) -> Any:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones
