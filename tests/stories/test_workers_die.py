"""Workers that die, hang, fail or find no room in the middle of a training: the others go on with the same bits, or
all end soon, and one says why.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import THOROUGH
from tests.kit.workers import ROOT, Run, needs_mpi, needs_ulfm, run_workers

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL to send")
PROGRAM = "-m", "tests.stories.dying_worker"
SOON = 10.0  # seconds in which all have ended when one fails
FILES = ["log.csv", *(f"at-{epoch}.safetensors" for epoch in range(1, 9))]


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() if (folder / name).exists() else b"" for name in FILES}


class Undisturbed:
    def __init__(self, folder: Path) -> None:
        run = run_workers(1, *PROGRAM, folder)
        assert run.status == 0, run
        self.result, self.files, self.seconds = run.workers[0].out.split()[-1], read(folder), run.seconds
        assert all(self.files.values())

    def assert_same(self, run: Run, folder: Path, left: set[int]) -> None:
        """These have come to the end, with this result and these files."""
        assert run.status == 0, run
        ends = {int(who): (int(size), result) for who, size, result in (w.out.split() for w in run.workers if w.out)}
        assert ends == dict.fromkeys(left, (len(left), self.result)), run
        assert read(folder) == self.files, run
        assert not (folder / "backup.safetensors").exists(), run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def assert_told_once(run: Run, text: str) -> None:
    """All have ended by an error, which one of them told."""
    assert run.status not in (0, None), run
    errors = [worker.err for worker in run.workers if worker.err]
    assert len(errors) == 1 and errors[0].count(text) == 1 and text not in run.err, run
    assert all(not worker.out for worker in run.workers), run


# ---- deaths ----------------------------------------------------------------------------------------------------------


@needs_ulfm
@pytest.mark.parametrize(
    ("plans", "left"),
    [
        (["1:SIGKILL:4"], {0, 2}),
        (["0:SIGKILL:4"], {1, 2}),  # the one that writes
        (["0:SIGKILL:7", "2:SIGKILL:7"], {1}),  # two at once
        (["0:SIGKILL:3", "1:SIGKILL:22"], {2}),  # each that leads
    ],
)
def test_the_others_go_on_with_the_same_bits(
    plans: list[str], left: set[int], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, *plans, ulfm=True)
    undisturbed.assert_same(run, tmp_path, left)


@needs_mpi
def test_where_mpi_cannot_go_on_the_same_script_does_from_its_backup(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, "1:SIGKILL:13")
    assert run.status not in (0, None), run
    assert (tmp_path / "backup.safetensors").exists()
    again = run_workers(2, *PROGRAM, tmp_path)
    undisturbed.assert_same(again, tmp_path, {0, 1})


@needs_ulfm
@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--command",), ("--restarts",)] if THOROUGH else [()])
def test_deaths_at_random_moments(words: tuple[str, ...]) -> None:
    command = [sys.executable, str(ROOT / "bench" / "deaths.py"), "--seed", "3", "--kills", "3", "--most", "4", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0 and " 0 wrong" in done.stdout, done.stdout + done.stderr


# ---- workers that do not answer --------------------------------------------------------------------------------------


@needs_ulfm
@pytest.mark.parametrize("worker", [0, 1])
def test_one_that_hangs_counts_as_dead(worker: int, undisturbed: Undisturbed, tmp_path: Path) -> None:
    patience = {"XPNET_WORKER_TIMEOUT": "3"}
    run = run_workers(3, *PROGRAM, tmp_path, f"{worker}:SIGSTOP:5", ulfm=True, env=patience)
    undisturbed.assert_same(run, tmp_path, {0, 1, 2} - {worker})


@needs_mpi
@pytest.mark.slow
def test_one_that_is_stopped_for_thirty_seconds_goes_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, "1:PAUSE30:5", timeout=120)
    undisturbed.assert_same(run, tmp_path, {0, 1, 2})
    assert run.seconds > 30


# ---- errors ----------------------------------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.parametrize("ulfm", [pytest.param(True, marks=needs_ulfm), False])
@pytest.mark.parametrize("who", ["0", "2", "all"])
def test_an_error_in_a_callback_ends_all_soon_and_is_told_once(
    who: str, ulfm: bool, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, f"{who}:raise:5", ulfm=ulfm)
    assert_told_once(run, "ValueError: planned")
    assert run.seconds < undisturbed.seconds + SOON, run
    assert (tmp_path / "log.csv").read_text().count("\n") == 2


@needs_mpi
def test_a_full_disk_of_the_one_that_writes_ends_all_soon_and_is_told_once(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, "0:full:5")
    assert_told_once(run, "FileError: cannot write")
    assert run.seconds < undisturbed.seconds + SOON, run
    assert (tmp_path / "backup.safetensors").exists()
    undisturbed.assert_same(run_workers(2, *PROGRAM, tmp_path), tmp_path, {0, 1})  # now there is room


@needs_mpi
def test_a_full_disk_of_another_one_disturbs_nobody(undisturbed: Undisturbed, tmp_path: Path) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, "1:full:5")
    undisturbed.assert_same(run, tmp_path, {0, 1, 2})


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.parametrize("who", ["1", "all"])
def test_ctrl_c_ends_all_soon_and_training_goes_on_from_its_backup(
    who: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    run = run_workers(3, *PROGRAM, tmp_path, f"{who}:interrupt:13")
    assert run.status not in (0, None), run
    assert run.seconds < undisturbed.seconds + SOON, run
    assert all(not worker.out for worker in run.workers), run
    undisturbed.assert_same(run_workers(3, *PROGRAM, tmp_path), tmp_path, {0, 1, 2})


@needs_mpi
def test_ctrl_c_on_mpiexec_leaves_nobody_behind(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """All workers wait for one that is stopped, so that nobody has ended when it comes."""
    pids = tmp_path / "pids"
    pids.mkdir()
    program = (
        "import os, sys; from tests.stories.dying_worker import main\n"
        f"open(os.path.join({str(pids)!r}, str(os.getpid())), 'w').close()\n"
        "main(*sys.argv[1:])"
    )

    def interrupt(_: Path) -> None:
        until = time.monotonic() + 60
        while not (tmp_path / "at-1.safetensors").exists() and time.monotonic() < until:
            time.sleep(0.05)
        texts = [Path(f"/proc/{path.name}/stat").read_text() for path in pids.iterdir()]
        (parent,) = {int(text.rpartition(")")[2].split()[1]) for text in texts}
        os.kill(parent, signal.SIGINT)

    if not os.path.isdir("/proc/self"):
        pytest.skip("the test finds mpiexec, to press Ctrl-C there, in Linux's /proc")
    run = run_workers(3, "-c", program, tmp_path, "1:PAUSE20:5", meanwhile=interrupt)
    assert run.status not in (0, None) and run.seconds < undisturbed.seconds + SOON, run
    until = time.monotonic() + SOON
    while any(Path(f"/proc/{path.name}").exists() for path in pids.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{path.name}").exists() for path in pids.iterdir()), run
    undisturbed.assert_same(run_workers(2, *PROGRAM, tmp_path), tmp_path, {0, 1})
