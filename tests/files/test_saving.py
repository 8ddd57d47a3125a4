"""What a file holds of a network: the classes of users, names, layers that were changed, and always the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

import xpnet
from tests.kit.small import clusters, everything
from tests.kit.strategies import normal
from xpnet import layers, networks, optimizers, random, schedules
from xpnet.backend import Backend, make_backend
from xpnet.errors import OptionError
from xpnet.files import network as files
from xpnet.layers import Dense, Dropout, Flatten, ReLU
from xpnet.model import Model, Sequential


class TwoInputs(Model):
    def __init__(self) -> None:
        super().__init__()
        self.merge, self.dense = layers.Concat(), layers.Dense(3)

    def call(self, a: object, b: object) -> object:
        return self.dense(self.merge(a, b))


def test_a_model_of_several_inputs_comes_back(tmp_path: Path) -> None:
    model = TwoInputs()
    model.build((4,), (2,))
    model.save(tmp_path / "two.safetensors")
    again = xpnet.load(tmp_path / "two.safetensors", custom=[TwoInputs])
    assert again.input_shapes == ((4,), (2,))
    a, b = model.backend.asarray([[1.0] * 4], "float32"), model.backend.asarray([[2.0] * 2], "float32")
    assert (again(a, b) == model(a, b)).all()


class Sized(Model):
    """Has an argument and attribute `input_shape` of its own."""

    def __init__(self, input_shape: tuple[int, ...], units: int = 3) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.units = units
        self.flat, self.dense = Flatten(), Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(self.flat(x))


class BuiltAtOnce(Sequential):
    """Has one too, and builds itself, as the networks of this library do."""

    def __init__(self, input_shape: tuple[int, ...], units: int = 3) -> None:
        super().__init__([Flatten(), Dense(units)])
        self.input_shape, self.units = input_shape, units
        self.build(input_shape)


@pytest.mark.parametrize("kind", [Sized, BuiltAtOnce])
def test_a_model_may_have_an_input_shape_of_its_own(backend: Backend, tmp_path: Path, kind: Any) -> None:
    model, (x, t) = kind((1, 2), units=4), clusters(12)
    x = x[:, None]
    assert model.input_shape == (1, 2)
    model.compile(metrics="accuracy")
    model.fit(x, t)
    assert (model.input_shape, model.input_shapes) == ((1, 2), ((1, 2),))
    model.save(tmp_path / "net")
    again = xpnet.load(tmp_path / "net", custom=kind)
    assert (again.input_shape, again.units, repr(again)) == ((1, 2), 4, repr(model))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.evaluate(x, t) == model.evaluate(x, t)


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [True, False])
def test_a_network_of_the_layers_of_two_others_gets_names_of_its_own(tmp_path: Path, built: bool) -> None:
    a, b = Sequential([Dense(4), ReLU(), Dense(3)]), Sequential([Dense(5), ReLU(), Dense(2, name="end")])
    if built:
        a.build((2,))
        b.build((3,))
    both = Sequential([*a.layers, *b.layers])
    assert both.build((2,)) == (2,)
    names = ["dense1", "relu1", "dense2", "dense3", "relu2", "end"]
    assert [name for name, _ in both.children()] == names
    assert [name for name, _ in both.named_parameters()] == [
        f"{name}.{part}" for name in names if not name.startswith("relu") for part in ("weight", "bias")
    ]
    assert both[0] is a[0] and both[3] is b[0]
    both.save(tmp_path / "net")
    again, x = xpnet.load(tmp_path / "net"), normal((3, 2), 0, "float32")
    assert [name for name, _ in again.named_parameters()] == [name for name, _ in both.named_parameters()]
    np.testing.assert_array_equal(again.predict(x), both.predict(x))
    np.testing.assert_array_equal(b.predict(a.predict(x)), both.predict(x))  # the two still work, with their layers
    assert [name for name, _ in b.named_parameters()] == ["dense1.weight", "dense1.bias", "end.weight", "end.bias"]
    b.save(tmp_path / "b")
    np.testing.assert_array_equal(xpnet.load(tmp_path / "b").get_weights()[0], b.get_weights()[0])


def test_automatic_names_stay_out_of_the_way_of_given_ones() -> None:
    model = Sequential([Dense(2, name="dense7"), Dense(2), Dense(2, name="dense1"), Dense(2)])
    assert [name for name, _ in model.children()] == ["dense7", "dense8", "dense1", "dense9"]
    with pytest.raises(OptionError, match="two layers have the name 'dense7'"):
        model.add(Dense(2, name="dense7"))


@pytest.mark.parametrize("name", ["a.b", ".", "end.", ""])
def test_a_name_that_would_break_a_path_is_refused(name: str) -> None:
    words = f"Sequential: '{name}' cannot name a layer: dots part the names of a path"
    with pytest.raises(OptionError, match=words):
        Sequential([Dense(2, name=name)])
    model = Sequential([Dense(2)])
    with pytest.raises(OptionError, match=words):
        model.add(Sequential([Dense(3)], name=name))
    assert len(model) == 1


# ---- what cannot be saved --------------------------------------------------------------------------------------------


class Pair(Model):
    """Two layers that a test may change."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.drop, self.b = Dense(4, activation="relu"), Dropout(0.2), Dense(4)

    def call(self, x: Any) -> Any:
        return self.b(self.drop(self.a(x)))


def replaced_in_a_chain() -> Model:
    model = networks.MLP(3, (5,), (4,))
    model.layers[-1] = Dense(2)
    model.build((4,))
    return model


