"""What one page has on this machine: a thread in which its requests are answered, and in which it trains."""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.errors import DataError, FormatError, XpnetError
from xpnet.serving.frames import Frame, pack

# messages that may wait, either way, and their bytes: a page that asks for more, or that does not read, is sent away
MOST_WAITING, MOST_BYTES_WAITING = 512, 64 << 20
LONGEST_ERROR = 500  # characters: some quote what was asked, which may be long
UNREAD = "this page does not read what it is sent; load it again"


class Mailbox:
    """Messages in the order in which they came; of a kind of which only the newest counts, the older ones are gone."""

    def __init__(self) -> None:
        self._messages: dict[Any, tuple[Any, int]] = {}  # and their bytes, by kind or by number
        self._number = self._bytes = 0
        self._changed = threading.Condition()

    def put(self, message: Any, newest_of: str | None = None, size: int = 0) -> bool:
        """Whether there was room for its `size` bytes. `newest_of`: the kind of which it replaces what waits."""
        with self._changed:
            if newest_of is None:
                if len(self._messages) >= MOST_WAITING or self._bytes + size > MOST_BYTES_WAITING:
                    return False
                self._number += 1
            key = self._number if newest_of is None else newest_of
            _, before = self._messages.pop(key, (None, 0))
            self._messages[key] = message, size
            self._bytes += size - before
            self._changed.notify()
            return True

    def take(self, wait: bool = False) -> Any:
        """The first message; None if there is none, unless it is waited for."""
        with self._changed:
            while wait and not self._messages:
                self._changed.wait()
            if not self._messages:
                return None
            message, size = self._messages.pop(next(iter(self._messages)))
            self._bytes -= size
            return message

    def take_all(self) -> list[Any]:
        """All that are there, in their order."""
        with self._changed:
            messages = [message for message, _ in self._messages.values()]
            self._messages.clear()
            self._bytes = 0
            return messages


class Outbox(Mailbox):
    """One from which all that wait are taken before what comes meanwhile. What is replaced goes to the end, so that of
    several kinds that change in turn, a reader who is slow would otherwise get the first alone, for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._round = deque[Any]()

    def take(self, wait: bool = False) -> Any:
        if not self._round:
            self._round.extend(self.take_all())
        return self._round.popleft() if self._round else super().take(wait)


class Session:
    """The base of what pages talk to. Everything but `start`, `receive` and `stop` runs in the session's own thread.

    A subclass answers a request of the kind "read" in `on_read(frame)`, by `send`. While `busy`, `work` is called again
    and again between requests: a slice of some milliseconds of what goes on by itself, such as a training. What either
    raises as XpnetError is told to the page, as a frame "error". Random numbers come from a state of the session's own.
    """

    newest: ClassVar[frozenset[str]] = frozenset()  # kinds of requests of which only the newest counts

    def __init__(self) -> None:
        self.inbox: Mailbox = Mailbox()
        self.outbox: Mailbox = Outbox()
        self.stopped = False
        self.farewell = ""  # why it ended by itself
        self._wake: Callable[[], None] = lambda: None

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
        frame = pack(kind, fields, **arrays)
        if not self.outbox.put(frame, newest_of, len(frame)):
            self.stopped, self.farewell = True, UNREAD
        self._wake()

    # ---- for the server --------------------------------------------------------------------------------------------

    def start(self, wake: Callable[[], None], ended: Callable[[], None]) -> None:
        """Both are called in the session's thread: `wake` when something waits in the outbox, `ended` as the last."""
        self._wake = wake
        threading.Thread(target=self._run, args=(ended,), name=type(self).__name__, daemon=True).start()

    def receive(self, frame: Frame, size: int = 0) -> None:
        """A request of so many bytes; FormatError for one of a kind that nobody answers, DataError for one too many."""
        if not callable(getattr(self, f"on_{frame.kind}", None)):
            raise FormatError(f"there is no request {frame.kind[:40]!r}")
        if not self.inbox.put(frame, frame.kind if frame.kind in self.newest else None, size):
            raise DataError(f"more than {MOST_WAITING} requests are waiting, or {MOST_BYTES_WAITING >> 20} MiB of them")

    def stop(self) -> None:
        """Let the thread end, after the slice that it is in."""
        self.stopped = True
        self.inbox.put(None, "stop")

    def _run(self, ended: Callable[[], None]) -> None:
        failed = False  # `work`, which then waits for a request: it would fail again and again
        with random.preserved_state(random.next_key("session")), np.errstate(all="ignore"):
            try:
                self._guarded("begin", self.begin)
                while not self.stopped:
                    busy = self.busy and not failed
                    frame = self.inbox.take(wait=not busy)
                    if frame is not None:
                        failed = False
                        self._guarded(frame.kind, getattr(self, f"on_{frame.kind}"), frame)
                    elif busy:
                        failed = not self._guarded("work", self.work)
            finally:
                self._guarded("end", self.end)
                ended()

    def _guarded(self, kind: str, function: Callable[..., None], *arguments: Any) -> bool:
        """Whether it succeeded; the page is told if it did not."""
        try:
            function(*arguments)
        except XpnetError as error:
            self.send("error", {"about": kind, "text": shortened(str(error))})
            return False
        except Exception as error:
            # a request that lacks a field, or has it in another form; or a fault of ours, which is told in full here
            traceback.print_exc()
            self.send("error", {"about": kind, "text": shortened(f"{kind!r} cannot be done: {error!r}")})
            return False
        return True


def shortened(text: str) -> str:
    """The beginning of a text that is too long for a page."""
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 2] + " …"
