"""A Python program on several workers, started by mpiexec, and what each of them printed.

    run = run_workers(2, "-m", "tests.parallel.worker", "small")
    assert run.status == 0, run
    assert run.workers[1].out == "...\\n"

In between stands this file as a program: it sends what a worker prints to files of its own, and runs the program in the
same process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISSING = 'needs MPI: pip install "xpnet[mpi]"'
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
ENDED = 10.0  # seconds that mpiexec has to end the workers once it is told to


class Worker(NamedTuple):
    """`status` is that of the program's end: None if it never came there, being killed or ended by MPI."""

    out: str
    err: str
    status: int | None


class Run(NamedTuple):
    """`status`, `out` and `err` are mpiexec's own; `status` is None if the time was up."""

    status: int | None
    seconds: float
    workers: list[Worker]
    out: str
    err: str

    def __str__(self) -> str:
        """All of it, for a failed assertion."""
        texts = [f"status {self.status} after {self.seconds:.1f} s", self.out, self.err]
        for rank, (out, err, status) in enumerate(self.workers):
            texts.append(f"--- worker {rank}, status {status}\n{out}{err}")
        return "\n".join(texts)

    __repr__ = __str__


def find_mpiexec() -> str | None:
    """Beside the interpreter, as a wheel installs it, or on the PATH."""
    beside = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    return beside or shutil.which("mpiexec")


def has_mpi() -> bool:
    return importlib.util.find_spec("mpi4py") is not None and find_mpiexec() is not None


needs_mpi = pytest.mark.skipif(not has_mpi(), reason=MISSING)


def is_open_mpi(mpiexec: str) -> bool:
    text = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, check=False).stdout
    return "Open MPI" in text or "prterun" in text or "OpenRTE" in text


def run_workers(
    workers: int,
    *program: str | os.PathLike[str],
    ulfm: bool = False,
    timeout: float = 60.0,
    env: dict[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    meanwhile: Callable[[Path], Any] | None = None,
) -> Run:
    """Run `python *program` (a script, `-m` and a module, or `-c` and code, then arguments) on so many workers.

    `ulfm`: Open MPI goes on where a worker dies. `env`: variables beside those of this process. `meanwhile` is called
    while they run, with a new folder whose name the workers have in the variable WORKERS_FOLDER.
    """
    mpiexec = find_mpiexec()
    assert mpiexec is not None, MISSING
    command = [mpiexec]
    if is_open_mpi(mpiexec):
        command += ["--oversubscribe"]
        command += ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command += ["--with-ft", "ulfm"] if ulfm else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shared").mkdir()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        variables = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | (env or {})
        variables |= {"PYTHONPATH": path, "WORKERS_FOLDER": str(folder / "shared")}
        command += ["-n", str(workers), sys.executable, str(Path(__file__).resolve()), name, *map(os.fspath, program)]
        began = time.perf_counter()
        status, out, err = _run(command, variables, cwd, timeout, meanwhile and (lambda: meanwhile(folder / "shared")))
        seconds = time.perf_counter() - began
        return Run(status, seconds, [_worker(folder, rank) for rank in range(workers)], out, err)


def _run(
    command: list[str], env: dict[str, str], cwd: Any, timeout: float, meanwhile: Callable[[], Any] | None
) -> tuple[int | None, str, str]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, cwd=cwd) as process:
        try:
            if meanwhile is not None:
                meanwhile()
            out, err = process.communicate(timeout=timeout)
            return process.returncode, out, err
        except subprocess.TimeoutExpired:
            _end(process)
            return None, *process.communicate()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    """mpiexec ends its workers when it is asked to end, not when it is killed."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDED)
    process.kill()


def _worker(folder: Path, rank: int) -> Worker:
    def read(kind: str) -> str:
        path = folder / f"{rank}.{kind}"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    status = read("status")
    return Worker(read("out"), read("err"), int(status) if status else None)


def _become(folder: Path, arguments: list[str]) -> None:
    """Run the program in this process, as one of the workers, and note the status that it ends with."""
    rank = next(os.environ[name] for name in RANKS if name in os.environ)
    for number, kind in (1, "out"), (2, "err"):
        os.dup2(os.open(folder / f"{rank}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    status = 1
    try:
        _run_program(arguments)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        (folder / f"{rank}.status").write_text(str(status))


def _run_program(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.path[0] = ""
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    _become(Path(sys.argv[1]), sys.argv[2:])
