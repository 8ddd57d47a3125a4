"""A small file costs what a small file may: what asks for more is refused, with what it asks for and what is allowed,
before anything is made. Objects, calls and bytes are counted here, no seconds.
"""

import gzip
import io
import json
import os
import struct
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import xpnet
from tests.files.test_network import describe, description
from xpnet import data, layers, networks
from xpnet.base import budget
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.data.cifar import read_cifar
from xpnet.data.digit_image import read_digit
from xpnet.errors import FormatError, OptionError
from xpnet.files.state import read_state
from xpnet.model import Sequential

FLOOR = 12 * 2**20  # bytes: what any refusal may cost, however small the file


def made(name: str, **config: Any) -> dict[str, Any]:
    return {"class": name, "config": config}


def chain(*parts: Any) -> dict[str, Any]:
    return made("Sequential", layers=list(parts))


def doubled(levels: int) -> Any:
    """A network that holds another twice, which holds another twice."""
    part: Any = made("ReLU")
    for level in range(levels, 0, -1):
        part = chain(part, {"same": level})
    return part


def nested(levels: int) -> Any:
    part: Any = made("ReLU")
    for _ in range(levels):
        part = chain(part)
    return part


def described(network: Any, *shapes: Any, **others: Any) -> dict[str, Any]:
    known = {"version": 1, "network": network, "input_shapes": list(shapes or ([4],)), "dtype": "float32", "frozen": []}
    return {**known, "optimizer": None, "loss": None, "metrics": [], **others}


def write(path: Path, tree: Any, **tensors: Any) -> Path:
    save_file(tensors or {"a": np.ones(1, np.float32)}, path, metadata={"xpnet": json.dumps(tree)})
    return path


