"""A training step of the user's own: several optimizers, several losses, networks that take turns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters
from tests.training.test_step import Interrupt
from xpnet import layers, losses, optimizers
from xpnet.backend import Backend
from xpnet.callbacks import EMA, Backup, JSONLinesLogger, ReduceLROnPlateau
from xpnet.core.layer import Layer
from xpnet.errors import DataError, NonFiniteError, OptionError
from xpnet.model import Model, Sequential

X, T = clusters(24)


class Noise(Layer):
    """Random numbers (N, 2) for a batch of N: a step of one's own draws as a layer does."""

    def forward(self, x: Any, train: bool = False) -> Any:
        z = np.random.Generator(np.random.Philox(key=np.array(self.next_key(), np.uint64)))
        return self.backend.asarray(z.standard_normal((x.shape[0], 2)), self.dtype), lambda dz: dz


class GAN(Model):
    """Two networks against each other (Goodfellow et al., 2014); neither is built before its first step."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = Noise()
        self.generator = Sequential([layers.Dense(8, activation="tanh"), layers.Dropout(0.2), layers.Dense(2)])
        self.discriminator = Sequential([layers.Dense(8, activation="tanh"), layers.Dense(1)])
        self.g_optimizer, self.d_optimizer = optimizers.Adam(0.01), optimizers.Momentum(0.05)
        self.bce = losses.BinaryCrossEntropyWithLogits()

    def judged(self, images: Any, real: bool) -> tuple[Any, Any]:
        """The discriminator's loss if the images are real, or are not, and its gradient with respect to them."""
        y, back = self.discriminator.forward(images, train=True)
        value, loss_back = self.bce.forward(y, self.backend.zeros(y.shape, self.dtype) + float(real), self.backend)
        return value, back(loss_back())

    def train_step(self, batch: Any) -> dict[str, Any]:
        (x,) = batch
        fake, back = self.generator.forward(self.noise(x), train=True)
        d_loss = self.judged(x, True)[0] + self.judged(fake, False)[0]
        self.step.apply_gradients(self.d_optimizer, self.discriminator)
        with self.discriminator.frozen():
            g_loss, dfake = self.judged(fake, True)
        back(dfake, need_dx=False)
        self.step.apply_gradients(self.g_optimizer, self.generator)
        return {"d_loss": d_loss, "g_loss": g_loss}


def gan(backend: Backend | str = "numpy") -> GAN:
    xpnet.seed(5)
    model = GAN()
    model.to(backend)
    return model


def weights_of(model: Model) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


def test_two_networks_take_turns_on_every_backend(backend: Backend) -> None:
    model = gan(backend)
    history = model.fit(X, batch_size=8, epochs=3, verbose=0)
    assert {name: len(values) for name, values in history.history.items()} == {"d_loss": 3, "g_loss": 3}
    assert model.g_optimizer.steps == model.d_optimizer.steps == 9
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    twin = gan()
    twin.fit(X, batch_size=8, epochs=3, verbose=0)
    for own, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-4)


