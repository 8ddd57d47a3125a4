"""Convolutions, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, OTHER_CHANNELS, LayerCase

CASES = (
    LayerCase("conv", lambda: layers.Conv2D(3, 3), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS, ((4, 2, 5),))),
    LayerCase(
        "conv same tanh",
        lambda: layers.Conv2D(3, 3, stride=2, padding="same", activation="tanh"),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase(
        "conv same relu",
        lambda: layers.Conv2D(3, 3, stride=2, padding="same", activation="relu"),
        IMAGE,
        wrong=NO_IMAGE,
    ),
    LayerCase(
        "conv groups dilated",
        lambda: layers.Conv2D(4, (2, 3), padding=((1, 2), (0, 1)), dilation=2, groups=2, bias=False),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase("conv valid even kernel", lambda: layers.Conv2D(2, (2, 4), padding="valid"), IMAGE, wrong=OTHER_CHANNELS),
    LayerCase(
        "conv asymmetric", lambda: layers.Conv2D(3, (3, 2), (2, 1), ((1, 2), (0, 3)), (2, 1)), IMAGE, wrong=NO_IMAGE
    ),
    LayerCase("conv groups", lambda: layers.Conv2D(6, 3, padding=1, groups=2, bias=False), IMAGE, wrong=OTHER_CHANNELS),
    LayerCase(
        "conv depthwise tanh", lambda: layers.Conv2D(4, 3, groups=4, activation="tanh"), IMAGE, wrong=OTHER_CHANNELS
    ),
    LayerCase("conv gaps", lambda: layers.Conv2D(2, 1, stride=3), IMAGE, wrong=OTHER_CHANNELS),
)
