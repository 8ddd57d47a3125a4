"""Start workers by mpiexec, and stay beside them until they have ended: none of them is left behind.

Workers are in a session of their own, where Ctrl-C does not reach them: what they are to know, they are told by
signals, which mpiexec hands on (attend.py has their side). If this process is killed, a guard, a process that waits for
that and nothing else, ends mpiexec; if mpiexec is, the workers see it by themselves.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import xpnet.errors
from xpnet.errors import MissingExtraError, OptionError
from xpnet.parallel.engine import MISSING
from xpnet.parallel.noise import Filter

TEMPORARY = 75  # EX_TEMPFAIL: a worker died, and those that are left cannot go on by themselves
FATAL = {
    getattr(signal, name, None) for name in ("SIGKILL", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGTERM")
}
# Python, without site: ends the process of this number when the other end of its stdin closes without a word.
GUARD = "import os, signal, sys; sys.stdin.buffer.read(1) or os.kill(int(sys.argv[1]), signal.SIGTERM)"


class Launcher(NamedTuple):
    """An mpiexec. `ulfm`: whether training goes on where a worker dies (user-level failure mitigation)."""

    path: str
    kind: str  # "Open MPI", "MPICH", "Intel MPI", or nothing where it does not tell
    version: str
    ulfm: bool


class End(NamedTuple):
    """How the workers ended: mpiexec's exit status, and what ended them from outside."""

    status: int
    died: str  # which worker died, and by what, as far as mpiexec tells; nothing if none did
    interrupted: bool  # by Ctrl-C
    closed: bool  # as nobody reads what they print
    terminated: bool  # by SIGTERM


# ---- mpiexec ---------------------------------------------------------------------------------------------------------


@functools.cache
def find_launcher() -> Launcher:
    """The mpiexec beside the interpreter, where a wheel puts it, else the first on PATH.

    Raises MissingExtraError if there is none, or no mpi4py.
    """
    if importlib.util.find_spec("mpi4py") is None:
        raise MissingExtraError(f"{MISSING} (there is no mpi4py)")
    beside = os.path.dirname(os.path.abspath(sys.executable))
    path = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    if path is None:
        raise MissingExtraError(f"{MISSING} (there is no mpiexec beside {sys.executable} or on PATH)")
    text = _said_by(path, "--version")
    known = {"Open MPI": "Open MPI|OpenRTE|prterun", "Intel MPI": r"Intel\(R\) MPI", "MPICH": "HYDRA|MPICH|mpich"}
    kind = next((name for name, pattern in known.items() if re.search(pattern, text)), "")
    version = match[0] if (match := re.search(r"\d+\.\d[\w.]*", text)) else ""
    return Launcher(path, kind, version, kind == "Open MPI" and _has_ulfm(path))


def _has_ulfm(mpiexec: str) -> bool:
    """What Open MPI was built with, of which the command beside mpiexec tells."""
    about = shutil.which("ompi_info", path=os.path.dirname(mpiexec)) or shutil.which("ompi_info")
    return about is not None and re.search(r"FT MPI support: yes", _said_by(about)) is not None


