"""What the pages of a Watch show: the training writes it, and the server takes from it, for each page, what is new."""

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from xpnet.serving.frames import pack
from xpnet.serving.watch.curves import Curves, Film

KINDS = ("state", "steps", "epochs", "filters", "histograms", "mistakes")  # of frames
TABLES = ("steps", "epochs")


class Place:
    """How much of the board a page has been sent. Kinds take turns: a slow page would else get the state alone, which
    is always new.
    """

    def __init__(self) -> None:
        self.turn = 0
        self.numbers = dict.fromkeys(KINDS, 0)
        self.tables = {name: (-1, 0, -1) for name in TABLES}  # generation, points, additions
        self.film = -1


class _Shown:
    """A frame that is packed, once, when the first page takes it: where there is none it costs nothing."""

    def __init__(
        self, number: int, kind: str, fields: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        self.number, self.kind, self.fields, self.arrays = number, kind, fields, arrays

    @functools.cached_property
    def frame(self) -> bytes:
        return pack(self.kind, self.fields, **self.arrays)


class Board:
    """Everything that a page may want to see, bounded however long training goes on.

    A page that is slow, or that reads nothing, takes nothing from here: whatever it missed is gone, and the next frame
    that it takes is the newest.
    """

    def __init__(self) -> None:
        self.steps, self.epochs, self.film = Curves(), Curves(), Film[bytes]()
        self._additions = dict.fromkeys(TABLES, 0)
        self._newest: dict[str, _Shown] = {}  # by kind
        self._pages: dict[object, Callable[[], None]] = {}  # what wakes each
        self._lock = threading.Lock()

    # ---- for the training ------------------------------------------------------------------------------------------

    @property
    def watched(self) -> bool:
        """Whether a page is open."""
        return bool(self._pages)

    def add(self, table: str, points: Sequence[tuple[float, Mapping[str, float]]]) -> None:
        """Points of the curves by step or by epoch: x, and values by name."""
        with self._lock:
            curves: Curves = getattr(self, table)
            for x, values in points:
                curves.add(x, values)
            self._additions[table] += len(points)

    def show(self, kind: str, fields: Mapping[str, Any], **arrays: npt.NDArray[Any]) -> None:
        """In the place of what was shown of this kind."""
        with self._lock:
            before = self._newest.get(kind)
            self._newest[kind] = _Shown(before.number + 1 if before else 1, kind, fields, arrays)

    def film_filters(self, fields: Mapping[str, Any], **arrays: npt.NDArray[Any]) -> None:
        """One more picture of the filters."""
        with self._lock:
            self.film.add(pack("filters", {**fields, "number": self.film.shown}, **arrays))

    def cut_film(self) -> None:
        """Filters of another network follow."""
        with self._lock:
            self.film.kept, self.film.newest, self.film.stride = [], None, 1

    def wake(self) -> None:
        """Tell all pages that there is something new."""
        for wake in list(self._pages.values()):
            with contextlib.suppress(RuntimeError):  # the server has ended this moment
                wake()

    # ---- for the pages ---------------------------------------------------------------------------------------------

    def join(self, page: object, wake: Callable[[], None]) -> None:
        with self._lock:
            self._pages = {**self._pages, page: wake}
        wake()

    def leave(self, page: object) -> None:
        with self._lock:
            self._pages = {each: wake for each, wake in self._pages.items() if each is not page}

    def next_frame(self, place: Place) -> bytes | None:
        """What a page has not been sent yet, and is sent now."""
        with self._lock:
            for _ in KINDS:
                kind = KINDS[place.turn]
                place.turn = (place.turn + 1) % len(KINDS)
                if (frame := self._new(kind, place)) is not None:
                    return frame
        return None

    def _new(self, kind: str, place: Place) -> bytes | None:
        if kind in TABLES:
            return self._curves(kind, place)
        if kind != "filters":
            return self._single(kind, place)
        if (found := self.film.after(place.film)) is None:
            return None
        place.film, frame = found
        return frame

    def _single(self, kind: str, place: Place) -> bytes | None:
        shown = self._newest.get(kind)
        if shown is None or shown.number == place.numbers[kind]:
            return None
        place.numbers[kind] = shown.number
        return shown.frame

    def _curves(self, table: str, place: Place) -> bytes | None:
        generation, sent, additions = place.tables[table]
        if additions == self._additions[table] or not self._additions[table]:
            return None
        curves: Curves = getattr(self, table)
        points = curves.points(sent if generation == curves.generation else 0)
        place.tables[table] = curves.generation, curves.count, self._additions[table]
        fields = {"first": points.first, "names": list(curves.names), "unfinished": points.unfinished}
        return pack(table, fields, x=points.x, values=points.values)
