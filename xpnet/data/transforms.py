"""Bring data into the range that networks learn well from. Everything takes and gives whole arrays, samples first.

Results are float32, or float64 where the data is.
"""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.host import as_host
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError

Array = npt.NDArray[Any]
MOST_CLASSES = 1 << 20  # that labels are taken to be of, unless somebody says so
Per = Literal["pixel", "channel", "image"]


def one_hot(t: npt.ArrayLike, classes: int | None = None, dtype: npt.DTypeLike = np.float32) -> Array:
    """Labels (N,) as rows (N, classes): y[n, t[n]] = 1, else 0. Further axes of `t` are kept: (...) to (..., classes).

    `classes` is by default the greatest label plus one.

    Raises DTypeError unless the labels are integers, DataError unless 0 <= t < classes, OptionError for bad `classes`.
    """
    t = as_host(t)
    if t.dtype.kind not in "iu":
        raise DTypeError(f"labels must be integers, not {t.dtype}; convert them with astype('int64') if they are whole")
    if classes is None:
        if t.size == 0:
            raise DataError("there are no labels to count the classes of; say how many there are with classes=")
        classes = int(t.max()) + 1
        if classes > MOST_CLASSES:
            raise DataError(f"the labels reach to {classes - 1}: if that is a class number, say classes=")
    elif not isinstance(classes, (int, np.integer)) or isinstance(classes, bool) or classes < 1:
        raise OptionError(f"classes must be an integer of 1 or more, not {classes!r}")
    if t.size and (t.min() < 0 or t.max() >= classes):
        wrong = t.min() if t.min() < 0 else t.max()
        raise DataError(f"label {wrong} is out of range; expected 0 to {classes - 1} for {classes} classes")
    y = np.zeros((*t.shape, classes), dtype)
    np.put_along_axis(y, t[..., None].astype(np.intp), 1, axis=-1)
    return y


