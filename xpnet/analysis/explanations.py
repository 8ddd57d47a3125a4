"""Why the network decides as it does: Grad-CAM and saliency, where an image speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xpnet.analysis.images import as_images, enlarged
from xpnet.analysis.outputs import BATCH, as_batch, convolutions
from xpnet.analysis.predictions import as_probabilities
from xpnet.core.layer import Back, Layer
from xpnet.core.network import Network
from xpnet.core.outputs import SEVERAL
from xpnet.core.watch import intercepted, path_of
from xpnet.data.batches import Batches
from xpnet.errors import DTypeError, OptionError, ShapeError
from xpnet.layers import Softmax

Target = int | Sequence[int] | np.ndarray | None


class Explanation(NamedTuple):
    """Of N samples: where they speak for a class, (N, H, W) for images; the class of each, (N,), and its probability,
    (N,), None for a model of one class; and the path of the layer that was looked at, None for the input."""

    heat: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray | None
    layer: str | None


def grad_cam(model: Network, x: Any, target: Target = None, layer: str | Layer | None = None) -> np.ndarray:
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
    return explain_by_grad_cam(model, x, target, layer).heat


def saliency(model: Network, x: Any, target: Target = None) -> np.ndarray:
    """M = max over the channels of |dS[n,c] / dx[n]|: (N, H, W) for images; |dS / dx| in the input's shape for others.

    S are the scores of the classes, c the class: which pixels need to change least to change its score most. x, target
    and errors are as for `grad_cam`.

    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2014.
    """
    return explain_by_saliency(model, x, target).heat


def explain_by_grad_cam(model: Network, x: Any, target: Target = None, layer: str | Layer | None = None) -> Explanation:
    """`grad_cam` together with the classes that it is about and their probabilities."""
    x = as_batch(model, x)
    H, W = x.shape[2:] if x.ndim == 4 else as_images(x).shape[1:3]
    if layer is None:
        found = convolutions(model)
        if not found:
            raise OptionError(f"{model.label} has no convolution; choose a layer that gives maps with layer=")
        layer = found[-1]
    path = path_of(model, layer)
    seen = _look(model, x, target, path)
    assert seen.maps is not None and seen.dmaps is not None
    if seen.maps.ndim != 4:
        raise ShapeError(
            f"Grad-CAM needs a layer that gives maps (N, C, H, W); the outputs of {path} have shape {seen.maps.shape}"
        )
    weights = seen.dmaps.mean(axis=(2, 3), keepdims=True, dtype=np.float64)  # (N, K, 1, 1)
    small = np.maximum((weights * seen.maps).sum(axis=1), 0).astype(seen.maps.dtype)  # (N, h, w)
    return Explanation(enlarged(small, (H, W)), seen.classes, seen.probabilities, path)


def explain_by_saliency(model: Network, x: Any, target: Target = None) -> Explanation:
    """`saliency` together with the classes that it is about and their probabilities."""
    x = as_batch(model, x)
    if model.takes_integers:
        raise DTypeError(f"{model.label} takes integers, such as the numbers of words: no score has a gradient there")
    seen = _look(model, x, target, None)
    size = np.abs(seen.dx)
    return Explanation(size.max(axis=1) if size.ndim == 4 else size, seen.classes, seen.probabilities, None)


def targets_of(target: Target, N: int) -> np.ndarray:
    """(N,): the class for each sample, -1 for the predicted one; OptionError for what is no class."""
    wanted = np.asarray(-1 if target is None else target)
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (N,)) or (target is not None and (wanted < 0).any()):
        raise OptionError(f"target must be the number of a class, or one for each of the {N} images, not {target!r}")
    return np.broadcast_to(wanted, N)


# ---- gradients of a score ------------------------------------------------------------------------------------------


class _Seen(NamedTuple):
    """Of N samples: the class of each and its probability, the gradient of its score with respect to the input and to
    a layer's output, and that output."""

    classes: np.ndarray
    probabilities: np.ndarray | None
    dx: np.ndarray
    dmaps: np.ndarray | None
    maps: np.ndarray | None


def _look(model: Network, x: np.ndarray, target: Target, path: str | None) -> _Seen:
    """Forward and back, in inference, on a copy of the model: its own gradients and layers are left alone."""
    twin = model.copy()
    backend, layers = twin.backend, dict(twin.named_layers())
    softmaxes = [layer for layer in layers.values() if isinstance(layer, Softmax)]
    watched = [layers[path]] if path is not None else []
    uses: list[list[Any]] = []  # of the watched layer: output and gradient
    output: list[Any] = []

    def change(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        use = [y, None]
        if layer in watched:
            uses.append(use)

        def listening(dy: Any, *args: Any, **options: Any) -> Any:
            if layer in watched:
                use[1] = np.array(backend.to_numpy(dy))
            return dy if isinstance(layer, Softmax) and y is output[0] else back(dy, *args, **options)

        return y, listening

    seen: list[_Seen] = []
    with intercepted([*watched, *softmaxes], change), backend.computing():
        for part, wanted in Batches(x, targets_of(target, len(x)), BATCH):
            uses.clear()
            twin.reset_state()
            y, back = twin.forward(backend.asarray(part, twin.dtype))
            output[:] = [y]
            if isinstance(y, SEVERAL) or any(isinstance(seen_there, SEVERAL) for seen_there, _ in uses):
                raise OptionError(f"{model.label} or the layer gives several outputs; choose what gives a single one")
            if twin.last() is Softmax and not softmaxes:
                raise OptionError(
                    f"{model.label} makes its last Softmax in call; make it in __init__: self.softmax = ..."
                )
            scores = np.array(backend.to_numpy(y))
            classes = _classes(model, scores, wanted)
            own = np.arange(len(scores)), classes
            chances = as_probabilities(twin, scores)[own] if scores.shape[1] > 1 else None
            dy = np.zeros_like(scores)
            dy[own] = 1
            dx = np.array(backend.to_numpy(back(backend.asarray(dy, twin.dtype))))
            maps, dmaps = uses[-1] if uses else (None, None)
            if path is not None and dmaps is None:
                raise OptionError(f"the output of {model.label} does not depend on layer {path}; choose another")
            maps = None if maps is None else np.array(backend.to_numpy(maps))
            seen.append(_Seen(classes, chances, dx, dmaps, maps))
    joined = [None if each[0] is None else np.concatenate(each) for each in zip(*seen, strict=True)]
    return _Seen(*joined)  # type: ignore[arg-type]


def _classes(model: Network, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(N,): the wanted class of each sample, or the predicted one."""
    if scores.ndim != 2:
        raise ShapeError(f"scores of classes (N, classes) are needed; {model.label} gives {scores.shape}")
    if wanted.max() >= scores.shape[1]:
        raise OptionError(f"target {wanted.max()} is no class: {model.label} has classes 0 to {scores.shape[1] - 1}")
    return np.where(wanted < 0, scores.argmax(axis=1), wanted)
