"""The laws, for layers as users write them: without super().build, without output_shape, with layers inside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_same, bits
from tests.kit.small import clusters
from tests.kit.strategies import normal
from xpnet import Layer, Sequential, layers, losses, metrics, optimizers
from xpnet.backend import Backend
from xpnet.core.declare import Declared
from xpnet.errors import OptionError, TapeError


class Product(Layer):
    """y = x W, whose `build` returns nothing, calls no super().build, and tells no output's shape."""

    weight: Any

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.units = units

    def build(self, shape: Any) -> Any:
        self.weight = self.parameter(xpnet.initializers.normal((shape[0], self.units), 1.0))

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)

        def back(dy: Any) -> Any:
            self.weight.add_grad(x.T @ dy)
            return dy @ self.weight.value.T

        return x @ self.weight.value, back


class Declaring(Product):
    """The same, with its parameter declared."""

    build = Layer.build

    def declare(self, shape: Any) -> Any:
        yield Declared("weight", (shape[0], self.units), xpnet.initializers.HeNormal(), shape[0], self.units)


class Chained(Layer):
    """Layers in a list, which is an attribute that is made later: in `build`."""

    def build(self, shape: Any) -> Any:
        self.parts = [Product(4), layers.Tanh(), Product(3)]

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)
        backs = []
        for part in self.parts:
            x, back = part.forward(x, train=train)
            backs.append(back)

        def back_all(dy: Any) -> Any:
            for back in reversed(backs):
                dy = back(dy)
            return dy

        return x, back_all


class Appended(Chained):
    """Layers that are put into a list one by one."""

    build = Layer.build

    def __init__(self) -> None:
        super().__init__()
        self.parts = []
        for part in (Product(4), layers.Tanh(), Product(3)):
            self.parts.append(part)


OWN = (Product, Declaring, Chained, Appended)
own_layers = pytest.mark.parametrize("make", OWN, ids=lambda make: make.__name__)


@own_layers
def test_the_gradient_is_the_derivative(backend: Backend, make: Callable[[], Layer]) -> None:
    xpnet.gradient_check(make(), normal((4, 5), 0, "float64"))


@own_layers
def test_it_is_built_once_whatever_comes(backend: Backend, make: Callable[[], Layer]) -> None:
    layer = make()
    layer.forward(backend.asarray(normal((4, 5), 0, "float32")), train=True)
    before = [(id(p), bits(p.value)) for p in layer.parameters()]
    assert before
    for batch in (1, 7, 4):
        layer.forward(backend.asarray(normal((batch, 5), batch, "float32")))
        layer.build((5,))
    assert [(id(p), bits(p.value)) for p in layer.parameters()] == before


@own_layers
def test_its_output_shape_is_true_in_a_network(backend: Backend, make: Callable[[], Layer]) -> None:
    model = Sequential([make(), layers.ReLU(), layers.Dense(2)])
    xpnet.seed(0)
    assert model.build((5,)) == (2,)
    assert [layer.output_shape(shape) for layer, shape in zip(model.layers, [(5,), (3,), (3,)], strict=True)] == [
        (3,), (3,), (2,),
    ]  # fmt: skip
    twin = Sequential([make(), layers.ReLU(), layers.Dense(2)])
    xpnet.seed(0)
    x = normal((4, 5), 0, "float32")
    twin.forward(backend.asarray(x), train=True)  # built on first use: the same weights
    np.testing.assert_array_equal(twin.predict(x), model.predict(x))


@own_layers
def test_it_learns_and_is_saved_and_loaded(make: Callable[[], Layer], tmp_path: Path) -> None:
    x, t = clusters(30)
    model = Sequential([make(), layers.Dense(3)])
    model.compile("adam", metrics=["accuracy"])
    before = {name: bits(p.value) for name, p in model.named_parameters()}
    history = model.fit(x, t, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    after = {name: bits(p.value) for name, p in model.named_parameters()}
    assert not {name for name in before if before[name] == after[name]}
    model.save(tmp_path / "net")
    assert_same(xpnet.load(tmp_path / "net", custom=OWN).predict(x), model.predict(x))


class Alone(Layer):
    def forward(self, x: Any, train: bool = False) -> Any:
        return x * 2


class Three(Layer):
    def forward(self, x: Any, train: bool = False) -> Any:
        return x, lambda dy: dy, 3


class Backless(Layer):
    def forward(self, x: Any, train: bool = False) -> Any:
        return x, x


class Untold(Layer):
    def forward(self, x: Any) -> Any:
        return x, lambda dy: dy


X = normal((4, 5), 0, "float32")


@pytest.mark.parametrize(
    "use",
    [
        lambda layer: layer(X),  # y alone, as a pair: the first sample would be taken for the output
        lambda layer: layer.forward(X),
        lambda layer: Sequential([layer, layers.Dense(2)]).build((5,)),
        lambda layer: Sequential([layer, layers.Dense(2)]).predict(X),
        lambda layer: xpnet.gradient_check(layer, X),
    ],
)
@pytest.mark.parametrize(
    ("make", "found"), [(Alone, "it returned .*rray"), (Three, "a tuple of 3"), (Backless, "it returned a tuple of 2")]
)
def test_a_forward_without_its_back_says_what_is_missing(use: Any, make: Any, found: str) -> None:
    with pytest.raises(TapeError, match=rf"{make.__name__}.*: forward must return \(y, back\), .*{found}"):
        use(make())


def test_a_forward_that_does_not_take_train() -> None:
    assert_same(Untold().forward(X)[0], X)
    with pytest.raises(TapeError, match=r"forward must take train, as in forward\(self, x, train=False\)"):
        Sequential([Untold(), layers.Dense(2)]).predict(X)


class Losing(Layer):
    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self._kept = factor

    def forward(self, x: Any, train: bool = False) -> Any:
        return x * self._kept, lambda dy: dy * self._kept


class LosingLoss(losses.MeanSquaredError):
    def __init__(self, factor: float = 2.0) -> None:
        self._kept = factor


class LosingMetric(metrics.Metric):
    def __init__(self, factor: float = 2.0) -> None:
        self._kept = factor


class LosingOptimizer(optimizers.SGD):
    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self._kept = factor


@pytest.mark.parametrize(
    ("inside", "compiled"),
    [
        ([Losing()], {}),
        ([layers.Residual([Losing()])], {}),
        ([], {"loss": LosingLoss()}),
        ([], {"metrics": [LosingMetric()]}),
        ([], {"optimizer": LosingOptimizer()}),
    ],
)
def test_an_argument_that_is_not_kept_is_found_before_the_training(inside: Any, compiled: Any) -> None:
    model = Sequential([*inside, layers.Dense(2)])
    with pytest.raises(OptionError, match=r"its constructor takes 'factor', but does not keep it: write self\.factor"):
        model.compile(**compiled)
    assert model.optimizer is None
