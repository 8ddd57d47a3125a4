"""The loss of a network that gives log-probabilities of classes."""

from collections.abc import Callable, Sequence

from xpnet.backend import Array, Backend
from xpnet.errors import OptionError
from xpnet.losses.base import declared, weigh
from xpnet.losses.class_loss import ClassLoss, as_one_hot
from xpnet.losses.class_weights import read_class_weights


class OfLogProbabilities(ClassLoss):
    """The base of losses of log-probabilities: of scores, they would fall without end."""

    def check_last(self, layer: type | None) -> None:
        """Layers of one's own are trusted to give log-probabilities."""
        if layer and declared(layer, "gives") not in (None, "log_probabilities"):
            raise OptionError(
                f"the network ends with {layer.__name__}, and the loss {self.name} takes the logarithms of"
                " probabilities: end it with layers.LogSoftmax, or use softmax_cross_entropy, which takes scores"
            )


class NegativeLogLikelihood(OfLogProbabilities):
    """L = mean_n(-sum_c t[n,c] y[n,c]);  dy = -t / N.

    y (N, C) are log-probabilities, as layers.LogSoftmax gives them, or a mean of such; t, and what else y may be,
    ignored_label (None), axis (None) and class_weights (None), as in SoftmaxCrossEntropy.
    Behind one LogSoftmax this is softmax_cross_entropy. Of a mean it is the mean of what each would have alone.
    Fisher, 1922.

    Elsewhere: torch.nn.NLLLoss.
    """

    name = "negative_log_likelihood"

    def __init__(
        self,
        ignored_label: int | None = None,
        axis: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(ignored_label, axis)
        self.class_weights = read_class_weights("NegativeLogLikelihood: class_weights", class_weights)
        self.divides_by_weights = class_weights is not None

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        shape = y.shape
        backend, y, t, w = self.prepare_rows(y, t, backend, sample_weight)  # y (M, C), t (M,) or (M, C), w (M, 1)
        t, M = as_one_hot(t, y, backend), y.shape[0]
        if self.class_weights:
            t = t * self.weights_of_classes(y.dtype, backend)
        if w is not None:
            t = t * w
        return backend.sum(weigh(y, t, backend)) / -M, lambda: self.from_rows(t / -M, shape, backend)
