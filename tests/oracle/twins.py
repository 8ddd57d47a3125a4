"""PyTorch's modules and what they are here: how PyTorch's arguments make the layer or loss, and how it is called.

Parameters have the same names on both sides. A sample without a batch is a batch of one here. What xpnet does not have
stands in `ABSENT`, with the reason.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.oracle import sequences
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
    kept: tuple[str, ...] = ()  # parameters that a module may lack: then they stay at 1 or 0, where they start
    suffix: str = ""  # of the names of parameters here


# ---- how arguments differ -------------------------------------------------------------------------------------------


def convolution(kind: Callable[..., Layer], axes: int) -> Twin:
    """A layer does not need to know the channels of its input."""
    return Twin(lambda inputs, filters, kernel_size, **options: kind(filters, kernel_size, **options), axes=axes)


def along_axis(kind: Callable[..., Layer]) -> Twin:
    """The axis of the batch is none here; a single number is the only one of a vector."""
    return Twin(lambda dim: kind(dim or -1), axes=2)


def pool(kind: Callable[..., Layer], axes: int) -> Twin:
    """Where the largest ones were is known to the way back alone."""

    def make(*sizes: Any, kernel_size: Any = None, return_indices: bool = False, **more: Any) -> Layer:
        sizes = sizes or (kernel_size,)
        return kind(*(size[0] if axes == 3 and isinstance(size, tuple) else size for size in sizes), **more)

    return Twin(make, axes=axes)


def last_axes(kind: Callable[..., Layer]) -> Twin:
    """How many axes, not what sizes they have."""

    def make(normalized_shape: Any, eps: Any = None, elementwise_affine: bool = True, **more: Any) -> Layer:
        return kind(len(normalized_shape), eps, elementwise_affine, **more)

    return Twin(make, axes=2)


def running_norm(kind: Callable[..., Layer], axes: int) -> Twin:
    """Channels are told by the input; eps stands in front of momentum there."""

    def make(channels: int, eps: float = 1e-5, momentum: Any = 0.1, *more: bool, **options: bool) -> Layer:
        options.pop("bias", None)
        return kind(momentum, eps, *more, **options)

    return Twin(make, axes=axes, kept=("bias", "num_batches_tracked"))


def mean_loss(kind: Callable[..., Loss]) -> Twin:
    return Twin(lambda reduction="mean", **options: kind(**options))


def class_loss(kind: Callable[..., Loss]) -> Twin:
    """Classes are on axis 1, also those of sequences."""

    def make(weight: Any = None, ignore_index: int | None = None, reduction: str = "mean", **more: Any) -> Loss:
        return kind(
            ignored_label=ignore_index, axis=1, class_weights=None if weight is None else weight.tolist(), **more
        )

    return Twin(make, axes=2)


def multi_margin(weight: Any = None, reduction: str = "mean", **options: Any) -> Loss:
    return losses.MultiClassHinge(class_weights=None if weight is None else weight.tolist(), **options)


def weighted_outputs(run: Callable[..., Any], given: dict[str, Any], y: Any, t: Any) -> Any:
    """A weight for each output of a sample is one for each element here."""
    weight = given["weight"]
    return run(y, t) if weight is None else run(y, t, weight.expand_as(t))


def divergence(run: Callable[..., Any], given: dict[str, Any], y: Any, t: Any) -> Any:
    """The mean over samples, PyTorch's "batchmean", or over all numbers."""
    return run(y, t) if given["reduction"] == "batchmean" else run(y, t) / y.shape[1]


# ---- the table ------------------------------------------------------------------------------------------------------

