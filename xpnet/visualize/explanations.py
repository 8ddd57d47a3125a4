"""Why the network decides as it does: Grad-CAM and saliency, where an image speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xpnet.core.layer import Back, Layer
from xpnet.core.watch import intercepted, path_of
from xpnet.data.batches import Batches
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Softmax
from xpnet.visualize.figures import HEAT, Path, draw_image, require_matplotlib, saved, text_width, title
from xpnet.visualize.images import grid_of, how_many
from xpnet.visualize.network import BATCH, convolutions, one_batch
from xpnet.visualize.pixels import as_images, enlarged, limits_of, name_of
from xpnet.visualize.predictions import chances, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xpnet.model import Model


def grad_cam(
    model: Model, x: Any, target: int | Sequence[int] | None = None, layer: str | Layer | None = None
) -> np.ndarray:
    """L[n] = max(0, sum_k a[n,k] A[n,k]),  a[n,k] = mean over i, j of dS[n,c] / dA[n,k,i,j]: (N, H, W), float.

    A (N, K, h, w) are the outputs of a convolutional layer (with its activation), S the scores of the classes, c the
    class: where the image holds what speaks for it. L is enlarged to the size of the image, bilinearly, as in the
    paper: behind convolutions without padding, what it shows near an edge lies further in.

    x: images as for `predict`, or one without the batch's axis. target: the class, or one for each image; by default
    the one that the model predicts. layer: its path or the layer itself; by default the last convolution; of a layer
    that is used several times the last use counts. A softmax at the model's end is left out. The model, its gradients
    included, is not changed.

    Raises ShapeError for inputs that are no images, a layer without maps or a model without a vector of classes,
    OptionError for a class or a layer that is not there.

    Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017.
    """
    return _grad_cam(model, one_batch(model, x), target, layer)[0]


def saliency(model: Model, x: Any, target: int | Sequence[int] | None = None) -> np.ndarray:
    """M = max over the channels of |dS[n,c] / dx[n]|: (N, H, W) for images; |dS / dx| in the input's shape for others.

    S are the scores of the classes, c the class: which pixels need to change least to change its score most. x, target
    and errors are as for `grad_cam`.

    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2014.
    """
    return _saliency(model, one_batch(model, x), target)[0]


def plot_grad_cam(
    model: Model,
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
    heat, seen, name = _grad_cam(model, x, target, layer)
    return saved(_laid_over(model, x, heat, seen, f"Grad-CAM of {name}", names, ax), path)


def plot_saliency(
    model: Model,
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
    heat, seen = _saliency(model, x, target)
    heat = as_images(heat)  # of flat squares; ShapeError for what is no image
    return saved(_laid_over(model, x, heat, seen, "saliency", names, ax), path)


# ---- gradients of a score ------------------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """Of N samples: scores (N, classes), the class of each, the gradient of its score with respect to the input and to
    a layer's output, and that output."""

    scores: np.ndarray
    classes: np.ndarray
    dx: np.ndarray
    dmaps: np.ndarray | None
    maps: np.ndarray | None


def _grad_cam(model: Model, x: np.ndarray, target: Any, layer: str | Layer | None) -> tuple[np.ndarray, _Seen, str]:
    size = x.shape[2:] if x.ndim == 4 else as_images(x).shape[1:3]
    if layer is None:
        found = convolutions(model)
        if not found:
            raise OptionError(f"{model.label} has no convolution; choose a layer that gives maps with layer=")
        layer = found[-1]
    name = path_of(model, layer)
    seen = _look(model, x, target, name)
    assert seen.maps is not None and seen.dmaps is not None
    if seen.maps.ndim != 4:
        raise ShapeError(
            f"Grad-CAM needs a layer that gives maps (N, C, H, W); the outputs of {name} have shape {seen.maps.shape}"
        )
    weights = seen.dmaps.mean(axis=(2, 3), keepdims=True)  # (N, K, 1, 1)
    small = np.maximum((weights * seen.maps).sum(axis=1), 0)  # (N, h, w)
    return enlarged(small, (size[0], size[1])), seen, name