def replaced_by_one_of_the_same_size() -> Model:
    """Were it saved, ReLU would come back in the place of tanh, and nothing would say so."""
    model = networks.MLP(3, (5,), (4,))
    model.layers[1] = Dense(5, activation="tanh")
    model.build((4,))
    return model


def replaced_attribute() -> Model:
    model = Pair()
    model.b = Dense(6)
    model.build((4,))
    return model


def removed() -> Model:
    model = Pair()
    model.build((4,))
    model.drop = ReLU()
    return model


def changed() -> Model:
    model = Pair()
    model.build((4,))
    model.drop.rate = 0.5
    return model


def one_parameter_in_two_layers() -> Model:
    model = Pair()
    model.build((4,))
    model.b.weight = model.a.weight
    return model


def one_parameter_in_two_layers_of_a_chain() -> Model:
    model = Sequential([Dense(4), Dense(4)])
    model.build((4,))
    model[1].weight = model[0].weight  # type: ignore[attr-defined]
    return model


CHANGED: list[Callable[[], Model]] = [
    replaced_in_a_chain, replaced_by_one_of_the_same_size, replaced_attribute, removed, changed,
    one_parameter_in_two_layers, one_parameter_in_two_layers_of_a_chain,
]  # fmt: skip


@pytest.mark.parametrize("make", CHANGED, ids=lambda make: make.__name__)
def test_what_would_not_come_back_is_not_written(tmp_path: Path, make: Callable[[], Model]) -> None:
    model, state = make(), random.get_state()
    with pytest.raises(OptionError, match=rf"this {type(model).__name__} cannot be saved whole: .*use save_weights"):
        model.save(tmp_path / "net")
    assert os.listdir(tmp_path) == []
    assert random.get_state() == state
    model.save_weights(tmp_path / "weights")
    weights = model.get_weights()
    for p in model.parameters():
        p.value = np.zeros(p.shape)
    model.load_weights(tmp_path / "weights")
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_new_label_or_a_function_inside_keeps_nothing_from_being_saved(tmp_path: Path) -> None:
    class Apply(layers.Layer):
        def __init__(self, function: Callable[[Any], Any]) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Any, train: bool = False) -> Any:
            return self.function(x), lambda dy: dy

    class Own(Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units, self.apply, self.dense = units, Apply(lambda x: x + 1), Dense(units)

        def call(self, x: Any) -> Any:
            return self.dense(self.apply(x))

    x = normal((2, 4), 0, "float32")
    for model in (Own(3), networks.MLP(3, (5,), (4,))):
        model.build((4,))
        next(layer for _, layer in model.named_layers() if isinstance(layer, Dense)).name = "mine"
        model.save(tmp_path / "net")
        np.testing.assert_array_equal(xpnet.load(tmp_path / "net", custom=Own).predict(x), model.predict(x))


# ---- the same bytes --------------------------------------------------------------------------------------------------


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    x, t = clusters(12)
    for name in ("one", "two"):
        random.seed(3)
        model = Sequential([Dense(4, activation="tanh"), layers.BatchNorm1D(), Dense(3)])
        model.compile(optimizers.AdamW(schedules.Cosine(0.1, 50)), metrics=["accuracy", "top_2"])
        model.fit(x, t)
        model.save(tmp_path / name)
        model.save_weights(tmp_path / f"{name}.weights")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one.weights").read_bytes() == (tmp_path / "two.weights").read_bytes()
    xpnet.load(tmp_path / "one").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "one").read_bytes()


PROGRAM = """
import sys
from tests.kit.small import everything
from xpnet import random
random.seed(1)
model = everything()
model.build((1, 12, 12))
model.compile("adam", metrics=["accuracy", "top_2"])
model.save(sys.argv[1])
model.save_weights(sys.argv[1] + ".weights")
"""


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    for seed in ("1", "2"):  # of Python's own hashes, by which sets are ordered
        environment = os.environ | {"PYTHONHASHSEED": seed, "XPNET_BACKEND": "numpy"}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / seed)]
        done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert (tmp_path / "1.weights").read_bytes() == (tmp_path / "2.weights").read_bytes()
    for path in (tmp_path / "1", tmp_path / "1.weights"):
        with safe_open(path, framework="numpy") as file:
            assert len(file.metadata()) == 1  # safetensors writes several in any order


@pytest.mark.parametrize("there", ["reference", "array_api_strict"])
def test_the_file_does_not_depend_on_where_the_model_is(tmp_path: Path, there: str) -> None:
    model = everything()
    model.build((1, 12, 12))
    model.save(tmp_path / "here")
    model.to(make_backend(there)).save(tmp_path / "there")
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    assert files.VERSION == 1


@pytest.mark.parametrize("name", ["a.h5", "a.KERAS", "a.pth", "a.pkl", "a.npz", "a.onnx"])
def test_a_name_of_another_format_is_told_of(name: str, tmp_path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    for save in (model.save, model.save_weights):
        with pytest.warns(
            UserWarning, match=rf"{name} is a safetensors file, whatever its name: .* \{name[1:].lower()}"
        ):
            save(tmp_path / name)
    model.load_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["a.safetensors", "a", "a.1", "a.weights", "a.bin", "a.backup.safetensors"])
def test_other_names_are_free(name: str, tmp_path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    model.save(tmp_path / name)  # warnings are errors
    assert (tmp_path / name).is_file()
