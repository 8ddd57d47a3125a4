"""`xpnet train --workers`: options that fit together, what a worker is told, and the section of `xpnet doctor`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli.helpers import Command
from tests.kit.workers import needs_mpi
from xpnet.backend.cpu.threads import thread_count
from xpnet.cli import workers
from xpnet.cli.train import LINE, train
from xpnet.cli.worker_reports import compare_workers, processor_model
from xpnet.parallel.launch import End

pytestmark = pytest.mark.usefixtures("no_pictures")
MISSING = 'pip install "xpnet[mpi]"'


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XPNET_NUM_THREADS", "1")
    thread_count.cache_clear()
    yield
    thread_count.cache_clear()


@pytest.fixture
def no_mpi4py(monkeypatch: pytest.MonkeyPatch) -> None:
    workers.find_launcher.cache_clear()
    monkeypatch.setitem(sys.modules, "mpi4py", None)


# ---- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--workers", 3, "--shards", 2], "3 workers need as many shards at least, and --shards is 2: give --shards 4"),
        (["--workers", 2, "--watch"], "--watch is for a training in one process: leave out --workers, or --watch"),
        (["--workers", 2, "--no-browser"], "--watch is for a training in one process"),
        (["--shards", 3], "3 is no power of two: give 1, 2, 4, 8, 16 and so on"),
        (["--shards", 0], "--shards"),
        (["--workers", 0], "--workers"),
        (["--restarts", 1], "--restarts goes with --workers"),
        (["--no-ulfm"], "--ulfm goes with --workers"),
        (["--mpi-arg", "-x"], "--mpi-arg goes with --workers"),
    ],
)
def test_options_that_do_not_fit_together(command: Command, line: list[Any], says: str) -> None:
    outcome = command("train", "mlp", *line)
    assert outcome.status == 2 and says in outcome.error


def test_a_worker_starts_no_workers(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    outcome = command("train", "mlp", "--workers", 2)
    assert outcome.status == 2 and "this process is one of 4 workers already" in outcome.error


def test_what_is_wrong_with_the_training_is_said_before_workers_are_started(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workers, "find_launcher", lambda: None)
    outcome = command("train", "mlp", "--workers", 2, "--resume", "--out", tmp_path / "new")
    assert outcome.status == 1 and outcome.error.startswith("there is nothing to resume")
    outcome = command("train", "mlp", "--workers", 2, "--variant", "1998")
    assert outcome.status == 2 and "--variant is for lenet5" in outcome.error


def test_without_mpi4py_the_error_has_the_line_for_pip(command: Command, no_mpi4py: None, tmp_path: Path) -> None:
    outcome = command("train", "mlp", "--workers", 2, "--out", tmp_path / "new")
    assert outcome.status == 1 and MISSING in outcome.error and "there is no mpi4py" in outcome.error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "handed_on"),
    [
        ("mlp --workers 2 --epochs 3", ["mlp", "--epochs=3"]),
        ("--time-limit=1h30m lenet5 --quiet --json", ["lenet5", "--time-limit=1h30m", "--quiet", "--json"]),
        ("mlp --resume --shards 4 --threads 2 --restarts 0 --no-ulfm --mpi-arg --hostfile --mpi-arg=a", ["mlp"]),
        ("--recipe fast --lr 1e-3 --out --workers", ["--recipe=fast", "--lr=1e-3", "--out=--workers"]),
        ("mlp --data 'a b' --backend numpy", ["mlp", "--data=a b", "--backend=numpy"]),
    ],
)
def test_a_worker_gets_the_command_line_without_the_launcher_s_options(line: str, handed_on: list[str]) -> None:
    import shlex

    context = click.Context(train)
    with context:
        train.parse_args(context, shlex.split(line))
    assert sorted(context.meta[LINE]) == sorted(handed_on)


def test_threads_are_shared_out_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    launching = workers.Launching(3, None, None, (), None)
    monkeypatch.setattr(workers, "usable_cpus", lambda: 8)
    assert launching.threads_of_each(None) == 1, "XPNET_NUM_THREADS is heeded"
    monkeypatch.delenv("XPNET_NUM_THREADS")
    assert launching.threads_of_each(None) == 2 and launching.threads_of_each(5) == 5
    monkeypatch.setattr(workers, "usable_cpus", lambda: 2)
    assert launching.threads_of_each(None) == 1


# ---- one process -----------------------------------------------------------------------------------------------------


def test_one_worker_needs_no_mpi(command: Command, no_mpi4py: None, data: Path, tmp_path: Path) -> None:
    options = ["--limit", 64, "--epochs", 1, "--data", data, "--out", tmp_path, "--json"]
    one = command("train", "mlp", "--workers", 1, *options)
    assert one.status == 0 and "xpnet: workers 1, shards 8, threads of each 1\n" in one.err
    shards = command("train", "mlp", "--shards", 8, "--threads", 2, *options)
    plain = command("train", "mlp", *options)
    found = [json.loads(outcome.out) for outcome in (one, shards, plain)]
    names = ("workers", "shards", "threads", "samples_by_worker", "restarts", "lost_workers")
    assert [[result[name] for name in names] for result in found] == [
        [1, 8, 1, [64], 0, 0],
        [1, 8, 2, [64], 0, 0],
        [1, 1, 2, [64], 0, 0],
    ]
    assert found[0]["weights_sha256"] == found[1]["weights_sha256"] != found[2]["weights_sha256"]


# ---- starting again: what happens to workers is made up here ---------------------------------------------------------


class Ends:
    """In the place of `start_workers`: each start ends as it is told to, and the backup is written then, or removed."""

    def __init__(self, backup: Path, *ends: tuple[End, str]) -> None:
        self.backup, self.ends, self.starts = backup, list(ends), list[str]()

    def __call__(self, launching: Any, *command: str) -> End:
        self.starts.append(" ".join(word for word in command if word in ("--resume",) or "launched" in word))
        end, what = self.ends.pop(0)
        if what:
            self.backup.unlink(missing_ok=True)
        if what == "written":
            self.backup.write_bytes(str(len(self.starts)).encode())
        return end


FINE, DEATH = End(0, "", False, False, False), End(137, "worker 1 died (signal 9 (Killed))", False, False, False)
CTRL_C = End(130, "", True, False, False)


@pytest.fixture
def train_with(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*ends: tuple[End, str], line: list[Any] | None = None) -> Any:
        made = Ends(tmp_path / "mlp.backup.safetensors", *ends)
        monkeypatch.setattr(workers, "find_launcher", lambda: None)
        monkeypatch.setattr(workers, "start_workers", made)
        outcome = command("train", "mlp", "--workers", 2, "--out", tmp_path, "--quiet", *(line or []))
        return outcome, made.starts

    return run


def test_after_a_death_training_goes_on_from_its_backup_or_begins_anew(train_with: Any, tmp_path: Path) -> None:
    outcome, starts = train_with((DEATH, ""), (DEATH, "written"), (FINE, ""), (FINE, "removed"))
    assert starts == ["--launched=0", "--launched=1", "--resume --launched=2", "--resume --launched=3"]
    assert outcome.status == 0
    first, second, third = outcome.err.splitlines()
    assert first == "xpnet: worker 1 died (signal 9 (Killed)); starts again from the beginning (1 of --restarts 3)"
    assert second.endswith("starts again from the backup (2 of --restarts 3)")
    # the backup is still there: whoever had to write the results has died
    assert "worker 0 died before it had written the results; starts again from the backup (3" in third


def test_the_backup_of_an_earlier_training_is_none_of_this_one(train_with: Any, tmp_path: Path) -> None:
    backup = tmp_path / "mlp.backup.safetensors"
    backup.write_bytes(b"of an earlier training")
    outcome, starts = train_with((DEATH, ""), (End(1, "", False, False, False), ""))
    assert starts == ["--launched=0", "--launched=1"] and outcome.status == 1
    assert train_with((DEATH, ""), (CTRL_C, ""), line=["--resume"])[1] == [
        "--resume --launched=0",
        "--resume --launched=1",
    ]


def test_restarts_come_to_an_end(train_with: Any) -> None:
    outcome, starts = train_with((DEATH, "written"), (DEATH, ""), line=["--restarts", 1])
    assert outcome.status == 75 and len(starts) == 2
    assert outcome.error == (
        "worker 1 died (signal 9 (Killed)), and --restarts 1 allows no more; the same command with --resume goes on"
        " from the backup"
    )


@pytest.mark.parametrize("status", [1, 2, 130])
def test_an_error_and_ctrl_c_start_nothing_again(train_with: Any, status: int) -> None:
    outcome, starts = train_with((End(status, "", status == 130, False, False), "written"))
    assert outcome.status == status and len(starts) == 1 and outcome.err == ""


def test_ctrl_c_before_worker_0_listens_is_one_line_too(train_with: Any) -> None:
    outcome, _ = train_with((End(138, "", True, False, False), ""))
    assert (outcome.status, outcome.err) == (130, "xpnet: error: interrupted\n")


# ---- doctor ----------------------------------------------------------------------------------------------------------

ALIKE = {
    "host": "a", "processor": "AMD EPYC 7B13", "caches": "32 KiB", "Python": "3.11.7", "NumPy": "2.0", "xpnet": "1",
    "BLAS": "openblas", "jit": "Numba",
}  # fmt: skip


def test_workers_that_differ_are_named() -> None:
    assert compare_workers([ALIKE] * 3) == "all 3 workers alike"
    odd = ALIKE | {"host": "b", "processor": "Intel Xeon", "NumPy": "2.1"}
    assert compare_workers([ALIKE, ALIKE, odd]) == (
        "problem: the same bits hold for workers that are alike, and these are not: processor of worker 2 (host b) is"
        " Intel Xeon, of the others AMD EPYC 7B13; NumPy of worker 2 (host b) is 2.1, of the others 2.0"
    )


def test_the_processor_is_named_as_the_system_does(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: AMD EPYC 7B13\n\nprocessor\t: 1\nmodel name\t: another\n")
    assert processor_model(path) == "AMD EPYC 7B13"
    path.write_text("Features\t: fp\n")
    assert processor_model(path) and processor_model(tmp_path / "none")


def test_a_doctor_without_mpi4py_says_so(command: Command, no_mpi4py: None) -> None:
    outcome = command("doctor", "--workers", 2, "--json")
    state = json.loads(outcome.out)["workers"]["state"]
    assert outcome.status == 1 and state.startswith("problem: ") and MISSING in state and "no mpi4py" in state


@needs_mpi
@pytest.mark.slow
def test_the_doctor_examines_workers(command: Command) -> None:
    workers.find_launcher.cache_clear()
    outcome = command("doctor", "--workers", 2, "--json")
    assert outcome.status == 0, outcome
    section = json.loads(outcome.out)["workers"]
    assert section["state"] == "all 2 workers alike" and section["MPI"] and section["mpiexec"]
    assert section["worker 0"] == section["worker 1"] and "NumPy" in section["worker 0"]
    assert "microseconds for 8 bytes" in section["0 to 1"] and "GB/s" in section["0 to 1"]
    assert section["ULFM"].startswith(("yes: ", "no: ")) and section["NCCL"]


@needs_mpi
@pytest.mark.slow
def test_a_doctor_whose_workers_do_not_start(command: Command) -> None:
    workers.find_launcher.cache_clear()
    outcome = command("doctor", "--workers", 2, "--json", "--mpi-arg=--no-such-option")
    assert outcome.status == 1 and "no-such-option" in outcome.err, "mpiexec's own word is passed on"
    assert "the workers did not report: mpiexec ended with" in json.loads(outcome.out)["workers"]["state"]
