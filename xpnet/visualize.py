"""Pictures: how training went, and which images the network gets wrong. They need `pip install "xpnet[plot]"`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.callback import scalar
from xpnet.callbacks import History
from xpnet.errors import DataError, MissingExtraError, OptionError, ShapeError
from xpnet.files import write_atomically
from xpnet.layers import Softmax

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xpnet.model import Model

Path = str | os.PathLike[str]


def plot_history(
    history: History | Mapping[str, Sequence[float]],
    path: Path | None = None,
    labels: tuple[str, str] = ("training", "validation"),
) -> Figure:
    """Loss, accuracy and other metrics by epoch, side by side; a ring marks the best epoch of each.

    `history` is what `fit` returns, or its dict, which cannot say in which epochs validation happened: a shorter series
    is then spread over all of them. Metrics that are no single numbers are left out. With `path` the picture is saved
    too, in the format of the file's ending. `labels` names the curves of training and of validation.

    Raises DataError for a history without epochs, MissingExtraError without matplotlib, OptionError or FileError if the
    picture cannot be saved.
    """
    figure_class = require_matplotlib()
    series = _series(history)
    names = [name for name in series if not name.startswith("val_")]
    if not names:
        raise DataError("the history is empty: train for at least one epoch first")
    figure = figure_class(figsize=(max(5.0 * len(names), 6.4), 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        pairs = zip(labels, (name, f"val_{name}"), strict=True)
        _draw_curves(axes, name, [(label, *series[key]) for label, key in pairs if key in series])
    return _saved(figure, path)


def _series(history: History | Mapping[str, Sequence[float]]) -> dict[str, tuple[list[int], Sequence[float]]]:
    """The epochs, from 1, and the values of each series of numbers."""
    values = history.history if isinstance(history, History) else history
    numbers = {name: each for name, each in values.items() if len(each) and all(scalar(value) for value in each)}
    if isinstance(history, History):
        return {name: ([epoch + 1 for epoch in history.epochs[name]], each) for name, each in numbers.items()}
    longest = max(map(len, numbers.values()), default=0)
    steps = {name: longest // len(each) for name, each in numbers.items()}
    return {name: ([steps[name] * (i + 1) for i in range(len(each))], each) for name, each in numbers.items()}


def _draw_curves(axes: Axes, name: str, curves: list[tuple[str, list[int], Sequence[float]]]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = min(epochs[0] for _, epochs, _ in curves), max(epochs[-1] for _, epochs, _ in curves)
    marker = "o" if last - first < 30 else ""
    for label, epochs, values in curves:
        axes.plot(epochs, values, marker=marker, markersize=4, label=label)
    # The best point of the last curve, which is validation's where there is one; NaN is never the best.
    goodness = np.asarray(values, np.float64) * (1 if "acc" in name else -1)
    if not np.isnan(goodness).all():
        best = int(np.nanargmax(goodness))
        found = f"best: {values[best]:.4f} in epoch {epochs[best]}"
        axes.plot(epochs[best], values[best], "ko", markersize=10, fillstyle="none", label=found)
    axes.set(xlabel="epoch", ylabel=name, xlim=(first - 0.5, last + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.1)
    axes.grid(alpha=0.3)
    axes.legend()


def plot_misclassified(model: Model, x: Any, t: Any, path: Path | None = None, count: int = 16) -> Figure:
    """Up to `count` images that the model gets wrong, the surest mistakes first: true and predicted label, probability.

    x: images (N, 1, H, W), (N, H, W) or flat squares (N, H * H); t: labels (N,) or one-hot rows (N, classes). With
    `path` the picture is saved too, in the format of the file's ending.

    Raises ShapeError for inputs that are no grey images, DataError for labels that do not match, OptionError for a
    `count` below 1, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    figure_class = require_matplotlib()
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
        raise OptionError(f"plot_misclassified: count must be an integer of at least 1, not {count!r}")
    images, labels = _grey_images(np.asarray(x)), np.asarray(t)
    labels = labels.argmax(axis=1) if labels.ndim == 2 else labels
    if labels.shape != (len(images),):
        raise DataError(f"there are {len(images)} images and labels of shape {labels.shape}; expected a label for each")
    chances = probabilities(model, x)  # (N, classes)
    guesses, sureness = chances.argmax(axis=1), chances.max(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:count]

    columns = math.ceil(math.sqrt(max(len(shown), 1)))
    rows = math.ceil(max(len(shown), 1) / columns)
    figure = figure_class(figsize=(max(1.7 * columns, 5.0), 1.9 * rows + 0.6), layout="constrained")
    title = f"{len(wrong):,} of {len(images):,} images misclassified"
    figure.suptitle(title + (", the surest mistakes first" if len(wrong) > 1 else ""))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, i in zip(grid, shown, strict=False):  # the last row may have places left
        axes.imshow(images[i], cmap="gray_r", interpolation="nearest")
        axes.set_title(f"{labels[i]} taken for {guesses[i]}\n{_percent(sureness[i])}", fontsize=9)
    return _saved(figure, path)


def probabilities(model: Model, x: Any) -> np.ndarray:
    """The probability of each class for each sample, (N, classes): the softmax of what the model predicts.

    Raises ShapeError if the model has no vector of classes as its output.
    """
    y = model.predict(x)
    if y.ndim != 2 or y.shape[1] < 2:
        raise ShapeError(f"probabilities need outputs (N, classes) of two classes or more; the model gives {y.shape}")
    if model.last() is Softmax:
        return y
    e = np.exp(y - y.max(axis=1, keepdims=True))
    chances: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return chances


def require_matplotlib() -> type[Figure]:
    """matplotlib's Figure, which needs neither pyplot nor a window; raises MissingExtraError if it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(f'pictures need matplotlib ({error}). Install it: pip install "xpnet[plot]"') from error
    figure_class: type[Figure] = Figure
    return figure_class


def _percent(share: float) -> str:
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"


def _grey_images(x: np.ndarray) -> np.ndarray:
    """(N, H, W)."""
    side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
    if x.ndim == 4 and x.shape[1] == 1:
        return x[:, 0]
    if x.ndim == 3:
        return x
    if x.ndim == 2 and side * side == x.shape[1] > 0:
        return x.reshape(-1, side, side)  # (N, H, W)
    raise ShapeError(f"the images have shape {x.shape}; expected (N, 1, H, W), (N, H, W) or flat squares (N, H * H)")


def _saved(figure: Figure, path: Path | None) -> Figure:
    if path is not None:
        ending = os.path.splitext(path)[1].removeprefix(".").lower() or "png"
        known = figure.canvas.get_supported_filetypes()
        if ending not in known:
            raise OptionError(
                f"{os.fspath(path)}: pictures cannot be saved as .{ending}; choose one of {', '.join(sorted(known))}"
            )
        write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=120))
    return figure
