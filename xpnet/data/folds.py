"""Parts of a data set: a stratified split, and the folds of cross-validation."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.checks import whole
from xpnet.base.hints import Explains
from xpnet.base.host import as_host
from xpnet.data.batches import split
from xpnet.data.sources import Subset, refuse_path
from xpnet.errors import DataError, OptionError

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]


def stratified_split(
    x: npt.ArrayLike, t: npt.ArrayLike, fraction: float, seed: int | None = None
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split into (x_train, t_train), (x_val, t_val): `fraction` of the samples, and of each class, is for validation.

    Which of a class is drawn from `seed`, or from the seed of xpnet without one; in both parts, samples stay in their
    order. Shares that are no whole number are rounded so that the sizes are those of `data.split`; a part whose share
    of a class is less than one may have none of it. t is (N,), class numbers. Both parts are copies.

    Raises OptionError unless 0 < fraction < 1, DataError if a part would be empty, a class has one sample only, t are
    not class numbers, or `x` and `t` differ in length.
    """
    if not 0 < fraction < 1:
        raise OptionError(f"the fraction for validation must be greater than 0 and less than 1, not {fraction!r}")
    x, (t, classes) = as_host(x), _classes(t)
    if x.ndim == 0 or len(x) != len(t):
        raise DataError(f"x has {len(x) if x.ndim else 'no'} samples but t has {len(t)}; expected one target for each")
    counts = np.bincount(classes)
    if counts.min() < 2:
        raise DataError(f"class {t[classes == counts.argmin()][0]} has one sample only, which cannot be in both parts")
    wanted = len(t) - math.floor(round(len(t) * (1 - fraction), 6))  # as data.split has it
    if not 0 < wanted < len(t):
        raise DataError(f"a fraction of {fraction} of {len(t)} samples leaves one part empty")
    shares = counts * wanted / len(t)
    takes = np.floor(shares).astype(np.intp)
    for i in np.argsort(takes - shares, kind="stable")[: wanted - takes.sum()]:  # the largest remainders first
        takes[i] += 1
    order = _generator(seed).permutation(len(t))
    order = order[np.argsort(classes[order], kind="stable")]  # class by class, shuffled within
    place = np.arange(len(t)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each within its class
    validation = np.zeros(len(t), bool)
    validation[order[place < np.repeat(takes, counts)]] = True
    return (x[~validation], t[~validation]), (x[validation], t[validation])


def hold_out(source: Any, fraction: float, seed: int | None = None) -> tuple[Subset, Subset]:
    """Two parts of a source, such as an ImageFolder: (what to train on, what to validate with).

    `fraction` of the samples is for validation, drawn from `seed`, or from the seed of xpnet without one; of each class
    if the source has `labels`, (N,), as an ImageFolder has. Samples stay in their order, and are not read.

    Raises OptionError unless 0 < fraction < 1, DataError if a part would be empty.
    """
    refuse_path("hold_out", source)
    numbers = np.arange(len(source))
    labels = getattr(source, "labels", None)
    if labels is not None:
        lone, names = np.flatnonzero(np.bincount(labels) == 1), getattr(source, "classes", None)
        if len(lone) and names is not None:
            raise DataError(f"class {names[lone[0]]!r} has one sample only, which cannot be in both parts")
        (train, _), (held_out, _) = stratified_split(numbers, labels, fraction, seed)
    else:
        mixed = _generator(seed).permutation(len(source))
        (train, _), (held_out, _) = split(mixed, mixed, fraction)
    return Subset(source, np.sort(train)), Subset(source, np.sort(held_out))


class KFold(Explains):
    """`folds` pairs of indices (train, validation): each sample is in the validation part of exactly one.

    shuffle: draw which, from `seed`, or from the seed of xpnet without one; otherwise a fold is a run of neighbours.
    stratified: each fold has as many samples of each class as the others, or one more or less. Fold sizes differ by one
    at most in any case, and indices are in ascending order.

    Raises OptionError for fewer than 2 folds, DataError for more than there are samples (or, stratified, samples of
    the smallest class).
    """

    def __init__(self, folds: int = 5, shuffle: bool = True, stratified: bool = False, seed: int | None = None) -> None:
        self.folds, self.shuffle, self.stratified = whole("folds", folds, 2), bool(shuffle), bool(stratified)
        self.seed = None if seed is None else whole("seed", seed, 0)

    def __len__(self) -> int:
        return self.folds

    def split(self, x: Any, t: npt.ArrayLike | None = None) -> Iterator[tuple[Indices, Indices]]:
        """The pairs for samples x, of which only the length counts, and for stratified folds their classes t, (N,)."""
        N = len(x)
        if self.folds > N:
            raise DataError(f"{self.folds} folds need at least as many samples, not {N}")
        if self.stratified and t is None:
            raise DataError("stratified folds need the classes: split(x, t)")
        order = _generator(self.seed).permutation(N) if self.shuffle else np.arange(N)
        fold = np.empty(N, np.intp)  # of each sample
        if self.stratified and t is not None:
            t, classes = _classes(t)
            if len(t) != N:
                raise DataError(f"x has {N} samples but t has {len(t)}; expected one target for each")
            fewest = np.bincount(classes).min()
            if fewest < self.folds:
                raise DataError(f"{self.folds} stratified folds need as many samples of each class; one has {fewest}")
            order = order[np.argsort(classes[order], kind="stable")]
            fold[order] = np.arange(N) % self.folds  # dealt like cards, class by class
        else:
            fold[order] = np.arange(N) * self.folds // N
        return ((np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(self.folds))


def _classes(t: npt.ArrayLike) -> tuple[Array, Indices]:
    """t, and its classes numbered 0, 1, ... without gaps."""
    t = as_host(t)
    if t.ndim != 1 or t.dtype.kind not in "biu" or len(t) == 0:
        raise DataError(f"strata need class numbers, integers (N,), not {t.dtype} {t.shape}")
    return t, np.unique(t, return_inverse=True)[1]


def _generator(seed: int | None) -> np.random.Generator:
    return random.generator("folds") if seed is None else random.stream((whole("seed", seed, 0), 0))
