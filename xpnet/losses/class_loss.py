"""The base of losses of classes: one for each sample, or for each element of a sequence or of an image."""

import math
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.backend.reference import dtype_name
from xpnet.base.checks import integer
from xpnet.base.host import refuse_masked
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.losses.base import Loss, as_float, batch_of, beside
from xpnet.losses.class_weights import as_array


class ClassLoss(Loss):
    """The base of losses whose targets are classes, one for each element of y, which is what has a class of its own:

    - a sample: y (N, C), class numbers t (N,);
    - an element of a sequence: y (N, T, C), t (N, T);
    - a pixel: y (N, C, H, W), t (N, H, W).

    Or t has the shape of y: one-hot rows, or any probabilities that sum to one. The classes are on the last axis of
    three and else on axis 1, or on `axis`, as in axis=1 for sequences (N, C, T).

    Elements whose class number is `ignored_label` (there is none) count neither in the loss nor in its gradient,
    whatever their scores: L is the mean over the others, and 0 if there are none. data.pad and data.mask_after give
    such a label to what is behind the end of a sequence.

    A loss may have `class_weights`, a number for each class; `divides_by_weights` says whether the mean over elements
    is one by the weights of their classes.
    """

    class_weights: tuple[float, ...] | None = None
    divides_by_weights = False

    def __init__(self, ignored_label: int | None = None, axis: int | None = None) -> None:
        self.ignored_label, self.axis = read_class_options(type(self).__name__, ignored_label, axis)

    # ---- how a forward begins and ends -----------------------------------------------------------------------------

    def prepare_rows(
        self, y: Array, t: Array, backend: Backend | None, sample_weight: Array | None
    ) -> tuple[Backend, Array, Array, Array | None]:
        """The backend; scores (M, C), a row for each of the M elements; targets (M,) or (M, C); weights (M, 1) or None.

        An ignored element has scores of 0, a target of 0 and the weight 0. The weight of the others makes a mean over
        all M elements one over them, or, with class weights, a sum over all M that is divided by M one that is divided
        by the weights of their classes.
        """
        backend = backend or get_backend()
        refuse_masked((y, t))
        axis = class_axis("loss", self.name, y.shape, self.axis)
        shape = without_axis(y.shape, axis)  # of class numbers
        rows = t.ndim == y.ndim
        if rows:
            self.same_shape(y, t)
            self._refuse_ignored_rows()
            self._refuse_whole_rows(t, backend)
            t = as_float(to_rows(t, axis, backend), y, backend)  # (M, C)
        elif tuple(t.shape) != shape:
            needed = "(N, C) and (N,), (N, T, C) and (N, T), or (N, C, H, W) and (N, H, W)"
            raise ShapeError(f"loss {self.name}: y is {tuple(y.shape)}, t {tuple(t.shape)}; needed are {needed}")
        elif t.dtype in (backend.xp.float32, backend.xp.float64):
            raise DataError(f'loss {self.name}: class numbers must be integers, they are floats; t.astype("int64")')
        w = None if sample_weight is None else beside(sample_weight, y, shape, backend)
        if w is not None:  # (M, 1)
            w = backend.xp.reshape(w if w.shape == shape else backend.xp.broadcast_to(w, shape), (-1, 1))
        y = y if y.ndim == 2 else to_rows(y, axis, backend)  # (M, C)
        if self.class_weights is not None:
            self._check_weights(y.shape[1])
        if rows:
            return backend, y, t, w
        t = as_numbers(t if t.ndim == 1 else backend.xp.reshape(t, (-1,)), backend)  # (M,)
        counts = None if self.ignored_label is None else t != self.ignored_label  # (M,)
        if counts is not None:
            y, t = backend.xp.where(backend.xp.reshape(counts, (-1, 1)), y, 0), backend.xp.where(counts, t, 0)
        # as far as it costs nothing: on a device that computes in the background, to look at labels is to wait
        if not backend.lazy and not backend.are_classes(t, y.shape[1]):
            raise DataError(f"loss {self.name}: a label is not from 0 to {y.shape[1] - 1}, the network's classes")
        if counts is not None or self.divides_by_weights:
            w = self._as_mean(y, t, counts, w, backend)
        return backend, y, t, w

    def from_rows(self, dy: Array, shape: tuple[int, ...], backend: Backend) -> Array:
        """The gradient of rows (M, C) in the shape of the scores."""
        if len(shape) == 2:
            return dy
        axis, xp = class_axis("loss", self.name, shape, self.axis), backend.xp
        dy = xp.reshape(dy, (*without_axis(shape, axis), -1))  # (N, ..., C)
        last = dy.ndim - 1
        return dy if axis == last else xp.permute_dims(dy, (*range(axis), last, *range(axis, last)))

    def weight_of(self, t: Array, backend: Backend) -> int | Array:
        """The number of elements that are not ignored, or the weights of their classes; of integers in rows, C times
        that.
        """
        xp, elements = backend.xp, t.shape
        rows = t.ndim > 1 and xp.isdtype(t.dtype, "real floating")  # probabilities
        if self.ignored_label is not None or (self.divides_by_weights and not rows):
            counts = None if self.ignored_label is None else t != self.ignored_label
            t = as_numbers(xp.reshape(t if counts is None else xp.where(counts, t, 0), (-1,)), backend)  # (M,)
            return backend.sum(self._shares(t, counts, xp.float64, backend))
        if rows:
            elements = without_axis(t.shape, class_axis("loss", self.name, t.shape, self.axis))
        return math.prod(elements)

    def shape_of_elements(self, outputs: tuple[int, ...], t: Any) -> tuple[int, ...]:
        rows = t.ndim == len(outputs) + 1
        return without_axis(t.shape, class_axis("loss", self.name, t.shape, self.axis)) if rows else t.shape

    def weights_of_classes(self, dtype: Any, backend: Backend) -> Array:
        """`class_weights` on the backend: (C,)."""
        return as_array(self.class_weights or (), dtype_name(dtype), backend)

    def _as_mean(self, y: Array, t: Array, counts: Array | None, w: Array | None, backend: Backend) -> Array:
        """The weights (M, 1) with which a sum over all M elements, divided by M, is the mean over those that count."""
        xp, share = backend.xp, self._shares(t, counts, y.dtype, backend)  # (M,)
        total = backend.sum(share)
        total = xp.where(total == 0, 1, total) if self.divides_by_weights else xp.maximum(total, 1)
        if counts is None:
            return xp.ones_like(y[:, :1]) * (t.shape[0] / total) if w is None else w * (t.shape[0] / total)
        counts = xp.reshape(counts, (-1, 1))  # (M, 1)
        return t.shape[0] / total * (xp.astype(counts, y.dtype) if w is None else xp.where(counts, w, 0))

    def _shares(self, t: Array, counts: Array | None, dtype: Any, backend: Backend) -> Array:
        """What each element counts in what the loss is divided by: 1 or the weight of its class, 0 if it is ignored."""
        xp = backend.xp
        if not self.divides_by_weights:
            return xp.astype(counts, dtype)
        share = xp.take(self.weights_of_classes(dtype, backend), t)
        return share if counts is None else xp.where(xp.reshape(counts, (-1,)), share, 0)

    # ---- before training -------------------------------------------------------------------------------------------

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        axis = class_axis("loss", self.name, (0, *outputs), self.axis) - 1  # of a sample
        labels, classes = without_axis(outputs, axis), outputs[axis]
        self._check_weights(classes)
        if t.ndim == 1 and labels:
            raise ShapeError(
                f"loss {self.name} needs a network that gives (N, classes) for labels (N,), not {batch_of(outputs)}:"
                " end it with layers.Dense, behind layers.Flatten or, of sequences, a layer with return_sequence=False,"
                f" or give labels {batch_of(labels)}"
            )
        if classes < 2:
            raise ShapeError(
                f"loss {self.name} needs an output for each class, and the network has one in all: end it with"
                f" layers.Dense(2), or take binary_cross_entropy, whose targets are 0 and 1, {batch_of(outputs)}"
            )
        if t.ndim == len(outputs) + 1:
            self._check_rows(outputs, t, axis + 1)
        elif tuple(t.shape[1:]) == labels:
            self._check_numbers(classes, t)
        else:
            raise ShapeError(
                f"loss {self.name}: labels have shape {tuple(t.shape)}, the network gives {batch_of(outputs)}; needed"
                f" are class numbers {batch_of(labels)} or one-hot rows {batch_of(outputs)}{self._other(outputs, t)}"
            )

    def _other(self, outputs: tuple[int, ...], t: Any) -> str:
        """Where the classes are, if that is plain from the labels."""
        for axis in range(len(outputs)):
            if without_axis(outputs, axis) == tuple(t.shape[1:]):
                where = "images are (N, C, H, W)" if len(outputs) == 3 else "sequences are (N, T, C)"
                return f"; {where} here; with the classes on axis {axis + 1}: {type(self).__name__}(axis={axis + 1})"
        return ""

    def _check_rows(self, outputs: tuple[int, ...], t: Any, axis: int) -> None:
        steps = t.shape[1] if t.ndim == 2 and t.dtype.kind in "iu" else 0  # of a sequence, if they are class numbers
        if steps > 1 and (t.shape[1:] != outputs or not (t.sum(axis=1) == 1).all()):
            raise ShapeError(
                f"loss {self.name}: class numbers (N, {steps}), one for each element of a sequence, need a network that"
                f" gives (N, {steps}, classes), not {batch_of(outputs)}; one-hot rows need {outputs[0]} columns that"
                " sum to 1"
            )
        self._check_shape(outputs, t, axis)
        self._refuse_ignored_rows()
        if not (abs(t.sum(axis=axis) - 1) < 1e-3).all() or (t < 0).any():
            raise DataError(
                f"loss {self.name}: one-hot rows must hold probabilities that sum to 1, and some do not;"
                " xpnet.data.one_hot makes such rows"
            )

    def _check_shape(self, outputs: tuple[int, ...], t: Any, axis: int) -> None:
        """That of the outputs; with what to do about classes, or an axis of one, on another axis."""
        labels, remedy = without_axis(outputs, axis - 1), ""
        for place in (axis, t.ndim - 1) if labels and tuple(t.shape[1:]) != outputs else ():
            if tuple(without_axis(t.shape, place)[1:]) == labels:
                others = f"; with the classes on axis {axis} it is numpy.moveaxis(t, {place}, {axis})"
                remedy = f"; class numbers are t.squeeze({place})" if t.shape[place] == 1 else others
        try:
            super().check(outputs, t)
        except ShapeError as error:
            raise ShapeError(f"{error}{remedy}") from None

    def _refuse_ignored_rows(self) -> None:
        if self.ignored_label is not None:
            raise OptionError(
                f"loss {self.name}: ignored_label is for class numbers, and the targets are rows of probabilities, of"
                " as many axes as the scores; of such rows, a sample_weight of 0 leaves some out"
            )

    def _refuse_whole_rows(self, t: Array, backend: Backend) -> None:
        if self.class_weights is not None and not backend.xp.isdtype(t.dtype, "real floating"):
            raise DataError(
                f"loss {self.name}: with class_weights, labels are class numbers, or rows of floating point numbers;"
                f" these rows are {dtype_name(t.dtype)}"
            )

    def _check_weights(self, classes: int) -> None:
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ShapeError(
                f"loss {self.name}: there are {len(self.class_weights)} class_weights, and the network has {classes}"
                " outputs"
            )

    def _check_numbers(self, classes: int, t: Any) -> None:
        if t.dtype.kind not in "iu":
            whole = t.dtype.kind == "b" or bool((t == t.round()).all())
            what = f'{t.dtype}; convert them with t.astype("int64")' if whole else "fractions or NaN"
            raise DataError(f"loss {self.name}: class numbers must be integers, they are {what}")
        if self.ignored_label is not None:
            t = t[t != self.ignored_label]
        if not t.size or (int(t.min()) >= 0 and int(t.max()) < classes):
            return
        wrong = t[(t < 0) | (t >= classes)]
        value, more = int(wrong.flat[0]), ""
        if (wrong == value).all() and (value < 0 or value == 255) and self.ignored_label is None:
            more = f"; if {value} marks elements that do not count: {type(self).__name__}(ignored_label={value})"
        raise DataError(
            f"loss {self.name}: labels reach from {int(t.min())} to {int(t.max())}, but the network has {classes}"
            f" outputs, for classes 0 to {classes - 1}; correct the labels or the size of the last layer{more}"
        )


