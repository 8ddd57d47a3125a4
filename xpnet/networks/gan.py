"""DCGAN: a network that draws digits, and one that tells them from real ones; each learns from the other."""

from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.layers import BatchNorm2D, Conv2D, ConvTranspose2D, Flatten, LeakyReLU, ReLU, Reshape, Tanh
from xpnet.losses import BinaryCrossEntropyWithLogits
from xpnet.model import Model, Sequential
from xpnet.networks.autoencoder import quartered
from xpnet.networks.noise import normal_numbers
from xpnet.optimizers import Adam
from xpnet.schedules import Schedule


class DCGAN(Model):
    """A generator of images (N, C, H, W) from noise (N, noise), and a discriminator that scores how real images are.

    generator: transposed convolutions to H/4 x W/4 with 2 * filters maps, of 4x4 and stride 2 to `filters` maps of
    H/2 x W/2, and to the image; batch normalisation and ReLU between them, tanh at the end.  discriminator: its mirror
    image, of convolutions with LeakyReLU(0.2), whose last one is as large as what is left. H and W must be multiples
    of 4.

    It is trained on images alone, with values from -1 to 1: `model.fit(2 * x - 1)`. A step of the discriminator
    (d_loss: real images should score as real, drawn ones not) and one of the generator (g_loss: drawn ones should score
    as real) take turns, each with an Adam of its own, of rate `lr` (or a schedule) and
    beta1 = 0.5. `model.predict(noise)` draws.

    Weights are N(0, 0.02), as in the paper. 898,370 parameters for 28x28 images: 759,681 of the generator, 138,689 of
    the discriminator.

    Source: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
    adversarial networks", 2016; Goodfellow et al., "Generative adversarial nets", 2014.
    """

    kind = "gan"

    def __init__(
        self,
        noise: int = 100,
        filters: int = 64,
        lr: float | Schedule = 0.0002,
        image_shape: Shape = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        C, H, W = quartered("DCGAN: image_shape", image_shape)
        self.noise, self.filters, self.lr = whole("DCGAN: noise", noise), whole("DCGAN: filters", filters), lr
        self.image_shape = image_shape
        std: dict[str, Any] = {"initializer": 0.02}
        self.generator = Sequential(
            [
                Reshape((noise, 1, 1)),
                ConvTranspose2D(2 * filters, (H, W), bias=False, **std), BatchNorm2D(), ReLU(),
                ConvTranspose2D(filters, 4, 2, padding=1, bias=False, **std), BatchNorm2D(), ReLU(),
                ConvTranspose2D(C, 4, 2, padding=1, **std), Tanh(),
            ]
        )  # fmt: skip
        self.discriminator = Sequential(
            [
                Conv2D(filters, 4, 2, padding=1, **std), LeakyReLU(0.2),
                Conv2D(2 * filters, 4, 2, padding=1, bias=False, **std), BatchNorm2D(), LeakyReLU(0.2),
                Conv2D(1, (H, W), **std), Flatten(),
            ]
        )  # fmt: skip
        self.g_optimizer, self.d_optimizer = Adam(lr, beta1=0.5), Adam(lr, beta1=0.5)
        self.judgement = BinaryCrossEntropyWithLogits()
        self.build((noise,))
        self.discriminator.build(image_shape)

    def call(self, noise: Any) -> Any:
        return self.generator(noise)

    def judge(self, images: Array, real: float, need_dx: bool = False) -> tuple[Array, Array | None]:
        """The discriminator's loss where all images should score as real (1) or not (0), and its dy for the images."""
        y, back = self.discriminator.forward(images, train=True)
        loss, loss_back = self.judgement.forward(y, self.backend.zeros(y.shape, self.dtype) + real, self.backend)
        return loss, back(loss_back(), need_dx)

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Array]:
        images = batch[0]
        noise = normal_numbers(self, (images.shape[0], self.noise))
        drawn, generator_back = self.generator.forward(noise, train=True)
        d_loss = self.judge(images, 1.0)[0] + self.judge(drawn, 0.0)[0]
        self.step.apply_gradients(self.d_optimizer, self.discriminator)

        with self.discriminator.frozen():  # the gradient goes through it to the generator
            g_loss, ddrawn = self.judge(drawn, 1.0, need_dx=True)
        generator_back(ddrawn, need_dx=False)
        self.step.apply_gradients(self.g_optimizer, self.generator)
        return {"d_loss": d_loss, "g_loss": g_loss}
