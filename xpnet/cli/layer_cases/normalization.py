"""Normalisation, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import CHANNELS, IMAGE, NO_IMAGE, OTHER_CHANNELS, SIGNAL, VECTOR, LayerCase

CASES = (
    LayerCase("batch norm 1d", layers.BatchNorm1D, VECTOR, wrong=(((4,),), ((6, 2, 2),))),
    LayerCase("batch norm 2d", layers.BatchNorm2D, IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)),
    LayerCase("batch norm 2d of another momentum", lambda: layers.BatchNorm2D(momentum=0.5, eps=1e-3), IMAGE),
    LayerCase("batch norm 1d of signals", layers.BatchNorm1D, SIGNAL, wrong=(((3, 7),), ((4, 7, 1),))),
    LayerCase("batch norm 2d, all batches alike", lambda: layers.BatchNorm2D(momentum=None), IMAGE),
    LayerCase("batch norm 2d without weights", lambda: layers.BatchNorm2D(affine=False), IMAGE, wrong=OTHER_CHANNELS),
    LayerCase("batch norm 1d of the batch alone", lambda: layers.BatchNorm1D(running_statistics=False), VECTOR),
    LayerCase(
        "weightless batch norm 1d of the batch alone", lambda: layers.BatchNorm1D(0.1, 1e-3, False, False), VECTOR
    ),
    LayerCase("instance norm 1d", layers.InstanceNorm1D, SIGNAL, wrong=(((4,),), ((4, 7, 1),))),
    LayerCase(
        "instance norm 2d", lambda: layers.InstanceNorm2D(affine=True), IMAGE, wrong=(*NO_IMAGE, *OTHER_CHANNELS)
    ),
    LayerCase("instance norm 2d that follows", lambda: layers.InstanceNorm2D(running_statistics=True), IMAGE),
    LayerCase(
        "instance norm 1d that follows",
        lambda: layers.InstanceNorm1D(None, 1e-3, True, True),
        SIGNAL,
        wrong=(((3, 7),),),
    ),
    LayerCase("lrn", layers.LocalResponseNorm, IMAGE, wrong=(((),),)),
    LayerCase("lrn of three channels", lambda: layers.LocalResponseNorm(3, alpha=0.5, k=2.0), IMAGE),
    LayerCase("lrn even size", lambda: layers.LocalResponseNorm(4, alpha=0.8, beta=0.5), CHANNELS),
    LayerCase("lrn one channel", lambda: layers.LocalResponseNorm(1, alpha=0.5), ((3,),)),
    LayerCase("lrn wider than the channels", lambda: layers.LocalResponseNorm(9, alpha=0.9), ((3, 2, 2),)),
)
