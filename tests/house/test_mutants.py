"""The list of deliberate errors (python -m tests.kit.mutants) follows the code."""

from pathlib import Path

import pytest

import xpnet
from tests.kit.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.right}")
def test_what_a_mutant_changes_is_there_once(mutant: Mutant) -> None:
    source = (Path(xpnet.__file__).parent / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1 and mutant.right != mutant.wrong
    assert (Path(__file__).parents[2] / mutant.tests).is_file()
