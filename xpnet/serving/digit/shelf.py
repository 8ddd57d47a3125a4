"""The networks that a page can choose, and the digits: once for all pages, and nobody changes them."""

import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import networks, random
from xpnet.base.atomic_files import checked_path
from xpnet.core.outputs import is_shape
from xpnet.data.datasets import Part, mnist_part
from xpnet.errors import FormatError, OptionError, ShapeError, XpnetError
from xpnet.model import Model, load

RUNS = Path("runs")
PACKAGED = Path(networks.__file__).parent / "trained" / "deepconvnet.safetensors"
PACKAGED_ACCURACY = 0.9958  # on the 10,000 test digits; README.md beside the file says how it was made
MOST_RUNS, MOST_TRAINED = 8, 8  # that are listed
LARGEST_FILE = 32 << 20  # bytes
CLASSES = 10

NEW: dict[str, tuple[str, Callable[[], Model]]] = {  # name, and what makes one
    "simpleconvnet": ("SimpleConvNet", networks.SimpleConvNet),
    "deepconvnet": ("DeepConvNet", partial(networks.DeepConvNet, last_dropout=False)),
    "lenet5": ("LeNet-5", networks.LeNet5),
    "lenet5-1998": ("LeNet-5 (1998)", partial(networks.LeNet5, variant="1998")),
    "mlp": ("MLP", networks.MLP),
}


@dataclass
class Entry:
    """A network that can be chosen. note: where it comes from, a word that the page has a text for."""

    key: str
    name: str
    note: str  # "file", "package", "runs", "here", "own" or "new"
    make: Callable[[], Model]  # a network of the caller's own
    parameters: int
    trained: bool = True
    accuracy: float | None = None
    where: str = ""

    def described(self) -> dict[str, Any]:
        """As a page is told."""
        names = ("key", "name", "note", "where", "trained", "accuracy", "parameters")
        return {name: getattr(self, name) for name in names}


class Shelf:
    """What all pages of a server share. Its methods may be called from any thread."""

    def __init__(self, file: str | Path | None = None, runs: Path = RUNS) -> None:
        self.runs = runs
        self.listeners: set[Callable[[], None]] = set()  # told when there is another network
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._digits: dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]] = {}
        self._read: dict[tuple[Path, float], Entry | None] = {}  # files that were looked at
        self._own = [] if file is None else [entry_of_file(checked_path(file), "file")]
        self._packaged = _packaged() if PACKAGED.is_file() else []
        self._trained: list[Entry] = []
        self._new: list[Entry] = []

    def entries(self) -> list[Entry]:
        """All, the one to begin with first."""
        with self._lock:
            if not self._new:
                with random.preserved_state():  # what they are, the state of whoever asks first does not tell
                    self._new = [_untrained(key) for key in NEW]
            return [*self._own, *self._packaged, *self._trained, *self._found(), *self._new]

    def entry(self, key: str) -> Entry:
        """OptionError if there is none of this key."""
        for entry in self.entries():
            if entry.key == key:
                return entry
        raise OptionError(f"there is no network {key!r} to choose")

    def add_trained(self, model: Model, name: str, accuracy: float) -> Entry:
        """Put a copy of a network that was trained on one of the pages here, for all of them."""
        kept = model.copy()
        with self._lock:
            entry = Entry(f"here-{next(self._numbers)}", name, "here", kept.copy, _size(kept), True, accuracy)
            self._trained = [entry, *self._trained][:MOST_TRAINED]
        self.changed()
        return entry

    def judge(self, entry: Entry, accuracy: float) -> None:
        """Keep the accuracy that somebody found out."""
        if entry.accuracy is None:
            entry.accuracy = accuracy
            self.changed()

    def changed(self) -> None:
        with self._lock:
            listeners = list(self.listeners)
        for listener in listeners:
            listener()

    def digits(self, part: Part) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """MNIST's images, uint8 (N, 1, 28, 28), and labels of one part, read once."""
        with self._lock:
            if part not in self._digits:
                self._digits[part] = mnist_part(part, normalize=False)
            return self._digits[part]

    def _found(self) -> list[Entry]:
        """The networks in the folder of runs, those that were written last first."""
        stamped = []
        for path in self.runs.rglob("*.safetensors") if self.runs.is_dir() else ():
            try:
                stat = path.stat()
            except OSError:  # it has just gone
                continue
            if not path.name.endswith(".backup.safetensors") and stat.st_size <= LARGEST_FILE:
                stamped.append((stat.st_mtime, path))
        found: list[Entry] = []
        for time, path in sorted(stamped, reverse=True):
            if (path, time) not in self._read:
                self._read[path, time] = _readable(path)
            entry = self._read[path, time]
            if entry is not None:
                found.append(entry)
            if len(found) == MOST_RUNS:
                break
        return found


def entry_of_file(path: Path, note: str, key: str | None = None, name: str | None = None) -> Entry:
    """The network in a file; an XpnetError if it is none for digits."""
    try:
        kept = load(path)
    except FormatError as error:  # it may know the file by another name than the page
        raise FormatError(str(error).replace(str(path), name or str(path))) from error
    check_digits(kept, name or str(path))
    kept.astype("float32")
    title = name_of(kept) if name is None else f"{name_of(kept)}: {name}"
    where = "" if name else str(path)
    return Entry(key or f"{note}:{path}", title, note, kept.copy, _size(kept), where=where)


def check_digits(model: Model, file: str) -> None:
    """ShapeError unless the model takes a digit and gives the scores of ten classes."""
    shape = model.input_shape or ()
    if len(model.input_shapes) != 1 or any(model.integer_inputs) or math.prod(shape) != 784:
        raise ShapeError(f"{file}: the network takes inputs of shape {shape}; digits need (1, 28, 28) or (784,)")
    output = model.output_shape(shape)
    if not is_shape(output) or tuple(output) != (CLASSES,):
        raise ShapeError(f"{file}: the network gives outputs of shape {output}; ten digits need (10,)")


def name_of(model: Model) -> str:
    """What people call it."""
    key = f"{model.kind}-1998" if getattr(model, "variant", "") == "1998" else model.kind
    return NEW[key][0] if key in NEW else type(model).__name__


def _readable(path: Path) -> Entry | None:
    try:
        return entry_of_file(path, "runs")
    except XpnetError:
        return None


def _packaged() -> list[Entry]:
    entry = entry_of_file(PACKAGED, "package", key="package")
    entry.accuracy, entry.where = PACKAGED_ACCURACY, ""
    return [entry]


def _untrained(key: str) -> Entry:
    name, make = NEW[key]
    return Entry(key, name, "new", make, _size(make()), trained=False)


def _size(model: Model) -> int:
    return sum(parameter.size for parameter in model.parameters())
