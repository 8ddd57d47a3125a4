"""The callback that writes the history into a CSV file."""

import csv
import io
import os
from typing import Any

from xpnet.base.regular_files import opened
from xpnet.callbacks.base import RATE, Logs, scalar
from xpnet.callbacks.epoch_log import EpochLog
from xpnet.errors import OptionError


class CSVLogger(EpochLog):
    """A line for each epoch in a CSV file: epoch (from 1), losses and metrics, and `lr`, the learning rate of its last
    step; written as it happens.

    A file that is there is replaced when the first epoch is complete, and not before. append=True goes on in it,
    without a second header; OptionError if its columns are others. Metrics that are no single numbers, such as a
    confusion matrix, are left out. A run that goes on from a Backup brings the file into the state that it had then,
    so that it has each line once.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        super().__init__(path, append)
        self.columns: list[str] | None = None
        self.header: list[str] = []  # of the file, before another worker may write to it

    def on_train_begin(self, logs: Logs) -> None:
        self.header, self.columns = [], None
        super().on_train_begin(logs)

    def size_before(self) -> int:
        self.header = self._read_header()
        return super().size_before()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        values = {name: value for name, value in logs.items() if scalar(value)}
        header = ""
        if self.columns is None:
            self.columns, header = self._choose_columns(list(values))
        row = {"epoch": epoch + 1} | values
        self.write(header + _format_row([row.get(column, "") for column in self.columns]))

    def _choose_columns(self, names: list[str]) -> tuple[list[str], str]:
        """The columns, with those of validation even if it comes later; their header, "" if the file has it."""
        validation = [f"val_{name}" for name in names if not name.startswith("val_") and name != RATE]
        columns = list(dict.fromkeys(["epoch", *names, *(validation if self.params["validation"] else [])]))
        columns.sort(key=lambda name: name == RATE)  # the last one
        header = self.header
        if not header:
            return columns, _format_row(columns)
        missing = [column for column in header if column not in columns]
        added = [column for column in columns if column not in header and column != RATE]  # older files lack it
        if missing or added:
            parts = [
                f"it has {', '.join(missing)}, which this training has not" if missing else "",
                f"it lacks {', '.join(added)}" if added else "",
            ]
            raise OptionError(
                f"CSVLogger cannot go on in {self.path}: {'; '.join(part for part in parts if part)}. Write to"
                " another file, or start anew with append=False"
            )
        return header, ""

    def _read_header(self) -> list[str]:
        with self.errors_explained(), io.TextIOWrapper(opened(self.path), "utf-8", "replace", newline="") as file:
            return next(csv.reader(file), [])

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"columns": self.columns}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.columns = state["columns"]


def _format_row(row: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(row)
    return line.getvalue()
