"""Attention and positions, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import SEQUENCE, LayerCase

MEMORY = (4, 6)  # of another length
MEMORIES = (*SEQUENCE, (4, 3), (4, 2))  # keys and values of other sizes
WINDOW = [[abs(t - s) < 2 for s in range(5)] for t in range(5)]  # each sees its neighbours
BIAS = [[0.1 * (t - s) if s % 2 else -float("inf") for s in range(4)] for t in range(5)]

CASES = (
    LayerCase(
        "attention",
        lambda: layers.MultiHeadAttention(2),
        SEQUENCE,
        wrong=(((6,),), ((5, 4),), ((5, 6), (4, 2)), ((5, 6), (4, 6), (3, 6)), ((0, 6),)),
    ),
    LayerCase("attention of one head", lambda: layers.MultiHeadAttention(1, bias=False), SEQUENCE),
    LayerCase("attention causal", lambda: layers.MultiHeadAttention(3, causal=True), SEQUENCE),
    LayerCase("attention with dropout", lambda: layers.MultiHeadAttention(2, dropout=0.4), SEQUENCE),
    LayerCase(
        "attention masked", lambda: layers.MultiHeadAttention(2, mask=True), (*SEQUENCE, (5,)), (0, 2),
        wrong=(((5, 6), (4,)),),
    ),
    LayerCase("attention to a memory", lambda: layers.MultiHeadAttention(2), (*SEQUENCE, MEMORY)),
    LayerCase(
        "attention to a masked memory", lambda: layers.MultiHeadAttention(2, mask=True), (*SEQUENCE, MEMORY, (4,)),
        (0, 0, 2),
    ),
    LayerCase("attention of three", lambda: layers.MultiHeadAttention(3), (*SEQUENCE, MEMORY, MEMORY)),
    LayerCase(
        "attention of three sizes", lambda: layers.MultiHeadAttention(2, initializer="xavier_normal"), MEMORIES,
        wrong=(((5, 6),), ((5, 6), (4, 3), (4, 3))),
    ),
    LayerCase(
        "attention to a memory of another size", lambda: layers.MultiHeadAttention(2, bias=False, regularizer="l2"),
        (*SEQUENCE, (4, 3)),
    ),
    LayerCase(
        "attention to neighbours", lambda: layers.MultiHeadAttention(2, attention_mask=WINDOW), SEQUENCE,
        wrong=(((4, 6),),),
    ),
    LayerCase(
        "attention with added numbers", lambda: layers.MultiHeadAttention(2, attention_mask=BIAS, causal=True),
        (*SEQUENCE, MEMORY),
    ),
    LayerCase(
        "attention with weights", lambda: layers.MultiHeadAttention(2, return_weights=True), (*SEQUENCE, MEMORY),
    ),
    LayerCase(
        "attention with weights and all",
        lambda: layers.MultiHeadAttention(3, dropout=0.3, causal=True, mask=True, return_weights=True),
        (*SEQUENCE, (5,)), (0, 2),
    ),
    LayerCase("sinusoidal positions", layers.SinusoidalPositions, SEQUENCE, wrong=(((6,),),)),
    LayerCase("sinusoidal positions of an odd size", layers.SinusoidalPositions, ((4, 5),)),
    LayerCase(
        "learned positions", lambda: layers.LearnedPositions(7), SEQUENCE, wrong=(((5, 4),), ((8, 6),), ((6,),)),
    ),
    LayerCase("learned positions, all", lambda: layers.LearnedPositions(5, "normal", regularizer="l2"), SEQUENCE),
)  # fmt: skip
