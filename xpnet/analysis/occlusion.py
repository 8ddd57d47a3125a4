"""Why the network decides as it does: what becomes of a class's probability when a part of the image is hidden."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xpnet.analysis.explanations import Explanation, Target, targets_of
from xpnet.analysis.images import as_images
from xpnet.analysis.outputs import as_batch
from xpnet.analysis.predictions import probabilities
from xpnet.base.checks import finite, whole
from xpnet.core.network import Network
from xpnet.errors import DTypeError, OptionError


def occlusion(
    model: Network, x: Any, target: Target = None, size: int = 6, stride: int = 2, fill: float = 0.0
) -> np.ndarray:
    """M[n,i,j] = mean of P[n,c](x) - P[n,c](x with a square hidden), over the squares that hide pixel (i, j).

    (N, H, W), in the input's data type, from -1 to 1. P are the probabilities of the classes, c the class: where the
    image is hidden and its probability falls, what was hidden spoke for it; negative is what spoke against it.

    x: images as for `predict`, or one without the batch's axis; flat squares (N, H * H) will do. target: the class, or
    one for each image; by default the one that the model predicts. The squares of `size` x `size` pixels stand
    `stride` pixels apart, also over the edges, and are filled with `fill`, in all channels. For each image that is one
    prediction for each square, ((H + size) / stride)**2 or so. The model is not changed.

    Raises ShapeError for inputs that are no images or a model without a vector of classes, OptionError for a class
    that is not there and squares that leave pixels out.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.
    """
    return explain_by_occlusion(model, x, target, size, stride, fill).heat


def explain_by_occlusion(
    model: Network, x: Any, target: Target = None, size: int = 6, stride: int = 2, fill: float = 0.0
) -> Explanation:
    """`occlusion` together with the classes that it is about and their probabilities."""
    size, stride, fill = whole("occlusion: size", size), whole("occlusion: stride", stride), finite("fill", fill)
    if stride > size:
        raise OptionError(f"occlusion: squares of {size} pixels that stand {stride} apart leave pixels out")
    x = as_batch(model, x)
    if model.takes_integers:
        raise DTypeError(f"{model.label} takes integers, such as the numbers of words: there is nothing to hide")
    H, W = x.shape[2:] if x.ndim == 4 else as_images(x).shape[1:3]
    chances = probabilities(model, x)
    classes = np.where((wanted := targets_of(target, len(x))) < 0, chances.argmax(axis=1), wanted)
    if classes.max() >= chances.shape[1]:
        raise OptionError(f"target {classes.max()} is no class: {model.label} has classes 0 to {chances.shape[1] - 1}")
    own = chances[np.arange(len(x)), classes]
    squares = [(rows, columns) for rows in _spans(H, size, stride) for columns in _spans(W, size, stride)]
    heat = np.zeros((len(x), H, W), x.dtype)
    count = np.zeros((H, W), x.dtype)
    for rows, columns in squares:
        count[rows, columns] += 1
    for n, image in enumerate(x):
        hidden = np.repeat(image.reshape(1, -1, H, W), len(squares), axis=0)  # (squares, C, H, W)
        for each, (rows, columns) in zip(hidden, squares, strict=True):
            each[:, rows, columns] = fill
        drops = own[n] - probabilities(model, hidden.reshape(-1, *image.shape))[:, classes[n]]
        for drop, (rows, columns) in zip(drops, squares, strict=True):
            heat[n, rows, columns] += drop
    return Explanation(heat / count, classes, own, None)


def _spans(length: int, size: int, stride: int) -> list[slice]:
    """Where squares lie along an axis: spread evenly about its middle, the first and the last over the edges."""
    count = math.ceil((length + size - 1) / stride)
    first = -(((count - 1) * stride + size - length) // 2)
    starts = (first + k * stride for k in range(count))
    return [slice(max(start, 0), min(start + size, length)) for start in starts if -size < start < length]
