"""The base of callbacks that write into a text file when an epoch is over."""

import contextlib
import os
from collections.abc import Iterator
from typing import IO

from xpnet.callback import Callback, Logs
from xpnet.errors import FileError


class EpochLog(Callback):
    """Opens the file before training, so that an error comes now and not after an hour, and closes it however it ends.

    A file that is there stays as it is until the first epoch is complete; a new one in which no epoch was written is
    taken away again.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), append
        self.file: IO[str] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.begun = False  # whether this training has written into the file
        self.new = not os.path.exists(self.path)
        with self._explained():
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self.file = self._open("a")

    def on_train_end(self, logs: Logs) -> None:
        if self.file is not None:
            self.file.close()
            if self.new and not self.begun:  # no epoch was completed
                os.unlink(self.path)

    def _open(self, mode: str) -> IO[str]:
        return open(self.path, mode, newline="", encoding="utf-8")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"{type(self).__name__} cannot write to {self.path}: {error}") from error
