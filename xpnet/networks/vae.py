"""VAE: an autoencoder whose code is a distribution, so that what it draws can be decoded, too."""

import math
from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import at_least_zero, sample_shape, whole
from xpnet.core.declare import Shape
from xpnet.core.layer import Back, Layer
from xpnet.errors import DataError
from xpnet.layers import Dense, Flatten, Reshape, Split
from xpnet.model import Model, Sequential
from xpnet.networks.noise import normal_numbers


class Sampling(Layer):
    """In training z = mean + exp(log_var / 2) e, e drawn from N(0, 1); in inference z = mean.

    Inputs are mean and log_var, both (N, ...), and z has their shape. e does not depend on them, so the gradient goes
    through: dmean = dz, dlog_var = dz e exp(log_var / 2) / 2. All backends draw the same numbers.

    The reparametrisation of Kingma and Welling, "Auto-encoding variational Bayes", 2014.
    """

    kind = "sampling"

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes) != 2 or shapes[0] != shapes[1]:
            raise self.wrong_shape(shapes[-1], f"mean and log_var of one shape; they are {', '.join(map(str, shapes))}")
        return shapes[0]

    def forward(self, mean: Array, log_var: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(mean, log_var)
        xp = self.xp
        if not train:
            return mean, lambda dz: (dz, xp.zeros_like(log_var))
        noise = normal_numbers(self, tuple(mean.shape)) * xp.exp(log_var / 2)

        def back(dz: Array) -> tuple[Array, Array]:
            return dz, dz * noise / 2

        return mean + noise, back


class VAE(Model):
    """784 - 400 - 20 - 400 - 784: an encoder to the mean and the logarithm of the variance of `latent` numbers, which
    are drawn in training (Sampling); and a decoder to scores of pixels.

    It is trained to give back what it got, and a code that is like N(0, 1):
    L = loss(y, t) + beta KL / D,  KL = mean_n(sum_k(exp(log_var) + mean**2 - 1 - log_var) / 2),
    with D the number of values of a sample: with binary_cross_entropy, D L is what the paper minimises. The history has
    KL as kl. `evaluate` gives the loss of the reconstruction alone, from the mean.

        model = VAE()
        model.compile("adam", "binary_cross_entropy")
        model.fit(x, x, epochs=10)                          # pixels from 0 to 1
        mean, log_var = model.encoder.predict(x)
        scores = model.decoder.predict(normal_numbers)      # (N, 20); layers.Sigmoid() of them are pixels

    beta: above 1 for codes that come apart (Higgins et al., 2017). 652,824 parameters for 28x28 images.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.
    """

    kind = "vae"

    def __init__(
        self,
        latent: int = 20,
        hidden: int = 400,
        beta: float = 1.0,
        input_shape: Shape = (1, 28, 28),
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.latent, self.hidden = whole("VAE: latent", latent), hidden
        self.beta = beta
        input_shape = sample_shape("VAE", input_shape)
        code = Dense(2 * latent, initializer="xavier_normal")
        self.encoder = Sequential([Flatten(), Dense(hidden, activation="relu"), code, Split(2)])
        self.sampling = Sampling()
        pixels = Dense(math.prod(input_shape), initializer="xavier_normal")
        self.decoder = Sequential([Dense(hidden, activation="relu"), pixels, Reshape(input_shape)])
        self.build(input_shape)

    @property
    def beta(self) -> float:
        """The weight of the divergence, which may change in the course of training."""
        return self._beta

    @beta.setter
    def beta(self, beta: float) -> None:
        self._beta = at_least_zero("VAE: beta", beta)

    def call(self, x: Any) -> Any:
        return self.decoder(self.sampling(*self.encoder(x)))

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Array]:
        if len(batch) < 2:
            raise DataError("VAE: the targets are missing: they are the inputs once more, as in fit(x, x)")
        x, t, *sample_weight = batch
        (mean, log_var), encoder_back = self.encoder.forward(x, train=True)
        z, sampling_back = self.sampling.forward(mean, log_var, train=True)
        y, decoder_back = self.decoder.forward(z, train=True)

        losses: dict[str, Array]
        losses, loss_back = self.step.compute_losses(y, t, *sample_weight)
        var, N = self.xp.exp(log_var), mean.shape[0]
        losses["kl"] = self.backend.sum(var + mean * mean - 1 - log_var) / (2 * N)
        weight = self.beta / math.prod(x.shape[1:])
        losses["loss"] = losses["loss"] + weight * losses["kl"]

        dmean, dlog_var = sampling_back(decoder_back(loss_back()))
        dmean, dlog_var = dmean + mean * (weight / N), dlog_var + (var - 1) * (weight / (2 * N))
        encoder_back((dmean, dlog_var), need_dx=False)
        self.step.apply_gradients()
        self.step.update_metrics(y, t)
        return losses
