"""Which class a network takes for which."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import whole
from xpnet.errors import OptionError, ShapeError
from xpnet.metrics.base import ClassMetric


class ConfusionMatrix(ClassMetric):
    """result()[i, j]: how many elements of class i were taken for class j; integers, (classes, classes), NumPy.

    Elements, ignored_label (None) and axis (None) are as in Accuracy; a label that is no class is not counted. Miller
    and Nicely, 1955.

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
        xp = backend.xp
        true = xp.astype(backend.one_hot(t, self.classes), xp.float32)  # (M, C)
        guess = xp.astype(backend.one_hot(xp.argmax(y, axis=1), self.classes), xp.float32)
        return xp.astype(xp.matmul(true.mT, guess), xp.int64)  # exact: a batch has fewer than 2**24 samples

    def result(self) -> Any:
        if self.total is None:
            raise OptionError(
                "ConfusionMatrix has counted nothing yet: call update, or evaluate with it among the metrics"
            )
        return self.total_on_host()
