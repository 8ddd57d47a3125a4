"""Each example runs as a user would run it, small, and without a warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = {
    "train_mnist.py": (["--limit", "500"], "the first test images show ["),
    "gradient_check.py": (["--batch", "2"], "A wrong gradient: WrongSquare: the gradient of the input is wrong: at ["),
    "custom_layer.py": ([], "Saved and loaded: Parameter('swish1.slope', shape=(8,), dtype=float32)"),
    "model_subclass.py": (["--limit", "200"], "test accuracy 0."),
    "look_inside.py": (["--limit", "200", "--epochs", "1"], "11 pictures in pictures"),
}


def python(*arguments: str | Path, folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_every_example_is_run() -> None:
    elsewhere = {"same_script.py", "gpu_deepconvnet.py"}  # in test_gpu_examples.py
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(EXAMPLES) | elsewhere


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    arguments, said = EXAMPLES[name]
    assert said in python(ROOT / "examples" / name, *arguments, folder=tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_page(name: str) -> None:
    assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) <= 75


def test_the_layer_of_ones_own_has_a_test_for_pytest(tmp_path: Path) -> None:
    output = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "examples" / "custom_layer.py", folder=tmp_path
    )
    assert "1 passed" in output
