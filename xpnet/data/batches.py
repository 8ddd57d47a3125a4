"""Cut a data set into mini-batches, and set a part of it aside for validation."""

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.host import as_host
from xpnet.base.nested import arranged_like, leaves, mapped
from xpnet.data.shards import CutBatch, Shards, cut_each
from xpnet.errors import DataError, OptionError

Array = npt.NDArray[Any]


class Batches:
    """The mini-batches of a data set: iterate over it once per epoch; `len()` is the number of batches.

    Yields (x_batch, t_batch), or x_batch alone without `t`, of `batch_size` samples each (default 32); with
    `sample_weight`, a number for each sample, (x_batch, t_batch, weight_batch). The last batch is smaller if the
    samples do not divide evenly, or left out with `drop_last`.
    Each of these may be a tuple of arrays or a dict of arrays by name, for a network of several inputs or outputs.
    In order, batches are views of the data; with `shuffle`, every new iteration draws its own order from the seed of
    xpnet and the batches are copies.

    Raises DataError if there is nothing to yield or `x` and `t` differ in length, OptionError for a bad batch size.
    """

    gives_shards = True  # shards_from

    def __init__(
        self,
        x: Any,
        t: Any = None,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        sample_weight: Any = None,
    ) -> None:
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1:
            raise OptionError(f"batch_size must be an integer of 1 or more, not {batch_size!r}")
        self.x = mapped(as_host, x)
        self.t = None if t is None else mapped(as_host, t)
        self.sample_weight = None if sample_weight is None else mapped(as_host, sample_weight)
        self.parts = tuple(part for part in (self.x, self.t, self.sample_weight) if part is not None)
        N = self.samples = _samples(self.x, self.t)
        for weights in [] if sample_weight is None else leaves(self.sample_weight):
            axes = 1 if t is None else max(each.ndim for each in leaves(self.t))
            if t is None or weights.shape[:1] != (N,) or weights.ndim > axes:
                raise DataError(
                    f"sample_weight has shape {weights.shape}; it needs one number for each of the {N} samples, and"
                    " targets beside it"
                )
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        if drop_last and batch_size > N:
            raise DataError(
                f"{N} samples do not fill one batch of {batch_size}, and drop_last leaves out what is not full; "
                "choose a smaller batch_size or drop_last=False"
            )

    def __len__(self) -> int:
        N, size = self.samples, self.batch_size
        return N // size if self.drop_last else math.ceil(N / size)

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[Any]:
        """The batches from number `first` on (from 0), in the order that a whole iteration has from the same seed."""
        order = random.generator("batches").permutation(self.samples) if self.shuffle else None
        return self._cut(first, order)  # the order is drawn now, and not when the first batch is asked for

    def shards_from(self, first: int, shards: Shards) -> Iterator[CutBatch]:
        """The same batches, of each these shards alone."""
        order = random.generator("batches").permutation(self.samples) if self.shuffle else None
        limits = (range(self.samples)[i * self.batch_size :][: self.batch_size] for i in range(first, len(self)))
        return cut_each(limits, self.parts if self.t is not None else self.x, order, shards)

    def _cut(self, first: int, order: Array | None) -> Iterator[Any]:
        arrays = leaves(self.parts)
        flat = len(arrays) == len(self.parts) and all(map(operator.is_, arrays, self.parts))
        for i in range(first, len(self)):
            part = slice(i * self.batch_size, (i + 1) * self.batch_size)
            chosen = part if order is None else order[part]
            cut = tuple([array[chosen] for array in arrays])
            parts = cut if flat else arranged_like(self.parts, cut)
            yield parts[0] if self.t is None else parts


def split(x: npt.ArrayLike, t: npt.ArrayLike, fraction: float) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split into (x_train, t_train), (x_val, t_val): the *last* `fraction` of the samples is for validation.

    As in Keras, the first floor(N (1 - fraction)) samples train, and nothing is shuffled: do so beforehand if the data
    is sorted. Both parts are views.

    Raises OptionError unless 0 < fraction < 1, DataError if a part would be empty or `x` and `t` differ in length.
    """
    if not isinstance(fraction, (int, float, np.number)) or not 0 < fraction < 1:
        raise OptionError(f"the fraction for validation must be greater than 0 and less than 1, not {fraction!r}")
    x, t = as_host(x), as_host(t)
    N = _samples(x, t)
    cut = math.floor(round(N * (1 - fraction), 6))  # rounded first: 1000 * (1 - 0.9) is 99.99999999999997
    if not 0 < cut < N:
        raise DataError(f"a fraction of {fraction} of {N} samples leaves one part empty; expected samples in both")
    return (x[:cut], t[:cut]), (x[cut:], t[cut:])


def _samples(x: Any, t: Any) -> int:
    """The number of samples, checked."""
    first, *others = leaves(x)
    targets = [] if t is None else leaves(t)
    if any(array.ndim == 0 for array in (first, *others, *targets)):
        raise DataError("x and t must be arrays with the samples along the first axis, not single numbers")
    if len(first) == 0:
        raise DataError(f"there is no data: x has shape {first.shape}; expected at least one sample")
    for array in others:
        if len(array) != len(first):
            raise DataError(f"x are arrays of {len(first)} and of {len(array)} samples; expected as many in each")
    for array in targets:
        if len(array) != len(first):
            raise DataError(f"x has {len(first)} samples but t has {len(array)}; expected one target for each sample")
    return len(first)
