"""The update steps on a CPU: a part of a parameter at a time, so that what its update needs stays in the cache."""

from collections.abc import Sequence

import numpy as np

from xpnet.backend.cpu.threads import run_tiles
from xpnet.backend.cpu.work import LEAST
from xpnet.backend.reference import AdamStep, Array, Backend, MomentStep

UPDATE = 1 << 17  # entries that are updated at a time


class CpuUpdates(Backend):
    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        for part, start, end in zip(parts, starts, (*starts[1:], flat.size), strict=True):
            size = 0 if part is None else part.size
            if part is not None:
                flat[start : start + size].reshape(part.shape)[...] = part
            flat[start + size : end] = 0

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        _, lr, beta1, beta2, _, weight_decay, decoupled = how
        rate, least = fold_bias(how)

        def work(p: Array, g: Array, m: Array, v: Array) -> None:
            if weight_decay and decoupled:
                p *= 1 - lr * weight_decay
            elif weight_decay:
                g = g + weight_decay * p
            m *= beta1  # m = beta1 m + (1 - beta1) g
            buffer = g * (1 - beta1)
            m += buffer
            v *= beta2  # v = beta2 v + (1 - beta2) g**2
            np.multiply(g, g, out=buffer)
            buffer *= 1 - beta2
            v += buffer
            np.sqrt(v, out=buffer)  # p -= rate m / (sqrt(v) + least)
            buffer += least
            np.divide(m, buffer, out=buffer)
            buffer *= rate
            p -= buffer

        if p.size <= LEAST:
            work(p, g, m, v)
        else:
            run_tiles(work, pieces_of(p, g, m, v), blas=False)

    def moments(self, p: Array, g: Array, m: Array, v: Array, how: MomentStep) -> None:
        pieces = pieces_of(p, g, m, v)
        for p, g, m, v in pieces:
            super().moments(p, g, m, v, how)

    def lion(self, p: Array, g: Array, m: Array, *, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
        pieces = pieces_of(p, g, m)
        for p, g, m in pieces:
            super().lion(p, g, m, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)

    def forget(self, x: Array, least: float) -> None:
        pieces = pieces_of(x)
        for (x,) in pieces:
            bits = x.view(f"i{x.itemsize}")
            bits *= ~(np.abs(x) < least)  # those of 0.0 are 0; to put zeros in by a mask takes up to six times as long


def pieces_of(*arrays: Array) -> list[tuple[Array, ...]]:
    """Parts of arrays of one shape that are updated at a time; all of them at once if one has gaps."""
    if not all(a.flags.c_contiguous for a in arrays):
        return [arrays]
    flat = [a.reshape(-1) for a in arrays]
    return [tuple(a[i : i + UPDATE] for a in flat) for i in range(0, flat[0].size, UPDATE)]


def fold_bias(how: AdamStep) -> tuple[float, float]:
    """(rate, least) with which p -= rate m / (sqrt(v) + least) is the step of Adam.

    That is p -= lr (m / a) / (sqrt(v) / c + eps), with a = 1 - beta1**step and c = sqrt(1 - beta2**step), times c / c.
    """
    c = (1 - how.beta2**how.step) ** 0.5
    return how.lr * c / (1 - how.beta1**how.step), how.eps * c
