"""Recurrent layers, and layers on each step, with inputs for them."""

from xpnet import layers
from xpnet.cli.layer_cases.base import SEQUENCE, LayerCase

LENGTHS = (*SEQUENCE, ()), (0, 6)  # shapes, and where the integers are: from 0 to all 5 steps

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
    LayerCase("rnn relu", lambda: layers.SimpleRNN(3, bias=False, nonlinearity="relu"), SEQUENCE, has_kinks=True),
    LayerCase(
        "rnn of both directions with lengths",
        lambda: layers.SimpleRNN(3, bidirectional=True, lengths=True, layers=2),
        *LENGTHS,
        wrong=(((5, 6),), ((5, 6), (1,)), ((5, 6), (), (3,))),
    ),
    LayerCase("lstm", lambda: layers.LSTM(4), SEQUENCE, wrong=(((5, 4),), ((6,),), ((0, 6),), ((5, 6), (4,)))),
    LayerCase(
        "lstm from states",
        lambda: layers.LSTM(3, return_state=True),
        (*SEQUENCE, (3,), (3,)),
        wrong=(((5, 6), (3,), (4,)), ((5, 6), (3,))),
    ),
    LayerCase("lstm last state", lambda: layers.LSTM(3, False, bias=False, initializer="he_normal"), SEQUENCE),
    LayerCase("lstm with its last states", lambda: layers.LSTM(3, False, True), SEQUENCE),
    LayerCase(
        "lstm of all options",
        lambda: layers.LSTM(2, True, True, layers=2, bidirectional=True, dropout=0.3, lengths=True),
        (*LENGTHS[0], (4, 2), (4, 2)),
        (*LENGTHS[1], 0, 0),
        wrong=(((5, 6), (), (4, 2), (2, 2)), ((5, 6), (4,))),
    ),
    LayerCase(
        "lstm last state of both directions with lengths",
        lambda: layers.LSTM(3, False, layers=2, bidirectional=True, lengths=True),
        *LENGTHS,
    ),
    LayerCase(
        "lstm stateful", lambda: layers.LSTM(3, stateful=True, layers=2, lengths=True), *LENGTHS, wrong=(((5, 6),),)
    ),
    LayerCase("gru", lambda: layers.GRU(4), SEQUENCE, wrong=(((5, 4),), ((6,),), ((0, 6),), ((5, 6), (3,)))),
    LayerCase("gru with state", lambda: layers.GRU(3, return_state=True), (*SEQUENCE, (3,))),
    LayerCase("gru without bias", lambda: layers.GRU(3, False, bias=False, bidirectional=True), SEQUENCE),
    LayerCase(
        "gru of all options",
        lambda: layers.GRU(2, True, True, layers=2, bidirectional=True, dropout=0.3, lengths=True),
        (*LENGTHS[0], (4, 2)),
        (*LENGTHS[1], 0),
    ),
    LayerCase("gru stateful", lambda: layers.GRU(3, layers=2, dropout=0.2, stateful=True), SEQUENCE),
    LayerCase(
        "each step dense",
        lambda: layers.TimeDistributed(layers.Dense(3, activation="tanh")),
        SEQUENCE,
        wrong=(((0, 6),),),
    ),
    LayerCase("each step convolved", lambda: layers.TimeDistributed(layers.Conv2D(2, 3)), ((3, 2, 5, 4),)),
    LayerCase("each step dropped", lambda: layers.TimeDistributed(layers.Dropout(0.4)), SEQUENCE),
    LayerCase("each step normed", lambda: layers.TimeDistributed(layers.BatchNorm1D()), SEQUENCE),
    LayerCase("each step of words", lambda: layers.TimeDistributed(layers.Embedding(7, 3)), ((4, 2),), (7,)),
    LayerCase("each step to several", lambda: layers.TimeDistributed(layers.Split((2, 4))), SEQUENCE),
    LayerCase("each step of several", lambda: layers.TimeDistributed(layers.Add()), SEQUENCE * 2),
    LayerCase(
        "each step with lengths",
        lambda: layers.TimeDistributed(layers.LSTM(2, False, lengths=True)),
        ((3, 4, 6), (3,)),
        (0, 5),
    ),
)
