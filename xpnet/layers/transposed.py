"""Transposed convolution: a convolution turned round, which makes larger images from smaller ones."""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

from xpnet.backend import Array
from xpnet.backend.one_axis import Padding1D, as_image, as_signal, check_padding1d, single
from xpnet.backend.window import Padding, Pads, Pair, Window, check_padding, pair
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError
from xpnet.layers.convolving import Convolving

__all__ = ["ConvTranspose1D", "ConvTranspose2D"]


class Geometry(NamedTuple):
    """How images of `size` are made from smaller ones."""

    window: Window  # of the convolution that would make the smaller ones from them
    size: Pair
    surplus: Pair  # rows and columns of zeros to put behind the smaller ones: a stride or more of output_padding


class Turned(NamedTuple):
    """What a transposed convolution is told; that of signals as one of images of a single row."""

    kernel: Pair
    stride: Pair
    padding: str | Pads
    output_padding: Pair
    dilation: Pair

    @functools.lru_cache(maxsize=4096)  # noqa: B019 (a few pairs: nothing large is kept)
    def geometry(self, size: Pair) -> Geometry:
        """For images of `size` (H, W); where more is cropped than there is, the size that is made is below 1."""
        lengths, crops = [], []
        for axis, length in enumerate(size):
            stride, more = self.stride[axis], self.output_padding[axis]
            extent = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            if self.padding == "same":
                total = max(extent - stride, 0)
                crop = total // 2, total - total // 2
                lengths.append(length * stride)
            else:
                crop = (0, 0) if isinstance(self.padding, str) else self.padding[axis]
                lengths.append((length - 1) * stride + extent + more - sum(crop))
            crops.append(crop)
        window = Window(self.kernel, self.stride, (crops[0], crops[1]), self.dilation)
        surplus = self.output_padding[0] // self.stride[0], self.output_padding[1] // self.stride[1]
        return Geometry(window, (lengths[0], lengths[1]), surplus)


