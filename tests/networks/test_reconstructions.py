"""Networks whose outputs are images: autoencoders, VAE and DCGAN."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import losses, networks
from xpnet.backend import Backend, use_backend
from xpnet.errors import OptionError, ShapeError
from xpnet.model import Model
from xpnet.networks import DCGAN, VAE, Autoencoder, ConvAutoencoder, Sampling

MAKERS: dict[str, Callable[..., Model]] = {
    "autoencoder": lambda **how: Autoencoder(8, 32, **how),
    "deep autoencoder": lambda **how: Autoencoder(8, (32, 16), **how),
    "convolutions": lambda **how: ConvAutoencoder(8, 4, **how),
    "vae": lambda **how: VAE(5, 32, **how),
}
every_one = pytest.mark.parametrize("name", MAKERS)


@every_one
def test_it_learns_to_give_back_what_it_got_and_comes_back_from_a_file(tmp_path: Path, name: str) -> None:
    x, _ = digits(64)
    model = MAKERS[name](name="saved")
    model.compile(xpnet.optimizers.Adam(0.003), "binary_cross_entropy")
    assert model.evaluate(x, x) == pytest.approx(math.log(2), abs=0.1)
    model.fit(x, x, batch_size=8, epochs=5, verbose=0)
    assert model.evaluate(x, x) < 0.5
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    assert model.predict(x).shape == x.shape
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@every_one
def test_encoder_and_decoder_are_networks_of_their_own(name: str) -> None:
    x, _ = digits(6)
    model: Any = MAKERS[name]()
    code = model.encoder.predict(x)
    code = code[0] if isinstance(code, tuple) else code
    assert code.shape == (6, model.latent if name == "vae" else model.code)
    np.testing.assert_allclose(model.decoder.predict(code), model.predict(x), rtol=1e-5, atol=1e-5)


def test_images_that_cannot_be_halved_twice_are_refused() -> None:
    with pytest.raises(OptionError, match=r"ConvAutoencoder: input_shape must be \(C, H, W\), H and W multiples of 4"):
        ConvAutoencoder(input_shape=(1, 30, 28))
    with pytest.raises(OptionError, match=r"DCGAN: image_shape must be \(C, H, W\)"):
        DCGAN(image_shape=(784,))
    with pytest.raises(OptionError, match=r"ConvAutoencoder: input_shape must be \(C, H, W\)"):
        ConvAutoencoder(input_shape=28)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_a_number_is_no_shape(kind: Any) -> None:
    with pytest.raises(ShapeError, match=f"{kind.__name__}: build takes the shape of one sample"):
        kind(input_shape=784)


# ---- VAE -------------------------------------------------------------------------------------------------------------


def test_sampling_draws_with_mean_and_variance_and_in_inference_gives_the_mean(backend: Backend) -> None:
    mean = backend.asarray(np.full((5000, 2), [3.0, -1.0], np.float32))
    log_var = backend.asarray(np.full((5000, 2), [math.log(4), 0.0], np.float32))
    layer = Sampling()
    z = backend.to_numpy(layer.forward(mean, log_var, train=True)[0])
    np.testing.assert_allclose(z.mean(axis=0), [3, -1], atol=0.1)
    np.testing.assert_allclose(z.std(axis=0), [2, 1], rtol=0.05)
    y, back = layer.forward(mean, log_var)
    np.testing.assert_array_equal(backend.to_numpy(y), backend.to_numpy(mean))
    dmean, dlog_var = back(log_var)
    np.testing.assert_array_equal(backend.to_numpy(dmean), backend.to_numpy(log_var))
    assert not backend.to_numpy(dlog_var).any()
    with pytest.raises(ShapeError, match="mean and log_var of one shape"):
        layer.forward(mean, log_var[:, :1])


def test_the_gradient_goes_through_what_is_drawn() -> None:
    xs = normal((4, 3), 0), normal((4, 3), 1)
    layer = Sampling()

    def run(*inputs: np.ndarray) -> Any:
        xpnet.seed(5)
        return layer.forward(*inputs, train=True)

    _, back = run(*xs)
    dz, u = normal((4, 3), 2), (normal((4, 3), 3), normal((4, 3), 4))
    slope = sum(
        sign * np.sum(dz * run(*(x + sign * 1e-6 * d for x, d in zip(xs, u, strict=True)))[0]) / 2e-6
        for sign in (1, -1)
    )
    assert sum(np.sum(d * dx) for d, dx in zip(u, back(dz), strict=True)) == pytest.approx(slope, rel=1e-6)


def test_the_loss_of_a_vae_is_that_of_the_paper_and_its_gradient_that_of_the_loss() -> None:
    """Times the number of pixels, it is the bound: cross-entropy, summed, and the divergence from N(0, 1)."""
    x = digits(5)[0].astype("float64")
    model = VAE(3, 6, beta=2.0)
    model.astype("float64").compile(xpnet.optimizers.SGD(1.0), "binary_cross_entropy")
    start = model.get_weights()

    def step(weights: list[np.ndarray]) -> tuple[dict[str, float], list[np.ndarray]]:
        """What it logs, and the gradients: with rate 1 they are what the weights lose."""
        model.set_weights(weights)
        xpnet.seed(4)
        logs = model.train_on_batch(x, x, return_dict=True)
        return logs, [w - after for w, after in zip(weights, model.get_weights(), strict=True)]

    logs, gradients = step(start)
    model.set_weights(start)
    mean, log_var = model.encoder.predict(x)
    kl = 0.5 * np.sum(np.exp(log_var) + mean**2 - 1 - log_var, axis=1).mean()
    assert logs["kl"] == pytest.approx(kl, rel=1e-9)
    for place, gradient in enumerate(gradients):
        u = normal(gradient.shape, place)
        moved = [[*start[:place], start[place] + e * u, *start[place + 1 :]] for e in (1e-6, -1e-6)]
        slope = (step(moved[0])[0]["loss"] - step(moved[1])[0]["loss"]) / 2e-6
        assert np.sum(u * gradient) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_a_vae_draws_the_same_numbers_on_every_backend(backend: Backend) -> None:
    x, _ = digits(2)
    weights = []
    for each in ("numpy", backend):
        xpnet.seed(1)
        with use_backend(each):
            model = VAE(2, 4)
            model.compile(xpnet.optimizers.SGD(0.1), "binary_cross_entropy")
            model.train_on_batch(x, x)
            weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


# ---- DCGAN -----------------------------------------------------------------------------------------------------------


def test_both_networks_of_a_gan_are_trained_and_come_back_from_a_file(tmp_path: Path) -> None:
    x = 2 * digits(24)[0] - 1
    model = DCGAN(6, 4, name="saved")
    before = [w.copy() for w in model.get_weights()]
    history = model.fit(x, batch_size=8, epochs=2, verbose=0)
    assert history.history["d_loss"][0] == pytest.approx(2 * math.log(2), abs=0.5)
    assert set(history.history) == {"d_loss", "g_loss"}
    changed = {
        name.partition(".")[0]
        for (name, p), w in zip(model.named_parameters(), before, strict=True)
        if p.trainable and (p.value != w).any()
    }
    assert changed == {"generator", "discriminator"}
    noise = normal((3, 6), 0, "float32")
    images = model.predict(noise)
    assert images.shape == (3, 1, 28, 28) and np.abs(images).max() <= 1
    model.save(tmp_path / "net")
    again: Any = xpnet.load(tmp_path / "net")
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(noise), images)
    np.testing.assert_array_equal(again.discriminator.predict(images), model.discriminator.predict(images))


def test_the_generator_learns_from_what_the_discriminator_says() -> None:
    """A step of the discriminator leaves the generator as it was, and the other way round."""
    model = DCGAN(6, 4)
    sums: list[tuple[float, float]] = []

    def look(optimizer: Any, network: Any) -> None:
        sums.append(tuple(float(sum(np.abs(p.grad).sum() for p in each.parameters() if p.has_grad)) for each in both))
        apply(optimizer, network)

    both = model.generator, model.discriminator
    step = model.make_step()
    apply, step.apply_gradients = step.apply_gradients, look  # type: ignore[method-assign, assignment]
    step((2 * digits(8)[0] - 1,), "step 1")
    (g_first, d_first), (g_second, d_second) = sums
    assert g_first == 0 and d_first > 0
    assert g_second > 0 and d_second == 0


@pytest.mark.slow
def test_a_gan_gives_the_same_numbers_on_a_gpu(cupy: Backend) -> None:
    x = 2 * digits(4)[0] - 1
    found = []
    for backend in ("numpy", cupy):
        xpnet.seed(2)
        with use_backend(backend):
            model = DCGAN(3, 2)
            logs = model.train_on_batch(x, return_dict=True)
            found.append(np.array([*logs.values()]))
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_losses_that_are_for_pixels_are_refused_for_classes() -> None:
    model = networks.VAE(2, 8)
    model.compile("adam", losses.BinaryCrossEntropyWithLogits())
    x, t = digits(4)
    with pytest.raises(ShapeError, match="they must be equal"):
        model.fit(x, t, verbose=0)
    assert_close(model.call(x), model(x))


def test_a_decoder_goes_back_through_the_sizes_of_the_encoder() -> None:
    model = Autoencoder(3, (7, 5), input_shape=(1, 2, 4))
    shapes = [p.shape for name, p in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(7, 8), (5, 7), (3, 5), (5, 3), (7, 5), (8, 7)]
