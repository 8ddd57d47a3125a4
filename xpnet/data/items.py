"""Objects of other libraries that have a length and items: a torch Dataset gives samples, a Keras Sequence batches.

What is a source here takes an array of indices at once: `source[indices]`. These take one number; what takes both, as
an object that gives x[i], t[i] of NumPy arrays, is a source.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from xpnet import random
from xpnet.base.nested import leaves
from xpnet.data.sources import Stream, stacked
from xpnet.errors import DataError, OptionError, XpnetError


def has_items(x: Any) -> bool:
    """Whether it has a length and items, is no array and nothing to go through by itself."""
    has = [hasattr(x, name) for name in ("__getitem__", "__len__", "__iter__", "__array__", "shape")]
    return has == [True, True, False, False, False]


def is_source(x: Any) -> bool:
    """Whether it gives the samples at an array of indices, or raises what is its own to say."""
    if isinstance(x, Stream) or type(x).__module__.startswith("xpnet."):
        return True
    if _says_samples(x) or _says_batches(x):
        return False
    state = random.get_state()
    try:
        parts = leaves(_parts(x[np.array([0, 0])]))
        return all(isinstance(each, np.ndarray) and each.shape[:1] == (2,) for each in parts)
    except Exception:
        return False
    finally:
        random.set_state(state)


def needs_loader(x: Any) -> bool:
    """Whether a Loader must be made of it by whoever has it: of a source of this library, which may need the Loader's
    options, such as the transform of training, and of one whose item 0 could be a sample or a batch.
    """
    if any(cls.__module__.startswith("xpnet.") for cls in type(x).__mro__):
        return True
    state = random.get_state()
    try:
        return is_source(x) and gives_batches(x)
    except Exception:  # it takes arrays of indices alone
        return False
    finally:
        random.set_state(state)


def gives_samples(x: Any, number: int) -> bool:
    """Whether it has an item at a number, which is a sample; what gives batches is refused."""
    try:
        x[number]
    except Exception:
        return False
    if gives_batches(x):
        raise OptionError(
            f"{type(x).__name__} gives batches by itself, and a Loader makes them of samples: give it to fit, evaluate"
            " or predict as it is"
        )
    return True


def gives_batches(x: Any) -> bool:
    """Whether item 0 is a batch (x, t), arrays of as many samples; else it is a sample."""
    if _says_samples(x) or _says_batches(x):
        return _says_batches(x)
    parts = [np.asarray(part) for part in _parts(_item(x, 0))]
    counts = {part.shape[:1] for part in parts}
    return parts[0].ndim > 1 and len(parts) > 1 and len(counts) == 1 and () not in counts


class Samples:
    """A source over an object that gives one sample (x, t) at a number, such as a torch Dataset."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, indices: Any) -> Any:
        return stacked([_as_sample(self.items[int(i)]) for i in indices])

    def compared(self) -> dict[str, Any]:
        """What a Backup compares."""
        return {"items": self.items}


class ItemBatches:
    """The batches of an object that gives one at a number, such as a Keras Sequence, in order; behind the last one it
    is told `on_epoch_end`, if it has that.
    """

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[Any]:
        for number in range(first, len(self)):
            batch = _item(self.items, number)
            if number == len(self) - 1 and hasattr(self.items, "on_epoch_end"):
                self.items.on_epoch_end()
            yield batch


def _says_samples(x: Any) -> bool:
    return any(cls.__module__.startswith("torch.") and cls.__name__ == "Dataset" for cls in type(x).__mro__)


def _says_batches(x: Any) -> bool:
    return any(cls.__name__ in ("Sequence", "PyDataset") and "keras" in cls.__module__ for cls in type(x).__mro__)


def _item(x: Any, number: int) -> Any:
    try:
        return x[number]
    except XpnetError:
        raise
    except Exception as error:
        raise DataError(
            f"{type(x).__name__} has a length, but gives no item {number}: {type(error).__name__}: {error}"
        ) from error


def _parts(item: Any) -> tuple[Any, ...]:
    return tuple(item) if isinstance(item, (tuple, list)) else (item,)


def _as_sample(item: Any) -> Any:
    """(x, t) as arrays; floating point numbers of Python are float32, as everywhere here."""
    parts = tuple(part if isinstance(part, (tuple, dict, float, int)) else np.asarray(part) for part in _parts(item))
    return parts if len(parts) > 1 else parts[0]
