"""Text as numbers: a vocabulary of characters or words, and windows over a long text for models that foretell it."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.base import budget
from xpnet.base.atomic_files import checked_path, file_errors, write_atomically
from xpnet.base.checks import whole
from xpnet.base.file_kinds import other_kind
from xpnet.base.hints import Explains
from xpnet.base.host import as_host
from xpnet.base.regular_files import opened
from xpnet.errors import DataError, FormatError, OptionError, ShapeError

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]
Split = Callable[[str], Iterable[str]]

SPLITS: dict[str, Split] = {"characters": list, "words": str.split}
PADDING, UNKNOWN = "<padding>", "<unknown>"  # as decode writes UNKNOWN; of padding it writes nothing


class Vocabulary(Explains):
    """A number for each character or word of these texts, the most frequent ones first, and the way back.

        >>> vocabulary = Vocabulary(["a cat", "a dog"], split="words")
        >>> vocabulary.encode("a dog")
        array([1, 3])
        >>> vocabulary.decode([1, 3, 0, 0])
        'a dog'
        >>> len(vocabulary), vocabulary.entries
        (4, ('<padding>', 'a', 'cat', 'dog'))

    0 is padding, as data.pad puts it behind the ends of sequences. `len()` is what layers.Embedding needs to know.

    texts: strings, or a single one.  split: "characters", "words" (between spaces), or a function that makes a list of
    strings of a text; only the function knows how to undo what it does: decode puts spaces between.  size: at most this
    many entries, those of padding and of the unknown counted; the rarest are left out, of equally rare ones the last in
    the order of their characters.  unknown: whether 1 stands for what is not in the vocabulary (always, if there is a
    size); else encode refuses it.

    Raises DataError if there is no text, OptionError for options that cannot be.
    """

    def __init__(
        self,
        texts: Iterable[str],
        split: str | Split = "characters",
        size: int | None = None,
        unknown: bool = False,
    ) -> None:
        self.split: str | Split = split
        self._split = _checked_split(split)
        counts = Counter[str]()
        if not isinstance(texts, Iterable):
            raise DataError(f"a Vocabulary is made from a text or several, not from {texts!r:.60}")
        for text in [texts] if isinstance(texts, str) else texts:
            counts.update(self._pieces(text))
        if not counts:
            raise DataError("a Vocabulary is made from texts, and there is nothing in these")
        special = (PADDING, UNKNOWN) if unknown or size is not None else (PADDING,)
        limit = None if size is None else whole("Vocabulary: size", size, len(special) + 1) - len(special)
        pieces = sorted(counts.keys() - {PADDING, UNKNOWN}, key=lambda piece: (-counts[piece], piece))
        self._number((*special, *pieces[:limit]))

    def _number(self, entries: tuple[str, ...]) -> None:
        self.entries = entries
        self.numbers = {entry: number for number, entry in enumerate(entries)}
        self.unknown = 1 if entries[1:2] == (UNKNOWN,) else None  # the number of what is not in the vocabulary
        self.padding = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"Vocabulary of {len(self)} entries, split={self.split!r}"

    def encode(self, text: str) -> Numbers:
        """The numbers of a text, (T,) in int64.

        Raises DataError for a character or word that is not in the vocabulary, unless that has an entry for these.
        """
        pieces = list(self._pieces(text))
        try:
            get = self.numbers.__getitem__ if self.unknown is None else lambda piece: self.numbers.get(piece, 1)
            return np.fromiter(map(get, pieces), np.int64, len(pieces))
        except KeyError as error:
            place = pieces.index(error.args[0])
            raise DataError(
                f"encode: {error.args[0]!r}, at place {place} of the text, is not in the vocabulary; one that is made"
                " with unknown=True has a number for what it does not know"
            ) from None

    def decode(self, numbers: npt.ArrayLike) -> str:
        """The text of numbers (T,), without padding. Raises DataError for other numbers than encode gives."""
        given = as_host(numbers)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise DataError(
                f"decode: the numbers of a text are integers (T,), not {given.dtype} of shape {given.shape}"
            )
        if given.size and not 0 <= given.min() <= given.max() < len(self):
            raise DataError(
                f"decode: numbers reach from {given.min()} to {given.max()}, and the vocabulary has {len(self)} entries"
            )
        between = "" if self.split == "characters" else " "
        return between.join(self.entries[number] for number in given.tolist() if number != self.padding)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, as JSON; a split that is a function is not in it, and is given to `load` again."""
        content = {"split": self.split if isinstance(self.split, str) else None, "entries": self.entries}
        write_atomically(path, lambda file: file.write(json.dumps(content, ensure_ascii=False).encode()))

    @classmethod
    def load(cls, path: str | os.PathLike[str], split: Split | None = None) -> "Vocabulary":
        """The vocabulary that `save` has written. Raises FormatError if the file holds something else."""
        path = checked_path(path)
        with file_errors(f"cannot read {path}", advice=""), opened(path) as file:
            content = file.read()
        try:
            found = budget.parsed(content, len(content))
            entries, kept = tuple(found["entries"]), found["split"]
            known = kept is None or kept in SPLITS
            if (
                not known
                or len(set(entries)) < len(entries)
                or entries[0] != PADDING
                or not all(map(_is_text, entries))
            ):
                raise ValueError("its entries are not those of one")
        except (ValueError, KeyError, TypeError, IndexError, FormatError) as error:
            why = other_kind(content, "JSON") or error
            raise FormatError(f"{path} is no vocabulary that was saved ({why})") from error
        if (split is None) == (kept is None):
            needed = "needs its function: load(path, split)" if kept is None else f"is one of {kept}: leave split out"
            raise OptionError(f"the vocabulary in {path} {needed}")
        vocabulary = cls.__new__(cls)
        vocabulary.split = split or kept
        vocabulary._split = _checked_split(vocabulary.split)
        vocabulary._number(entries)
        return vocabulary

    def compared(self) -> dict[str, Any]:
        """What a Backup compares."""
        return {"split": self.split, "entries": list(self.entries)}

    def _pieces(self, text: str) -> Iterable[str]:
        if not isinstance(text, str):
            raise DataError(f"a text is a string, not {text!r:.60}; of several, encode each by itself")
        return self._split(text)


