"""What the workers of `xpnet train` agree on around training: who speaks, that all can begin, and who writes."""

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from xpnet.errors import XpnetError
from xpnet.parallel import Communicator, get_communicator

T = TypeVar("T")
REPORTED = (XpnetError, click.ClickException, OSError, MemoryError)  # what `run` makes a line of


def leads() -> bool:
    """Whether this process is the one that speaks and writes files: worker 0, or the only one."""
    return get_communicator().leads


def agree(communicator: Communicator, work: Callable[[], T]) -> T:
    """What `work` gives, if no worker fails at it. Else the first of those that do raises its error, and the others end
    without a word.
    """
    error: BaseException | None = None
    try:
        result = work()
    except REPORTED as caught:
        error = caught
    failed = communicator.together(lambda: communicator.share(b"1" if error else b""))
    if not any(failed):
        return result
    first = next(number for number, sign in enumerate(failed) if sign)
    if error is not None and communicator.rank == first:
        raise error
    sys.exit(0)  # the status of all is that of the one that says why


def finish(communicator: Communicator, work: Callable[[], T]) -> T | None:
    """What `work` gives on the worker that leads, None on the others, which wait: if it dies, the next one does it."""

    def attempt() -> T | None:
        result = work() if communicator.leads else None
        communicator.share(b"")
        return result

    try:
        return communicator.together(attempt)
    except Exception as error:
        raise communicator.fail(error) from error
