"""What one unit was computed from, number by number: the window, the weights, the products, their sum."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpnet.backend.window import Window
from xpnet.core.layer import Layer
from xpnet.errors import OptionError, XpnetError
from xpnet.layers import (
    AvgPool2D,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    LogSoftmax,
    MaxPool2D,
    ReLU,
    Softmax,
)
from xpnet.layers.elementwise import Elementwise
from xpnet.networks.lenet5 import Subsampling, TableConv2D
from xpnet.networks.radial_basis import RadialBasis
from xpnet.serving.digit.look import Call, Floats

Span = tuple[int, int]  # from, to: half open; beyond the image where a window sees padding


@dataclass
class Explained:
    """sum = bias + what the products add up to; value = activation(sum), the layer's output. What a kind of layer does
    not have is None. docs of the kinds: the functions below."""

    kind: str
    formula: str
    value: float = 0.0
    inputs: Floats | None = None
    weights: Floats | None = None
    products: Floats | None = None
    bias: float | None = None
    sum: float | None = None
    activation: str | None = None
    activation_formula: str | None = None
    channels: list[int] | None = None  # of the input, one for each entry of the first axis of the arrays
    rows: Span | None = None
    columns: Span | None = None
    dilation: tuple[int, int] = (1, 1)
    came_from: int | None = None

    def add_up(self) -> "Explained":
        """Products and sum from inputs, weights and bias."""
        assert self.inputs is not None and self.weights is not None
        self.weights = np.broadcast_to(self.weights, self.inputs.shape)
        self.products = self.inputs * self.weights
        self.sum = float(self.products.sum(dtype=np.float64)) + (self.bias or 0.0)
        return self


def explain_unit(call: Call, channel: int, row: int = 0, column: int = 0) -> Explained:
    """How the unit of this call came to its value; OptionError if there is no such unit."""
    shape = call.shown.shape
    place = (channel, row, column)[: len(shape)]
    if not all(0 <= at < size for at, size in zip(place, shape, strict=True)):
        raise OptionError(f"layer {call.path} has outputs of shape {shape}, and no unit {place}")
    at = call.place(*place)
    explain = next((function for kind, function in _EXPLAINERS if isinstance(call.layer, kind)), _other)
    found = explain(call, at)
    found.value, found.came_from = float(call.output[at]), call.came_from[0]
    return found


# ---- a weighted sum ------------------------------------------------------------------------------------------------


def _convolution(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,), (o, i, j) = call.inputs, at
    weight, bias = _numbers(layer, "weight")[o], _numbers(layer, "bias")  # (C / groups, KH, KW)
    first = o // (layer.filters // layer.groups) * len(weight)
    channels = range(first, first + len(weight))
    found = _over_window("convolution", "sum(x * w) + b", x, list(channels), layer.window(x.shape[1:]), (i, j))
    found.weights, found.bias = weight, None if bias is None else float(bias[o])
    return _activated(found.add_up(), layer)


def _table_convolution(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,), (o, i, j) = call.inputs, at
    begin = sum(len(row) for row in layer.table[:o])
    found = _over_window("convolution", "sum(x * w) + b", x, list(layer.table[o]), layer.window, (i, j))
    found.weights, found.bias = _numbers(layer, "weight")[begin : begin + len(layer.table[o])], _bias(layer, o)
    return found.add_up()


def _dense(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    *step, unit = at
    x = call.inputs[0][tuple(step)]  # (I,): of sequences, that step
    found = Explained("dense", "sum(x * w) + b", inputs=x, weights=_numbers(layer, "weight")[unit])
    found.bias = _bias(layer, unit)
    return _activated(found.add_up(), layer)


def _subsampling(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,), (c, i, j) = call.inputs, at
    found = _over_window("average", "w * sum(x) + b", x, [c], layer.window, (i, j))
    found.weights, found.bias = _numbers(layer, "weight")[c], _bias(layer, c)
    return found.add_up()


# ---- pooling -------------------------------------------------------------------------------------------------------


def _max_pool(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,), (c, i, j) = call.inputs, at
    return _over_window("max", "max(x)", x, [c], layer.window(x.shape[1:]), (i, j), outside=-np.inf)


def _average_pool(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,), (c, i, j) = call.inputs, at
    window = layer.window(x.shape[1:])
    found = _over_window("average", "sum(x) / n", x, [c], window, (i, j))
    scale = layer.scale(x.shape[1:], window, layer.dtype)
    if scale is not None and not isinstance(scale, (int, float)):
        scale = layer.backend.to_numpy(scale)[i, j]
    found.weights = np.array((1.0 if scale is None else scale) / np.prod(window.kernel), np.float32)
    return found.add_up()


def _global_pool(call: Call, at: tuple[int, ...]) -> Explained:
    (x,), (c,) = call.inputs, at
    found = _over_window("max", "max(x)", x, [c], Window(kernel=x.shape[1:]), (0, 0))
    if isinstance(call.layer, GlobalMaxPool2D):
        return found
    found.kind, found.formula, found.weights = "average", "sum(x) / n", np.array(1 / x[c].size, np.float32)
    return found.add_up()


# ---- formulas ------------------------------------------------------------------------------------------------------


def _softmax(call: Call, at: tuple[int, ...]) -> Explained:
    """inputs: all scores; products: exp(x - max); sum: of the products. value = the unit's own product / sum."""
    layer: Any = call.layer
    (x,) = call.inputs
    axis = layer.axis - 1 if layer.axis > 0 else layer.axis + x.ndim
    line: Any = (*at[:axis], slice(None), *at[axis + 1 :])
    scores = x[line]
    e = np.exp(scores - scores.max())
    formula = "x - log(sum(exp(x)))" if isinstance(layer, LogSoftmax) else "exp(x) / sum(exp(x))"
    return Explained("softmax", formula, inputs=scores, products=e, sum=float(e.sum(dtype=np.float64)))


