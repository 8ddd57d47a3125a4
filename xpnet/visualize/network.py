"""What a network has learned and what it makes of an image: filters of a layer, and its feature maps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.core.watch import intercepted, path_of
from xpnet.data.batches import Batches
from xpnet.errors import DataError, NotBuiltError, OptionError, ShapeError
from xpnet.training.prepare import host_array, prepare_samples
from xpnet.visualize.figures import DIVERGING, SEQUENTIAL, Path, panels, require_matplotlib, saved, thinned
from xpnet.visualize.pixels import mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xpnet.model import Model

BATCH = 64  # samples in one forward pass


def plot_filters(
    model: Model,
    before: Model | np.ndarray | None = None,
    layer: str | Layer | None = None,
    path: Path | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The filters of a layer, by default of the first convolution (without one, the first layer that sees images).

    before: the same model as it was, such as `model.copy()` from before training, or the layer's weight from then; it
    is drawn beside, on the same scale. layer: its path or the layer itself. With `path` the picture is saved too, in
    the format of the file's ending. `ax` takes one panel, without `before`.

    Filters of one input channel, and units of a dense layer on images, are drawn as they are; those of three channels
    in colours, grey being zero; for other numbers of channels each filter is a row of kernels.

    Raises OptionError for a layer that is not there or has no filters, NotBuiltError before it has weights, ShapeError
    if `before` has other shapes, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot
    be saved.
    """
    require_matplotlib()
    name = path_of(model, layer) if layer is not None else _first_with_filters(model)
    weights = [_filters(model, name)]
    if isinstance(before, Layer):
        weights.insert(0, _filters(before, path_of(before, name)))
    elif before is not None:
        weights.insert(0, _as_filters(model, name, np.asarray(before)))
    if any(each.shape != weights[-1].shape for each in weights):
        raise ShapeError(f"the filters of {name} have shape {weights[-1].shape}, those before {weights[0].shape}")
    largest = max(float(np.abs(each).max()) for each in weights) or 1.0
    drawn = [_mosaic_of_filters(each, largest) for each in weights]
    figure, axes = panels(len(drawn), ax, _size_of(drawn[0], bar=True), columns=2 if before is not None else 1)
    titles = ["before training", "after training"] if before is not None else [f"filters of {name}"]
    for each, picture, title in zip(axes, drawn, titles, strict=True):
        picture.draw(each, cmap=DIVERGING, vmin=-largest, vmax=largest)
        each.set_title(title)
    if drawn[0].pixels.ndim == 2:
        bar = figure.colorbar(axes[0].images[0], ax=axes, pad=0.03)
        bar.set_label("weight")
    if before is not None:
        figure.suptitle(f"filters of {name}")
    return saved(figure, path)


def feature_maps(model: Model, x: Any, layer: str | Layer | None = None) -> np.ndarray:
    """The outputs of a layer in inference, with its activation: (N, channels, H, W), or (N, units).

    x: samples as for `predict`, or one sample without the batch. layer: its path or the layer itself; by default the
    first convolution. Of a layer that is used several times the last use counts. The model is not changed.

    Raises OptionError for a layer that is not there or not used, and what `predict` raises.
    """
    x = one_batch(model, x)
    name = path_of(model, layer if layer is not None else first_convolution(model))
    return outputs_of(model, x, [name])[name][-1]


