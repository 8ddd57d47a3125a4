"""Plants one error in a copy of the project, and runs the tests that should notice it, with PyTorch out of sight."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.kit.mutants.mutant import Mutant

ROOT = Path(__file__).parents[3]
NOTICED = {1: "caught", 2: "caught"}  # pytest's exit status: a test failed, or could not even be collected
NO_TORCH = "raise ModuleNotFoundError('PyTorch must not be needed to notice an error', name='torch')\n"


class Verdict(NamedTuple):
    """alive: whether the tests pass in spite of the error. word: what came of it. output: what pytest said."""

    alive: bool
    word: str
    output: str


class Copy:
    """A copy of the project in `folder`, in which one error at a time is planted."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder, self.timeout = folder, timeout
        for part in ("xpnet", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "torch.py").write_text(NO_TORCH, encoding="utf-8")
        if (ROOT / ".cache").exists():
            (folder / ".cache").symlink_to(ROOT / ".cache")  # the stand-in device takes minutes to build

    def try_out(self, mutant: Mutant) -> Verdict:
        """Whether its tests notice the mutant; the copy is afterwards as it was."""
        path = self.folder / "xpnet" / mutant.file
        source = path.read_text(encoding="utf-8")
        if source.count(mutant.right) != 1:
            raise SystemExit(f"{mutant.file} must hold {mutant.right!r} once, not {source.count(mutant.right)} times")
        try:
            self._write(path, source.replace(mutant.right, mutant.wrong))
            return self.run(mutant)
        finally:
            self._write(path, source)

    def run(self, mutant: Mutant) -> Verdict:
        """The tests of the mutant, on the copy as it is."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutant.tests]
        command += ["-k", mutant.only] if mutant.only else []
        try:
            ended = subprocess.run(
                command, cwd=self.folder, env=self._environment(mutant), capture_output=True, text=True,
                timeout=self.timeout,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verdict(False, "hangs", f"no end after {self.timeout:.0f} seconds")
        said = ended.stdout[-3000:] + ended.stderr[-1000:]
        if ended.returncode < 0 or ended.returncode > 128:
            return Verdict(False, "crash", said)
        word = NOTICED.get(ended.returncode)
        if word is None and ended.returncode:  # there are no such tests, or pytest cannot run
            return Verdict(True, f"pytest ended with {ended.returncode}", said)
        return Verdict(word is None, word or "ALIVE", said)

    def _environment(self, mutant: Mutant) -> dict[str, str]:
        own = {
            "PYTHONPATH": str(self.folder),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # a quarter of the time of a small file; nothing is to be divided
            "HYPOTHESIS_PROFILE": "quick",
            "XPNET_TEST_BACKENDS": mutant.backends,
            # compiled code is kept with the stamp of its own file alone, not of those that it was inlined from
            "NUMBA_CACHE_DIR": str(self.folder / ("numba-mutant" if "/jit/" in mutant.file else "numba")),
            **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
        }
        if "cupy" not in mutant.backends and "cuda" not in mutant.tests:
            own["XPNET_CUDASIM"] = "0"
        return {**os.environ, **own}

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        # two texts of one length within a second look alike to whoever wants to keep what it compiled
        for kept in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            kept.unlink()
        shutil.rmtree(self.folder / "numba-mutant", ignore_errors=True)
