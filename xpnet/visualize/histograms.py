"""Histograms of activations, by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.base.checks import whole
from xpnet.errors import DataError
from xpnet.visualize.figures import Path, panels, require_matplotlib, saved, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spread = Mapping[str, np.ndarray]  # activations by layer


def plot_activations(
    found: Spread | Mapping[str, Spread], path: Path | None = None, bins: int = 40, ax: Axes | None = None
) -> Figure:
    """Histograms: a column for each layer, and a row for each network; a panel's title is its standard deviation.

    found: what `activations` gave, or `compare_initializers`, or a dict of what `activations` gave for several models
    with the same layers. The panels of a row have one range of values. With `path` the picture is saved too, in the
    format of the file's ending. `ax` takes the histogram of one layer.

    Raises DataError if there is nothing to show, OptionError for bins below 1, MissingExtraError without matplotlib,
    OptionError or FileError if the picture cannot be saved.
    """
    require_matplotlib()
    bins = whole("plot_activations: bins", bins)
    rows = _rows(found)
    names = list(next(iter(rows.values())))
    width = max(1.9, text_width([*names], 10) + 0.3)
    count = len(rows) * len(names)
    figure, axes = panels(count, ax, (width, 1.75), columns=len(names))
    if ax is None:
        figure.set_size_inches(max(figure.get_figwidth() + 0.5, 4.5), figure.get_figheight() + 0.8)
    for r, (label, spread) in enumerate(rows.items()):
        mine = axes[r * len(names) : (r + 1) * len(names)]
        _draw_row(mine, list(spread.values()), bins)
        shown = label if text_width([label], 10) < 1.5 else "\n".join(label.replace("(", " (").split(" "))
        mine[0].set_ylabel(f"{shown}\nactivations, %" if label else "activations, %")
        for each in mine[1:]:
            each.tick_params(labelleft=False)
    for each, name in zip(axes[: len(names)], names, strict=True):
        each.set_title(f"{name}\n{each.get_title()}", fontsize=10)
    for each in axes[-len(names) :]:
        each.set_xlabel("activation")
    return saved(figure, path)


def _rows(found: Spread | Mapping[str, Spread]) -> dict[str, dict[str, np.ndarray]]:
    """The activations of each layer in each row, flat."""
    several = bool(found) and all(isinstance(each, Mapping) for each in found.values())
    given: Mapping[str, Any] = found if several else {"": found}
    rows = {label: {name: np.asarray(y).ravel() for name, y in spread.items()} for label, spread in given.items()}
    layers = [list(spread) for spread in rows.values()]
    if not layers[0] or any(y.size == 0 for spread in rows.values() for y in spread.values()):
        raise DataError("plot_activations: there are no activations to show")
    if any(each != layers[0] for each in layers):
        raise DataError(f"plot_activations: the networks must have the same layers, not {layers[0]} and others")
    return rows


def _draw_row(axes: list[Axes], values: list[np.ndarray], bins: int) -> None:
    """Histograms over one range: that of all values but the outermost thousandths."""
    finite = [y[np.isfinite(y)] for y in values]
    ends = [np.quantile(y, (0.001, 0.999)) for y in finite if y.size]
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 1.0)
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-30):
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    top = 0.0
    for each, y, some in zip(axes, values, finite, strict=True):
        counts, _ = np.histogram(np.clip(some, low, high), edges)
        share = 100 * counts / y.size
        top = max(top, float(share.max()))
        each.stairs(share, edges, fill=True)
        each.set_title(f"std {y.std(dtype=np.float64):.3g}" if some.size == y.size else "not finite", fontsize=10)
        each.locator_params(axis="x", nbins=3)
        each.ticklabel_format(axis="x", scilimits=(-3, 4))
        each.locator_params(axis="y", nbins=4)
    for each in axes:
        each.set(xlim=(low, high), ylim=(0, 1.05 * top or 1.0))
