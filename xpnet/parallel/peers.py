"""Who the workers are: on which host, and which process there."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import NamedTuple


class Peer(NamedTuple):
    """A worker's process. `started`: when, as the host's kernel counts, so that a number that has gone to another
    process is not taken for it; "" where that cannot be learnt.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def own(cls) -> Peer:
        return cls(socket.gethostname(), os.getpid(), start_of(os.getpid()))

    @classmethod
    def unpacked(cls, data: bytes) -> Peer:
        host, pid, started = data.decode().split("\n")
        return cls(host, int(pid), started)

    def packed(self) -> bytes:
        return f"{self.host}\n{self.pid}\n{self.started}".encode()

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    def end(self) -> bool:
        """Kill it, if it is on this host and still the same process. Returns whether it is gone."""
        if self.host != socket.gethostname() or not self.started:
            return False
        if start_of(self.pid) == self.started:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
        return True


def start_of(pid: int) -> str:
    """When the process was started, in ticks since the host was; "" where there is no /proc, or no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # its field 22; the name, field 2, may have spaces and parentheses
