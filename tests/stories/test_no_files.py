"""Whatever is asked to write or read a device, a pipe, a socket or a folder refuses at once, and leaves it as it is. So
it does with names that no file can have, with full disks and folders without permission.
"""

import contextlib
import io
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, network
from xpnet import callbacks, data
from xpnet.base import atomic_files, regular_files
from xpnet.data.cifar import read_cifar
from xpnet.data.digit_image import read_digit
from xpnet.data.downloads import fetch
from xpnet.errors import FileError
from xpnet.files.state import read_state, write_state
from xpnet.model import Sequential

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="other systems have no such files")


def fit(*around: callbacks.Callback) -> None:
    network().fit(*clusters(6), batch_size=3, epochs=2, callbacks=list(around), verbose=0)


def built() -> Sequential:
    model = network()
    model.build((2,))
    return model


def figure(path: Any) -> None:
    pytest.importorskip("matplotlib")
    from xpnet.visualize import plot_history

    plot_history({"loss": [1.0, 0.5]}, path)


WRITERS: dict[str, Callable[[Any], Any]] = {
    "save": lambda path: built().save(path),
    "save_weights": lambda path: built().save_weights(path),
    "write_state": lambda path: write_state(path, {}),
    "backup": lambda path: fit(callbacks.Backup(path, resume=False)),
    "checkpoint": lambda path: fit(callbacks.ModelCheckpoint(path)),
    "csv": lambda path: fit(callbacks.CSVLogger(path)),
    "csv, append": lambda path: fit(callbacks.CSVLogger(path, append=True)),
    "json": lambda path: fit(callbacks.JSONLinesLogger(path)),
    "json, append": lambda path: fit(callbacks.JSONLinesLogger(path, append=True)),
    "idx": lambda path: data.write_idx(path, np.zeros(2, np.uint8)),
    "vocabulary": lambda path: data.Vocabulary(["ab"], "characters").save(path),
    "figure": figure,
}
READERS: dict[str, Callable[[Any], Any]] = {
    "load": xpnet.load,
    "load_weights": lambda path: built().load_weights(path),
    "read_state": read_state,
    "idx": data.read_idx,
    "npz": data.read_npz,
    "npy": data.MappedArrays,
    "image": data.read_image,
    "digit": read_digit,
    "cifar": read_cifar,
    "vocabulary": data.Vocabulary.load,
    "fetch": lambda path: fetch(Path(path), "0" * 64, ["http://localhost/"], offline=True),
}
KINDS = {"pipe": "a named pipe", "socket": "a socket", "device": "a device"}


@pytest.fixture(params=KINDS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """What is no file, and what it is; a device behind a link. Whoever waits for it is woken after a minute."""
    kind, path = request.param, tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "socket":
        here = Path.cwd()
        os.chdir(tmp_path)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("a.png")
        os.chdir(here)
    if kind == "device":
        path.symlink_to("/dev/null")

    def awake(*_: Any) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, awake)
    signal.alarm(60)
    yield path, KINDS[kind]
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def one_sentence(error: BaseException) -> str:
    assert isinstance(error, FileError)
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_file_is_not_replaced(writer: str, other: tuple[Path, str]) -> None:
    path, what = other
    before = os.lstat(path), os.stat(path)
    with pytest.raises(FileError) as caught:
        WRITERS[writer](path)
    assert str(path) in one_sentence(caught.value) and f": it is {what}." in str(caught.value)
    after = os.lstat(path), os.stat(path)
    assert all(os.path.samestat(one, two) for one, two in zip(before, after, strict=True))
    assert os.listdir(path.parent) == ["a.png"]


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_not_read_and_nobody_waits(reader: str, other: tuple[Path, str]) -> None:
    path, what = other
    with pytest.raises(FileError) as caught:
        READERS[reader](path)
    assert one_sentence(caught.value) == f"cannot read {path}: it is {what}, and no file"


