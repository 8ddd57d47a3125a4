"""What pyproject.toml declares of other packages: `python -m tests.house.bounds` pins each to its own lower bound.

The lines that it prints are constraints of pip: with them `.ci/bounds lowest` installs the oldest packages that are
declared.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
INSTALLED = ("dev", "oracle")  # the extras that .ci/bounds installs, and with them those that they name
# name[extras]bounds; marker
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[^]]*)])?\s*(?P<bounds>[^;]*?)\s*(;.*)?")


def table() -> dict[str, Any]:
    return tomllib.loads(PROJECT.read_text(encoding="utf-8"))


def read() -> dict[str, Any]:
    project: dict[str, Any] = table()["project"]
    return project


def requirements(project: dict[str, Any], *extras: str) -> Iterator[tuple[str, str]]:
    """(name, bounds) of the packages that these extras need; without extras, of those that are always needed."""
    optional = project["optional-dependencies"]
    for text in [line for extra in extras for line in optional[extra]] if extras else project["dependencies"]:
        found = REQUIREMENT.fullmatch(text)
        if not found:
            raise ValueError(f"pyproject.toml: {text!r} is no requirement that can be read here")
        if found["name"] == project["name"]:
            yield from requirements(project, *re.findall(r"[\w-]+", found["extras"]))
        else:
            yield found["name"].lower(), found["bounds"]


def lower_bound(name: str, bounds: str) -> str:
    """Of ">=2.0,<3" it is "2.0", and of "==13.*" "13.0"."""
    found = re.search(r">=\s*([\w.]+)|==\s*([\w.]+?)\.\*", bounds)
    if not found:
        raise ValueError(f"pyproject.toml: {name} {bounds} has no lower bound: write {name}>=...")
    return found[1] or f"{found[2]}.0"


def lowest(project: dict[str, Any]) -> dict[str, str]:
    """The lower bound of each package that the tests need; it is an error if two extras differ."""
    pinned: dict[str, str] = {}
    for name, bounds in [*requirements(project), *requirements(project, *INSTALLED)]:
        bound = lower_bound(name, bounds)
        if pinned.setdefault(name, bound) != bound:
            raise ValueError(f"pyproject.toml: {name} has the lower bounds {pinned[name]} and {bound}: write the same")
    return pinned


if __name__ == "__main__":
    print(*(f"{name}=={bound}" for name, bound in sorted(lowest(read()).items())), sep="\n")
