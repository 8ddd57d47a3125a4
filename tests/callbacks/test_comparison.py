"""What a run was set up with: described, held against another, and refused by name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xpnet
from tests.kit.small import clusters
from xpnet import data, layers, losses, metrics, optimizers, random, schedules
from xpnet.backend import on_backend, use_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.callbacks import Backup, Callback, CSVLogger, EarlyStopping
from xpnet.callbacks.comparison import LOOKED_AT, Described, describe, differences, fingerprint
from xpnet.data import augment
from xpnet.errors import OptionError
from xpnet.model import Sequential


def options(**changes: Any) -> dict[str, Any]:
    x, t = clusters(20)
    usual = {
        "units": 4, "rate": 0.2, "name": None, "frozen": False, "dtype": "float32", "metrics": ["accuracy"], "loss":
        "softmax_cross_entropy", "optimizer": optimizers.Adam(schedules.Cosine(0.01, 20)), "callbacks":
        [EarlyStopping("loss", patience=9)], "x": x, "t": t, "batch_size": 5, "epochs": 2,
    }  # fmt: skip
    return usual | changes


def fit(path: Path, **changes: Any) -> Backup:
    given = options(**changes)
    built = [
        layers.Dense(given.pop("units"), name=given.pop("name")),
        layers.Dropout(given.pop("rate")),
        layers.Dense(3),
    ]
    model = Sequential(built)
    model.astype(given.pop("dtype"))
    model.build((2,))
    model.layers[0].trainable = not given.pop("frozen")
    model.compile(given.pop("optimizer"), given.pop("loss"), given.pop("metrics"))
    backup = Backup(path, keep=True)
    given["callbacks"] = [*given["callbacks"], backup]
    model.fit(given.pop("x"), given.pop("t"), **given)
    return backup


def one_hot(t: np.ndarray) -> np.ndarray:
    return np.eye(3, dtype="float32")[t]


class Own(Callback):
    def __init__(self, function: Callable[..., Any], table: Any = None) -> None:
        self.function, self.table = function, table


x, t = clusters(20)
other = x.copy()
other[13, 1] += 0.001


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"units": 5}, "network.dense1.units is 4 in the backup, 5 here"),
        ({"rate": 0.3}, "network.dropout1.rate is 0.2 in the backup, 0.3 here"),
        ({"name": "hidden"}, "network.dense1.units is 4 in the backup, 3 here"),
        (
            {"frozen": True},
            "parameters.dense1.weight is [4, 2, 'float32', 'trained'] in the backup, [4, 2, 'float32', 'not",
        ),
        (
            {"dtype": "float64"},
            "parameters.dense1.weight is [4, 2, 'float32', 'trained'] in the backup, [4, 2, 'float64'",
        ),
        ({"loss": "mse", "t": one_hot(t)}, "loss is SoftmaxCrossEntropy in the backup, MeanSquaredError here"),
        ({"metrics": ["accuracy", "top_2"]}, "metrics is [Accuracy] in the backup, [Accuracy, TopK] here"),
        ({"metrics": []}, "metrics is [Accuracy] in the backup, [] here"),
        ({"metrics": ["acc"]}, "metrics[0].name is 'accuracy' in the backup, 'acc' here"),
        ({"optimizer": "sgd"}, "optimizer is Adam in the backup, SGD here"),
        ({"optimizer": "adamw"}, "optimizer is Adam in the backup, AdamW here"),
        ({"optimizer": optimizers.Adam(0.01)}, "optimizer.lr is Cosine in the backup, 0.01 here"),
        (
            {"optimizer": optimizers.Adam(schedules.Cosine(0.01, 30), beta1=0.8)},
            "optimizer.lr.steps is 20 in the backup, 30 here; optimizer.beta1 is 0.9 in the backup, 0.8 here",
        ),
        ({"batch_size": 4}, "batch_size is 5 in the backup, 4 here"),
        ({"shuffle": False}, "shuffle is True in the backup, False here"),
        (
            {"x": x[:19], "t": t[:19]},
            "x.shape is [20, 2] in the backup, [19, 2] here; t.shape is [20] in the backup, [19]",
        ),
        ({"x": x.astype("float64")}, "x.dtype is 'float32' in the backup, 'float64' here"),
        ({"x": other}, "x.fingerprint is"),
        ({"t": t[::-1]}, "t.fingerprint is"),
        ({"validation_data": (x, t)}, "validation_data is None in the backup, [{'shape': [20, 2], 'dtype': 'float32'"),
        ({"validation_freq": 2}, "validation_freq is 1 in the backup, 2 here"),
        ({"initial_epoch": 1}, "initial_epoch is 0 in the backup, 1 here"),
        ({"callbacks": []}, "callbacks is [EarlyStopping] in the backup, [] here"),
        ({"callbacks": [EarlyStopping("loss", patience=3)]}, "callbacks[0].patience is 9 in the backup, 3 here"),
        ({"callbacks": [CSVLogger("unused.csv")]}, "callbacks[0] is EarlyStopping in the backup, CSVLogger here"),
        ({"callbacks": [Own(len)]}, "callbacks[0] is EarlyStopping in the backup, Own here"),
    ],
)
def test_another_setting_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    fit(tmp_path / "b")
    before = (tmp_path / "b").read_bytes()
    with pytest.raises(OptionError, match="belongs to another training") as caught:
        fit(tmp_path / "b", **changes)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert (tmp_path / "b").read_bytes() == before and not Path("unused.csv").exists()


def test_another_seed_is_refused_if_both_were_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that sets none has another one each time, and goes on: its random state comes from the file."""

    def run(seed: int | None, path: Path) -> None:
        monkeypatch.setattr(random._process, "chosen", None)
        if seed is not None:
            xpnet.seed(seed)
        x, t = clusters(20)
        model = Sequential([layers.Dense(3)])
        model.compile()
        model.fit(x, t, epochs=1, verbose=0, callbacks=Backup(path, keep=True))

    run(0, tmp_path / "a")
    with pytest.raises(OptionError, match=r"another training: xpnet\.seed is 0 in the backup, 5 here"):
        run(5, tmp_path / "a")
    run(0, tmp_path / "a")
    run(None, tmp_path / "a")
    run(None, tmp_path / "b")
    run(5, tmp_path / "b")


