"""Which class a network takes for which."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.errors import OptionError, ShapeError
from xpnet.metrics.base import ClassMetric, guesses_of

MOST = 2**20  # elements at a time: float32 counts exactly to 2**24, and the pixels of a batch may be more


class ConfusionMatrix(ClassMetric):
    """result()[i, j]: how many elements of class i were taken for class j; integers, (classes, classes), NumPy.

    Elements, ignored_label (None) and axis (None) are as in Accuracy; a label that is no class is not counted,
    nor is an element with a NaN among its outputs, which is taken for none. Miller and Nicely, 1955.

    Elsewhere: sklearn.metrics.confusion_matrix.
    """

    name = "confusion_matrix"

    def __init__(self, classes: int, ignored_label: int | None = None, axis: int | None = None) -> None:
        super().__init__(ignored_label, axis)
        self.classes = whole("ConfusionMatrix: classes", classes, 2)

    def count(self, y: Array, t: Array, backend: Backend) -> Array:
        if y.shape[1] != self.classes:
            raise ShapeError(
                f"ConfusionMatrix was made for {self.classes} classes, the network has {y.shape[1]} outputs"
            )
        xp, guess = backend.xp, guesses_of(y, backend)  # (M,)
        total = backend.zeros((self.classes, self.classes), "int64")
        for start in range(0, t.shape[0], MOST):
            part = slice(start, min(start + MOST, t.shape[0]))
            rows = (backend.one_hot(each[part], self.classes) for each in (t, guess))
            true, guessed = (xp.astype(each, xp.float32) for each in rows)  # (at most MOST, C)
            total = total + xp.astype(xp.matmul(true.mT, guessed), xp.int64)
        return total

    def result(self) -> Any:
        if self.total is None:
            raise OptionError(
                "ConfusionMatrix has counted nothing yet: call update, or evaluate with it among the metrics"
            )
        return self.total_on_host()
