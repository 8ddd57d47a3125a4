"""Layers of transformers, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import SEQUENCE, LayerCase

MASKED = (*SEQUENCE, (5,))
MEMORY = (*SEQUENCE, (4, 6))

CASES = (
    LayerCase("encoder layer", lambda: layers.TransformerEncoderLayer(2, 7, activation="gelu"), SEQUENCE),
    LayerCase(
        "encoder layer, norm first",
        lambda: layers.TransformerEncoderLayer(
            3, 4, 0.3, layers.Tanh(), True, causal=True, bias=False, eps=1e-3, initializer="xavier_normal"
        ),
        SEQUENCE,
    ),
    LayerCase(
        "encoder layer masked", lambda: layers.TransformerEncoderLayer(2, 4, 0.0, "tanh", mask=True), MASKED, (0, 2)
    ),
    LayerCase("decoder layer", lambda: layers.TransformerDecoderLayer(2, 4, activation="tanh"), MEMORY),
    LayerCase(
        "decoder layer masked",
        lambda: layers.TransformerDecoderLayer(2, 4, 0.2, "silu", True, False, True, True, False, 1e-4),
        (*MEMORY, (5,), (4,)),
        (0, 0, 2, 2),
    ),
    LayerCase(
        "decoder layer, masked memory",
        lambda: layers.TransformerDecoderLayer(2, 4, activation="tanh", memory_mask=True),
        (*MEMORY, (4,)),
        (0, 0, 2),
    ),
    LayerCase(
        "encoder",
        lambda: layers.TransformerEncoder(
            [layers.TransformerEncoderLayer(2, 4, activation="tanh", mask=True) for _ in range(2)], layers.LayerNorm()
        ),
        MASKED,
        (0, 2),
    ),
    LayerCase(
        "decoder",
        lambda: layers.TransformerDecoder([layers.TransformerDecoderLayer(n, 3, 0.0, "tanh") for n in (1, 2)]),
        MEMORY,
    ),
)
