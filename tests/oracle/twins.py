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


def padding(kind: Callable[..., Layer], axes: int) -> Twin:
    """The last axis comes first there: (left, right, top, bottom)."""

    def make(padding: Any, *value: float) -> Layer:
        ours = tuple(zip(padding[-2::-2], padding[::-2], strict=True)) if isinstance(padding, tuple) else padding
        return kind(ours[0] if axes == 3 and isinstance(ours, tuple) else ours, *value)

    return Twin(make, axes=axes)


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
    "AdaptiveAvgPool1d": Twin(layers.AdaptiveAvgPool1D, axes=3),
    "AdaptiveAvgPool2d": Twin(layers.AdaptiveAvgPool2D, axes=4),
    "AdaptiveMaxPool1d": Twin(layers.AdaptiveMaxPool1D, axes=3),
    "AdaptiveMaxPool2d": Twin(layers.AdaptiveMaxPool2D, axes=4),
    "AvgPool1d": pool(layers.AvgPool1D, 3),
    "AvgPool2d": pool(layers.AvgPool2D, 4),
    "BCELoss": Twin(lambda **options: losses.BinaryCrossEntropyOfProbabilities(), weighted_outputs),
    "BCEWithLogitsLoss": Twin(lambda **options: losses.BinaryCrossEntropyWithLogits(), weighted_outputs),
    "BatchNorm1d": running_norm(layers.BatchNorm1D, 2),
    "BatchNorm2d": running_norm(layers.BatchNorm2D, 4),
    "CELU": Twin(layers.CELU),
    "CircularPad1d": padding(layers.CircularPad1D, 3),
    "CircularPad2d": padding(layers.CircularPad2D, 4),
    "ConstantPad1d": padding(layers.ConstantPad1D, 3),
    "ConstantPad2d": padding(layers.ConstantPad2D, 4),
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
    "ReflectionPad1d": padding(layers.ReflectionPad1D, 3),
    "ReflectionPad2d": padding(layers.ReflectionPad2D, 4),
    "ReplicationPad1d": padding(layers.ReplicationPad1D, 3),
    "ReplicationPad2d": padding(layers.ReplicationPad2D, 4),
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
    "ZeroPad1d": padding(layers.ZeroPad1D, 3),
    "ZeroPad2d": padding(layers.ZeroPad2D, 4),
}

# Those of PyTorch alone, and what stands here in their place.
ABSENT: dict[str, str] = {
    "Bilinear": "a product of two inputs with a tensor of three axes, which has no layer here",
    "CTCLoss": "a loss of speech recognition, which sums over all alignments: there is no speech here",
    "CosineEmbeddingLoss": "losses.CosineSimilarity is that of a target of 1; pairs that should differ have no layer",
    "FractionalMaxPool2d": "it draws where its windows are, from numbers of PyTorch's own",
    "GaussianNLLLoss": "a loss of three inputs, one of them a variance; losses here have outputs and targets",
    "Hardshrink": "not in any network of the first chapters",
    "HingeEmbeddingLoss": "a loss of distances between pairs; losses.Hinge is that of scores",
    "LPPool1d": "not in any network of the first chapters; AvgPool1D and MaxPool1D are its two ends",
    "LPPool2d": "not in any network of the first chapters; AvgPool2D and MaxPool2D are its two ends",
    "LinearCrossEntropyLoss": "layers.Dense and losses.SoftmaxCrossEntropy, which are two things here",
    "MarginRankingLoss": "a loss of the order of two outputs; losses here have outputs and targets",
    "MultiLabelMarginLoss": "its targets are lists that end with -1; losses.Hinge takes 0 and 1 for each label",
    "PoissonNLLLoss": "a loss of counts, which no network of the first chapters has",
    "Softshrink": "not in any network of the first chapters",
    "Tanhshrink": "not in any network of the first chapters",
    "Threshold": "ReLU and HardTanh are those that are used",
}
