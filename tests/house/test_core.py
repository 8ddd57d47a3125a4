"""The core, which docs/tour.md follows, is small, and what it calls beyond itself is told there."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.house.imports import modules

LINES = 1585  # of code in the core, at most; batches that several workers share are ten of them
TOUR = (Path(__file__).parents[2] / "docs" / "tour.md").read_text(encoding="utf-8")
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def module(path: str) -> str:
    return path.removeprefix("xpnet/").removesuffix(".py").replace("/", ".")


HEADINGS = re.findall(r"^## \d+\. (.*)$", TOUR, re.MULTILINE)
CORE = [module(path) for heading in HEADINGS for path in re.findall(r"`(xpnet/\S+\.py)`", heading)]


def code_lines(source: str) -> int:
    """Lines that hold code: no docstrings, no comments, no blank ones."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def test_what_counts_as_code() -> None:
    source = (
        '"""About."""\n\n# why\nx = (\n    1,  # one\n)\n\n\ndef f():\n    """What."""\n    return """two\nlines"""\n'
    )
    assert code_lines(source) == 3 + 1 + 2


def test_the_core_is_small() -> None:
    counts = {name: code_lines(modules()[name].read_text(encoding="utf-8")) for name in CORE}
    assert len(counts) == len(CORE) >= 20
    assert sum(counts.values()) <= LINES, counts


def test_it_reaches_from_the_file_to_the_updated_weight() -> None:
    assert CORE[0] == "data.idx" and CORE[-1] == "backend.reference.updates"
    assert {"core.layer", "core.parameter", "layers.convolution", "training.step"} < set(CORE)


def home(name: str, package: str) -> str:
    """The module that a name is at home in, if a package exports it; else the package's own file."""
    exported = getattr(importlib.import_module(f"xpnet.{package}"), name)
    place = getattr(exported, "__module__", None) or getattr(exported, "__name__", "")
    own = place.removeprefix("xpnet.") if place.startswith("xpnet.") else package
    return f"{own}.__init__" if f"{own}.__init__" in modules() else own


def called_by(core: str) -> Iterator[str]:
    """The modules whose names a file of the core uses; names of a folder count where they are at home."""
    for node in ast.walk(ast.parse(modules()[core].read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("xpnet"):
            continue
        package = (node.module or "").removeprefix("xpnet").removeprefix(".")
        for alias in node.names:
            inner = f"{package}.{alias.name}".removeprefix(".")
            if inner in modules() or f"{inner}.__init__" in modules():
                yield inner if inner in modules() else f"{inner}.__init__"
            else:
                yield home(alias.name, package) if f"{package}.__init__" in modules() else package


def test_what_it_calls_beyond_itself_has_a_sentence() -> None:
    beyond = TOUR.split("## Beyond the core")[1].split("## And so on")[0]
    told = {module(path) for path in re.findall(r"^- `(\S+)`: \S.*[.:)]", beyond, re.MULTILINE)}
    called = {target for core in CORE for target in called_by(core)} - set(CORE)
    assert called == told
