"""Where samples come from: arrays, .npz files, maps of files larger than memory, and generators.

A source has a length and gives the samples at an array of indices: `source[indices]` is (x, t), or x alone, or
(x, t, sample_weight), arrays with the samples along the first axis. Whatever has these two is one; `name(i)`, if it has
that, is what errors call a sample; `labels`, (N,), are the numbers of their classes, for hold_out and balanced weights.
image_folder.py has the source for folders of images.
"""

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.budget import check_unpacked
from xpnet.base.checks import whole
from xpnet.base.file_kinds import other_kind
from xpnet.base.host import as_host, native, refuse_masked
from xpnet.base.nested import arranged_like, keys_of, leaves, mapped
from xpnet.base.regular_files import opened
from xpnet.errors import DataError, DTypeError, FormatError, OptionError, XpnetError

Array = npt.NDArray[Any]


class Arrays:
    """Samples from arrays that are as long as each other: Arrays(x, t), or with sample weights Arrays(x, t, weights).

    Each may be a tuple of arrays, or a dict of arrays by name, for a network of several inputs or outputs. A memory
    map stays one: what is not asked for is not read. Raises DataError if there is nothing, or lengths differ.
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays = mapped(_kept, arrays)
        check_arrays(leaves(self.arrays))

    def __len__(self) -> int:
        return len(leaves(self.arrays)[0])

    def __getitem__(self, indices: Any) -> Any:
        return one_or_more(mapped(lambda array: as_host(array[indices]), self.arrays))


def read_npz(path: str | os.PathLike[str], names: Sequence[str] = ("x", "t")) -> Arrays:
    """The arrays of these names in an .npz file, as np.savez(path, x=x, t=t) writes it.

    Raises FileError if the file cannot be read, FormatError if it is no .npz file or holds Python objects (they would
    have to be unpickled), DataError if a name is not in it or lengths differ.
    """
    names, path = (names,) if isinstance(names, str) else tuple(names), checked_path(path)
    try:
        with file_errors(f"cannot read {path}", advice=""), opened(path) as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise FormatError(f"{path} is no .npz file; a single array, .npy, is mapped by data.MappedArrays")
            with archive:
                missing = [name for name in names if name not in archive]
                if missing and (found := other_kind(path, "(.npz)")):
                    raise FormatError(f"{path} is no .npz file: {found}")
                if missing:
                    raise DataError(f"{path} holds no array {missing[0]!r}, but {', '.join(archive) or 'nothing'}")
                _check_sizes(path, archive.zip, [f"{name}.npy" for name in names])
                return Arrays(*(archive[name] for name in names))
    except XpnetError:
        raise
    except Exception as error:  # a damaged archive raises errors of many kinds
        # NumPy's advice would be to unpickle it
        why = other_kind(path, "(.npz)") or ("" if "pickle" in str(error) else str(error))
        why = f" ({why})" if why else ""
        raise FormatError(
            f"{path} cannot be read as an .npz file of numbers{why}; np.savez(path, x=x, t=t) makes one"
        ) from error


def _check_sizes(path: Path, archive: Any, names: Sequence[str]) -> None:
    """FormatError for arrays that would be far larger than the file, or than what it holds of them."""
    entries = [archive.getinfo(name if name in archive.namelist() else name.removesuffix(".npy")) for name in names]
    check_unpacked(path, sum(entry.file_size for entry in entries))
    for entry in entries:
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > entry.file_size:  # objects are refused later
            raise FormatError(
                f"{path} is damaged: {entry.filename} announces an array of shape {shape} and {dtype}, and has"
                f" {entry.file_size} bytes"
            )


class MappedArrays:
    """Samples from .npy files that stay on the disk, such as ones larger than memory: MappedArrays("x.npy", "t.npy").

    Files are mapped, and only the samples of a batch are read. np.lib.format.open_memmap writes such files piece by
    piece. Worker processes map the files anew instead of being sent them.

    Raises FileError if a file cannot be read, FormatError if it is no .npy file or holds Python objects, DataError if
    there is nothing, or lengths differ.
    """

    def __init__(self, *paths: str | os.PathLike[str]) -> None:
        self.paths = tuple(checked_path(path).absolute() for path in paths)
        self.arrays = tuple(_mapped(path) for path in self.paths)
        check_arrays(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, indices: Any) -> Any:
        return one_or_more([native(np.array(array[indices])) for array in self.arrays])

    def compared(self) -> dict[str, Any]:
        """What a Backup compares: the content, wherever the files are."""
        return {"arrays": self.arrays}

    def __getstate__(self) -> tuple[Path, ...]:
        return self.paths

    def __setstate__(self, paths: tuple[Path, ...]) -> None:
        self.__init__(*paths)  # type: ignore[misc]


class Subset:
    """The samples of a source at these indices, in their order: Subset(images, [3, 1, 4]); hold_out makes two of them.

    It has `labels`, `classes` and `preparation` if the source has them, as an ImageFolder has.

    Raises OptionError for what are no indices of samples, DataError if there are none.
    """

    def __init__(self, source: Any, indices: npt.ArrayLike) -> None:
        refuse_path("a Subset", source)
        self.source, self.indices = source, np.asarray(indices)
        if self.indices.size == 0:
            raise DataError("there is no data: a Subset of no samples")
        if self.indices.ndim != 1 or self.indices.dtype.kind not in "iu":
            raise OptionError(f"a Subset takes numbers of samples, (n,) integers, not {indices!r}")
        if self.indices.min() < 0 or self.indices.max() >= len(source):
            raise OptionError(
                f"a Subset of {len(source)} samples takes numbers from 0 to {len(source) - 1}; they reach from"
                f" {self.indices.min()} to {self.indices.max()}"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, indices: Any) -> Any:
        return self.source[self.indices[indices]]

    def name(self, index: int) -> str:
        own = getattr(self.source, "name", "sample {}".format)
        return str(own(int(self.indices[index])))

    @property
    def labels(self) -> Array:
        """The class number of each sample, (n,)."""
        labels: Array = np.asarray(self.source.labels)[self.indices]
        return labels

    @property
    def classes(self) -> Any:
        """The names of the classes, those without a sample too."""
        return self.source.classes

    @property
    def preparation(self) -> Any:
        """How a picture's file becomes a sample."""
        return self.source.preparation