def _said_by(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OptionError(f"{command[0]} does not run ({error}): is its MPI complete?") from error
    return done.stdout + done.stderr


def mpiexec_line(launcher: Launcher, workers: int, ulfm: bool | None = None, more: Sequence[str] = ()) -> list[str]:
    """mpiexec with its options. `ulfm`: None is where it has it; `more` are the user's own, for mpiexec as they are.

    Threads of a worker may use all processors: bound to one, as Open MPI has it by default, they would stand in line.

    Raises OptionError if ULFM is asked for and not there.
    """
    if ulfm and not launcher.ulfm:
        raise OptionError(
            f"--ulfm needs an Open MPI 5 that was built with it; {launcher.path} is of"
            f" {launcher.kind or 'an unknown MPI'} {launcher.version} and has none: leave it out, and --restarts starts"
            " training again where a worker dies"
        )
    line = [launcher.path, "-n", str(workers)]
    if launcher.kind == "Open MPI":
        line += ["--bind-to", "none", "--oversubscribe"]  # else it starts no more than there are cores
        line += ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        line += ["--with-ft", "ulfm"] if launcher.ulfm and ulfm is not False else []
        for name in sorted(os.environ):  # to other hosts it hands on its own alone
            line += ["-x", name] if name.startswith("XPNET_") or name == "PYTHONPATH" else []
    elif launcher.kind == "MPICH":
        line += ["-bind-to", "none"]
    elif launcher.kind == "Intel MPI":
        line += ["-genv", "I_MPI_PIN", "0"]
    return [*line, *more]


def python_line(*module: str) -> list[str]:
    """Python as a worker, which ends all of them if it ends by an error. The current folder is a place of modules only
    where xpnet itself comes from there.
    """
    here = Path(xpnet.errors.__file__).resolve().parents[1] == Path.cwd()
    return [sys.executable, *([] if here else ["-P"]), "-m", "mpi4py", "-m", *module]


# ---- the workers -----------------------------------------------------------------------------------------------------


def died(status: int) -> bool:
    """Whether mpiexec's exit status says that a worker, or mpiexec itself, was killed: Open MPI gives 128 and the
    signal's number as a shell does, MPICH the number.
    """
    return status < 0 or status == TEMPORARY or status in FATAL or status - 128 in FATAL


def run_workers(line: Sequence[str], out: Callable[[str], None], err: Callable[[str], None]) -> End:
    """Run mpiexec, and hand each line that workers print to `out` or `err`, but for what mpiexec itself says of how
    they ended. If `out` raises BrokenPipeError, worker 0 is told that nobody reads.

    Ctrl-C interrupts worker 0; a second one ends all of them, as SIGTERM does.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", errors="replace",
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    closed = threading.Event()

    def say(text: str) -> None:
        if not closed.is_set():
            try:
                out(text)
            except BrokenPipeError:
                closed.set()
                _tell(process, "SIGUSR2")

    filters = Filter(say), Filter(err)
    pumps = [
        threading.Thread(target=_pump, args=arguments, name="xpnet-launch", daemon=True)
        for arguments in zip((process.stdout, process.stderr), filters, strict=True)
    ]
    with _guarded(process), _ended_by_sigterm(process) as terminated:
        for pump in pumps:
            pump.start()
        interrupts = _wait(process)
        for pump in pumps:
            pump.join(10)  # a process that a worker started may hold the other end
    status = process.returncode
    who = next((each.died for each in filters if each.died), "one of the workers died")
    killed = who if died(status) else ""
    return End(status, killed, interrupts > 0, closed.is_set(), terminated.is_set())


def _pump(stream: IO[str], found: Filter) -> None:
    with stream:
        for text in stream:
            with contextlib.suppress(OSError):  # nobody reads it; but workers must not wait for a reader
                found.take(text)
    with contextlib.suppress(OSError):
        found.flush()


def _wait(process: subprocess.Popen[str]) -> int:
    """Until it ends; how often Ctrl-C was pressed meanwhile."""
    interrupts = 0
    while True:
        try:
            process.wait()
            return interrupts
        except KeyboardInterrupt:
            interrupts += 1
            _tell(process, "SIGUSR1" if interrupts == 1 else "SIGTERM" if interrupts == 2 else "SIGKILL")


def _tell(process: subprocess.Popen[str], name: str) -> None:
    """Send the signal; where the system has none of this name, end it."""
    process.send_signal(getattr(signal, name, signal.SIGTERM))


@contextlib.contextmanager
def _guarded(process: subprocess.Popen[str]) -> Iterator[None]:
    """Within the block, mpiexec ends if this process does, however it ends."""
    command = [sys.executable, "-I", "-S", "-c", GUARD, str(process.pid)]
    quiet = subprocess.DEVNULL
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)
    assert guard.stdin is not None
    try:
        yield
    except BaseException:
        process.terminate()
        raise
    finally:
        with contextlib.suppress(OSError):
            guard.stdin.write(b".")
            guard.stdin.close()
        guard.wait()


@contextlib.contextmanager
def _ended_by_sigterm(process: subprocess.Popen[str]) -> Iterator[threading.Event]:
    """Within the block, SIGTERM ends the workers first, if it would have ended this process."""
    terminated = threading.Event()

    def end(*_: object) -> None:
        terminated.set()
        process.terminate()

    own = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if own:
        signal.signal(signal.SIGTERM, end)
    try:
        yield terminated
    finally:
        if own:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
