"""Files that one training at a time writes to: a second one is told so at its start, and spoils nothing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from xpnet.base.atomic_files import checked_path
from xpnet.errors import FileError


class Claim:
    """While it is held, nobody else has a claim on this path, in this process or another of the machine.

    The system forgets it when the process ends, however it ends. A file .NAME.lock beside the path stands for it as
    long. Raises FileError, naming `who`, if another one holds it. Where locks cannot be had, nothing is claimed.
    """

    def __init__(self, path: str | os.PathLike[str], who: str) -> None:
        path = checked_path(path)
        self._place = path.parent / f".{path.name}.lock"
        self._file: IO[bytes] | None = None
        with contextlib.suppress(OSError):  # a folder that cannot be written to is told of by whoever writes there
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._place, "a+b")  # noqa: SIM115
        if self._file is not None and not _locked(self._file):
            self._file.seek(0)
            number = self._file.read(20).decode("ascii", "replace").strip()
            self._file.close()
            self._file = None
            raise FileError(
                f"{who}: another training{f', of process {number},' if number else ''} writes to {path}: wait for its"
                " end, or choose another path"
            )
        if self._file is not None:
            self._file.truncate(0)
            self._file.write(f"{os.getpid()}\n".encode())
            self._file.flush()

    @contextlib.contextmanager
    def released_by_errors(self) -> Iterator[None]:
        """Within the block an error releases it."""
        try:
            yield
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                Path(self._place).unlink()  # before it is unlocked: nobody may take hold of a file that goes
            self._file.close()
            self._file = None


def _locked(file: IO[bytes]) -> bool:
    """Whether the file is ours alone from now on; True, too, where files cannot be locked."""
    try:
        import fcntl
    except ImportError:  # Windows, which has no such lock
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
