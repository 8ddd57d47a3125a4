"""Files appear whole or not at all, with the rights that the user's umask gives."""

import gzip
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from xpnet.base.atomic_files import file_errors, without_number, write_atomically
from xpnet.errors import FileError


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    for text in (b"old", b"new and longer", b""):
        write_atomically(tmp_path / "a", lambda file, text=text: file.write(text))
        assert content(tmp_path) == {"a": text}


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OSError(28, "No space left on device"), FileError),
        (RuntimeError("power"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_goes_wrong_while_writing_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, raised: BaseException, seen: type[BaseException]
) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def write(file: Any) -> None:
        file.write(b"half")
        raise raised

    with pytest.raises(seen) as caught:
        write_atomically(tmp_path / "a", write)
    assert content(tmp_path) == {"a": b"old"}
    if seen is FileError:
        assert str(caught.value).startswith(f"cannot write {tmp_path / 'a'}: No space left on device. Choose a folder")


def test_a_file_that_cannot_be_renamed_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot write"):
        write_atomically(tmp_path / "folder", lambda file: file.write(b"new"))
    assert os.listdir(tmp_path) == ["folder"]


def test_a_name_without_a_folder_is_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomically("a", lambda file: file.write(b"here"))
    assert content(tmp_path) == {"a": b"here"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError("not here"), "not here"),
        (FileExistsError(17, "File exists"), "there is a file of that name"),
    ],
)
def test_what_the_system_refuses_says_what_failed_why_and_what_to_do(error: OSError, reason: str) -> None:
    with pytest.raises(FileError) as caught, file_errors("cannot write a"):
        raise error
    assert str(caught.value) == f"cannot write a: {reason}. Choose a folder that you may write to, and that has room"
    assert caught.value.__cause__ is error
    with (
        pytest.raises(FileError, match=r"^cannot read a: .*; ask for it$"),
        file_errors("cannot read a", "; ask for it"),
    ):
        raise error


def test_an_error_that_is_explained_already_stays_as_it_is() -> None:
    explained = FileError("the file is gone")
    with pytest.raises(FileError) as caught, file_errors("cannot write a"):
        raise explained
    assert caught.value is explained


def test_an_error_of_a_library_stays_as_it_is_where_that_is_asked_for() -> None:
    damaged = gzip.BadGzipFile("not a gzipped file")
    with pytest.raises(gzip.BadGzipFile) as caught, file_errors("cannot read a", foreign=without_number):
        raise damaged
    assert caught.value is damaged
    with pytest.raises(FileError, match="Is a dir"), file_errors("cannot read a", foreign=without_number):
        raise IsADirectoryError(21, "Is a directory")
    with pytest.raises(FileError, match="not a gzipped file"), file_errors("cannot read a"):
        raise damaged


@pytest.mark.skipif(os.name != "posix", reason="other systems have no umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_rights_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", lambda file: file.write(b"x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode
