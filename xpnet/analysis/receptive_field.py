"""Which part of an image a unit sees: the receptive field, traced through the layers in front of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xpnet import layers
from xpnet.backend import on_backend
from xpnet.backend.window import Window
from xpnet.base.nested import as_several
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.tape import SUM, Tape, Var
from xpnet.core.watch import path_of
from xpnet.errors import OptionError
from xpnet.layers.elementwise import Elementwise

# Where each place of the output sees the same place of the inputs; of the second ones if they work along the channels.
SAME_PLACE = (
    Elementwise, layers.ReLU, layers.PReLU, layers.BatchNorm1D, layers.BatchNorm2D, layers.LocalResponseNorm,
    layers.Dropout, layers.GaussianDropout, layers.SpatialDropout, layers.DropPath, layers.GaussianNoise, layers.Add,
    layers.Average, layers.Multiply,
)  # fmt: skip
ALONG_AN_AXIS = layers.Concat, layers.Split, layers.GLU, layers.Softmax, layers.LogSoftmax
TURNED = layers.ConvTranspose1D, layers.ConvTranspose2D
PADS = layers.ZeroPad1D, layers.ZeroPad2D, layers.ConstantPad1D, layers.ConstantPad2D
COPIES: dict[type, Any] = {  # NumPy's words for what stands in the margins
    layers.ReflectionPad1D: "reflect", layers.ReflectionPad2D: "reflect", layers.ReplicationPad1D: "edge",
    layers.ReplicationPad2D: "edge", layers.CircularPad1D: "wrap", layers.CircularPad2D: "wrap",
}  # fmt: skip
CROPS = layers.Crop1D, layers.Crop2D
UPSAMPLES = layers.UpSample1D, layers.UpSample2D
ADAPTIVE = (
    layers.AdaptiveAvgPool1D, layers.AdaptiveAvgPool2D, layers.AdaptiveMaxPool1D, layers.AdaptiveMaxPool2D,
)  # fmt: skip

NOWHERE = np.iinfo(np.int64).max  # the first pixel of a place that sees padding only


class Span(NamedTuple):
    """Along one axis of the images, the first and the last pixel that each of L places sees: (L,), or (1,) if all see
    the same."""

    first: np.ndarray
    last: np.ndarray

    def hull(self) -> Span:
        """What all places together see."""
        return Span(self.first.min(keepdims=True), self.last.max(keepdims=True))

    def through(self, taps: np.ndarray, length: int) -> Span:
        """The spans of places that see `taps` (places, K) of these; what is not from 0 to length - 1 is padding."""
        seen = (taps >= 0) & (taps < length)
        at = np.where(seen, taps, 0)
        first, last = (np.broadcast_to(each, length)[at] for each in self)
        return Span(np.where(seen, first, NOWHERE).min(axis=1), np.where(seen, last, -1).max(axis=1))


def receptive_field(model: Network, layer: str | Layer, shape: Shape | None = None) -> tuple[Span, ...]:
    """Of each axis of the images (rows and columns, or the steps of signals), what each place in a layer's output sees.

    Place (i, j) of the output sees no pixels but those from first[i] to last[i] of the rows, and of the columns
    likewise; what lies between them need not all count, as between the pixels of a dilated window. It is traced
    through convolutions, transposed ones, pooling, pads, crops, upsampling and all that works on each pixel alone, and
    through sums and branches. A layer that is none of these sees all that came to it, as a dense layer does; one of
    your own is traced if it has a `window`, a Window. Of a place that sees padding only, last is -1.

    layer: its path or the layer itself; of one that is used several times the last use counts. shape: of one sample, an
    image (C, H, W) or a signal (C, T); others have no axes. By default the one that the model was built for. The model
    is not changed.

    Raises OptionError for a layer that is not there or not used, for several inputs or outputs.

    Le and Borji, "What are the receptive, effective receptive, and projective fields of neurons in convolutional neural
    networks?", 2017.
    """
    path = path_of(model, layer)
    if len(model.input_shapes) != 1:
        raise OptionError(f"{model.label}: a receptive field is one of a network that is built, and takes one input")
    twin = model.copy()
    shape, (dtype,) = shape or twin.input_shapes[0], twin.input_dtypes
    sizes = shape[1:] if len(shape) in (2, 3) else ()
    tape = _Tracing(tuple(Span(np.arange(size), np.arange(size)) for size in sizes), len(shape) + 1)
    with on_backend(twin.backend), twin.backend.computing():
        twin(Var(twin.backend.zeros((1, *shape), dtype), tape))
    known = dict(twin.named_layers())
    while path:  # a layer inside another that is no network: what this one sees
        if known[path] in tape.found:
            return tape.found[known[path]]
        path = path.rpartition(".")[0]
    raise OptionError(f"{model.label} does not use layer {layer!r} in its forward pass; choose another")


class _Tracing(Tape):
    """A tape that notes what each Var sees, and of each layer what its last output sees."""

    def __init__(self, spans: tuple[Span, ...], ndim: int) -> None:
        super().__init__(train=False)
        self.ndim = ndim  # of a batch of images
        self.spans = {0: spans}  # by the index of the Var; the first is the input
        self.found: dict[Any, tuple[Span, ...]] = {}

    def record(self, layer: Any, xs: Any, y: Any, back: Any) -> Any:
        if isinstance(layer, Network):
            output = layer.call(*xs)  # which records the layers inside
        else:
            output = super().record(layer, xs, y, back)
            for each in as_several(output):
                self.spans[each.index] = self._what_sees(layer, xs, each)
        self.found[layer] = self.spans[as_several(output)[0].index]
        return output

    def _what_sees(self, layer: Any, xs: Any, y: Var) -> tuple[Span, ...]:
        spans = [_union(each) for each in zip(*(self.spans[x.index] for x in xs), strict=True)]
        if _sees_the_same_place(layer):
            return tuple(spans)
        if len(xs) > 1 or not xs[0].ndim == y.ndim == self.ndim:
            return tuple(span.hull() for span in spans)
        lengths = zip(spans, xs[0].shape[2:], y.shape[2:], strict=True)
        taps = [_taps(layer, xs[0].shape, axis - len(spans), outputs) for axis, outputs in enumerate(y.shape[2:])]
        return tuple(
            span.hull() if each is None else span.through(each, length)
            for each, (span, length, _) in zip(taps, lengths, strict=True)
        )


def _union(spans: tuple[Span, ...]) -> Span:
    """What is seen by what sees each of these."""
    if len({len(each.first) for each in spans} - {1}) > 1:
        spans = tuple(each.hull() for each in spans)
    first, last = spans[0]
    for other in spans[1:]:
        first, last = np.minimum(first, other.first), np.maximum(last, other.last)
    return Span(first, last)


def _sees_the_same_place(layer: Any) -> bool:
    return layer is SUM or isinstance(layer, SAME_PLACE) or (isinstance(layer, ALONG_AN_AXIS) and layer.axis == 1)


def _taps(layer: Any, shape: tuple[int, ...], axis: int, outputs: int) -> np.ndarray | None:
    """(outputs, K): the places of the input (a batch of this shape) that each place of the output sees along `axis`
    (-1 is the last), those in the padding below 0 or behind the end; None if each sees all.
    """
    length, places = shape[axis], np.arange(outputs)[:, None]
    if isinstance(layer, TURNED):
        turned: Window = layer.as_conv2d(shape)[2]  # its input sees the output so
        far = places + turned.padding[axis][0] - np.arange(turned.kernel[axis]) * turned.dilation[axis]
        return np.where(far % turned.stride[axis] == 0, far // turned.stride[axis], -1)
    if isinstance(layer, PADS):
        return places - layer.margins[axis][0]
    copies = next((mode for kind, mode in COPIES.items() if isinstance(layer, kind)), None)
    if copies is not None:
        copied: np.ndarray = np.pad(np.arange(length), layer.margins[axis], copies)[:, None]
        return copied
    if isinstance(layer, CROPS):
        return places + layer.margins[axis][0]
    if isinstance(layer, UPSAMPLES):
        return _of_upsampling(layer, length, outputs)
    if isinstance(layer, ADAPTIVE):
        begin, end = places * length // outputs, -(-(places + 1) * length // outputs)
        taps = begin + np.arange((end - begin).max())
        return np.where(taps < end, taps, -1)
    window = _window_of(layer, shape)
    if window is None:
        return None
    inside = np.arange(window.kernel[axis]) * window.dilation[axis]
    return places * window.stride[axis] - window.padding[axis][0] + inside


def _of_upsampling(layer: Any, length: int, outputs: int) -> np.ndarray:
    """The pixel that is copied, or the two that it is interpolated between."""
    places = np.arange(outputs)
    if layer.mode == "nearest":
        return (places * length // outputs)[:, None]
    if layer.align_corners:
        above, below = places * (length - 1), max(outputs - 1, 1)
    else:
        above, below = np.maximum((2 * places + 1) * length - outputs, 0), 2 * outputs
    left, rest = np.divmod(above, below)
    return np.stack([left, np.minimum(left + (rest > 0), length - 1)], axis=1)


def _window_of(layer: Any, shape: tuple[int, ...]) -> Window | None:
    """That of a convolution or a pooling, or of whatever has one."""
    if isinstance(layer, layers.SeparableConv2D):
        layer = layer.depthwise
    if hasattr(layer, "as_conv2d"):
        return layer.as_conv2d(shape)[2]  # type: ignore[no-any-return]
    window: Any = getattr(layer, "window", None)
    if callable(window):
        window = window((1, *shape[2:])[-2:])
    return window if isinstance(window, Window) else None
