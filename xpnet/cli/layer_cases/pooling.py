"""Pooling, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, LayerCase

CASES = (
    LayerCase("max pool", lambda: layers.MaxPool2D(2), IMAGE, wrong=(*NO_IMAGE, ((4, 1, 5),)), has_kinks=True),
    LayerCase(
        "max pool overlapping", lambda: layers.MaxPool2D(3, stride=1, padding=1), IMAGE, wrong=NO_IMAGE, has_kinks=True
    ),
    LayerCase("max pool same", lambda: layers.MaxPool2D((3, 2), 2, "same"), IMAGE, wrong=NO_IMAGE, has_kinks=True),
    LayerCase(
        "max pool asymmetric",
        lambda: layers.MaxPool2D(3, (1, 2), ((0, 2), (1, 0))),
        IMAGE,
        wrong=NO_IMAGE,
        has_kinks=True,
    ),
    LayerCase("max pool of one pixel", lambda: layers.MaxPool2D(1, stride=2), IMAGE, wrong=NO_IMAGE, has_kinks=True),
    LayerCase("average pool", lambda: layers.AvgPool2D(2), IMAGE, wrong=(*NO_IMAGE, ((4, 1, 5),))),
    LayerCase("average pool same", lambda: layers.AvgPool2D(3, stride=2, padding="same"), IMAGE, wrong=NO_IMAGE),
    LayerCase("average pool overlapping", lambda: layers.AvgPool2D((3, 2), 1, ((1, 2), (0, 1))), IMAGE, wrong=NO_IMAGE),
    LayerCase("average pool of one pixel", lambda: layers.AvgPool2D(1), IMAGE, wrong=NO_IMAGE),
    LayerCase("global average pool", layers.GlobalAvgPool2D, IMAGE, wrong=NO_IMAGE),
)