def _elementwise(call: Call, at: tuple[int, ...]) -> Explained:
    (x,) = call.inputs
    found = Explained("elementwise", formula_of(call.layer), inputs=x[at].reshape(1))
    return _spanning(found, x.ndim, at)


def _distance(call: Call, at: tuple[int, ...]) -> Explained:
    layer: Any = call.layer
    (x,) = call.inputs
    code = np.array(layer.codes[at[0]], np.float32)
    products = -((x - code) ** 2)
    found = Explained("distance", "-sum((x - code)^2)", inputs=x, weights=code, products=products)
    found.sum = float(products.sum(dtype=np.float64))
    return found


FORMULAS = {
    "relu": "max(0, x)",
    "sigmoid": "1 / (1 + exp(-x))",
    "softplus": "log(1 + exp(x))",
    "silu": "x / (1 + exp(-x))",
    "softsign": "x / (1 + |x|)",
    "relu6": "min(max(0, x), 6)",
    "softmax": "exp(x) / sum(exp(x))",
}


def formula_of(layer: Layer) -> str:
    """An activation in short, such as max(0, x)."""
    amplitude, slope = getattr(layer, "amplitude", 1.0), getattr(layer, "slope", 1.0)
    if layer.kind == "tanh" and (amplitude, slope) != (1.0, 1.0):
        return f"{amplitude:g} tanh({slope:.4g} x)"
    return FORMULAS.get(layer.kind, f"{layer.kind}(x)")


# ---- any other layer -----------------------------------------------------------------------------------------------


def _other(call: Call, at: tuple[int, ...]) -> Explained:
    """weights: dy/dx as it is at this point, so that bias, what is left, is 0 where the layer is linear without one."""
    found = Explained("other", type(call.layer).__name__)
    try:
        slopes = _slopes(call, at)
    except XpnetError:  # no way back, or several outputs
        return found
    value = float(call.output[at])
    several = len(slopes) > 1 and all(_is_alone(slope, at) for slope in slopes)
    if several:  # sums of several inputs, and the like
        found.inputs = np.array([x[at] for x in call.inputs], np.float32)
        found.weights = np.array([slope[at] for slope in slopes], np.float32)
    else:
        number = next((k for k, slope in enumerate(slopes) if slope.any()), 0)
        x, slope = call.inputs[number], slopes[number]
        found = _where_it_counts(found, x, slope)
    if found.inputs is None:
        return found
    found.add_up()
    found.bias = value - float(found.sum or 0.0)
    found.sum = value
    return _named(found, call.layer, several)


def _slopes(call: Call, at: tuple[int, ...]) -> list[Floats]:
    """dy/dx of the unit, for each input, from the layer's own way back; on a copy, whose gradients nobody sees."""
    layer = copy.deepcopy(call.layer)
    backend = layer.backend
    y, back = layer.forward(*(backend.asarray(x[None], layer.dtype) for x in call.inputs))
    if isinstance(y, (tuple, dict)):
        raise OptionError(f"{layer.label} gives several outputs")
    dy = np.zeros((1, *call.output.shape), np.float32)
    dy[(0, *at)] = 1
    dx = back(backend.asarray(dy, layer.dtype))
    return [np.array(backend.to_numpy(each)[0], np.float32) for each in (dx if isinstance(dx, tuple) else (dx,))]


