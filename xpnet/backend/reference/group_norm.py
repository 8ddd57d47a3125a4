"""Normalization within a sample: of groups of its channels, of which layer and instance normalization are the ends."""

import math

from xpnet.backend.reference.arrays import Array
from xpnet.backend.reference.normalization import Normalization


class GroupNorm(Normalization):
    def group_norm(
        self, x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float, centred: bool = True
    ) -> tuple[Array, Array | None, Array]:
        """y = weight (x - mean) rstd + bias, rstd = 1 / sqrt(var + eps): x (N, C, ...), weight and bias (C,) or None.

        The mean and the (biased) variance of each sample are over C / groups channels and all that lies behind them;
        they are returned behind y: mean and rstd (N, groups). Without `centred` nothing is taken from x: the mean is
        None and counts as 0, so that rstd = 1 / sqrt(mean(x^2) + eps).
        """
        xp = self.xp
        rows = xp.reshape(x, (x.shape[0], groups, -1))  # (N, G, C/G * H * W)
        mean = self.mean(rows, axis=2, keepdims=True) if centred else None
        rows = rows if mean is None else rows - mean
        rstd = 1 / xp.sqrt(self.mean(rows * rows, axis=2, keepdims=True) + eps)
        y = xp.reshape(rows * rstd, x.shape)
        if weight is not None:
            y = y * self._per_channel(weight, x)
        if bias is not None:
            y = y + self._per_channel(bias, x)
        return y, None if mean is None else mean[:, :, 0], rstd[:, :, 0]

    def group_norm_backward(
        self, dy: Array, x: Array, groups: int, mean: Array | None, rstd: Array, weight: Array | None
    ) -> tuple[Array, Array | None, Array | None]:
        """(dx, dweight, dbias) of `group_norm`; the latter two are None where there is no weight."""
        xp, axes = self.xp, (0, *range(2, x.ndim))
        shape, rstd = (x.shape[0], groups, -1), rstd[:, :, None]  # (N, G, C/G * H * W)
        rows = xp.reshape(x, shape)
        normal = (rows if mean is None else rows - mean[:, :, None]) * rstd
        product = dy * xp.reshape(normal, x.shape)
        dweight = dbias = None
        if weight is not None:
            dweight, dbias = self.sum(product, axis=axes), self.sum(dy, axis=axes)
            dy, product = dy * self._per_channel(weight, x), product * self._per_channel(weight, x)
        count = math.prod(rows.shape[2:])
        dx = xp.reshape(dy, shape) - normal * (self.sum(xp.reshape(product, shape), axis=2, keepdims=True) / count)
        if mean is not None:
            dx = dx - self.sum(xp.reshape(dy, shape), axis=2, keepdims=True) / count
        return xp.reshape(dx * rstd, x.shape), dweight, dbias