class Stream:
    """Samples from a generator, one after the other: no index, no end needed, as large as you like.

        def waves(rng):
            while True:
                x = rng.uniform(-3, 3, 1).astype("float32")
                yield x, np.sin(x)

        loader = data.Loader(data.Stream(waves, samples=10_000), batch_size=100)

    `make(rng)` is called at the start of each epoch, and returns what yields (x, t) of one sample, or x alone, or
    (x, t, sample_weight). What it draws from `rng`, a NumPy generator, follows the seed of xpnet. An epoch takes the
    first `samples` of them; fewer are a DataError. To shuffle, each is drawn from the next `buffer` that are waiting.
    """

    def __init__(self, make: Callable[[np.random.Generator], Iterable[Any]], samples: int, buffer: int = 1000) -> None:
        if not callable(make):
            raise DataError(f"a Stream needs a function that returns samples anew each epoch, not {make!r}")
        self.make, self.samples, self.buffer = make, whole("samples", samples), whole("buffer", buffer)

    def __len__(self) -> int:
        return self.samples

    def epoch(self, rng: np.random.Generator, order: np.random.Generator | None) -> Generator[Any, None, None]:
        """One sample after the other; with `order`, shuffled by it."""
        samples = self._counted(rng)
        if order is None:
            yield from samples
            return
        waiting: list[Any] = []
        for sample in samples:
            if len(waiting) < self.buffer:
                waiting.append(sample)
                continue
            place = int(order.integers(self.buffer))
            drawn, waiting[place] = waiting[place], sample
            yield drawn
        yield from (waiting[i] for i in order.permutation(len(waiting)))

    def _counted(self, rng: np.random.Generator) -> Iterator[Any]:
        found = 0
        for sample in self.make(rng):
            yield sample
            found += 1
            if found == self.samples:
                return
        raise DataError(f"the generator ended after {found} samples; expected {self.samples} in an epoch")


