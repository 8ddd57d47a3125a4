"""docs/tables.md is what the code says, and every class in it says where it comes from and what others call it."""

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.house.tables import BOOK, NAMES, PAGE, ROOT, Entry, all_entries

ENTRIES = [entry for entries in all_entries().values() for entry in entries]
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

# What nobody else has under a name, and why.
NAMELESS = {
    "Joint": "made by `compile`",
    "MultiColumn": "a network of the paper's only",
    "OfOutput": "made by `compile`",
    "Subsampling": "a layer of LeNet-5's of 1998 only",
    "TableConv2D": "a layer of LeNet-5's of 1998 only",
}
# What is older than its name, or too plain for a paper.
PLAIN = {
    "Accuracy",
    "Add",
}


@cache
def known_names() -> set[str]:
    """Those of Keras, torchvision and the book, as names_elsewhere.txt has them."""
    text = Path(__file__).with_name("names_elsewhere.txt").read_text(encoding="utf-8")
    sections = re.findall(r"^\[(.+)\]\n((?:.+\n)+)", text, re.MULTILINE)
    return {
        f"{owner} {name}" if owner == BOOK.strip() else f"{owner}.{name}"
        for owner, names in sections
        for name in names.split()
    }


def test_the_page_is_made_anew() -> None:
    from tests.house.tables import draw

    assert PAGE.read_text(encoding="utf-8") == draw(), "python -m tests.house.tables writes it"


def test_all_backends_are_those_that_tests_go_through() -> None:
    assert f'"{",".join(NAMES)}"' in (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")


@every_entry
def test_it_says_what_others_call_it(entry: Entry) -> None:
    assert bool(entry.elsewhere) != (entry.name in NAMELESS)
    order = ("torch", "keras", BOOK)
    places = [next(i for i, start in enumerate(order) if name.startswith(start)) for name in entry.elsewhere]
    assert places == sorted(places), "PyTorch comes first, then Keras, then the book"
    if entry.elsewhere:
        assert all(re.fullmatch(r"[\w. ']+( \(.+\))?", name) for name in entry.elsewhere), "names, and the last line"


@every_entry
def test_the_names_exist(entry: Entry) -> None:
    for name in (re.sub(r" \(.*", "", name) for name in entry.elsewhere):
        if not name.startswith("torch."):
            assert name in known_names(), name
            continue
        pytest.importorskip("torch", reason='PyTorch is asked for its names: pip install "xpnet[oracle]"')
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module), last), name


@every_entry
def test_it_says_where_it_was_published(entry: Entry) -> None:
    assert bool(entry.sources) != (entry.name in PLAIN)


def test_the_lists_of_exceptions_hold_no_others() -> None:
    assert NAMELESS.keys() | PLAIN <= {entry.name for entry in ENTRIES}
