"""What one page has on this machine: a thread in which its requests are answered, and in which it trains."""

import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.errors import DataError, FormatError, XpnetError
from xpnet.serving.frames import Frame, pack

MOST_WAITING = 512  # messages, either way: a page that asks for more at once, or that does not read, is sent away


class Mailbox:
    """Messages in the order in which they came; of a kind of which only the newest counts, the older ones are gone."""

    def __init__(self) -> None:
        self._messages: dict[Any, Any] = {}  # by kind, or by number
        self._number = 0
        self._changed = threading.Condition()

    def put(self, message: Any, newest_of: str | None = None) -> bool:
        """Whether there was room for it. `newest_of`: the kind of which it replaces what waits."""
        with self._changed:
            if newest_of is None:
                if len(self._messages) >= MOST_WAITING:
                    return False
                self._number += 1
            key = self._number if newest_of is None else newest_of
            self._messages.pop(key, None)
            self._messages[key] = message
            self._changed.notify()
            return True

    def take(self, wait: bool = False) -> Any:
        """The first message; None if there is none, unless it is waited for."""
        with self._changed:
            while wait and not self._messages:
                self._changed.wait()
            return self._messages.pop(next(iter(self._messages))) if self._messages else None


class Session:
    """The base of what pages talk to. Everything but `start`, `receive` and `stop` runs in the session's own thread.

    A subclass answers a request of the kind "read" in `on_read(frame)`, by `send`. While `busy`, `work` is called again
    and again between requests: a slice of some milliseconds of what goes on by itself, such as a training. What either
    raises as XpnetError is told to the page, as a frame "error". Random numbers come from a state of the session's own.
    """

    newest: ClassVar[frozenset[str]] = frozenset()  # kinds of requests of which only the newest counts

    def __init__(self) -> None:
        self.inbox, self.outbox = Mailbox(), Mailbox()
        self.stopped = False
        self._wake: Callable[[], None] = lambda: None
        self._full: Callable[[], None] = lambda: None

    # ---- for subclasses --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The first thing that is done in the thread."""

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return False

    def work(self) -> None:
        """A slice of it."""

    def end(self) -> None:
        """The last thing that is done in the thread, also after an error."""

    def send(
        self,
        kind: str,
        fields: Mapping[str, Any] | None = None,
        newest_of: str | None = None,
        **arrays: npt.NDArray[Any],
    ) -> None:
        """A frame for the page. It replaces one that is still waiting and has the same `newest_of`, if that is given:
        so a page that is slow gets the latest state, and not all there ever was.
        """
        if not self.outbox.put(pack(kind, fields, **arrays), newest_of):
            self.stopped = True
            self._full()
        self._wake()

    # ---- for the server --------------------------------------------------------------------------------------------

    def start(self, wake: Callable[[], None], full: Callable[[], None]) -> None:
        """`wake` is called, in any thread, when something waits in the outbox; `full` when nobody takes it away."""
        self._wake, self._full = wake, full
        threading.Thread(target=self._run, name=type(self).__name__, daemon=True).start()

    def receive(self, frame: Frame) -> None:
        """A request; FormatError for one of a kind that nobody answers, DataError for one too many."""
        if not frame.kind.isidentifier() or not hasattr(self, f"on_{frame.kind}"):
            raise FormatError(f"there is no request {frame.kind[:40]!r}")
        if not self.inbox.put(frame, frame.kind if frame.kind in self.newest else None):
            raise DataError(f"more than {MOST_WAITING} requests are waiting")

    def stop(self) -> None:
        """Let the thread end, after the slice that it is in."""
        self.stopped = True
        self.inbox.put(None, "stop")

    def _run(self) -> None:
        with random.preserved_state(), np.errstate(all="ignore"):
            try:
                self._guarded("begin", self.begin)
                while not self.stopped:
                    frame = self.inbox.take(wait=not self.busy)
                    if frame is not None:
                        self._guarded(frame.kind, getattr(self, f"on_{frame.kind}"), frame)
                    elif self.busy and not self.stopped:
                        self._guarded("work", self.work)
            finally:
                self.end()

    def _guarded(self, kind: str, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except XpnetError as error:
            self.send("error", {"about": kind, "text": str(error)})
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # a request that lacks a field, or has it in another form; or a fault of ours, which is told in full here
            traceback.print_exc()
            self.send("error", {"about": kind, "text": f"the request {kind!r} cannot be answered: {error!r}"})
