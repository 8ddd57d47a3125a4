"""Why the network decides as it does: Grad-CAM and saliency, laid over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.analysis.explanations import Explanation, explain_by_grad_cam, explain_by_saliency, targets_of
from xpnet.analysis.images import as_images
from xpnet.analysis.outputs import as_batch
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.visualize.figures import HEAT, Path, draw_image, require_matplotlib, saved, text_width, title
from xpnet.visualize.images import grid_of, how_many
from xpnet.visualize.pixels import limits_of, name_of
from xpnet.visualize.predictions import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_grad_cam(
    model: Network,
    x: Any,
    target: int | Sequence[int] | None = None,
    layer: str | Layer | None = None,
    path: Path | None = None,
    count: int = 16,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Grad-CAM laid over each of the first `count` images (at most 100): class and its probability above.

    The colours reach from nothing to the largest value in each image. x, target and layer are as for `grad_cam`;
    names: of the classes, by number. With `path` the picture is saved too, in the format of the file's ending. `ax`
    takes a single image.

    Raises what `grad_cam` raises, OptionError for a `count` that is not from 1 to 100, MissingExtraError without
    matplotlib, OptionError or FileError if the picture cannot be saved.
    """
    require_matplotlib()
    x, target = _first(model, x, target, how_many("plot_grad_cam", count))
    found = explain_by_grad_cam(model, x, target, layer)
    return saved(_laid_over(x, found, f"Grad-CAM of {found.layer}", names, ax), path)


def plot_saliency(
    model: Network,
    x: Any,
    target: int | Sequence[int] | None = None,
    path: Path | None = None,
    count: int = 16,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The saliency of each of the first `count` images (at most 100), laid over it: class and its probability above.

    The colours reach from nothing to the largest value in each image. x and target are as for `saliency`, and the rest
    as for `plot_grad_cam`.
    """
    require_matplotlib()
    x, target = _first(model, x, target, how_many("plot_saliency", count))
    found = explain_by_saliency(model, x, target)
    return saved(_laid_over(x, found, "saliency", names, ax), path)


def _first(model: Network, x: Any, target: Any, count: int) -> tuple[np.ndarray, Any]:
    """The first images, and their classes."""
    x = as_batch(model, x)
    wanted = None if target is None else targets_of(target, len(x))[:count]
    return x[:count], wanted


def _laid_over(x: np.ndarray, found: Explanation, what: str, names: Sequence[str] | None, ax: Axes | None) -> Figure:
    """The heat of each image over it, under the image's class."""
    heat, images = as_images(found.heat), as_images(x)  # also of flat squares; ShapeError for what is no image
    limits = limits_of(images)
    titles = [name_of(label, names) for label in found.classes]
    if found.probabilities is not None:
        titles = [f"{name}: {percent(p)}" for name, p in zip(titles, found.probabilities, strict=True)]

    def draw(axes: Axes, i: int) -> None:
        draw_image(axes, images[i], limits, faint=True)
        largest = float(heat[i].max()) or 1.0
        share = heat[i] / largest
        axes.imshow(share, cmap=HEAT, vmin=0, vmax=1, alpha=np.minimum(0.9, 2 * share), interpolation="nearest")

    figure, axes = grid_of(images, titles, ax, draw)
    if ax is None:
        label = "share of the image's largest value"
        figure.set_size_inches(max(figure.get_figwidth(), text_width([label], 10) + 0.5), figure.get_figheight() + 0.6)
        thin = 0.8 * figure.get_figwidth() / 0.13  # 0.13 inches
        figure.colorbar(axes[0].images[1], ax=axes, location="bottom", shrink=0.8, aspect=thin).set_label(label)
        title(figure, what)
    return figure
