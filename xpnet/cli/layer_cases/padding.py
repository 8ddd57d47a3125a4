"""Layers that add margins, or take them away, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, NO_SIGNAL, SIGNAL, LayerCase

CASES = (
    LayerCase("zero pad", lambda: layers.ZeroPad2D(((1, 2), (0, 3))), IMAGE, wrong=NO_IMAGE),
    LayerCase("zero pad of nothing", lambda: layers.ZeroPad2D(0), IMAGE, wrong=NO_IMAGE),
    LayerCase("zero pad 1d", lambda: layers.ZeroPad1D((2, 1)), SIGNAL, wrong=NO_SIGNAL),
    LayerCase("constant pad", lambda: layers.ConstantPad2D((1, 2), 0.5), IMAGE, wrong=NO_IMAGE),
    LayerCase("constant pad 1d", lambda: layers.ConstantPad1D(2, -1), SIGNAL, wrong=NO_SIGNAL),
    LayerCase(
        "reflection pad",
        lambda: layers.ReflectionPad2D(((5, 1), (2, 3))),
        IMAGE,
        wrong=(*NO_IMAGE, ((4, 5, 5),), ((4, 6, 3),)),
    ),
    LayerCase("reflection pad 1d", lambda: layers.ReflectionPad1D((1, 6)), SIGNAL, wrong=(*NO_SIGNAL, ((4, 6),))),
    LayerCase("replication pad", lambda: layers.ReplicationPad2D(((7, 1), (0, 3))), IMAGE, wrong=NO_IMAGE),
    LayerCase("replication pad 1d", lambda: layers.ReplicationPad1D((2, 0)), SIGNAL, wrong=NO_SIGNAL),
    LayerCase(
        "circular pad",
        lambda: layers.CircularPad2D(((6, 1), (2, 3))),
        IMAGE,
        wrong=(*NO_IMAGE, ((4, 5, 5),), ((4, 6, 2),)),
    ),
    LayerCase("circular pad 1d", lambda: layers.CircularPad1D((0, 7)), SIGNAL, wrong=(*NO_SIGNAL, ((4, 6),))),
    LayerCase("crop", lambda: layers.Crop2D(((1, 2), (0, 3))), IMAGE, wrong=(*NO_IMAGE, ((4, 3, 5),), ((4, 6, 3),))),
    LayerCase("crop 1d", lambda: layers.Crop1D(3), SIGNAL, wrong=(*NO_SIGNAL, ((4, 6),))),
)
