"""Parameters: declared before they are made, and made once, whoever wrote `build`."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.small import Written, everything
from tests.kit.strategies import normal
from xpnet import initializers, random
from xpnet.backend import Backend
from xpnet.base import budget
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Layer
from xpnet.errors import DTypeError, FormatError, NotBuiltError, OptionError
from xpnet.layers import BatchNorm1D, BatchNorm2D, Conv2D, Dense, GlobalAvgPool2D
from xpnet.model import Model, Sequential, load


class Scaling(Layer):
    """y = scale x, with a scale that is drawn; subclasses make it in different ways."""

    scale: Any

    def draw(self, shape: Shape) -> None:
        self.scale = self.parameter(initializers.normal(shape[:1], 1.0))

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)
        return x * self.scale.value, lambda dy: dy * self.scale.value


class Forgetful(Scaling):
    def build(self, shape: Shape) -> Shape:
        self.draw(shape)
        return shape


class Marking(Scaling):
    def build(self, shape: Shape) -> Shape:
        self.draw(shape)
        self._built = True
        return shape


class KerasLike(Scaling):
    def build(self, shape: Shape) -> Shape:
        self.draw(shape)
        self.built = True
        return shape


class Before(Scaling):
    def build(self, shape: Shape) -> Shape:
        self.draw(shape)
        return super().build(shape)


class After(Scaling):
    def build(self, shape: Shape) -> Shape:
        output = super().build(shape)
        self.draw(shape)
        return output


class Inherited(Forgetful):
    def build(self, shape: Shape) -> Shape:
        return super().build(shape)


class Mixed:
    """What is no layer, and writes `build` for those that are."""

    draw: Any

    def build(self, shape: Shape) -> Shape:
        self.draw(shape)
        return shape


class FromMixin(Mixed, Scaling):
    pass


class OfMixin(FromMixin):
    def build(self, shape: Shape) -> Shape:
        return super().build(shape)


class Declaring(Scaling):
    def declare(self, shape: Shape) -> Iterable[Declared]:
        return (Declared("scale", shape[:1], 1.0),)


OWN = [Forgetful, Marking, KerasLike, Before, After, Inherited, FromMixin, OfMixin, Declaring]
own_layers = pytest.mark.parametrize("make", OWN)


@own_layers
@pytest.mark.parametrize("first", ["build", "forward"])
def test_a_layer_of_ones_own_is_built_once(backend: Backend, make: Callable[[], Layer], first: str) -> None:
    layer = make()
    assert not layer.is_built
    random.seed(0)
    if first == "build":
        assert layer.build((4,)) == (4,)
    for batch in (1, 2, 3, 2):
        layer.forward(backend.asarray(normal((batch, 4), 0, "float32")), train=True)
        assert layer.build((4,)) == (4,)
    assert layer.is_built and len(layer.parameters()) == 1
    assert random.get_state() == (0, 0, {"['root']": 1})  # it took a place of its own, from which it is drawn


@own_layers
def test_a_layer_of_ones_own_is_built_once_in_a_network(make: Callable[[], Layer]) -> None:
    for network in (Sequential([make()]), Written(lambda m, x: m.part(x), part=make())):
        network.build((4,))
        before = [id(p) for p in network.parameters()]
        network.build((4,))
        if isinstance(network, Sequential):
            network.add(Dense(3))
        network(normal((5, 4), 0, "float32"))
        assert [id(p) for p in network.parameters()][:1] == before


def test_a_build_that_fails_may_be_tried_again() -> None:
    class Picky(Forgetful):
        def build(self, shape: Shape) -> Shape:
            if shape != (4,):
                raise ValueError("four, please")
            return super().build(shape)

    layer = Picky()
    with pytest.raises(ValueError, match="four, please"):
        layer.build((3,))
    assert not layer.is_built
    assert layer.build((4,)) == (4,)


def test_a_build_that_fails_behind_that_of_the_base_has_not_built_the_layer() -> None:
    class Picky(Declaring):
        def build(self, shape: Shape) -> Shape:
            output = super().build(shape)
            if shape != (4,):
                raise ValueError("four, please")
            return output

    class Later(Picky):
        def build(self, shape: Shape) -> Shape:
            return super().build(shape)

    for layer in (Picky(), Later()):
        with pytest.raises(ValueError, match="four, please"):
            layer.build((3,))
        assert not layer.is_built
        assert layer.build((4,)) == (4,) and layer.is_built
        assert [p.shape for p in layer.parameters()] == [(4,)]


def test_a_layer_that_marks_itself_as_built_is_saved_and_loaded(tmp_path: Path) -> None:
    model = Sequential([KerasLike(), Dense(3)])
    model.build((4,))
    model.save(tmp_path / "net")
    again = load(tmp_path / "net", custom=[KerasLike])
    x = normal((5, 4), 0, "float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


# ---- what is declared ------------------------------------------------------------------------------------------------


def test_counting_makes_nothing() -> None:
    many = 10**9
    state = random.get_state()
    for layer, shape, count in (
        (Dense(many), (many,), many * many + many),
        (Dense(3, bias=False), (many,), 3 * many),
        (Conv2D(many, 3, groups=2), (many, 5, 5), many * many // 2 * 9 + many),
        (BatchNorm2D(), (many, 2, 2), 4 * many),
        (Sequential([Conv2D(many, 3), GlobalAvgPool2D(), Dense(7)]), (1, 5, 5), 10 * many + 7 * many + 7),
    ):
        assert layer.parameter_count(shape) == count
        assert not layer.is_built and layer.parameters() == []
    assert random.get_state() == state


def test_a_chain_counts_what_it_then_has() -> None:
    shared = Dense(4)
    for network, shape in (
        (everything(), (1, 28, 28)),
        (Sequential([Dense(4), shared, BatchNorm1D(), Sequential([Dense(4)]), shared]), (9,)),
    ):
        told = network.parameter_count(shape)
        network.build(shape)
        assert told == sum(p.size for p in network.parameters()) == network.parameter_count(shape)


def test_a_written_network_counts_when_it_is_built() -> None:
    model: Model = Written(lambda m, x: m.dense(x), dense=Dense(3))
    with pytest.raises(NotBuiltError, match="Written: its parameters are known when it is built: build it first"):
        model.parameter_count((2,))
    model.build((2,))
    assert model.parameter_count((2,)) == 9


def test_a_parameter_starts_as_it_is_declared(backend: Backend) -> None:
    class Three(Layer):
        def declare(self, shape: Shape) -> Iterable[Declared]:
            yield Declared("drawn", (2, 3), "he_normal", fan_in=3, fan_out=2)
            yield Declared("whole", shape, value=0.25)
            yield Declared("fixed", (), trainable=False)

    layer = Three().astype("float64")
    random.seed(1)
    layer.build((4,))
    drawn, whole, fixed = layer.parameters()
    with random.drawing_from((1, 0), "weights", 0, "", "drawn"):
        expected = initializers.draw("he_normal", (2, 3), 3, 2)
    np.testing.assert_array_equal(backend.to_numpy(drawn.value), expected)
    np.testing.assert_array_equal(backend.to_numpy(whole.value), [0.25] * 4)
    assert (fixed.shape, float(fixed.value), fixed.trainable, fixed.learned) == ((), 0.0, False, False)
    assert [p.name for p in layer.parameters()] == ["drawn", "whole", "fixed"]
    assert {p.backend.to_numpy(p.value).dtype.name for p in layer.parameters()} == {"float64"}


def test_what_is_too_large_is_refused_before_anything_is_made() -> None:
    class Two(Layer):
        def declare(self, shape: Shape) -> Iterable[Declared]:
            yield Declared("small", (2,), "normal")
            yield Declared("large", (10**9, 10**9))

    layer, state = Two(), random.get_state()
    with budget.for_file(100, 1, 1), pytest.raises(FormatError, match="more than the whole file holds"):
        layer.build((2,))
    assert not layer.is_built and layer.parameters() == [] and random.get_state() == state
    assert layer.parameter_count((2,)) == 2 + 10**18 == math.prod((10**9, 10**9)) + 2


def test_the_name_that_the_user_gave_is_known() -> None:
    mine, other = Dense(2, name="mine"), Dense(2)
    Sequential([mine, other])
    assert (mine.name, mine.own_name, other.name, other.own_name) == ("mine", "mine", "dense1", None)
    mine.suggest_name("another")
    assert mine.name == "mine"
    with pytest.raises(OptionError, match="dots part the names of a path"):
        Sequential([Dense(2, name="a.b")])


def test_the_shape_may_be_given_by_its_name() -> None:
    class Own(Layer):
        def build(self, shape: Shape) -> Shape:
            self.scale = self.parameter([1.0] * shape[0])
            return shape

    for layer in (Dense(3), Own(), Sequential([Dense(3)])):
        assert layer.build(shape=(4,)) == layer.build(shape=(4,)) == layer.build((4,))
        assert layer.is_built and layer.parameters()


def test_a_build_may_leave_the_shape_to_output_shape() -> None:
    class Silent(Layer):
        def build(self, shape: Shape) -> None:  # type: ignore[override]
            self.scale = self.parameter([1.0] * shape[0])

    assert Silent().build((4,)) == (4,)


def test_what_cannot_be_counted_before_it_is_built_is_refused() -> None:
    class Own(Layer):
        def build(self, shape: Shape) -> Shape:
            self.scale = self.parameter([1.0] * shape[0])
            return shape

    class Around(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = Dense(3)

    for layer in (Own(), Around(), Sequential([Own()])):
        with pytest.raises(NotBuiltError, match="known when it is built"):
            layer.parameter_count((4,))
    own = Own()
    own.build((4,))
    assert own.parameter_count((4,)) == 4
    assert Dense(3, activation="tanh").parameter_count((4,)) == 15


def test_names_that_keras_gives_a_meaning_are_the_users() -> None:
    class Net(Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = Dense(3)
            self.built = self.learns = True

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Net()
    model.predict(np.ones((2, 4), np.float32))
    assert model.is_built and model.input_shape == (4,) and all(p.trainable for p in model.parameters())


def test_a_list_is_no_array() -> None:
    with pytest.raises(DTypeError, match="forward takes arrays"):
        Sequential([Dense(3)])([[1.0, 2.0]])
