"""Two-dimensional convolution (as in all of deep learning, a cross-correlation: the kernel is not flipped)."""

from collections.abc import Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.backend.window import Padding, Pair, Window, check_padding, make_window, pair
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back
from xpnet.errors import ShapeError
from xpnet.layers.convolving import Convolving

__all__ = ["Conv2D"]


class Conv2D(Convolving):
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
    Elsewhere: torch.nn.Conv2d; keras.layers.Conv2D; the book's Convolution.
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
        super().__init__(filters, groups, bias, activation, initializer, regularizer, name)
        self.kernel_size, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.padding, self.dilation = check_padding(padding), pair(dilation, "dilation")

    def window(self, size: Pair) -> Window:
        return make_window(self.kernel_size, self.stride, self.padding, self.dilation, size)

    def as_conv2d(self, shape: Shape) -> tuple[Shape, Shape, Window]:
        """What `backend.explain` asks: the shapes of images and weight, and the window, for a batch of this shape."""
        _, C, H, W = shape
        return shape, (self.filters, C // self.groups, *self.kernel_size), self.window((H, W))

    def output_shape(self, shape: Shape) -> Shape:
        self.check_channels(shape)
        _, H, W = shape
        try:
            return (self.filters, *self.window((H, W)).output_size((H, W)))
        except ShapeError as error:
            last = "; images are (N, C, H, W): x.transpose(0, 3, 1, 2), if channels come last" if W < 5 else ""
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

        def back(dy: Array, need_dx: bool = True, activation: str | None = self.fused) -> Array:
            dx, dw, db = self.backend.conv2d_backward(
                dy, x, self.weight.value, y, window, self.groups, activation, need_dx, *self._take_grads
            )
            self._add_grads(dw, db)
            return dx

        back.gives_relu = self.fused == "relu"  # type: ignore[attr-defined]
        return self.activated(y, back, train)
