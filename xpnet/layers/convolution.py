"""Two-dimensional convolution (as in all of deep learning, a cross-correlation: the kernel is not flipped)."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.backend.window import Padding, Pair, Window, check_padding, make_window, pair
from xpnet.base.checks import whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError, ShapeError
from xpnet.layers.base import Weighted

__all__ = ["Conv2D"]


class Conv2D(Weighted):
    """y[n,o,i,j] = act(bias[o] + sum_{c,m,l} weight[o,c,m,l] x[n,c, i*stride+m*dilation-top,
    j*stride+l*dilation-left]).

    Shapes: x (N, C, H, W), y (N, filters, OH, OW), weight (filters, C / groups, KH, KW), bias (filters,);
    OH = floor((H + top + bottom - (KH - 1) * dilation - 1) / stride) + 1.

    filters: number of output channels.  kernel_size, stride, dilation: an integer or a pair (vertical, horizontal).
    padding: zeros around the image: 0, "valid" (none), "same" (OH = ceil(H / stride), an odd pixel at the bottom and
    right), (vertical, horizontal) or ((top, bottom), (left, right)).  groups: channels in this many independent groups.
    activation: a name ("relu", "tanh", ...), a layer or None.  initializer: of the weight; the bias starts at 0.
    regularizer: of the weight: a name ("l2", ...), regularizers.L2(1e-4) or None.

    Convolution with shared weights: LeCun et al., 1989; by im2col: Chellapilla et al., 2006.
    """

    kind = "conv"
    gives = "scores"

    def __init__(
        self,
        filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        activation: Any = None,
        initializer: Any = "he_normal",
        name: str | None = None,
        regularizer: Any = None,
    ) -> None:
        super().__init__(bias, activation, initializer, regularizer, name)
        filters, groups = whole("Conv2D: filters", filters), whole("Conv2D: groups", groups)
        if filters % groups:
            raise OptionError(f"Conv2D: filters ({filters}) must be a multiple of groups ({groups})")
        self.filters, self.groups = filters, groups
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.padding, self.dilation = check_padding(padding), pair(dilation, "dilation")

    def window(self, size: Pair) -> Window:
        return make_window(self.kernel_size, self.stride, self.padding, self.dilation, size)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] % self.groups:
            needed = "(N, C, H, W)" + (f" with C a multiple of groups={self.groups}" if self.groups > 1 else "")
            raise self.wrong_shape(shape, needed)
        if self._built and shape[0] != self.weight.value.shape[1] * self.groups:
            raise self.wrong_shape(shape, f"(N, {self.weight.shape[1] * self.groups}, H, W)")
        try:
            return (self.filters, *self.window(shape[1:]).output_size(shape[1:]))
        except ShapeError as error:
            last = "; images are (N, C, H, W): x.transpose(0, 3, 1, 2), if channels come last" if shape[2] < 5 else ""
            raise ShapeError(f"{self.label}: {error}{last}") from None

    def declare(self, shape: Shape) -> Iterable[Declared]:
        kh, kw = self.kernel_size
        inputs, outputs = shape[0] // self.groups, self.filters // self.groups
        return self.weight_and_bias((self.filters, inputs, kh, kw), fan_in=inputs * kh * kw, fan_out=outputs * kh * kw)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        window = self.window(x.shape[2:])
        b = self.bias.value if self.bias else None
        y = self.backend.conv2d(x, self.weight.value, b, window, self.groups, self.fused)

        def back(dy: Array, need_dx: bool = True) -> Array:
            dx, dw, db = self.backend.conv2d_backward(
                dy, x, self.weight.value, y, window, self.groups, self.fused, need_dx
            )
            self.weight.add_grad(dw)
            if self.bias:
                self.bias.add_grad(db)
            return dx

        return self.activated(y, back, train)
