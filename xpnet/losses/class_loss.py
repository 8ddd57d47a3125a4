"""The base of losses whose targets are classes: what they refuse, before training and in front of the formula."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.errors import DataError, ShapeError
from xpnet.losses.base import Loss, as_float, batch_of, one_hot


class ClassLoss(Loss):
    """The base of losses whose targets are class numbers (N,) or one-hot rows (N, C)."""

    def checked_targets(self, y: Array, t: Array, backend: Backend) -> Array:
        """The targets; rows in the data type of y, and of its shape."""
        if t.ndim != 1:
            return super().checked_targets(y, t, backend)
        if tuple(y.shape[:1]) != tuple(t.shape) or y.ndim != 2:
            raise ShapeError(f"loss {self.name}: y is {tuple(y.shape)}, t {tuple(t.shape)}; needed are (N, C) and (N,)")
        # as far as it costs nothing: on a device that computes in the background, to look at labels is to wait
        if not backend.lazy and (int(backend.xp.min(t)) < 0 or int(backend.xp.max(t)) >= y.shape[1]):
            raise DataError(f"loss {self.name}: a label is not from 0 to {y.shape[1] - 1}, the network's classes")
        return t

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        if len(outputs) != 1:
            raise ShapeError(
                f"loss {self.name} needs a network that gives (N, classes), not {batch_of(outputs)}: end it with"
                " layers.Dense"
            )
        if outputs[0] < 2:
            raise ShapeError(
                f"loss {self.name} needs an output for each class, and the network has one in all: end it with"
                " layers.Dense(2), or take binary_cross_entropy, whose targets are 0 and 1, (N, 1)"
            )
        if t.ndim == 2:
            super().check(outputs, t)
            self._check_rows(t)
        elif t.ndim == 1:
            self._check_numbers(outputs[0], t)
        else:
            raise ShapeError(
                f"loss {self.name}: labels have shape {tuple(t.shape)}; needed are class numbers (N,) or one-hot"
                f" rows (N, {outputs[0]})"
            )

    def _check_rows(self, t: Any) -> None:
        if not (abs(t.sum(axis=1) - 1) < 1e-3).all() or (t < 0).any():
            raise DataError(
                f"loss {self.name}: one-hot rows must hold probabilities that sum to 1, and some do not;"
                " xpnet.data.one_hot makes such rows"
            )

    def _check_numbers(self, classes: int, t: Any) -> None:
        if t.dtype.kind not in "iu":
            whole = t.dtype.kind == "b" or bool((t == t.round()).all())
            what = f'{t.dtype}; convert them with t.astype("int64")' if whole else "fractions or NaN"
            raise DataError(f"loss {self.name}: class numbers must be integers, they are {what}")
        low, high = int(t.min()), int(t.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"loss {self.name}: labels reach from {low} to {high}, but the network has {classes} outputs, for"
                f" classes 0 to {classes - 1}; correct the labels or the size of the last layer"
            )


def as_rows(t: Array, y: Array, backend: Backend) -> Array:
    """Class numbers (N,) as one-hot rows (N, C) in the data type of y; rows as they are."""
    return as_float(one_hot(t, y.shape[1], backend), y, backend) if t.ndim == 1 else t
