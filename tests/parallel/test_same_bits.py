"""However many workers train, the weights, the history and the files are the same, to the bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cudasim
from tests.conftest import THOROUGH
from tests.kit.workers import ROOT, needs_mpi, run_workers
from tests.parallel.trainings import CASES

BACKENDS = {
    "numpy": ("numpy", {"XPNET_JIT": "0"}),
    "numba": ("numpy", {"XPNET_JIT": "1"}),
    "cupy": ("cupy", {"XPNET_JIT": "0"}),
}
NUMBA = ["lenet_sgd", "lenet_momentum", "deep", "recurrent", "gan", "balanced"]
MANY = ["lenet_adam", "deepconvnet", "recurrent", "gan", "few_samples", "one_stops", "nan"]
CUPY = ["recurrent", "gan", "few_samples", "balanced", "stateful"]
pytestmark = needs_mpi


def alone(backend: str, folder: Path, names: list[str]) -> dict[str, list[str]]:
    """What one worker comes to, without MPI: for each training the hash of weights and history, and that of files."""
    name, variables = BACKENDS[backend]
    command = [sys.executable, "-m", "tests.parallel.trainings", name, str(folder), *names]
    env = os.environ | variables | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return read(done.stdout)


def read(out: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for line in out.splitlines() if (words := line.split()) and words[0] in CASES}


def check(workers: int, backend: str, folder: Path, names: list[str], expected: dict[str, list[str]]) -> None:
    name, variables = BACKENDS[backend]
    run = run_workers(
        workers, "-m", "tests.parallel.trainings", name, folder, *names, env=variables, cwd=ROOT, timeout=300
    )
    assert run.status == 0, run
    for rank, worker in enumerate(run.workers):
        found = read(worker.out)
        for each in names:
            assert found[each] == expected[each][: 1 if rank else 2], f"{each}, worker {rank}\n{run}"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return alone("numpy", tmp_path_factory.mktemp("alone"), list(CASES))


@pytest.mark.parametrize("workers", [2, 3])
def test_numpy(workers: int, tmp_path: Path, expected: dict[str, list[str]]) -> None:
    check(workers, "numpy", tmp_path, list(CASES), expected)


@pytest.mark.parametrize("workers", [4, 8])
def test_more_workers(workers: int, tmp_path: Path, expected: dict[str, list[str]]) -> None:
    check(workers, "numpy", tmp_path, MANY, expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4, 8] if THOROUGH else [1])
def test_more_workers_and_one_by_mpi(workers: int, tmp_path: Path, expected: dict[str, list[str]]) -> None:
    check(workers, "numpy", tmp_path, list(CASES), expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3, 4, 8] if THOROUGH else [2, 8])
def test_numba(workers: int, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    own, theirs = tmp_path / "alone", tmp_path / "together"
    own.mkdir()
    theirs.mkdir()
    check(workers, "numba", theirs, NUMBA, alone("numba", own, NUMBA))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3] if THOROUGH else [3])
@pytest.mark.skipif(not cudasim.is_active(), reason=f"no stand-in device: {cudasim.why_not()}")
def test_cupy(workers: int, tmp_path: Path) -> None:
    own, theirs = tmp_path / "alone", tmp_path / "together"
    own.mkdir()
    theirs.mkdir()
    check(workers, "cupy", theirs, CUPY, alone("cupy", own, CUPY))
