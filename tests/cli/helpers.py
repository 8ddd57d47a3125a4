"""How the tests call the commands, and how they read what comes out."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import xpnet

PNG = b"\x89PNG\r\n\x1a\n"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error: the last line on stderr, and the only one that is an error."""
        lines = self.err.splitlines()
        assert [line for line in lines if line.startswith("xpnet: error: ")] == lines[-1:]
        assert "Traceback" not in self.err
        return lines[-1].removeprefix("xpnet: error: ")


Command = Callable[..., Outcome]


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "xpnet", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def unread(*arguments: object, both: bool = False) -> tuple[int, str]:
    """The exit status of a command whose stdout nobody reads, nor its stderr if `both`; and what is on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        line = [sys.executable, "-m", "xpnet", *map(str, arguments)]
        done = subprocess.run(line, stdout=writing, stderr=writing if both else subprocess.PIPE, text=True, timeout=120)
    finally:
        os.close(writing)
    return done.returncode, done.stderr or ""


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def interrupt_after(patch: pytest.MonkeyPatch, count: int) -> None:
    """Ctrl-C in the step that follows these."""
    step, left = xpnet.optimizers.Adam.step, iter(range(count))

    def interrupting(*arguments: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        step(*arguments)

    patch.setattr(xpnet.optimizers.Adam, "step", interrupting)
