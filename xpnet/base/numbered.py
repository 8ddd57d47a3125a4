"""Names that end in numbers, such as dense1, dense2: the next one, without looking through all that there are."""

from collections.abc import Iterable


class Numbered:
    """A set of names. `next("dense")` is "dense" and the number behind the largest that a name has there; a name that
    is a number itself counts for all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._largest: dict[str, int] = {}  # number, by what stands in front of it
        for name in names:
            self.add(name)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        if name in self._names:
            return
        self._names.add(name)
        start = len(name)
        while start and name[start - 1].isdecimal():  # of dense12: 2 behind dense1, and 12 behind dense
            start -= 1
            stem, number = name[:start], int(name[start:])
            self._largest[stem] = max(number, self._largest.get(stem, 0))

    def next(self, stem: str) -> str:
        return f"{stem}{max(self._largest.get(stem, 0), self._largest.get('', 0)) + 1}"
