"""Layers that give images and signals another size, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, NO_SIGNAL, SIGNAL, LayerCase

CASES = (
    LayerCase("upsample", lambda: layers.UpSample2D((2, 3)), IMAGE, wrong=NO_IMAGE),
    LayerCase("upsample to a size", lambda: layers.UpSample2D(size=(8, 3)), IMAGE, wrong=NO_IMAGE),
    LayerCase("upsample bilinear", lambda: layers.UpSample2D(2, "bilinear"), IMAGE, wrong=NO_IMAGE),
    LayerCase("upsample bilinear to a size", lambda: layers.UpSample2D(None, "bilinear", (4, 5)), IMAGE),
    LayerCase("upsample corners", lambda: layers.UpSample2D((3, 2), "bilinear", align_corners=True), IMAGE),
    LayerCase("upsample 1d", lambda: layers.UpSample1D(2), SIGNAL, wrong=NO_SIGNAL),
    LayerCase("upsample 1d to a size", lambda: layers.UpSample1D(size=9), SIGNAL, wrong=NO_SIGNAL),
    LayerCase("upsample 1d linear", lambda: layers.UpSample1D(2, "linear"), SIGNAL, wrong=NO_SIGNAL),
)
