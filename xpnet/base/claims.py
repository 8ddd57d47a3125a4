"""Files that one training at a time writes to: a second one is told so at its start, and spoils nothing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from xpnet.base.atomic_files import checked_path
from xpnet.errors import FileError

_OWNERS: dict[str, int] = {}  # who in this process has a claim, by the path of its lock
_TRIES = 20  # to lock a file that another one takes away


class Claim:
    """While it is held, nobody else has a claim on this path, in this process or another of the machine.

    The system forgets it when the process ends, however it ends. A file .NAME.lock beside the path stands for it as
    long. `named`: what the path is called, if it stands for several; `owner`: what it is for, such as a model in
    training: two claims for one owner are told of as such. Raises FileError, naming `who`, if another one holds it.
    Where locks cannot be had, nothing is claimed.
    """

    def __init__(
        self, path: str | os.PathLike[str], who: str, named: str | os.PathLike[str] | None = None, owner: Any = None
    ) -> None:
        path = checked_path(path)
        self._place = path.parent / f".{path.name}.lock"
        self._key = os.path.realpath(self._place)
        self._file: IO[bytes] | None = None
        for _ in range(_TRIES):
            file: IO[bytes] | None = None
            with contextlib.suppress(OSError):  # a folder that cannot be written to is told of by whoever writes there
                path.parent.mkdir(parents=True, exist_ok=True)
                file = open(self._place, "a+b")  # noqa: SIM115
            if file is None:
                return
            if not _locked(file):
                self._refuse(file, who, named or path, owner)
            if _is_at(file, self._place):
                break
            file.close()  # whoever had it has taken it away meanwhile, and a third one may have made it anew
        else:
            return
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        self._file = file
        _OWNERS[self._key] = id(owner)

    def _refuse(self, file: IO[bytes], who: str, path: str | os.PathLike[str], owner: Any) -> NoReturn:
        file.seek(0)
        number = file.read(20).decode("ascii", "replace").strip()
        file.close()
        if owner is not None and number == str(os.getpid()) and _OWNERS.get(self._key) == id(owner):
            raise FileError(f"{who}: two callbacks of this training write to {path}: give each a path of its own")
        raise FileError(
            f"{who}: another training{f', of process {number},' if number else ''} writes to {path}: wait for its"
            " end, or choose another path"
        )

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
            _OWNERS.pop(self._key, None)
            self._file.close()
            self._file = None


def _is_at(file: IO[bytes], place: Path) -> bool:
    """Whether the file is the one at this place, and not one that was deleted."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(place))
    except OSError:
        return False


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
