"""Files that appear whole or not at all, and errors of the system that say what to do."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from xpnet.errors import FileError, OptionError


def checked_path(path: Any) -> Path:
    """The path, with the home folder in the place of ~ as a shell has it; OptionError for what is none, such as a
    number, which Python would take for a file that is open.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"a file is named by a string or a pathlib.Path, not by {path!r}")
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


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any], temporary: Path | None = None
) -> None:
    """`write(file)` fills a temporary file beside `path`, which is flushed to the disk and then renamed.

    Folders that are not there are made.

    If `write` fails, or the power does, what was at `path` is still there. `temporary` is for a path that one process
    alone writes to: with a fixed name, a process that is killed again and again leaves one such file, not many.
    Raises FileError if the file cannot be written.
    """
    path = checked_path(path)
    mode = "xb" if temporary is None else "wb"
    temporary = temporary or path.parent / f".xpnet-{os.urandom(8).hex()}.tmp"
    with file_errors(f"cannot write {path}: cannot make the folder {path.parent}", ". Choose another"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with file_errors(f"cannot write {path}"):
        try:
            with open(temporary, mode) as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
