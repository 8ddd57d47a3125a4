"""Embeddings, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import LayerCase

CASES = (
    LayerCase("embedding", lambda: layers.Embedding(7, 4), ((5,),), (7,)),
    LayerCase("embedding of one number", lambda: layers.Embedding(4, 3, initializer=0.1), ((),), (4,)),
    LayerCase("embedding with padding", lambda: layers.Embedding(6, 3, padding_index=5), ((4,),), (5,)),  # none is it
    LayerCase("embedding of a table", lambda: layers.Embedding(9, 2), ((3, 2),), (9,)),
)
