"""Plans of training give what the layers give: outputs, gradients, losses; also ties, NaN, and several at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.core.plan.nets import images, lenet5
from tests.kit.strategies import integers
from xpnet import Model, Sequential, layers, networks, optimizers, random
from xpnet.core.plan import Plans
from xpnet.errors import OptionError, XpnetError

Make = Callable[[], Any]


@contextmanager
def as_written() -> Iterator[None]:
    """Without plans of training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plans, "training", lambda self, network, x: None)
        yield


def mlp() -> Any:
    return networks.MLP(hidden=(40, 30), input_shape=(2, 9, 8))


def squashed() -> Any:
    dense = layers.Dense
    parts = [dense(24, activation="tanh"), dense(20, bias=False), layers.Sigmoid(), dense(30), layers.ReLU(), dense(5)]
    return Sequential([layers.Reshape((-1,)), *parts])


def one_convolution() -> Any:
    return networks.SimpleConvNet(filters=7, hidden=20, input_shape=(2, 9, 8))


def two_convolutions() -> Any:
    """With pooling of odd sizes, paddings that differ, and without a bias."""
    first = layers.Conv2D(5, 3, padding=((1, 2), (0, 3)), bias=False)
    second = layers.Conv2D(6, (2, 4), padding=((0, 1), (1, 2)), activation="relu")
    return Sequential([first, layers.MaxPool2D(2), layers.ReLU(), second, layers.MaxPool2D(2), *ends()])


def three_convolutions() -> Any:
    """One with nothing behind it, and one that is pooled behind ReLU."""
    first, second = (
        layers.Conv2D(4, (3, 2), padding=((0, 1), (1, 0)), activation="relu"),
        layers.Conv2D(3, 2, padding=1),
    )
    third = [layers.Conv2D(6, 3, padding=1), layers.ReLU(), layers.MaxPool2D(2)]
    return Sequential([first, second, *third, *ends()])


def ends() -> list[Any]:
    return [layers.Flatten(), layers.Dense(12, activation="relu"), layers.Dense(4, bias=False, activation="relu")]


MAKERS = [mlp, squashed, one_convolution, two_convolutions, three_convolutions]
SMALL = (2, 9, 8)


def built(make: Make, shape: tuple[int, ...] = SMALL, dtype: str = "float32") -> Any:
    random.seed(0)
    model = make().astype(dtype)
    model.build(shape)
    for p in model.parameters():  # biases too
        p.value = np.random.default_rng(p.size).normal(size=p.shape) * max(0.1, 1 / np.sqrt(p.value[0].size))
    return model


def step_back(model: Any, x: Any, dy: Any = None, need_dx: bool = True) -> list[Any]:
    """The output, dx and all gradients of one way forward and back."""
    for p in model.parameters():
        p.zero_grad()
    y, back = model.forward(x, train=True)
    dx = back(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape) if dy is None else dy, need_dx=need_dx)
    return [y, *([dx] if need_dx else []), *[p.grad.copy() for p in model.parameters()]]


def agree(found: list[Any], expected: list[Any], limit: float = 1e-5) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=limit, atol=limit * max(abs(other).max(), 1e-30))


@pytest.mark.parametrize("need_dx", [True, False])
@pytest.mark.parametrize("N", [1, 7, 32, 100])
@pytest.mark.parametrize("make", MAKERS)
def test_gradients(make: Make, N: int, need_dx: bool) -> None:
    model = built(make)
    for seed in range(2):
        x = images(N, seed, SMALL)
        with as_written():
            expected = step_back(model, x, need_dx=need_dx)
        for _ in range(2):
            agree(step_back(model, x, need_dx=need_dx), expected)


def test_gradients_of_lenet5_and_of_float64() -> None:
    model, x = lenet5(), images(64)
    with as_written():
        expected = step_back(model, x)
    agree(step_back(model, x), expected)
    double, x = built(two_convolutions, dtype="float64"), images(9, 1, SMALL).astype(np.float64)
    with as_written():
        expected = step_back(double, x)
    agree(step_back(double, x), expected, 1e-12)


