"""Optimizers that users write: few lines, and a step that changes nothing is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters
from xpnet import Sequential, layers
from xpnet.backend import Backend
from xpnet.errors import OptionError
from xpnet.optimizers import Optimizer
from xpnet.schedules import Schedule

X, T = clusters(12)


class Plain(Optimizer):
    def step(self, p: Any, state: Any, lr: float) -> None:
        p.value -= lr * p.grad


class Returning(Optimizer):
    def step(self, p: Any, state: Any, lr: float) -> Any:
        return p.value - lr * p.grad


class Rebinding(Optimizer):
    def step(self, p: Any, state: Any, lr: float) -> None:
        value = p.value
        value = value - lr * p.grad


class Later(Optimizer):
    """Only collects, in its first step."""

    slots = ("sum",)

    def step(self, p: Any, state: Any, lr: float) -> None:
        total = state["sum"]
        total += p.grad
        if state.steps % 2 == 0:
            p.value -= lr * total
            total *= 0


class Weights(Optimizer):
    """Leaves biases as they are."""

    def step(self, p: Any, state: Any, lr: float) -> None:
        if len(p.shape) > 1:
            p.value -= lr * p.grad


def fitted(optimizer: Optimizer) -> Sequential:
    model = Sequential([layers.Dense(3)])
    model.compile(optimizer)
    model.fit(X, T, batch_size=6, verbose=0)
    return model


def test_the_settings_have_defaults(backend: Backend, tmp_path: Path) -> None:
    assert repr(Plain()) == "Plain()" and Plain().lr == 0.01
    model = fitted(Plain(0.1))
    xpnet.seed(0)
    model.save(tmp_path / "net")
    loaded = xpnet.load(tmp_path / "net", custom=Plain)
    assert repr(loaded.optimizer) == "Plain(lr=0.1)"
    xpnet.seed(1)
    own = fitted(Plain(0.1))
    xpnet.seed(1)
    for a, b in zip(own.get_weights(), fitted(xpnet.optimizers.SGD(0.1)).get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", [Returning, Rebinding])
def test_a_step_that_changes_nothing_is_an_error(backend: Backend, make: type[Optimizer]) -> None:
    with pytest.raises(OptionError, match=f"the step of {make.__name__} changed no parameter: .*in place"):
        fitted(make())


class Nought(Schedule):
    def __call__(self, step: int) -> float:
        return 0.0


@pytest.mark.parametrize("optimizer", [Later(), Weights(), Returning(Nought()), Plain(1e-12)])
def test_a_step_that_may_change_nothing_is_left_alone(optimizer: Optimizer) -> None:
    fitted(optimizer)


class Unmade(Optimizer):
    def __init__(self, lr: float = 0.1) -> None:
        self.lr = lr

    def step(self, p: Any, state: Any, lr: float) -> None:
        p.value -= lr * p.grad


class OfAll(Optimizer):
    def step(self, params: Any) -> None:  # type: ignore[override]
        pass


class OfData(Optimizer):
    def step(self, p: Any, state: Any, lr: float) -> None:
        p.data -= lr * p.grad


class OwnUpdate(OfAll):
    def update(self, parameters: Any, scale: float = 1.0) -> None:
        self.step(parameters)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Unmade, r"Unmade\.__init__ must call super\(\)\.__init__\(lr\)"),
        (
            OfAll,
            r"OfAll\.step is called with p, state, lr: write def step\(self, p, state, lr\), not step\(self, pa",
        ),
    ],
)
def test_a_miswritten_optimizer_is_told_when_compiled(kind: type[Optimizer], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Sequential([layers.Dense(3)]).compile(kind())
    layer = layers.Dense(3)
    layer.build((2,))
    with pytest.raises(OptionError, match=words):
        kind().update(layer.parameters())


def test_a_parameter_s_parts_have_their_names() -> None:
    with pytest.raises(OptionError, match="the step of OfData: a parameter has no 'data'; here it is value; it has v"):
        fitted(OfData())


def test_who_writes_the_update_knows_what_it_calls() -> None:
    Sequential([layers.Dense(3)]).compile(OwnUpdate())


def test_state_that_is_not_named_is_told() -> None:
    class Forgetting(Optimizer):
        def step(self, p: Any, state: Any, lr: float) -> None:
            state["v"] += p.grad

    model = Sequential([layers.Dense(3)])
    model.compile(Forgetting())
    with pytest.raises(OptionError, match=r"asks for state\['v'\], which is not kept: .* slots = \('v',\)"):
        model.fit(X, T, verbose=0)
    Forgetting.slots = "v"  # type: ignore[assignment]
    with pytest.raises(OptionError, match=r"Forgetting: slots is a tuple of names: slots = \('v',\)"):
        model.compile(Forgetting())
