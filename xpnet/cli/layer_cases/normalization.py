"""Normalisation, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import CHANNELS, IMAGE, NO_IMAGE, OTHER_CHANNELS, VECTOR, LayerCase

CASES = (
    LayerCase("batch norm 1d", layers.BatchNorm1D, VECTOR, wrong=(((4,),), ((6, 2, 2),))),
    LayerCase("batch norm 2d", layers.BatchNorm2D, IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)),
    LayerCase("batch norm 2d of another momentum", lambda: layers.BatchNorm2D(momentum=0.5, eps=1e-3), IMAGE),
    LayerCase("lrn", layers.LocalResponseNorm, IMAGE, wrong=(((),),)),
    LayerCase("lrn of three channels", lambda: layers.LocalResponseNorm(3, alpha=0.5, k=2.0), IMAGE),
    LayerCase("lrn even size", lambda: layers.LocalResponseNorm(4, alpha=0.8, beta=0.5), CHANNELS),
    LayerCase("lrn one channel", lambda: layers.LocalResponseNorm(1, alpha=0.5), ((3,),)),
    LayerCase("lrn wider than the channels", lambda: layers.LocalResponseNorm(9, alpha=0.9), ((3, 2, 2),)),
)
