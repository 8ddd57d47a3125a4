"""The curves of training and test loss: not more points than a picture can show, whatever the length of the run."""

from typing import Any

MOST = 1000  # points; one more, and every second is dropped


class Curves:
    """Points (step, training loss, test loss), and which of them the page has."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.train: list[float | None] = []
        self.test: list[float | None] = []
        self._every, self._came, self._sent = 1, 0, 0

    def add(self, step: int, train: float | None, test: float | None) -> None:
        """A point; once curves are long, only some are kept."""
        self._came += 1
        if (self._came - 1) % self._every or (self.steps and self.steps[-1] == step):
            return
        self.steps.append(step)
        self.train.append(train)
        self.test.append(test)
        if len(self.steps) > MOST:
            self.steps, self.train, self.test = self.steps[::2], self.train[::2], self.test[::2]
            self._every, self._sent = 2 * self._every, 0

    def unsent(self) -> dict[str, Any] | None:
        """The fields of a frame with the points that the page lacks; `first` is 0 where it must begin anew."""
        first = self._sent
        if first == len(self.steps):
            return None
        self._sent = len(self.steps)
        return {
            "first": first,
            "steps": self.steps[first:],
            "train": self.train[first:],
            "test": self.test[first:],
        }
