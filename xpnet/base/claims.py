"""Files that one training at a time writes to: a second one is told so at its start, and spoils nothing."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.regular_files import NO_LINK, other_than_regular
from xpnet.errors import FileError

_OWNERS: dict[str, int] = {}  # who in this process has a claim, by the path of its lock
INHERITED = 10.0  # seconds that the processes of a worker that has died may take to let go of what it claimed
_TRIES = 20  # to lock a file that another one takes away
_PAUSE = 0.05  # seconds between two looks


class Claim:
    """While it is held, nobody else has a claim on this path, in this process or another of the machine.

    The system forgets it when the process ends, however it ends. A file .NAME.lock beside the path, or beside what a
    symbolic link there leads to, stands for it as long. `named`: what the path is called, if it stands for several;
    `owner`: what it is for, such as a model in training: two claims for one owner are told of as such. Raises
    FileError, naming `who`, if another one holds it, after `patience` seconds. Where locks cannot be had, nothing is
    claimed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        who: str,
        named: str | os.PathLike[str] | None = None,
        owner: Any = None,
        patience: float = 0,
    ) -> None:
        path = checked_path(path)
        target = Path(os.path.realpath(path))  # one file may be named in several ways
        self._place = target.parent / f".{target.name}.lock"
        self._key = os.fspath(self._place)
        self._file: IO[bytes] | None = None
        self._process = os.getpid()
        until = time.monotonic() + patience
        for _ in range(_TRIES):
            file: IO[bytes] | None = None
            with contextlib.suppress(OSError):  # a folder that cannot be written to is told of by whoever writes there
                target.parent.mkdir(parents=True, exist_ok=True)
                file = open(self._place, "a+b", buffering=0, opener=_opener)  # noqa: SIM115
            if file is None:
                self._refuse_planted(who)
                return
            while not (locked := _locked(file)) and time.monotonic() < until:
                time.sleep(_PAUSE)
            if not locked:
                self._refuse(file, who, named or path, owner)
            if _is_at(file, self._place):
                break
            file.close()  # whoever had it has taken it away meanwhile, and a third one may have made it anew
        else:
            return
        with contextlib.suppress(OSError):  # on a full disk nobody is told the number
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
        self._file = file
        _OWNERS[self._key] = id(owner)

    @property
    def is_held(self) -> bool:
        """Whether it is held: not so where no file for the lock can be made, nor once it is released."""
        return self._file is not None

    def _refuse_planted(self, who: str) -> None:
        """FileError for what is in the place of the lock and is none: nothing may be written through it."""
        with file_errors(f"{who} cannot lock {self._place}", ". Remove it"):
            try:
                found = os.lstat(self._place)
            except OSError:
                return
            if other := other_than_regular(found):
                raise OSError(errno.EINVAL, f"it is {other}")

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
            if self._process == os.getpid():  # in a forked process it is still the parent's
                with contextlib.suppress(OSError):
                    Path(self._place).unlink()  # before it is unlocked: nobody may take hold of a file that goes
            _OWNERS.pop(self._key, None)
            self._file.close()
            self._file = None


def _opener(name: str, flags: int) -> int:
    descriptor = os.open(name, flags | NO_LINK | getattr(os, "O_NONBLOCK", 0), 0o666)
    if other := other_than_regular(os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {other}")
    return descriptor


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
