"""What a page of a Watch has here: news of the training, and the controls."""

import math
import threading
from typing import Any

from xpnet.errors import OptionError
from xpnet.serving.frames import Frame
from xpnet.serving.session import Mailbox, Session
from xpnet.serving.watch.board import Board, Place

MOST = 100.0  # times what was planned, that a learning rate may be


class Controls:
    """What pages ask of the training: it looks here after each step, and does it in its own thread."""

    def __init__(self) -> None:
        self.asked = False  # whether there is anything to do: all that a step looks at
        self.pausing = self.stopping = False
        self.rates: dict[str, float] | None = None  # of the optimizers, while a training is under way
        self.scales: dict[str, float] = {}  # how many times what was planned each rate is
        self._changes: list[tuple[str, str, float]] = []
        self._changed = threading.Condition()

    def begin(self, rates: dict[str, float]) -> None:
        """A training is under way."""
        with self._changed:
            self.rates, self.asked, self.pausing, self.stopping, self._changes = rates, False, False, False, []

    def end(self) -> None:
        with self._changed:
            self.rates = None

    def ask(self, pausing: bool | None = None, stopping: bool = False) -> None:
        """Pause or go on; or stop."""
        with self._changed:
            self._require_training()
            self.pausing = (self.pausing if pausing is None else pausing) and not stopping
            self.stopping = self.stopping or stopping
            self.asked = True
            self._changed.notify_all()

    def ask_rate(self, optimizer: Any, how: str, value: Any) -> None:
        """Of one optimizer, "rate": the rate itself, "factor": how often the present one it shall be."""
        with self._changed:
            rates = self._require_training()
            if not isinstance(optimizer, str) or optimizer not in rates:
                raise OptionError(f"there is no optimizer {str(optimizer)[:40]!r}; there is {', '.join(rates)}")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise OptionError(f"a learning rate must be a positive number, not {str(value)[:40]}")
            if how == "rate" and not rates[optimizer]:
                raise OptionError("the schedule has brought the learning rate down to 0: it can be multiplied only")
            after = self.scales.get(optimizer, 1.0) * (value if how == "factor" else value / rates[optimizer])
            if after > max(MOST, self.scales.get(optimizer, 1.0)):
                raise OptionError(
                    f"a learning rate may be {MOST:g} times what was planned at most, and this is {after:.3g} times"
                )
            self._changes.append((optimizer, how, float(value)))
            self.asked = True
            self._changed.notify_all()

    def take_changes(self) -> list[tuple[str, str, float]]:
        """Changes of rates: optimizer, how, value."""
        with self._changed:
            changes, self._changes, self.asked = self._changes, [], False
            return changes

    def wait(self) -> None:
        """Until somebody asks for something; but Ctrl-C comes through everywhere."""
        with self._changed:
            if not self.asked:
                self._changed.wait(0.2)

    def _require_training(self) -> dict[str, float]:
        if self.rates is None:
            raise OptionError("no training is under way")
        return self.rates


class News(Mailbox):
    """An outbox that takes from the board, when the page is ready for a frame, what is new to it."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board, self._place = board, Place()

    def take(self, wait: bool = False) -> Any:
        own = super().take(wait)
        return self._board.next_frame(self._place) if own is None else own


class WatchSession(Session):
    """A page that watches."""

    def __init__(self, board: Board, controls: Controls) -> None:
        super().__init__()
        self.board, self.controls = board, controls
        self.outbox = News(board)

    def begin(self) -> None:
        self.board.join(self, self._wake)

    def end(self) -> None:
        self.board.leave(self)

    def on_pause(self, frame: Frame) -> None:
        """{}: after the step that is under way."""
        self.controls.ask(pausing=True)

    def on_go(self, frame: Frame) -> None:
        """{}: on."""
        self.controls.ask(pausing=False)

    def on_stop(self, frame: Frame) -> None:
        """{}: end training in good order."""
        self.controls.ask(stopping=True)

    def on_rate(self, frame: Frame) -> None:
        """{optimizer, rate} or {optimizer, factor}."""
        how = "factor" if "factor" in frame.fields else "rate"
        self.controls.ask_rate(frame.fields.get("optimizer"), how, frame.fields.get(how))