def plot_feature_maps(
    model: Model, image: Any, layer: str | Layer | None = None, path: Path | None = None, ax: Axes | None = None
) -> Figure:
    """What a layer makes of one image: its feature maps side by side, or the outputs of its units as bars.

    image: one sample, with or without the batch's axis. layer: as for `feature_maps`. With `path` the picture is saved
    too, in the format of the file's ending.

    Raises what `feature_maps` raises, DataError for several images, ShapeError for outputs that are neither maps nor
    units, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    require_matplotlib()
    name = path_of(model, layer if layer is not None else first_convolution(model))
    maps = feature_maps(model, image, name)
    if len(maps) != 1:
        raise DataError(f"plot_feature_maps draws one image, and {len(maps)} were given: choose one, x[0]")
    if maps.ndim == 2:
        figure, (axes,) = panels(1, ax, (6.4, 4.0))
        axes.bar(np.arange(maps.shape[1]), maps[0], width=0.8 if maps.shape[1] <= 100 else 1.0)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="unit", ylabel="activation", title=f"{name}: {_counted(maps.shape[1], 'unit')}")
        axes.set_xticks(thinned(maps.shape[1], 11))
        return saved(figure, path)
    if maps.ndim != 4:
        raise ShapeError(f"the outputs of {name} have shape {maps.shape}; expected maps (N, C, H, W) or units (N, F)")
    C, H, W = maps.shape[1:]
    picture = _Mosaic(maps[0], _columns(C, H, W), "channel")
    figure, (axes,) = panels(1, ax, _size_of(picture, bar=True))
    low, high = float(maps.min()), float(maps.max())
    if low < 0:  # of both signs: zero is white
        picture.draw(axes, cmap=DIVERGING, vmin=-max(-low, high), vmax=max(-low, high))
    else:
        picture.draw(axes, cmap=SEQUENTIAL, vmin=0, vmax=high or 1.0)
    axes.set_title(f"{name}: {_counted(C, 'map')} of {H} x {W}")
    bar = figure.colorbar(axes.images[0], ax=axes, pad=0.03)
    bar.set_label("activation")
    return saved(figure, path)


# ---- looking into a model ------------------------------------------------------------------------------------------


def one_batch(model: Model, x: Any) -> np.ndarray:
    """The samples (N, ...) as the model takes them; one sample may come without the batch's axis. Builds the model."""
    array = host_array(model, x, "the input data")
    if model.input_shape is not None and array.ndim == len(model.input_shape):
        array = array[None]
    return prepare_samples(model, array)


