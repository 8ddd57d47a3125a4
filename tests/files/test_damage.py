"""Files that are damaged or hostile are a FormatError and nothing else, and nothing in them is ever run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import xpnet
from tests.files.test_network import describe, description, tiny
from tests.kit.small import network
from xpnet import layers
from xpnet.errors import FormatError
from xpnet.model import Model, Sequential


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("damaged")
    model = network()
    model.build((2,))
    model.save(folder / "net")
    return folder / "damaged", (folder / "net").read_bytes()


def assert_loads_or_says_what_is_wrong(path: Path) -> None:
    try:
        model = xpnet.load(path)
    except FormatError as error:
        assert str(path) in str(error)
    else:
        assert isinstance(model, Model)


@given(data=st.data())
def test_flipped_and_missing_bytes_give_a_format_error_or_a_model(saved: tuple[Path, bytes], data: Any) -> None:
    path, whole = saved
    content = bytearray(whole)
    header = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, header + 20))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])
    assert_loads_or_says_what_is_wrong(path)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 99),
    st.just(10**12),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
)


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every node of a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(place for key, item in items for place in places(item, (*at, key)))]


@given(data=st.data())
def test_a_description_with_any_value_replaced_gives_a_format_error_or_a_model(
    saved: tuple[Path, bytes], data: Any
) -> None:
    path, whole = saved
    path.write_bytes(whole)
    tree = {"": description(path)}
    for _ in range(data.draw(st.integers(1, 2))):
        way = data.draw(st.sampled_from(places(tree)[1:]))
        parent: Any = tree
        for key in way[:-1]:
            parent = parent[key]
        parent[way[-1]] = data.draw(values)
    describe(path, tree[""])
    assert_loads_or_says_what_is_wrong(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["network"].update({"class": "os.system"}), "names the class 'os.system'"),
        (lambda d: d["network"].update({"class": "Layer"}), "names the class 'Layer'"),
        (lambda d: d["network"].update({"class": "__import__"}), "names the class '__import__'"),
        (lambda d: d.update(version=2), "format version 2, this xpnet reads version 1: update xpnet"),
        (lambda d: d.update(network={"class": "SGD", "config": {}}), "its network is no model"),
        (lambda d: d.update(network={"class": "Dense", "config": {"units": 3}}), "its network is no model"),
        (lambda d: d.update(network={"same": 5}), "damaged"),
        (lambda d: d.update(input_shapes=[[10**9, 10**9]]), "impossible"),
        (lambda d: d.update(dtype="object"), "impossible"),
        (lambda d: d.update(input_shapes=[[0]]), "impossible"),
        (lambda d: d.update(input_shapes=[[2.0]]), "impossible"),
        (lambda d: d.update(version=0), "format version 0, this xpnet reads version 1"),
        (lambda d: d["network"]["config"]["layers"][0]["config"].update(units=10**8), "more than the whole file holds"),
        (
            lambda d: d["network"]["config"]["layers"][0].update({"class": "MLP", "config": {"hidden": [10**9]}}),
            "more than",
        ),
        (lambda d: d["network"]["config"]["layers"][0]["config"].update(units=17), "does not fit the network: .*shape"),
        (lambda d: d["network"]["config"]["layers"][0]["config"].update(no=1), "damaged"),
        (lambda d: d["network"]["config"]["layers"].append({"same": 0}), "damaged"),
        (lambda d: d.pop("frozen"), "damaged"),
        (lambda d: d.clear(), "damaged"),
        # what compile refuses
        (
            lambda d: d.update(metrics=["accuracy", "accuracy"]),
            r"damaged: its description of the network is damaged \(OptionError: compile: every metric needs a name",
        ),
        (lambda d: d.update(loss={"class": "Dense", "config": {"units": 3}}), r"/damaged: .* is damaged \(\w+: "),
        (lambda d: d.update(optimizer="no such rule"), r"/damaged: .* is damaged \(\w+: "),
    ],
)
def test_a_hostile_description_is_refused(saved: tuple[Path, bytes], change: Callable[[Any], Any], words: str) -> None:
    path, whole = saved
    path.write_bytes(whole)
    tree = description(path)
    change(tree)
    describe(path, tree)
    with pytest.raises(FormatError, match=words):
        xpnet.load(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(50), (2**63).to_bytes(8, "little"), b"\x02" + bytes(7) + b"{}"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FormatError):
        xpnet.load(tmp_path / "file")
    with pytest.raises(FormatError):
        tiny().load_weights(tmp_path / "file")


def test_a_damaged_description_does_not_get_into_load_weights(tmp_path: Path) -> None:
    for text in ("{", "[]", "{}", '{"input_shapes": "x"}', '{"input_shapes": [[3]]}', '{"input_shapes": [3]}'):
        save_file({"a": np.ones(1, np.float32)}, tmp_path / "w", metadata={"xpnet": text})
        with pytest.raises(FormatError):
            Sequential([layers.Conv2D(2, 3)]).load_weights(tmp_path / "w")


def test_nothing_is_pickled_or_evaluated_anywhere() -> None:
    files = list(Path(xpnet.__file__).parent.rglob("*.py"))
    assert len(files) > 30
    for file in files:
        calls = re.findall(
            r"import pickle|pickle\.|allow_pickle=True|\beval\(|\bexec\(|__import__", file.read_text(encoding="utf-8")
        )
        assert not calls, f"{file}: {calls}"


@pytest.mark.parametrize("shape", [(2**26 + 1,), (3, 2**13, 2**13), (2**13, 2**13, 2)])
def test_a_sample_is_no_larger_than_can_be(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Of a network that has next to no weights, so that these do not bound it."""
    model = Sequential([layers.PReLU()])
    model.build((3,))
    model.save(tmp_path / "net")
    tree = description(tmp_path / "net")
    describe(tmp_path / "net", tree | {"input_shapes": [list(shape)]})
    with pytest.raises(FormatError, match=re.escape(f"its input shape {shape} is impossible")):
        xpnet.load(tmp_path / "net")
