"""The callback that writes the history into a CSV file."""

import contextlib
import csv
import io
import os
from collections.abc import Iterator
from typing import IO, Any

from xpnet.callback import Callback, Logs, scalar
from xpnet.errors import FileError, OptionError


class CSVLogger(Callback):
    """A line for each epoch in a CSV file: epoch (from 1), then losses and metrics; written as it happens.

    A file that is there is replaced when the first epoch is complete, and not before. append=True goes on in it,
    without a second header; OptionError if its columns are others. Metrics that are no single numbers, such as a
    confusion matrix, are left out. A run that goes on from a Backup brings the file into the state that it had then,
    so that it has each line once.
    """

    places = ("path",)

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), append
        self.file: IO[str] | None = None

    def on_train_begin(self, logs: Logs) -> None:
        self.columns: list[str] | None = None
        self.new = not os.path.exists(self.path)
        with self._explained():
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self.file = self._open("a")  # an error now, not after an hour; what is there stays
            self.start = os.path.getsize(self.path) if self.append else 0  # of what this training writes
        self.text = ""  # what it has written

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        assert self.file is not None
        values = {name: value for name, value in logs.items() if scalar(value)}
        with self._explained():
            if self.columns is None:
                self.columns = self._begin(list(values))
            row = {"epoch": epoch + 1} | values
            self._write([row.get(column, "") for column in self.columns])
            self.file.flush()

    def on_train_end(self, logs: Logs) -> None:
        if self.file is not None:
            self.file.close()
            if self.new and self.columns is None:  # no epoch was completed
                os.unlink(self.path)

    def _begin(self, names: list[str]) -> list[str]:
        """The columns, with those of validation even if it comes later; their header, unless the file has it."""
        assert self.file is not None
        validation = [f"val_{name}" for name in names if not name.startswith("val_")]
        columns = list(dict.fromkeys(["epoch", *names, *(validation if self.params["validation"] else [])]))
        if not self.append:
            self.file.close()
            self.file = self._open("w")
        elif header := self._header():
            missing = [column for column in header if column not in columns]
            added = [column for column in columns if column not in header]
            if missing or added:
                parts = [
                    f"it has {', '.join(missing)}, which this training has not" if missing else "",
                    f"it lacks {', '.join(added)}" if added else "",
                ]
                raise OptionError(
                    f"CSVLogger cannot go on in {self.path}: {'; '.join(part for part in parts if part)}. Write to"
                    " another file, or start anew with append=False"
                )
            return header
        self._write(columns)
        return columns

    def _write(self, row: list[Any]) -> None:
        assert self.file is not None
        line = io.StringIO()
        csv.writer(line).writerow(row)
        self.file.write(line.getvalue())
        self.text += line.getvalue()

    def get_state(self) -> dict[str, Any]:
        return {"columns": self.columns, "new": self.new, "start": self.start, "text": self.text}

    def set_state(self, state: dict[str, Any]) -> None:
        self.columns, self.new, self.start, self.text = (state[name] for name in ("columns", "new", "start", "text"))
        if self.columns is None and not self.append:
            return  # the file is replaced when the first epoch is complete
        assert self.file is not None
        with self._explained():
            if os.path.getsize(self.path) < self.start:
                raise FileError(
                    f"CSVLogger cannot go on in {self.path}: it has become shorter than the {self.start} bytes that it"
                    " had when the training began; put it back as it was"
                )
            self.file.truncate(self.start)
            self.file.write(self.text)
            self.file.flush()

    def _header(self) -> list[str]:
        with open(self.path, newline="", encoding="utf-8", errors="replace") as file:
            return next(csv.reader(file), [])

    def _open(self, mode: str) -> IO[str]:
        return open(self.path, mode, newline="", encoding="utf-8")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"CSVLogger cannot write to {self.path}: {error}") from error