def stacked(samples: Sequence[Any]) -> Any:
    """Samples (x, t) as one batch of arrays; numbers become float32, or int64 if they are whole."""
    if isinstance(samples[0], tuple):
        if len({len(sample) if isinstance(sample, tuple) else 0 for sample in samples}) > 1:
            raise DataError("samples are tuples of different lengths; expected (x, t) for each")
        return tuple(_stack(parts) for parts in zip(*samples, strict=True))
    return _stack(samples)


def _stack(parts: Sequence[Any]) -> Any:
    """Of samples that are arrays an array, of tuples or dicts of arrays such a tuple or dict."""
    if isinstance(parts[0], (tuple, dict)):
        if any(keys_of(part) != keys_of(parts[0]) for part in parts):
            raise DataError("samples have different inputs or targets; expected the same in each")
        return arranged_like(parts[0], [_stack(leaf) for leaf in zip(*map(leaves, parts), strict=True)])
    arrays = [as_host(part) for part in parts]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise DataError(f"samples have different shapes, such as {' and '.join(map(str, sorted(shapes)[:2]))}")
    y = np.stack(arrays)
    return y.astype(np.float32) if y.dtype == np.float64 and not isinstance(parts[0], np.ndarray) else y


def refuse_path(what: str, source: Any) -> None:
    """Where a source is needed, and a path was given."""
    if isinstance(source, (str, os.PathLike)):
        raise OptionError(
            f"{what} takes no path, but what is read from it: data.read_npz({str(source)!r}), data.MappedArrays for"
            " .npy files, data.ImageFolder for a folder of images"
        )


def labels_of(source: Any) -> Array | None:
    """The class numbers (N,) of a source's samples, or of a Loader's; None if they are not known without reading."""
    if isinstance(source, Subset):
        whole_source = labels_of(source.source)
        return None if whole_source is None else whole_source[source.indices]
    labels = getattr(source, "labels", None)
    if labels is None and isinstance(source, (Arrays, MappedArrays)) and len(source.arrays) > 1:
        labels = source.arrays[1]
    if labels is None and hasattr(source, "source"):
        return labels_of(source.source)
    is_known = isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu"
    return labels if is_known else None


def one_or_more(arrays: Sequence[Array]) -> Any:
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _kept(array: Any) -> Array:
    """As it is, a memory map too."""
    refuse_masked(array)
    return array if isinstance(array, np.ndarray) else np.asarray(array)


def check_arrays(arrays: Sequence[Array]) -> None:
    """Something is there, and as much of each."""
    if not arrays:
        raise DataError("there is no data: give at least one array, and usually two, x and t")
    for array in arrays:
        if array.ndim == 0:
            raise DataError("the samples must lie along the first axis of an array, which a single number has not")
        if array.dtype.kind not in "biufc":
            raise DTypeError(f"an array of the data is {array.dtype}; expected numbers")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise DataError(f"the arrays hold {' and '.join(map(str, lengths))} samples; expected as many in each")
    if lengths[0] == 0:
        raise DataError(f"there is no data: the first array has shape {arrays[0].shape}")


def _mapped(path: Path) -> Array:
    try:
        with file_errors(f"cannot read {path}", advice=""), opened(path):
            return np.lib.format.open_memmap(path, mode="r")
    except XpnetError:
        raise
    except Exception as error:
        why = other_kind(path, "(.npy)") or error
        raise FormatError(f"{path} cannot be mapped as a .npy file ({why})") from error
