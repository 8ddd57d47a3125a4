"""The package's imports, read from its source: what test_arrows.py holds and docs/map.md is drawn from.

An import counts wherever it stands: at the top, in a function, under TYPE_CHECKING, or as `import_module` of a literal.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xpnet

PACKAGE = Path(xpnet.__file__).parent

# The rooms, from the top of the house to its foundation; rooms of one step do not know of one another. A room is a
# folder, or a file at the root: a name that users type.
STEPS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("serving", "doctor"),
    ("__init__",),
    ("networks", "sklearn", "onnx", "foreign", "visualize"),
    ("experiments",),
    ("model",),
    ("analysis",),
    ("training",),
    ("callbacks",),
    ("files",),
    ("layers", "optimizers", "metrics", "gradient_check"),
    ("losses", "regularizers"),
    ("core",),
    ("parallel",),
    ("initializers", "schedules", "backend", "data"),
    ("base", "random"),
    ("errors",),
)
STEP = {room: number for number, step in enumerate(STEPS) for room in step}


class Arrow(NamedTuple):
    """`file`, at `line`, imports from `target`: both are modules, such as "core.layer" or "backend.__init__"."""

    file: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.file.replace('.', '/')}.py:{self.line} imports {self.target}"


def modules() -> dict[str, Path]:
    """Every module of the package by its name without "xpnet."; that of a folder ends in __init__."""
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    return module.partition(".")[0]


def arrows(name: str, source: str, known: frozenset[str]) -> Iterator[Arrow]:
    """The imports of one module from others of the package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            raise ValueError(f"{name}:{node.lineno}: imports are absolute here")
        elif isinstance(node, ast.Call) and _function(node) in ("import_module", "__import__") and node.args:
            named = [_literal(node.args[0])]
        else:
            continue
        for target in named:
            if target.partition(".")[0] == "xpnet":
                yield Arrow(name, node.lineno, _module(target.removeprefix("xpnet").removeprefix("."), known))


def all_arrows() -> list[Arrow]:
    found = modules()
    known = frozenset(found)
    return [
        arrow
        for name, path in found.items()
        for arrow in arrows(name, path.read_text(encoding="utf-8"), known)
        if arrow.target != name
    ]


def _module(dotted: str, known: frozenset[str]) -> str:
    """The module that a dotted name is of: itself, its folder, or the module that it is a name in."""
    parts = dotted.split(".") if dotted else []
    while parts:
        name = ".".join(parts)
        for module in (name, f"{name}.__init__"):
            if module in known:
                return module
        parts.pop()
    return "__init__"


def _function(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _literal(node: ast.expr) -> str:
    """A string, or the beginning of an f-string: of f"xpnet.data.{name}", the folder."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value.rstrip(".") if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
