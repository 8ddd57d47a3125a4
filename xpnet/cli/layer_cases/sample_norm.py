"""Normalization within each sample, with inputs for it."""

from xpnet import layers
from xpnet.cli.layer_cases.base import CHANNELS, IMAGE, SEQUENCE, SIGNAL, VECTOR, LayerCase

CASES = (
    LayerCase("layer norm", layers.LayerNorm, SEQUENCE, wrong=(((5, 7),), ((),))),
    LayerCase("layer norm of two axes", lambda: layers.LayerNorm(2, eps=1e-3), IMAGE, wrong=(((4, 5, 5),), ((4,),))),
    LayerCase("layer norm without bias", lambda: layers.LayerNorm(bias=False), VECTOR),
    LayerCase("layer norm without weights", lambda: layers.LayerNorm(affine=False), VECTOR),
    LayerCase("rms norm", layers.RMSNorm, SEQUENCE, wrong=(((5, 7),),)),
    LayerCase("rms norm of two axes", lambda: layers.RMSNorm(2, eps=0.1), IMAGE),
    LayerCase("rms norm without weights", lambda: layers.RMSNorm(affine=False), VECTOR),
    LayerCase("group norm", lambda: layers.GroupNorm(2), IMAGE, wrong=(((3, 6, 5),), ((),))),
    LayerCase("group norm of vectors", lambda: layers.GroupNorm(3, eps=1e-2), VECTOR),
    LayerCase("group norm without weights", lambda: layers.GroupNorm(3, affine=False), CHANNELS, wrong=(((4,),),)),
    LayerCase("group norm of one group", lambda: layers.GroupNorm(1), SIGNAL),
)
