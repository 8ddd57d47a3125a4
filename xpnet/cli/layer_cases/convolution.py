"""Convolutions, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, NO_IMAGE, OTHER_CHANNELS, SIGNAL, LayerCase, Shapes

NO_SIGNAL: tuple[Shapes, ...] = (((4,),), ((4, 7, 1),), ((3, 7),), ((8, 7),))

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
    LayerCase("conv 1d", lambda: layers.Conv1D(3, 3), SIGNAL, wrong=(*NO_SIGNAL, ((4, 2),))),
    LayerCase("conv 1d same relu", lambda: layers.Conv1D(3, 4, 2, "same", activation="relu"), SIGNAL, wrong=NO_SIGNAL),
    LayerCase(
        "conv 1d causal groups",
        lambda: layers.Conv1D(4, 2, padding=(2, 0), dilation=2, groups=2, bias=False, activation="tanh"),
        SIGNAL,
        wrong=NO_SIGNAL,
    ),
    LayerCase("depthwise", lambda: layers.DepthwiseConv2D(3), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)),
    LayerCase(
        "depthwise twice relu",
        lambda: layers.DepthwiseConv2D((2, 3), 2, (2, 1), "same", activation="relu"),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase(
        "depthwise dilated",
        lambda: layers.DepthwiseConv2D(2, stride=2, padding=((2, 1), (0, 3)), dilation=2, bias=False),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase(
        "separable", lambda: layers.SeparableConv2D(3, 3, padding="same"), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)
    ),
    LayerCase(
        "separable twice tanh",
        lambda: layers.SeparableConv2D(2, (3, 2), 2, 1, multiplier=2, bias=False, activation="tanh", regularizer="l2"),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase("transposed", lambda: layers.ConvTranspose2D(3, 3), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)),
    LayerCase(
        "transposed stride relu",
        lambda: layers.ConvTranspose2D(3, 4, 2, 1, activation="relu"),
        IMAGE,
        wrong=(*NO_IMAGE, *OTHER_CHANNELS),
    ),
    LayerCase(
        "transposed same tanh",
        lambda: layers.ConvTranspose2D(2, (2, 3), (3, 2), "same", activation="tanh"),
        IMAGE,
        wrong=OTHER_CHANNELS,
    ),
    LayerCase(
        "transposed output padding",
        lambda: layers.ConvTranspose2D(4, (3, 2), 2, ((1, 2), (0, 1)), (1, 0), groups=2, bias=False),
        IMAGE,
        wrong=(*OTHER_CHANNELS, ((4, 0, 5),)),
    ),
    LayerCase(
        "transposed dilated",
        lambda: layers.ConvTranspose2D(2, (2, 3), (1, 2), 2, (2, 1), (3, 1)),
        IMAGE,
        wrong=(*OTHER_CHANNELS, ((4, 1, 1),)),
    ),
    LayerCase(
        "transposed 1d", lambda: layers.ConvTranspose1D(3, 4, 2, "valid", 1), SIGNAL, wrong=(*NO_SIGNAL, ((4, 0),))
    ),
    LayerCase(
        "transposed 1d cropped",
        lambda: layers.ConvTranspose1D(2, 3, 1, (3, 3), 1, 2, groups=2, bias=False, activation="relu"),
        SIGNAL,
        wrong=(*NO_SIGNAL, ((4, 1),)),
    ),
    LayerCase("transposed 1d same", lambda: layers.ConvTranspose1D(2, 2, 3, "same"), SIGNAL, wrong=NO_SIGNAL),
)
