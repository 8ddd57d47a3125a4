"""Every file is in its room, and imports point downwards only: no circle, no arrow up, none between two of a step."""

import ast
import graphlib
from collections.abc import Iterator

import pytest

from tests.house.imports import PACKAGE, STEP, Arrow, all_arrows, arrows, modules, room

ROOT_FILES = 16  # at most: a file at the root is a name that users type
LINES = 400  # of a file, at most; kernels may be longer
CODE = 60  # lines of a function, at most: without signature, docstring, comments and blank lines


def test_every_room_is_known() -> None:
    assert {room(name) for name in modules()} <= STEP.keys()
    assert len(list(PACKAGE.glob("*.py"))) <= ROOT_FILES


def test_arrows_point_downwards() -> None:
    wrong = [
        str(arrow)
        for arrow in all_arrows()
        if room(arrow.file) != room(arrow.target) and STEP[room(arrow.file)] >= STEP[room(arrow.target)]
    ]
    assert not wrong, "\n".join(wrong)


def test_there_is_no_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for arrow in all_arrows():
        graph[arrow.file].add(arrow.target)
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
from xpnet.core import layer
import xpnet.model as m
from xpnet import seed, random
if TYPE_CHECKING:
    from xpnet.callbacks import Backup
def f():
    from xpnet.files.network import load
    importlib.import_module("xpnet.visualize")
    import_module(f"xpnet.data.{name}")
import numpy
_PLACES = {"dense": ("Dense",)}
"""
    found = list(arrows("layers.__init__", source, frozenset(modules())))
    assert {arrow.target for arrow in found} == {
        "core.layer", "model", "__init__", "random", "callbacks.__init__", "files.network", "visualize.__init__",
        "data.__init__", "layers.dense",
    }  # fmt: skip
    assert str(found[0]) == "layers/__init__.py:2 imports core.layer"
    assert found[0] == Arrow("layers.__init__", 2, "core.layer")


def test_what_cannot_be_read_from_the_source_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read from the source"):
        list(arrows("core.layer", "import_module(name)", frozenset(modules())))


def test_files_are_short() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    long = {name: count for name, count in lines.items() if count > LINES and not name.endswith("kernels")}
    assert not long, long


def test_functions_are_short() -> None:
    long = [
        f"{name}.{function.name}, line {function.lineno}: {count}"
        for name, path in modules().items()
        for function, count in lengths(path.read_text(encoding="utf-8"))
        if count > CODE and not name.endswith("kernels")
    ]
    assert not long, "\n".join(long)


def lengths(source: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Each function and its lines of code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node, len(set(code_lines(node, source.splitlines())))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> Iterator[int]:
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]  # the docstring
    for statement in body:
        for number in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            text = lines[number - 1].strip()
            if text and not text.startswith("#"):
                yield number
