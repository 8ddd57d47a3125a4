"""Layers that change the shape alone, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, SEQUENCE, VECTOR, LayerCase

CASES = (
    LayerCase("flatten image", layers.Flatten, IMAGE),
    LayerCase("flatten vector", layers.Flatten, VECTOR),
    LayerCase("reshape", lambda: layers.Reshape((3, 2)), VECTOR, wrong=(((7,),), ((3,),))),
    LayerCase("reshape to what is left", lambda: layers.Reshape((5, -1)), IMAGE, wrong=(((4,),),)),
    LayerCase("permute", lambda: layers.Permute((2, 1)), SEQUENCE, wrong=(((5,),), ((5, 6, 1),))),
    LayerCase("permute image", lambda: layers.Permute((3, 1, 2)), IMAGE),
)
