"""The comparison of bits finds what it is there to find; it runs as `python -m tests.house.same_bits COMMIT`."""

import shutil
from pathlib import Path

import pytest

from bench.worktree import ROOT
from tests.house.same_bits import train, verdict

pytestmark = pytest.mark.slow


def other_tree(folder: Path) -> Path:
    shutil.copytree(ROOT / "xpnet", folder / "xpnet", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_other_random_keys_are_noticed(tmp_path: Path) -> None:
    tree, name = other_tree(tmp_path), "optimizer sgd"
    as_it_is = train(ROOT, "numpy", [name])[name]
    assert verdict(as_it_is, train(tree, "numpy", [name])[name]) == "same"
    init = tree / "xpnet" / "__init__.py"
    init.write_text(init.read_text() + "\nseed(0)\n_seed = seed\n\n\ndef seed(n):\n    _seed(n + 1)\n")
    changed = train(tree, "numpy", [name])[name]
    assert verdict(as_it_is, changed) == "DIFFERENT: weights, history, outputs, draws"


def test_the_xpnet_of_another_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="and not that of"):
        train(tmp_path, "numpy", ["mlp"])