def test_the_turns_are_those_of_a_loop_written_out(backend: Backend) -> None:
    """One batch, by the definition: D on real and fake, then G through the new D."""
    model, twin = gan(backend), gan(backend)
    for each in (model, twin):
        each.generator.layers[1].rate = 0.0  # type: ignore[attr-defined]
        each.generator.build((2,))
        each.discriminator.build((2,))
    twin.set_weights(model.get_weights())
    x, seen = backend.asarray(X[:8].astype("float32")), []
    z = backend.asarray(np.random.default_rng(1).standard_normal((8, 2)), "float32")

    def same_noise(x: Any, train: bool = False) -> Any:
        seen.append(x)
        return z, None

    model.noise.forward = same_noise  # type: ignore[method-assign]
    logs = model.train_on_batch(X[:8], return_dict=True)
    fake, back = twin.generator.forward(z, train=True)
    real_loss, _ = twin.judged(x, True)
    fake_loss, _ = twin.judged(fake, False)
    twin.d_optimizer.update(twin.discriminator.parameters())
    g_loss, dfake = twin.judged(fake, True)
    back(dfake, need_dx=False)
    twin.g_optimizer.update(twin.generator.parameters())
    assert len(seen) == 1 and logs == {"d_loss": float(real_loss + fake_loss), "g_loss": float(g_loss)}
    assert weights_of(model) == weights_of(twin)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_goes_on_from_a_backup_to_the_bit(tmp_path: Path, accumulate: int) -> None:
    """Wherever it was interrupted: both optimizers, what waits in a group, and networks that a step has built."""

    def train(path: Path, after: int | None = None) -> tuple[list[bytes], Any]:
        model = gan()
        followers = [Interrupt(after), Backup(path, every=1), EMA(0.9), ReduceLROnPlateau("g_loss", patience=1)]
        history = model.fit(X, batch_size=5, epochs=3, accumulate=accumulate, callbacks=followers, verbose=0)
        return weights_of(model), history.history

    whole = train(tmp_path / "whole")
    for after in (1, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", after)
    assert train(tmp_path / "parts") == whole


def test_a_group_of_batches_is_one_batch_for_each_network() -> None:
    """In a step whose gradients are those of means, and that has no random numbers."""

    class Two(Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = layers.Dense(3), layers.Dense(3)
            self.first, self.second = optimizers.SGD(0.5), optimizers.Adam(0.1)

        def train_step(self, batch: Any) -> dict[str, Any]:
            x, t = batch
            logs = {}
            for name, layer, optimizer in (("a", self.one, self.first), ("b", self.other, self.second)):
                y, back = layer.forward(x, train=True)
                logs[name], loss_back = losses.SoftmaxCrossEntropy().forward(y, t, self.backend)
                back(loss_back(), need_dx=False)
                self.step.apply_gradients(optimizer, layer)
            return logs

    def train(batch_size: int, accumulate: int) -> list[np.ndarray]:
        xpnet.seed(1)
        model = Two()
        model.fit(X, T, batch_size=batch_size, accumulate=accumulate, epochs=2, shuffle=False, verbose=0)
        assert model.first.steps == model.second.steps == 6
        return model.get_weights()

    for one, other in zip(train(8, 1), train(4, 2), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for one, other in zip(train(8, 1), train(3, 3), strict=True):  # groups of 3, 3 and 2, in epochs of eight batches
        assert one.shape == other.shape


class Autoencoder(Sequential):
    """No targets: the images are their own."""

    def train_step(self, batch: Any) -> dict[str, Any]:
        (x,) = batch
        y, back = self.forward(x, train=True)
        logs, loss_back = self.step.compute_losses(y, x)
        back(loss_back(), need_dx=False)
        self.step.apply_gradients()
        return logs


def test_a_step_of_ones_own_needs_no_targets_and_may_use_what_it_was_compiled_with() -> None:
    xpnet.seed(0)
    model = Autoencoder([layers.Dense(4, activation="tanh"), layers.Dense(2)])
    model.compile(optimizers.Adam(0.05), "mse")
    own = model.fit(X, epochs=4, verbose=0, validation_data=(X, X)).history
    xpnet.seed(0)
    usual = Sequential([layers.Dense(4, activation="tanh"), layers.Dense(2)])
    usual.compile(optimizers.Adam(0.05), "mse")
    assert own == usual.fit(X, X, epochs=4, verbose=0, validation_data=(X, X)).history
    assert weights_of(model) == weights_of(usual)
    assert model.train_on_batch(X) == pytest.approx(model.evaluate(X, X), rel=0.5)


def test_batches_of_any_form_reach_a_step_of_ones_own() -> None:
    seen: list[Any] = []

    class Sees(Model):
        def train_step(self, batch: Any) -> dict[str, Any]:
            seen.append(batch)
            return {"size": 1.0}

    model = Sees()
    for data, t in ((X, None), ({"a": X, "b": T}, None), ((X, T), {"c": T}), ([(X, T)], None), ([X], None)):
        model.fit(data, t, verbose=0, batch_size=None if isinstance(data, list) else 24)
    one, named, both, pair, alone = seen
    assert len(one) == 1 and one[0].shape == (24, 2)
    assert [*named[0]] == ["a", "b"] and named[0]["b"].dtype == T.dtype
    assert len(both) == 2 and len(both[0]) == 2 and [*both[1]] == ["c"]
    assert len(pair) == 2 and len(alone) == 1
    with pytest.raises(DataError, match=r"as many samples, one or more; they are float\d+ \(24, 2\), int64 \(23,\)"):
        model.fit((X, T[1:]), verbose=0)


def test_a_layer_that_a_later_step_builds_is_trained_too() -> None:
    class Grows(Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = layers.Dense(3), layers.Dense(3)
            self.optimizer, self.steps = optimizers.SGD(0.5), 0

        def train_step(self, batch: Any) -> dict[str, Any]:
            x, t = batch
            self.steps += 1
            for layer in (self.one, self.other)[: self.steps]:
                y, back = layer.forward(x, train=True)
                value, loss_back = losses.SoftmaxCrossEntropy().forward(y, t, self.backend)
                back(loss_back(), need_dx=False)
            self.step.apply_gradients()
            return {"loss": value}

    model = Grows()
    model.fit(X, T, batch_size=12, verbose=0)
    before = model.other.weight.value.copy()
    model.fit(X, T, batch_size=12, verbose=0)
    assert model.steps == 4 and not np.allclose(before, model.other.weight.value)
    xpnet.seed(0)
    fresh = Grows()
    fresh.fit(X, T, batch_size=8, verbose=0)
    bias = fresh.other.bias
    assert bias is not None and not np.allclose(bias.value, 0.0)


def test_a_gradient_that_would_go_into_the_next_update_is_an_error() -> None:
    class Forgets(GAN):
        def train_step(self, batch: Any) -> dict[str, Any]:
            self.judged(batch[0], True)
            self.step.apply_gradients(self.d_optimizer, self.discriminator)
            self.judged(batch[0], False)
            return {}

    with pytest.raises(OptionError, match=r"after the update of discriminator .* within `with network.frozen\(\):`"):
        Forgets().fit(X, verbose=0)


def test_several_updates_of_a_network_in_a_step_are_fine_but_not_with_accumulation() -> None:
    class Critic(GAN):
        def train_step(self, batch: Any) -> dict[str, Any]:
            for _ in range(3):
                value, _ = self.judged(batch[0], True)
                self.step.apply_gradients(self.d_optimizer, self.discriminator)
            return {"loss": value}

    model = Critic()
    model.fit(X, batch_size=12, verbose=0)
    assert model.d_optimizer.steps == 6
    with pytest.raises(OptionError, match="accumulate needs a train_step that makes one update of each network"):
        model.fit(X, batch_size=12, verbose=0, accumulate=2)


def test_a_loss_that_is_not_finite_ends_training_whatever_its_name(tmp_path: Path) -> None:
    class Breaks(GAN):
        def train_step(self, batch: Any) -> dict[str, Any]:
            return super().train_step(batch) | {"g_loss": self.backend.zeros((), self.dtype) * float("inf")}

    with pytest.raises(NonFiniteError, match="the g_loss became nan in epoch 1, at or before step 3"):
        Breaks().fit(X, batch_size=8, verbose=0)


def test_what_is_logged_is_in_files_and_callbacks_too(tmp_path: Path) -> None:
    gan().fit(X, batch_size=8, epochs=2, verbose=0, callbacks=JSONLinesLogger(tmp_path / "log.jsonl"))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(lines) == 2 and all("d_loss" in line and "g_loss" in line for line in lines)


def test_a_metric_and_a_loss_need_names_of_their_own() -> None:
    class Clash(Sequential):
        def train_step(self, batch: Any) -> dict[str, Any]:
            return super().train_step(batch) | {"accuracy": 1.0}

    model = Clash([layers.Dense(3)])
    model.compile(metrics=["accuracy"])
    with pytest.raises(OptionError, match="train_step returns accuracy, and a metric is called so"):
        model.fit(X, T, verbose=0)


def test_the_means_of_a_step_are_only_there_in_a_step() -> None:
    model = gan()
    with pytest.raises(OptionError, match="no training step is under way"):
        model.train_step((X,))