TWINS: dict[str, Twin] = {
    "AvgPool1d": pool(layers.AvgPool1D, 3),
    "AvgPool2d": pool(layers.AvgPool2D, 4),
    "BCELoss": Twin(lambda **options: losses.BinaryCrossEntropyOfProbabilities(), weighted_outputs),
    "BCEWithLogitsLoss": Twin(lambda **options: losses.BinaryCrossEntropyWithLogits(), weighted_outputs),
    "BatchNorm1d": running_norm(layers.BatchNorm1D, 2),
    "BatchNorm2d": running_norm(layers.BatchNorm2D, 4),
    "CELU": Twin(layers.CELU),
    "Conv1d": convolution(layers.Conv1D, 3),
    "Conv2d": convolution(layers.Conv2D, 4),
    "ConvTranspose1d": convolution(layers.ConvTranspose1D, 3),
    "ConvTranspose2d": convolution(layers.ConvTranspose2D, 4),
    "CrossEntropyLoss": class_loss(losses.SoftmaxCrossEntropy),
    "ELU": Twin(layers.ELU),
    "Embedding": Twin(lambda num_embeddings, embedding_dim: layers.Embedding(num_embeddings, embedding_dim)),
    "GELU": Twin(lambda approximate="none": layers.GELU(approximate == "tanh")),
    "GLU": Twin(lambda dim=-1: layers.GLU(dim), axes=2),
    "GRU": Twin(sequences.recurrent(layers.GRU), sequences.read, axes=0),
    "GRUCell": Twin(sequences.cell(layers.GRU), sequences.step, axes=2, suffix="_l0"),
    "GroupNorm": Twin(
        lambda groups, channels, *more, bias=True: layers.GroupNorm(groups, *more), axes=2, kept=("bias",)
    ),
    "Hardswish": Twin(layers.HardSwish),
    "Hardtanh": Twin(layers.HardTanh),
    "HuberLoss": mean_loss(losses.Huber),
    "InstanceNorm1d": running_norm(layers.InstanceNorm1D, 3),
    "InstanceNorm2d": running_norm(layers.InstanceNorm2D, 4),
    "KLDivLoss": Twin(lambda log_target=False, reduction="mean": losses.KLDivergence(log_target), divergence, axes=2),
    "L1Loss": mean_loss(losses.MeanAbsoluteError),
    "LSTM": Twin(sequences.recurrent(layers.LSTM), sequences.read, axes=0),
    "LSTMCell": Twin(sequences.cell(layers.LSTM), sequences.step, axes=2, suffix="_l0"),
    "LayerNorm": last_axes(layers.LayerNorm),
    "LazyConv1d": Twin(layers.Conv1D, axes=3),
    "LazyConv2d": Twin(layers.Conv2D, axes=4),
    "LazyConvTranspose1d": Twin(layers.ConvTranspose1D, axes=3),
    "LazyConvTranspose2d": Twin(layers.ConvTranspose2D, axes=4),
    "LeakyReLU": Twin(layers.LeakyReLU),
    "Linear": Twin(lambda inputs, units, bias=True: layers.Dense(units, bias), axes=2),
    "LocalResponseNorm": Twin(layers.LocalResponseNorm, axes=3),
    "LogSigmoid": Twin(layers.LogSigmoid),
    "LogSoftmax": along_axis(layers.LogSoftmax),
    "MSELoss": mean_loss(losses.MeanSquaredError),
    "MaxPool1d": pool(layers.MaxPool1D, 3),
    "MaxPool2d": pool(layers.MaxPool2D, 4),
    "Mish": Twin(layers.Mish),
    "MultiLabelSoftMarginLoss": Twin(lambda **options: losses.BinaryCrossEntropyWithLogits(), weighted_outputs),
    "MultiMarginLoss": Twin(multi_margin),
    "MultiheadAttention": Twin(sequences.attention, sequences.attend, axes=0),
    "NLLLoss": class_loss(losses.NegativeLogLikelihood),
    "PReLU": Twin(lambda number=1: layers.PReLU(number > 1)),
    "RMSNorm": last_axes(layers.RMSNorm),
    "RNN": Twin(sequences.recurrent(layers.SimpleRNN), sequences.read, axes=0),
    "RNNCell": Twin(sequences.cell(layers.SimpleRNN), sequences.step, axes=2, suffix="_l0"),
    "ReLU": Twin(layers.ReLU),
    "ReLU6": Twin(layers.ReLU6),
    "SELU": Twin(layers.SELU),
    "SiLU": Twin(layers.SiLU),
    "Sigmoid": Twin(layers.Sigmoid),
    "SmoothL1Loss": mean_loss(losses.SmoothL1),
    "SoftMarginLoss": Twin(
        lambda **options: losses.BinaryCrossEntropyWithLogits(), lambda run, given, y, t: run(y, (t + 1) / 2)
    ),
    "Softmax": along_axis(layers.Softmax),
    "Softmax2d": Twin(layers.Softmax, axes=4),
    "Softmin": along_axis(layers.Softmax)._replace(call=lambda run, given, x: run(-x)),
    "Softplus": Twin(layers.Softplus),
    "Softsign": Twin(layers.Softsign),
    "Tanh": Twin(layers.Tanh),
    "Transformer": Twin(sequences.Transformer, sequences.transform, axes=0),
    "TransformerDecoderLayer": Twin(sequences.decoder_layer, sequences.decode, axes=0),
    "TransformerEncoder": Twin(sequences.encoder, sequences.encode, axes=0),
    "TransformerEncoderLayer": Twin(sequences.encoder_layer, sequences.encode, axes=0),
}

ABSENT: dict[str, str] = {
    "AdaptiveAvgPool1d": "not yet",
    "AdaptiveAvgPool2d": "not yet",
    "AdaptiveMaxPool1d": "not yet",
    "AdaptiveMaxPool2d": "not yet",
    "CosineEmbeddingLoss": "not yet",
    "FractionalMaxPool2d": "draws where its windows are",
    "Bilinear": "not yet",
    "LPPool1d": "not yet",
    "LPPool2d": "not yet",
    "MarginRankingLoss": "not yet",
    "MultiLabelMarginLoss": "not yet",
    "GaussianNLLLoss": "not yet",
    "PoissonNLLLoss": "not yet",
    "HingeEmbeddingLoss": "not yet",
    "LinearCrossEntropyLoss": "not yet",
    "CTCLoss": "not yet",
    "Hardshrink": "not yet",
    "Softshrink": "not yet",
    "Tanhshrink": "not yet",
    "Threshold": "not yet",
    "ReflectionPad1d": "not yet",
    "ReflectionPad2d": "not yet",
    "ReplicationPad1d": "not yet",
    "ReplicationPad2d": "not yet",
    "ZeroPad1d": "not yet",
    "ZeroPad2d": "not yet",
    "CircularPad1d": "not yet",
    "CircularPad2d": "not yet",
    "ConstantPad1d": "not yet",
    "ConstantPad2d": "not yet",
}