def refused(path: Path, read: Callable[[Path], Any] = xpnet.load) -> str:
    """The error's text; memory stays within four times the file."""
    warm = path.parent / "warm"
    write(warm, described(chain(made("ReLU"))))
    with pytest.raises(FormatError):
        xpnet.load(warm)  # what is imported for the first file of all is not this one's
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * path.stat().st_size + FLOOR
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def layers_made(monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """Every layer that is made from now on."""
    found: list[Layer] = []
    begin = Layer.__init__

    def counting(self: Layer, name: str | None = None) -> None:
        found.append(self)
        begin(self, name)

    monkeypatch.setattr(Layer, "__init__", counting)
    return found


# ---- objects, depth, layers ------------------------------------------------------------------------------------------


def test_what_doubles_with_each_level_is_counted_and_not_built(tmp_path: Path, layers_made: list[Layer]) -> None:
    text = refused(write(tmp_path / "a", described(doubled(35))))
    assert "its 36 objects, which hold each other, takes more than 10**12 calls, and 67840 are allowed" in text
    text = refused(write(tmp_path / "a", described(doubled(16))))
    assert "takes 2097153 calls, and 66624 are allowed" in text
    layers_made.clear()
    refused(write(tmp_path / "a", described(doubled(120))))
    assert len(layers_made) <= 2, "only those of the first file of all"


def test_what_is_used_twice_may_be_so() -> None:
    objects = budget.check_description([doubled(11)])
    assert objects == 12
    shared = chain(*[part for number in range(1, 400) for part in (made("ReLU"), {"same": number})])
    assert budget.check_description([shared, None, None, []]) == 400


def test_objects_that_name_themselves_or_others_that_are_none(tmp_path: Path) -> None:
    for same in (0, 1, -1, -7, 7, 10**30, "x", None, 1.5):
        budget.check_description([chain({"same": same})])
        refused(write(tmp_path / "a", described(chain({"same": same}))))


def test_what_is_nested_too_deeply(tmp_path: Path) -> None:
    assert f"nested more than {budget.DEPTH} times" in refused(write(tmp_path / "a", described(nested(260))))
    for text in ("[" * 10**5, '{"a":' * 10**5):
        save_file({"a": np.ones(1, np.float32)}, tmp_path / "a", metadata={"xpnet": text})
        refused(tmp_path / "a")
    with pytest.raises(FormatError, match="nested more than"):
        budget.parsed("[" * 10**4 + "]" * 10**4, 10**9)


@pytest.mark.parametrize(
    "config",
    [
        made("MultiColumn", columns=10**6),
        made("MultiColumn", columns=10**12),
        made("GPT", vocabulary=2, layers=10**9, width=1, heads=1),
        made("ViT", depth=10**9),
        made("ResNet", blocks=[10**9]),
        made("UNet", depth=10**9, filters=1),
        made("VGG", stages=[[1] * 3000]),
        made("MLP", hidden=[1] * 3000),
    ],
    ids=lambda config: config["class"],
)
def test_one_number_cannot_ask_for_any_number_of_layers(config: Any, tmp_path: Path, layers_made: list[Layer]) -> None:
    path = write(tmp_path / "a", described(config, [1, 28, 28]))
    text = refused(path)
    assert len(layers_made) < 1100, "no more than a file of that size may have"
    assert "more than the 1040 layers that a file of its size may" in text or config["class"] == "UNet"


def test_one_number_cannot_ask_for_any_number_of_parameters(tmp_path: Path) -> None:
    """A recurrent layer declares four for each of its layers, and none is drawn before all are counted."""
    path = write(tmp_path / "a", described(chain(made("GRU", units=9, layers=10**9)), [3, 1]), a=np.ones(999, "f4"))
    assert "it describes weights of " in refused(path)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_weights_are_backed_by_what_the_file_holds(tmp_path: Path) -> None:
    for part in (made("BatchNorm1D"), made("LayerNorm"), made("PReLU", per_channel=True), made("Dense", units=1)):
        path = write(tmp_path / "a", described(chain(part), [2**26]))
        assert "which is more than the whole file holds: 67108864 numbers, and 1 are allowed" in refused(path)
    wide = chain(*[made("Dense", units=1000) for _ in range(100)])  # each alone is not more than the whole file
    path = write(tmp_path / "a", described(wide, [1000]), a=np.ones(10**6, np.float32))
    assert "numbers and more, and 1516384 are allowed, because the file holds 1000000" in refused(path)


def test_samples_are_bounded_where_they_come_in_and_behind_each_layer(tmp_path: Path) -> None:
    """A network that is written in Python is built by a pass with one sample."""
    small = networks.UNet(filters=1, depth=1, input_shape=(1, 4, 4))
    small.save(tmp_path / "a")
    tree = description(tmp_path / "a")
    side = 2**13 + 2
    tree["network"]["config"]["input_shape"] = [1, side, side]
    describe(tmp_path / "a", tree)
    assert f"a layer of it has {side**2} numbers of one sample, and 67110016 are allowed" in refused(tmp_path / "a")
    many = Sequential([layers.Conv2D(8, 1), networks.BasicBlock(8)])
    many.build((1, 4, 4))
    many.save(tmp_path / "a")
    tree = description(tmp_path / "a")
    tree["input_shapes"] = [[1, side // 2, side // 2]]
    describe(tmp_path / "a", tree)
    assert "a layer of it has 134283272 numbers of one sample" in refused(tmp_path / "a")
    text = refused(write(tmp_path / "b", described(made("Sequential", layers=[made("ReLU")]), [2**27])))
    assert "its input shape (134217728,) is impossible; a sample has at most 67108864 numbers" in text
    for part in (made("ZeroPad2D", padding=10**6), made("UpSample2D", scale=10**6)):
        assert "numbers of one sample" in refused(write(tmp_path / "b", described(chain(part), [1, 4, 4])))


def test_large_images_may_have_many_channels_where_nothing_is_computed(tmp_path: Path) -> None:
    model = Sequential([layers.Conv2D(64, 3, padding="same"), layers.Conv2D(3, 3, padding="same")])
    model.build((3, 2048, 2048))
    model.save(tmp_path / "a")
    assert xpnet.load(tmp_path / "a").output_shape((3, 2048, 2048)) == (3, 2048, 2048)


def test_attention_is_bounded_by_its_scores(tmp_path: Path) -> None:
    """34 kB of positions asked for 900 MB of scores, and three times as much for all of the memory there is."""
    T = 10**4
    model = networks.GPT(2, context=T, layers=1, width=1, heads=1)
    model.build((4,))
    model.save(tmp_path / "a")
    tree = description(tmp_path / "a")
    tree["input_shapes"] = [[T]]
    describe(tmp_path / "a", tree)
    assert "a layer of it has 100000000 numbers of one sample, and 67189096 are allowed" in refused(tmp_path / "a")


# ---- bytes -----------------------------------------------------------------------------------------------------------


def header(tensors: int) -> bytes:
    entries = {f"{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(tensors)}
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def test_a_header_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "TENSORS", 100)
    monkeypatch.setattr(budget, "HEADER", 10**5)
    (tmp_path / "a").write_bytes(header(101))
    assert "holds 101 tensors, and 100 are allowed" in refused(tmp_path / "a")
    (tmp_path / "a").write_bytes(struct.pack("<Q", 10**5 + 1) + b"{}".ljust(10**5 + 1))
    assert "has a header of 100001 bytes, and 100000 are allowed" in refused(tmp_path / "a")
    (tmp_path / "a").write_bytes(header(100))
    assert "holds weights but no network" in refused(tmp_path / "a")


@pytest.mark.parametrize("item", ["[]", "{}", "0", '{"":0}'])
def test_a_text_of_many_values_is_not_made_into_objects(item: str, tmp_path: Path) -> None:
    """Where each takes many times the memory of its letters."""
    text = f"[{','.join([item] * (1_200_000 if item == '0' else 100_000))}]"
    save_file({"a": np.ones(1, np.float32)}, tmp_path / "a", metadata={"xpnet": text})
    assert "values, and a file of" in refused(tmp_path / "a")
    save_file({"a": np.ones(1, np.float32)}, tmp_path / "a", metadata={"xpnet_backup": text})
    assert "values, and a file of" in refused(tmp_path / "a", read_state)
    (tmp_path / "a").write_text(text)
    assert "values, and a file of" in refused(tmp_path / "a", data.Vocabulary.load)


def test_signs_inside_of_strings_are_no_values(tmp_path: Path) -> None:
    """A backup holds the text of logs."""
    text = json.dumps({"log": '[{"a", "b"}],\\' * 100_000, "\\": ['\\"', "[" * 10**6]})
    assert budget.parsed(text, len(text)) == json.loads(text)
    words = [f"word{i}" for i in range(200_000)]
    assert budget.parsed(json.dumps(words).encode(), 10 * len(words)) == words


def zipped(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_a_bomb_of_npz_does_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "UNPACKED", (2**20, 100))
    path = zipped(tmp_path / "a.npz", x=np.zeros(2**24, np.uint8), t=np.zeros(3))
    assert "bytes of content, and of a file of" in refused(path, data.read_npz)
    assert len(data.read_npz(path, "t")) == 3, "what is not asked for is not unpacked"
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content.getvalue())
        archive.writestr("t.npy", content.getvalue())
    assert "x.npy announces an array of shape (1099511627776,) and float64, and has 128 bytes" in refused(
        path, data.read_npz
    )


def test_a_bomb_of_idx_does_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "UNPACKED", (2**20, 100))
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 2**24) + bytes(2**24)))
    assert "announces 16777216 bytes of content" in refused(tmp_path / "a.gz", data.read_idx)


