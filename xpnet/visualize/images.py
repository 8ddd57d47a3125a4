"""Images of a data set, and those that a model gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.analysis.images import as_images, labels_for
from xpnet.analysis.predictions import Mistakes, misclassified
from xpnet.base.checks import whole
from xpnet.core.network import Network
from xpnet.errors import OptionError
from xpnet.visualize.figures import (
    MOST,
    Path,
    draw_image,
    panels,
    require_matplotlib,
    saved,
    spread_out,
    text_width,
    title,
)
from xpnet.visualize.pixels import limits_of, name_of
from xpnet.visualize.predictions import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_images(
    x: Any,
    t: Any = None,
    path: Path | None = None,
    count: int = 25,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The first `count` images (at most 100), each under its label if `t` is given.

    x: images (N, 1, H, W), (N, 3, H, W), (N, H, W) or flat squares (N, H * H), bytes or floats; t: labels (N,) or
    one-hot rows (N, classes); names: of the classes, by number. With `path` the picture is saved too, in the format of
    the file's ending. `ax` takes a single image.

    Raises ShapeError for inputs that are no images, DataError for labels that do not match, OptionError for a `count`
    that is not from 1 to 100, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot be
    saved.
    """
    require_matplotlib()
    count = how_many("plot_images", count)
    images = as_images(np.asarray(x))
    labels = None if t is None else labels_for(t, len(images))[:count]
    titles = [""] * len(images[:count]) if labels is None else [name_of(label, names) for label in labels]
    figure, _ = grid_of(images[:count], titles, ax)
    return saved(figure, path)


def plot_misclassified(
    model: Network,
    x: Any,
    t: Any,
    path: Path | None = None,
    count: int = 16,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Up to `count` images that the model gets wrong, the surest mistakes first: true and predicted label, probability.

    x: images (N, 1, H, W), (N, 3, H, W), (N, H, W) or flat squares (N, H * H); t: labels (N,) or one-hot rows (N,
    classes); names: of the classes, by number. With `path` the picture is saved too, in the format of the file's
    ending. `ax` takes one image, the surest mistake.

    Raises ShapeError for inputs that are no images, DataError for labels that do not match, OptionError for a `count`
    that is not from 1 to 100, MissingExtraError without matplotlib, OptionError or FileError if the picture cannot be
    saved.
    """
    require_matplotlib()
    count = how_many("plot_misclassified", count) if ax is None else 1
    images = as_images(np.asarray(x))
    wrong = misclassified(model, x, t)
    shown = Mistakes(*(each[:count] for each in wrong))
    titles = [
        f"{name_of(label, names)} taken for {name_of(guess, names)}\n{percent(probability)}"
        for label, guess, probability in zip(shown.labels, shown.guesses, shown.probabilities, strict=True)
    ]
    figure, _ = grid_of(images[shown.indices], titles, ax)
    if ax is None:
        found = f"{len(wrong.indices):,} of {len(images):,} images misclassified"
        title(figure, found + (", the surest mistakes first" if len(wrong.indices) > 1 else ""))
    return saved(figure, path)


def grid_of(images: np.ndarray, titles: Sequence[str], ax: Axes | None, draw: Any = None) -> tuple[Figure, list[Axes]]:
    """A panel for each image, (n, H, W) or (n, H, W, 3), with its title; `draw(axes, i)` draws something else there."""
    n = len(images)
    H, W = images.shape[1:3]
    side = (
        2.4 if n <= 1 else 1.9 if n <= 4 else 1.45 if n <= 16 else 1.15 if n <= 49 else 0.9
    )  # inches of the longer side of an image
    size = 9 if n <= 49 else 8
    high, wide = side * min(1, H / W), side * min(1, W / H)
    lines = max((text.count("\n") + 1 if text else 0 for text in titles), default=0)
    texts = [line for text in titles for line in text.split("\n")]
    cell = max(wide, text_width(texts, size)) + 0.15, high + 0.17 * lines + 0.2
    figure, axes = panels(max(n, 1), ax, cell, packed=False)  # titles may be wider than images
    for each in axes:
        each.set_axis_off()
    limits = limits_of(images) if n else (0.0, 1.0)
    for i, (each, text) in enumerate(zip(axes, titles, strict=False)):
        if draw is None:
            draw_image(each, images[i], limits)
        else:
            draw(each, i)
        if text:
            each.set_title(text, fontsize=size, pad=2)
    if ax is None:
        figure.set_figheight(figure.get_figheight() + 0.4)
        spread_out(figure)
    return figure, axes


def how_many(what: str, count: Any) -> int:
    """The number of images to draw, checked."""
    if whole(f"{what}: count", count) > MOST:
        raise OptionError(f"{what}: count must be at most {MOST}, so that the images can be seen, not {count!r}")
    return int(count)
