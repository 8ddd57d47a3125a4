"""Networks that read sequences step by step: to tell what they are, and to tell what comes next."""

from typing import Any

from xpnet.base.lookup import by_name
from xpnet.core.declare import Shape
from xpnet.errors import OptionError
from xpnet.layers import GRU, LSTM, Dense, Dropout, Embedding, Reshape, SimpleRNN
from xpnet.model import Model

CELLS = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def recurrent_layer(cell: str, *arguments: Any, **options: Any) -> Any:
    """The layer of this name, with these arguments."""
    makers = {name: lambda kind=kind: kind(*arguments, **options) for name, kind in CELLS.items()}
    return by_name("cell", cell, makers, "in quotes")


class RecurrentClassifier(Model):
    """A recurrent layer of `units` (128), and a dense layer from its last state to a score for each of `classes`.

    cell: "lstm" (82,186 parameters with sequences of 28 numbers and 10 classes), "gru" (61,962) or "rnn" (21,514).
    layers, bidirectional: of the recurrent layer.  dropout: between its layers and in front of the dense one.
    Input: (N, T, F), by default the 28 rows of a digit; with input_shape=(1, H, W), images, whose rows are the steps.

    Source: LSTM: Hochreiter and Schmidhuber, "Long short-term memory", 1997; GRU: Cho et al., "Learning phrase
    representations using RNN encoder-decoder for statistical machine translation", 2014.
    """

    kind = "recurrent_classifier"

    def __init__(
        self,
        cell: str = "lstm",
        units: int = 128,
        classes: int = 10,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        input_shape: Shape = (28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        axes = len(input_shape) if isinstance(input_shape, (tuple, list)) else 0
        if axes != 2 and (axes != 3 or input_shape[0] != 1):
            raise OptionError(
                f"RecurrentClassifier: input_shape must be (T, F), or (1, H, W) of images, not {input_shape!r}"
            )
        self.cell, self.units, self.classes = cell, units, classes
        self.layers, self.bidirectional, self.dropout = layers, bidirectional, dropout
        self.rows = Reshape(input_shape[1:]) if axes == 3 else None
        between = dropout if layers > 1 else 0.0
        self.rnn = recurrent_layer(
            cell, units, return_sequence=False, layers=layers, bidirectional=bidirectional, dropout=between
        )
        self.drop, self.fc = Dropout(dropout), Dense(classes, initializer="xavier_normal")
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        if self.rows is not None:
            x = self.rows(x)
        return self.fc(self.drop(self.rnn(x)))


class RecurrentLanguageModel(Model):
    """Of the characters or words so far, a score for each that may come next: integers (N, T) -> (N, T, vocabulary).

    An embedding of `size` (64) numbers, a recurrent layer of `units` (128), dropout and a dense layer. cell: "lstm"
    (111,873 parameters with a vocabulary of 65), "gru" (87,041) or "rnn" (37,377).  layers: of the recurrent layer.
    dropout: between its layers and in front of the dense one.  stateful: it goes on where the batch before has ended,
    until `model.reset_state()`; gradients end there.

    Its loss is softmax_cross_entropy, with the sequence one step on as targets (N, T).

    Source: Mikolov et al., "Recurrent neural network based language model", 2010; of characters: Sutskever, Martens and
    Hinton, "Generating text with recurrent neural networks", 2011. Elsewhere: the book's Rnnlm.
    """

    kind = "language_model"

    def __init__(
        self,
        vocabulary: int,
        size: int = 64,
        units: int = 128,
        cell: str = "lstm",
        layers: int = 1,
        dropout: float = 0.0,
        stateful: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary, self.size, self.units, self.cell = vocabulary, size, units, cell
        self.layers, self.dropout, self.stateful = layers, dropout, stateful
        self.embedding = Embedding(vocabulary, size)
        between = dropout if layers > 1 else 0.0
        self.rnn = recurrent_layer(cell, units, layers=layers, dropout=between, stateful=stateful)
        self.drop, self.fc = Dropout(dropout), Dense(vocabulary, initializer="xavier_normal")
        self.build((1,), dtype="int64")  # any length will do

    def call(self, x: Any) -> Any:
        return self.fc(self.drop(self.rnn(self.embedding(x))))
