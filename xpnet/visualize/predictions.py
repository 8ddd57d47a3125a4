"""Which classes a model takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.visualize.figures import Path, panels, require_matplotlib, saved, text_width, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

READABLE = 40  # classes: more numbers than that in a row are not read


def percent(share: float) -> str:
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"


def plot_confusion_matrix(
    matrix: Any,
    path: Path | None = None,
    shares: bool = False,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Which class (rows) was taken for which (columns): counts, or with `shares` per cent of each row.

    matrix: (classes, classes), from `confusion_matrix` or metrics.ConfusionMatrix; names: of the classes, by number.
    The colour is always the share of the row, on a scale that tells small shares apart. From 41 classes on there are
    colours only. With `path` the picture is saved too, in the format of the file's ending.

    Raises ShapeError unless the matrix is square, DataError for negative or fractional counts, OptionError for names
    that are not as many as the classes, MissingExtraError without matplotlib, OptionError or FileError if the picture
    cannot be saved.
    """
    require_matplotlib()
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ShapeError(f"a confusion matrix has shape (classes, classes), not {counts.shape}")
    if counts.dtype.kind not in "iuf" or not (counts >= 0).all() or (counts != np.floor(counts)).any():
        raise DataError("a confusion matrix holds counts: whole numbers from 0; shares=True makes shares of them")
    K = len(counts)
    if names is not None and len(names) != K:
        raise OptionError(f"names holds {len(names)} names, but the matrix has {K} classes")
    totals = counts.sum(axis=1, keepdims=True)
    share = 100 * counts / np.maximum(totals, 1)  # (true, predicted), per cent
    texts = [[f"{v:.1f}" if shares else f"{int(v):,}" for v in row] for row in (share if shares else counts)]
    size, ticks = 9 if K <= 20 else 7, [str(name) for name in (names if names is not None else range(K))]
    numbers = K <= READABLE
    widest = text_width([text for row in texts for text in row], size) if numbers else 0
    cell = max(widest + 0.2, 0.3 if K <= 20 else 0.24) if numbers else 7.5 / K
    labels = text_width(ticks, size)
    figure, (axes,) = panels(1, ax, (max(cell * K, 2.0) + labels + 1.5, max(cell * K, 2.0) + labels + 0.9))
    _draw_matrix(axes, share)
    if numbers:
        for i, j in np.ndindex(K, K):
            dark = share[i, j] > 30
            color = "white" if dark else "black" if counts[i, j] else "0.6"
            axes.text(j, i, texts[i][j], ha="center", va="center", fontsize=size, color=color, in_layout=False)
    places = list(range(K)) if numbers or (labels > 0.5 and K <= 60) else list(thinned(K, 20))
    shown = [ticks[i] for i in places]
    upright = text_width(shown, size) > cell * (places[1] - places[0] if len(places) > 1 else 1) - 0.04
    axes.set_xticks(places, shown, fontsize=size, rotation=90 if upright else 0)
    axes.set_yticks(places, shown, fontsize=size)
    axes.set(xlabel="predicted class", ylabel="true class")
    return saved(figure, path)


def _draw_matrix(axes: Axes, share: np.ndarray) -> None:
    from matplotlib.colors import PowerNorm

    # the square root: one in a hundred is a tenth of the way to black
    image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 100), interpolation="nearest")
    bar = axes.figure.colorbar(image, ax=axes, pad=0.03, ticks=[0, 1, 5, 10, 25, 50, 100])
    bar.set_label("share of the true class, %")
