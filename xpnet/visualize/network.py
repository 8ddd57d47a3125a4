"""What a network has learned and what it makes of images: filters of a layer, its feature maps, and what excites it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.analysis.filters import as_filters, filters, first_with_filters
from xpnet.analysis.images import as_images
from xpnet.analysis.outputs import feature_maps, first_convolution
from xpnet.analysis.patches import exciting_patches
from xpnet.base.mosaic import filters_as_tiles, mosaic
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.watch import path_of
from xpnet.errors import DataError, ShapeError
from xpnet.visualize.figures import DIVERGING, SEQUENTIAL, Path, panels, require_matplotlib, saved, thinned
from xpnet.visualize.pixels import limits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BEYOND = 0.85  # how bright it is where there is no image


def plot_filters(
    model: Network,
    before: Network | np.ndarray | None = None,
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
    name = path_of(model, layer) if layer is not None else first_with_filters(model)
    weights = [filters(model, name)]
    if isinstance(before, Layer):
        weights.insert(0, filters(before, name))
    elif before is not None:
        weights.insert(0, as_filters(model, name, np.asarray(before)))
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


def plot_feature_maps(
    model: Network, image: Any, layer: str | Layer | None = None, path: Path | None = None, ax: Axes | None = None
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


def plot_exciting_patches(
    model: Network,
    x: Any,
    layer: str | Layer | None = None,
    count: int = 9,
    channels: Sequence[int] | None = None,
    path: Path | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The `count` patches of the images x that excite each channel of a layer most, a row for each channel, the
    strongest at the left; what lies over the edge of an image is grey.

    x: images in grey or three colours. layer: its path or the layer itself, by default the first convolution.
    channels: their numbers; by default the first 16. With `path` the picture is saved too, in the format of the file's
    ending.

    Raises what `exciting_patches` raises, OptionError for channels that are not there, ShapeError for inputs that are
    no images, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    require_matplotlib()
    found = exciting_patches(model, x, layer, count)
    rows = list(range(min(len(found.values), 16))) if channels is None else list(channels)
    cut = found.of(rows).cut(x)  # (rows, k, ...)
    low, high = limits_of(np.asarray(x))
    tiles = (as_images(cut.reshape(-1, *cut.shape[2:])) - low) / (high - low)
    tiles = np.where(np.isnan(tiles), BEYOND, tiles) if tiles.ndim == 4 else tiles
    picture = _Mosaic(tiles, found.values.shape[1], "channel", across="patch")
    figure, (axes,) = panels(1, ax, _size_of(picture, bar=False))
    picture.draw(axes, cmap="gray_r", vmin=0, vmax=1)
    axes.set_facecolor(str(BEYOND))
    axes.set_yticks(axes.get_yticks(), [str(rows[i]) for i in thinned(len(rows), 16)])
    H, W = tiles.shape[1:3]
    axes.set_title(f"{found.layer}: patches of {H} x {W}")
    return saved(figure, path)


def _mosaic_of_filters(weight: np.ndarray, largest: float) -> _Mosaic:
    tiles, columns = filters_as_tiles(weight if weight.ndim == 4 else weight[:, None])
    if columns is not None:
        return _Mosaic(tiles[..., 0], columns, "filter", "input channel")
    n, H, W, C = tiles.shape
    return _Mosaic(0.5 + tiles / (2 * largest) if C == 3 else tiles[..., 0], _columns(n, H, W), "filter")


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
