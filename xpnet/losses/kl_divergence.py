"""The loss of a network that gives a distribution, and is held against another one."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.errors import DataError, ShapeError
from xpnet.losses.base import batch_of
from xpnet.losses.negative_log_likelihood import OfLogProbabilities


class KLDivergence(OfLogProbabilities):
    """L = mean_n(sum_c t[n,c] (log t[n,c] - y[n,c])), 0 log 0 = 0;  dy = -t / N.

    How far the distributions y, log-probabilities as layers.LogSoftmax gives them, are from the targets t, which are
    probabilities in the shape of y: (N, C), (N, T, C) or (N, C, H, W); axis (None): where the classes are, if
    elsewhere. log_targets (False): t holds logarithms, too. Kullback and Leibler, 1951; of a network that learns from
    another one's answers, Hinton, Vinyals and Dean, 2015.

    The gradient is that of softmax_cross_entropy with rows as targets; the value is 0 where the answer is right.

    Elsewhere: torch.nn.KLDivLoss (reduction="batchmean"); keras.losses.KLDivergence (of probabilities).
    """

    name = "kl_divergence"

    def __init__(self, log_targets: bool = False, axis: int | None = None) -> None:
        super().__init__(None, axis)
        self.log_targets = bool(log_targets)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        self.same_shape(y, t)
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M, C), w (M, 1)
        xp, M = backend.xp, y.shape[0]
        log_t, t = (t, xp.exp(t)) if self.log_targets else (xp.log(xp.where(t == 0, 1, t)), t)
        t = t if w is None else t * w
        none = (t == 0) & (xp.isinf(y) | xp.isinf(log_t))
        log_t, y = xp.where(none, 0, log_t), xp.where(none, 0, y)  # 0 log 0 = 0, and so is 0 times -inf
        return backend.sum(t * (log_t - y)) / M, lambda: self.from_rows(t / -M, shape, backend)

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        if tuple(t.shape[1:]) != outputs:
            raise ShapeError(
                f"loss {self.name}: targets are probabilities in the shape of the outputs, {batch_of(outputs)}, and"
                f" these are {tuple(t.shape)}; for class numbers take negative_log_likelihood"
            )
        if not self.log_targets:
            super().check(outputs, t)
        elif not (t <= 1e-3).all():
            raise DataError(f"loss {self.name}: targets are logarithms of probabilities, and some are above 0")
