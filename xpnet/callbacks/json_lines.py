"""The callback that writes the history as JSON lines (jsonlines.org)."""

import contextlib
import json
import math
from typing import IO, Any

import numpy as np

from xpnet.base.regular_files import append_whole, opened
from xpnet.callbacks.base import Logs
from xpnet.callbacks.epoch_log import EpochLog


class JSONLinesLogger(EpochLog):
    """A JSON object for each epoch, on a line of its own: {"epoch": 1, "loss": 0.5, ...}; written as it happens.

    Epochs count from 1. Arrays, such as a confusion matrix, become lists. JSON has no NaN: NaN and infinities are
    written as the strings "NaN", "Infinity" and "-Infinity", which float() takes, and Number() in JavaScript too.

    A file that is there is replaced when the first epoch is complete, and not before. append=True goes on in it; a last
    line whose writing was cut short, so that it is no JSON, is dropped then.
    """

    def prepare(self) -> None:
        if self.append:
            with contextlib.suppress(FileNotFoundError), opened(self.path, "r+b") as file:
                kept, end = _last_line(file)
                file.truncate(kept)
                append_whole(file, end)

    def size_before(self) -> int:
        with opened(self.path, "rb") as file:
            kept, end = _last_line(file)
        return kept + len(end)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.write(json.dumps({"epoch": epoch + 1} | _plain(logs), allow_nan=False) + "\n")


def _last_line(file: IO[bytes]) -> tuple[int, bytes]:
    """How many bytes of the file are to be kept, and what then ends the last line, which may be cut short."""
    whole, newline, last = file.read().rpartition(b"\n")
    try:
        json.loads(last or b"{}")
    except ValueError:
        return len(whole + newline), b""
    return len(whole + newline + last), b"\n" if last else b""


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
