"""Sequences of different lengths in one array, and the labels of what is behind their ends."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.checks import whole
from xpnet.base.hints import Explains
from xpnet.base.host import as_host
from xpnet.errors import DataError, DTypeError, ShapeError

Array = npt.NDArray[Any]
Lengths = npt.NDArray[np.int64]


def pad(sequences: Iterable[npt.ArrayLike], length: int | None = None, value: float = 0) -> tuple[Array, Lengths]:
    """Sequences (T_n, ...) as one array (N, T, ...), and their lengths (N,) in int64; behind each one stands `value`.

    T is the longest one's length, or `length`. The data type holds those of all sequences. Of labels, let value be the
    loss's `ignored_label`: then what is behind the end does not count.

    Raises DataError if there is no sequence, if one is empty or longer than `length`, or if their data type has no such
    `value`; ShapeError if they do not agree in what follows the first axis; DTypeError if they hold no numbers.
    """
    arrays = [as_host(sequence) for sequence in sequences]
    if not arrays:
        raise DataError("pad: there are no sequences")
    for number, array in enumerate(arrays):
        if array.dtype.kind not in "iufb":
            raise DTypeError(
                f"pad: sequence {number} is {array.dtype}; needed are numbers, as Vocabulary.encode makes them"
            )
        if array.ndim == 0:
            raise ShapeError(f"pad: sequence {number} is a single number; needed are sequences, as in [[1, 2], [3]]")
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"pad: sequence {number} has shape {array.shape}, and sequence 0 {arrays[0].shape}; they may differ in"
                " the first axis only, their length"
            )
        if len(array) == 0:
            raise DataError(f"pad: sequence {number} is empty: leave it out, and its labels too")
    lengths = np.array([len(array) for array in arrays], np.int64)
    T = int(lengths.max()) if length is None else whole("pad: length", length)
    if lengths.max() > T:
        longest = int(lengths.argmax())
        raise DataError(f"pad: sequence {longest} has length {lengths.max()}, more than length={T}: cut it, s[:{T}]")
    dtype = np.result_type(*arrays)
    padded = np.full((len(arrays), T, *arrays[0].shape[1:]), _held("pad", value, dtype))
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def mask_of(lengths: npt.ArrayLike, T: int) -> npt.NDArray[np.bool_]:
    """(N, T), True where element t belongs to sequence n: t < lengths[n]. As sample_weight it counts these alone.

    Raises DataError unless lengths are integers (N,) from 0 to T.
    """
    given = as_host(lengths)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise DataError(f"lengths must be integers (N,), not {given.dtype} of shape {given.shape}")
    T = whole("T", T)
    if given.size and (given.min() < 0 or given.max() > T):
        raise DataError(f"lengths reach from {given.min()} to {given.max()}, and the sequences have {T} elements")
    mask: npt.NDArray[np.bool_] = np.arange(T) < given[:, None]  # (1, T) beside (N, 1)
    return mask


def mask_after(t: npt.ArrayLike, lengths: npt.ArrayLike, label: int) -> Array:
    """A copy of class numbers (N, T) with `label`, the loss's `ignored_label`, behind the end of each sequence.

    Raises ShapeError unless t is (N, T, ...) with a length for each sequence, DataError for lengths that are not from 0
    to T, or a label that the data type of t does not have.
    """
    t = as_host(t)
    if t.ndim < 2 or t.shape[:1] != np.shape(lengths):
        raise ShapeError(
            f"mask_after: labels have shape {t.shape} and lengths {np.shape(lengths)}; needed are (N, T) and (N,)"
        )
    masked = t.copy()
    masked[~mask_of(lengths, t.shape[1])] = _held("mask_after", label, t.dtype)
    return masked


class ByLength(Explains):
    """Mini-batches of sequences of like lengths, so that little is padded; iterate over it once per epoch.

    Yields ((x, lengths), t), or (x, lengths) without t, of `batch_size` sequences each, or fewer in one: x (n, T, ...)
    is what `pad` makes of them, with `value` behind their ends, and lengths is (n,).

    t: a target for each sequence, (N, ...).  label: the loss's `ignored_label`, if t are sequences too, each as long as
    its own: it stands behind their ends.  shuffle: a new order of the batches each epoch, and of sequences that are as
    long as one another, drawn from the seed of xpnet; else the shortest come first.

    Raises what `pad` does, and DataError if targets and sequences do not fit.
    """

    def __init__(
        self,
        sequences: Iterable[npt.ArrayLike],
        t: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        value: float = 0,
        label: int | None = None,
    ) -> None:
        self.sequences = [as_host(sequence) for sequence in sequences]
        self.lengths = pad(self.sequences, value=value)[1]  # or its error, now
        self.t: Any = as_host(t) if t is not None and label is None else t
        if label is not None and (t is None or [len(each) for each in t] != self.lengths.tolist()):
            raise DataError("ByLength: with a label, t are sequences too, each as long as its own")
        if t is not None and len(self.t) != len(self.sequences):
            raise DataError(f"ByLength: there are {len(self.sequences)} sequences and {len(self.t)} targets")
        self.batch_size, self.shuffle = whole("batch_size", batch_size), bool(shuffle)
        self.value, self.label = value, label

    def __len__(self) -> int:
        return math.ceil(len(self.sequences) / self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[Any]:
        """The batches from number `first` on (from 0), in the order that a whole iteration has from the same seed."""
        rng = random.generator("batches") if self.shuffle else None  # drawn now, not when a batch is asked for
        order = np.arange(len(self.sequences)) if rng is None else rng.permutation(len(self.sequences))
        order = order[np.argsort(self.lengths[order], kind="stable")]
        starts = np.arange(0, len(order), self.batch_size)
        starts = starts if rng is None else rng.permutation(starts)
        return (self._batch(order[start : start + self.batch_size]) for start in starts[first:])

    def _batch(self, chosen: npt.NDArray[np.intp]) -> Any:
        x = pad([self.sequences[i] for i in chosen], value=self.value)
        if self.t is None:
            return x
        return x, self.t[chosen] if self.label is None else pad([self.t[i] for i in chosen], value=self.label)[0]


def _held(who: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """The value in the data type; one of floating point numbers may round it."""
    held = np.asarray(value)
    if held.ndim or held.dtype.kind not in "iufb":
        raise DataError(f"{who}: {value!r} is no number to fill up with")
    if dtype.kind == "f":
        return held.astype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not low <= held <= high or held != np.floor(held):
        raise DataError(f"{who}: {value!r} is no {dtype}; convert what is filled up, for instance to int64")
    return held.astype(dtype)