def _saliency(model: Model, x: np.ndarray, target: Any) -> tuple[np.ndarray, _Seen]:
    seen = _look(model, x, target, None)
    size = np.abs(seen.dx)
    return (size.max(axis=1) if size.ndim == 4 else size), seen


def _look(model: Model, x: np.ndarray, target: Any, path: str | None) -> _Seen:
    """Forward and back, in inference, on a copy of the model: its own gradients and layers are left alone."""
    twin = model.copy()
    backend, layers = twin.backend, dict(twin.named_layers())
    softmaxes = [layer for layer in layers.values() if isinstance(layer, Softmax)]
    watched = [layers[path]] if path is not None else []
    uses: list[list[Any]] = []  # of the watched layer: output and gradient
    output: list[Any] = []

    def change(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        uses.append([y, None])
        mine = uses[-1]

        def listening(dy: Any, *args: Any, **options: Any) -> Any:
            if layer in watched:
                mine[1] = np.array(backend.to_numpy(dy))
            return dy if isinstance(layer, Softmax) and y is output[0] else back(dy, *args, **options)

        if layer not in watched:
            uses.pop()
        return y, listening

    parts: list[_Seen] = []
    with intercepted([*watched, *softmaxes], change), backend.computing():
        for part, wanted in Batches(x, _targets(target, len(x)), BATCH):
            uses.clear()
            y, back = twin.forward(backend.asarray(part, twin.dtype))
            output[:] = [y]
            if twin.last() is Softmax and not softmaxes:
                raise OptionError(
                    f"{model.label} makes its last Softmax in call; make it in __init__: self.softmax = ..."
                )
            scores = np.array(backend.to_numpy(y))
            classes = _classes(model, scores, wanted)
            dy = np.zeros_like(scores)
            dy[np.arange(len(dy)), classes] = 1
            dx = np.array(backend.to_numpy(back(backend.asarray(dy, twin.dtype))))
            maps, dmaps = uses[-1] if uses else (None, None)
            if path is not None and dmaps is None:
                raise OptionError(f"the output of {model.label} does not depend on layer {path}; choose another")
            parts.append(_Seen(scores, classes, dx, dmaps, None if maps is None else np.array(backend.to_numpy(maps))))
    joined = [None if each[0] is None else np.concatenate(each) for each in zip(*parts, strict=True)]
    return _Seen(*joined)  # type: ignore[arg-type]


def _targets(target: Any, N: int) -> np.ndarray:
    """(N,): the class for each sample, -1 for the predicted one."""
    wanted = np.asarray(-1 if target is None else target)
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (N,)) or (target is not None and (wanted < 0).any()):
        raise OptionError(f"target must be the number of a class, or one for each of the {N} images, not {target!r}")
    return np.broadcast_to(wanted, N)


def _classes(model: Model, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if scores.ndim != 2:
        raise ShapeError(f"scores of classes (N, classes) are needed; {model.label} gives {scores.shape}")
    if wanted.max() >= scores.shape[1]:
        raise OptionError(f"target {wanted.max()} is no class: {model.label} has classes 0 to {scores.shape[1] - 1}")
    return np.where(wanted < 0, scores.argmax(axis=1), wanted)


# ---- drawing -------------------------------------------------------------------------------------------------------


def _first(model: Model, x: Any, target: Any, count: int) -> tuple[np.ndarray, Any]:
    """The first images, and their classes."""
    x = one_batch(model, x)
    wanted = None if target is None else _targets(target, len(x))[:count]
    return x[:count], wanted


def _laid_over(
    model: Model, x: np.ndarray, heat: np.ndarray, seen: _Seen, what: str, names: Sequence[str] | None, ax: Axes | None
) -> Figure:
    images = as_images(x)
    limits = limits_of(images)
    likely = chances(model, seen.scores) if seen.scores.shape[1] > 1 else None
    titles = [
        name_of(c, names) + ("" if likely is None else f": {percent(likely[i, c])}") for i, c in enumerate(seen.classes)
    ]

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
