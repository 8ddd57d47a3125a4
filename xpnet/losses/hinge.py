"""The losses of support vector machines: an answer that is right by a margin costs nothing."""

from collections.abc import Callable, Sequence
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.base.checks import positive
from xpnet.errors import DataError, OptionError
from xpnet.losses.class_loss import ClassLoss
from xpnet.losses.class_weights import read_class_weights
from xpnet.losses.of_entries import LossOfEntries


class Hinge(LossOfEntries):
    """L = mean(max(0, 1 - s y)), s = 1 for yes and -1 for no;  dy = -s / size where s y < 1, else 0.

    y are scores, each the answer to a question of its own, above 0 for yes; t has the same shape and holds 1 and -1, or
    1 and 0. squared (False): L = mean(max(0, 1 - s y)**2), which has no kink. Behind a network whose last layer has
    `regularizer=L2(...)` it is a support vector machine (Cortes and Vapnik, 1995; squared: Tang, 2013).

    Elsewhere: keras.losses.Hinge; keras.losses.SquaredHinge (squared=True).
    """

    name = "hinge"
    boundary = 0.0

    def __init__(self, squared: bool = False) -> None:
        self.squared = bool(squared)

    def of_entries(self, y: Array, t: Array, backend: Backend) -> tuple[Array, Callable[[], Array]]:
        xp = backend.xp
        sign = 2 * xp.astype(t > 0, y.dtype) - 1
        short = xp.maximum(1 - sign * y, 0)  # of the margin
        if self.squared:
            return short * short, lambda: -2 * sign * short
        return short, lambda: xp.where(short > 0, -sign, 0)

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        super().check(outputs, t)
        yes = t == 1
        if not ((yes | (t == -1)).all() or (yes | (t == 0)).all()):
            raise DataError(
                f"loss {self.name}: targets must be 1 and -1, or 1 and 0; they reach from {t.min()} to {t.max()}"
            )


class MultiClassHinge(ClassLoss):
    """L = mean_n(sum_{c != t[n]} max(0, margin - y[n,t[n]] + y[n,c])**p / C);  dy is its derivative.

    y (N, C) are scores, t class numbers or one-hot rows: what both may be, ignored_label (None) and axis (None) are as
    in SoftmaxCrossEntropy. margin: 1. p: 1 or 2. The sum is that of Weston and Watkins, 1999; with largest=True (False)
    the class that comes closest counts alone, L = mean_n(max_{c != t[n]} max(0, margin - y[n,t[n]] + y[n,c])**p)
    (Crammer and Singer, 2001). Behind a network it is a support vector machine on what the network has learned.

    class_weights (None): a factor for the loss of the elements of each class; the mean is over their number.

    Elsewhere: torch.nn.MultiMarginLoss; keras.losses.CategoricalHinge (largest=True).
    """

    name = "multi_class_hinge"

    def __init__(
        self,
        margin: float = 1.0,
        p: int = 1,
        largest: bool = False,
        class_weights: Sequence[float] | None = None,
        ignored_label: int | None = None,
        axis: int | None = None,
    ) -> None:
        super().__init__(ignored_label, axis)
        self.margin, self.p, self.largest = positive("MultiClassHinge: margin", margin), p, bool(largest)
        if p not in (1, 2):
            raise OptionError(f"MultiClassHinge: p must be 1 or 2, not {p!r}")
        self.class_weights = read_class_weights("MultiClassHinge: class_weights", class_weights)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M,) or (M, C), w (M, 1)
        xp, (M, C) = backend.xp, y.shape
        t = xp.argmax(t, axis=1) if t.ndim == 2 else t
        own = backend.one_hot(t, C)  # (M, C)
        if self.class_weights is not None:
            factor = xp.reshape(xp.take(self.weights_of_classes(y.dtype, backend), t), (-1, 1))  # (M, 1)
            w = factor if w is None else w * factor
        distance = self.margin - backend.sum(xp.where(own, y, 0), axis=1, keepdims=True) + y  # (M, C)
        short = xp.where(own, 0, xp.maximum(distance, 0))
        if self.largest:
            short = xp.where(backend.one_hot(xp.argmax(short, axis=1), C), short, 0)
        scale = M if self.largest else M * C
        losses = short**self.p if w is None else short**self.p * w

        def back() -> Array:
            dy = 2 * short if self.p == 2 else xp.astype(short > 0, y.dtype)
            dy = dy if w is None else dy * w
            dy = xp.where(own, -backend.sum(dy, axis=1, keepdims=True), dy)
            return self.from_rows(dy / scale, shape, backend)

        return backend.sum(losses) / scale, back
