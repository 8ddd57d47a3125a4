"""What a layer looks for: its filters, as images."""

from __future__ import annotations

import math

import numpy as np

from xpnet.analysis.outputs import convolutions
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.parameter import Parameter
from xpnet.core.watch import path_of
from xpnet.errors import NotBuiltError, OptionError


def filters(model: Network, layer: str | Layer | None = None) -> np.ndarray:
    """The weight of a layer as images: (n, H, W), or (n, C, H, W) for C input channels, C > 1.

    Those of a convolution are its kernels; a unit of a dense layer that sees images is an image itself. layer: its path
    or the layer itself; by default the first convolution, or without one the first dense layer. The array is a copy.

    Raises OptionError for a layer that is not there or has no filters, NotBuiltError before it has weights.
    """
    path = path_of(model, layer) if layer is not None else first_with_filters(model)
    found = dict(model.named_layers())[path]
    try:
        weight = getattr(found, "weight")  # noqa: B009 - no layer needs to have one
    except NotBuiltError:
        raise
    except AttributeError:
        weight = None
    if not isinstance(weight, Parameter):
        raise OptionError(f"layer {found.label} has no weight, so it has no filters; choose a convolution")
    return as_filters(model, path, np.array(weight.backend.to_numpy(weight.value)))


def first_with_filters(model: Network) -> str:
    """The path of the first convolution, or else of the first layer whose units see whole images."""
    candidates = [*convolutions(model), *(path for path, layer in model.named_layers() if layer.kind == "dense")]
    if not candidates:
        raise OptionError(f"{model.label} has neither convolutions nor dense layers; choose a layer of it with layer=")
    return candidates[0]


def as_filters(model: Network, path: str, weight: np.ndarray) -> np.ndarray:
    """The weight of the layer at this path as images, as `filters` gives them; OptionError if they are none."""
    shape: tuple[int, ...] = getattr(model, "input_shape", None) or ()
    if weight.ndim == 2 and math.prod(shape) == weight.shape[1]:
        side = math.isqrt(weight.shape[1])
        if len(shape) == 3:
            weight = weight.reshape(-1, *shape)  # (units, C, H, W)
        elif side * side == weight.shape[1]:
            weight = weight.reshape(-1, side, side)  # (units, H, W)
    if weight.ndim not in (3, 4) or weight.size == 0:
        raise OptionError(
            f"layer {path} has a weight of shape {weight.shape}, which holds no filters; choose a convolution, or the"
            " dense layer that sees the images"
        )
    return weight[:, 0] if weight.ndim == 4 and weight.shape[1] == 1 else weight
