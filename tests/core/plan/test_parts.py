"""Layers that take parts of arrays, or arrange them anew, are followed like others; also where NumPy alone computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.core.plan.nets import images, unplanned
from xpnet import Model, Sequential, layers, networks, random
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.core.parameter import Parameter
from xpnet.core.trace import Learned, Part, Trace, Untraceable

Make = Callable[[], Any]


class Attentive(Model):
    """Attention of one input, and of two; a part of its output, pooled beside another."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.own, self.other = layers.LearnedPositions(9), layers.MultiHeadAttention(2), layers.Dense(6)
        self.between, self.norm = layers.MultiHeadAttention(3), layers.LayerNorm()
        self.turn, self.mean = layers.Permute((2, 1)), layers.GlobalAvgPool1D()

    def call(self, x: Any) -> Any:
        x = self.place(x)
        y = self.own(x)
        return self.mean(self.turn(self.norm(self.between(x, self.other(y)) + y)))


NETS: dict[str, tuple[Make, tuple[int, ...], int]] = {  # and how many operations are whole layers
    "padded": (lambda: networks.ResNet((1, 1), 4, False, "padded", True, 5, (3, 9, 6)), (3, 9, 6), 0),
    "wider": (
        lambda: Sequential([networks.PaddedShortcut(7), networks.PaddedShortcut(7, 1), layers.Conv2D(2, 3)]),
        (3, 8, 9), 0,
    ),
    "signals": (
        lambda: Sequential([
            layers.Conv1D(4, 3, padding="same", activation="relu"), layers.MaxPool1D(2), layers.Conv1D(5, 3),
            layers.BatchNorm1D(), layers.AvgPool1D(2), layers.ConvTranspose1D(3, 2, 2), layers.Flatten(),
            layers.Dense(3),
        ]),
        (3, 21), 0,
    ),
    "attention": (Attentive, (7, 6), 0),
    "turned": (
        lambda: Sequential([
            layers.Conv2D(4, 3), layers.Permute((2, 3, 1)), layers.Permute((1, 3, 2)), layers.Reshape((4, 42)),
            layers.Dense(5), layers.RMSNorm(), layers.Permute((2, 1)), layers.Reshape((2, 5, 2)),
            layers.Conv2D(3, 3, padding=1),
        ]),
        (2, 8, 9), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("backend", [NumpyBackend(), make_backend("numpy")], ids=["NumPy alone", "numpy"])
@pytest.mark.parametrize("name", NETS)
def test_it_gives_what_the_layers_give(name: str, backend: Backend) -> None:
    make, shape, whole = NETS[name]
    random.seed(0)
    with use_backend(backend):
        model = make()
        model.build(shape)
        for N in (1, 2, 7, 32):
            plan = model.plan(samples=N)
            assert plan.run is not None and sum(op.name == "layer" for op in plan.graph.ops) == whole, plan
            for seed in range(2):
                x = images(N, seed, shape)
                np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)
        for parameter in model.parameters():
            parameter.value[...] *= 0.5  # in place: nothing is prepared anew
        np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)


def test_a_part_of_a_parameter_has_its_numbers_of_now() -> None:
    parameter = Parameter(np.arange(12.0).reshape(3, 4))
    part = Learned(parameter)[1:, ...][:, None, 2]
    assert isinstance(part.noted, Part)
    assert part.shape == part.noted.shape == part.array.shape == (2, 1) and part.noted.size == 2
    parameter.value[...] = 7
    assert (part.noted.value == 7).all() and part.dtype == np.float64
    with pytest.raises(Untraceable):
        Learned(parameter)[[0, 1]]


def test_parts_of_an_array_are_written_down() -> None:
    backend = make_backend("numpy")
    written = Trace(backend)
    x = written.traced(np.zeros((2, 3, 4), np.float32))
    assert x[:, :, ...] is x
    assert x[:, :, None, :].shape == (2, 3, 1, 4) and x[:, :, None, :][:, :, 0, :].shape == (2, 3, 4)
    assert x[:, ::2, 1].shape == (2, 2) and x[:, ::-1].shape == (2, 3, 4)
    assert [op.name for op in written.ops] == ["reshape", "reshape", "reshape", "slice", "slice"]
    for index in (0, slice(1), (slice(None, None, -1), 0), (slice(None), [0, 1]), (slice(None), np.array([0]))):
        with pytest.raises(Untraceable):
            x[index]
    with pytest.raises(Untraceable):
        x + Learned(Parameter(np.zeros((4,), np.float32)))
    assert (x + Learned(Parameter(np.zeros((3, 4), np.float32)))).shape == (2, 3, 4)