def to_unit(x: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """y = x / 255: bytes from 0 to 255 become float32 from 0 to 1, in one pass. Raises DTypeError for other types."""
    x = as_host(x)
    if x.dtype != np.uint8:
        raise DTypeError(f"to_unit expects uint8 from 0 to 255, not {x.dtype}")
    y: npt.NDArray[np.float32] = np.divide(x, np.float32(255), dtype=np.float32)
    return y


class MeanRemoval:
    """y = x - mean, the mean taken over the training data.

    `per` says what shares a mean: "pixel" (each entry of a sample has its own: the mean over N), "channel" (over N, H
    and W), or "image" (one number for everything). Call `fit` first.

    Raises OptionError for another `per`, and DataError if not fitted or the data is empty or not finite; ShapeError if
    the samples have another shape than those that were fitted.
    """

    def __init__(self, per: Per = "pixel") -> None:
        if per not in get_args(Per):
            raise OptionError(f"per must be 'pixel', 'channel' or 'image', not {per!r}")
        self.per = per
        self.mean: Array | None = None  # (1, ...), broadcasts against (N, ...)
        self._sample: tuple[int, ...] = ()

    def fit(self, x: npt.ArrayLike) -> "MeanRemoval":
        """Take the mean of `x`, (N, ...), and return self."""
        x = checked_samples(x, 2 if self.per == "channel" else 1)
        axes = {"pixel": (0,), "channel": all_but_channels(x), "image": tuple(range(x.ndim))}[self.per]
        self.mean, self._sample = mean_of(x, axes).astype(float_type_of(x)), x.shape[1:]
        return self

    def transform(self, x: npt.ArrayLike) -> Array:
        """x without the mean."""
        x, mean = self._checked(x)
        return x - mean

    def inverse(self, y: npt.ArrayLike) -> Array:
        """y with the mean added again."""
        y, mean = self._checked(y)
        return y + mean

    __call__ = transform

    def _checked(self, x: npt.ArrayLike) -> tuple[Array, Array]:
        if self.mean is None:
            raise DataError("MeanRemoval knows no mean yet; call fit(x_train) first")
        x = as_host(x)
        if x.ndim == 0 or x.shape[1:] != self._sample:
            raise ShapeError(f"MeanRemoval was fitted to samples of shape {self._sample}, but the data is {x.shape}")
        return x.astype(float_type_of(x), copy=False), self.mean.astype(float_type_of(x), copy=False)

    def compared(self) -> dict[str, Any]:
        """What a Backup compares."""
        return {"per": self.per, "mean": self.mean}


class Normalize:
    """y = (x - mean) / std, per channel: axis 1 of (N, C, ...).

    `mean` and `std` are numbers, or sequences of one number per channel. `Normalize.fit(x)` takes them from data, which
    then has mean 0 and standard deviation 1 in each channel.

    Raises OptionError if `mean` and `std` do not fit together, are not finite or `std` is not positive; ShapeError if
    the data has another number of channels.
    """

    def __init__(self, mean: npt.ArrayLike, std: npt.ArrayLike) -> None:
        self.mean, self.std = (np.atleast_1d(np.asarray(value, float_type_of(value))) for value in (mean, std))
        if self.mean.ndim > 1 or self.mean.shape != self.std.shape or self.mean.size == 0:
            raise OptionError(
                f"mean and std must be two numbers, or one of each per channel, not of shapes {self.mean.shape} "
                f"and {self.std.shape}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise OptionError(f"mean must be finite and std finite and positive, not {self.mean} and {self.std}")

    @classmethod
    def fit(cls, x: npt.ArrayLike) -> "Normalize":
        """Mean and standard deviation of each channel of `x`, (N, C, ...); a constant channel gets std 1 and becomes 0.

        Raises DataError if the data is empty or not finite.
        """
        x = checked_samples(x, 2)
        mean, std = mean_and_std_of(x, all_but_channels(x))  # (1, C, 1, ...)
        return cls(mean.reshape(-1).astype(float_type_of(x)), std.reshape(-1).astype(float_type_of(x)))  # (C,)

    def transform(self, x: npt.ArrayLike) -> Array:
        """x with mean and scale removed."""
        x, mean, std = self._checked(x)
        y = x - mean
        y /= std
        return y

    def inverse(self, y: npt.ArrayLike) -> Array:
        """y with scale and mean restored."""
        y, mean, std = self._checked(y)
        x = y * std
        x += mean
        return x

    __call__ = transform

    def _checked(self, x: npt.ArrayLike) -> tuple[Array, Array, Array]:
        x, C = as_host(x), self.mean.size
        if x.ndim < 2 or C not in (1, x.shape[1]):
            raise ShapeError(f"Normalize has {C} channels and expects (N, {C}, ...), but the data is {x.shape}")
        dtype, shape = float_type_of(x), (1, C) + (1,) * (x.ndim - 2)
        mean, std = (value.astype(dtype).reshape(shape) for value in (self.mean, self.std))
        return x.astype(dtype, copy=False), mean, std


def float_type_of(x: npt.ArrayLike) -> type[np.floating[Any]]:
    """The type to compute in: float64 only for an array that is float64 already."""
    return np.float64 if getattr(x, "dtype", None) == np.float64 else np.float32


def checked_samples(x: npt.ArrayLike, least: int) -> Array:
    x = as_host(x)
    if x.ndim < least:
        raise ShapeError(f"the data has shape {x.shape}; expected {'(N, C, ...)' if least == 2 else '(N, ...)'}")
    if x.size == 0:
        raise DataError(f"there is no data: x has shape {x.shape}; expected at least one sample")
    return x


def all_but_channels(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def mean_of(x: Array, axes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Summed in float64, which NumPy does through a small buffer, without a copy of `x`."""
    mean: npt.NDArray[np.float64] = np.mean(x, axis=axes, dtype=np.float64, keepdims=True)
    if not np.isfinite(mean).all():
        raise DataError("the data holds NaN or infinite values; remove or replace them first")
    return mean


def mean_and_std_of(x: Array, axes: tuple[int, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Over the axes, which are kept with length 1; what is constant gets the deviation 1."""
    mean = mean_of(x, axes)
    squares = np.zeros_like(mean)
    step = max(1, 2**20 // max(1, x[0].size))
    for start in range(0, len(x), step):  # piece by piece: in float64 the whole would take twice its size or more
        squares += ((x[start : start + step] - mean) ** 2).sum(axis=axes, keepdims=True)
    std = np.sqrt(squares * (mean.size / x.size))
    std[std <= np.abs(mean) * np.finfo(np.float32).eps] = 1  # rounding is all that varies
    return mean, std