def read_class_options(owner: str, ignored_label: int | None, axis: int | None) -> tuple[int | None, int | None]:
    """Both, if they can be."""
    if ignored_label is not None:
        ignored_label = integer(f"{owner}: ignored_label", ignored_label)
    if axis is not None and integer(f"{owner}: axis", axis) == 0:
        raise OptionError(
            f"{owner}: axis 0 holds the samples; the classes are on another one, by default 1 or the last"
        )
    return ignored_label, axis


def class_axis(kind: str, name: str, shape: tuple[int, ...], axis: int | None) -> int:
    """Where the classes are in scores of this shape, from 1: on the given axis; by default, on the last of sequences
    (N, T, C), and on axis 1 of vectors (N, C) and images (N, C, H, W).
    """
    ndim = len(shape)
    if axis is None:
        axis = 2 if ndim == 3 else 1
    place = axis + ndim if axis < 0 else axis
    if not 0 < place < ndim:
        raise ShapeError(f"{kind} {name}: scores of shape {tuple(shape)} have no classes on axis {axis}")
    return place


def without_axis(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def to_rows(y: Array, axis: int, backend: Backend) -> Array:
    """(N, T, C) or (N, C, H, W), with the classes on this axis, as (M, C): a row for each element."""
    if y.ndim == 2:
        return y
    if axis < y.ndim - 1:
        y = backend.xp.permute_dims(y, (*without_axis(tuple(range(y.ndim)), axis), axis))  # (N, ..., C)
    return backend.xp.reshape(y, (-1, y.shape[-1]))  # (M, C)


def as_numbers(t: Array, backend: Backend) -> Array:
    """Class numbers in a data type that holds any, and by which every namespace can index: uint8 ends at 255."""
    xp = backend.xp
    return t if t.dtype in (xp.int64, xp.int32) else xp.astype(t, xp.int64)


def as_one_hot(t: Array, y: Array, backend: Backend) -> Array:
    """Class numbers (M,) as one-hot rows (M, C) in the data type of y; rows as they are."""
    return as_float(backend.one_hot(t, y.shape[1]), y, backend) if t.ndim == 1 else t
