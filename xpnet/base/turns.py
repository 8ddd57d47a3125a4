"""Functions that take turns: each runs until it asks for something that all of them must come to first.

They are written as if each ran alone. That takes a thread for each, of which one runs at a time.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any

ENDED = object()  # what a function that is through asks for


class Abandoned(BaseException):
    """Unwinds a function that shall not go on."""


class Turn:
    """The thread of one function."""

    def __init__(self, function: Callable[[Turn], Any]) -> None:
        self.asked: Any = None
        self.error: BaseException | None = None
        self._go, self._paused, self._abandoned = threading.Semaphore(0), threading.Semaphore(0), False
        self._function = function
        self._thread: threading.Thread | None = None  # once it is its turn for the first time

    def pause(self, asked: Any) -> Any:
        """In the function: wait until all have paused, and return what they are answered."""
        if self._abandoned:  # it asks while it is unwound
            raise Abandoned
        self.asked = asked
        self._paused.release()
        self._go.acquire()
        if self._abandoned:
            raise Abandoned
        return self._answer

    def go_on(self, answer: Any = None) -> Any:
        """Outside: let it run, and return what it asks for next, or ENDED; what it raises is raised here."""
        if self._thread is None:
            context = contextvars.copy_context()  # settings of the blocks around hold in there too
            self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
            self._thread.start()
        self._answer = answer
        self._go.release()
        self._paused.acquire()
        if self.error is not None:
            raise self.error
        return self.asked

    def abandon(self) -> None:
        """End it where it is, and wait for that."""
        self._abandoned = True
        self._go.release()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._abandoned:
                self._function(self)
        except Abandoned:
            pass
        except BaseException as error:
            self.error = error
        self.asked = ENDED
        self._paused.release()


class Turns:
    """`with Turns(functions) as turns`: afterwards none of them runs any more."""

    def __init__(self, functions: Sequence[Callable[[Turn], Any]]) -> None:
        self.turns = [Turn(function) for function in functions]

    def round(self, answer: Any = None) -> list[Any]:
        """Let each run, in order, with the answer to what it asked, until it asks again or is through; all they ask."""
        return [turn.go_on(answer) if turn.asked is not ENDED else ENDED for turn in self.turns]

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        for turn in self.turns:
            turn.abandon()