def test_a_bomb_of_tar_does_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of a header may announce any length, which was read whole."""
    monkeypatch.setattr("xpnet.data.cifar._WHOLE", 2**20)
    name = tarfile.TarInfo("long")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**24
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(name.tobuf() + bytes(2**24)))
    assert "holds more than 1048576 bytes" in refused(tmp_path / "a.tar.gz", read_cifar)


def test_a_bomb_of_png_does_not_go_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    Image.new("1", (3000, 3000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    for read in (data.read_image, read_digit):
        assert "cannot be read as an image (" in refused(tmp_path / "a.png", read)


# ---- what is no attack -----------------------------------------------------------------------------------------------


def calls_in(work: Callable[[], Any]) -> int:
    calls = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("work", ["made", "loaded"])
def test_ten_times_as_many_layers_take_ten_times_as_long(work: str, tmp_path: Path) -> None:
    """The name of each was looked for among all others."""
    counts = []
    for count in (50, 500):
        parts = [layers.ReLU() for _ in range(count)]
        model = Sequential([layers.Dense(2), *parts])
        model.build((3,))
        model.save(tmp_path / "a")
        counts.append(
            calls_in((lambda parts=parts: Sequential(parts)) if work == "made" else lambda: xpnet.load(tmp_path / "a"))
        )
    assert counts[1] < 12 * counts[0], counts
    assert len(xpnet.load(tmp_path / "a")) == 501


def test_names_are_what_they_were() -> None:
    one = layers.Dense(1)
    model = Sequential(
        [layers.Dense(1), layers.Dense(1, name="dense7"), one, layers.ReLU(), one, layers.Dense(1, name="relu12")]
    )
    model.add(layers.ReLU())
    model.add(layers.Dense(1, name="20"))
    model.add(layers.ReLU())
    names = [name for name, _ in model.children()]
    assert names == ["dense1", "dense7", "dense8", "relu1", "dense8", "relu12", "relu13", "20", "relu21"]
    with pytest.raises(OptionError, match="two layers have the name 'relu12'"):
        model.add(layers.ReLU(name="relu12"))
    model.build((3,))
    with pytest.raises(xpnet.errors.XpnetError):
        model.add(layers.Conv2D(1, 3))
    model.add(layers.Dense(1))
    assert [name for name, _ in model.copy().children()] == [*names, "dense21"]


class Holding(Network):
    """A user's own, that makes more in trying out than it keeps."""

    def __init__(self, units: int, name: str | None = None) -> None:
        super().__init__(name)
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, x: Any) -> Any:
        return self.dense(x)


