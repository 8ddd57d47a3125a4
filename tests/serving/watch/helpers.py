"""A page of a Watch, without a browser; and trainings for it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import xpnet
from tests.kit.small import digits
from xpnet import Sequential, layers
from xpnet.callbacks import Callback
from xpnet.serving.frames import Frame, pack, unpack

PATIENCE = 20  # seconds


class Page:
    """Connects, and keeps every frame that comes."""

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect

        host = address.split("/")[2]
        self.frames: list[Frame] = []
        self.connection = contextlib.ExitStack()
        origin: Any = address.rstrip("/")
        self.socket = self.connection.enter_context(connect(f"ws://{host}/socket", origin=origin, max_size=None))
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            for message in self.socket:
                assert isinstance(message, bytes)
                with self.changed:
                    self.frames.append(unpack(message))
                    self.changed.notify_all()
        except ConnectionClosed:
            pass

    def ask(self, kind: str, **fields: Any) -> None:
        self.socket.send(pack(kind, fields))

    def wait(self, kind: str, holds: Callable[[Frame], bool] = lambda frame: True) -> Frame:
        """The first frame of the kind of which that holds, from now or before."""
        deadline, seen = time.monotonic() + PATIENCE, 0
        with self.changed:
            while True:
                for frame in self.frames[seen:]:
                    if frame.kind == kind and holds(frame):
                        return frame
                seen = len(self.frames)
                if time.monotonic() > deadline:
                    raise AssertionError(f"no such frame {kind} among {[frame.kind for frame in self.frames]}")
                self.changed.wait(0.1)

    def wait_for_phase(self, phase: str) -> dict[str, Any]:
        return self.wait("state", lambda frame: bool(frame.fields["phase"] == phase)).fields

    def table(self, kind: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The names, x and values of the curves, put together as the page does."""
        names: list[str] = []
        x, values = np.zeros(0, np.int32), np.zeros((0, 0), np.float32)
        for frame in list(self.frames):
            if frame.kind == kind:
                first, names = frame.fields["first"], frame.fields["names"]
                assert first <= len(x)
                x = np.concatenate([x[:first], frame.arrays["x"]])
                old = values[:first] if first else np.zeros((0, len(names)), np.float32)
                values = np.concatenate([old, frame.arrays["values"]])
        return names, x, values

    def close(self) -> None:
        self.connection.close()
        self.thread.join()


class Slow(Callback):
    """Steps that take a little longer, so that there is time to look."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        time.sleep(self.seconds)


def convnet() -> Sequential:
    xpnet.seed(0)
    model = Sequential(
        [
            layers.Conv2D(4, 3, activation="relu"), layers.MaxPool2D(2), layers.Flatten(), layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )  # fmt: skip
    model.compile("adam", metrics=["accuracy"])
    return model


def train(*callbacks: Callback, epochs: int = 2, model: Sequential | None = None, **options: Any) -> Sequential:
    """On 240 digits, and 60 for validation."""
    model = model or convnet()
    options = {"validation_split": 0.2, "verbose": 0} | options
    model.fit(*digits(300), batch_size=20, epochs=epochs, callbacks=callbacks, **options)
    return model


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def same_bits(a: Sequential, b: Sequential) -> bool:
    pairs: Iterable[tuple[np.ndarray, np.ndarray]] = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(one.tobytes() == other.tobytes() for one, other in pairs)
