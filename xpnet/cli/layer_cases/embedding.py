"""Embeddings, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import LayerCase

CASES = (
    LayerCase("embedding", lambda: layers.Embedding(7, 4), ((5,),), (7,)),
    LayerCase("embedding of one number", lambda: layers.Embedding(4, 3, initializer=0.1), ((),), (4,)),
    LayerCase("embedding of a table", lambda: layers.Embedding(9, 2), ((3, 2),), (9,)),
)
