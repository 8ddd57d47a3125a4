"""Objects whose attributes are settled announce all that they get later: else the first use of one is an error."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator

import xpnet
from xpnet.base.settings import Settled
from xpnet.core.layer import Layer

ELSEWHERE = ("cuda", "__main__")  # what needs CuPy, and what runs when it is imported


def settled(of: type = Settled) -> Iterator[type]:
    for cls in of.__subclasses__():
        if cls.__module__.startswith("xpnet."):
            yield cls
        yield from settled(cls)


def set_in(source: object) -> set[str]:
    """The public attributes of self that some code sets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(source)))  # type: ignore[arg-type]
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not node.attr.startswith("_")
        if isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def announced(cls: type) -> set[str]:
    """What the constructors set, and what stands in the bodies of the class and its bases."""
    names: set[str] = set()
    for each in cls.__mro__[:-1]:
        names |= inspect.get_annotations(each).keys() | vars(each).keys()
        if inspect.isfunction(vars(each).get("__init__")):
            names |= set_in(each.__init__)
    return names


def test_what_is_set_later_is_announced() -> None:
    for module in pkgutil.walk_packages(xpnet.__path__, "xpnet."):
        if not any(part in module.name for part in ELSEWHERE):
            importlib.import_module(module.name)
    classes = {cls for cls in settled() if not issubclass(cls, Layer)}  # a layer takes any
    late = {f"{cls.__module__}.{cls.__name__}.{name}" for cls in classes for name in set_in(cls) - announced(cls)}
    assert len(classes) > 100 and not late
