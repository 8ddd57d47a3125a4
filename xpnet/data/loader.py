"""Batches from any source, read and augmented ahead of training by threads or processes.

All that is random in an epoch comes from one key: the order, what a generator draws, and for each batch, by its number,
its augmentation. So neither the number of workers nor how far they are ahead changes a bit of what comes out.
"""

import contextlib
import functools
import inspect
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.base.checks import whole
from xpnet.base.hints import Explains
from xpnet.base.nested import first_leaf, leaves, mapped
from xpnet.data.image_file import Preparation
from xpnet.data.items import Samples, gives_samples
from xpnet.data.shards import CutBatch, Part, Shards, grouped
from xpnet.data.sources import Arrays, Stream, one_or_more, refuse_path, stacked
from xpnet.data.transforms import to_unit
from xpnet.errors import DataError, OptionError, ShapeError, XpnetError

Array = npt.NDArray[Any]
Augment = Callable[[Array, np.random.Generator], Array]

_ORDER, _AUGMENT, _STREAM = 0, 1, 2  # places among the streams of a key


class Loader(Explains):
    """The mini-batches of a source: iterate over it once per epoch; `len()` is the number of batches.

    source: an object with a length and `source[indices]`, such as data.Arrays, data.MappedArrays or data.ImageFolder; a
    data.Stream; a tuple of arrays (x, t); or what gives a sample (x, t) at each number, such as a torch
    Dataset. Yields what it has: (x, t), x alone, or (x, t, sample_weight); each may be
    a tuple or a dict of arrays, of several inputs or outputs, and augment and transform get x as it is.
    On the way, x goes through these: bytes become float32 from 0 to 1, unless normalize is False; `augment(x, rng)`,
    such as augment.Compose; `transform(x)`, such as a fitted Standardize.

    shuffle: a new order each epoch. drop_last: leave out the last batch if it is not full.
    prefetch: how many batches are made ahead, in the background; 0 makes each when it is asked for.
    workers: how many threads make them (0: one); with processes=True, that many processes, for a source or augmentation
    that is slow in Python itself. These get copies of source, augment and transform, stay from epoch to epoch until
    `close()` or until the loader is gone, and need a script to be guarded by `if __name__ == "__main__":`.

    An iteration takes one key of xpnet.random; the batches of a seed are the same, bit for bit, whatever prefetch,
    workers and processes are, also if source, augment or transform draw from xpnet.random themselves. Threads end with
    the iteration, also if it is left early. What a source raises reaches the caller: an XpnetError as it is, others as
    DataError with the sample's name.

    Raises OptionError for options that do not fit together, DataError if there is nothing to yield.
    """

    def __init__(
        self,
        source: Any,
        batch_size: int = 32,
        shuffle: bool = True,
        augment: Augment | None = None,
        prefetch: int = 2,
        workers: int = 0,
        drop_last: bool = False,
        *,
        processes: bool = False,
        normalize: bool = True,
        transform: Callable[[Array], Array] | None = None,
    ) -> None:
        if isinstance(source, (tuple, np.ndarray)):
            source = Arrays(*source) if isinstance(source, tuple) else Arrays(source)
        _check_source(source)
        if hasattr(batch_size, "__len__"):
            raise OptionError("a Loader takes all its arrays as one argument, a tuple: Loader((x, t), batch_size=32)")
        _check_function("augment", augment, 2)
        _check_function("transform", transform, 1)
        self.source, self.shuffle, self.drop_last = source, bool(shuffle), bool(drop_last)
        self.augment, self.transform, self.normalize = augment, transform, bool(normalize)
        self.batch_size, self.prefetch = whole("batch_size", batch_size), whole("prefetch", prefetch, 0)
        self.workers, self.processes = whole("workers", workers, 0), bool(processes)
        if isinstance(source, Stream) and self.workers:
            raise OptionError("a Stream is read by one thread, in its order: workers must be 0; prefetch still works")
        if self.processes and not self.workers:
            raise OptionError("processes=True needs the number of processes: workers=2, for example")
        if len(source) == 0:
            raise DataError("there is no data: the source has no sample")
        if len(self) == 0:
            raise DataError(
                f"{len(source)} samples do not fill one batch of {self.batch_size}, and drop_last leaves out what is "
                "not full; choose a smaller batch_size or drop_last=False"
            )
        self._pool: Any = None  # of processes, once there are some
        self._pool_of = os.getpid()  # whose pool it is: a forked process has no way to its parent's
        self._recipe = Recipe(source, self.augment, self.transform, self.normalize)

    def __len__(self) -> int:
        batches = len(self.source) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, batch: int) -> Iterator[Any]:
        """An epoch without its first `batch` batches: the rest is what it would have been. A Stream reads over them."""
        return self._begin(batch, None)

    def shards_from(self, batch: int, shards: Shards) -> Iterator[CutBatch]:
        """The same, of each batch these shards alone: nothing else is read, but by a Stream. A shard has an
        augmentation of its own, whoever makes it.
        """
        made = self._begin(batch, shards)
        return made if isinstance(self.source, Stream) else grouped(self._places(batch, shards), made)

    def _begin(self, batch: int, shards: Shards | None) -> Iterator[Any]:
        if whole("batch", batch, 0) > len(self):
            raise OptionError(f"an epoch has {len(self)} batches; it cannot start at batch {batch}")
        key = random.next_key("batches")  # now, and not when the first batch is asked for
        parts = 1 if shards is None or isinstance(self.source, Stream) else len(shards.owned)  # jobs of a batch
        ahead = functools.partial(self._ahead, parts=parts)
        run = ahead if self.prefetch or self.workers else self._on_demand
        if not isinstance(self.source, Stream):
            return run(self._jobs(key, batch, shards), contextlib.nullcontext())
        order = random.stream(key, _ORDER) if self.shuffle else None
        samples = self.source.epoch(random.stream(key, _STREAM), order)
        return run(self._stream_jobs(samples, key, batch, shards), contextlib.closing(samples))

    @property
    def classes(self) -> Any:
        """The names of the source's classes, if it has them."""
        return self.source.classes

    @property
    def preparation(self) -> Preparation:
        """How a picture's file becomes what the batches hold, if the source has images, but for augmentation."""
        return Preparation(
            **{**self.source.preparation.config(), "normalize": self.normalize, "transform": self.transform}
        )

    def compared(self) -> dict[str, Any]:
        """What a Backup compares: all that the batches depend on."""
        names = ("source", "batch_size", "shuffle", "augment", "drop_last", "normalize", "transform")
        return {name: getattr(self, name) for name in names}

    def close(self) -> None:
        """End the worker processes, if there are any; a later iteration starts new ones."""
        if self._pool is not None and self._pool_of == os.getpid():
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    # ---- what is to be done ----------------------------------------------------------------------------------------

    def _jobs(self, key: random.Key, first: int, shards: Shards | None) -> Iterator[tuple[Any, ...]]:
        """For each batch, or for each shard that is at hand, a function and its arguments."""
        N, size = len(self.source), self.batch_size
        order = random.stream(key, _ORDER).permutation(N) if self.shuffle else np.arange(N)
        make = _make_in_process if self.processes else self._recipe.make
        for number in range(first, len(self)):
            indices = order[number * size : (number + 1) * size]
            if shards is None:
                yield make, indices, key, number
                continue
            for shard, rows in shards.rows(len(indices))[0]:
                yield make, indices[rows], _key_of(key, shard), number

    def _stream_jobs(
        self, samples: Iterator[Any], key: random.Key, first: int, shards: Shards | None
    ) -> Iterator[tuple[Any, ...]]:
        for number in range(first):
            self._recipe.read_next(samples, self.batch_size, key, number)
        for number in range(first, len(self)):
            if shards is None:
                yield self._recipe.make_next, samples, self._size_of(number), key, number
            else:
                yield self._recipe.cut_next, samples, self._size_of(number), key, number, shards

    def _size_of(self, number: int) -> int:
        """The samples of a batch."""
        return min(self.batch_size, len(self.source) - number * self.batch_size)

    def _places(self, first: int, shards: Shards) -> Iterator[tuple[int, bool, list[tuple[int, int]]]]:
        for number in range(first, len(self)):
            rows, counts = shards.rows(self._size_of(number))
            yield self._size_of(number), counts, [(shard, chosen.start) for shard, chosen in rows]

    # ---- who does it -----------------------------------------------------------------------------------------------

    def _on_demand(self, jobs: Iterator[tuple[Any, ...]], samples: AbstractContextManager[Any]) -> Iterator[Any]:
        with samples:
            for make, *arguments in jobs:
                yield make(*arguments)

    def _ahead(
        self, jobs: Iterator[tuple[Any, ...]], samples: AbstractContextManager[Any], parts: int
    ) -> Iterator[Any]:
        """The results in their order, the next ones being made meanwhile."""
        from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

        threads = None if self.processes else ThreadPoolExecutor(max(self.workers, 1), "xpnet-loader")
        waiting: deque[Future[Any]] = deque()
        try:
            for job in jobs:
                waiting.append(threads.submit(*job) if threads else self._send(job))
                if len(waiting) > max(self.prefetch * parts, self.workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenExecutor as error:
            self._pool = None
            raise DataError(
                "a worker process of the Loader ended, killed or for want of memory; or the script is not guarded by"
                ' `if __name__ == "__main__":`, which processes=True needs'
            ) from error
        finally:
            for future in waiting:
                future.cancel()
            with samples:  # closed after the last thread has left them
                if threads:
                    threads.shutdown(wait=True, cancel_futures=True)

    def _send(self, job: tuple[Any, ...]) -> Any:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from pickle import PicklingError  # how processes say that they cannot send something to one another

        if self._pool is None or self._pool_of != os.getpid():
            self._pool_of = os.getpid()
            spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
            # It ends its processes by itself when it is gone; what a finalizer of ours raised would be lost.
            self._pool = ProcessPoolExecutor(self.workers, spawn, _begin_process, (self._recipe,))
        try:
            return self._pool.submit(*job)
        except (PicklingError, AttributeError, TypeError) as error:
            self._pool = None
            raise OptionError(
                f"source, augment and transform cannot be sent to worker processes ({error}); use functions and classes"
                " that stand in a module, or threads: processes=False"
            ) from error


def _check_source(source: Any) -> None:
    refuse_path("a Loader", source)
    if isinstance(source, (list, dict)):
        raise OptionError(f"a Loader takes arrays in a tuple, Loader((x, t)), not in a {type(source).__name__}")
    if not isinstance(source, Stream) and not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise OptionError(
            f"a Loader needs a source with a length and source[indices], not {source!r}; for a generator, write"
            " data.Stream(function, samples=...)"
        )


def _check_function(name: str, function: Any, count: int) -> None:
    """It takes x, and with `count` 2 a NumPy generator too."""
    if function is None:
        return
    takes = "(x, rng), rng a NumPy generator" if count == 2 else "(x)"
    if isinstance(function, type):
        raise OptionError(f"{name} must be an object, not a class: {function.__name__}(...)")
    if not callable(function):
        raise OptionError(f"{name} must be a function or an object that is called with {takes}, not {function!r}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # a function that is not written in Python need not tell
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise OptionError(f"{name} is called with {takes}; {function!r} cannot be: {error}") from error


class Recipe:
    """How a batch is made; worker processes get a copy."""

    def __init__(self, source: Any, augment: Augment | None, transform: Any, normalize: bool) -> None:
        self.source, self.augment, self.transform, self.normalize = source, augment, transform, normalize

    def make(self, indices: Array, key: random.Key, number: int) -> Any:
        """Batch `number` of the epoch with this key, of these samples."""
        try:
            batch = self._read(indices, key, number)
        except XpnetError:
            raise
        except Exception as error:
            raise self._named(indices, error) from error
        return self._finish(batch, len(indices), key, number)

    def _read(self, indices: Array, key: random.Key, number: int) -> Any:
        """From a source, or one by one from what gives samples in that way alone: it fails at an array of indices, or
        gives no arrays, as a torch Dataset does.
        """
        failed = None
        with random.drawing_from(key, "source", number):
            try:
                batch = self.source[indices]
            except XpnetError:  # it knows what it says, such as that an image is broken
                raise
            except Exception as error:
                failed = error
        if failed or not all(isinstance(each, np.ndarray) for each in leaves(batch)):
            with random.drawing_from(key, "source", number):
                if gives_samples(self.source, int(indices[0])):
                    self.source = Samples(self.source)
                    return self.source[indices]
        if failed:
            raise failed
        return batch

    def make_next(self, samples: Iterator[Any], size: int, key: random.Key, number: int) -> Any:
        """The same, of the next `size` samples."""
        return self._finish(self.read_next(samples, size, key, number), size, key, number)

    def cut_next(self, samples: Iterator[Any], size: int, key: random.Key, number: int, shards: Shards) -> CutBatch:
        """The same, of which only some shards are finished."""
        samples_of, parts, counts = shards.cut(self.read_next(samples, size, key, number), size)
        finished = [
            Part(shard, first, self._finish(batch, len(first_leaf(batch)), _key_of(key, shard), number))
            for shard, first, batch in parts
        ]
        return CutBatch(samples_of, finished, counts)

    def read_next(self, samples: Iterator[Any], size: int, key: random.Key, number: int) -> Any:
        """The next `size` samples, those of batch `number`, as they come."""
        try:
            with random.drawing_from(key, "source", number):
                return stacked(list(islice(samples, size)))
        except XpnetError:
            raise
        except Exception as error:
            raise DataError(f"the generator failed in batch {number}: {type(error).__name__}: {error}") from error

    def _finish(self, batch: Any, size: int, key: random.Key, number: int) -> Any:
        x, *others = batch if isinstance(batch, (tuple, list)) else (batch,)
        for part in leaves((x, *others)):
            if not isinstance(part, np.ndarray) or part.shape[:1] != (size,):
                got = f"shape {part.shape}" if isinstance(part, np.ndarray) else type(part).__name__
                raise ShapeError(f"the source gave {got} for {size} samples; expected arrays ({size}, ...)")
        if self.normalize:
            x = mapped(lambda each: to_unit(each) if each.dtype == np.uint8 else each, x)
        with random.drawing_from(key, "augment", number):
            if self.augment is not None:
                x = self.augment(x, random.stream(key, _AUGMENT, number))
            if self.transform is not None:
                x = self.transform(x)
        for part in leaves(x):
            if not isinstance(part, np.ndarray) or part.shape[:1] != (size,):
                made = f"shape {part.shape}" if isinstance(part, np.ndarray) else type(part).__name__
                raise ShapeError(f"augment and transform made {made} of {size} samples; they must return ({size}, ...)")
        return one_or_more([x, *others])

    def _named(self, indices: Array, error: Exception) -> DataError:
        """The error with the name of the sample that it comes from, found by asking for one after the other."""
        where = f"samples {indices[0]} and {len(indices) - 1} others"
        for index in indices:
            try:
                self.source[np.array([index])]
            except Exception as found:
                name = getattr(self.source, "name", "sample {}".format)
                where, error = name(int(index)), found
                break
        return DataError(f"{where} cannot be read: {type(error).__name__}: {error}")


def _key_of(key: random.Key, shard: int) -> random.Key:
    """What a shard's samples and their augmentation are drawn from."""
    return random.derive(key, "shard", shard)


# ---- in a worker process ---------------------------------------------------------------------------------------------

_recipe: Recipe | None = None


def _begin_process(recipe: Recipe) -> None:
    global _recipe
    import multiprocessing
    import os
    import signal
    import threading

    _recipe = recipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who then ends this process
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:  # if it is killed, nobody else tells this process
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _make_in_process(indices: Array, key: random.Key, number: int) -> Any:
    if _recipe is None:
        raise OptionError("this process is no worker of a Loader")
    return _recipe.make(indices, key, number)
