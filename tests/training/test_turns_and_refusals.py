"""Steps of one's own: networks that take turns from batch to batch, what a step may return and update, and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.training.test_step import Interrupt
from tests.training.test_train_step import GAN, X, gan, weights_of
from xpnet import layers, optimizers
from xpnet.callbacks import Backup
from xpnet.errors import OptionError
from xpnet.model import Model, Sequential


class Turns(GAN):
    """The networks take turns from batch to batch."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0

    def train_step(self, batch: Any) -> dict[str, Any]:
        self.turn += 1
        optimizer = self.d_optimizer if self.turn % 2 else self.g_optimizer
        _, back = self.generator.forward(self.noise(batch[0]), train=True)
        _, dx = self.judged(batch[0], True)
        if self.turn % 2:
            self.step.apply_gradients(optimizer, self.discriminator)
            return {"d_loss": 3.0}
        for parameter in self.discriminator.parameters():
            parameter.zero_grad()
        back(dx, need_dx=False)
        self.step.apply_gradients(optimizer, self.generator)
        return {"g_loss": 5.0}


def test_a_mean_is_over_the_steps_that_have_the_name(tmp_path: Path) -> None:
    def train(after: int | None) -> dict[str, Any]:
        xpnet.seed(1)
        return Turns().fit(X, batch_size=5, verbose=0, callbacks=[Interrupt(after), Backup(tmp_path / "b", 1)]).history

    assert train(None) == {"d_loss": [3.0], "g_loss": [5.0]}
    with pytest.raises(KeyboardInterrupt):
        train(3)
    assert train(None) == {"d_loss": [3.0], "g_loss": [5.0]}


def test_networks_that_take_turns_from_batch_to_batch_cannot_wait_for_a_group() -> None:
    """Else the one whose turn does not end the group would never be updated."""
    with pytest.raises(OptionError, match="updates the same networks in each batch; networks that take turns"):
        Turns().fit(X, batch_size=6, verbose=0, accumulate=2)


def test_a_network_inside_another_one_is_updated_once_in_a_group() -> None:
    class Twice(GAN):
        def train_step(self, batch: Any) -> dict[str, Any]:
            value, _ = self.judged(batch[0], True)
            self.step.apply_gradients(self.d_optimizer, self.discriminator)
            self.step.apply_gradients(self.g_optimizer, self)
            return {"loss": value}

    with pytest.raises(OptionError, match="makes one update of each network, not several"):
        Twice().fit(X, batch_size=6, verbose=0, accumulate=2)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "must return a dict of numbers by name, such as its losses, not None"),
        (1.0, "must return a dict of numbers by name, such as its losses, not 1.0"),
        ({3: 1.0}, "must return a number for each name; 3 has 1.0"),
        ({"loss": None}, "must return a number for each name; 'loss' has None"),
        ({"loss": "low"}, "must return a number for each name; 'loss' has 'low'"),
        ({"loss": np.ones(3)}, r"must return a number for each name; 'loss' has an array \(3,\)"),
    ],
)
def test_what_a_step_returns_are_numbers_by_name(returned: Any, words: str) -> None:
    class Returns(Model):
        def train_step(self, batch: Any) -> Any:
            return returned

    with pytest.raises(OptionError, match=words):
        Returns().fit(X, verbose=0)


ELSEWHERE = optimizers.SGD(0.1), Sequential([layers.Dense(1)])


@pytest.mark.parametrize(
    ("optimizer", "network", "words"),
    [
        (ELSEWHERE[0], "discriminator", r"SGD\(lr=0.1\) is no optimizer that the model has as an attribute"),
        ("adam", "discriminator", "takes an optimizer and the network that it changes, .*, not str and Sequential"),
        ("d_optimizer", ELSEWHERE[1], r"Sequential\(.*\) is no network inside the model"),
    ],
)
def test_what_is_updated_belongs_to_the_model(optimizer: Any, network: Any, words: str) -> None:
    class Uses(GAN):
        def train_step(self, batch: Any) -> dict[str, Any]:
            self.judged(batch[0], True)
            own = [getattr(self, part, part) if isinstance(part, str) else part for part in (optimizer, network)]
            self.step.apply_gradients(*own)
            return {}

    with pytest.raises(OptionError, match=words):
        Uses().fit(X, verbose=0)


def test_options_that_need_targets_say_so() -> None:
    for options in ({"validation_split": 0.2}, {"class_weight": {0: 2.0}}):
        with pytest.raises(OptionError, match=f"{next(iter(options))} needs targets.* there are none"):
            gan().fit(X, verbose=0, **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="batch 1: class_weight needs targets"):
        gan().fit([(X,), (X,)], verbose=0, class_weight={0: 2.0})


def test_weights_of_networks_that_steps_have_built_are_saved_and_loaded(tmp_path: Path) -> None:
    model, other = gan(), gan()
    for each in (model, other):
        each.fit(X, verbose=0, epochs=1 + (each is other))
    model.save_weights(tmp_path / "weights")
    with pytest.raises(OptionError, match="GAN is not built, but networks inside it are: save those"):
        model.save(tmp_path / "whole")
    with pytest.raises(OptionError, match="the model has no parameters yet"):
        gan().load_weights(tmp_path / "weights")
    other.load_weights(tmp_path / "weights")
    assert weights_of(other) == weights_of(model)
