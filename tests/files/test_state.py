"""The file of a backup: what it can hold, damage, versions, and the golden file of each version."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.golden.make import result, train
from tests.kit.small import clusters, network
from xpnet.callbacks import Backup
from xpnet.errors import FileError, FormatError, OptionError
from xpnet.files import state as state_file
from xpnet.files.state import DTYPES, VERSION, read_state, write_state

GOLDEN = Path(__file__).parents[1] / "golden"


# ---- there and back --------------------------------------------------------------------------------------------------


def test_everything_that_a_state_is_made_of_comes_back(tmp_path: Path) -> None:
    state = {
        "none": None, "yes": True, "count": 2**80, "pi": 0.1 + 0.2, "infinite": float("-inf"), "text": "ä\n\"",
        "list": [1, [2.0, {"deep": []}]], "$tensor": "no tensor", "$$": {"": 1}, "a/b": {"c": 1},
    }  # fmt: skip
    write_state(tmp_path / "s", state)
    assert read_state(tmp_path / "s") == state


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_keep_their_type_their_shape_and_their_bits(tmp_path: Path, dtype: str) -> None:
    full = np.arange(24).reshape(2, 3, 4).astype(dtype)
    arrays = [full, full.T, full[::-1, 1:, ::2], full[0, 0, 1], np.array(full[1, 1, 1]), full[:0]]
    arrays.append(full.astype(full.dtype.newbyteorder(">")))
    if full.dtype.kind == "f":
        arrays.append(np.array([np.nan, -0.0, np.inf], dtype))
    write_state(tmp_path / "s", {"arrays": arrays})
    for array, back in zip(arrays, read_state(tmp_path / "s")["arrays"], strict=True):
        assert back.shape == array.shape and back.dtype == dtype
        assert back.tobytes() == np.asarray(array, dtype).tobytes()


@pytest.mark.parametrize("odd", [{1}, object(), b"bytes", {1: 2}, np.array(["a"]), np.array([1j]), np.array([None])])
def test_anything_else_is_refused_with_its_place(tmp_path: Path, odd: Any) -> None:
    with pytest.raises(OptionError, match="which a/1/b is: a state is made of"):
        write_state(tmp_path / "s", {"a": [0, {"b": odd}]})
    assert not any(tmp_path.iterdir())


def test_what_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    write_state(tmp_path / "a", {"numbers": [[number, number / 7] for number in range(50_000)]})
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(OptionError, match=r"no backup .* would be read .*: keep it in NumPy arrays"):
        write_state(tmp_path / "a", {"pairs": [[1, 2]] * 100_000})
    assert (tmp_path / "a").read_bytes() == before and len(read_state(tmp_path / "a")["numbers"]) == 50_000


# ---- what is not a backup --------------------------------------------------------------------------------------------


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    model = network()
    model.fit(*clusters(12), 6, 1, callbacks=Backup(tmp_path / "b", keep=True))
    return tmp_path / "b"


def resume(path: Path) -> None:
    network().fit(*clusters(12), 6, 1, callbacks=Backup(path))


def test_any_changed_byte_is_noticed(backup: Path) -> None:
    data = backup.read_bytes()
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 4
        backup.write_bytes(changed)
        with pytest.raises(FormatError, match=r"damaged|is no safetensors file|no backup of a training|format version"):
            resume(backup)
    assert backup.read_bytes() == bytes(changed), "a damaged file is not replaced"


def test_a_file_that_is_cut_off_is_noticed(backup: Path) -> None:
    data = backup.read_bytes()
    for length in (0, 7, 8, 500, len(data) // 2, len(data) - 1):
        backup.write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"it is damaged|it is empty"):
            resume(backup)


def test_a_newer_version_is_refused(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "VERSION", VERSION + 1)
    write_state(backup, {"another": "order"})
    monkeypatch.undo()
    says = f"has format version {VERSION + 1}, this xpnet reads versions up to {VERSION}: update xpnet"
    with pytest.raises(FormatError, match=says):
        resume(backup)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.clear(),
        lambda s: s.pop("weights"),
        lambda s: s["weights"].pop("dense1.weight"),
        lambda s: s["weights"].update({"dense1.weight": np.zeros(3)}),
        lambda s: s["optimizers"]["optimizer"]["parameters"]["dense1.weight"]["arrays"].update(mean="x"),
        lambda s: s.update(random=[1]),
        lambda s: s.update(random="ab"),
        lambda s: s.update(random=[1, 2, {"[]": "many"}]),
        lambda s: s.update(key=[1]),
        lambda s: s.pop("key"),
        lambda s: s.update(callbacks=[]),
        lambda s: s.update(callbacks=[{}]),
        lambda s: s.update(callbacks=[None]),
        lambda s: s.update(metrics=[]),
        lambda s: s["progress"].update(epoch="many"),
        lambda s: s["progress"].update(step=None),
    ],
)
def test_a_made_up_state_is_a_format_error(backup: Path, change: Any) -> None:
    """With the right checksum."""
    state = read_state(backup)
    change(state)
    write_state(backup, state)
    with pytest.raises(FormatError, match="is damaged"):
        resume(backup)


def test_other_files_are_told_apart(tmp_path: Path, backup: Path) -> None:
    model = network()
    model.build((2,))
    model.save(tmp_path / "model")
    with pytest.raises(FormatError, match="no backup of a training"):
        resume(tmp_path / "model")
    with pytest.raises(FormatError, match="is the backup of a training"):
        xpnet.load(backup)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot read"):
        resume(tmp_path / "folder")


# ---- golden files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(2, VERSION + 1))
def test_a_backup_of_each_version_goes_on(tmp_path: Path, version: int) -> None:
    """To rounding: another machine multiplies in another order."""
    golden = GOLDEN / f"backup-{version}.safetensors"
    assert golden.exists(), "python -m tests.golden.make writes the files of a new version; commit them"
    backup = tmp_path / "backup"
    shutil.copy(golden, backup)
    model, history = train(tmp_path, backup)
    ended, expected = result(model, history), json.loads(golden.with_suffix(".json").read_text())
    for part in ("weights", "history"):
        later = {"lr"} - expected[part].keys()  # what came to the history since
        assert ended[part].keys() - later == expected[part].keys()
        for name, values in expected[part].items():
            assert np.allclose(ended[part][name], values, rtol=1e-3, atol=1e-4), name


def test_the_first_version_is_refused_by_name_and_stays(tmp_path: Path) -> None:
    """Its draws were counted: with those of a key it would go on with other numbers."""
    backup = tmp_path / "backup"
    shutil.copy(GOLDEN / "backup-1.safetensors", backup)
    with pytest.raises(
        FormatError, match=r"format version 1, of an xpnet 0\.1 that counted its random draws"
    ) as refused:
        train(tmp_path, backup)
    assert str(backup) in str(refused.value) and "or move the file away" in str(refused.value)
    assert backup.read_bytes() == (GOLDEN / "backup-1.safetensors").read_bytes()


def test_the_second_version_still_means_what_it_meant() -> None:
    state = read_state(GOLDEN / "backup-2.safetensors")
    assert sorted(state) == [
        *("batches", "callbacks", "carried", "gradients", "inputs", "key", "metrics", "optimizers", "progress"),
        *("random", "seed", "settings", "settings_then", "stop_training", "trained", "weights"),
    ]
    progress = state["progress"]
    assert (progress["epoch"], progress["step"], progress["samples"]) == (1, 2, 8)
    assert state["random"] == [11, 0, {"['root']": 1, "['training']": 1}]
    assert float(progress["means"]["totals"]["loss"]) == pytest.approx(11.7690, abs=1e-4)
    assert progress["means"]["weights"] == {"loss": 8}
    optimizer = state["optimizers"]["optimizer"]
    assert optimizer["steps"] == optimizer["parameters"]["conv1.weight"]["steps"] == 6
    assert state["inputs"][""] == [[[1, 4, 4]], ["float32"]] and state["carried"] == {}
    assert state["weights"]["norm1.running_var"].shape == (2,)
    assert [entry["samples"] for entry in state["metrics"]] == [8, 8]
    assert state["callbacks"][0]["epoch"] == [0] and state["callbacks"][1]["best_epoch"] == 0
    assert state["callbacks"][2]["text"].startswith("epoch,loss,accuracy,val_loss,val_accuracy\r\n1,1.389")
