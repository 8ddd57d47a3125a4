"""Layers that do what the next one would: when, and that nobody can tell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import bits
from tests.kit.strategies import normal
from xpnet import layers, networks
from xpnet.backend import use_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.core.chains import add_and, forwards
from xpnet.core.tape import Tape, Var
from xpnet.core.watch import intercepted, watched
from xpnet.errors import ShapeError, TapeError


@pytest.fixture(autouse=True)
def on_numpy() -> Iterator[None]:
    with use_backend("numpy"):
        yield


def block() -> list[layers.Layer]:
    return [layers.Conv2D(4, 3, padding="same", bias=False), layers.BatchNorm2D(), layers.ReLU()]


def dense(activation: layers.Layer) -> xpnet.Sequential:
    return xpnet.Sequential([layers.Dense(7), layers.BatchNorm1D(), activation, layers.Dense(3)])


def residual() -> xpnet.Sequential:
    inside = [*block(), layers.Conv2D(4, 3, padding="same"), layers.BatchNorm2D()]
    return xpnet.Sequential([*block(), layers.Residual(inside, activation="relu"), layers.GlobalAvgPool2D()])


class Written(xpnet.Model):
    """One that a user wrote, of the library's blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.mobile = networks.BasicBlock(6, 2, "projection"), networks.InvertedResidual(6, 6)
        self.bottleneck, self.pool = networks.Bottleneck(2, 1, "projection"), layers.GlobalAvgPool2D()

    def call(self, x: Any) -> Any:
        return self.pool(self.bottleneck(self.mobile(self.block(x))))


NETWORKS = {
    "sequential": (lambda: xpnet.Sequential([*block(), layers.Flatten(), layers.Dense(3)]), (3, 8, 8)),
    "relu6": (lambda: dense(layers.ReLU6()), (5,)),
    "leaky": (lambda: dense(layers.LeakyReLU(0.2)), (5,)),
    "residual": (residual, (3, 8, 8)),
    "written": (Written, (3, 8, 8)),
}


def trained(name: str, look: bool) -> list[bytes]:
    """Bits of outputs, gradients and statistics of three steps."""
    make, shape = NETWORKS[name]
    xpnet.seed(1)
    model, found, seen = make(), [], []
    model.build(shape)
    for step in range(3):
        x = normal((20, *shape), step, "float32")
        if look:
            with watched(model, lambda layer, y: seen.append(layer)):
                y, back = model.forward(x, train=True)
        else:
            y, back = model.forward(x, train=True)
        found += [bits(y), bits(back(normal(y.shape, 9, "float32")))]
        found += [bits(each) for p in model.parameters() for each in (p.value, p.grad)]
    assert bool(seen) == look
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_whoever_looks_changes_no_bit(name: str) -> None:
    assert trained(name, look=True) == trained(name, look=False)


@pytest.mark.parametrize(
    ("name", "norms", "sums"),
    [("sequential", 1, 0), ("relu6", 1, 0), ("leaky", 1, 0), ("residual", 2, 1), ("written", 5, 2)],
)
def test_they_are_one_in_training_alone(name: str, norms: int, sums: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    backend = xpnet.get_backend()
    for primitive in ("batch_norm_then", "add_relu"):
        own = getattr(backend, primitive)
        monkeypatch.setattr(backend, primitive, lambda *a, n=primitive, own=own: (asked.append(n), own(*a))[1])
    make, shape = NETWORKS[name]
    model = make()
    model.build(shape)
    x = normal((20, *shape), 1, "float32")
    model.forward(x)
    assert not asked
    model.forward(x, train=True)
    assert (asked.count("batch_norm_then"), asked.count("add_relu")) == (norms, sums)
    asked.clear()
    model.trainable = False
    model.forward(x, train=True)
    assert "batch_norm_then" not in asked


@pytest.mark.parametrize("looked_at", [1, 2])
def test_a_look_at_one_of_two_is_a_look_at_both(looked_at: int) -> None:
    model, seen = xpnet.Sequential([layers.Dense(7), layers.BatchNorm1D(), layers.ReLU()]), []
    x = normal((20, 5), 1, "float32")
    with intercepted([model.layers[looked_at]], lambda layer, y, back: (seen.append(y.copy()), (y, back))[1]):
        y, _ = model.forward(x, train=True)
    assert (seen[0].min() < 0) == (looked_at == 1) and y.min() == 0


class Own(layers.BatchNorm1D):
    def forward(self, x: Any, train: bool = False) -> Any:
        return super().forward(x, train=train)


class Other(layers.ReLU):
    pass


@pytest.mark.parametrize(
    ("norm", "behind"),
    [
        (Own(), layers.ReLU()),
        (layers.BatchNorm1D(), Other()),
        (layers.BatchNorm1D(), layers.PReLU()),
        (layers.BatchNorm1D(), layers.LeakyReLU(1.5)),
        (layers.InstanceNorm1D(), layers.ReLU()),
        (layers.ReLU(), layers.ReLU()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_others_run_by_themselves(norm: layers.Layer, behind: layers.Layer) -> None:
    assert forwards([norm, behind], train=True) == [norm.forward, behind.forward]
    assert Other().with_sum() is None and layers.ReLU().with_sum() is not None


def test_layers_of_two_backends_run_by_themselves() -> None:
    norm = layers.BatchNorm1D()
    with use_backend(NumpyBackend()):
        behind = layers.ReLU()
    assert forwards([norm, behind], train=True) == [norm.forward, behind.forward]
    assert forwards([norm, layers.ReLU()], train=True) != [norm.forward, behind.forward]
    assert forwards([norm, layers.ReLU()], train=False)[0] == norm.forward


def test_a_sum_of_what_does_not_fit_is_refused_as_ever() -> None:
    tape, x = Tape(True), np.ones((2, 3), np.float32)
    a, b, c = Var(x, tape), Var(x[:, :2], tape), Var(x, Tape(True))
    with pytest.raises(ShapeError, match="two batches of one shape"):
        add_and(layers.ReLU(), a, b)
    with pytest.raises(TapeError):
        add_and(layers.ReLU(), a, c)
    y = add_and(layers.ReLU(), a, a)
    np.testing.assert_array_equal(y.value, 2 * x)
    (dx,) = tape.walk_back([y], [x], [a], True)
    np.testing.assert_array_equal(dx, 2 * x)
