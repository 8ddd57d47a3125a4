"""The bounds of what a file may ask for, one by one; whole files are in tests/files/test_budget.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from xpnet.base import budget
from xpnet.errors import FormatError


def test_depth_is_that_of_lists_and_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "DEPTH", 20)
    for one in (lambda value: [value], lambda value: {"config": {"a": value}}):
        value: Any = 0
        for _ in range(19):
            value = one(value)
        budget.check_description([value])
        with pytest.raises(FormatError, match="nested more than 20 times"):
            budget.check_description([one(value)])


def test_work_is_that_of_all_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WORK", (5, 0))
    assert budget.check_description([{"config": {}} for _ in range(5)]) == 5
    with pytest.raises(FormatError, match="takes 6 calls, and 5 are allowed"):
        budget.check_description([{"config": {}} for _ in range(6)])


def test_strings_may_go_on_from_one_piece_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"a": "[,[", "b": [1, 2, '\\"{'], "c\\": "\\\\"})
    wanted = budget.WEIGHTS["{"] + budget.WEIGHTS["["] + 4 * budget.WEIGHTS[","]
    for piece in range(1, 20):
        monkeypatch.setattr(budget, "_PIECE", piece)
        assert budget._values_outside_strings(text) == wanted


def test_what_is_unpacked_may_be_large_or_many_times_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "UNPACKED", (5000, 100))
    for size, allowed in ((10, 5000), (60, 6000)):
        (tmp_path / "a").write_bytes(bytes(size))
        assert budget.check_unpacked(tmp_path / "a", allowed) == allowed
        with pytest.raises(FormatError, match=f"of a file of {size} bytes {allowed} are allowed"):
            budget.check_unpacked(tmp_path / "a", allowed + 1)


def test_several_outputs_count_together() -> None:
    half = (budget.SAMPLE // 2,)
    with budget.for_file(0, 0, 0):
        for fitting in (half, (half, half), {"a": half, "b": (half,)}):
            budget.check_sample(fitting)
        for more in ((half, half, (1,)), {"a": half, "b": (half, (1,))}, (budget.SAMPLE + 1,)):
            with pytest.raises(FormatError, match=f"has {budget.SAMPLE + 1} numbers of one sample"):
                budget.check_sample(more)
