"""The base of all metrics: a total on the device, and how many samples are in it."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.configured import Configured
from xpnet.errors import OptionError
from xpnet.losses import Loss


class Metric(Configured):
    """The base: a subclass says what one batch adds to the total; the result is the total per sample."""

    name = "metric"
    larger_is_better: bool | None = None  # None: the name tells, as larger_is_better below says
    total: Array | None = None
    samples = 0

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        """Refuse what could not mean anything: outputs of this shape (no batch), or the targets of the loss."""

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        """What a batch of outputs `y` and labels `t` adds: a number or an array on the device."""
        raise OptionError(f"{type(self).__name__} does not say what it counts")

    def reset(self) -> None:
        self.total, self.samples = None, 0

    def update(self, y: Array, t: Array, backend: Backend | None = None) -> None:
        """Count a batch of outputs and labels, which are on `backend` (by default the current one)."""
        added = self.count(y, t, backend or get_backend())
        self.total = added if self.total is None else self.total + added
        self.samples += y.shape[0]

    def result(self) -> Any:
        """The value so far; waits for the device."""
        return float(self.total) / self.samples if self.samples else float("nan")  # type: ignore[arg-type]

    def get_state(self, backend: Backend | None = None) -> dict[str, Any]:
        """What has been counted so far, as NumPy has it; `backend` is where the outputs are, as in `update`."""
        total = None if self.total is None else (backend or get_backend()).to_numpy(self.total)
        return {"total": total, "samples": self.samples}

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        """Go on counting from what `get_state` gave."""
        total, self.samples = state["total"], state["samples"]
        self.total = None if total is None else (backend or get_backend()).asarray(total)


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
