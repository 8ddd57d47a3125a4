"""Autoencoders: networks that must give back what they got, through a bottleneck of a few numbers."""

import math
from collections.abc import Sequence
from typing import Any

from xpnet.base.checks import sample_shape, whole
from xpnet.core.declare import Shape
from xpnet.errors import OptionError
from xpnet.layers import Conv2D, ConvTranspose2D, Dense, Flatten, Reshape
from xpnet.model import Model, Sequential


class Autoencoder(Model):
    """784 - 128 - 32 - 128 - 784: an encoder of dense layers to `code` numbers, and a decoder that is its mirror image.

    `model.encoder` and `model.decoder` are networks of their own. Outputs have the shape of the inputs. They are scores
    for the loss binary_cross_entropy with pixels from 0 to 1 as targets: `model.fit(x, x)`; layers.Sigmoid() of what
    predict returns are pixels again. With mean_squared_error they are the values themselves. To train it to take noise
    away, give noisy samples as inputs and clean ones as targets (Vincent et al., "Extracting and composing robust
    features with denoising autoencoders", 2008).

    hidden: the sizes between input and code, with ReLU. 209,968 parameters for 28x28 images.

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.
    """

    kind = "autoencoder"

    def __init__(
        self,
        code: int = 32,
        hidden: int | Sequence[int] = (128,),
        input_shape: Shape = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.code, self.hidden = code, (hidden,) if isinstance(hidden, int) else tuple(hidden)
        inwards = [Dense(units, activation="relu") for units in self.hidden]
        outwards = [Dense(units, activation="relu") for units in reversed(self.hidden)]
        input_shape = sample_shape("Autoencoder", input_shape)
        self.encoder = Sequential([Flatten(), *inwards, Dense(code)])
        self.decoder = Sequential([*outwards, Dense(math.prod(input_shape)), Reshape(input_shape)])
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.decoder(self.encoder(x))


class ConvAutoencoder(Model):
    """Two convolutions of 3x3 and stride 2, with `filters` (16) and twice as many maps, dense `code` (32);
    back by a dense layer and two transposed convolutions of 4x4 and stride 2. ReLU between them.

    Otherwise as Autoencoder. H and W must be multiples of 4. 115,217 parameters for 28x28 images.

    Source: Masci, Meier, Ciresan and Schmidhuber, "Stacked convolutional auto-encoders for hierarchical feature
    extraction", 2011, whose strides are max pooling.
    """

    kind = "autoencoder"

    def __init__(
        self, code: int = 32, filters: int = 16, input_shape: Shape = (1, 28, 28), name: str | None = None
    ) -> None:
        super().__init__(name)
        self.code, self.filters = code, whole("ConvAutoencoder: filters", filters)
        C, H, W = quartered("ConvAutoencoder: input_shape", input_shape)
        self.encoder = Sequential(
            [
                Conv2D(filters, 3, 2, padding=1, activation="relu"),
                Conv2D(2 * filters, 3, 2, padding=1, activation="relu"),
                Flatten(),
                Dense(code),
            ]
        )
        self.decoder = Sequential(
            [
                Dense(2 * filters * H * W, activation="relu"),
                Reshape((2 * filters, H, W)),
                ConvTranspose2D(filters, 4, 2, padding=1, activation="relu"),
                ConvTranspose2D(C, 4, 2, padding=1),
            ]
        )
        self.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.decoder(self.encoder(x))


def quartered(argument: str, shape: Shape) -> Shape:
    """(C, H / 4, W / 4) of images that can be halved twice."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 3 or shape[1] % 4 or shape[2] % 4:
        raise OptionError(
            f"{argument} must be (C, H, W), H and W multiples of 4, since they are halved twice, not {shape!r}"
        )
    return shape[0], shape[1] // 4, shape[2] // 4
