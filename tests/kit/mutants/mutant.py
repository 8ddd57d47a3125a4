"""One deliberate error: where it is planted, and which tests should notice it."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """In `file` of the package, which holds `right` once, `wrong` stands in its place.

    tests: the one file that should notice, or one test of it, file.py::test. only: pytest's -k, where that is slow. on:
    the backend that the fixture `backend` gives these tests, where it is not the one that the code is of.
    """

    file: str
    right: str
    wrong: str
    tests: str
    only: str = ""
    on: str = ""

    @property
    def room(self) -> str:
        """The folder of the package that it is planted in, or the module at its root."""
        return self.file.partition("/")[0].removesuffix(".py")

    @property
    def backends(self) -> str:
        """Those that the fixture `backend` gives the tests: whose code it is, and no others, which would take time."""
        if self.on:
            return self.on
        if self.file.startswith("backend/cuda/"):
            return "cupy"
        return "numpy,reference" if self.file.startswith("backend/") else "numpy"
