"""The loss of a network that chooses one of several classes, or could have said that it is none of them."""

from collections.abc import Callable

from xpnet.backend import Array, Backend
from xpnet.base.checks import positive
from xpnet.losses.base import weigh
from xpnet.losses.class_loss import ClassLoss


class RubbishCrossEntropy(ClassLoss):
    """L = mean_n(-sum_c t[n,c] y[n,c] + log(exp(-j) + sum_c exp(y[n,c])));  dy = (p - t) / N, with p[n,c] =
    exp(y[n,c]) / (exp(-j) + sum_k exp(y[n,k])).

    It is softmax_cross_entropy with one more class, rubbish, whose score is always -j and which is never the target: a
    score far below -j is pushed no further down, and of an input that is none of the classes all may be. With penalties
    in the place of scores, y = -penalty, it is equation 9 of LeCun, Bottou, Bengio and Haffner, 1998.

    margin: j (0.1). y, t, ignored_label (None) and axis (None) are as in SoftmaxCrossEntropy.
    """

    name = "rubbish_cross_entropy"
    activation = "softmax"

    def __init__(self, margin: float = 0.1, ignored_label: int | None = None, axis: int | None = None) -> None:
        super().__init__(ignored_label, axis)
        self.margin = positive("RubbishCrossEntropy: margin", margin)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M,) or (M, C), w (M, 1)
        xp, (M, C) = backend.xp, y.shape
        nothing = xp.zeros_like(y[:, :1])
        t = t if t.ndim == 1 else xp.concat([t, nothing], axis=1)  # (M, C + 1)
        losses, dy = backend.softmax_cross_entropy(xp.concat([y, nothing - self.margin], axis=1), t)
        dy = dy[:, :C]
        if w is not None:
            losses, dy = weigh(losses, w[:, 0], backend), dy * w
        return backend.sum(losses) / M, lambda: self.from_rows(dy / M, shape, backend)
