"""`xpnet train --workers` with real workers: the same weights, one voice, and nobody left behind."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xpnet
from tests.cli.helpers import Outcome, process, read_csv
from tests.kit.workers import needs_mpi, needs_ulfm
from xpnet.files.digest import weights_sha256

pytestmark = [
    pytest.mark.slow,
    needs_mpi,
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="workers are found in /proc, which this system has not"),
]
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds: other tests may have the processors
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK")
ENDLESS = ["--epochs", 10_000, "--schedule", "constant"]


class Training:
    """The launcher of a training, as a process, and its workers."""

    def __init__(self, out: Path, environment: dict[str, str], *line: object) -> None:
        self.out = out
        self.launcher = process("train", "mlp", *line, "--out", out, env=environment)

    def workers(self) -> dict[int, int]:
        """The process of each worker that is there."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                variables = (folder / "environ").read_bytes().decode().split("\0")
            except OSError:
                continue
            rank = next((text.partition("=")[2] for text in variables if text.startswith(RANKS)), "")
            if f"--out={self.out}" in words and "mpi4py" in words and rank:
                found[int(rank)] = int(folder.name)
        return found

    def wait_for(self, condition: Callable[[], Any]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < until:
            time.sleep(0.02)
        assert condition(), self.end(signal.SIGKILL)

    def wait_for_epochs(self, epochs: int) -> None:
        """Until so many are in the history."""
        history = self.out / "history.csv"
        self.wait_for(lambda: self.launcher.poll() is not None or has_lines(history, 1 + epochs))
        assert self.launcher.poll() is None, self.end()

    def end(self, number: int | None = None) -> Outcome:
        """What comes of it, after this signal to the launcher; and all workers are gone."""
        if number is not None:
            self.launcher.send_signal(number)
        try:
            out, err = self.launcher.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.launcher.kill()
            raise
        until = time.monotonic() + PATIENCE
        while self.workers() and time.monotonic() < until:
            time.sleep(0.02)
        assert not self.workers(), "workers are left behind"
        return Outcome(self.launcher.returncode, out, err)


def has_lines(path: Path, count: int) -> bool:
    return path.exists() and path.read_text().count("\n") >= count


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of the launcher: without matplotlib and Numba, which take their time."""
    (tmp_path / "path" / "matplotlib").mkdir(parents=True)
    (tmp_path / "path" / "matplotlib" / "__init__.py").write_text("raise ImportError('blocked')\n")
    path = os.pathsep.join([str(tmp_path / "path"), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "XPNET_JIT": "0"}


@pytest.fixture
def begin(tmp_path: Path, data: Path, environment: dict[str, str]) -> Callable[..., Training]:
    """Starts a training of an MLP on the small data set, in a folder of tmp_path."""

    def start(name: str, *line: object) -> Training:
        return Training(tmp_path / name, environment, "--data", data, "--threads", 1, *line)

    return start


def test_any_number_of_workers_gives_the_same_weights(begin: Callable[..., Training], tmp_path: Path) -> None:
    options = ["--shards", 8, "--limit", 200, "--epochs", 2, "--json"]
    results = {}
    for workers in (1, 2, 3):
        outcome = begin(str(workers), *options, "--workers", workers).end()
        assert outcome.status == 0 and len(outcome.out.splitlines()) == 1, outcome
        lines = outcome.err.splitlines()
        assert lines[0] == f"xpnet: workers {workers}, shards 8, threads of each 1"
        for begins in ("epoch 1/2", "epoch 2/2", "test accuracy", "weights", "xpnet: no pictures were drawn"):
            assert sum(line.startswith(begins) for line in lines) == 1, outcome.err
        result = results[workers] = json.loads(outcome.out)
        names = ("workers", "shards", "threads", "restarts", "lost_workers")
        assert [result[name] for name in names] == [workers, 8, 1, 0, 0]
        assert len(result["samples_by_worker"]) == workers and sum(result["samples_by_worker"]) == 400
        assert sorted(os.listdir(tmp_path / str(workers))) == ["history.csv", "mlp.safetensors"]
    assert len({result["weights_sha256"] for result in results.values()}) == 1
    model = xpnet.load(tmp_path / "3" / "mlp.safetensors")
    assert weights_sha256(model) == results[1]["weights_sha256"]
    assert results[1]["history"] == results[2]["history"] == results[3]["history"]
    assert max(results[3]["samples_by_worker"]) < 200


def test_an_error_of_one_worker_is_one_line(
    begin: Callable[..., Training], environment: dict[str, str], tmp_path: Path
) -> None:
    """Worker 1 alone is asked for a backend that there is not."""
    variables = " or ".join(f"os.environ.get({name!r}) == '1'" for name in RANKS)
    (tmp_path / "path" / "sitecustomize.py").write_text(
        f"import os\nif {variables}: os.environ['XPNET_BACKEND'] = 'abacus'\n"
    )
    outcome = begin("out", "--workers", 2, "--quiet").end()
    assert outcome.status == 1 and "abacus" in outcome.error and outcome.out == ""
    assert len(outcome.err.splitlines()) == 1


def test_an_error_of_all_workers_is_one_line(begin: Callable[..., Training]) -> None:
    outcome = begin("out", "--workers", 2, "--quiet", "--lr", 1e30, "--optimizer", "sgd").end()
    assert outcome.status == 1 and "the loss became" in outcome.error and len(outcome.err.splitlines()) == 1


def test_ctrl_c_is_told_once_and_training_goes_on_with_another_number_of_workers(
    begin: Callable[..., Training], tmp_path: Path
) -> None:
    options = ["--schedule", "constant", "--shards", 4]
    training = begin("out", *options, "--epochs", 10_000, "--workers", 2)
    training.wait_for_epochs(2)
    outcome = training.end(signal.SIGINT)
    assert outcome.status == 130, outcome
    (line,) = [line for line in outcome.err.splitlines() if "interrupted" in line]
    assert line == outcome.err.splitlines()[-1] and "Traceback" not in outcome.err
    found = re.search(
        r"interrupted in epoch (\d+); kept the weights of epoch .* --resume goes on in epoch (\d+)$", line
    )
    assert found
    epochs, goes_on = int(found[1]), int(found[2])
    assert goes_on in (epochs, epochs - 1)  # one before, where it came as an epoch's end was being written down
    assert len(read_csv(tmp_path / "out" / "history.csv")) in (epochs - 1, goes_on - 1)

    refused = begin(
        "out", "--schedule", "constant", "--shards", 8, "--epochs", epochs, "--workers", 2, "--resume"
    ).end()
    assert refused.status == 1 and "shards" in refused.error and "4 in the backup" in refused.error
    again = begin("out", *options, "--epochs", epochs, "--resume", "--json").end()
    never = begin("never", *options, "--epochs", epochs, "--json").end()
    assert again.status == never.status == 0, again
    assert f"resumes in epoch {goes_on} of {epochs}" in again.err
    assert json.loads(again.out)["weights_sha256"] == json.loads(never.out)["weights_sha256"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_nobody_is_left_behind_when_the_launcher_is_ended(begin: Callable[..., Training], name: str) -> None:
    training = begin("out", *ENDLESS, "--workers", 2, "--quiet")
    training.wait_for_epochs(1)
    assert sorted(training.workers()) == [0, 1]
    outcome = training.end(getattr(signal, name))
    assert outcome == (-getattr(signal, name), "", "")


def test_a_reader_that_goes_ends_training_as_without_workers(begin: Callable[..., Training], tmp_path: Path) -> None:
    training = begin("out", *ENDLESS, "--workers", 2)
    stdout, stderr = training.launcher.stdout, training.launcher.stderr
    assert stdout is not None and stderr is not None
    assert stdout.readline().startswith("epoch 1/10000")
    stdout.close()
    assert training.launcher.wait(PATIENCE) == 141
    first, *_, last = stderr.read().splitlines()
    assert first.startswith("xpnet: workers 2") and last.startswith("xpnet: nobody reads the output any more")
    assert xpnet.load(tmp_path / "out" / "mlp.safetensors").kind == "mlp"
    stderr.close()


@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_that_is_killed_costs_a_restart_and_not_a_bit(begin: Callable[..., Training], worker: int) -> None:
    options = ["--epochs", 60, "--json"]
    never = begin("never", *options, "--shards", 8).end()
    training = begin("out", *options, "--workers", 2, "--no-ulfm", "--backup-every", 2)
    training.wait_for_epochs(2)
    os.kill(training.workers()[worker], signal.SIGKILL)
    outcome = training.end()
    assert outcome.status == 0 and never.status == 0, outcome
    result = json.loads(outcome.out)
    assert (result["restarts"], result["workers"], result["lost_workers"]) == (1, 2, 0)
    assert result["weights_sha256"] == json.loads(never.out)["weights_sha256"]
    (line,) = [line for line in outcome.err.splitlines() if "starts again" in line]
    assert "died" in line and line.endswith("starts again from the backup (1 of --restarts 3)")
    assert "resumes in epoch " in outcome.err and "error" not in outcome.err


@needs_ulfm
@pytest.mark.parametrize("worker", [0, 1])
def test_with_ulfm_the_others_go_on_without_a_worker_that_is_killed(
    begin: Callable[..., Training], tmp_path: Path, worker: int
) -> None:
    options = ["--epochs", 60, "--json"]
    never = begin("never", *options, "--shards", 8).end()
    training = begin("out", *options, "--workers", 3)
    training.wait_for_epochs(2)
    os.kill(training.workers()[worker], signal.SIGKILL)
    outcome = training.end()
    assert outcome.status == 0 and never.status == 0, outcome
    result = json.loads(outcome.out)
    assert (result["restarts"], result["workers"], result["lost_workers"]) == (0, 3, 1)
    assert result["weights_sha256"] == json.loads(never.out)["weights_sha256"]
    assert (tmp_path / "out" / "history.csv").read_bytes() == (tmp_path / "never" / "history.csv").read_bytes()


def test_arguments_for_mpiexec_are_handed_on(begin: Callable[..., Training]) -> None:
    outcome = begin("out", "--workers", 2, "--mpi-arg=--no-such-option").end()
    assert outcome.status not in (0, 75) and "no-such-option" in outcome.err
