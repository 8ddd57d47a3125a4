"""Layers of transformers, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import LayerCase

SEQUENCE, MEMORY = ((3, 4),), ((3, 4), (2, 4))

CASES = (
    LayerCase("encoder layer", lambda: layers.TransformerEncoderLayer(2, 5, activation="gelu"), SEQUENCE),
    LayerCase(
        "encoder layer, norm first",
        lambda: layers.TransformerEncoderLayer(
            1, 4, 0.3, layers.Tanh(), True, causal=True, bias=False, eps=0.1, initializer="xavier_normal"
        ),
        SEQUENCE,
    ),
    LayerCase(
        "encoder",
        lambda: layers.TransformerEncoder(
            [layers.TransformerEncoderLayer(2, 3, 0.0, "tanh", mask=True) for _ in range(2)], layers.LayerNorm()
        ),
        (*SEQUENCE, (3,)),
        (0, 2),
    ),
    LayerCase(
        "decoder layer", lambda: layers.TransformerDecoderLayer(1, 4, 0.2, "tanh", True, False, bias=False), MEMORY
    ),
    LayerCase(
        "decoder layer masked",
        lambda: layers.TransformerDecoderLayer(2, 4, activation="silu", mask=True, memory_mask=True, eps=0.1),
        (*MEMORY, (3,), (2,)),
        (0, 0, 2, 2),
    ),
    LayerCase(
        "decoder",
        lambda: layers.TransformerDecoder(
            [layers.TransformerDecoderLayer(n, 3, 0.0, "tanh", memory_mask=True) for n in (1, 2)]
        ),
        (*MEMORY, (2,)),
        (0, 0, 2),
    ),
)
