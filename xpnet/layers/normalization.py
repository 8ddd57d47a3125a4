"""Batch normalisation and local response normalisation."""

import math
from collections.abc import Iterable

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, positive, whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

__all__ = ["BatchNorm1D", "BatchNorm2D", "LocalResponseNorm"]


class _BatchNorm(Layer):
    """What the two share: statistics over every axis but the channels'."""

    kind = "norm"
    layout = ""  # the input's shape, as the error says it
    ndim = 0  # its number of axes, without the batch
    weight: Parameter
    bias: Parameter
    running_mean: Parameter
    running_var: Parameter

    def __init__(self, momentum: float = 0.1, eps: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name)
        self.momentum = at_least_zero(f"{type(self).__name__}: momentum", momentum)
        self.eps = positive(f"{type(self).__name__}: eps", eps)
        if momentum > 1:
            raise OptionError(f"{type(self).__name__}: momentum is the new batch's share, at most 1, not {momentum!r}")

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != self.ndim or (self._built and shape[0] != self.weight.shape[0]):
            needed = self.layout.replace("C", str(self.weight.shape[0])) if self._built else self.layout
            raise self.wrong_shape(shape, needed)
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        C = shape[:1]
        return (
            Declared("weight", C, value=1.0),
            Declared("bias", C),
            Declared("running_mean", C, trainable=False),
            Declared("running_var", C, value=1.0, trainable=False),
        )

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        gamma = self.weight.value
        if not train:
            return self._with_running_statistics(x)
        y, mean, var = self.backend.batch_norm(x, gamma, self.bias.value, self.eps)
        count = x.shape[0] * math.prod(x.shape[2:])
        if count > 1:  # one value a channel says nothing of the variance: leave the running statistics alone
            m = self.momentum
            self.backend.moving_average(self.running_mean.value, mean, m, m)
            self.backend.moving_average(self.running_var.value, var, m, m * count / (count - 1))

        def back(dy: Array) -> Array:
            dx, dgamma, dbeta = self.backend.batch_norm_backward(dy, x, mean, var, gamma, self.eps)
            self.weight.add_grad(dgamma)
            self.bias.add_grad(dbeta)
            return dx

        return y, back

    def _with_running_statistics(self, x: Array) -> tuple[Array, Back]:
        xp, shape = self.xp, (1, -1) + (1,) * (x.ndim - 2)
        inverse = 1 / xp.sqrt(self.running_var.value + self.eps)
        slope = xp.reshape(self.weight.value * inverse, shape)  # (1, C, 1, 1)
        normal = (x - xp.reshape(self.running_mean.value, shape)) * xp.reshape(inverse, shape)
        y = normal * xp.reshape(self.weight.value, shape) + xp.reshape(self.bias.value, shape)

        def back(dy: Array) -> Array:
            axes = (0, *range(2, x.ndim))
            self.weight.add_grad(xp.sum(dy * normal, axis=axes))
            self.bias.add_grad(xp.sum(dy, axis=axes))
            return dy * slope

        return y, back


class BatchNorm2D(_BatchNorm):
    """y = weight (x - mean) / sqrt(var + eps) + bias, each channel over N, H and W (Ioffe and Szegedy, 2015).

    x (N, C, H, W); weight (starts at 1), bias (starts at 0), running_mean, running_var (C,). Training uses the batch's
    statistics and moves the running ones: running = (1 - momentum) running + momentum batch (PyTorch's convention:
    default 0.1 is what Keras calls 0.9; the running variance is the unbiased one). Inference uses the running ones.
    """

    layout, ndim = "(N, C, H, W)", 3
    gives = "scores"


class BatchNorm1D(_BatchNorm):
    """As BatchNorm2D, for x (N, C): each feature over the batch."""

    layout, ndim = "(N, C)", 1
    gives = "scores"


class LocalResponseNorm(Layer):
    """y[c] = x[c] / (k + alpha / size * sum of x**2 over `size` channels around c) ** beta (Krizhevsky et al., 2012).

    The channels are c - size//2 ... c + (size-1)//2; those outside count as zero. alpha is divided by size, as in
    PyTorch, Caffe and ONNX; the paper's formula does not divide: its alpha = 1e-4, size 5 is alpha = 5e-4 here. AlexNet
    has k = 2, beta = 0.75.
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