def _is_alone(slope: Floats, at: tuple[int, ...]) -> bool:
    """Whether nothing but the same place of the input counts."""
    if len(slope.shape) != len(at) or not all(i < size for i, size in zip(at, slope.shape, strict=True)):
        return False
    return bool(np.count_nonzero(slope) == np.count_nonzero(slope[at]))


def _where_it_counts(found: Explained, x: Floats, slope: Floats) -> Explained:
    """The part of the input on which the unit depends."""
    if x.ndim == 3 and slope.any():
        channels, rows, columns = (np.unique(axis) for axis in np.nonzero(slope))
        found.rows, found.columns = (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
        found.channels = [int(c) for c in channels]
        part = (channels, slice(*found.rows), slice(*found.columns))
        found.inputs, found.weights = x[part], slope[part]
    elif x.ndim == 1 and np.count_nonzero(slope) == 1:
        place = int(np.flatnonzero(slope)[0])
        found.channels, found.inputs, found.weights = [place], x[place : place + 1], slope[place : place + 1]
    elif slope.any():
        found.inputs, found.weights = x.reshape(-1), slope.reshape(-1)
    return found


def _named(found: Explained, layer: Layer, several: bool) -> Explained:
    """A kind and a formula, where the numbers show what was done."""
    assert found.weights is not None and found.inputs is not None
    if layer.kind == "norm":
        found.kind, found.formula = "normalization", "(x - mean) / sqrt(variance + eps) * w + b"
    elif layer.kind in ("add", "average"):
        found.kind, found.formula = ("sum", "sum(x)") if layer.kind == "add" else ("average", "sum(x) / n")
    elif not several and found.weights.size == 1 and found.weights.flat[0] == 1 and abs(found.bias or 0.0) < 1e-6:
        found.kind, found.formula = ("max", "max(x)") if "pool" in layer.kind else ("copy", "x")
    return found


# ---- parts ---------------------------------------------------------------------------------------------------------


def _numbers(layer: Any, name: str) -> Any:
    """A parameter on the host; None where the layer has none."""
    parameter = getattr(layer, name)
    return None if parameter is None else np.asarray(parameter.backend.to_numpy(parameter.value), np.float32)


def _bias(layer: Any, unit: int) -> float | None:
    bias = _numbers(layer, "bias")
    return None if bias is None else float(bias[unit])


def _over_window(
    kind: str, formula: str, x: Floats, channels: list[int], window: Window, at: tuple[int, int], outside: float = 0.0
) -> Explained:
    """What the window sees of these channels, with `outside` in the place of what is not in the image."""
    spans, indices, inside = [], [], []
    for axis in (0, 1):
        begin = at[axis] * window.stride[axis] - window.padding[axis][0]
        places = begin + np.arange(window.kernel[axis]) * window.dilation[axis]
        spans.append((begin, begin + window.extent[axis]))
        inside.append((places >= 0) & (places < x.shape[1 + axis]))
        indices.append(np.clip(places, 0, x.shape[1 + axis] - 1))
    seen = x[np.ix_(np.array(channels), *indices)]  # (C, KH, KW)
    inputs = np.where(inside[0][:, None] & inside[1], seen, np.float32(outside)).astype(np.float32)
    found = Explained(kind, formula, inputs=inputs, channels=channels, rows=spans[0], columns=spans[1])
    found.dilation = window.dilation
    return found


def _spanning(found: Explained, ndim: int, at: tuple[int, ...]) -> Explained:
    """One place of the input."""
    found.channels = [at[0] if ndim != 2 else 0]
    if ndim in (2, 3):
        row, column = at[-2:]
        found.rows, found.columns = (row, row + 1), (column, column + 1)
    return found


def _activated(found: Explained, layer: Any) -> Explained:
    """The activation that the layer has behind its sum."""
    then = ReLU() if layer.fused == "relu" else layer.then
    if then is not None:
        found.activation, found.activation_formula = then.kind, formula_of(then)
    return found


_EXPLAINERS: tuple[tuple[type | tuple[type, ...], Callable[[Call, tuple[int, ...]], Explained]], ...] = (
    (Conv2D, _convolution),
    (TableConv2D, _table_convolution),
    (Dense, _dense),
    (Subsampling, _subsampling),
    (MaxPool2D, _max_pool),
    (AvgPool2D, _average_pool),
    ((GlobalAvgPool2D, GlobalMaxPool2D), _global_pool),
    ((Softmax, LogSoftmax), _softmax),
    ((Elementwise, ReLU), _elementwise),
    (RadialBasis, _distance),
)
