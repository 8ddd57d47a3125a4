"""A Ctrl-C is never lost: nothing of the package runs Python where what is raised is only printed."""

import ast
import re

from tests.house.imports import modules


def test_no_class_has_a_del_and_nothing_has_a_finalizer_in_python() -> None:
    """The interpreter calls them anywhere. A KeyboardInterrupt in one of them becomes "Exception ignored in"."""
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__del__":
                found.append(f"{name}: __del__")
            elif isinstance(node, ast.Call) and re.fullmatch(
                r"weakref\.(finalize|proxy)|finalize|gc\.callbacks\.append|sys\.addaudithook", ast.unparse(node.func)
            ):
                found.append(f"{name}: {ast.unparse(node)}")
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("weakref.ref", "ref", "_Loan"):
                callbacks = [ast.unparse(each) for each in node.args[1:]]
                if callbacks not in ([], ["self.returned.append"]):  # that of a deque, which is no Python
                    found.append(f"{name}: {ast.unparse(node)}")
    assert not found