def test_numba_switched_off_is_refused(tmp_path: Path) -> None:
    jit = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
    with on_backend(jit.JitBackend()):
        fit(tmp_path / "b")
    with on_backend(NumpyBackend()), pytest.raises(OptionError, match=r"jit is 'Numba .*' in the backup, None here"):
        fit(tmp_path / "b")


def test_settings_of_ones_own_come_first(tmp_path: Path) -> None:
    def run(**settings: Any) -> None:
        xpnet.seed(settings["seed"])
        model = Sequential([layers.Dense(3)])
        model.compile()
        model.fit(*clusters(20), epochs=1, verbose=0, callbacks=Backup(tmp_path / "a", keep=True, settings=settings))

    run(seed=0)
    with pytest.raises(OptionError, match=r"another training: seed is 0 in the backup, 5 here\. To"):
        run(seed=5)
    run(seed=0)


class Pairs:
    """An iterable of one's own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        return iter([clusters(4), clusters(4, seed=1)])


def folder(place: Path, words: bytes = b"") -> data.ImageFolder:
    for name in "ab":
        (place / name).mkdir(parents=True)
        Image.new("L", (3, 3)).save(place / name / "1.png")
    with (place / "a" / "1.png").open("ab") as file:
        file.write(words)
    return data.ImageFolder(place)


def mapped(place: Path, x: np.ndarray) -> data.MappedArrays:
    place.mkdir()
    np.save(place / "x.npy", x)
    return data.MappedArrays(place / "x.npy")


@pytest.mark.parametrize(
    ("then", "same", "now", "says"),
    [
        (lambda p: mapped(p / "1", x), lambda p: mapped(p / "2", x), lambda p: mapped(p / "3", other), "fingerprint"),
        (
            lambda p: folder(p / "1"),
            lambda p: folder(p / "2"),
            lambda p: folder(p / "3", b"more"),
            "of a hundred files is",
        ),
        (
            lambda p: data.Loader(x, 4, transform=data.Standardize().fit(x)),
            lambda p: data.Loader(x, 4, transform=data.Standardize().fit(x), prefetch=0, workers=2),
            lambda p: data.Loader(x, 4, transform=data.Standardize().fit(x + 1)),
            "transform.mean.fingerprint is",
        ),
        (
            lambda p: data.Loader(x, 4, transform=data.MeanRemoval().fit(x)),
            lambda p: data.Loader(x, 4, transform=data.MeanRemoval().fit(x), prefetch=1),
            lambda p: data.Loader(x, 4, transform=data.MeanRemoval().fit(other)),
            "transform.mean.fingerprint is",
        ),
        (
            lambda p: data.Loader(x, 4, augment=augment.Affine(shift=1)),
            lambda p: data.Loader(x, 4, augment=augment.Affine(shift=1)),
            lambda p: data.Loader(x, 4, augment=augment.Affine(shift=2)),
            "augment.shift is",
        ),
        (lambda p: Pairs(p / "1"), lambda p: Pairs(p / "1"), lambda p: Pairs(p / "2"), "path is"),
    ],
    ids=["mapped", "folder", "standardized", "mean", "augmented", "own"],
)
def test_other_data_differ(
    tmp_path: Path, then: Callable[[Path], Any], same: Callable[[Path], Any], now: Callable[[Path], Any], says: str
) -> None:
    before, again, afterwards = (describe(make(tmp_path)) for make in (then, same, now))
    assert list(differences(before, again)) == []
    assert any(says in difference for difference in differences(before, afterwards))


def test_another_backend_is_refused(tmp_path: Path) -> None:
    fit(tmp_path / "b")
    with (
        use_backend("reference"),
        pytest.raises(OptionError, match="backend is 'numpy' in the backup, 'reference' here"),
    ):
        fit(tmp_path / "b")


def test_the_same_settings_made_anew_are_the_same(tmp_path: Path) -> None:
    assert fit(tmp_path / "b").resumed is None
    assert fit(tmp_path / "b").resumed == (2, 0)
    assert fit(tmp_path / "b", x=x[:, ::-1][:, ::-1], t=t.astype("uint8")).resumed == (2, 0)


# ---- descriptions ----------------------------------------------------------------------------------------------------


def test_objects_are_described_by_what_they_were_given() -> None:
    rate = schedules.Cosine(0.1, 7)
    assert describe(optimizers.SGD(rate)) == {
        "class": "SGD", "lr": {"class": "Cosine", "lr": 0.1, "steps": 7, "end": 0.0}, "momentum": 0.0, "nesterov":
        False, "weight_decay": 0.0, "clip_norm": None, "clip_value": None, "groups": [],
    }  # fmt: skip
    described = describe([losses.MeanSquaredError(), metrics.TopK(2)])[1]
    assert described == {"class": "TopK", "k": 2, "ignored_label": None, "axis": None}
    assert describe(Own(test_objects_are_described_by_what_they_were_given, np.zeros(3)))["function"].startswith(
        "test_"
    )
    assert describe(Own(len, np.zeros(3)))["table"]["shape"] == [3]
    assert describe(object()) == {"class": "object"}


def test_a_setting_that_is_newer_than_the_file_agrees_if_it_is_the_default() -> None:
    old = {"class": "Adam", "lr": 0.1}
    assert list(differences(old, Described({"class": "Adam", "lr": 0.1, "new": None}, ["new"]))) == []
    assert list(differences(old, Described({"class": "Adam", "lr": 0.1, "new": 3}))) == [
        "new is 3 here, and is not there in the backup"
    ]
    assert describe(optimizers.Adam(0.01)).defaults == {
        "beta1", "beta2", "eps", "weight_decay", "clip_norm", "clip_value", "groups"
    }  # fmt: skip


def test_nan_agrees_with_itself() -> None:
    assert list(differences({"a": float("nan")}, {"a": float("nan")})) == []


# ---- fingerprints ----------------------------------------------------------------------------------------------------


def test_a_fingerprint_follows_the_content_and_not_the_memory() -> None:
    a = np.arange(24, dtype="float32").reshape(4, 6)
    assert fingerprint(a) == fingerprint(np.asfortranarray(a)) == fingerprint(a[:, ::-1][:, ::-1])
    changed = a.copy()
    changed[2, 3] += 1
    assert len({fingerprint(a), fingerprint(changed), fingerprint(a[::-1])}) == 3
    assert fingerprint(np.array(3.0)) != fingerprint(np.array(4.0))


def test_of_a_large_array_the_ends_and_much_between_are_looked_at() -> None:
    a = np.zeros((3 * LOOKED_AT // 1024, 1024), "uint8")
    before = fingerprint(a)
    for row in (0, -1):
        a[row, 5] = 1
        assert fingerprint(a) != before
        a[row, 5] = 0
    a[1000:1004, 5] = 1  # a third of the rows is looked at
    assert fingerprint(a) != before
