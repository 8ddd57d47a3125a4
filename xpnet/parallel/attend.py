"""A worker's side of launch.py: it hears what the launcher tells, and ends when mpiexec does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from xpnet.parallel.communicator import Communicator

PAUSE = 0.5  # seconds between two looks for mpiexec


def attend(communicator: Communicator) -> None:
    """From now on, SIGUSR1 is Ctrl-C for the worker that leads, and SIGUSR2 tells it that nobody reads its stdout any
    more: what it prints raises BrokenPipeError then. If the process that started this one is killed, it ends, too.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        if communicator.leads:
            raise KeyboardInterrupt

    if not hasattr(signal, "SIGUSR1"):  # Windows
        return
    signal.signal(signal.SIGUSR1, interrupt)
    signal.signal(signal.SIGUSR2, lambda number, frame: close_stdout())
    threading.Thread(target=_end_with, args=(os.getppid(),), name="xpnet-attend", daemon=True).start()


def close_stdout() -> None:
    """As if the reader of stdout had gone."""
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.close(writing)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PAUSE)
    os._exit(1)
