"""Adaptive pooling, with inputs for it."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, NO_SIGNAL, SIGNAL, LayerCase

CASES = (
    LayerCase("adaptive average pool", lambda: layers.AdaptiveAvgPool2D((4, 3)), IMAGE, wrong=NO_IMAGE),
    LayerCase("adaptive average pool of equal windows", lambda: layers.AdaptiveAvgPool2D((3, 1)), IMAGE),
    LayerCase("adaptive average pool of rows", lambda: layers.AdaptiveAvgPool2D((None, 7)), IMAGE),
    LayerCase("adaptive average pool of nothing", lambda: layers.AdaptiveAvgPool2D(None), IMAGE),
    LayerCase("adaptive average pool 1d", lambda: layers.AdaptiveAvgPool1D(3), SIGNAL, wrong=NO_SIGNAL),
    LayerCase("adaptive max pool", lambda: layers.AdaptiveMaxPool2D((4, 3)), IMAGE, wrong=NO_IMAGE, has_kinks=True),
    LayerCase("adaptive max pool of equal windows", lambda: layers.AdaptiveMaxPool2D((3, 1)), IMAGE, has_kinks=True),
    LayerCase("adaptive max pool of columns", lambda: layers.AdaptiveMaxPool2D((8, None)), IMAGE, has_kinks=True),
    LayerCase("adaptive max pool 1d", lambda: layers.AdaptiveMaxPool1D(3), SIGNAL, wrong=NO_SIGNAL, has_kinks=True),
)
