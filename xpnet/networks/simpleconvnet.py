"""SimpleConvNet: one convolution, the smallest network that sees images as images."""

from xpnet.layers import Conv2D, Dense, Flatten, MaxPool2D
from xpnet.model import Sequential


class SimpleConvNet(Sequential):
    """conv 30@5x5 - ReLU - max pooling 2x2 - dense 100 - ReLU - dense 10.

    Source: Saitoh, *Deep Learning from Scratch* (O'Reilly Japan, 2016), chapter 7. 433,890 parameters for 28x28 images.

    Elsewhere: the book's SimpleConvNet.
    """

    kind = "simpleconvnet"

    def __init__(
        self,
        classes: int = 10,
        filters: int = 30,
        hidden: int = 100,
        input_shape: tuple[int, ...] = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(
            [
                Conv2D(filters, 5, activation="relu"),
                MaxPool2D(2),
                Flatten(),
                Dense(hidden, activation="relu"),
                Dense(classes),
            ],
            name,
        )
        self.classes, self.filters, self.hidden = classes, filters, hidden
        self.build(input_shape)
