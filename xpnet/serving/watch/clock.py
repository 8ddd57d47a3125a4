"""The time of a training, without its pauses, and its throughput."""

import contextlib
import time
from collections.abc import Iterator

SHORTEST = 0.05  # seconds, from which a throughput is worth telling
SMOOTHED = 0.3  # share of the newest in what is shown as a number


class Clock:
    """Samples are counted while training goes on, and not while it validates or waits."""

    def __init__(self) -> None:
        self.latest: float | None = None  # samples per second, smoothed
        self._begun = time.perf_counter()
        self._waited = 0.0
        self.go_on()

    def go_on(self) -> None:
        """Begin to count."""
        self._since, self._samples = time.perf_counter(), 0

    def count(self, samples: int) -> None:
        self._samples += samples

    def rate(self) -> float | None:
        """Samples per second since the last call; None if that is too short a time."""
        now = time.perf_counter()
        if now - self._since < SHORTEST:
            return None
        rate = self._samples / (now - self._since)
        self.latest = rate if self.latest is None else self.latest + SMOOTHED * (rate - self.latest)
        self._since, self._samples = now, 0
        return rate

    def seconds(self) -> float:
        return time.perf_counter() - self._begun - self._waited

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The block takes no time."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - begun
            self.go_on()
