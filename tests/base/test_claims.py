"""Two trainings that would write to one file: the second is told so at its start, and the first is not disturbed."""

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import process
from tests.kit.small import clusters, network
from xpnet.base import claims
from xpnet.base.claims import Claim
from xpnet.callbacks import Backup, Callback, CSVLogger, JSONLinesLogger, LambdaCallback, ModelCheckpoint
from xpnet.errors import FileError

pytest.importorskip("fcntl")


def fit(*around: Callback, epochs: int = 2) -> None:
    network().fit(*clusters(6), batch_size=3, epochs=epochs, callbacks=list(around), verbose=0)


WRITERS: list[Any] = [
    lambda path: CSVLogger(path),
    lambda path: CSVLogger(path, append=True),
    lambda path: JSONLinesLogger(path),
    lambda path: JSONLinesLogger(path, append=True),
    lambda path: Backup(path, resume=False),
    lambda path: Backup(path, resume=False, every=1),
]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_second_training_is_refused_at_its_start(writer: Any, tmp_path: Path) -> None:
    path, seen = tmp_path / "file", []

    def another(epoch: int, logs: Any) -> None:
        before = path.read_bytes()
        steps: list[int] = []
        with pytest.raises(FileError, match=rf"another training, of process \d+, writes to {path}: wait") as caught:
            fit(writer(path), LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch)))
        assert path.read_bytes() == before and not steps
        seen.append(str(caught.value).split(":")[0])

    fit(writer(path), LambdaCallback(on_epoch_begin=another))
    assert seen == [type(writer(path)).__name__] * 2
    fit(writer(path))  # afterwards it is free
    assert not list(tmp_path.glob(".*")), "and nothing is left behind"


def test_it_is_free_after_an_error_too(tmp_path: Path) -> None:
    def fail(epoch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    kept: list[Callback] = []
    for _ in range(2):
        kept += [CSVLogger(tmp_path / "a.csv"), Backup(tmp_path / "b", resume=False)]  # they live on
        with pytest.raises(KeyboardInterrupt):
            fit(*kept[-2:], LambdaCallback(on_epoch_begin=fail))
    assert not list(tmp_path.glob(".*.lock"))


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, time; from xpnet.base.claims import Claim; c = Claim(sys.argv[1], 'x'); print('held', flush=True);"
        " time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a")], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(FileError, match=f"CSVLogger: another training, of process {other.pid}, writes to"):
            Claim(tmp_path / "a", "CSVLogger")
        other.kill()
    Claim(tmp_path / "a", "CSVLogger").release()


def test_where_nothing_can_be_written_nothing_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one, other = Claim(tmp_path / "file" / "a", "x"), Claim(tmp_path / "file" / "a", "x")  # neither is refused
    one.release()
    other.release()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_two_trainings_of_the_command_in_one_folder(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "history.csv", "CSVLogger")
    running = process("train", "mlp", "--limit", 32, "--epochs", 1, "--quiet", "--out", tmp_path)
    _, err = running.communicate(timeout=300)
    claim.release()
    assert running.returncode == 1
    assert err.startswith("xpnet: error: CSVLogger: another training, of process") and len(err.splitlines()) == 1
    assert not (tmp_path / "mlp.safetensors").exists()


CHECKPOINTS = ["a.safetensors", "new/a.safetensors", "a-{epoch:02d}-{loss:.3f}.safetensors", "new/{epoch}/{loss}/a"]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_models_are_saved_by_one_training(name: str, tmp_path: Path) -> None:
    """The second one overwrote what the first had saved, without a word."""
    path, seen = str(tmp_path / name), []

    def another(epoch: int, logs: Any) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(FileError) as caught:
            fit(ModelCheckpoint(path))
        assert f"ModelCheckpoint: another training, of process {os.getpid()}, writes to {path}: wait" in str(
            caught.value
        )
        assert sorted(tmp_path.rglob("*")) == before
        fit(ModelCheckpoint(path + ".other"), epochs=1)
        seen.append(epoch)

    fit(ModelCheckpoint(path), LambdaCallback(on_epoch_begin=another))
    assert seen == [0, 1]
    fit(ModelCheckpoint(path))
    assert not [file for file in tmp_path.rglob("*") if file.name.startswith(".") or "{" in file.name]


@pytest.mark.parametrize("make", [CSVLogger, JSONLinesLogger, ModelCheckpoint])
def test_two_callbacks_of_one_training(make: Any, tmp_path: Path) -> None:
    for second in (make(tmp_path / "a"), JSONLinesLogger(tmp_path / "b" / ".." / "a")):
        (tmp_path / "b").mkdir(exist_ok=True)
        with pytest.raises(
            FileError, match=r"two callbacks of this training write to .*a: give each a path of its own"
        ):
            fit(make(tmp_path / "a"), second)
        assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("gone", [True, False])
def test_a_file_that_goes_before_it_is_locked(gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one unlinks it between `open` and the lock: it would be held by nobody, and a third one might lock its
    own.
    """
    place, locked, times = tmp_path / ".a.lock", claims._locked, []

    def late(file: Any) -> bool:
        times.append(file)
        if len(times) == 1:
            place.unlink()
            if not gone:
                place.write_text("")
        return locked(file)

    monkeypatch.setattr(claims, "_locked", late)
    held = Claim(tmp_path / "a", "x")
    assert len(times) == 2 and place.exists()
    with pytest.raises(FileError, match="another training"):
        Claim(tmp_path / "a", "y")
    held.release()
    assert not place.exists()


def test_one_file_of_two_names_is_one(tmp_path: Path) -> None:
    """Behind a link each had a lock of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "file")
    for first, second in (("file", "folder/link"), ("folder/link", "file")):
        held = Claim(tmp_path / first, "x")
        with pytest.raises(FileError, match=f"y: another training, of process {os.getpid()}, writes to .*{second}"):
            Claim(tmp_path / second, "y")
        held.release()
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_stands_in_the_place_of_a_lock_is_not_written_to(kind: str, tmp_path: Path) -> None:
    """What a link led to was emptied."""
    (tmp_path / "precious").write_text("precious")
    place = tmp_path / ".a.lock"
    if kind == "link":
        place.symlink_to("precious")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    with pytest.raises(FileError, match=r"^x cannot lock .*/\.a\.lock: it is a [a-z ]*\. Remove it$"):
        Claim(tmp_path / "a", "x")
    assert (tmp_path / "precious").read_text() == "precious"


def test_many_threads_want_one_file_and_one_has_it(tmp_path: Path) -> None:
    start, found = threading.Barrier(8), list[Claim | FileError]()

    def claim() -> None:
        start.wait()
        try:
            found.append(Claim(tmp_path / "a", "x"))
        except FileError as error:
            found.append(error)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (held,) = (each for each in found if isinstance(each, Claim))
    assert len(found) == 8 and held.is_held
    held.release()
    assert not held.is_held and os.listdir(tmp_path) == []


def test_a_forked_process_does_not_let_go_of_what_its_parent_has(tmp_path: Path) -> None:
    held = Claim(tmp_path / "a", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which this child does not need
        child = os.fork()
    if not child:
        held.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / ".a.lock").exists()
    with pytest.raises(FileError, match="another training"):
        Claim(tmp_path / "a", "y")
    held.release()
