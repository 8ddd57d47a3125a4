"""The package's imports, read from its source: what test_arrows.py holds and docs/map.md is drawn from.

An import counts wherever it stands: at the top, in a function, under TYPE_CHECKING, as `import_module` of a literal, or
in the `_PLACES` of a package that imports its parts on demand.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

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
    ("layers", "optimizers", "metrics", "gradient_check", "datasets"),
    ("losses", "regularizers"),
    ("core",),
    ("parallel",),
    ("initializers", "schedules", "backend", "data"),
    ("base", "random"),
    ("errors",),
)
# Who may import by a name that is made while the program runs: what `_PLACES` hold, and the classes that files name.
BY_NAME = ("base.on_demand", "files.network")
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
        for target in _imported(node, name):
            if target.partition(".")[0] == "xpnet":
                yield Arrow(name, node.lineno, _module(target.removeprefix("xpnet").removeprefix("."), known))


def _imported(node: Any, name: str) -> list[str]:
    """What a statement or a call imports, by full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            raise ValueError(f"{name}:{node.lineno}: imports are absolute here")
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
        literal = _literal(node.args[0])
        if not literal and name not in BY_NAME:
            raise ValueError(f"{name}:{node.lineno}: what is imported here cannot be read from the source")
        return [literal]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if "_PLACES" in map(_name, targets):
        return [f"xpnet.{name.removesuffix('__init__')}{place}" for place in ast.literal_eval(node.value)]
    return []


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


def _name(node: Any) -> str:
    """Of a variable, or the last part of a dotted one."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _literal(node: ast.expr) -> str:
    """A string, or the beginning of an f-string: of f"xpnet.data.{name}", the folder."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value.rstrip(".") if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
