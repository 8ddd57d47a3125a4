"""A page without a browser: it sends requests to a session and keeps the newest frame of each kind."""

import threading
import time
from typing import Any

import numpy as np

from xpnet.serving.frames import Frame, pack, unpack
from xpnet.serving.playground.session import PlaygroundSession

PATIENCE = 30.0  # seconds


class Page:
    def __init__(self) -> None:
        self.session = PlaygroundSession()
        self.frames: list[Frame] = []
        self._something = threading.Event()
        self.session.start(self._something.set, lambda: None)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *error: object) -> None:
        self.session.stop()

    def ask(self, kind: str, fields: dict[str, Any] | None = None, **arrays: np.ndarray) -> None:
        self.session.receive(unpack(pack(kind, fields or {}, **arrays)))

    def wait_for(self, *kinds: str) -> list[Frame]:
        """The next frame of each kind; AssertionError where an error comes that was not waited for."""
        found: dict[str, Frame] = {}
        deadline = time.monotonic() + PATIENCE
        while found.keys() != set(kinds):
            while (data := self.session.outbox.take()) is not None:
                frame = unpack(data)
                assert frame.kind != "error" or "error" in kinds, frame.fields
                self.frames.append(frame)
                if frame.kind in kinds:
                    found[frame.kind] = frame
            if found.keys() != set(kinds):
                assert time.monotonic() < deadline, f"no {set(kinds) - found.keys()} came"
                self._something.wait(0.05)
                self._something.clear()
        return [found[kind] for kind in kinds]

    def set_state(self, state: dict[str, Any], keep: bool = False) -> list[Frame]:
        """The frames "built", "maps" and "numbers" that answer it."""
        self.ask("state", {"state": state, "keep": keep, "number": 1})
        return self.wait_for("built", "maps", "numbers")
