"""Dropout and its kin, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, SEQUENCE, VECTOR, LayerCase

CASES = (
    LayerCase("dropout", layers.Dropout, IMAGE),
    LayerCase("dropout of little", lambda: layers.Dropout(0.2), VECTOR),
    LayerCase("dropout of nothing", lambda: layers.Dropout(0.0), VECTOR),
    LayerCase("spatial dropout", layers.SpatialDropout, IMAGE, wrong=(((),),)),
    LayerCase("spatial dropout of features", lambda: layers.SpatialDropout(0.3, axis=-1), SEQUENCE),
    LayerCase("drop path", lambda: layers.DropPath(0.4), IMAGE),
    LayerCase("gaussian noise", lambda: layers.GaussianNoise(0.5), IMAGE),
    LayerCase("gaussian noise of nothing", lambda: layers.GaussianNoise(0.0), VECTOR),
    LayerCase("gaussian dropout", lambda: layers.GaussianDropout(0.3), VECTOR),
)
