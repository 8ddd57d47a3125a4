"""Batch normalisation, its running statistics, and local response normalisation."""

import math

from xpnet.backend.reference.arrays import Array, Arrays


class Normalization(Arrays):
    def batch_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        """y = gamma (x - mean) / sqrt(var + eps) + beta over all axes but the second; returns y, mean, var (biased).

        Without gamma and beta they count as 1 and 0.
        """
        xp, axes = self.xp, (0, *range(2, x.ndim))
        mean = self.mean(x, axis=axes, keepdims=True)
        var = self.mean((x - mean) ** 2, axis=axes, keepdims=True)
        slope = 1 / xp.sqrt(var + eps) if gamma is None else self._per_channel(gamma, x) / xp.sqrt(var + eps)
        y = (x - mean) * slope
        if beta is not None:
            y = y + self._per_channel(beta, x)
        return y, xp.reshape(mean, (-1,)), xp.reshape(var, (-1,))

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array | None, eps: float
    ) -> tuple[Array, Array, Array]:
        """(dx, dgamma, dbeta) of `batch_norm` (Ioffe and Szegedy, 2015)."""
        xp, axes = self.xp, (0, *range(2, x.ndim))
        inverse = 1 / xp.sqrt(self._per_channel(var, x) + eps)
        normal = (x - self._per_channel(mean, x)) * inverse
        dgamma = self.sum(dy * normal, axis=axes, keepdims=True)
        dbeta = self.sum(dy, axis=axes, keepdims=True)
        m = x.shape[0] * math.prod(x.shape[2:])
        slope = inverse if gamma is None else self._per_channel(gamma, x) * inverse
        dx = (dy - dbeta / m - normal * (dgamma / m)) * slope
        return dx, xp.reshape(dgamma, (-1,)), xp.reshape(dbeta, (-1,))

    def batch_norm_then(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float, below: float, above: float
    ) -> tuple[Array, Array, Array]:
        """`batch_norm` with an activation behind it: y = z where 0 < z < above, above where z is not below that, else
        below z, with z as it gives and 0 <= below <= 1. So (0, inf) is ReLU, (0, 6) ReLU6, (a, inf) LeakyReLU.
        """
        z, mean, var = self.batch_norm(x, gamma, beta, eps)
        y = z * self._slope(z, below, math.inf)
        return y if math.isinf(above) else self.xp.minimum(y, above), mean, var

    def batch_norm_then_backward(
        self,
        dy: Array,
        x: Array,
        y: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        beta: Array | None,
        eps: float,
        below: float,
        above: float,
    ) -> tuple[Array, Array, Array]:
        """(dx, dgamma, dbeta) of `batch_norm_then`, which returned y."""
        return self.batch_norm_backward(dy * self._slope(y, below, above), x, mean, var, gamma, eps)

    def _slope(self, z: Array, below: float, above: float) -> Array:
        """Of the activation, told from its input or from its output."""
        passed = self.xp.astype((z > 0) & (z < above), z.dtype)
        return passed if below == 0 else passed + below * self.xp.astype(~(z > 0), z.dtype)

    def running_norm(
        self, x: Array, mean: Array, var: Array, gamma: Array | None, beta: Array | None, eps: float
    ) -> Array:
        """y = slope x + shift with the statistics that are given, slope = gamma / sqrt(var + eps), shift = beta - slope
        mean: what batch normalization does in inference.
        """
        inverse = 1 / self.xp.sqrt(var + eps)
        slope = inverse if gamma is None else gamma * inverse
        return self.scale_channels(x, slope, -slope * mean if beta is None else beta - slope * mean)

    def scale_channels(self, x: Array, slope: Array, shift: Array | None) -> Array:
        """y = slope x + shift with a slope and a shift for each channel, (C,): what a normalization does that does not
        look at the batch. Without a shift it counts as 0.
        """
        y = x * self._per_channel(slope, x)
        return y if shift is None else y + self._per_channel(shift, x)

    def sum_channels(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """For each channel the sums of dy and of dy (x - mean): (C,) both."""
        axes = (0, *range(2, x.ndim))
        return self.sum(dy, axis=axes), self.sum(dy * (x - self._per_channel(mean, x)), axis=axes)

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        """average = (1 - rate) average + weight value, in place: how running statistics follow those of the batches.

        Computed as average + (weight value - rate average): in float32, 1 - rate and rate do not add up to one, and the
        average of what never changes would drift away from it. What is infinite stays so.
        """
        xp, added = self.xp, weight * value
        if rate == 1:
            average[...] = added
            return
        infinite = xp.isinf(average)
        finite = xp.where(infinite, 0, average)
        average[...] = xp.where(infinite, average + added, finite + (added - rate * finite))

    def local_response_norm(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        """y = x / s**beta with s[c] = k + alpha/size * (sum of x**2 over `size` channels around c); returns y and s.

        The channels are c - size//2 ... c + (size-1)//2, as in PyTorch; those that do not exist count as zero.
        """
        scale = k + (alpha / size) * self._channel_sum(x * x, size // 2, (size - 1) // 2)
        return x * scale**-beta, scale

    def local_response_norm_backward(
        self, dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float
    ) -> Array:
        """dx = dy s**-beta - 2 alpha beta / size * x * (sum over the channels that saw x of dy x s**(-beta-1))."""
        power = scale**-beta
        seen = self._channel_sum(dy * x * power / scale, (size - 1) // 2, size // 2)
        return dy * power - (2 * alpha * beta / size) * x * seen

    def _channel_sum(self, x: Array, before: int, after: int) -> Array:
        """out[:, c] = x[:, c - before] + ... + x[:, c + after]."""
        C = x.shape[1]
        out = self.copy(x)
        for offset in range(-min(before, C - 1), min(after, C - 1) + 1):
            if offset < 0:
                out[:, -offset:, ...] += x[:, :offset, ...]
            elif offset > 0:
                out[:, :-offset, ...] += x[:, offset:, ...]
        return out

    def _per_channel(self, v: Array, x: Array) -> Array:
        """(C,) -> (1, C, 1, ...), to broadcast along the second axis of x."""
        return self.xp.reshape(v, (1, -1) + (1,) * (x.ndim - 2))
