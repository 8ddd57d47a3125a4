"""Regular files alone are read and written: a device, a pipe or a socket is refused, not waited for or replaced."""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any

_OTHERS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a symbolic link"),
)
_WAIT_FOR_NOBODY = getattr(os, "O_NONBLOCK", 0)  # as the other end of a pipe that comes into the place meanwhile
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
BINARY = getattr(os, "O_BINARY", 0)  # on Windows


def opened(path: str | os.PathLike[str], mode: str = "rb") -> Any:
    """`open` of a regular file in a binary mode, without a buffer where it is written. OSError for what is none."""

    def opener(name: str, flags: int) -> int:
        found = what_is_at(name)
        if found is not None:
            _require_regular(found)
        descriptor = os.open(name, flags | _WAIT_FOR_NOBODY, 0o666)
        try:
            _require_regular(os.fstat(descriptor))  # it may have changed meanwhile
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    return open(path, mode, buffering=-1 if mode == "rb" else 0, opener=opener)


def what_is_at(path: str | os.PathLike[str]) -> os.stat_result | None:
    """What the system knows of what is there, behind symbolic links; None if there is nothing."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def to_be_replaced(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """Where a file that is written to this path belongs, and what the file is that is there, if one is. Symbolic links
    stay, and what they lead to is replaced. OSError for all that is no regular file.
    """
    found = what_is_at(path)
    if found is not None and (other := other_than_regular(found)):
        raise OSError(errno.EINVAL, f"it is {other}")
    if _is_stream(path):
        raise OSError(errno.EINVAL, "it is a stream that a process has open")
    return Path(os.path.realpath(path) if os.path.islink(path) else path), found


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Such as /dev/stdout: the file that it leads to is not replaced under those who go on to write to it."""
    for _ in range(40):  # links that lead to one another, at most
        if not os.path.islink(path):
            break
        folder = os.path.realpath(os.path.dirname(path) or ".")
        if folder.startswith("/proc/"):
            return True
        path = os.path.join(folder, os.readlink(path))
    return False


def other_than_regular(found: os.stat_result) -> str:
    """What it is, in words; nothing for a regular file."""
    if stat.S_ISREG(found.st_mode):
        return ""
    return next((name for is_one, name in _OTHERS if is_one(found.st_mode)), "no regular file")


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if other := other_than_regular(found):
        raise OSError(errno.EINVAL, f"it is {other}, and no file")


def append_whole(file: IO[bytes], data: bytes) -> None:
    """Add to the end of a file without a buffer; what breaks off (a full disk) is taken back."""
    end = os.fstat(file.fileno()).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except BaseException:
        file.truncate(end)
        raise
