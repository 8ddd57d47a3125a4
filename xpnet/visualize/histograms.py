"""How activations are spread in each layer, and what initial weights have to do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet import random
from xpnet.base.checks import whole
from xpnet.core.layer import Layer
from xpnet.core.watch import parts, path_of
from xpnet.errors import DataError, OptionError
from xpnet.initializers import Initializer
from xpnet.initializers import get as get_initializer
from xpnet.layers import Dense
from xpnet.model import Model, Sequential
from xpnet.visualize.figures import Path, panels, require_matplotlib, saved, text_width
from xpnet.visualize.network import one_batch, outputs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spread = Mapping[str, np.ndarray]  # activations by layer


def activations(model: Model, x: Any, layers: Iterable[str | Layer] | None = None) -> dict[str, np.ndarray]:
    """The outputs of layers for samples x in inference, by path: {"conv1": (N, 16, 28, 28), ..., "dense2": (N, 10)}.

    layers: paths or layers; by default all of them. Uses of a layer after its first are called "conv1 (use 2)". The
    model is not changed. Raises OptionError for a layer that is not there or not used, and what `predict` raises.
    """
    x = one_batch(model, x)
    if layers is None:
        ours = {id(part) for part in parts(model)}
        paths = [path for path, layer in model.named_layers() if id(layer) in ours]
    else:
        given = [layers] if isinstance(layers, (str, Layer)) else layers
        paths = [path_of(model, layer) for layer in given]
    found = outputs_of(model, x, paths)
    return {path + (f" (use {use + 1})" if use else ""): y for path in paths for use, y in enumerate(found[path])}


def compare_initializers(
    initializers: Iterable[str | float | Initializer] = (1.0, 0.01, "xavier_normal", "he_normal"),
    activation: Any = "sigmoid",
    x: Any = None,
    network: Callable[[Any], Model] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """The activations of one network from different initial weights: {"std 1.0": {"dense1": (N, 100), ...}, ...}.

    By default, as in the book, five dense layers of 100 units see 1,000 samples of 100 numbers, standard normal:
    weights too large drive a sigmoid to 0 and 1, weights too small leave no differences, and Xavier's (for tanh and
    sigmoid) and He's (for ReLU) keep the spread from layer to layer.

    initializers: names, standard deviations or Initializers. activation: of the default network's layers. network: a
    function that makes another network from an initializer; it needs samples `x` of its own, as for `predict`. Each
    network starts from the same random state, which is afterwards what it was before.

    Raises OptionError for an unknown initializer, for two that are the same, or for a `network` without `x`.

    Saitoh, *Deep Learning from Scratch*, 2016, chapter 6; Glorot and Bengio, 2010; He et al., 2015.
    """
    if network is not None and x is None:
        raise OptionError("compare_initializers: a network of your own needs samples x for it")

    def chain(initializer: Any) -> Model:
        return Sequential([Dense(100, activation=activation, initializer=initializer) for _ in range(5)])

    found: dict[str, dict[str, np.ndarray]] = {}
    with random.preserved_state():
        if x is None:
            x = random.generator().standard_normal((1000, 100), dtype=np.float32)
        state = random.get_state()
        for initializer in initializers:
            get_initializer(initializer)  # an unknown one is an error before anything is computed
            name = f"std {initializer}" if isinstance(initializer, (int, float)) else str(initializer)
            if name in found:
                raise OptionError(f"compare_initializers: {name} was given twice")
            random.set_state(state)
            found[name] = activations((network or chain)(initializer), x)
    if not found:
        raise OptionError("compare_initializers: give one initializer or more")
    return found


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
