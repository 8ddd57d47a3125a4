"""A page as a test has one: it sends requests to a session that runs in its thread, and reads the frames."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from xpnet.serving.digit.session import DigitSession
from xpnet.serving.digit.shelf import Shelf
from xpnet.serving.frames import Frame, pack, unpack


class Page:
    def __init__(self, session: DigitSession) -> None:
        self.session, self.frames, self.full = session, list[Frame](), False
        self._something = threading.Event()

    def ask(self, kind: str, fields: dict[str, Any] | None = None, **arrays: np.ndarray) -> None:
        self.session.receive(unpack(pack(kind, fields, **arrays)))

    def wait(self, kind: str, fine: Callable[[Frame], bool] = lambda frame: True, seconds: float = 60) -> Frame:
        """The next frame of this kind; an error that was not asked for is one of the test, too."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._something.clear()
            data = self.session.outbox.take()
            if data is None:
                self._something.wait(0.2)
                continue
            frame = unpack(data)
            self.frames.append(frame)
            if frame.kind == kind and fine(frame):
                return frame
            assert frame.kind != "error", frame.fields  # one that nobody asked for
        raise AssertionError(f"no frame {kind}; there were {[frame.kind for frame in self.frames]}")

    def draw(self, pixels: np.ndarray, number: int = 1) -> Frame:
        """A digit (28, 28), uint8, as large as the canvas; the reading of slot a."""
        self.ask("read", {"number": number, "picture": False}, pixels=drawn(pixels))
        return self.wait("reading", lambda frame: frame.fields["slot"] == "a" and frame.fields["number"] == number)

    def start(self) -> None:
        def full() -> None:
            self.full = True

        self.session.start(self._something.set, full)


@contextmanager
def opened(shelf: Shelf) -> Iterator[Page]:
    """A page whose networks have come."""
    page = Page(DigitSession(shelf))
    page.start()
    try:
        page.wait("network")
        yield page
    finally:
        page.session.stop()


def drawn(pixels: np.ndarray) -> np.ndarray:
    """Each of 28 x 28 pixels as ten by ten."""
    return np.kron(pixels, np.ones((10, 10), np.uint8))
