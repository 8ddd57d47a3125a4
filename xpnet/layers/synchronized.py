"""Batch normalization by the statistics of a whole batch, of which only a part is at hand."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from xpnet.backend import Array, Backend
from xpnet.layers.gathering import Parts


class Synchronized(NamedTuple):
    """The statistics of a batch, and the way back through them."""

    mean: Array  # (C,)
    var: Array  # (C,)
    entries: int  # of each channel, in all parts
    parts: Parts
    backend: Backend

    def backward(self, dy: Array, x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array, Array]:
        """dx, and the part's own dgamma = sum(dy x^) and dbeta = sum(dy), x^ = (x - mean) / sqrt(var + eps).

        dx = gamma / sqrt(var + eps) (dy - (sum(dy) + x^ sum(dy x^)) / n), the sums over all n entries of the batch. dy
        is the gradient of the part's own mean, which the step multiplies by the part's weight; in the sums, dy of the
        other parts has theirs.
        """
        backend, xp = self.backend, self.backend.xp
        inverse = 1 / xp.sqrt(self.var + eps)
        dbeta, product = backend.sum_channels(dy, x, self.mean)
        dgamma = product * inverse
        weight = xp.astype(backend.asarray(self.parts.weight), dy.dtype)
        total, whole = _sums(self.parts, backend, (dbeta * weight, dgamma * weight))
        share = 1 / (weight * self.entries)
        slope = inverse if gamma is None else gamma * inverse
        across = -slope * inverse * whole * share  # what (x - mean) is multiplied by
        dx = backend.scale_channels(dy, slope, -slope * total * share - across * self.mean)
        return dx + backend.scale_channels(x, across, None), dgamma, dbeta


def synchronize(x: Array, parts: Parts, backend: Backend) -> Synchronized:
    """The mean and the variance of each channel over all parts of the batch, of which x is one."""
    xp, own = backend.xp, x.shape[0] * math.prod(x.shape[2:])
    zero = backend.zeros((x.shape[1],), x.dtype)
    sums, count = _sums(parts, backend, (backend.sum_channels(x, x, zero)[0], backend.asarray([own], "float64")))
    mean = xp.astype(sums / count, x.dtype)
    apart = backend.scale_channels(x, zero + 1, -mean)  # squares around the mean lose no digits
    (squares,) = _sums(parts, backend, (backend.sum_channels(apart, apart, zero)[1],))
    return Synchronized(mean, xp.astype(squares / count, x.dtype), int(count[0]), parts, backend)


def _sums(parts: Parts, backend: Backend, arrays: Any) -> Any:
    return parts.add_up([backend.xp.astype(each, backend.xp.float64) for each in arrays])
