"""Layers that change the shape alone, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("flatten image", layers.Flatten, IMAGE),
    LayerCase("flatten vector", layers.Flatten, VECTOR),
)
