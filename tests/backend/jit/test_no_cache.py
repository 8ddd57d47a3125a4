"""An installation that nobody may write to, and no home: kernels are compiled without a cache, and it is said once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = """
import sys
{before}
import numpy as np
import xpnet
from xpnet import Sequential, layers

model = Sequential([layers.Dense(4, activation="gelu"), layers.Dense(2)])
model.compile("adam")
model.fit(np.ones((32, 3), "float32"), np.arange(32) % 2, verbose=0)
print("numba" in sys.modules, xpnet.get_backend().jit != "")
"""
NO_PLACE = "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []"
READ_ONLY = """
import numba.core.caching as c
c.CacheImpl._locator_classes = [each for each in c.CacheImpl._locator_classes if "InTree" not in each.__name__]
"""


def use(before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    given = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "XPNET_", "XDG_"))}
    command = [sys.executable, "-W", "error::UserWarning", "-c", USE.format(before=before)]
    return subprocess.run(command, env=given | environment, capture_output=True, text=True, timeout=300)


def test_without_a_place_for_the_cache() -> None:
    done = use(NO_PLACE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
    assert done.stderr.count("find no folder to be kept in") == 1 and "NUMBA_CACHE_DIR" in done.stderr


def test_a_folder_that_is_named_comes_first(tmp_path: Path) -> None:
    done = use(NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "cache").rglob("*.nbi"))


@pytest.mark.parametrize("home", [True, False])
def test_a_read_only_installation(tmp_path: Path, home: bool) -> None:
    """With a home, and without. Modes do not bind root: Numba is told not to look beside the source."""
    folder = str(tmp_path) if home else "/dev/null/none"
    done = use(READ_ONLY, HOME=folder, XDG_CACHE_HOME=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("find no folder to be kept in") == (0 if home else 1)
    assert bool(list(tmp_path.rglob("*.nbi"))) == home
