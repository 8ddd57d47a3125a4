"""Dropout and its kin, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("dropout", layers.Dropout, IMAGE),
    LayerCase("dropout of little", lambda: layers.Dropout(0.2), VECTOR),
    LayerCase("dropout of nothing", lambda: layers.Dropout(0.0), VECTOR),
)
