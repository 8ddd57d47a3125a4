"""How a command ends when it is not by itself: by Ctrl-C, or because nobody reads what it prints."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

INTERRUPTED, CLOSED = 130, 141  # exit statuses, as a shell has them for SIGINT and SIGPIPE


class OutputClosed(Exception):
    """Nobody reads the output any more: `head`, for one, goes when it has its lines."""


class Commands(click.Group):
    """Leaves both ends to `run`: click would print an empty line after Ctrl-C, and end with 1 when a pipe is closed."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _ends():  # --help prints here
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _ends():
            return super().invoke(ctx)


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise click.Abort from error
    except BrokenPipeError as error:
        raise OutputClosed from error


def discard_output() -> None:
    """Forget what was written for a reader who is gone: it must not fail once more when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
