"""Convolution along one axis, such as time: an image of one row is convolved."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.backend.one_axis import (
    Padding1D,
    as_image,
    as_signal,
    check_padding1d,
    make_window1d,
    output_length,
    single,
)
from xpnet.backend.window import Window
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back
from xpnet.errors import ShapeError
from xpnet.layers.convolving import Convolving

__all__ = ["Conv1D"]


class Conv1D(Convolving):
    """y[n,o,i] = act(bias[o] + sum_{c,k} weight[o,c,k] x[n,c, i*stride+k*dilation-left]).

    Shapes: x (N, C, T), y (N, filters, OT), weight (filters, C / groups, K), bias (filters,);
    OT = floor((T + left + right - (K - 1) * dilation - 1) / stride) + 1. Channels come before the steps, as in PyTorch.

    filters: number of output channels.  kernel_size, stride, dilation: integers.  padding: zeros at the ends: 0,
    "valid" (none), "same" (OT = ceil(T / stride), an odd one at the right) or (left, right), of which
    ((K - 1) * dilation, 0) lets no step see a later one.  groups: channels in this many independent groups.
    activation: a name ("relu", "tanh", ...), a layer or None.  initializer: of the weight; the bias starts at 0.
    regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.

    Of sequences: Waibel et al., 1989 (time-delay neural networks).
    Elsewhere: torch.nn.Conv1d; keras.layers.Conv1D.
    """

    kind = "conv"
    gives = "scores"
    axes = "T"

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding1D = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        super().__init__(filters, groups, bias, activation, initializer, regularizer, name)
        self.kernel_size, self.stride = single(kernel_size, "kernel_size"), single(stride, "stride")
        self.padding, self.dilation = check_padding1d(padding), single(dilation, "dilation")

    def window(self, length: int) -> Window:
        return make_window1d(self.kernel_size, self.stride, self.padding, self.dilation, length)

    def as_conv2d(self, shape: Shape) -> tuple[Shape, Shape, Window]:
        """What `backend.explain` asks: the shapes of images and weight, and the window, for a batch of this shape."""
        N, C, T = shape
        return (N, C, 1, T), (self.filters, C // self.groups, 1, self.kernel_size), self.window(T)

    def output_shape(self, shape: Shape) -> Shape:
        self.check_channels(shape)
        try:
            return self.filters, output_length(self.window(shape[1]), shape[1])
        except ShapeError as error:
            raise ShapeError(f"{self.label}: {error}") from None

    def declare(self, shape: Shape) -> Iterable[Declared]:
        inputs, outputs, K = shape[0] // self.groups, self.filters // self.groups, self.kernel_size
        return self.weight_and_bias((self.filters, inputs, K), fan_in=inputs * K, fan_out=outputs * K)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        window, x, w = self.window(x.shape[2]), as_image(x), as_image(self.weight.value)
        b = self.bias.value if self.bias else None
        y = self.backend.conv2d(x, w, b, window, self.groups, self.fused)

        def back(dy: Array, need_dx: bool = True) -> Array:
            dx, dw, db = self.backend.conv2d_backward(
                as_image(dy), x, w, y, window, self.groups, self.fused, need_dx, *self._take_grads
            )
            self._add_grads(None if dw is None else as_signal(dw), db)
            return None if dx is None else as_signal(dx)

        return self.activated(as_signal(y), back, train)