def windows(numbers: npt.ArrayLike, length: int, stride: int | None = None) -> tuple[Array, Array]:
    """Pieces of a long text or series, (N, length, ...), and the same moved on by one: what comes next at each place.

        >>> x, t = windows([1, 2, 3, 4, 5, 6, 7], 3)
        >>> x.tolist(), t.tolist()
        ([[1, 2, 3], [4, 5, 6]], [[2, 3, 4], [5, 6, 7]])

    numbers: (T,), or (T, ...) such as a series of several values.  stride: from the beginning of one window to that of
    the next; by default `length`, so that every element is in one window. What does not fill one is left out. Both are
    views that cannot be written to.

    Raises DataError if not even one is filled.
    """
    numbers, length = _series("windows", numbers), whole("windows: length", length)
    step = length if stride is None else whole("windows: stride", stride)
    if len(numbers) <= length:
        raise DataError(
            f"windows of {length} elements need {length + 1}, to foretell what comes next; there are {len(numbers)}"
        )
    pieces = np.lib.stride_tricks.sliding_window_view(numbers, length + 1, axis=0)[::step]  # (N, ..., length + 1)
    pieces = np.moveaxis(pieces, -1, 1)  # (N, length + 1, ...)
    return pieces[:, :-1], pieces[:, 1:]


def windows_in_rows(numbers: npt.ArrayLike, length: int, rows: int) -> tuple[Array, Array]:
    """Windows for a stateful model: the text in `rows` parts, which are read beside one another, and go on from batch
    to batch.

        >>> x, t = windows_in_rows([1, 2, 3, 4, 5, 6, 7, 8, 9], length=2, rows=2)
        >>> x.tolist()
        [[1, 2], [5, 6], [3, 4], [7, 8]]

    x (B * rows, length, ...), for model.fit(x, t, batch_size=rows, shuffle=False): sample n of each of the B batches
    goes on where sample n of the batch before has ended, and gradients end there (truncated backpropagation: Williams
    and Peng, 1990). t is x moved on by one. What does not fill a window of each row is left out.

    Raises DataError if not even one is filled.
    """
    numbers = _series("windows_in_rows", numbers)
    length, rows = whole("windows_in_rows: length", length), whole("windows_in_rows: rows", rows)
    each = (len(numbers) - 1) // rows  # of a row
    B = each // length
    if B < 1:
        raise DataError(f"{rows} rows of {length} elements need {rows * length + 1}; there are {len(numbers)}")

    def cut(series: Array) -> Array:
        inside = series.shape[1:]
        parts = series[: rows * each].reshape(rows, each, *inside)[:, : B * length]
        parts = parts.reshape(rows, B, length, *inside).swapaxes(0, 1)  # (B, rows, length, ...)
        return parts.reshape(B * rows, length, *inside)

    return cut(numbers), cut(numbers[1:])


def _series(who: str, numbers: npt.ArrayLike) -> Array:
    series = as_host(numbers)
    if series.dtype.kind not in "iufb" or series.ndim < 1:
        what = "a text goes through Vocabulary.encode first" if series.dtype.kind == "U" else "needed are numbers (T,)"
        raise ShapeError(f"{who}: got {series.dtype} of shape {series.shape}; {what}")
    return series


def _checked_split(split: Any) -> Split:
    found = SPLITS.get(split) if isinstance(split, str) else split
    if not callable(found):
        raise OptionError(f'Vocabulary: split must be "characters", "words" or a function of a text, not {split!r}')
    return found


def _is_text(entry: Any) -> bool:
    return isinstance(entry, str)
