"""Pooling, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, NO_SIGNAL, SIGNAL, LayerCase

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
    LayerCase(
        "max pool dilated",
        lambda: layers.MaxPool2D((2, 3), (2, 1), (0, 1), dilation=(3, 1)),
        IMAGE,
        wrong=(*NO_IMAGE, ((4, 3, 5),)),
        has_kinks=True,
    ),
    LayerCase(
        "max pool around a small image",
        lambda: layers.MaxPool2D((2, 1), 1, (2, 0), dilation=4),
        IMAGE,
        wrong=(((4, 3, 5),),),
        has_kinks=True,
    ),
    LayerCase(
        "max pool with a last window", lambda: layers.MaxPool2D(2, 3, (0, 1), ceil_mode=True), IMAGE, has_kinks=True
    ),
    LayerCase("max pool 1d", layers.MaxPool1D, SIGNAL, wrong=(*NO_SIGNAL, ((4, 1),)), has_kinks=True),
    LayerCase(
        "max pool 1d of all options",
        lambda: layers.MaxPool1D(2, 3, (2, 1), dilation=2, ceil_mode=True),
        SIGNAL,
        wrong=NO_SIGNAL,
        has_kinks=True,
    ),
    LayerCase("average pool", lambda: layers.AvgPool2D(2), IMAGE, wrong=(*NO_IMAGE, ((4, 1, 5),))),
    LayerCase("average pool same", lambda: layers.AvgPool2D(3, stride=2, padding="same"), IMAGE, wrong=NO_IMAGE),
    LayerCase("average pool overlapping", lambda: layers.AvgPool2D((3, 2), 1, ((1, 2), (0, 1))), IMAGE, wrong=NO_IMAGE),
    LayerCase("average pool of one pixel", lambda: layers.AvgPool2D(1), IMAGE, wrong=NO_IMAGE),
    LayerCase(
        "average pool with a last window", lambda: layers.AvgPool2D((4, 2), (3, 2), (0, 1), ceil_mode=True), IMAGE
    ),
    LayerCase("average pool of pixels alone", lambda: layers.AvgPool2D(3, 2, 1, count_include_pad=False), IMAGE),
    LayerCase("average pool by another divisor", lambda: layers.AvgPool2D(2, divisor_override=3), IMAGE),
    LayerCase("average pool 1d", layers.AvgPool1D, SIGNAL, wrong=(*NO_SIGNAL, ((4, 1),))),
    LayerCase(
        "average pool 1d of all options",
        lambda: layers.AvgPool1D(3, 2, (1, 2), ceil_mode=True, count_include_pad=False),
        SIGNAL,
        wrong=NO_SIGNAL,
    ),
    LayerCase("average pool 1d same", lambda: layers.AvgPool1D(3, 1, "same"), SIGNAL),
    LayerCase("global average pool", layers.GlobalAvgPool2D, IMAGE, wrong=NO_IMAGE),
    LayerCase("global average pool 1d", layers.GlobalAvgPool1D, SIGNAL, wrong=NO_SIGNAL),
    LayerCase("global max pool", layers.GlobalMaxPool2D, IMAGE, wrong=NO_IMAGE, has_kinks=True),
    LayerCase("global max pool 1d", layers.GlobalMaxPool1D, SIGNAL, wrong=NO_SIGNAL, has_kinks=True),
)