def test_nobody_waits_for_a_pipe_that_comes_meanwhile(other: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at what is there and the opening of it."""
    path, what = other
    monkeypatch.setattr(regular_files, "what_is_at", lambda path: None)
    if what != "a socket":  # which nobody can open
        with pytest.raises(OSError, match=f"it is {what}, and no file"):
            regular_files.opened(path)


def test_a_network_of_a_folder_of_pictures_is_told_of_a_pipe_among_them(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    os.mkfifo(tmp_path / "class" / "1.png")
    folder = data.ImageFolder(tmp_path)
    for use in (folder.compared, lambda: folder[0]):
        with pytest.raises(FileError, match=r"class/1\.png: it is a named pipe"):
            use()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_says_that_it_is_one(writer: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FileError, match=": it is a folder"):
        WRITERS[writer](tmp_path / "a.png")
    assert os.listdir(tmp_path) == ["a.png"] and os.listdir(tmp_path / "a.png") == []


@pytest.mark.parametrize("name", ["a\0b.png", "a\ud800.png", "n" * 300 + ".png"], ids=["NUL", "surrogate", "long"])
@pytest.mark.parametrize("user", [*(f"write {each}" for each in WRITERS), *(f"read {each}" for each in READERS)])
def test_names_that_no_file_can_have(user: str, name: str, tmp_path: Path) -> None:
    verb, _, what = user.partition(" ")
    with pytest.raises(FileError) as caught:
        (WRITERS if verb == "write" else READERS)[what](f"{tmp_path}/{name}")
    one_sentence(caught.value).encode()  # which a surrogate cannot be
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_without_permission(writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def forbidding(path: Any, flags: int, *mode: Any, **options: Any) -> int:
        if flags & os.O_CREAT and os.path.dirname(path) == str(tmp_path):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", forbidding)
    with pytest.raises(FileError, match=r": Permission denied\. Choose") as caught:
        WRITERS[writer](tmp_path / "a.png")
    assert one_sentence(caught.value) and os.listdir(tmp_path) == []


@contextlib.contextmanager
def room(size: int) -> Iterator[None]:
    """Within the block no file can have more bytes: what a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", [each for each in WRITERS if "append" not in each])
def test_on_a_full_disk_what_was_there_stays(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")
    with pytest.raises(FileError, match="File too large") as caught, room(5):
        WRITERS[writer](path)
    assert one_sentence(caught.value) and path.read_text() == "old" and os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("make", [callbacks.CSVLogger, callbacks.JSONLinesLogger])
@pytest.mark.parametrize("append", [False, True])
def test_a_log_on_a_full_disk_ends_with_whole_lines(make: Any, append: bool, tmp_path: Path) -> None:
    """The line that has no room is not there by half, and the file can be closed."""
    path = tmp_path / "log"
    fit(make(path))
    whole = path.read_bytes()
    more = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(loss=0.5, accuracy=0.25, lr=1e-3))
    with pytest.raises(FileError, match=f"{make.__name__} cannot write to .*: File too large"), room(len(whole) + 5):
        network().fit(*clusters(6), batch_size=3, epochs=9, verbose=0, callbacks=[more, make(path, append=append)])
    left = path.read_bytes()
    assert left.endswith(b"\n") and len(left) <= len(whole) + 5
    assert left == whole if append else left.count(b"\n") >= 2
    assert sorted(os.listdir(tmp_path)) == ["log"]


def test_what_the_system_takes_in_pieces_is_written_whole(tmp_path: Path) -> None:
    class Slow(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data[:3]))

    with Slow(tmp_path / "log", "ab") as file:
        regular_files.append_whole(file, b"0123456789")
    assert (tmp_path / "log").read_bytes() == b"0123456789"


# ---- what a file keeps, and who else may be there --------------------------------------------------------------------


