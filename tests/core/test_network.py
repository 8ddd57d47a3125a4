"""Networks: which class of layer gives their output."""

import numpy as np

from tests.kit.small import Written
from xpnet.core.network import Network
from xpnet.layers import Add, Dense, Softmax, Tanh
from xpnet.model import Sequential


class Bare(Network):
    """A network without the verbs of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(3, activation="tanh")

    def call(self, x: object) -> object:
        return self.dense(x)


def test_the_last_layer_is_found_in_layers_chains_and_networks() -> None:
    for layer, last in (
        (Dense(3), Dense),
        (Dense(3, activation="tanh"), Tanh),
        (Add(), Add),
        (Sequential([Dense(3), Sequential([Tanh(), Softmax()])]), Softmax),
        (Sequential(), None),
    ):
        assert layer.ends_with() is last


def test_a_written_network_knows_its_last_layer_after_a_forward() -> None:
    for network in (Bare(), Written(lambda m, x: m.inner(x), inner=Bare()), Sequential([Bare()])):
        assert network.ends_with() is None
        network.forward(np.ones((2, 4), np.float32))
        assert network.ends_with() is Tanh
    total = Written(lambda m, x: m.inner(x) + m.inner(x), inner=Bare())
    total.forward(np.ones((2, 4), np.float32))
    assert total.ends_with() is None
