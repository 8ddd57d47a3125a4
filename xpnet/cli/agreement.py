"""What the workers of `xpnet train` agree on around training: who speaks, whether all can begin, and who says why."""

import contextlib
import sys
from collections.abc import Callable, Iterator
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
    sys.exit(0)  # the status of all is that of the one that says why, which mpiexec gives


@contextlib.contextmanager
def one_status(communicator: Communicator) -> Iterator[None]:
    """Within the block, a worker that ends because another one says what went wrong does so with status 0: of several
    others, mpiexec gives any.
    """
    try:
        yield
    except SystemExit as end:
        if communicator.size > 1 and end.code == 1:
            sys.exit(0)
        raise
