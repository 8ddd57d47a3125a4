"""Which networks can be chosen, and that they are shared without being changed."""

import os
from pathlib import Path

import numpy as np
import pytest

from xpnet import Sequential, networks
from xpnet.errors import FileError, FormatError, OptionError, ShapeError
from xpnet.layers import Dense, Flatten
from xpnet.serving.digit.parcels import Parcel, opened
from xpnet.serving.digit.shelf import MOST_RUNS, MOST_TRAINED, NEW, PACKAGED, Shelf
from xpnet.serving.frames import Frame


def saved(path: Path, model: Sequential | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (model or networks.SimpleConvNet(filters=2, hidden=3)).save(path)
    return path


def test_the_file_comes_first_then_the_package_then_runs_then_new_ones(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    old, new = saved(runs / "a" / "a.safetensors"), saved(runs / "b.safetensors")
    os.utime(old, (1, 1))
    saved(runs / "c.backup.safetensors")
    (runs / "broken.safetensors").write_bytes(b"nothing")
    saved(runs / "other.safetensors", two_classes())
    found = Shelf(saved(tmp_path / "mine.safetensors"), runs).entries()
    assert [entry.note for entry in found] == ["file", "package", "runs", "runs", *["new"] * len(NEW)]
    assert [entry.where for entry in found[2:4]] == [str(new), str(old)]
    assert [entry.key for entry in found[4:]] == list(NEW)
    assert all(entry.trained is (entry.note != "new") for entry in found)


def two_classes() -> Sequential:
    model = Sequential([Flatten(), Dense(2)])
    model.build((1, 28, 28))
    return model


def test_new_runs_are_found_and_not_too_many(tmp_path: Path) -> None:
    shelf = Shelf(runs=tmp_path)
    assert not any(entry.note == "runs" for entry in shelf.entries())
    for number in range(MOST_RUNS + 2):
        saved(tmp_path / f"{number}.safetensors")
    assert sum(entry.note == "runs" for entry in shelf.entries()) == MOST_RUNS


def test_what_is_no_file_for_digits_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        Shelf(tmp_path / "none.safetensors")
    with pytest.raises(ShapeError, match=r"ten digits need \(10,\)"):
        Shelf(saved(tmp_path / "two.safetensors", two_classes()))
    flat = Sequential([Dense(10)])
    flat.build((20,))
    with pytest.raises(ShapeError, match=r"digits need \(1, 28, 28\) or \(784,\)"):
        Shelf(saved(tmp_path / "flat.safetensors", flat))


def test_the_packaged_network_is_small() -> None:
    assert PACKAGED.stat().st_size < 600_000


def test_whoever_takes_one_gets_a_copy(tmp_path: Path) -> None:
    shelf = Shelf(runs=tmp_path)
    entry = shelf.entry("package")
    before = entry.make().get_weights()
    mine = entry.make()
    for parameter in mine.parameters():
        parameter.value = parameter.value * 0
    for kept, again in zip(before, entry.make().get_weights(), strict=True):
        np.testing.assert_array_equal(kept, again)
    with pytest.raises(OptionError, match="no network 'gone'"):
        shelf.entry("gone")


def test_pages_hear_of_what_others_have_trained(tmp_path: Path) -> None:
    shelf, heard = Shelf(runs=tmp_path), []
    shelf.listeners.add(lambda: heard.append(1))
    model = networks.SimpleConvNet(filters=2, hidden=3)
    entry = shelf.add_trained(model, "SimpleConvNet", 0.5)
    assert heard == [1] and shelf.entry(entry.key) is entry
    kept = entry.make().get_weights()
    model.set_weights([weight * 0 for weight in model.get_weights()])
    np.testing.assert_array_equal(entry.make().get_weights()[0], kept[0])
    for _ in range(MOST_TRAINED):
        shelf.add_trained(model, "SimpleConvNet", 0.5)
    with pytest.raises(OptionError):
        shelf.entry(entry.key)  # the oldest has gone


def test_the_digits_are_read_once(tmp_path: Path) -> None:
    shelf = Shelf(runs=tmp_path)
    x, t = shelf.digits("test")
    assert x.dtype == np.uint8 and x.shape == (10000, 1, 28, 28) and t.shape == (10000,)
    assert shelf.digits("test")[0] is x


# ---- files in parts ------------------------------------------------------------------------------------------------


def part(number: int, parts: int, data: bytes) -> Frame:
    return Frame("open", {"part": number, "parts": parts}, {"bytes": np.frombuffer(data, np.uint8)})


def test_parts_make_a_whole() -> None:
    parcel = Parcel("bytes")
    assert parcel.take(part(0, 3, b"ab")) is None
    assert parcel.take(part(0, 3, b"cd")) is None  # begins anew
    assert parcel.take(part(1, 3, b"ef")) is None
    assert parcel.take(part(2, 3, b"g")) == b"cdefg"
    assert parcel.take(Frame("open", {}, {"bytes": np.zeros(2, np.uint8)})) == b"\0\0"


@pytest.mark.parametrize("number", [-1, 1, 3, 4])
def test_parts_out_of_order_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        Parcel("bytes").take(part(number, 3, b""))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpnet.serving.digit.parcels.LARGEST", 3)
    parcel = Parcel("bytes")
    parcel.take(part(0, 2, b"abc"))
    with pytest.raises(ValueError, match="at most"):
        parcel.take(part(1, 2, b"d"))


def test_an_opened_file_is_told_of_by_its_own_name(tmp_path: Path) -> None:
    data = saved(tmp_path / "x.safetensors").read_bytes()
    entry = opened(data, "mine.safetensors", "own:1")
    assert (entry.key, entry.note, entry.name) == ("own:1", "own", "SimpleConvNet: mine.safetensors")
    with pytest.raises(FormatError, match=r"mine\.safetensors"):
        opened(data[:1000], "mine.safetensors", "own:2")
    with pytest.raises(FormatError, match=r"^not one "):
        opened(b"nothing", "not one", "own:2")
