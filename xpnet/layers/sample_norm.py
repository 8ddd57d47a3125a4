"""Normalization within each sample, which needs no batch: it is the same in training and in inference."""

import math
from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import flag, positive, whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]


class _SampleNorm(Layer):
    """What they share: a primitive, and weight and bias if they have them."""

    kind = "norm"
    centred = True
    affine: bool
    eps: float | None
    weight: Parameter | None = None
    bias: Parameter | None = None

    def _forward(self, x: Array, shape: Shape, groups: int) -> tuple[Array, Back]:
        """In this shape (rows, channels, ...), in so many groups of channels."""
        weight, bias = map(self._flat, (self.weight, self.bias))
        eps = self.xp.finfo(x.dtype).eps if self.eps is None else self.eps
        rows = self.xp.reshape(x, shape)
        y, mean, rstd = self.backend.group_norm(rows, groups, weight, bias, eps, self.centred)

        def back(dy: Array) -> Array:
            dy = self.xp.reshape(dy, shape)
            dx, dweight, dbias = self.backend.group_norm_backward(dy, rows, groups, mean, rstd, weight)
            if self.weight is not None:
                self.weight.add_grad(self.xp.reshape(dweight, self.weight.shape))
            if self.bias is not None:
                self.bias.add_grad(self.xp.reshape(dbias, self.bias.shape))
            return self.xp.reshape(dx, x.shape)

        return self.xp.reshape(y, x.shape), back

    def _flat(self, parameter: Parameter | None) -> Array | None:
        if parameter is None or len(parameter.shape) == 1:
            return None if parameter is None else parameter.value
        return self.xp.reshape(parameter.value, (-1,))


class _LastAxes(_SampleNorm):
    """Of layers whose groups are the last axes."""

    def __init__(self, axes: int, affine: bool, eps: float | None, name: str | None) -> None:
        super().__init__(name)
        kind = type(self).__name__
        self.axes, self.affine = (
            whole(f"{kind}: axes, how many of the last ones,", axes),
            flag(f"{kind}: affine", affine),
        )
        self.eps = None if eps is None else positive(f"{kind}: eps", eps)

    def output_shape(self, shape: Shape) -> Shape:
        given = self.weight.shape if self.weight is not None else ()
        if len(shape) < self.axes or (given and shape[-self.axes :] != given):
            needed = ", ".join(map(str, given)) if given else f"{self.axes} axes or more"
            raise self.wrong_shape(
                shape, f"(N, ..., {needed})" if given else f"{needed} behind the batch: axes is how many, not how long"
            )
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return (Declared("weight", shape[-self.axes :], value=1.0),) if self.affine else ()

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return self._forward(x, (-1, math.prod(x.shape[x.ndim - self.axes :])), 1)  # (N * T, F)


class LayerNorm(_LastAxes):
    """y = weight (x - mean) / sqrt(var + eps) + bias, over the last axes of each sample (Ba, Kiros and Hinton, 2016).

    axes: over how many of the last axes mean and variance are taken: of sequences (N, T, F), 1 is each step by itself.
    x (N, ..., *S); weight (starts at 1) and bias (starts at 0) have the shape S of these axes, which PyTorch calls
    normalized_shape.  affine=False: neither; bias=False: a weight alone.

    Elsewhere: torch.nn.LayerNorm; keras.layers.LayerNormalization.
    """

    gives = "scores"

    def __init__(
        self, axes: int = 1, eps: float = 1e-5, affine: bool = True, bias: bool = True, name: str | None = None
    ) -> None:
        super().__init__(axes, affine, eps, name)
        self.has_bias = flag("LayerNorm: bias", bias)

    def config(self) -> dict[str, Any]:
        return super().config() | {"bias": self.has_bias}

    def declare(self, shape: Shape) -> Iterable[Declared]:
        bias = (Declared("bias", shape[-self.axes :]),) if self.affine and self.has_bias else ()
        return (*super().declare(shape), *bias)


class RMSNorm(_LastAxes):
    """y = weight x / sqrt(mean(x**2) + eps), over the last axes of each sample (Zhang and Sennrich, 2019).

    axes, weight and affine are LayerNorm's; nothing is subtracted, and there is no bias.  eps: None is that of the data
    type, 1.2e-7 of float32.

    Elsewhere: torch.nn.RMSNorm; keras.layers.RMSNormalization.
    """

    gives = "scores"
    centred = False

    def __init__(self, axes: int = 1, eps: float | None = None, affine: bool = True, name: str | None = None) -> None:
        super().__init__(axes, affine, eps, name)


class GroupNorm(_SampleNorm):
    """y = weight (x - mean) / sqrt(var + eps) + bias, over groups of channels of each sample (Wu and He, 2018).

    x (N, C, ...); mean and variance are over C / groups channels that lie side by side, and all their pixels; weight
    (starts at 1) and bias (starts at 0) (C,), or neither with affine=False.

    Elsewhere: torch.nn.GroupNorm; keras.layers.GroupNormalization.
    """

    gives = "scores"

    def __init__(self, groups: int, eps: float = 1e-5, affine: bool = True, name: str | None = None) -> None:
        super().__init__(name)
        self.groups, self.eps = whole("GroupNorm: groups", groups), positive("GroupNorm: eps", eps)
        self.affine = flag("GroupNorm: affine", affine)

    def output_shape(self, shape: Shape) -> Shape:
        if self.weight is not None and shape[:1] != self.weight.shape:
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[0]}, ...)")
        if not shape or shape[0] % self.groups:
            raise self.wrong_shape(shape, f"(N, C, ...), a number of channels C that {self.groups} divides")
        return shape

    def declare(self, shape: Shape) -> Iterable[Declared]:
        return (Declared("weight", shape[:1], value=1.0), Declared("bias", shape[:1])) if self.affine else ()

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        return self._forward(x, tuple(x.shape), self.groups)