class Trying(Layer):
    """Its output's shape is found by a trial, which makes its weights once more."""

    def __init__(self, units: int, name: str | None = None) -> None:
        super().__init__(name)
        self.units = units

    def declare(self, shape: Any) -> Any:
        from xpnet.core.declare import Declared

        yield Declared("weight", (shape[0], self.units), "he_normal", shape[0], self.units)

    def forward(self, x: Any, train: bool = False) -> Any:
        self.check(x)
        return x @ self.weight.value, lambda dy: dy


def test_layers_of_ones_own_come_back(tmp_path: Path) -> None:
    model = Sequential([Trying(400), Holding(400), Trying(300)])
    model.build((500,))
    model.save(tmp_path / "a")
    again = xpnet.load(tmp_path / "a", custom=[Trying, Holding])
    assert again.parameter_count((500,)) == model.parameter_count((500,)) > 2**16


def test_a_weight_that_is_tied_counts_once(tmp_path: Path) -> None:
    model = networks.GPT(4000, context=4, layers=1, width=16, heads=1)
    model.build((4,))
    model.save(tmp_path / "a")
    assert xpnet.load(tmp_path / "a").parameter_count((4,)) == model.parameter_count((4,))


def test_what_is_saved_can_be_loaded_or_is_refused_when_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Sequential([layers.Dense(1), *(layers.ReLU() for _ in range(20))])
    model.build((2,))
    monkeypatch.setattr(budget, "WORK", (10, 1))
    with pytest.raises(OptionError, match=r"cannot be saved whole, because no file .* \(to build its 22 objects"):
        model.save(tmp_path / "a")
    assert os.listdir(tmp_path) == []
