"""~ in a path is the home folder, in everything that takes a path; a folder of that name is never made."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xpnet
from tests.cli.helpers import process
from xpnet import Sequential, callbacks, data, datasets, layers, networks
from xpnet.base.atomic_files import checked_path
from xpnet.data.cifar import read_cifar
from xpnet.data.digit_image import read_digit
from xpnet.data.downloads import cache_folder
from xpnet.data.idx import idx_shape, read_idx, write_idx
from xpnet.errors import FileError, FormatError, OptionError

X, T = np.eye(4, 3, dtype=np.float32), np.zeros((4, 2), np.float32)
MNIST = Path(datasets.__file__).parent / "mnist"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder; the current one is another."""
    place, here = tmp_path / "home", tmp_path / "here"
    place.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("USERPROFILE", str(place))
    monkeypatch.chdir(here)
    return place


def net() -> Sequential:
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    model.compile("sgd", "mean_squared_error")
    return model


def fit(*around: Any) -> None:
    net().fit(X, T, callbacks=list(around), validation_data=(X, T), verbose=0)


def figure(path: str) -> None:
    pytest.importorskip("matplotlib")
    from xpnet.visualize import plot_history

    plot_history({"loss": [1.0, 0.5]}, path)


def board(path: str) -> None:
    pytest.importorskip("tensorboardX")
    fit(callbacks.TensorBoard(path))


WRITE: list[tuple[str, Callable[[str], Any]]] = [
    ("save", lambda path: net().save(path)),
    ("save_weights", lambda path: net().save_weights(path)),
    ("Backup", lambda path: fit(callbacks.Backup(path, keep=True))),
    ("ModelCheckpoint", lambda path: fit(callbacks.ModelCheckpoint(path))),
    ("ModelCheckpoint with fields", lambda path: fit(callbacks.ModelCheckpoint(path + "/{epoch}-{val_loss:.2f}"))),
    ("CSVLogger", lambda path: fit(callbacks.CSVLogger(path))),
    ("CSVLogger that appends", lambda path: fit(callbacks.CSVLogger(path, append=True))),
    ("JSONLinesLogger", lambda path: fit(callbacks.JSONLinesLogger(path))),
    ("JSONLinesLogger that appends", lambda path: fit(callbacks.JSONLinesLogger(path, append=True))),
    ("TensorBoard", board),
    ("a figure", figure),
    ("write_idx", lambda path: write_idx(path, np.zeros(3, np.uint8))),
    ("Vocabulary", lambda path: data.Vocabulary("abc").save(path)),
]


@pytest.mark.parametrize(("name", "write"), WRITE, ids=[name for name, _ in WRITE])
def test_what_writes(name: str, write: Callable[[str], Any], home: Path) -> None:
    write("~/sub/a.png")
    assert (home / "sub" / "a.png").exists()
    assert list(Path.cwd().iterdir()) == [], "nothing was made here"


def written(write: Callable[..., Any], *args: Any, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    write(buffer, *args, **arrays)
    return buffer.getvalue()


def put(home: Path, what: str) -> None:
    """The file ~/a, or the folder."""
    makers: dict[str, Callable[[Path], Any]] = {
        "network": net().save,
        "weights": net().save_weights,
        "idx": lambda path: write_idx(path, np.zeros(3, np.uint8)),
        "npz": lambda path: path.write_bytes(written(np.savez, x=X, t=T)),
        "npy": lambda path: path.write_bytes(written(np.save, X)),
        "vocabulary": data.Vocabulary("abc").save,
        "picture": lambda path: Image.fromarray(np.pad(np.full((9, 3), 255, np.uint8), 9)).save(path, "png"),
        "images": lambda path: (
            (path / "one").mkdir(parents=True),
            Image.new("L", (3, 3)).save(path / "one" / "a.png"),
        ),
        "mnist": lambda path: shutil.copytree(MNIST, path),
    }
    makers[what](home / "a")


READ: list[tuple[str, str, Callable[[str], Any]]] = [
    ("load", "network", xpnet.load),
    ("load_weights", "weights", lambda path: net().load_weights(path)),
    ("read_idx", "idx", read_idx),
    ("idx_shape", "idx", idx_shape),
    ("read_npz", "npz", data.read_npz),
    ("MappedArrays", "npy", data.MappedArrays),
    ("Vocabulary.load", "vocabulary", data.Vocabulary.load),
    ("read_digit", "picture", read_digit),
    ("ImageFolder", "images", lambda path: data.ImageFolder(path)[:]),
    ("mnist", "mnist", datasets.mnist),
]


@pytest.mark.parametrize(("name", "what", "read"), READ, ids=[name for name, _, _ in READ])
def test_what_reads(name: str, what: str, read: Callable[[str], Any], home: Path) -> None:
    put(home, what)
    read("~/a")
    assert [path.name for path in home.iterdir()] == ["a"] and not list(Path.cwd().iterdir())


def test_errors_name_the_whole_path(home: Path) -> None:
    (home / "a").write_bytes(b"no archive")
    for read in (read_cifar, read_idx, data.read_npz, xpnet.load, read_digit):
        with pytest.raises(FormatError) as caught:
            read("~/a")
        assert str(home / "a") in str(caught.value)


def test_folders_of_data_sets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for load in (datasets.fashion_mnist, datasets.cifar10):
        with pytest.raises(FileError, match=str(home)):
            load("~/nowhere", offline=True)
    for variable, below in (("XPNET_DATA", ()), ("XDG_CACHE_HOME", ("xpnet", "data"))):
        monkeypatch.delenv("XPNET_DATA", raising=False)
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setenv(variable, "~/cache")
        assert cache_folder() == home.joinpath("cache", *below)


def command(*arguments: str) -> str:
    running = process(*arguments)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    return out


def test_commands(home: Path) -> None:
    put(home, "picture")
    (home / "a").rename(home / "digit.png")
    model = networks.MLP()
    model.build((784,))
    model.compile("sgd", metrics=["accuracy"])
    model.save(home / "net")
    out = command("predict", "~/digit.png", "--model", "~/net", "--json")
    assert json.loads(out.splitlines()[-1])["model"] == str(home / "net")
    assert "Dense" in command("summary", "~/net")
    shutil.copytree(MNIST, home / "mnist")
    command("train", "mlp", "--epochs", "1", "--limit", "32", "--quiet", "--out=~/out", "--data", "~/mnist")
    assert (home / "out" / "mlp.safetensors").is_file()
    assert list(Path.cwd().iterdir()) == []


def test_all_paths_of_the_commands_are_of_the_kind_that_expands() -> None:
    for file in (Path(xpnet.__file__).parent / "cli").glob("*.py"):
        assert "click.Path()" not in file.read_text(encoding="utf-8"), file


def test_a_home_that_nobody_knows_is_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(OptionError, match="nobody knows where the home folder is"):
        net().save("~/a")
    assert checked_path("~$a.docx") == Path("~$a.docx"), "a name may begin with it"
