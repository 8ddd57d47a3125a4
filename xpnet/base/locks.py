"""Locks of the whole process, which a fork must not leave locked."""

import os
import threading
from collections.abc import Callable
from typing import Any


class ProcessLock:
    """`with process_lock.lock: ...`. A forked process gets a new one: of its parent's threads it has only the one that
    forked, and what another held nobody would ever give back.
    """

    def __init__(self, make: Callable[[], Any] = threading.Lock) -> None:
        self.make = make
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = self.make()
