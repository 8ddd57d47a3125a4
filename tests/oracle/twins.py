"""PyTorch's modules and what they are here: how PyTorch's arguments make the layer or loss, and how it is called.

Parameters have the same names on both sides. A sample without a batch is a batch of one here. What xpnet does not have
stands in `ABSENT`, with the reason.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from xpnet import layers, losses
from xpnet.core.layer import Layer
from xpnet.losses import Loss


def plain(run: Callable[..., Any], given: dict[str, Any], *xs: Any, **named: Any) -> Any:
    """The module is called as the layer is; the input of some samples has its name."""
    return run(*xs, *named.values())


class Twin(NamedTuple):
    """`make` gets the arguments of PyTorch's constructor. `call` gets `run`, which runs what `make` has made
    on tensors, those arguments by name, and the inputs: what differs between two ways of calling is written in PyTorch,
    with its gradient.
    """

    make: Callable[..., Layer | Loss]
    call: Callable[..., Any] = plain
    axes: int = 1  # of the first input, if it is a batch


# ---- how arguments differ -------------------------------------------------------------------------------------------


def convolution(kind: Callable[..., Layer], axes: int) -> Twin:
    """A layer does not need to know the channels of its input."""
    return Twin(lambda inputs, filters, kernel_size, **options: kind(filters, kernel_size, **options), axes=axes)


def along_axis(kind: Callable[..., Layer]) -> Twin:
    """The axis of the batch is none here; a single number is the only one of a vector."""
    return Twin(lambda dim: kind(dim or -1), axes=2)


def max_pool(kind: Callable[..., Layer], axes: int) -> Twin:
    """Where the largest ones were is known to the way back alone."""

    def make(kernel_size: Any, stride: Any = None, padding: Any = 0, return_indices: bool = False) -> Layer:
        return kind(kernel_size, stride, padding)

    return Twin(make, axes=axes)


def mean_loss(kind: Callable[..., Loss]) -> Twin:
    return Twin(lambda reduction="mean", **options: kind(**options))


def weighted_outputs(run: Callable[..., Any], given: dict[str, Any], y: Any, t: Any) -> Any:
    """A weight for each output of a sample is one for each element here."""
    weight = given["weight"]
    return run(y, t) if weight is None else run(y, t, weight.expand_as(t))


# ---- the table ------------------------------------------------------------------------------------------------------

TWINS: dict[str, Twin] = {
    "BCEWithLogitsLoss": Twin(lambda **options: losses.BinaryCrossEntropyWithLogits(), weighted_outputs),
    "Conv2d": convolution(layers.Conv2D, 4),
    "LazyConv2d": Twin(layers.Conv2D, axes=4),
    "LeakyReLU": Twin(layers.LeakyReLU),
    "Linear": Twin(lambda inputs, units, bias=True: layers.Dense(units, bias), axes=2),
    "LocalResponseNorm": Twin(layers.LocalResponseNorm, axes=3),
    "LogSoftmax": along_axis(layers.LogSoftmax),
    "MSELoss": mean_loss(losses.MeanSquaredError),
    "MaxPool2d": max_pool(layers.MaxPool2D, 4),
    "ReLU": Twin(layers.ReLU),
    "Sigmoid": Twin(layers.Sigmoid),
    "Softmax": along_axis(layers.Softmax),
    "Softmax2d": Twin(layers.Softmax, axes=4),
    "Softmin": along_axis(layers.Softmax)._replace(call=lambda run, given, x: run(-x)),
    "Tanh": Twin(layers.Tanh),
}

ABSENT: dict[str, str] = {
    "AdaptiveAvgPool1d": "not yet",
    "AdaptiveAvgPool2d": "not yet",
    "AdaptiveMaxPool1d": "not yet",
    "AdaptiveMaxPool2d": "not yet",
    "AvgPool1d": "not yet",
    "AvgPool2d": "not yet",
    "BatchNorm1d": "not yet",
    "BatchNorm2d": "not yet",
    "CELU": "not yet",
    "Conv1d": "not yet",
    "ConvTranspose1d": "not yet",
    "ConvTranspose2d": "not yet",
    "CosineEmbeddingLoss": "not yet",
    "ELU": "not yet",
    "FractionalMaxPool2d": "draws where its windows are",
    "L1Loss": "not yet",
    "SmoothL1Loss": "not yet",
    "LazyConv1d": "not yet",
    "LazyConvTranspose1d": "not yet",
    "LazyConvTranspose2d": "not yet",
    "Bilinear": "not yet",
    "LPPool1d": "not yet",
    "LPPool2d": "not yet",
    "MaxPool1d": "not yet",
    "KLDivLoss": "not yet",
    "MarginRankingLoss": "not yet",
    "MultiLabelMarginLoss": "not yet",
    "MultiMarginLoss": "not yet",
    "SoftMarginLoss": "not yet",
    "MultiLabelSoftMarginLoss": "not yet",
    "NLLLoss": "not yet",
    "GaussianNLLLoss": "not yet",
    "PoissonNLLLoss": "not yet",
    "HingeEmbeddingLoss": "not yet",
    "HuberLoss": "not yet",
    "BCELoss": "not yet",
    "CrossEntropyLoss": "not yet",
    "LinearCrossEntropyLoss": "not yet",
    "CTCLoss": "not yet",
    "GELU": "not yet",
    "GLU": "not yet",
    "GroupNorm": "not yet",
    "Hardshrink": "not yet",
    "Hardswish": "not yet",
    "Hardtanh": "not yet",
    "InstanceNorm1d": "not yet",
    "InstanceNorm2d": "not yet",
    "LayerNorm": "not yet",
    "RMSNorm": "not yet",
    "TransformerEncoder": "not yet",
    "TransformerEncoderLayer": "not yet",
    "TransformerDecoderLayer": "not yet",
    "Transformer": "not yet",
    "MultiheadAttention": "not yet",
    "Embedding": "not yet",
    "ReLU6": "not yet",
    "PReLU": "not yet",
    "RNNCell": "not yet",
    "GRUCell": "not yet",
    "LSTMCell": "not yet",
    "LogSigmoid": "not yet",
    "SiLU": "not yet",
    "Softplus": "not yet",
    "Softshrink": "not yet",
    "Softsign": "not yet",
    "Tanhshrink": "not yet",
    "Threshold": "not yet",
    "Mish": "not yet",
    "RNN": "not yet",
    "GRU": "not yet",
    "LSTM": "not yet",
    "ReflectionPad1d": "not yet",
    "ReflectionPad2d": "not yet",
    "ReplicationPad1d": "not yet",
    "ReplicationPad2d": "not yet",
    "SELU": "not yet",
    "ZeroPad1d": "not yet",
    "ZeroPad2d": "not yet",
    "CircularPad1d": "not yet",
    "CircularPad2d": "not yet",
    "ConstantPad1d": "not yet",
    "ConstantPad2d": "not yet",
}
