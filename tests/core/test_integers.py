"""Integer inputs: where they may come in, what networks keep of them, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_same
from tests.kit.small import Written
from tests.kit.strategies import normal
from xpnet.analysis.summary import summary
from xpnet.backend import Backend
from xpnet.errors import DataError, DTypeError, OptionError
from xpnet.gradient_check import gradient_check
from xpnet.layers import Add, Dense, Embedding, Flatten, ReLU, SimpleRNN
from xpnet.model import Model, Sequential

X = np.array([[0, 1, 4], [3, 4, 4]])


def chain() -> Sequential:
    return Sequential([Embedding(5, 3), SimpleRNN(4), Dense(2)])


class Mixed(Model):
    """Words and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.dense, self.add = Embedding(5, 3), Dense(3), Add()

    def call(self, words: Any, numbers: Any) -> Any:
        return self.add(self.embedding(words), self.dense(numbers))


def test_a_network_keeps_what_its_inputs_are(backend: Backend) -> None:
    model = chain()
    assert model.input_dtypes == () and model.takes_integers
    model.build((3,))
    assert model.input_dtypes == ("int64",)
    assert model.astype("float64").input_dtypes == ("int64",)
    mixed = Mixed()
    mixed.build((), (4,), dtype=("int64", "float32"))
    assert mixed.input_dtypes == ("int64", "float32")
    assert mixed.astype("float64").input_dtypes == ("int64", "float64")
    mixed = Mixed()
    mixed.forward(backend.asarray(X[0]), backend.asarray(normal((3, 4), 0, "float32")))
    assert mixed.input_dtypes == ("int64", "float32")
    inside = Sequential([Written(lambda m, x: m.e(x), e=Embedding(5, 3)), Dense(2)])
    inside.forward(backend.asarray(X))
    assert inside.input_dtypes == ("int64",)
    outside = Sequential([Written(lambda m, x: m.e(x), e=Embedding(5, 3)), Dense(2)])
    outside.build((3,), dtype="int64")
    assert outside.output_shape((3,)) == (3, 2)


def test_the_gradient_of_integers_is_none_and_goes_no_further(backend: Backend) -> None:
    x = backend.asarray(X)
    for model in (chain(), Written(lambda m, x: m.c(x), c=chain()), Sequential([chain()])):
        y, back = model.forward(x, train=True)
        assert back(y) is None
        assert all(p.has_grad for p in model.parameters())
    mixed = Mixed()
    y, back = mixed.forward(x[:, 0], backend.asarray(normal((2, 4), 0, "float32")), train=True)
    dwords, dnumbers = back(y)
    assert dwords is None and tuple(dnumbers.shape) == (2, 4)


def test_the_gradient_check_takes_integers_as_they_are(backend: Backend) -> None:
    assert gradient_check(chain(), X) < 1e-5
    assert gradient_check(Mixed(), X[0], normal((3, 4), 0)) < 1e-5


def test_what_stands_in_front_of_integers_is_left_out() -> None:
    """A layer that gives integers, in front of one that takes them."""

    class Shift(ReLU):
        takes_integers = True

        def forward(self, x: Any, train: bool = False) -> Any:
            def back(dy: Any) -> Any:
                raise AssertionError("integers have no gradient")

            return x + 1, back

    written = Written(lambda m, x: m.b(m.a(x)), a=Shift(), b=Embedding(6, 2))
    for model in (Sequential([Shift(), Embedding(6, 2)]), written):
        y, back = model.forward(X, train=True)
        assert back(y) is None


def test_none_for_floats_is_still_an_error() -> None:
    class Lost(ReLU):
        def forward(self, x: Any, train: bool = False) -> Any:
            return x, lambda dy: None

    for model in (Sequential([Dense(3), Lost()]), Written(lambda m, x: m.b(m.a(x)), a=Dense(3), b=Lost())):
        y, back = model.forward(normal((2, 3), 0, "float32"), train=True)
        with pytest.raises(xpnet.errors.TapeError, match=r"Lost.*back must return the gradient"):
            back(y)


@pytest.mark.parametrize("number", [-1, 5, 99])
@pytest.mark.parametrize("backend", ["numpy", "reference"], indirect=True)
def test_a_number_out_of_range_is_named(backend: Backend, number: int) -> None:
    x = X.copy()
    x[1, 1] = number
    with pytest.raises(DataError, match=rf"words \(Embedding\): the input holds {number}, .* of 5 .* 0 to 4"):
        Embedding(5, 3, name="words").forward(x)


def test_floats_into_a_written_network_say_how_to_build_it() -> None:
    model = Written(lambda m, x: m.embedding(x), embedding=Embedding(5, 3))
    with pytest.raises(DTypeError, match=r'embedding .*takes integers.*build\(shape, dtype="int64"\)'):
        model.build((3,))
    assert not model.embedding.is_built
    for wrong in ("float16", ("int64", "int64")):
        with pytest.raises(OptionError, match="build takes a dtype, or one for each of 1 inputs"):
            model.build((3,), dtype=wrong)
    model.build((3,), dtype="int64")
    with pytest.raises(DTypeError, match="the input is int64, the layer works in float32"):
        Sequential([Flatten(), Dense(2)]).forward(X)


@pytest.mark.parametrize("make", [chain, Mixed])
def test_files_keep_what_the_inputs_are(tmp_path: Path, make: Any) -> None:
    model, xs = make(), [X]
    if make is Mixed:
        xs = [X[0], normal((3, 4), 0, "float32")]
    y, _ = model.forward(*xs)
    model.save(tmp_path / "model.safetensors")
    loaded = xpnet.load(tmp_path / "model.safetensors", custom=[Mixed])
    assert loaded.input_dtypes == model.input_dtypes
    assert_same(loaded.forward(*xs)[0], y)
    other = make()
    other.load_weights(tmp_path / "model.safetensors")
    assert_same(other.forward(*xs)[0], y)


def test_the_summary_says_that_integers_come_in() -> None:
    model = chain()
    model.build((3,))
    text = summary(model)
    assert "input (N, 3) of integers" in text and "(N, 3, 3)" in text
