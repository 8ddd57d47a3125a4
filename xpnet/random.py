"""One seed for everything random: initial weights, shuffling, augmentation and dropout masks.

Random numbers are *counter-based* (Philox4x64-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
a number depends only on a 128-bit key and on its position, not on what was drawn before. Whoever needs randomness takes
the next key (seed, how many were taken before). A backend turns a key into the same bits on any device, so a run on a
GPU sees the same dropout masks as the run on the CPU, and the whole random state of a training run is two integers.
"""

import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np

from xpnet.errors import OptionError

Key = tuple[int, int]

_lock = threading.Lock()
# The seed and the keys taken so far; the seed is a fresh one in each process, until `seed` is called.
_state: list[int] = [int.from_bytes(os.urandom(8), "little") >> 1, 0]
_chosen: int | None = None  # what `seed` was last called with


def seed(value: int) -> None:
    """Start all random streams from `value`, an integer from 0 to 2**63 - 1.

    The same seed gives the same initial weights, batches and dropout masks on every backend.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise OptionError(f"the seed must be an integer from 0 to 2**63 - 1, not {value!r}")
    global _chosen
    _chosen = int(value)
    set_state((_chosen, 0))


def chosen_seed() -> int | None:
    """What `seed` was last called with in this process; None if it never was."""
    return _chosen


def next_key() -> Key:
    """Take the next key; no two calls return the same one until the seed is set again."""
    with _lock:
        _state[1] += 1
        return _state[0], _state[1]


def generator() -> np.random.Generator:
    """A NumPy generator on a stream of its own, for what is drawn on the host: weights, shuffles, augmentation."""
    return stream(next_key())


def stream(key: Key, place: int = 0, number: int = 0) -> np.random.Generator:
    """A NumPy generator on one of the streams of a key, far from its others; the first is the one of `generator()`.

    Whoever has one key for many things, such as the batches of an epoch, gives each a (place, number) of its own.
    """
    counter = np.array([0, 0, number, place], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array(key, dtype=np.uint64), counter=counter))


def get_state() -> Key:
    """The whole random state: what `set_state` takes to go on from here."""
    with _lock:
        return _state[0], _state[1]


def set_state(state: Key) -> None:
    """Return to a state that `get_state` gave."""
    with _lock:
        _state[:] = state


@contextlib.contextmanager
def preserved_state(inside: Key | None = None) -> Iterator[None]:
    """Draw freely, from the state `inside` if it is given; afterwards the random state is what it was before."""
    state = get_state()
    if inside is not None:
        set_state(inside)
    try:
        yield
    finally:
        set_state(state)
