"""Dense layers, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import SEQUENCE, VECTOR, LayerCase

CASES = (
    LayerCase("dense", lambda: layers.Dense(4), VECTOR, wrong=(((4,),), ((6, 1),), ((),), ((6, 1, 1),))),
    LayerCase(
        "dense sigmoid no bias", lambda: layers.Dense(4, bias=False, activation="sigmoid"), VECTOR, wrong=(((5,),),)
    ),
    LayerCase("dense relu no bias", lambda: layers.Dense(4, bias=False, activation="relu"), VECTOR, wrong=(((5,),),)),
    LayerCase(
        "dense sigmoid", lambda: layers.Dense(3, activation="sigmoid", initializer=0.1), VECTOR, wrong=(((5,),),)
    ),
    LayerCase(
        "dense of a sequence", lambda: layers.Dense(4, activation="softmax"), SEQUENCE, wrong=(((5, 4),), ((6, 6, 6),))
    ),
)