@pytest.mark.parametrize("make", [one_convolution, two_convolutions])
def test_ties_go_to_the_first(make: Make) -> None:
    """With whole numbers all is exact."""
    model, x = built(make), integers((8, *SMALL), 3, "float32", limit=1)
    for p in model.parameters():
        p.value = integers(p.shape, p.size, "float32", limit=1)
    dy = integers(model.predict(x).shape, 5, "float32", limit=2)
    with as_written():
        expected = step_back(model, x, dy)
    for one, other in zip(step_back(model, x, dy), expected, strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("make", MAKERS)
def test_losses_of_thirty_steps(make: Make) -> None:
    losses = []
    for planned in (True, False):
        model, x, t = built(make), images(32, 1, SMALL), np.arange(32) % 4
        model.compile(optimizers.SGD(0.02, momentum=0.9), "softmax_cross_entropy")
        if planned:
            losses.append([model.train_on_batch(x, t) for _ in range(30)])
        else:
            with as_written():
                losses.append([model.train_on_batch(x, t) for _ in range(30)])
    np.testing.assert_allclose(*losses, rtol=1e-6)
    assert losses[0][-1] < losses[0][0]


# ---- what is not finite, other gradients -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [mlp, one_convolution, two_convolutions])
def test_a_nan_in_the_input_is_one_in_the_loss(make: Make) -> None:
    for value in (np.nan, -np.nan):
        model, x = built(make), images(8, 1, SMALL)
        model.compile("adam", "softmax_cross_entropy")
        assert np.isfinite(model.train_on_batch(x, np.arange(8) % 4))
        x[3, 1, 4, 4] = value
        with pytest.raises(XpnetError, match="nan"):
            model.train_on_batch(x, np.arange(8) % 4)


@pytest.mark.parametrize("make", [mlp, two_convolutions])
def test_gradients_that_are_not_as_the_output(make: Make) -> None:
    model, x = built(make), images(6, 1, SMALL)
    y, back = model.forward(x, train=True)
    for wrong in (np.ones(y.shape, np.float64), np.ones((6, y.shape[1] + 1), np.float32)):
        told = []
        for _ in range(2):
            with pytest.raises(XpnetError) as error:
                model.forward(x, train=True)[1](wrong)
            told.append(str(error.value))
            with as_written(), pytest.raises(XpnetError) as error:
                model.forward(x, train=True)[1](wrong)
            told.append(str(error.value))
        assert len({*told}) == 1
    for dy in (np.ones((y.shape[1], 12), np.float32).T[::2], np.broadcast_to(np.float32(2), y.shape)):
        with as_written():
            expected = step_back(model, x, dy)
        agree(step_back(model, x, dy), expected)
    back(y)
    with pytest.raises(OptionError, match="back"):
        back(y)


def test_other_orders_of_the_input() -> None:
    for make in (mlp, two_convolutions):
        model, x = built(make), images(6, 1, SMALL)
        expected = step_back(model, x)
        wide = images(12, 2, SMALL)
        wide[::2] = x
        for other in (wide[::2], np.asfortranarray(x), x.transpose(1, 2, 3, 0).copy().transpose(3, 0, 1, 2)):
            agree(step_back(model, other), expected)


# ---- several, frozen, the same twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [mlp, two_convolutions])
def test_several_are_under_way(make: Make) -> None:
    model, xs = built(make), [images(5, seed, SMALL) for seed in range(3)]
    single = [step_back(model, x) for x in xs]
    for p in model.parameters():
        p.zero_grad()
    under_way = [model.forward(x, train=True) for x in xs]
    model.forward(xs[0], train=True)  # and one that nobody goes back
    for (y, back), expected in zip(under_way, single, strict=True):
        assert (y == expected[0]).all()
        dx = back(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))
        assert (dx == expected[1]).all()
    for number, p in enumerate(model.parameters()):
        agree([p.grad], [sum(each[2 + number] for each in single)])


@pytest.mark.parametrize("make", [mlp, two_convolutions])
def test_what_is_returned_is_nobody_elses(make: Make) -> None:
    model, x = built(make), images(5, 0, SMALL)
    first = step_back(model, x)
    kept = [each.copy() for each in first]
    step_back(model, images(5, 1, SMALL))
    assert all((one == other).all() for one, other in zip(first, kept, strict=True))


def test_in_several_threads() -> None:
    model = built(two_convolutions)
    xs = [images(8, seed, SMALL) for seed in range(4)]
    with as_written():
        expected = [step_back(model, x)[:2] for x in xs]
    found: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        for _ in range(10):
            y, back = model.forward(xs[number], train=True)
            found[number] = [y, back(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))]

    team = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    for number in range(4):
        agree(found[number], expected[number])


@pytest.mark.parametrize("make", [mlp, two_convolutions])
def test_a_frozen_network_gets_no_gradients(make: Make) -> None:
    model, x = built(make), images(5, 0, SMALL)
    expected = step_back(model, x)
    for p in model.parameters():
        p.zero_grad()
    with model.frozen():
        y, back = model.forward(x, train=True)
        dx = back(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape))
    assert (dx == expected[1]).all() and not any(p.has_grad for p in model.parameters())


def test_a_layer_that_comes_twice_gets_both_gradients() -> None:
    random.seed(0)
    dense, conv = layers.Dense(36), layers.Conv2D(2, 3, padding=1, activation="relu")
    model = Sequential([conv, layers.MaxPool2D(2), conv, layers.MaxPool2D(2), layers.Flatten()])
    model.add(layers.Dense(36))
    model.add(dense)
    model.add(dense)
    model.build((2, 9, 9))
    x = images(6, 2, (2, 9, 9))
    with as_written():
        expected = step_back(model, x)
    for _ in range(2):
        agree(step_back(model, x), expected)
    model.compile("adam", "softmax_cross_entropy")  # whose parameters lie together, and take gradients in their places
    model.train_on_batch(x, np.arange(6))
    with as_written():
        expected = step_back(model, x)
    agree(step_back(model, x), expected)


class Aside(Model):
    """With a layer of which nothing comes."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.first, self.aside, self.last = layers.Flatten(), *(layers.Dense(8) for _ in range(3))

    def call(self, x: Any) -> Any:
        h = self.first(self.flat(x))
        self.aside(h)
        return self.last(h)


def test_what_nothing_comes_of() -> None:
    model, x = built(Aside), images(6, 2, SMALL)
    with as_written():
        expected = step_back(model, x)
    agree(step_back(model, x), expected)


def test_new_numbers_in_the_weights_count() -> None:
    model, x = built(two_convolutions), images(6, 2, SMALL)
    step_back(model, x)
    for p in model.parameters():
        p.writable()[...] *= 1.5
    with as_written():
        expected = step_back(model, x)
    agree(step_back(model, x), expected)
