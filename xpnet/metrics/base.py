"""The base of all metrics, and of those of classes: a total on the device, and how many elements are in it."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.configured import Configured
from xpnet.base.host import native, refuse_masked
from xpnet.base.quiet import quietly
from xpnet.core.declare import overridable
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import Loss
from xpnet.losses.class_loss import as_numbers, class_axis, read_class_options, to_rows, without_axis


class Metric(Configured):
    """The base: a subclass says what one batch adds to the total; the result is the total per sample.

    A metric that is no mean over samples says in `elements` what it counts, and how many.
    """

    name = "metric"
    larger_is_better: bool | None = None  # None: the name tells, as larger_is_better below says
    total: Array | None = None
    samples: int | Array = 0  # or other elements; an array is a scalar on the device
    _backend: Backend | None = None  # where the total is

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        """Refuse what could not mean anything: outputs of this shape (no batch), or the targets of the loss."""

    @overridable
    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        """What a batch of outputs `y` and labels `t` adds: a number or an array on the device."""
        raise OptionError(f"{type(self).__name__} does not say what it counts")

    def elements(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Array, int | Array]:
        """What `count` gets of a batch, and how many elements that adds to what the total is divided by."""
        return y, t, y.shape[0]

    def reset(self) -> None:
        self.total, self.samples = None, 0

    @quietly
    def update(self, y: Array, t: Array, backend: Backend | None = None) -> None:
        """Count a batch of outputs and labels, which are on `backend` (by default the current one)."""
        backend = backend or get_backend()
        self.add(*self.measure(y, t, backend), backend)

    @property
    def is_sum(self) -> bool:
        """Whether a batch adds what its parts do, so that parts may be counted apart: measured here, and added."""
        return type(self).update is Metric.update

    def measure(self, y: Array, t: Array, backend: Backend) -> tuple[Any, int | Array]:
        """What a batch adds to the total, and to what it is divided by."""
        y, t, number = self.elements(native(y), native(t), backend)
        return self.count(y, t, backend), number

    def add(self, added: Any, number: int | Array, backend: Backend) -> None:
        """Add what was measured."""
        self._backend = backend
        self.total = in_double(added, backend) if self.total is None else self.total + added
        self.samples = self.samples + number

    def counted(self) -> tuple[Any, int | Array]:
        """The total so far, and what it is divided by: what `add` takes."""
        return self.total, self.samples

    def result(self) -> Any:
        """The value so far; waits for the device."""
        samples = int(self.samples)
        return float(self.total) / samples if samples else float("nan")  # type: ignore[arg-type]

    def total_on_host(self) -> Any:
        """The total as NumPy has it; None before the first batch. Waits for the device."""
        return None if self.total is None else (self._backend or get_backend()).to_numpy(self.total)

    def get_state(self, backend: Backend | None = None) -> dict[str, Any]:
        """What has been counted so far, as NumPy has it; `backend` is where the outputs are, as in `update`."""
        total = None if self.total is None else (backend or get_backend()).to_numpy(self.total)
        return {"total": total, "samples": int(self.samples)}

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        """Go on counting from what `get_state` gave."""
        total, samples, own = state["total"], state["samples"], backend or get_backend()
        self.total = None if total is None else in_double(own.asarray(total), own)
        self.samples, self._backend = samples, own


def in_double(total: Array, backend: Backend) -> Array:
    """A total as what follows is added to it: floats in double, counts as they are."""
    narrow = getattr(total, "dtype", None) == backend.xp.float32
    return backend.asarray(total, "float64") if narrow else total


class ClassMetric(Metric):
    """The base of metrics of classes, which take what losses of classes take: scores (N, C), (N, T, C) or (N, C, H, W),
    and class numbers or rows beside them.

    `count` gets a row for each of the M elements, y (M, C), and class numbers t (M,): -1 for those of `ignored_label`
    (None), which are not counted. axis (None) says where the classes are in y.
    """

    def __init__(self, ignored_label: int | None = None, axis: int | None = None) -> None:
        self.ignored_label, self.axis = read_class_options(type(self).__name__, ignored_label, axis)

    def elements(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Array, int | Array]:
        refuse_masked((y, t))
        axis = class_axis("metric", self.name, y.shape, self.axis)
        if tuple(t.shape) == tuple(y.shape):
            t = backend.xp.argmax(t, axis=axis) if y.shape[axis] > 1 else t  # one output has one target, and no row
        elif tuple(t.shape) != without_axis(y.shape, axis):
            raise ShapeError(f"metric {self.name}: outputs are {tuple(y.shape)}, labels {tuple(t.shape)}")
        t = t if t.ndim == 1 else backend.xp.reshape(t, (-1,))  # (M,)
        t = as_numbers(t, backend) if backend.xp.isdtype(t.dtype, "integral") else t
        t, number = without_ignored(t, self.ignored_label, backend)
        return to_rows(y, axis, backend), t, number


def without_ignored(t: Array, ignored_label: int | None, backend: Backend) -> tuple[Array, int | Array]:
    """Labels (M,) with -1 in the place of the ignored one, and how many others there are."""
    if ignored_label is None:
        return t, t.shape[0]
    xp = backend.xp
    counts = t != ignored_label
    t = t if xp.isdtype(t.dtype, "real floating") else xp.astype(t, xp.int64)  # which has a -1
    return xp.where(counts, t, -1), xp.sum(xp.astype(counts, xp.int64))


def refuse_uncounted(metric: ClassMetric, loss: Loss) -> None:
    """A share of elements must leave out those that the loss does, where their label is no class."""
    label = getattr(loss, "ignored_label", None)
    if label is not None and label < 0 and metric.ignored_label != label:
        raise OptionError(
            f"metric {metric.name} would count elements of label {label}, which {loss.name} ignores, as misses: give it"
            f" ignored_label={label}, or ask for it by its name"
        )


def guesses_of(y: Array, backend: Backend) -> Array:
    """The class of the largest score of each row (M, C): (M,); -1, no class, where one of them is NaN."""
    xp = backend.xp
    return xp.where(xp.all(y == y, axis=1), xp.argmax(y, axis=1), -1)


def labels_of(t: Array, backend: Backend) -> Array:
    """Class numbers (N,) from class numbers or one-hot rows (N, C)."""
    return backend.xp.argmax(t, axis=1) if t.ndim == 2 else t


def one_hot(labels: Array, classes: int, backend: Backend) -> Array:
    """Class numbers (N,) -> (N, C) of bool, True in the column of the class: for metrics of one's own."""
    return backend.one_hot(labels, classes)


def larger_is_better(name: str, metrics: Iterable[Metric] = ()) -> bool:
    """Of the value that the history calls so: as its metric says; if none does, accuracies grow and all else falls."""
    said = [m.larger_is_better for m in metrics if m.name == name.removeprefix("val_")]
    return "acc" in name if not said or said[0] is None else said[0]
