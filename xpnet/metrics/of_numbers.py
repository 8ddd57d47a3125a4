"""How far a network that gives numbers is off."""

import math
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.errors import ShapeError
from xpnet.metrics.base import Metric


class OfNumbers(Metric):
    """The base of metrics of networks that give numbers: y and t have one shape, any. name: as the history has it."""

    larger_is_better = False

    def __init__(self, name: str | None = None) -> None:
        self.name = name or self.name

    def elements(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Array, int | Array]:
        if tuple(y.shape) != tuple(t.shape):
            raise ShapeError(f"metric {self.name}: outputs are {tuple(y.shape)}, targets {tuple(t.shape)}")
        return y, backend.xp.astype(t, y.dtype), math.prod(y.shape)


class AbsoluteError(OfNumbers):
    """mean(|y - t|) over all entries.

    Elsewhere: keras.metrics.MeanAbsoluteError; sklearn.metrics.mean_absolute_error.
    """

    name = "mean_absolute_error"

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        return backend.xp.sum(backend.xp.abs(y - t), dtype=backend.xp.float64)


class SquaredError(OfNumbers):
    """mean((y - t)**2) over all entries.

    Elsewhere: keras.metrics.MeanSquaredError; sklearn.metrics.mean_squared_error.
    """

    name = "mean_squared_error"

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        return backend.xp.sum((y - t) ** 2, dtype=backend.xp.float64)


class RootSquaredError(SquaredError):
    """sqrt(mean((y - t)**2)) over all entries of all batches together.

    Elsewhere: keras.metrics.RootMeanSquaredError; sklearn.metrics.root_mean_squared_error.
    """

    name = "root_mean_squared_error"

    def result(self) -> float:
        return math.sqrt(super().result())


class R2(OfNumbers):
    """1 - sum((t - y)**2) / sum((t - mean(t))**2) over all samples: the share of the targets' variance that the network
    accounts for. 1 is right, 0 what the mean of the targets would have, and below that is worse.

    Of several outputs, the mean of theirs. Where all targets are alike it is 1 if they are met, else 0; NaN of less
    than two samples. Wright, 1921.

    Elsewhere: keras.metrics.R2Score; sklearn.metrics.r2_score.
    """

    name = "r2"
    larger_is_better = True

    def update(self, y: Array, t: Array, backend: Backend | None = None) -> None:
        """The total is (3, K), of K outputs the squared errors, the mean of the targets, and their squares around it,
        which are joined as Chan, Golub and LeVeque, 1983, do, so that a large mean costs no digits.
        """
        backend = self._backend = backend or get_backend()
        xp, old, new = backend.xp, int(self.samples), y.shape[0]
        y, t, _ = self.elements(y, t, backend)
        y, t = (xp.reshape(xp.astype(each, xp.float64), (new, -1)) for each in (y, t))  # (N, K)
        mean = xp.mean(t, axis=0)
        own = xp.sum((t - y) ** 2, axis=0), mean, xp.sum((t - mean) ** 2, axis=0)
        if self.total is not None:
            apart = mean - self.total[1, :]
            errors, squares = self.total[0, :] + own[0], self.total[2, :] + own[2]
            own = errors, self.total[1, :] + apart * (new / (old + new)), squares + apart**2 * (old * new / (old + new))
        self.total, self.samples = xp.stack(own), old + new

    def result(self) -> Any:
        if int(self.samples) < 2:
            return float("nan")
        errors, _, squares = self.total_on_host()
        alike = squares == 0
        of_outputs = 1 - errors / (squares + alike)
        of_outputs[alike] = (errors == 0)[alike]
        of_outputs[errors != errors] = math.nan
        return float(of_outputs.mean())
