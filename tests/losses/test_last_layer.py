"""A loss holds the last layer of a network against what it takes."""

from typing import Any

import numpy as np
import pytest

from xpnet import layers, losses
from xpnet.errors import OptionError
from xpnet.layers import Add, Average, Layer, LogSoftmax, Sigmoid, Softmax, Tanh
from xpnet.losses import Loss
from xpnet.model import Sequential

KINDS: list[type[Layer]] = [getattr(layers, name) for name in layers.__all__ if name != "Layer"]
OF_LOGARITHMS = (LogSoftmax, layers.LogSigmoid)
OF_ANY = (Add, Average, layers.Multiply, layers.Residual, layers.TimeDistributed)  # what is inside, or comes in, tells


class OwnSoftmax(Softmax):
    """Scores while it trains, probabilities afterwards: what it inherits does not tell what it gives."""


class Own(Layer):
    pass


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_layer_says_what_it_gives_or_gives_what_it_is_given(kind: type[Layer]) -> None:
    expected = dict.fromkeys(OF_LOGARITHMS, "log_probabilities")
    expected |= dict.fromkeys((Softmax, Sigmoid, layers.HardSigmoid), "probabilities")
    assert vars(kind).get("gives") == (None if kind in OF_ANY else expected.get(kind, "scores"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["negative_log_likelihood", "kl_divergence"])
def test_the_likelihood_takes_log_probabilities_alone(kind: type[Layer], name: str) -> None:
    loss = losses.get(name)
    if kind in (*OF_LOGARITHMS, *OF_ANY):
        loss.check_last(kind)
    else:
        with pytest.raises(OptionError, match=f"the network ends with {kind.__name__}, .* takes the logarithms"):
            loss.check_last(kind)


def test_a_loss_of_probabilities_takes_no_scores() -> None:
    loss = losses.get("binary_cross_entropy_of_probabilities")
    for kind in (Sigmoid, Softmax, Add):
        loss.check_last(kind)
    with pytest.raises(OptionError, match=r"ends with Dense, .*end it with layers.Sigmoid, or use binary_cross_ent"):
        loss.check_last(layers.Dense)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("last", [None, Own, OwnSoftmax])
def test_layers_of_ones_own_are_trusted(name: str, last: type[Layer] | None) -> None:
    losses.get(name).check_last(last)


def test_a_loss_of_ones_own_may_contain_any_activation() -> None:
    class Squashed(Loss):
        name, activation = "squashed", "tanh"

        def forward(self, y: Any, t: Any, backend: Any = None, sample_weight: Any = None) -> Any:
            raise AssertionError("not called")

    Squashed().check_last(Softmax)
    with pytest.raises(OptionError, match="the network ends with tanh, and the loss squashed contains it already"):
        Squashed().check_last(Tanh)


def test_compile_asks_the_loss() -> None:
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    with pytest.raises(OptionError, match=r"ends with Dense, .*end it with layers\.LogSoftmax, or use softmax"):
        model.compile("sgd", "nll")
    Sequential([*model.layers, LogSoftmax()]).compile("sgd", "nll")
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(np.ones((4, 2), np.float32), np.ones((4, 3)), verbose=0).history["loss"]).all()
