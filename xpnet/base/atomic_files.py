"""Files that appear whole or not at all, and errors of the system that say what to do."""

import contextlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from xpnet.base.regular_files import BINARY, NO_LINK, to_be_replaced
from xpnet.errors import FileError, OptionError


def checked_path(path: Any) -> Path:
    """The path, with the home folder in the place of ~ as a shell has it; OptionError for what is none, such as a
    number, which Python would take for a file that is open; FileError for a name that no file can have.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise OptionError(f"a file is named by a string or a pathlib.Path, not by {path!r}")
    try:
        impossible = b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        impossible = True
    if impossible:
        raise FileError(f"{os.fspath(path)!r} names no file: it holds a character that no name may hold")
    expanded = Path(os.path.expanduser(path))
    if expanded.parts[:1] == ("~",):
        raise OptionError(f"{path}: nobody knows where the home folder is that ~ stands for; write the whole path")
    return expanded


def without_number(error: OSError) -> bool:
    """Whether the error is a library's own, such as gzip's for a damaged file: those of the system have a number."""
    return error.errno is None


@contextlib.contextmanager
def file_errors(
    failed: str,
    advice: str = ". Choose a folder that you may write to, and that has room",
    exists: str = "there is a file of that name",
    foreign: Callable[[OSError], bool] | None = None,
) -> Iterator[None]:
    """What the system refuses inside becomes a FileError: what `failed`, such as "cannot write a.csv", why, the advice.

    `exists` is the reason where a folder was asked for: that a file exists is a riddle there. `foreign` tells errors
    that are no refusal of the system, though their classes say so; they stay what they are.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        if foreign is not None and foreign(error):
            raise
        reason = exists if isinstance(error, FileExistsError) else error.strerror or error
        raise FileError(f"{failed}: {reason}{advice}") from error


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """`write(file)` fills a temporary file beside `path`, which is flushed to the disk and then renamed.

    Folders that are not there are made. If `write` fails, or the power does, what was at `path` is still there.

    A new file has the rights that the umask gives; one that replaces another has that one's rights, and its owner and
    group as far as the system allows. A symbolic link stays, and what it leads to is replaced; other hard links keep
    what was there. Raises FileError if the file cannot be written, or what is at `path` is no regular file.
    """
    path = checked_path(path)
    with file_errors(f"cannot write {path}: cannot make the folder {path.parent}", ". Choose another"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with file_errors(f"cannot write {path}", ". Choose another path"):
        to_be_replaced(path)
    with file_errors(f"cannot write {path}"):
        replace_whole(path, write)


def replace_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """The same in a folder that is there, with the errors of the system."""
    target, before = to_be_replaced(path)
    temporary = target.parent / f"{_stem(target)}{os.urandom(8).hex()}.tmp"
    rights = 0o666 if before is None else 0o600  # until it has its own
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | BINARY | NO_LINK, rights)
    try:
        with open(descriptor, "wb") as file:
            write(file)
            file.flush()
            if before is not None:
                _keep_rights(file.fileno(), before)
            os.fsync(file.fileno())
        os.replace(temporary, target)  # closed, which Windows must have, as it must for the next line
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_unfinished(path: str | os.PathLike[str]) -> None:
    """Delete what processes have left that were killed while they wrote to `path`, to which nobody else may write."""
    target, _ = to_be_replaced(checked_path(path))
    for place in target.parent.glob(f"{_stem(target)}{'[0-9a-f]' * 16}.tmp"):
        place.unlink(missing_ok=True)


def _stem(target: Path) -> str:
    """How the names of its temporary files begin."""
    return f".xpnet-{zlib.crc32(os.fsencode(target.name)):08x}-"


def _keep_rights(descriptor: int, before: os.stat_result) -> None:
    """Those of the file that is replaced; its group's are those of all others where the group cannot be kept."""
    if not hasattr(os, "fchown"):  # Windows
        return
    now, mode = os.fstat(descriptor), stat.S_IMODE(before.st_mode)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except OSError:
            try:
                os.fchown(descriptor, -1, before.st_gid)
                mode &= 0o777
            except OSError:
                mode = mode & 0o707 | (mode & 0o007) << 3
    with contextlib.suppress(OSError):  # a file system without rights
        os.fchmod(descriptor, mode)
