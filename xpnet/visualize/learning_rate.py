"""The picture of a search for the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpnet.experiments.find_lr import LRSearch
from xpnet.visualize.figures import Path, panels, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_lr_search(search: LRSearch, path: Path | None = None, ax: Axes | None = None) -> Figure:
    """The loss by learning rate, as `xpnet.find_lr` found it: of each step and smoothed; a line marks the suggestion.

    With `path` the picture is saved too, in the format of the file's ending. Raises MissingExtraError without
    matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    figure, (axes,) = panels(1, ax, (6.4, 4.2))
    axes.plot(search.rates, search.losses, ".", color="0.6", markersize=4, label="each step")
    axes.plot(search.rates, search.smoothed, color="C0", linewidth=2, label="smoothed")
    if search.suggestion is not None:
        axes.axvline(search.suggestion, color="black", linestyle="--", label=f"suggested: {search.suggestion:.2g}")
    low, high = float(search.smoothed.min()), float(search.smoothed[: max(len(search.smoothed) // 10, 1)].max())
    room = max(high - low, 1e-3 * abs(high), 1e-12)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - 0.3 * room, high + 0.6 * room))
    axes.set_xlim(search.rates[0], search.rates[-1] if len(search.rates) > 1 else 2 * search.rates[0])
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    return saved(figure, path)
