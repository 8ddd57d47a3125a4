"""Standardisation, PCA and ZCA whitening: fitted to the training data, then applied to all data.

Results are float32, or float64 where the data is. `get_state()` is a dict of plain arrays, which np.savez keeps, and
`set_state` takes it.
"""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from xpnet.base import checks
from xpnet.base.hints import Explains
from xpnet.base.host import as_host
from xpnet.data.transforms import all_but_channels, checked_samples, float_type_of, mean_and_std_of, mean_of
from xpnet.errors import DataError, OptionError, ShapeError

Array = npt.NDArray[Any]

_WIDEST = 16384  # features whose covariance is still made: 2 GiB of float64
_ROWS = 1024  # samples that are summed up in float32 before they are added in float64


class Fitted(Explains):
    """The base: state that `fit` makes, by name, and the shape of the samples that it was made from."""

    names: tuple[str, ...]  # of the attributes that are the state

    def __init__(self) -> None:
        self.sample: tuple[int, ...] | None = None  # the shape of one
        for name in self.names:
            setattr(self, name, None)

    def get_state(self) -> dict[str, Array]:
        """What `fit` found, as arrays. Raises DataError if nothing was fitted."""
        return {"sample": np.array(self._shape(), np.int64)} | {name: getattr(self, name).copy() for name in self.names}

    def compared(self) -> dict[str, Any]:
        """What a Backup compares: the settings, and what was fitted."""
        return vars(self)

    def set_state(self, state: dict[str, npt.ArrayLike]) -> None:
        """Take what `get_state` gave, or np.load of a file with it. Raises DataError if something else is given."""
        arrays = {name: as_host(state[name]) for name in state}
        if set(arrays) != {"sample", *self.names} or any(a.dtype.kind not in "fi" for a in arrays.values()):
            raise DataError(
                f"the state of {type(self).__name__} is {', '.join(('sample', *self.names))}, arrays of numbers, and "
                f"not {', '.join(arrays) or 'nothing'}"
            )
        sample = tuple(int(size) for size in arrays.pop("sample").reshape(-1))
        self._check_state(sample, arrays)
        self.sample = sample
        for name, array in arrays.items():
            setattr(self, name, array.copy())

    def _check_state(self, sample: tuple[int, ...], arrays: dict[str, Array]) -> None:
        D = math.prod(sample)
        if any(array.ndim > 2 or array.shape[-1] != D for name, array in arrays.items() if name != "variance"):
            raise DataError(f"the state of {type(self).__name__} does not fit samples of shape {sample}")

    def _shape(self) -> tuple[int, ...]:
        if self.sample is None:
            raise DataError(f"{type(self).__name__} is not fitted yet; call fit(x_train) first")
        return self.sample

    def _checked(self, x: npt.ArrayLike) -> Array:
        """x as floats, if its samples have the shape of those that were fitted."""
        sample, x = self._shape(), as_host(x)
        if x.ndim == 0 or x.shape[1:] != sample:
            raise ShapeError(
                f"{type(self).__name__} was fitted to samples of shape {sample}, but the data is {x.shape}"
            )
        return x.astype(float_type_of(x), copy=False)

    def _rows(self, x: npt.ArrayLike) -> Array:
        """(N, D), checked."""
        x = self._checked(x)
        return x.reshape(len(x), math.prod(self._shape()))

    def _samples(self, rows: Array) -> Array:
        """(N, D) in the shape of the samples."""
        return rows.reshape(len(rows), *self._shape())


