"""Normalization of each channel: of a batch, of each sample, and by the channels beside it."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, flag, positive, whole
from xpnet.base.notice import notify
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.layers.gathering import Statistics, gathering
from xpnet.layers.rectifiers import LeakyReLU, ReLU6
from xpnet.layers.relu import ReLU

__all__ = ["BatchNorm1D", "BatchNorm2D", "InstanceNorm1D", "InstanceNorm2D", "LocalResponseNorm"]


ONE_SAMPLE = (
    "take batches of more samples (a last one of a single sample is left out by data.Loader(drop_last=True)), a norm"
    " that needs no batch, such as LayerNorm, or the running statistics: trainable = False of the layer"
)


class _RunningNorm(Layer):
    """What batch and instance normalization share: statistics of a channel, and how they are followed."""

    kind = "norm"
    layout = ""  # the input's shape, as the error says it
    ndims: tuple[int, ...] = ()  # its number of axes, without the batch
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Parameter
    running_var: Parameter
    num_batches_tracked: Parameter
    _warned = False  # of means over one value

    def __init__(
        self, momentum: float | None, eps: float, affine: bool, running_statistics: bool, name: str | None
    ) -> None:
        super().__init__(name)
        kind = type(self).__name__
        self.momentum = None if momentum is None else at_least_zero(f"{kind}: momentum", momentum)
        self.eps = positive(f"{kind}: eps", eps)
        self.affine = flag(f"{kind}: affine", affine)
        self.running_statistics = flag(f"{kind}: running_statistics", running_statistics)
        if not affine:
            self.weight = self.bias = None
        if momentum is not None and momentum > 1:
            raise OptionError(f"{kind}: momentum is the new batch's share, at most 1, not {momentum!r}")

    def output_shape(self, shape: Shape) -> Shape:
        parameter = None
        if self._built:
            parameter = self.running_mean if self.running_statistics else self.weight
        if len(shape) not in self.ndims or (parameter and shape[0] != parameter.shape[0]):
            needed = self.layout.replace("C", str(parameter.shape[0])) if parameter else self.layout
            raise self.wrong_shape(shape, needed)
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        C = shape[:1]
        if self.affine:
            yield Declared("weight", C, value=1.0)
            yield Declared("bias", C)
        if self.running_statistics:
            yield Declared("running_mean", C, trainable=False)
            yield Declared("running_var", C, value=1.0, trainable=False)
            if self.momentum is None:
                yield Declared("num_batches_tracked", (), trainable=False)

    def _values(self) -> tuple[Array | None, Array | None]:
        return self.weight.value if self.weight else None, self.bias.value if self.bias else None

    def _add_gradients(self, dweight: Array, dbias: Array) -> None:
        if self.weight and self.bias:
            self.weight.add_grad(dweight)
            self.bias.add_grad(dbias)

    def _follow(self, mean: Array, var: Array, count: int) -> None:
        """Move the running statistics towards those of a batch, which are over `count` entries for each channel."""
        if (gathered := gathering.get()) is not None:  # of a part of the batch
            gathered.append(Statistics(self, mean, var, count))
        elif count > 1:  # one value a channel says nothing of the variance: leave the running statistics alone
            self.follow(mean, var, count / (count - 1))

    def follow(self, mean: Array, var: Array, unbiased: float = 1.0) -> None:
        """Move the running statistics towards this mean and this variance, times `unbiased`, of one batch."""
        pairs = ((self.running_mean, mean), (self.running_var, var))
        if self.momentum is None:  # the average of all batches; how many they are is not read from the device
            batches = self.num_batches_tracked.writable()
            batches[...] = batches + 1
            for parameter, value in pairs:
                target = value * unbiased if parameter is self.running_var else value
                parameter.writable()[...] = parameter.value + (target - parameter.value) / batches
            return
        for parameter, value in pairs:
            factor = unbiased if parameter is self.running_var else 1.0
            self.backend.moving_average(parameter.writable(), value, self.momentum, self.momentum * factor)

    def _warn_of_one(self, count: int, remedy: str) -> None:
        """A value that is its own mean: what comes out is the bias, and what stands in front gets no gradient."""
        if count == 1 and not self._warned:
            self._warned = True
            notify(
                f"{self.label}: there is one value for each mean, itself, so that the output is the bias whatever comes"
                f" in, and nothing in front of the layer learns: {remedy}"
            )

    def _with_running_statistics(self, x: Array) -> tuple[Array, Back]:
        """y = slope x + shift, with slope = weight / sqrt(running_var + eps), shift = bias - slope running_mean."""
        mean, var, (weight, bias) = self.running_mean.value, self.running_var.value, self._values()
        y = self.backend.running_norm(x, mean, var, weight, bias, self.eps)

        def back(dy: Array) -> Array:
            inverse = 1 / self.xp.sqrt(var + self.eps)
            if weight is not None:
                dbias, product = self.backend.sum_channels(dy, x, mean)
                self._add_gradients(product * inverse, dbias)
            return self.backend.scale_channels(dy, inverse if weight is None else weight * inverse, None)

        return y, back


class _BatchNorm(_RunningNorm):
    """Statistics over every axis but the channels'."""

    def __init__(
        self,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        affine: bool = True,
        running_statistics: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(momentum, eps, affine, running_statistics, name)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if self.running_statistics and (self.is_frozen or not train):
            return self._with_running_statistics(x)
        gamma, beta = self._values()
        y, mean, var = self.backend.batch_norm(x, gamma, beta, self.eps)
        self._learn_from(x, mean, var, train)

        def back(dy: Array) -> Array:
            dx, dgamma, dbeta = self.backend.batch_norm_backward(dy, x, mean, var, gamma, self.eps)
            self._add_gradients(dgamma, dbeta)
            return dx

        return y, back

    def with_next(self, following: Layer) -> Callable[..., tuple[Array, Back]] | None:
        """The forward of this layer and of an activation behind it (core/chains.py), if it is one that can be undone
        from its output: the sign is that of the input. None where somebody looks at either.
        """
        describe = ACTIVATIONS.get(type(following))
        if describe is None or self.backend is not following.backend or not self.backend.fills:
            return None
        own = type(self).forward is _BatchNorm.forward and not ("forward" in vars(self) or "forward" in vars(following))
        below, above = describe(following)
        if not own or below > 1 or (self.running_statistics and self.is_frozen):
            return None
        return functools.partial(self._forward_with, following, (below, above))

    def _forward_with(
        self, following: Layer, then: tuple[float, float], x: Array, train: bool = False
    ) -> tuple[Array, Back]:
        self.check(x)
        following.check(x)
        gamma, beta = self._values()
        y, mean, var = self.backend.batch_norm_then(x, gamma, beta, self.eps, *then)
        self._learn_from(x, mean, var, train)

        def back(dy: Array) -> Array:
            dx, dgamma, dbeta = self.backend.batch_norm_then_backward(dy, x, y, mean, var, gamma, beta, self.eps, *then)
            self._add_gradients(dgamma, dbeta)
            return dx

        return y, back

    def _learn_from(self, x: Array, mean: Array, var: Array, train: bool) -> None:
        """Tell of a batch that has nothing to normalize by, and follow its statistics."""
        count = x.shape[0] * math.prod(x.shape[2:])
        if train:
            self._warn_of_one(count, ONE_SAMPLE)
        if train and self.running_statistics:
            self._follow(mean, var, count)


# Activations that are x where 0 < x < above, and below times x where x is not above 0.
ACTIVATIONS: dict[type[Layer], Callable[[Any], tuple[float, float]]] = {
    ReLU: lambda _: (0.0, math.inf),
    ReLU6: lambda layer: layer.constants if layer.constants == (0.0, 6.0) else (math.inf, 0.0),
    LeakyReLU: lambda layer: (layer.negative_slope, math.inf),
}


class BatchNorm2D(_BatchNorm):
    """y = weight (x - mean) / sqrt(var + eps) + bias, each channel over N, H and W (Ioffe and Szegedy, 2015).

    x (N, C, H, W); weight (starts at 1), bias (starts at 0), running_mean, running_var (C,). Training uses the batch's
    statistics and moves the running ones: running = (1 - momentum) running + momentum batch (PyTorch's convention:
    default 0.1 is what Keras calls 0.9; the running variance is the unbiased one). Inference uses the running ones.

    momentum=None: they are the plain average over all batches.  affine=False: neither weight nor bias.
    running_statistics=False: there are none, and inference uses the batch's, too.

    Frozen, by trainable = False of the layer or of a network that it is in, it does in training what it does in
    inference: it uses the running statistics, and they stay (as in Keras since 2). To keep weight and bias alone and go
    on with those of the batches, freeze these: norm.weight.trainable = norm.bias.trainable = False.

    Elsewhere: torch.nn.BatchNorm2d; keras.layers.BatchNormalization; the book's BatchNormalization.
    """

    layout, ndims = "(N, C, H, W)", (3,)
    gives = "scores"


class BatchNorm1D(_BatchNorm):
    """As BatchNorm2D, for x (N, C), each feature over the batch, and (N, C, T), each channel over batch and time.

    Elsewhere: torch.nn.BatchNorm1d; keras.layers.BatchNormalization; the book's BatchNormalization.
    """

    layout, ndims = "(N, C) or (N, C, T)", (1, 2)
    gives = "scores"


class _InstanceNorm(_RunningNorm):
    """Statistics of each sample and channel."""

    def __init__(
        self,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        affine: bool = False,
        running_statistics: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(momentum, eps, affine, running_statistics, name)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        if self.running_statistics and (self.is_frozen or not train):
            return self._with_running_statistics(x)
        weight, bias = self._values()
        y, mean, rstd = self.backend.group_norm(x, x.shape[1], weight, bias, self.eps)
        if train:
            self._warn_of_one(math.prod(x.shape[2:]), "leave it out where the maps are so small")
        if train and self.running_statistics:
            var = 1 / (rstd * rstd) - self.eps  # (N, C)
            mean_of = self.backend.mean
            self._follow(mean_of(mean, axis=0), mean_of(var, axis=0), math.prod(x.shape[2:]))

        def back(dy: Array) -> Array:
            dx, dweight, dbias = self.backend.group_norm_backward(dy, x, x.shape[1], mean, rstd, weight)
            self._add_gradients(dweight, dbias)
            return dx

        return y, back


class InstanceNorm2D(_InstanceNorm):
    """y = (x - mean) / sqrt(var + eps), each channel of each sample over H and W (Ulyanov et al., 2016).

    x (N, C, H, W).  affine=True: times weight (starts at 1), plus bias (starts at 0), both (C,).
    running_statistics=True: running_mean and running_var (C,) follow the means over the samples, as those of
    BatchNorm2D do, with the same `momentum`, and inference uses them; so does a frozen layer in training.

    Elsewhere: torch.nn.InstanceNorm2d.
    """

    layout, ndims = "(N, C, H, W)", (3,)
    gives = "scores"


class InstanceNorm1D(_InstanceNorm):
    """As InstanceNorm2D, for x (N, C, T): each channel of each sample over time.

    Elsewhere: torch.nn.InstanceNorm1d.
    """

    layout, ndims = "(N, C, T)", (2,)
    gives = "scores"


class LocalResponseNorm(Layer):
    """y[c] = x[c] / (k + alpha / size * sum of x**2 over `size` channels around c) ** beta (Krizhevsky et al., 2012).

    The channels are c - size//2 ... c + (size-1)//2; those outside count as zero. alpha is divided by size, as in
    PyTorch, Caffe and ONNX; the paper's formula does not divide: its alpha = 1e-4, size 5 is alpha = 5e-4 here. AlexNet
    has k = 2, beta = 0.75.

    Elsewhere: torch.nn.LocalResponseNorm.
    """

    kind = "lrn"
    gives = "scores"

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.size = whole("LocalResponseNorm: size", size)
        self.alpha, self.beta = at_least_zero("LocalResponseNorm: alpha", alpha), beta
        self.k = positive("LocalResponseNorm: k", k)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 1:
            raise self.wrong_shape(shape, "(N, C, ...)")
        return shape

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y, scale = self.backend.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

        def back(dy: Array) -> Array:
            return self.backend.local_response_norm_backward(dy, x, scale, self.size, self.alpha, self.beta)

        return y, back
