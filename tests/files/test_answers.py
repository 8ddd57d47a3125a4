"""Names of classes and the preparation of pictures, in the file of any network."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import xpnet
from xpnet import layers, networks
from xpnet.data import Normalize, Preparation, Standardize
from xpnet.errors import FormatError, OptionError
from xpnet.model import Model, Sequential

NAMES = ["cat", "dog", "Größe \u4e2d"]


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.dense = layers.Flatten(), layers.Dense(3)
        self.classes = ["anything", "of its own"]

    def call(self, x: Any) -> Any:
        return self.dense(self.flat(x))


MAKERS: list[Callable[[], Model]] = [
    lambda: Sequential([layers.Flatten(), layers.Dense(3)]),
    Own,
    lambda: networks.MLP(classes=3, input_shape=(1, 4, 4)),
    lambda: networks.LeNet5(classes=3),
    lambda: networks.RecurrentClassifier(classes=3, units=4, input_shape=(1, 4, 4)),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("transform", [None, Normalize([0.1], [0.3])])
def test_both_come_back(make: Callable[[], Model], transform: Any, tmp_path: Path) -> None:
    model = make()
    if not model.is_built:
        model.build((1, 4, 4))
    model.class_names = NAMES
    model.preparation = Preparation(model.input_shapes[0][1:], True, "stretch", "light", transform=transform)
    model.save(tmp_path / "a.safetensors")
    again = xpnet.load(tmp_path / "a.safetensors", custom=[Own])
    assert again.class_names == NAMES and again.preparation is not None
    found, expected = again.preparation.config(), model.preparation.config()
    there, here = found.pop("transform"), expected.pop("transform")
    assert found == expected and type(there) is type(here)
    if here is not None:
        x = np.random.default_rng(0).random((2, 1, 4, 4), np.float32)
        assert np.array_equal(there(x), here(x))
    again.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def saved(path: Path, **settings: Any) -> None:
    model = MAKERS[0]()
    model.build((1, 4, 4))
    for name, value in settings.items():
        setattr(model, name, value)
    model.save(path)


def description(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        found: dict[str, Any] = json.loads(file.metadata()["xpnet"])
        return found


def test_a_network_without_them_is_saved_as_ever(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    assert description(tmp_path / "a").keys().isdisjoint(["class_names", "preparation"])
    again = xpnet.load(tmp_path / "a")
    assert again.class_names is None and again.preparation is None


DAMAGE: list[Callable[[dict[str, Any]], Any]] = [
    lambda d: d.update(class_names="cat"),
    lambda d: d.update(class_names=[]),
    lambda d: d.update(class_names=["a", "b", 3]),
    lambda d: d.update(class_names=["a", "a"]),
    lambda d: d.update(class_names=list("abcd")),
    lambda d: d.update(class_names=["a" * 2000]),
    lambda d: d.update(class_names={"a": 1}),
    lambda d: d.update(preparation=[]),
    lambda d: d.update(preparation="x"),
    lambda d: d["preparation"].update(size=[10**9, 10**9]),
    lambda d: d["preparation"].update(size=[2**14, 2**13]),
    lambda d: d["preparation"].update(size=-3),
    lambda d: d["preparation"].update(grayscale="no"),
    lambda d: d["preparation"].update(fit="pad"),
    lambda d: d["preparation"].update(background=None),
    lambda d: d["preparation"].update(more=1),
    lambda d: d["preparation"].pop("size"),
    lambda d: d["preparation"].update(transform={"mean": [0], "std": [0]}),
    lambda d: d["preparation"].update(transform="os.system"),
    lambda d: d["preparation"].update(transform={"mean": [[[]]], "std": "x"}),
]


@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_ones_are_refused(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> None:
    path = tmp_path / "a"
    saved(path, class_names=NAMES, preparation=Preparation(4, True))
    tree, tensors = description(path), load_file(path)
    change(tree)
    save_file(tensors, path, metadata={"xpnet": json.dumps(tree)})
    with pytest.raises(FormatError, match=str(path)):
        xpnet.load(path)


def test_what_no_file_can_hold_is_left_out_and_said(tmp_path: Path) -> None:
    """And not refused behind a training."""
    for transform in (Standardize().fit(np.random.default_rng(0).random((9, 1, 4, 4))), lambda x: x):
        with pytest.warns(UserWarning, match=r"does not hold model\.preparation: its transform is (Stan|<lambda>)"):
            saved(tmp_path / "a", class_names=NAMES, preparation=Preparation(4, transform=transform))
        again = xpnet.load(tmp_path / "a")
        assert again.class_names == NAMES and again.preparation is None
    with pytest.warns(UserWarning, match="does not hold the 4 class_names"):
        saved(tmp_path / "a", class_names=list("abcd"))
    assert xpnet.load(tmp_path / "a").class_names is None


def test_one_number_tells_two_classes_apart(tmp_path: Path) -> None:
    model = Sequential([layers.Dense(1)])
    model.build((3,))
    model.class_names = ("no", "yes")  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "a")
    assert xpnet.load(tmp_path / "a").class_names == ["no", "yes"]


def test_what_they_are_set_to_is_checked() -> None:
    for make in (MAKERS[0], Own):
        model = make()
        for wrong in ("cat", [], ["a", "a"], [1, 2], 3):
            with pytest.raises(OptionError, match="class_names"):
                model.class_names = wrong  # type: ignore[assignment]
        with pytest.raises(OptionError, match=r"preparation is a data\.Preparation"):
            model.preparation = {"size": 28}  # type: ignore[assignment]
        model.class_names = model.preparation = None
    for own in (MAKERS[0](), networks.MLP(classes=3, input_shape=(1, 4, 4))):
        with pytest.raises(OptionError, match="the names of its classes are class_names"):
            own.classes = ["cat", "dog"]  # type: ignore[attr-defined]
    assert Own().classes == ["anything", "of its own"]
