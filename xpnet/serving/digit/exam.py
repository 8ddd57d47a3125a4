"""A network's answers to all test digits, looked at a few at a time."""

import numpy as np
import numpy.typing as npt

from xpnet.analysis.predictions import probabilities
from xpnet.data.transforms import to_unit
from xpnet.model import Model

SLICE = 100  # digits at a time: some milliseconds
UNKNOWN = -1


class Exam:
    """The answers as far as they are known, for the model as it is: one that is changed needs a new exam."""

    def __init__(self, model: Model, x: npt.NDArray[np.uint8], t: npt.NDArray[np.int64]) -> None:
        self.model, self.x, self.t = model, x, t
        self.answers = np.full(len(t), UNKNOWN)
        self.seen = 0  # of the digits, from the first on

    @property
    def done(self) -> bool:
        return self.seen == len(self.t)

    @property
    def wrong(self) -> npt.NDArray[np.intp]:
        """The digits, of those that were looked at, that it reads wrong."""
        return np.flatnonzero(self.answers[: self.seen] != self.t[: self.seen])

    @property
    def accuracy(self) -> float:
        """On those that were looked at."""
        return 1 - len(self.wrong) / max(self.seen, 1)

    def advance(self) -> None:
        """Look at some more."""
        part = slice(self.seen, self.seen + SLICE)
        x = to_unit(self.x[part])
        x = x.reshape(len(x), *(self.model.input_shape or ()))
        p = probabilities(self.model, x)
        self.answers[part] = np.where(np.isnan(p).any(axis=1), -1, p.argmax(axis=1))  # NaN is no answer
        self.seen = min(self.seen + SLICE, len(self.t))

    def next_wrong(self, last: int) -> int | None:
        """The one behind `last` that it reads wrong, round and round; None if it is not known yet, or there is none."""
        wrong = self.wrong
        behind = wrong[wrong > last]
        if len(behind):
            return int(behind[0])
        return int(wrong[0]) if self.done and len(wrong) else None
