"""The loss of a network that chooses one of several classes, where most choices are easy."""

from collections.abc import Callable, Sequence

from xpnet.backend import Array, Backend
from xpnet.base.checks import at_least_zero
from xpnet.losses.class_loss import ClassLoss, as_one_hot
from xpnet.losses.class_weights import read_class_weights


class Focal(ClassLoss):
    """L = mean_n(-sum_c alpha[c] t[n,c] (1 - p)**gamma log p), p = softmax(y[n])[c]: cross-entropy that leaves out, the
    more the surer the network is, what it knows already.

    dy[n,c] = (q[c] - p sum_c q[c]) / N, q[c] = alpha[c] t[n,c] (1 - p)**gamma (gamma p log p / (1 - p) - 1).

    gamma (2): 0 is softmax_cross_entropy.  alpha (None: 1 for all): a number for each class; the mean is over the
    number of elements. y, t, ignored_label (None) and axis (None) are as in SoftmaxCrossEntropy. Lin et al., 2017.

    Elsewhere: keras.losses.CategoricalFocalCrossentropy (of probabilities).
    """

    name = "focal"
    activation = "softmax"

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Sequence[float] | None = None,
        ignored_label: int | None = None,
        axis: int | None = None,
    ) -> None:
        super().__init__(ignored_label, axis)
        self.gamma = at_least_zero("Focal: gamma", gamma)
        self.alpha = self.class_weights = read_class_weights("Focal: alpha", alpha)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M,) or (M, C), w (M, 1)
        xp, M = backend.xp, y.shape[0]
        t = as_one_hot(t, y, backend)
        if self.alpha:
            t = t * self.weights_of_classes(y.dtype, backend)
        t = t if w is None else t * w
        shifted = y - xp.max(y, axis=1, keepdims=True)
        log_p = shifted - xp.log(backend.sum(xp.exp(shifted), axis=1, keepdims=True))  # (M, C)
        p, rest = xp.exp(log_p), -xp.expm1(log_p)  # rest is 1 - p, exact also where p is almost 1
        focused = t * rest**self.gamma
        cost, log_p = xp.where(focused == 0, 0, log_p), xp.where(p == 0, 0, log_p)  # 0 times -inf counts as 0

        def back() -> Array:
            slope = xp.where(rest > 0, log_p / xp.where(rest > 0, rest, 1), -1)  # log p / (1 - p), -1 where p is 1
            q = focused * (self.gamma * p * slope - 1)
            dy = q - p * backend.sum(q, axis=1, keepdims=True)
            return self.from_rows(dy / M, shape, backend)

        return backend.sum(focused * cost) / -M, back