class _ConvTranspose(Convolving):
    """What the two share."""

    kind = "conv_transpose"
    turned: Turned
    stride: Any
    output_padding: Any
    dilation: Any

    def _turn(self, kernel: Pair, stride: Pair, padding: str | Pads, output_padding: Pair, dilation: Pair) -> None:
        self.turned = Turned(kernel, stride, padding, output_padding, dilation)
        label, given = type(self).__name__, self.output_padding  # as the user gave it
        if any(more >= max(*both) for more, *both in zip(output_padding, stride, dilation, strict=True)):
            raise OptionError(
                f"{label}: output_padding {given} must be smaller than stride {self.stride} or dilation {self.dilation}"
            )
        if padding == "same" and any(output_padding):
            raise OptionError(
                f'{label}: padding="same" says how large the output is: output_padding must be 0, not {given}'
            )

    def geometry(self, shape: Shape) -> Geometry:
        """For inputs (C, H, W) or (C, T)."""
        return self.turned.geometry((1, shape[1]) if len(shape) == 2 else (shape[1], shape[2]))

    def as_conv2d(self, shape: Shape) -> tuple[Shape, Shape, Window]:
        """What `backend.explain` asks: of the convolution turned round, the shapes of images and weight."""
        window, size, _ = self.geometry(shape[1:])
        return (shape[0], self.filters, *size), (shape[1], self.filters // self.groups, *window.kernel), window

    def channels(self) -> int:
        return int(self.weight.shape[0])

    def output_shape(self, shape: Shape) -> Shape:
        self.check_channels(shape)
        size = self.geometry(shape).size[-len(self.axes) :]
        if min(*shape, *size) < 1:
            left = "x".join(map(str, size))
            raise self.wrong_shape(shape, f"a larger one, or less padding, which leaves {left} of this")
        return (self.filters, *size)

    def declare(self, shape: Shape) -> Iterable[Declared]:
        (KH, KW), (SH, SW), outputs = self.turned.kernel, self.turned.stride, self.filters // self.groups
        fan_in = max(1, shape[0] // self.groups * KH * KW // (SH * SW))  # an output meets one tap in SH * SW
        weight = (shape[0], outputs, *self.turned.kernel[-len(self.axes) :])
        yield Declared(
            "weight", weight, self.initializer, fan_in, fan_out=outputs * KH * KW, regularizer=self.regularizer
        )
        if self.has_bias:
            yield Declared("bias", (self.filters,))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        window, size, surplus = self.geometry(x.shape[1:])
        signal, w, b = x.ndim == 3, self.weight.value, self.bias.value if self.bias else None
        if signal:
            x, w = as_image(x), as_image(w)
        H, W = x.shape[2:]
        if any(surplus):
            x = self.backend.pad(x, ((0, surplus[0]), (0, surplus[1])))
        y = self.backend.conv2d_transposed(x, w, b, window, size, self.groups, self.fused)

        def back(dy: Array, need_dx: bool = True) -> Array:
            dx, dw, db = self.backend.conv2d_transposed_backward(
                as_image(dy) if signal else dy, x, w, y, window, self.groups, self.fused, need_dx, *self._take_grads
            )
            self._add_grads(as_signal(dw) if signal and dw is not None else dw, db)
            if dx is None:
                return None
            dx = dx[:, :, :H, :W] if any(surplus) else dx
            return as_signal(dx) if signal else dx

        return self.activated(as_signal(y) if signal else y, back, train)


class ConvTranspose2D(_ConvTranspose):
    """y[n,o, i*stride+m*dilation-top, j*stride+l*dilation-left] = act(bias[o] + the sum of weight[c,o,m,l] x[n,c,i,j]
    over all c, i, j, m, l that lead there): the gradient of a Conv2D with respect to its input, as a layer.

    Shapes: x (N, C, H, W), y (N, filters, OH, OW), weight (C, filters / groups, KH, KW), bias (filters,);
    OH = (H - 1) * stride + (KH - 1) * dilation + 1 + output_padding - top - bottom.

    filters: number of output channels.  kernel_size, stride, dilation: an integer or a pair (vertical, horizontal).
    padding: what is cut off the output's edges: 0, "valid" (nothing), "same" (OH = H * stride; of an odd number, one
    more at the bottom and right), (vertical, horizontal) or ((top, bottom), (left, right)).  output_padding: rows and
    columns more at the bottom and right, below stride or dilation: the convolution makes one size from several.
    groups: channels in this many independent groups.  activation: a name ("relu", "tanh", ...), a layer or None.
    initializer: of the weight; the bias starts at 0.  regularizer: of the weight: a name ("l2", ...),
    regularizers.L2(1e-4) or None.

    Zeiler et al., 2010 (deconvolutional networks); Dumoulin and Visin, 2016, on its arithmetic.
    Elsewhere: torch.nn.ConvTranspose2d; keras.layers.Conv2DTranspose.
    """

    gives = "scores"

    def __init__(
        self,
        filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        output_padding: int | Pair = 0,
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
        self.output_padding = pair(output_padding, "output_padding", 0)
        self._turn(self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)


class ConvTranspose1D(_ConvTranspose):
    """y[n,o, i*stride+k*dilation-left] = act(bias[o] + the sum of weight[c,o,k] x[n,c,i] over all c, i, k that lead
    there): the gradient of a Conv1D with respect to its input, as a layer.

    Shapes: x (N, C, T), y (N, filters, OT), weight (C, filters / groups, K), bias (filters,);
    OT = (T - 1) * stride + (K - 1) * dilation + 1 + output_padding - left - right.

    kernel_size, stride, output_padding, dilation: integers.  padding: what is cut off the output's ends: 0, "valid"
    (nothing), "same" (OT = T * stride; of an odd number, one more at the right) or (left, right).  All else is as in
    ConvTranspose2D.

    Elsewhere: torch.nn.ConvTranspose1d; keras.layers.Conv1DTranspose.
    """

    gives = "scores"
    axes = "T"

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: Padding1D = 0,
        output_padding: int = 0,
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
        self.output_padding = single(output_padding, "output_padding", 0)
        crop = self.padding if isinstance(self.padding, str) else ((0, 0), self.padding)
        self._turn((1, self.kernel_size), (1, self.stride), crop, (0, self.output_padding), (1, self.dilation))