class Standardize(Fitted):
    """y = (x - mean) / std, each over the training data.

    `per` says what shares a mean and a standard deviation: "pixel" (each entry of a sample has its own) or "channel"
    (axis 1 of (N, C, ...); data.Normalize is the same with numbers of your own). What is constant gets std 1.

    Raises OptionError for another `per`; DataError if not fitted, or the data is empty or not finite; ShapeError if the
    samples have another shape than those that were fitted.
    """

    names = ("mean", "std")
    mean: Array  # (1, D), an entry for each of a sample
    std: Array

    def __init__(self, per: str = "pixel") -> None:
        if per not in ("pixel", "channel"):
            raise OptionError(f"per must be 'pixel' or 'channel', not {per!r}")
        super().__init__()
        self.per = per

    def fit(self, x: npt.ArrayLike) -> Self:
        """Take mean and standard deviation of `x`, (N, ...), and return self."""
        x = checked_samples(x, 2 if self.per == "channel" else 1)
        found = mean_and_std_of(x, (0,) if self.per == "pixel" else all_but_channels(x))
        whole = (1, *x.shape[1:])
        self.mean, self.std = (np.broadcast_to(v, whole).reshape(1, -1).astype(float_type_of(x)) for v in found)
        self.sample = x.shape[1:]
        return self

    def transform(self, x: npt.ArrayLike) -> Array:
        """x with mean and scale removed."""
        rows = self._rows(x)
        y = rows - self.mean.astype(rows.dtype, copy=False)
        y /= self.std.astype(rows.dtype, copy=False)
        return self._samples(y)

    def inverse(self, y: npt.ArrayLike) -> Array:
        """y with scale and mean restored."""
        rows = self._rows(y)
        x = rows * self.std.astype(rows.dtype, copy=False)
        x += self.mean.astype(rows.dtype, copy=False)
        return self._samples(x)

    __call__ = transform


class PCA(Fitted):
    """y = U (x - mean): the coordinates of x along the directions in which the training data varies most.

    y is (N, K), the largest variance first. K is `components`: a number, or the share of the variance to keep (above 0,
    below 1), or all (None: as many as features, and fewer than samples). With `whiten`, each coordinate is also divided
    by sqrt(its variance + epsilon), so that they all weigh the same. `inverse` leads back into the subspace. x of any
    shape (N, ...) is taken as rows of D numbers; the sign of a direction is that of its greatest entry, made positive.

    Raises OptionError for bad settings; DataError if not fitted, or the data is empty, not finite or too wide;
    ShapeError for samples of another shape.
    Source: H. Hotelling, "Analysis of a complex of statistical variables into principal components", 1933.
    """

    names = ("mean", "variance", "directions")
    mean: Array  # (1, D)
    variance: Array  # (K,)
    directions: Array  # (K, D)

    def __init__(self, components: int | float | None = None, whiten: bool = False, epsilon: float = 1e-5) -> None:
        if isinstance(components, float):
            if not 0 < components < 1:
                raise OptionError(
                    f"components must be an integer of at least 1, or a share above 0 and below 1, not {components!r}"
                )
        elif components is not None:
            components = checks.whole("components", components)
        super().__init__()
        self.components, self.whiten, self.epsilon = components, bool(whiten), checks.positive("epsilon", epsilon)

    def fit(self, x: npt.ArrayLike) -> Self:
        """Find mean and directions of `x`, (N, ...), at least two samples, and return self."""
        x = checked_samples(x, 2)
        mean, variance, directions = _principal(x)
        K = len(variance)
        if isinstance(self.components, float):
            share = np.cumsum(variance) / max(variance.sum(), np.finfo(np.float64).tiny)
            K = min(K, int(np.searchsorted(share, self.components)) + 1)
        elif self.components is not None:
            if self.components > K:
                raise OptionError(
                    f"components={self.components}, but {x.shape[0]} samples of {x[0].size} numbers have only {K}"
                )
            K = self.components
        dtype = float_type_of(x)
        self.mean, self.variance = mean.astype(dtype), variance[:K].astype(dtype)
        self.directions, self.sample = directions[:K].astype(dtype), x.shape[1:]
        return self

    def transform(self, x: npt.ArrayLike) -> Array:
        """The coordinates of x: (N, K)."""
        rows = self._rows(x)
        y: Array = (rows - self.mean.astype(rows.dtype, copy=False)) @ self.directions.T.astype(rows.dtype, copy=False)
        if self.whiten:
            y /= self._scale(rows.dtype)
        return y

    def inverse(self, y: npt.ArrayLike) -> Array:
        """x from its coordinates (N, K): without what the other directions would add."""
        self._shape()
        y = as_host(y)
        if y.ndim != 2 or y.shape[1] != len(self.variance):
            raise ShapeError(f"PCA has {len(self.variance)} components, but the coordinates are {y.shape}")
        y = y.astype(float_type_of(y), copy=False)
        if self.whiten:
            y = y * self._scale(y.dtype)
        x: Array = y @ self.directions.astype(y.dtype, copy=False) + self.mean.astype(y.dtype, copy=False)
        return self._samples(x)

    __call__ = transform

    def _scale(self, dtype: Any) -> Array:
        scale: Array = np.sqrt(self.variance.astype(np.float64) + self.epsilon).astype(dtype)
        return scale

    def _check_state(self, sample: tuple[int, ...], arrays: dict[str, Array]) -> None:
        super()._check_state(sample, arrays)
        if arrays["directions"].shape[:1] != arrays["variance"].shape:
            raise DataError("the state of PCA has another number of directions than of variances")


