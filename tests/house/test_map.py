"""docs/map.md is the map of this house, not of an older one, and every room and file on it says what it is for."""

from tests.house.imports import modules
from tests.house.map import PAGE, draw, first_sentence, without_shortcuts


def test_the_map_is_drawn_anew() -> None:
    assert PAGE.read_text(encoding="utf-8") == draw(), "python -m tests.house.map draws it"


def test_every_file_says_what_it_is_for() -> None:
    assert [name for name, path in modules().items() if not first_sentence(path)] == []


def test_arrows_that_follow_from_others_are_left_out() -> None:
    graph = {"cli": {"training", "core"}, "training": {"core"}, "core": set()}
    assert without_shortcuts(graph) == {"cli": {"training"}, "training": {"core"}, "core": set()}
