"""How training went: losses and metrics by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xpnet.callbacks import History
from xpnet.callbacks.base import RATE, scalar
from xpnet.errors import DataError, OptionError
from xpnet.metrics import larger_is_better
from xpnet.visualize.figures import Path, panels, require_matplotlib, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_history(
    history: History | Mapping[str, Sequence[float]],
    path: Path | None = None,
    labels: tuple[str, str] = ("training", "validation"),
    metric: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Loss, accuracy and other metrics by epoch, side by side; a ring marks the best epoch of each: the largest value
    where the metric says `larger_is_better`, or by its name is an accuracy, else the smallest.

    `history` is what `fit` returns, or its dict, which cannot say in which epochs validation happened: a shorter series
    is then spread over all of them. Metrics that are no single numbers are left out. With `path` the picture is saved
    too, in the format of the file's ending. `labels` names the curves of training and of validation. `metric` chooses
    one of the panels, such as "accuracy"; `ax` takes one, by default that of the loss.

    Raises DataError for a history without epochs, OptionError for a metric that it does not hold, MissingExtraError
    without matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    require_matplotlib()
    if not isinstance(history, (History, Mapping)):
        raise OptionError(f"plot_history takes what fit returns, or its dict, not {history!r}")
    series = _series(history)
    names = [name for name in series if not name.startswith("val_") and (name == metric or name != RATE)]
    if not names:
        raise DataError("the history is empty: train for at least one epoch first")
    if metric is not None and metric not in names:
        raise OptionError(f"the history holds no metric {metric!r}; choose one of {', '.join(names)}")
    if metric is not None or ax is not None:
        names = [metric or names[0]]
    width = 5.0 if len(names) > 1 else 6.4
    metrics = history.model.metrics if isinstance(history, History) and hasattr(history, "model") else ()
    figure, panes = panels(len(names), ax, (width, 4.2), columns=len(names))
    for axes, name in zip(panes, names, strict=True):
        pairs = zip(labels, (name, f"val_{name}"), strict=True)
        curves = [(label, *series[key]) for label, key in pairs if key in series]
        _draw_curves(axes, name, curves, larger_is_better(name, metrics))
    return saved(figure, path)


def plot_steps(
    steps: Sequence[int],
    values: Mapping[str, Sequence[float]],
    ends: Mapping[str, float],
    path: Path | None = None,
    labels: tuple[str, str] = ("training", "validation"),
) -> Figure:
    """Loss and metrics over the steps of an epoch, side by side, and a point for what was measured at its end.

    steps: where the pieces end that each of the `values`, by name, is the mean of. `ends` holds the values of
    validation, such as val_loss, where there are any; `path` and `labels` as for `plot_history`.
    """
    require_matplotlib()
    figure, panes = panels(len(values), None, (5.0 if len(values) > 1 else 6.4, 4.2), columns=len(values))
    for axes, (name, each) in zip(panes, values.items(), strict=True):
        axes.plot(steps, each, label=labels[0])
        if (end := ends.get(f"val_{name}")) is not None:
            axes.plot(steps[-1], end, "o", clip_on=False, label=f"{labels[1]}: {end:.4f}")
        axes.set(xlabel="step", ylabel=name, xlim=(0, steps[-1]))
        axes.margins(y=0.1)
        axes.grid(alpha=0.3)
        axes.legend()
    return saved(figure, path)


def _series(history: History | Mapping[str, Sequence[float]]) -> dict[str, tuple[list[int], Sequence[float]]]:
    """The epochs, from 1, and the values of each series of numbers."""
    values = history.history if isinstance(history, History) else history
    numbers = {name: each for name, each in values.items() if len(each) and all(scalar(value) for value in each)}
    if isinstance(history, History):
        return {name: ([epoch + 1 for epoch in history.epochs[name]], each) for name, each in numbers.items()}
    longest = max(map(len, numbers.values()), default=0)
    steps = {name: longest // len(each) for name, each in numbers.items()}
    return {name: ([steps[name] * (i + 1) for i in range(len(each))], each) for name, each in numbers.items()}


def _draw_curves(axes: Axes, name: str, curves: list[tuple[str, list[int], Sequence[float]]], rises: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = min(epochs[0] for _, epochs, _ in curves), max(epochs[-1] for _, epochs, _ in curves)
    marker = "o" if last - first < 30 else ""
    for label, epochs, values in curves:
        axes.plot(epochs, values, marker=marker, markersize=4, label=label)
    # The best point of the last curve, which is validation's where there is one; NaN is never the best.
    goodness = np.asarray(values, np.float64) * (1 if rises else -1)
    if not np.isnan(goodness).all():
        best = int(np.nanargmax(goodness))
        found = f"best: {values[best]:.4f} in epoch {epochs[best]}"
        axes.plot(epochs[best], values[best], "ko", markersize=10, fillstyle="none", label=found)
    axes.set(xlabel="epoch", ylabel=name, xlim=(first - 0.5, last + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.1)
    axes.grid(alpha=0.3)
    axes.legend()