def outputs_of(model: Model, x: np.ndarray, paths: Iterable[str]) -> dict[str, list[np.ndarray]]:
    """What the layers at these paths give for the samples, by path, for each time that they are used.

    In inference, on a copy of the model: nobody who uses it in the meantime notices.
    """
    twin = model.copy()
    layers = {path: layer for path, layer in twin.named_layers() if path in set(paths)}
    found: dict[str, list[list[np.ndarray]]] = {path: [] for path in layers}
    names = {id(layer): path for path, layer in layers.items()}
    uses: dict[str, int] = {}

    def see(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        path = names[id(layer)]
        use = uses[path] = uses.get(path, -1) + 1
        if use == len(found[path]):
            found[path].append([])
        found[path][use].append(np.array(twin.backend.to_numpy(y)))
        return y, back

    with intercepted(layers.values(), see), twin.backend.computing():
        for part in Batches(x, None, BATCH):
            uses.clear()
            twin.forward(twin.backend.asarray(part, twin.dtype))
    for path, parts in found.items():
        if not parts:
            raise OptionError(f"layer {path} of {model.label} is not used in its forward pass; choose another")
    return {path: [np.concatenate(use) for use in parts] for path, parts in found.items()}


def convolutions(model: Model) -> list[str]:
    """The paths of the convolutions, in the order of definition."""
    return [path for path, layer in model.named_layers() if path and layer.kind == "conv"]


def first_convolution(model: Model) -> str:
    found = convolutions(model)
    if not found:
        names = ", ".join(path for path, _ in model.named_layers() if path)
        raise OptionError(f"{model.label} has no convolution; choose a layer of it with layer=: {names}")
    return found[0]


# ---- filters -------------------------------------------------------------------------------------------------------


def _first_with_filters(model: Model) -> str:
    """The first convolution, or else the first layer whose units see whole images."""
    candidates = [*convolutions(model), *(path for path, layer in model.named_layers() if layer.kind == "dense")]
    if not candidates:
        raise OptionError(f"{model.label} has neither convolutions nor dense layers; choose a layer of it with layer=")
    return candidates[0]


def _filters(model: Layer, name: str) -> np.ndarray:
    """(n, H, W), (n, 3, H, W) or (n, C, H, W): the weight of the layer."""
    layer = dict(model.named_layers())[name]
    try:
        weight = layer.weight
    except NotBuiltError:
        raise
    except AttributeError:
        weight = None
    if not isinstance(weight, Parameter):
        raise OptionError(f"layer {layer.label} has no weight, so it has no filters; choose a convolution")
    return _as_filters(model, name, np.array(weight.backend.to_numpy(weight.value)))


def _as_filters(model: Layer, name: str, weight: np.ndarray) -> np.ndarray:
    shape: tuple[int, ...] = getattr(model, "input_shape", None) or ()
    if weight.ndim == 2 and math.prod(shape) == weight.shape[1]:
        side = math.isqrt(weight.shape[1])
        if len(shape) == 3:
            weight = weight.reshape(-1, *shape)  # (units, C, H, W)
        elif side * side == weight.shape[1]:
            weight = weight.reshape(-1, side, side)  # (units, H, W)
    if weight.ndim not in (3, 4) or weight.size == 0:
        raise OptionError(
            f"layer {name} has a weight of shape {weight.shape}, which holds no filters; choose a convolution, or the"
            " dense layer that sees the images"
        )
    return weight[:, 0] if weight.ndim == 4 and weight.shape[1] == 1 else weight


def _mosaic_of_filters(weight: np.ndarray, largest: float) -> _Mosaic:
    if weight.ndim == 3:
        return _Mosaic(weight, _columns(*weight.shape), "filter")
    n, C, H, W = weight.shape
    if C == 3:
        colours = 0.5 + weight.transpose(0, 2, 3, 1) / (2 * largest)  # (n, H, W, 3)
        return _Mosaic(colours, _columns(n, H, W), "filter")
    return _Mosaic(weight.reshape(-1, H, W), C, "filter", "input channel")  # (n * C, H, W)


# ---- many small images as one --------------------------------------------------------------------------------------


class _Mosaic:
    """Tiles as one image, with ticks that count them: a tile's number is that of its row's first plus its column's.

    Where columns have a meaning of their own, `across` says which; then rows are counted for themselves.
    """

    def __init__(self, tiles: np.ndarray, columns: int, what: str, across: str | None = None) -> None:
        n, self.height, self.width = tiles.shape[:3]
        self.gap = max(1, round(max(self.height, self.width) / 12))
        self.pixels = mosaic(tiles, columns, self.gap)
        self.rows, self.columns, self.what, self.across = math.ceil(n / columns), columns, what, across

    def draw(self, axes: Axes, cmap: str, vmin: float, vmax: float) -> None:
        if self.pixels.ndim == 3:
            axes.imshow(np.where(np.isnan(self.pixels), 1.0, self.pixels), interpolation="nearest")
        else:
            axes.imshow(self.pixels, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")
        across, down = thinned(self.columns, 16), thinned(self.rows, 16)
        axes.set_xticks([self._middle(i, self.width) for i in across], [str(i) for i in across])
        step = 1 if self.across else self.columns
        axes.set_yticks([self._middle(i, self.height) for i in down], [str(i * step) for i in down])
        axes.tick_params(length=0, labelsize=8)
        axes.spines[:].set_visible(False)
        single = self.columns == 1 or self.rows == 1
        axes.set_ylabel(
            self.what if self.across or self.columns == 1 else "" if single else f"first {self.what} of the row"
        )
        axes.set_xlabel(self.across or (self.what if self.rows == 1 else "" if single else "column"))

    def _middle(self, i: int, length: int) -> float:
        return float(i * (length + self.gap) + (length - 1) / 2)


def _columns(n: int, H: int, W: int) -> int:
    """As many as make the whole about one and a third times as wide as high, with few empty places at the end."""
    ideal = math.sqrt(n * 1.33 * H / W)
    near = range(max(1, math.ceil(0.75 * ideal)), max(2, math.ceil(1.4 * ideal) + 1))
    return min(n, min(near, key=lambda columns: (-n % columns, abs(columns - ideal))))


def _size_of(picture: _Mosaic, bar: bool) -> tuple[float, float]:
    """Width and height in inches."""
    H, W = picture.pixels.shape[:2]
    tile = 0.95 if picture.rows * picture.columns <= 36 else 0.7  # of the longer side of a tile, while there is room
    scale = min(tile / max(picture.width, picture.height), 9.0 / W, 9.0 / H)
    return max(W * scale, 2.2) + 0.8 + 0.9 * bar, max(H * scale, 1.6) + 0.95


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
