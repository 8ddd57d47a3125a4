"""Convolutions of each channel by itself, alone and with one of single pixels behind them."""

from typing import Any

from xpnet.backend import Array
from xpnet.backend.window import Padding, Pair
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import ShapeError
from xpnet.layers.convolution import Conv2D

__all__ = ["DepthwiseConv2D", "SeparableConv2D"]


class DepthwiseConv2D(Conv2D):
    """y[n,c*multiplier+o,i,j] = act(bias[c*multiplier+o] + sum_{m,l} weight[c*multiplier+o,0,m,l]
    x[n,c, i*stride+m*dilation-top, j*stride+l*dilation-left]).

    Conv2D with as many groups as the input has channels, and `multiplier` output channels for each.

    Shapes: x (N, C, H, W), y (N, C * multiplier, OH, OW), weight (C * multiplier, 1, KH, KW), bias (C * multiplier,);
    OH and all other arguments as in Conv2D.

    Sifre, 2014; Howard et al., 2017 (MobileNet).
    Elsewhere: torch.nn.Conv2d(C, C * multiplier, ..., groups=C); keras.layers.DepthwiseConv2D.
    """

    gives = "scores"

    def __init__(
        self,
        kernel_size: int | Pair,
        multiplier: int = 1,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        self.multiplier = whole("DepthwiseConv2D: multiplier", multiplier)
        super().__init__(
            multiplier, kernel_size, stride, padding, dilation, 1, bias, activation, initializer, name, regularizer
        )

    def output_shape(self, shape: Shape) -> Shape:
        if not self._built and len(shape) == 3:  # the channels tell the rest, from the first input on
            self.groups, self.filters = shape[0], shape[0] * self.multiplier
        elif self._built and shape[:1] != (self.groups,):
            raise self.wrong_shape(shape, f"(N, {self.groups}, H, W)")
        return super().output_shape(shape)


class SeparableConv2D(Layer):
    """A DepthwiseConv2D and, behind it, a Conv2D of kernels of one pixel, which mixes its channels.

    Shapes: x (N, C, H, W), y (N, filters, OH, OW), depthwise.weight (C * multiplier, 1, KH, KW), pointwise.weight
    (filters, C * multiplier, 1, 1), pointwise.bias (filters,); OH as in Conv2D.

    kernel_size, stride, padding, dilation, multiplier: of the depthwise convolution, which has no bias.  filters, bias,
    activation: of the other.  initializer, regularizer: of both weights.

    Sifre, 2014; Chollet, 2017 (Xception).
    Elsewhere: keras.layers.SeparableConv2D.
    """

    kind = "separable"
    gives = "scores"
    skips_dx = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        multiplier: int = 1,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        super().__init__(name)
        self.depthwise = DepthwiseConv2D(
            kernel_size, multiplier, stride, padding, dilation, False, None, initializer, None, regularizer
        )
        self.pointwise = Conv2D(
            filters, 1, bias=bias, activation=activation, initializer=initializer, regularizer=regularizer
        )
        self.filters, self.kernel_size, self.stride = filters, self.depthwise.kernel_size, self.depthwise.stride
        self.padding, self.dilation, self.multiplier = self.depthwise.padding, self.depthwise.dilation, multiplier
        self.bias, self.initializer, self.regularizer = bias, initializer, self.depthwise.regularizer

    @property
    def activation(self) -> Any:
        return self.pointwise.activation  # no attribute here too, or a layer would be found twice

    def output_shape(self, shape: Shape) -> Shape:
        try:
            return self.pointwise.output_shape(self.depthwise.output_shape(shape))
        except ShapeError as error:
            raise ShapeError(str(error).replace(self.depthwise.label, self.label)) from None

    def build(self, *shapes: Shape, shape: Shape | None = None) -> Any:
        return self.pointwise.build(self.depthwise.build(*shapes, shape=shape))

    def parameter_count(self, *shapes: Shape) -> int:
        between = map(self.depthwise.output_shape, shapes)
        return self.depthwise.parameter_count(*shapes) + self.pointwise.parameter_count(*between)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        between, back_to_x = self.depthwise.forward(x, train=train)
        y, back_between = self.pointwise.forward(between, train=train)

        def back(dy: Array, need_dx: bool = True) -> Array:
            return back_to_x(back_between(dy), need_dx)

        return y, back
