"""The base of callbacks that write into a text file when an epoch is over."""

import contextlib
import os
from pathlib import Path
from typing import IO, Any

from xpnet.base.atomic_files import checked_path, file_errors, replace_whole
from xpnet.base.claims import INHERITED, Claim
from xpnet.base.regular_files import append_whole, opened, to_be_replaced
from xpnet.callbacks.base import Callback, Logs
from xpnet.errors import FileError


class EpochLog(Callback):
    """Opens the file before training, so that an error comes now and not after an hour, and closes it however it ends.

    A file that is there stays as it is until something is written; a new one into which nothing was written is taken
    away again. A training that is resumed brings the file into the state that it had then, so that it has each line
    once. Of several workers one writes; the others know what is in the file, should they have to take over.
    """

    places: tuple[str, ...] = ("path",)  # a training that is resumed may have its file elsewhere
    new: bool
    text: str  # what this training has written
    start: int  # where that begins, in bytes

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(checked_path(path)), append
        self.file: IO[bytes] | None = None
        self.claim: Claim | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.new, self.text = not os.path.exists(self.path), ""
        self.start = 0
        if self.append and not self.new:
            with self.errors_explained():
                to_be_replaced(self.path)  # or refused now
                self.start = self.size_before()
        if self.leads:
            self._open()

    def on_lead(self) -> None:
        self._open(INHERITED)
        self._bring_up_to_date()

    def _open(self, patience: float = 0) -> None:
        with self.errors_explained():
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            to_be_replaced(self.path)  # or refused now
        self.claim = Claim(self.path, type(self).__name__, owner=getattr(self, "model", None), patience=patience)
        with self.claim.released_by_errors(), self.errors_explained():
            self.prepare()
            self.file = opened(self.path, "ab")

    def prepare(self) -> None:
        """Before the file is opened; nobody else writes to it by then."""

    def size_before(self) -> int:
        """The size of the file, in bytes, that `prepare` leaves: the same before and after it, so that all workers have
        it, whichever of them prepares the file.
        """
        return os.path.getsize(self.path)

    def on_train_end(self, logs: Logs) -> None:
        with self.errors_explained():
            if self.file is not None:
                self.file.close()
                if self.new and not self.text:
                    os.unlink(os.path.realpath(self.path))
        if self.claim is not None:
            self.claim.release()

    def write(self, text: str) -> None:
        """Add this to the file, in place of what it held before training, or behind that with `append`; all of it, or
        FileError and nothing.
        """
        if not self.leads:
            self.text += text
            return
        assert self.file is not None
        with self.errors_explained():
            if self.text or self.append:
                append_whole(self.file, text.encode())
            else:
                self.file.close()  # which Windows must have before it is replaced
                replace_whole(Path(self.path), lambda file: file.write(text.encode()))
                self.file = opened(self.path, "ab")
        self.text += text

    def get_state(self) -> dict[str, Any]:
        return {"new": self.new, "start": self.start, "text": self.text}

    def set_state(self, state: dict[str, Any]) -> None:
        self.new, self.start, self.text = state["new"], state["start"], state["text"]
        if self.leads:
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        """The file holds what it held before training, and what this training has written."""
        if not self.text and not self.append:
            return  # the file is replaced when something is written
        assert self.file is not None
        with self.errors_explained():
            if os.path.getsize(self.path) < self.start:
                raise FileError(
                    f"{type(self).__name__} cannot go on in {self.path}: it has become shorter than the {self.start}"
                    " bytes that it had when the training began; put it back as it was"
                )
            self.file.truncate(self.start)
            append_whole(self.file, self.text.encode())

    def errors_explained(self) -> contextlib.AbstractContextManager[None]:
        """What the system refuses inside becomes a FileError that names the callback and its file."""
        return file_errors(f"{type(self).__name__} cannot write to {self.path}")
