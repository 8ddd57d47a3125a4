"""Ctrl-C while the command `xpnet` is still being imported, which takes a moment: it ends without a traceback."""

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C ends the process as the system has it, if the process is the command; else nothing changes.

    To catch KeyboardInterrupt would not do: what begins inside a compiled module becomes an ImportError there. Nothing
    is open yet that would have to be closed. Whoever ignores Ctrl-C, as a shell does for what it puts into the
    background, or handles it, goes on to do so.
    """
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not (handled and threading.current_thread() is threading.main_thread() and is_command()):
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_command() -> bool:
    """Whether this is `python -m xpnet`, or the script `xpnet` that pip makes of the entry point."""
    script = os.path.splitext(os.path.basename((sys.argv or [""])[0]))[0]
    return script in ("xpnet", "xpnet-script") or ("-m", "xpnet") in itertools.pairwise(sys.orig_argv)
