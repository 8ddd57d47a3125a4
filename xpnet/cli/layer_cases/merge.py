"""Layers of several inputs or outputs, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import IMAGE, VECTOR, LayerCase

CASES = (
    LayerCase("add", layers.Add, (*IMAGE, *IMAGE), wrong=(((2, 3),), ((2, 3), (2, 4)))),
    LayerCase("add three", layers.Add, (*VECTOR, *VECTOR, *VECTOR), wrong=(((5,), (5,), (4,)),)),
    LayerCase("average", layers.Average, (*IMAGE, *IMAGE), wrong=(((2, 3),), ((2, 3), (2, 4)))),
    LayerCase("average of three", layers.Average, (*VECTOR, *VECTOR, *VECTOR), wrong=(((5,), (5,), (4,)),)),
    LayerCase("multiply", layers.Multiply, (*IMAGE, *IMAGE), wrong=(((2, 3),), ((2, 3), (2, 4)), ((2, 3), (2,)))),
    LayerCase("multiply channels by a gate", layers.Multiply, (*IMAGE, (4, 1, 1))),
    LayerCase("multiply three", layers.Multiply, ((4, 1), (1, 3), (4, 3))),
    LayerCase("concat channels", layers.Concat, ((1, 3, 2), (4, 3, 2)), wrong=(((2, 3, 3), (2, 3, 4)), ((2, 3, 3),))),
    LayerCase("concat columns", lambda: layers.Concat(3), ((2, 3, 2), (2, 3, 3)), wrong=(((2, 3), (2, 3)),)),
    LayerCase("concat three", layers.Concat, ((2, 3, 3), (1, 3, 3), (4, 3, 3))),
    LayerCase("split channels", lambda: layers.Split(2), IMAGE, wrong=(((3, 6, 5),), ((),))),
    LayerCase("split columns", lambda: layers.Split((1, 3, 1), axis=3), IMAGE, wrong=(((4, 6, 6),), ((4, 6),))),
    LayerCase("split vector", lambda: layers.Split(3), VECTOR, wrong=(((2,),), ((7,),))),
)
