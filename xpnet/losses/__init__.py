"""Losses have the protocol of layers: `value, back = loss.forward(y, t)`, then `dy = back()`.

`value` is the mean over the batch and stays on the device until somebody reads it. With sample weights it is
L = sum_n(w[n] L[n]) / N, divided by the number of samples, as in Keras, not by the sum of the weights: weights of 1
change nothing, and to weigh all samples twice is to double the loss. Of sequences and images with a class for each
element, N is the number of elements that have a label. The `class_weights` of a loss itself are another thing: by those
softmax_cross_entropy and negative_log_likelihood do divide, as in PyTorch.

For targets that are
- numbers: MeanSquaredError, MeanAbsoluteError, Huber, SmoothL1; directions: CosineSimilarity;
- classes: SoftmaxCrossEntropy, Focal, RubbishCrossEntropy, MultiClassHinge, Dice; with log-probabilities:
  NegativeLogLikelihood;
- distributions: SoftmaxCrossEntropy, Focal; with log-probabilities: NegativeLogLikelihood, KLDivergence;
- yes or no: BinaryCrossEntropyWithLogits, Hinge; with probabilities: BinaryCrossEntropyOfProbabilities.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xpnet.base.configured import is_function, require_callable
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.errors import OptionError
from xpnet.losses.base import Loss
from xpnet.losses.binary_cross_entropy import BinaryCrossEntropyOfProbabilities, BinaryCrossEntropyWithLogits
from xpnet.losses.cosine_similarity import CosineSimilarity
from xpnet.losses.dice import Dice
from xpnet.losses.focal import Focal
from xpnet.losses.hinge import Hinge, MultiClassHinge
from xpnet.losses.huber import Huber, SmoothL1
from xpnet.losses.joint import Joint, join_losses
from xpnet.losses.kl_divergence import KLDivergence
from xpnet.losses.mean_absolute_error import MeanAbsoluteError
from xpnet.losses.mean_squared_error import MeanSquaredError
from xpnet.losses.negative_log_likelihood import NegativeLogLikelihood
from xpnet.losses.of_function import OfFunction as _OfFunction
from xpnet.losses.rubbish_cross_entropy import RubbishCrossEntropy
from xpnet.losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = [
    "LOSSES",
    "BinaryCrossEntropyOfProbabilities",
    "BinaryCrossEntropyWithLogits",
    "CosineSimilarity",
    "Dice",
    "Focal",
    "Hinge",
    "Huber",
    "Joint",
    "KLDivergence",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MultiClassHinge",
    "NegativeLogLikelihood",
    "RubbishCrossEntropy",
    "SmoothL1",
    "SoftmaxCrossEntropy",
    "get",
]

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (
        SoftmaxCrossEntropy,
        NegativeLogLikelihood,
        KLDivergence,
        Focal,
        RubbishCrossEntropy,
        Dice,
        MultiClassHinge,
        BinaryCrossEntropyWithLogits,
        BinaryCrossEntropyOfProbabilities,
        Hinge,
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        SmoothL1,
        CosineSimilarity,
    )
}
_MAKE: dict[str, Callable[[], Loss]] = {
    **LOSSES,
    "squared_hinge": partial(Hinge, squared=True),
    "categorical_hinge": partial(MultiClassHinge, largest=True),
}
_OTHER_NAMES = {
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "l1": "mean_absolute_error",
    "nll": "negative_log_likelihood",
    "kld": "kl_divergence",
    "kl_div": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "categorical_focal_crossentropy": "focal",
    "multi_margin": "multi_class_hinge",
}


def get(loss: Any, weights: Any = None) -> Loss:
    """A loss from its name, from a function that returns (value, back), or as it is; from a dict, tuple or list of
    these, for a network of several outputs, the sum of them with these weights.
    """
    if isinstance(loss, (dict, tuple, list)):
        return join_losses(loss, weights, get)
    if weights is not None:
        raise OptionError("loss_weights are for several losses, in a dict or a tuple; there is one")
    if isinstance(loss, Loss):
        require_callable(loss, "forward", "self, y, t, backend=None", "forward_parts")
        return loss
    if is_function(loss):
        return _OfFunction(loss)
    return by_name("loss", loss, _MAKE, "or give a Loss", aliases=_OTHER_NAMES)


if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
