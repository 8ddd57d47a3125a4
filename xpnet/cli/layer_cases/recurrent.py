"""Recurrent layers, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import SEQUENCE, LayerCase

CASES = (
    LayerCase("rnn", lambda: layers.SimpleRNN(4), SEQUENCE, wrong=(((5, 4),), ((6,),), ((0, 6),), ((5, 6), (3,)))),
    LayerCase("rnn last state", lambda: layers.SimpleRNN(4, return_sequence=False), SEQUENCE),
    LayerCase("rnn from a state", lambda: layers.SimpleRNN(3), (*SEQUENCE, (3,)), wrong=(((5, 6), (4,)),)),
    LayerCase(
        "rnn with state", lambda: layers.SimpleRNN(3, return_state=True), (*SEQUENCE, (3,)), wrong=(((5, 6), (3, 1)),)
    ),
    LayerCase(
        "rnn stateful",
        lambda: layers.SimpleRNN(4, stateful=True, initializer="xavier_normal"),
        SEQUENCE,
        wrong=(((5, 6), (4,)),),
    ),
)
