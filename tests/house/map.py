"""docs/map.md, drawn from the code: `python -m tests.house.map` writes it; test_map.py holds it against the code."""

import ast
from pathlib import Path

from tests.house.imports import PACKAGE, STEPS, all_arrows, modules, room

PAGE = Path(__file__).parents[2] / "docs" / "map.md"

HEAD = """# The map of the house

The package has rooms: a folder each, or a file at the root, which is a name that users type. A room knows of those
below it and of no other, so that each can be read, tested and changed without what stands above. This page is drawn
from the code by `python -m tests.house.map`, and [test_arrows.py](../tests/house/test_arrows.py) holds the order.
Arrows that follow from others are left out of the picture: where cli knows training and training knows core, there is
none from cli to core.

"""


def first_sentence(path: Path) -> str:
    """Of the docstring: what the file is for, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def rooms() -> dict[str, dict[str, Path]]:
    """The files of each room, by their names in it, from the top of the house to its foundation."""
    found: dict[str, dict[str, Path]] = {name: {} for step in STEPS for name in step}
    for module, path in modules().items():
        found[room(module)][module.partition(".")[2] or "__init__"] = path
    return {name: files for name, files in found.items() if files}


def known_rooms() -> dict[str, set[str]]:
    """What each room imports from."""
    graph: dict[str, set[str]] = {name: set() for name in rooms()}
    for arrow in all_arrows():
        if room(arrow.file) != room(arrow.target):
            graph[room(arrow.file)].add(room(arrow.target))
    return graph


def without_shortcuts(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows from which all others follow."""

    def reached(name: str) -> set[str]:
        return {far for near in graph[name] for far in {near} | reached(near)}

    return {name: {t for t in near if not any(t in reached(u) for u in near)} for name, near in graph.items()}


def picture() -> str:
    lines = ["```mermaid", "flowchart TD"]
    names = {"__init__": "xpnet", "__main__": "python -m xpnet"}
    for name in rooms():
        lines.append(f'    {name.strip("_")}["{names.get(name, name)}"]')
    for name, targets in without_shortcuts(known_rooms()).items():
        lines += [f"    {name.strip('_')} --> {target.strip('_')}" for target in sorted(targets)]
    return "\n".join([*lines, "```", ""])


def table() -> str:
    lines = []
    for name, files in rooms().items():
        own = files.pop("__init__", None)
        folder = PACKAGE / name
        place = f"xpnet/{name}" if folder.is_dir() else f"xpnet/{name}.py"
        lines.append(f"\n## [{place}](../{place})\n\n{first_sentence(own) if own else ''}\n")
        if files:
            lines += ["| file | what it holds |", "|---|---|"]
            lines += [
                f"| [{path.relative_to(folder)}](../xpnet/{path.relative_to(PACKAGE)}) | {first_sentence(path)} |"
                for path in files.values()
            ]
    return "\n".join(lines) + "\n"


def draw() -> str:
    return HEAD + picture() + table()


if __name__ == "__main__":
    PAGE.write_text(draw(), encoding="utf-8")
    print(f"{PAGE} is drawn")
