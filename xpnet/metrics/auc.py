"""How well the scores of a network part the two answers, wherever the line between them is drawn."""

from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import Loss
from xpnet.losses.class_loss import class_axis
from xpnet.metrics.base import ClassMetric, refuse_uncounted


class AUC(ClassMetric):
    """The area under the curve of true positives over false positives (ROC): the probability that of two elements, one
    yes and one no, the yes has the higher score; equal scores count half, a NaN never. Hanley and McNeil, 1982.

    One output is the score itself; of two classes, it is how far the output of class 1 is above that of class 0.
    Elements, ignored_label (None) and axis (None) are as in Accuracy. name: what the history calls it.

    It is exact, from the ranks of all scores, which it keeps on the device until `reset`: a number and a label for each
    element. NaN if all labels are alike.

    Elsewhere: keras.metrics.AUC (by thresholds); sklearn.metrics.roc_auc_score.
    """

    name = "auc"
    larger_is_better = True
    scores: list[Array]  # of each batch (M,)
    labels: list[Array]  # of each batch (M,): 1, 0, or -1 for what is ignored

    def __init__(self, ignored_label: int | None = None, axis: int | None = None, name: str = "auc") -> None:
        super().__init__(ignored_label, axis)
        self.name = name
        self.reset()

    def check(self, outputs: tuple[int, ...], loss: Loss) -> None:
        classes = outputs[class_axis("metric", self.name, (0, *outputs), self.axis) - 1]
        if classes > 2 or (classes == 2 and loss.boundary is not None):
            raise OptionError(f"metric {self.name} is for one output or for two classes, and the network has {classes}")
        refuse_uncounted(self, loss)

    def reset(self) -> None:
        self.samples = 0
        self.scores, self.labels = [], []

    def update(self, y: Array, t: Array, backend: Backend | None = None) -> None:
        backend = self._backend = backend or get_backend()
        y, t, number = self.elements(y, t, backend)  # (M, 1) or (M, 2), (M,)
        if y.shape[1] > 2:
            raise ShapeError(f"metric {self.name} is for one output or for two classes, not for {y.shape[1]}")
        xp = backend.xp
        labels = xp.astype(xp.astype(t, y.dtype) > 0.5, xp.int64)
        self.scores.append(backend.copy(y[:, 0]) if y.shape[1] == 1 else y[:, 1] - y[:, 0])
        self.labels.append(labels if self.ignored_label is None else xp.where(t == -1, -1, labels))
        self.samples = self.samples + number

    def result(self) -> float:
        if not self.scores or self._backend is None:
            return float("nan")
        xp, scores, labels = self._backend.xp, *self._joined()
        yes, no = scores[labels == 1], xp.sort(scores[labels == 0])
        pairs = yes.shape[0] * no.shape[0]
        if not pairs:
            return float("nan")
        yes, no = yes[yes == yes], no[no == no]  # a NaN is never right
        below, not_above = (xp.sum(xp.searchsorted(no, yes, side=side)) for side in ("left", "right"))
        area: float = float(below + not_above) / (2 * pairs)
        return area

    def get_state(self, backend: Backend | None = None) -> dict[str, Any]:
        where = backend or get_backend()
        scores, labels = map(where.to_numpy, self._joined()) if self.scores else (None, None)
        return {"scores": scores, "labels": labels, "samples": int(self.samples)}

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        samples, own, given = state["samples"], backend or get_backend(), state["scores"] is not None
        scores, labels = ([own.asarray(state[name])] if given else [] for name in ("scores", "labels"))
        self.samples, self._backend, self.scores, self.labels = samples, own, scores, labels

    def _joined(self) -> tuple[Array, Array]:
        """Of all batches: (M,), (M,)."""
        xp = (self._backend or get_backend()).xp
        return xp.concat(self.scores), xp.concat(self.labels)
