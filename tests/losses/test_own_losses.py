"""Losses that users write, as classes and as functions: what is missing is told, and what is not needed not asked."""

from typing import Any

import numpy as np
import pytest

from xpnet import Sequential, layers, losses
from xpnet.errors import OptionError

X = np.linspace(-1, 1, 12, dtype="float32").reshape(6, 2)
T = X[:, :1]


class Short(losses.Loss):
    def forward(self, y: Any, t: Any) -> Any:
        return ((y - t) ** 2).mean(), lambda: 2 * (y - t) / y.size


class Alone(losses.Loss):
    def forward(self, y: Any, t: Any, backend: Any = None) -> Any:
        return ((y - t) ** 2).mean()


class Gradient(losses.Loss):
    def forward(self, y: Any, t: Any, backend: Any = None) -> Any:
        return ((y - t) ** 2).mean(), 2 * (y - t)


class OwnParts(Short):
    def forward_parts(self, y: Any, t: Any, backend: Any = None, *weights: Any) -> Any:
        value, back = self.forward(y, t)
        return {"loss": value}, back


def compiled(loss: Any) -> Sequential:
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", loss)
    return model


def test_a_forward_without_backend_is_told_when_compiled() -> None:
    words = r"Short\.forward is called with y, t, backend: write def forward\(self, y, t, backend=None\), not forward\("
    for loss in (Short(), (Short(),)):
        with pytest.raises(OptionError, match=words):
            compiled(loss)
    compiled(OwnParts()).fit(X, T, verbose=0)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (Alone(), r"Alone\.forward must return \(value, back\), .*; it returned float32"),
        (Gradient(), r"it returned \(float32, ndarray\), and back must be a function: return value, lambda: gradient"),
        (lambda y, t: ((y - t) ** 2).mean(), r"must return \(value, back\), .*; it returned float32"),
        (lambda y, t: ((y - t).mean(), y - t), r"it returned \(float32, ndarray\), and back must be a function"),
        (lambda y, t: ((y - t).mean(), lambda dy: y), r"back is called with nothing.*; it takes \(dy\)"),
        (lambda y, t: None, "it returned NoneType"),
    ],
)
def test_what_a_loss_returns(loss: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        compiled(loss).fit(X, T, verbose=0)


def test_evaluation_needs_the_value_alone() -> None:
    model, same = compiled(lambda y, t: ((y - t) ** 2).mean()), compiled("mse")
    model.build((2,))
    same.build((2,))
    same.set_weights(model.get_weights())
    assert model.evaluate(X, T) == pytest.approx(same.evaluate(X, T))


def test_errors_within_back_are_its_own() -> None:
    def back() -> Any:
        raise TypeError("own")

    with pytest.raises(TypeError, match=r"^own$"):
        compiled(lambda y, t: ((y - t).mean(), back)).fit(X, T, verbose=0)
