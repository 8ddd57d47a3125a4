"""Losses have the protocol of layers: `value, back = loss.forward(y, t)`, then `dy = back()`.

`value` is the mean over the batch and stays on the device until somebody reads it. With sample weights it is
L = sum_n(w[n] L[n]) / N, divided by the number of samples, as in Keras, not by the sum of the weights, as PyTorch does
for its class weights: weights of 1 change nothing, and to weigh all samples twice is to double the loss. Of sequences
and images with a class for each element, N is the number of elements that have a label.
"""

from typing import Any

from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.errors import OptionError
from xpnet.losses.base import Loss
from xpnet.losses.binary_cross_entropy import BinaryCrossEntropyWithLogits
from xpnet.losses.joint import Joint, join_losses
from xpnet.losses.mean_squared_error import MeanSquaredError
from xpnet.losses.negative_log_likelihood import NegativeLogLikelihood
from xpnet.losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = [
    "LOSSES",
    "BinaryCrossEntropyWithLogits",
    "Joint",
    "Loss",
    "MeanSquaredError",
    "NegativeLogLikelihood",
    "SoftmaxCrossEntropy",
    "get",
]

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (SoftmaxCrossEntropy, NegativeLogLikelihood, BinaryCrossEntropyWithLogits, MeanSquaredError)
}
_KERAS_NAMES = {
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "mse": "mean_squared_error",
    "nll": "negative_log_likelihood",
}


def get(loss: Any, weights: Any = None) -> Loss:
    """A loss from its name, or as it is; from a dict, tuple or list of these, for a network of several outputs, the
    sum of them with these weights.
    """
    if isinstance(loss, (dict, tuple, list)):
        return join_losses(loss, weights, get)
    if weights is not None:
        raise OptionError("loss_weights are for several losses, in a dict or a tuple; there is one")
    if isinstance(loss, Loss):
        return loss
    return by_name("loss", loss, LOSSES, "or give a Loss", aliases=_KERAS_NAMES)


__getattr__ = explained(__name__)
