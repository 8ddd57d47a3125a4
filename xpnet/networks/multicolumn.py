"""MultiColumn: a committee of convolutional networks that are trained side by side."""

from collections.abc import Sequence
from typing import Any

from xpnet.base.checks import whole
from xpnet.layers import Average, Conv2D, Dense, Dropout, Flatten, Layer, LogSoftmax, MaxPool2D
from xpnet.model import Model, Sequential


class MultiColumn(Model):
    """`columns` (3) networks of one form, each with weights of its own; the output is the mean of their
    log-probabilities.

    A column is that of DeepConvNet: for each number in `filters` (16, 32, 64) twice a convolution of 3x3 with ReLU, and
    max pooling; then dropout, dense `hidden` (128), dropout and dense `classes`, and the log of the softmax. With the
    loss negative_log_likelihood each column learns from its own mistakes, as if it were alone, and not from those that
    the others leave it, so that their mistakes differ: the committee makes fewer than any of them.

    Source: Ciresan, Meier and Schmidhuber, "Multi-column deep neural networks for image classification", 2012, whose
    columns are larger and average probabilities. 440,814 parameters for 28x28 images.
    """

    kind = "multicolumn"

    def __init__(
        self,
        classes: int = 10,
        columns: int = 3,
        filters: Sequence[int] = (16, 32, 64),
        hidden: int = 128,
        dropout: float = 0.3,
        input_shape: tuple[int, ...] = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.classes, self.columns = classes, whole("MultiColumn: columns", columns, 2)
        self.filters, self.hidden = tuple(filters), hidden
        self.dropout = dropout
        self.parts = [self._column() for _ in range(columns)]
        self.mean = Average()
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.mean(*(column(x) for column in self.parts))

    def _column(self) -> Sequential:
        parts: list[Layer] = []
        for filters in self.filters:
            parts += [Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)] + [MaxPool2D(2)]
        dense = [Dropout(self.dropout), Dense(self.hidden, activation="relu"), Dropout(self.dropout)]
        return Sequential([*parts, Flatten(), *dense, Dense(self.classes), LogSoftmax()])
