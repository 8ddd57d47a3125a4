"""The list of deliberate errors (python -m tests.kit.mutants) follows the code; what plants them tells the truth."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import xpnet
from tests.kit.mutants import MUTANTS, Mutant, __main__, runner
from tests.kit.mutants.runner import Copy

PACKAGE = Path(xpnet.__file__).parent
PROJECT = Path(__file__).parents[2]
# What has nothing that could be computed wrongly: names of others, the package's own and those of its errors.
WITHOUT = {"__init__", "__main__", "datasets", "errors"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.right}")
def test_what_a_mutant_changes_is_there_once(mutant: Mutant) -> None:
    source = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1 and mutant.right != mutant.wrong
    if mutant.file.endswith(".py"):  # what Python cannot read is noticed by everybody, and shows nothing
        ast.parse(source.replace(mutant.right, mutant.wrong))
    file, _, test = mutant.tests.partition("::")
    place = PROJECT / file  # a file, or a folder of them
    assert place.exists() and (not test or f"def {test}(" in place.read_text(encoding="utf-8"))


def test_no_error_is_planted_twice() -> None:
    assert {count for count in Counter((m.file, m.right, m.wrong) for m in MUTANTS).values()} == {1}


def test_every_room_has_its_mutants() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {mutant.room for mutant in MUTANTS} == WITHOUT


@pytest.mark.parametrize(
    "folder",
    [
        "backend/reference",
        "backend/cpu",
        "backend/jit",
        "backend/jit/training",
        "backend/cuda/kernels",
        "data/augment",
        "callbacks",
    ],
)
def test_so_has_every_file_of_those_that_compute_most(folder: str) -> None:
    """Not those that are but a frame for others, or only speak."""
    frames = {
        "backend/reference": {"__init__", "activations", "erf", "explanation"},
        "backend/cpu": {
            "__init__", "activation", "algorithm", "attention", "layouts", "products", "recurrent", "threads",
        },
        "backend/jit": {"__init__", "activation", "backend", "compiled", "direct", "elementwise", "work"},
        "backend/jit/training": {"__init__"},
        "data/augment": {"__init__"},
        "callbacks": {
            "__init__", "base", "comparison", "display", "lambda_callback", "reset_state", "tensorboard",
        },
    }  # fmt: skip
    files = {path.stem for path in (PACKAGE / folder).iterdir() if path.suffix in (".py", ".cu")}
    planted = {Path(m.file).stem for m in MUTANTS if str(Path(m.file).parent) == folder}
    assert files - planted <= frames.get(folder, set())


# ---- what plants them ------------------------------------------------------------------------------------------------

MUTANT = Mutant("sums.py", "a + b", "a - b", "tests/test_sums.py")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Of a small project."""
    root = tmp_path / "project"
    for file, text in {
        "xpnet/sums.py": "def add(a, b):\n    return a + b\n",
        "tests/test_sums.py": "",
        "pyproject.toml": "",
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    monkeypatch.setattr(runner, "ROOT", root)
    return Copy(tmp_path / "copy", timeout=7)


def ends(monkeypatch: pytest.MonkeyPatch, copy: Copy, status: int | None) -> list[Any]:
    """Have pytest end with this status, or never; what it finds in the place of the error, and its environment."""
    seen = []

    def run(command: list[str], **options: Any) -> Any:
        kept = copy.folder / "xpnet" / "__pycache__"
        seen.append((command, options["env"], (copy.folder / "xpnet/sums.py").read_text(), kept.exists()))
        if status is None:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return subprocess.CompletedProcess(command, status, "words", "")

    monkeypatch.setattr(subprocess, "run", run)
    return seen


@pytest.mark.parametrize(
    ("status", "alive", "word"),
    [
        (0, True, "ALIVE"), (1, False, "caught"), (2, False, "caught"), (-11, False, "crash"), (None, False, "hangs"),
        (4, True, "pytest ended with 4"), (5, True, "pytest ended with 5"),
    ],
)  # fmt: skip
def test_a_mutant_is_noticed_if_a_test_fails_and_by_nothing_else(
    monkeypatch: pytest.MonkeyPatch, copy: Copy, status: int | None, alive: bool, word: str
) -> None:
    seen = ends(monkeypatch, copy, status)
    verdict = copy.try_out(MUTANT)
    assert (verdict.alive, verdict.word) == (alive, word)
    (command, environment, planted, _), file = seen[0], copy.folder / "xpnet/sums.py"
    assert planted == "def add(a, b):\n    return a - b\n" and file.read_text() == planted.replace("-", "+")
    assert command[-1] == "tests/test_sums.py" and environment["XPNET_TEST_BACKENDS"] == "numpy"
    assert "ModuleNotFoundError" in (copy.folder / "torch.py").read_text()


def test_what_was_compiled_before_is_not_taken_for_the_mutant(monkeypatch: pytest.MonkeyPatch, copy: Copy) -> None:
    """Python keeps it by the length and the second of the source, and both may be the same."""
    kept = copy.folder / "xpnet/__pycache__/sums.cpython-399.pyc"
    kept.parent.mkdir()
    kept.write_bytes(b"")
    ends(monkeypatch, copy, 1)
    copy.try_out(MUTANT)
    assert not kept.exists()


def test_a_mutant_that_does_not_fit_is_told(copy: Copy) -> None:
    with pytest.raises(SystemExit, match=re.escape("sums.py must hold 'a * b' once, not 0 times")):
        copy.try_out(MUTANT._replace(right="a * b"))


def test_the_backend_is_that_of_the_code() -> None:
    of = {
        file: Mutant(file, "", "", "").backends for file in ("backend/cuda/kernels/x.cu", "backend/x.py", "data/x.py")
    }
    assert of == {"backend/cuda/kernels/x.cu": "cupy", "backend/x.py": "numpy,reference", "data/x.py": "numpy"}
    assert Mutant("data/x.py", "", "", "", on="reference").backends == "reference"


@pytest.mark.parametrize(("statuses", "says", "exit_status"), [
    ([0, 1], "1 of 1 mutants noticed (100.0%), 0 alive, 0 with", 0),
    ([0, 0], "0 of 1 mutants noticed (0.0%), 1 alive, 0 with", 1),
    ([1, 1], "0 of 1 mutants noticed (0.0%), 0 alive, 1 with", 1),
])  # fmt: skip
def test_tests_that_fail_without_the_error_notice_nothing(
    monkeypatch: pytest.MonkeyPatch, copy: Copy, capsys: pytest.CaptureFixture[str], statuses: list[int], says: str,
    exit_status: int,
) -> None:  # fmt: skip
    ended = iter(statuses)
    monkeypatch.setattr(__main__, "MUTANTS", [MUTANT])
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, next(ended), "", "")
    )
    assert __main__.main(["--jobs", "1"]) == exit_status
    assert says in capsys.readouterr().out
