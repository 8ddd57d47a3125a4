"""MLP: the network without convolution."""

from collections.abc import Sequence

from xpnet.layers import Dense, Flatten
from xpnet.model import Sequential


class MLP(Sequential):
    """784 - 128 - ReLU - 10: dense layers only; `hidden` lists the sizes between input and output, or is the only one.

    Source: the multi-layer perceptron of every introduction (Rumelhart, Hinton and Williams, 1986). 101,770 parameters
    for 28x28 images.

    Elsewhere: the book's MultiLayerNet.
    """

    kind = "mlp"

    def __init__(
        self,
        classes: int = 10,
        hidden: int | Sequence[int] = (128,),
        input_shape: tuple[int, ...] = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        hidden = (hidden,) if isinstance(hidden, int) else hidden
        super().__init__([Flatten(), *(Dense(units, activation="relu") for units in hidden), Dense(classes)], name)
        self.classes, self.hidden = classes, tuple(hidden)
        self.build(input_shape)
