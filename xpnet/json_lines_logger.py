"""The callback that writes the history as JSON lines (jsonlines.org)."""

import json
import math
import os
from typing import Any

import numpy as np

from xpnet.callback import Logs
from xpnet.epoch_log import EpochLog
from xpnet.files import write_atomically


class JSONLinesLogger(EpochLog):
    """A JSON object for each epoch, on a line of its own: {"epoch": 1, "loss": 0.5, ...}; written as it happens.

    Epochs count from 1. Arrays, such as a confusion matrix, become lists. JSON has no NaN: NaN and infinities are
    written as the strings "NaN", "Infinity" and "-Infinity", which float() takes, and Number() in JavaScript too.

    A file that is there is replaced when the first epoch is complete, and not before. append=True goes on in it. A
    resumed training goes on in its own file: lines of epochs that are trained again are replaced. A last line that is
    no JSON, because the writing was cut short, is dropped.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        super().__init__(path, append)
        self.resumed: dict[str, Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        with self._explained():
            if not self.begun:
                self._begin(epoch)
            assert self.file is not None
            self.file.write(json.dumps({"epoch": epoch + 1} | _plain(logs), allow_nan=False) + "\n")
            self.file.flush()
        self.begun = True

    def on_train_end(self, logs: Logs) -> None:
        super().on_train_end(logs)
        self.resumed = None

    def get_state(self) -> dict[str, Any]:
        """Whether the file holds lines of this training."""
        return {"begun": self.begun}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on in the file of the training that gave this state."""
        self.resumed = state

    def _begin(self, epoch: int) -> None:
        """Make the file ready for the first line, that of `epoch` (from 0)."""
        resumed = self.resumed is not None and (self.resumed["begun"] or epoch > 0)
        with open(self.path, encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
        lines = text.splitlines() if self.append or resumed else []
        while lines and ((last := _epoch_of(lines[-1])) is None or (resumed and last > epoch)):
            lines.pop()
        kept = "".join(line + "\n" for line in lines)
        if kept != text and self.file is not None:
            self.file.close()
            write_atomically(self.path, lambda file: file.write(kept.encode()))
            self.file = self._open("a")


def _epoch_of(line: str) -> float | None:
    """The epoch of a line, from 1; 0 for an object that says none, None for what is no JSON."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    epoch = entry.get("epoch", 0) if isinstance(entry, dict) else 0
    return float(epoch) if isinstance(epoch, (int, float)) else 0.0


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
