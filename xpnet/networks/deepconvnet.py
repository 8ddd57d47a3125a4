"""DeepConvNet: six convolutions of 3x3, in the manner of VGG."""

from xpnet.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D
from xpnet.model import Sequential


class DeepConvNet(Sequential):
    """Three times (conv - ReLU - conv - ReLU - max pooling), with 16, 16, 32, 32, 64, 64 filters; dense 50 and dense
    10.

    As in the book, the padding is 1 but for the fourth convolution's 2, and dropout 0.5 stands behind both dense
    layers, the last one included; last_dropout=False leaves that one out. Weights are He's.

    Source: Saitoh, *Deep Learning from Scratch* (O'Reilly Japan, 2016), chapter 8. 123,552 parameters for 28x28 images.

    Elsewhere: the book's DeepConvNet.
    """

    kind = "deepconvnet"

    def __init__(
        self,
        classes: int = 10,
        dropout: float = 0.5,
        last_dropout: bool = True,
        input_shape: tuple[int, ...] = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        layers: list[Layer] = []
        for filters, second_padding in ((16, 1), (32, 2), (64, 1)):
            layers += [
                Conv2D(filters, 3, padding=1, activation="relu"),
                Conv2D(filters, 3, padding=second_padding, activation="relu"),
                MaxPool2D(2),
            ]
        layers += [Flatten(), Dense(50, activation="relu"), Dropout(dropout), Dense(classes)]
        super().__init__([*layers, Dropout(dropout)] if last_dropout else layers, name)
        self.classes, self.dropout, self.last_dropout = classes, dropout, last_dropout
        self.build(input_shape)