def test_rights_links_and_other_names(tmp_path: Path) -> None:
    """A private file stays private, also while it is written; a link stays one; another name keeps what it had."""
    path, link, other = tmp_path / "file", tmp_path / "sub" / "link", tmp_path / "other"
    link.parent.mkdir()
    link.symlink_to("../file")
    for writer in ("save", "csv", "json", "idx"):
        path.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
        WRITERS[writer](link)  # which leads nowhere yet
        os.link(path, other)
        before = other.read_bytes()
        path.chmod(0o600)
        seen: list[int] = []
        atomic_files.write_atomically(path, lambda file, seen=seen: seen.append(os.fstat(file.fileno()).st_mode))
        assert [stat.S_IMODE(mode) for mode in seen] == [0o600]
        WRITERS[writer](link)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and link.is_symlink() and os.readlink(link) == "../file"
        assert other.read_bytes() == before and not os.path.samefile(path, other)
    assert sorted(os.listdir(tmp_path)) == ["file", "other", "sub"] and os.listdir(link.parent) == ["link"]


def test_owner_and_group_are_kept_as_far_as_the_system_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "a", []
    before = os.stat_result((stat.S_IFREG | 0o664, 0, 0, 1, 12345, 12346, 3, 0, 0, 0))
    monkeypatch.setattr(atomic_files, "to_be_replaced", lambda path: (Path(path), before))
    for allowed, mode in (({12345, -1}, 0o664), ({-1}, 0o664), (set[int](), 0o644)):

        def chown(descriptor: int, owner: int, group: int, allowed: set[int] = allowed) -> None:
            asked.append((owner, group))
            if owner not in allowed:
                raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "fchown", chown)
        atomic_files.write_atomically(path, lambda file: file.write(b"new"))
        assert stat.S_IMODE(path.stat().st_mode) == mode, "the group that could not be kept has no more than all others"
    assert asked == [(12345, 12346), *[(12345, 12346), (-1, 12346)] * 2]


def test_nobody_can_plant_a_link_where_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names were fixed, and what a link of that name led to was overwritten."""
    precious, names = tmp_path / "precious", []
    precious.write_text("precious")
    for name in ("backup.tmp", ".backup.tmp"):
        (tmp_path / name).symlink_to(precious)
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (names.append(Path(source).name), real(source, target)))
    fit(callbacks.Backup(tmp_path / "backup", resume=False, keep=True))
    assert len(set(names)) == len(names) == 3, "each has a name of its own"

    monkeypatch.setattr(os, "urandom", lambda size: bytes(size))
    planted = tmp_path / f"{atomic_files._stem(tmp_path / 'net')}{'00' * 8}.tmp"
    planted.symlink_to(precious)
    with pytest.raises(FileError, match="there is a file of that name"):
        built().save(tmp_path / "net")
    assert planted.is_symlink() and precious.read_text() == "precious" and not (tmp_path / "net").exists()


def test_a_backup_removes_what_killed_processes_left(tmp_path: Path) -> None:
    stem = atomic_files._stem(tmp_path / "backup")
    for name in (f"{stem}{'0f' * 8}.tmp", f"{stem}short.tmp", ".xpnet-other.tmp"):
        (tmp_path / name).write_text("half")
    fit(callbacks.Backup(tmp_path / "backup", resume=False))
    assert sorted(os.listdir(tmp_path)) == sorted([f"{stem}short.tmp", ".xpnet-other.tmp"])


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no system with streams among its files")
@pytest.mark.parametrize("name", ["save", "csv", "figure"])
def test_a_file_that_somebody_has_open_as_a_stream_is_not_replaced(name: str, tmp_path: Path) -> None:
    """As /dev/stdout is one after `> out.txt`."""
    with open(tmp_path / "out.txt", "w") as stream:
        stream.write("before")
        stream.flush()
        (tmp_path / "link").symlink_to(f"/proc/self/fd/{stream.fileno()}")
        with pytest.raises(FileError, match="it is a stream that a process has open"):
            WRITERS[name](tmp_path / "link")
    assert (tmp_path / "out.txt").read_text() == "before"
