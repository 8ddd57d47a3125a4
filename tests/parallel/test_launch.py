"""How workers are started, what is passed on of what they say, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.workers import needs_mpi
from xpnet.errors import MissingExtraError, OptionError
from xpnet.parallel import launch
from xpnet.parallel.launch import Launcher, died, find_launcher, mpiexec_line, python_line, run_workers
from xpnet.parallel.noise import Filter

ROOT = Path(__file__).parents[2]
OPEN_MPI = Launcher("/usr/bin/mpiexec", "Open MPI", "5.0.11", True)
RULE = "-" * 74
posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")

# ---- what is printed -------------------------------------------------------------------------------------------------

ABORT = f"""{RULE}
MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD
  Proc: [[43606,1],0]
  Errorcode: 1

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
{RULE}
{RULE}
prterun has exited due to process rank 0 with PID 0 on node vm calling
"abort". This may have caused other processes in the application to be
terminated by signals sent by prterun (as reported here).
{RULE}
"""
KILLED = f"""{RULE}
prterun noticed that process rank 3 with PID 0 on node vm exited on
signal 9 (Killed).
{RULE}
"""
MPICH = f"""
{"=" * 83}
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 9573 RUNNING AT vm
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
{"=" * 83}
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
This typically refers to a problem with your application.
Please see the FAQ page for debugging suggestions
Abort(1) on node 1 (rank 1 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 1) - process 1
"""
SLOTS = f"""{RULE}
There are not enough slots available in the system to satisfy the 400
slots that were requested by the application:

  python
{RULE}
"""


def filtered(text: str) -> tuple[str, str]:
    given: list[str] = []
    found = Filter(given.append)
    for line in text.splitlines(keepends=True):
        found.take(line)
    found.flush()
    return "".join(given), found.died


@pytest.mark.parametrize("noise", [ABORT, KILLED + "\0", MPICH, "[vm:7] 1 more process has sent help message x\n"])
def test_what_mpiexec_says_of_workers_that_ended_is_left_out(noise: str) -> None:
    assert filtered(f"xpnet: error: a\n{noise}xpnet: b\n")[0] == "xpnet: error: a\nxpnet: b\n"


@pytest.mark.parametrize(
    "text", [SLOTS, f"{RULE}\n", f"a\n{RULE}\nb\n{RULE}\n", f"{RULE}\n{RULE}\nb\n", "rank 1\n", "\na\n\n\nb\n\n"]
)
def test_all_else_is_passed_on(text: str) -> None:
    assert filtered(text) == (text, "")


def test_who_died_is_read_from_it() -> None:
    assert filtered(KILLED + ABORT)[1] == "worker 3 died (signal 9 (Killed))"
    assert filtered(ABORT)[1] == ""


# ---- mpiexec ---------------------------------------------------------------------------------------------------------


def test_open_mpi_binds_nobody_and_goes_on_without_who_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPNET_JIT", "0")
    line = mpiexec_line(OPEN_MPI, 3, more=["--hostfile", "hosts"])
    assert line[:3] == ["/usr/bin/mpiexec", "-n", "3"] and line[-2:] == ["--hostfile", "hosts"]
    text = " ".join(line)
    assert "--bind-to none --oversubscribe" in text and "--with-ft ulfm" in text and "-x XPNET_JIT" in text
    assert ("--allow-run-as-root" in line) == (hasattr(os, "geteuid") and os.geteuid() == 0)
    assert "--with-ft" not in mpiexec_line(OPEN_MPI, 3, ulfm=False)
    assert "--with-ft" not in mpiexec_line(OPEN_MPI._replace(ulfm=False), 3)


def test_other_mpis_are_given_what_they_know() -> None:
    mpich = Launcher("mpiexec", "MPICH", "5.0.2", False)
    assert mpiexec_line(mpich, 2) == ["mpiexec", "-n", "2", "-bind-to", "none"]
    assert mpiexec_line(mpich._replace(kind="Intel MPI"), 2) == ["mpiexec", "-n", "2", "-genv", "I_MPI_PIN", "0"]
    assert mpiexec_line(Launcher("mpiexec", "", "", False), 2, more=["-x"]) == ["mpiexec", "-n", "2", "-x"]
    with pytest.raises(
        OptionError, match=r"--ulfm needs an Open MPI 5 .*is of MPICH 5\.0\.2 and has none: leave it out"
    ):
        mpiexec_line(mpich, 2, ulfm=True)


def test_the_current_folder_is_no_place_of_modules_of_a_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file random.py there would take the place of Python's."""
    monkeypatch.chdir(tmp_path)
    assert python_line("xpnet", "train") == [sys.executable, "-P", "-m", "mpi4py", "-m", "xpnet", "train"]
    monkeypatch.chdir(ROOT)
    assert python_line("xpnet") == [sys.executable, "-m", "mpi4py", "-m", "xpnet"]


@pytest.mark.parametrize(
    ("status", "is_death"), [(137, 1), (139, 1), (9, 1), (75, 1), (-9, 1), (0, 0), (1, 0), (130, 0)]
)
def test_statuses_of_a_death(status: int, is_death: int) -> None:
    assert died(status) == bool(is_death)


def test_without_mpi4py_or_mpiexec_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find_launcher.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(launch.shutil, "which", lambda *_, **__: None)
        with pytest.raises(MissingExtraError, match=r'pip install "xpnet\[mpi\]" \(there is no mpi'):
            find_launcher()
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingExtraError, match=r'pip install "xpnet\[mpi\]" \(there is no mpi4py\)'):
        find_launcher()


@needs_mpi
def test_the_mpiexec_that_is_there_is_known() -> None:
    find_launcher.cache_clear()
    found = find_launcher()
    assert os.access(found.path, os.X_OK) and found.kind in ("Open MPI", "MPICH", "Intel MPI") and found.version


# ---- processes: in the place of mpiexec, a Python --------------------------------------------------------------------


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_come_as_they_were_printed_and_the_status_is_mpiexec_s() -> None:
    out: list[str] = []
    err: list[str] = []
    code = "import sys; print('a'); print('b'); print('c', file=sys.stderr); sys.exit(3)"
    end = run_workers(python(code), out.append, err.append)
    assert (out, err) == (["a\n", "b\n"], ["c\n"])
    assert end == (3, "", False, False, False)
    killed = run_workers(python("import os; os.kill(os.getpid(), 9)"), out.append, err.append)
    assert (killed.status, killed.died) == (-9, "one of the workers died")


@posix
def test_workers_are_told_when_nobody_reads() -> None:
    """More than a pipe holds: who waits for a reader would wait for ever."""

    def broken(text: str) -> None:
        raise BrokenPipeError

    code = (
        "import signal, sys, time; signal.signal(signal.SIGUSR2, lambda *_: sys.exit(141))\n"
        "while True: print('x' * 1000, flush=True)"
    )
    end = run_workers(python(code), broken, print)
    assert end.closed and end.status == 141


LAUNCHER = """
import sys
from xpnet.parallel.launch import run_workers
child = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
run_workers([sys.executable, "-c", child], lambda text: print(text, end="", flush=True), print)
print("ended", flush=True)
"""


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_mpiexec_ends_with_the_launcher(name: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LAUNCHER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as launcher:
        assert launcher.stdout is not None
        number = int(launcher.stdout.readline())
        launcher.send_signal(getattr(signal, name))
        launcher.wait(60)
        until = time.monotonic() + 60
        while is_alive(number) and time.monotonic() < until:
            time.sleep(0.01)
        assert not is_alive(number)
        assert launcher.stdout.read() == ("ended\n" if name == "SIGTERM" else "")


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