class ZCA(Fitted):
    """y = W (x - mean), W = U^T diag(1 / sqrt(variance + epsilon)) U: whitening that stays closest to the image.

    y has the shape of x, no correlations, and variance 1 where the data varies by much more than epsilon; a larger
    epsilon keeps noise down. U are the directions of PCA, all of them.

    Raises OptionError for a bad epsilon; DataError if not fitted, or the data is empty, not finite or too wide;
    ShapeError for samples of another shape.
    Source: A. Bell, T. Sejnowski, "The 'independent components' of natural scenes are edge filters", 1997.
    """

    names = ("mean", "forward", "backward")
    mean: Array  # (1, D)
    forward: Array  # (D, D), symmetric
    backward: Array  # its inverse

    def __init__(self, epsilon: float = 1e-2) -> None:
        super().__init__()
        self.epsilon = checks.positive("epsilon", epsilon)

    def fit(self, x: npt.ArrayLike) -> Self:
        """Find mean and matrix of `x`, (N, ...), at least two samples, and return self."""
        x = checked_samples(x, 2)
        if x[0].size > _WIDEST:
            raise DataError(f"ZCA of {x[0].size} numbers a sample needs a square matrix of them; at most {_WIDEST}")
        mean, variance, directions = _principal(x)
        dtype, scale = float_type_of(x), np.sqrt(variance + self.epsilon)
        rest = np.eye(x[0].size) - directions.T @ directions  # where the data does not vary, or samples are too few
        sides = (1 / scale, 1 / math.sqrt(self.epsilon)), (scale, math.sqrt(self.epsilon))
        self.forward, self.backward = (
            ((directions.T * along) @ directions + rest * across).astype(dtype) for along, across in sides
        )
        self.mean, self.sample = mean.astype(dtype), x.shape[1:]
        return self

    def transform(self, x: npt.ArrayLike) -> Array:
        """x whitened, in its shape."""
        rows = self._rows(x)
        y = (rows - self.mean.astype(rows.dtype, copy=False)) @ self.forward.astype(rows.dtype, copy=False)
        return self._samples(y)

    def inverse(self, y: npt.ArrayLike) -> Array:
        """x from what `transform` made of it, to rounding."""
        rows = self._rows(y)
        x = rows @ self.backward.astype(rows.dtype, copy=False) + self.mean.astype(rows.dtype, copy=False)
        return self._samples(x)

    __call__ = transform


def _principal(x: Array) -> tuple[Array, Array, Array]:
    """Mean (1, D), variances (K,) from the largest, and their directions (K, D), in float64; K = min(D, N - 1)."""
    N, D = len(x), x[0].size
    if N < 2:
        raise DataError(f"one sample varies in no direction: the data is {x.shape}; expected at least two")
    if min(N, D) > _WIDEST:
        raise DataError(f"the covariance of {D} numbers a sample is too large; at most {_WIDEST}: use fewer pixels")
    rows, dtype = x.reshape(N, D), float_type_of(x)
    mean = mean_of(rows, (0,))  # (1, D)
    near = mean.astype(dtype)
    if N > D:
        covariance = np.zeros((D, D))
        for start in range(0, N, _ROWS):  # (n, D) each: float32 for speed, a sum of float64 for accuracy
            piece = rows[start : start + _ROWS].astype(dtype, copy=False) - near
            covariance += piece.T @ piece
        variance, vectors = np.linalg.eigh(covariance / N)  # ascending; vectors are columns
        directions = vectors.T
    else:  # fewer samples than numbers: the small matrix of products of samples has the same variances
        centred = rows.astype(np.float64) - mean
        variance, vectors = np.linalg.eigh(centred @ centred.T / N)
        variance, vectors = variance[1:], vectors[:, 1:]  # centred samples add up to zero: one direction is none
        directions = vectors.T @ centred
        length = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = np.divide(directions, length, out=np.zeros_like(directions), where=length > 1e-6 * length.max())
    variance, directions = np.maximum(variance[::-1], 0), directions[::-1]
    greatest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)  # (K, 1)
    return mean, variance, directions * np.where(greatest < 0, -1, 1)
