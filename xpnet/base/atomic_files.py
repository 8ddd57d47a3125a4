"""Files that appear whole or not at all, and reading of safetensors."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from xpnet.errors import FileError, FormatError, OptionError


def checked_path(path: Any) -> Path:
    """The path; OptionError for what is none, such as a number, which Python would take for a file that is open."""
    if not isinstance(path, (str, os.PathLike)):
        raise OptionError(f"a file is named by a string or a pathlib.Path, not by {path!r}")
    return Path(path)


def because(error: OSError) -> str:
    """Why a file could not be written, and what to do."""
    return f"{_reason(error)}. Choose a folder that you may write to, and that has room"


def _reason(error: OSError) -> str:
    """That a file exists is a riddle to whoever asked for a folder."""
    return "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror or str(error)


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot write {path}: cannot make the folder {path.parent}: {_reason(error)}. Choose another"
        ) from error
    try:
        try:
            with open(temporary, mode) as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {path}: {because(error)}") from error


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All tensors, as NumPy arrays, and the header's texts; safetensors checks sizes, offsets and data types.

    Raises FileError if the file cannot be read, FormatError if it is not what it should be.
    """
    from safetensors import SafetensorError, safe_open

    path = checked_path(path)
    try:
        with open(path, "rb"):  # for the operating system's own word on what is wrong
            pass
        with safe_open(os.fspath(path), framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, MemoryError) as error:
        raise FormatError(f"{path} is no safetensors file, or it is damaged: {error}") from error
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
