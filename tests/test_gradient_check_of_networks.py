"""The checker on whole networks, where kinks of ReLU and max pooling lie close to any point."""

import sys
from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import Model, datasets, gradient_check, networks, random
from xpnet.core.parameter import Parameter
from xpnet.errors import GradientError

NETWORKS = {"SimpleConvNet": networks.SimpleConvNet, "DeepConvNet": networks.DeepConvNet}


def made(name: str, seed: int) -> Model:
    random.seed(seed)
    return NETWORKS[name]()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", NETWORKS)
def test_right_networks_pass(name: str, seed: int) -> None:
    assert gradient_check(made(name, seed), normal((2, 1, 28, 28), seed)) < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_digits_whose_background_lies_on_kinks(name: str) -> None:
    """Where the image and the biases are zero, what ReLU gets is zero, too."""
    (x, _), _ = datasets.mnist()
    assert gradient_check(made(name, 0), x[:2]) < 1e-5


PARTS = ["conv1.weight", "conv1.bias", "dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("of", ["noise", "digits"])
def test_half_a_percent_is_found_in_any_gradient(part: str, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = made("SimpleConvNet", 1)
    network.build((1, 28, 28))
    assert {name for name, _ in network.named_parameters()} == {*PARTS}
    add_grad = Parameter.add_grad

    def add_less(self: Parameter, grad: Any) -> None:
        add_grad(self, 0.995 * grad if self.name == part else grad)

    monkeypatch.setattr(Parameter, "add_grad", add_less)
    monkeypatch.setattr(sys.modules[gradient_check.__module__], "MAX_ENTRIES", 8)  # in search of the worst
    x = normal((2, 1, 28, 28), 1) if of == "noise" else datasets.mnist()[0][0][:2]
    with pytest.raises(GradientError, match=rf"SimpleConvNet: the gradient of {part} is wrong.*no kink"):
        gradient_check(network, x)


def test_half_a_percent_is_found_in_the_gradient_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[gradient_check.__module__], "MAX_ENTRIES", 8)

    class Wrong(networks.SimpleConvNet):
        def forward(self, x: Any, train: bool = False) -> tuple[Any, Any]:
            y, back = super().forward(x, train)
            return y, lambda dy, **options: 0.995 * np.asarray(back(dy, **options))

    random.seed(1)
    with pytest.raises(GradientError, match=r"Wrong: the gradient of the input is wrong.*no kink"):
        gradient_check(Wrong(), normal((2, 1, 28, 28), 1))
