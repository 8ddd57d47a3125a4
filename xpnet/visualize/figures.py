"""What all pictures share: a figure or the axes that were given, a grid of panels, colours, and the file at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.base.atomic_files import checked_path, write_atomically
from xpnet.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Path = str | os.PathLike[str]

SEQUENTIAL = "viridis"  # from little to much; its lightness tells the values apart even without colours
HEAT = "YlOrRd"  # from nothing to much, over a grey image
DIVERGING = "PuOr"  # below and above zero
MOST = 100  # images that one picture holds


def require_matplotlib() -> type[Figure]:
    """matplotlib's Figure, which needs neither pyplot nor a window; raises MissingExtraError if it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(f'pictures need matplotlib ({error}). Install it: pip install "xpnet[plot]"') from error
    figure_class: type[Figure] = Figure
    return figure_class


def panels(
    count: int, ax: Axes | None, cell: tuple[float, float], columns: int | None = None, packed: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure and `count` axes in a grid, each with a place of `cell` (width, height) inches; or `ax` and its figure.

    Panels of a fixed shape are moved together unless `packed` is False. Without `columns` the grid has about as many of
    them as rows. Raises OptionError if `ax` is given and one panel is not enough.
    """
    figure_class = require_matplotlib()
    if ax is not None:
        if count != 1:
            raise OptionError(
                f"ax takes one panel, but there are {count} to draw; ask for one of them, or leave ax out"
            )
        return _figure_of(ax), [ax]
    columns = columns or math.ceil(math.sqrt(max(count, 1)))
    rows = math.ceil(max(count, 1) / columns)
    figure = figure_class(figsize=(cell[0] * columns, cell[1] * rows), layout="compressed" if packed else "constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for empty in axes[count:]:  # the last row may have places left
        empty.set_axis_off()
    return figure, axes[:count]


def _figure_of(ax: Any) -> Figure:
    figure = getattr(ax, "figure", None)
    if figure is None or not hasattr(ax, "imshow"):
        raise OptionError(f"ax must be matplotlib axes, such as figure.subplots() gives, not {type(ax).__name__}")
    whole: Figure = figure.figure or figure  # the figure that a subfigure is part of
    return whole


def title(figure: Figure, text: str) -> None:
    """Above the figure, which is made wide enough for it."""
    figure.suptitle(text)
    figure.set_figwidth(max(figure.get_figwidth(), text_width([text], 12) + 0.3))


def spread_out(figure: Figure) -> None:
    """Room between rows, so that a title is nearer to what is below it."""
    engine: Any = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.08, w_pad=0.05)


def text_width(texts: Sequence[str], size: float) -> float:
    """Inches that the longest of the texts takes, in points of `size`."""
    from matplotlib.textpath import TextPath

    return (
        max((TextPath((0, 0), text, size=size).get_extents().width for text in texts if text.strip()), default=0) / 72
    )


def draw_image(axes: Axes, image: np.ndarray, limits: tuple[float, float], faint: bool = False) -> None:
    """A grey image (H, W) as ink on paper (the lower of the limits is white), or one in colours (H, W, 3)."""
    low, high = limits
    alpha = 0.45 if faint else None
    if image.ndim == 3:
        shown = np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)
        axes.imshow(shown, interpolation="nearest", alpha=alpha)
    else:
        axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest", alpha=alpha)
    axes.set_axis_off()


def thinned(count: int, most: int) -> range:
    """Which of `count` ticks are written, so that there are `most` at the most: every one, or every 2nd, 5th, 10th."""
    steps = (10**power * step for power in range(9) for step in (1, 2, 5))
    return range(0, count, next(step for step in steps if -(-count // step) <= most))


def saved(figure: Figure, path: Path | None) -> Figure:
    """The figure, written to `path` in the format of its ending (PNG without one)."""
    if path is not None:
        path = checked_path(path)
        ending = path.suffix.removeprefix(".").lower() or "png"
        known = figure.canvas.get_supported_filetypes()
        if ending not in known:
            raise OptionError(
                f"{path}: pictures cannot be saved as .{ending}; choose one of {', '.join(sorted(known))}"
            )
        write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=120))
    return figure
