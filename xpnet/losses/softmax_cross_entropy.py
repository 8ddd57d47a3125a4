"""The loss of a network that chooses one of several classes."""

from collections.abc import Callable, Sequence

from xpnet.backend import Array, Backend
from xpnet.base.checks import fraction
from xpnet.losses.base import weigh
from xpnet.losses.class_loss import ClassLoss, as_one_hot
from xpnet.losses.class_weights import read_class_weights


class SoftmaxCrossEntropy(ClassLoss):
    """L = mean_n(-sum_c t[n,c] log softmax(y[n])[c]);  dy = (softmax(y) - t) / N.

    y (N, C) are scores before softmax ("logits"); t holds class numbers (N,) from 0 to C - 1, or one-hot rows (N, C)
    (or any probabilities that sum to one). n goes over all elements of sequences, y (N, T, C) with t (N, T), and of
    images, y (N, C, H, W) with t (N, H, W); `axis` says where the classes are, if elsewhere: 1 for (N, C, T).

    label_smoothing e (0) mixes the targets with the uniform distribution: t' = (1 - e) t + e / C, so that no score need
    grow without bound (Szegedy et al., 2016). ignored_label (None): the class number of elements that do not count; the
    mean is then over the others (0 if there are none).

    class_weights v (None), a number for each class: L = -sum_n sum_c v[c] t[n,c] log softmax(y[n])[c] / sum_n v[t[n]],
    so that a class of a few samples may count as much as the others; of rows of probabilities, divided by N. (The
    `class_weight` of fit belongs to one training, and divides by N always.)

    A score may be -inf, of a class that cannot be: its probability is 0, and so is its gradient. It must not be the
    target's, whose loss would be infinite.

    Elsewhere: torch.nn.CrossEntropyLoss; keras.losses.SparseCategoricalCrossentropy; the book's SoftmaxWithLoss.
    """

    name = "softmax_cross_entropy"
    activation = "softmax"

    def __init__(
        self,
        label_smoothing: float = 0.0,
        ignored_label: int | None = None,
        axis: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(ignored_label, axis)
        self.label_smoothing = fraction("SoftmaxCrossEntropy: label_smoothing", label_smoothing)
        self.class_weights = read_class_weights("SoftmaxCrossEntropy: class_weights", class_weights)
        self.divides_by_weights = class_weights is not None

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M,) or (M, C), w (M, 1)
        M, C = y.shape
        if self.label_smoothing:
            t = as_one_hot(t, y, backend) * (1 - self.label_smoothing) + self.label_smoothing / C
        if self.class_weights:
            t = as_one_hot(t, y, backend) * self.weights_of_classes(y.dtype, backend)
        losses, dy = backend.softmax_cross_entropy(y, t)  # (M,), (M, C)
        if self.class_weights:
            total = backend.sum(t, axis=1, keepdims=True)
            dy = dy * total + t * (total - 1)  # softmax(y) total - t, for dy = softmax(y) - t
        if w is not None:
            losses, dy = weigh(losses, w[:, 0], backend), dy * w
        return backend.sum(losses) / M, lambda: self.from_rows(dy / M, shape, backend)
