"""One seed for everything random: initial weights, the order of samples, augmentation and dropout masks.

Random numbers are *counter-based* (Philox4x64-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
a number depends only on a 128-bit key and on its position, not on what was drawn before. A backend turns a key into the
same bits on any device, so a run on a GPU sees the same dropout masks as the run on the CPU.

Keys make a tree, whose root is the seed. The random *state* is a key and how many keys were taken from it for each
*purpose*; the next one is a hash of these (BLAKE2, Saarinen and Aumasson, RFC 7693, 2015), so that whoever takes keys
for one purpose changes nothing for the others. `drawing_from` opens a state of its own for as long as a block runs: a
step of a training is drawn from one that follows from the training's key, the epoch and the step, and from nothing that
was drawn before. So it does not matter to the numbers whether a training was interrupted, or what else was added to it.
"""

import functools
import operator
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from hashlib import blake2b  # which numpy.random has imported
from types import TracebackType
from typing import Any

import numpy as np

from xpnet.errors import OptionError

Key = tuple[int, int]
Snapshot = tuple[int, int, dict[str, int]]  # of a state: its key, and how many keys were taken for each purpose

_lock = threading.Lock()


class _State:
    """A key, and how many were taken from it for each purpose. In a `with` block it is the one that is drawn from."""

    __slots__ = ("apart", "chosen", "first_sample", "fresh", "root", "source", "taken", "token", "words")
    token: Token["_State | None"]

    def __init__(self, source: Key, words: tuple[Any, ...] = ()) -> None:
        self.source, self.words = source, words  # whose hash the key is, once it is asked for
        self.taken: dict[str, int] = {}
        self.chosen: int | None = None
        self.apart, self.first_sample, self.root = False, 0, 0
        self.fresh = True  # whether nobody has chosen what it draws: a forked process then draws something else

    def key(self) -> Key:
        """Under the lock: two threads may share a state."""
        if self.words:
            self.source, self.words = derive(self.source, *self.words), ()
        return self.source

    def copy(self) -> "_State":
        with _lock:
            state = _State(self.key())
            state.taken, state.chosen, state.fresh = self.taken.copy(), self.chosen, self.fresh
        state.apart, state.first_sample, state.root = self.apart, self.first_sample, self.root
        return state

    def __enter__(self) -> None:
        if self.chosen is None:
            self.chosen = _current().chosen
        self.fresh = self.fresh and _current().fresh
        self.token = _inside.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _inside.reset(self.token)


def _fresh_key() -> Key:
    return int.from_bytes(os.urandom(8), "little") >> 1, 0


# That of the process; its seed is a fresh one in each, also where it was forked, until `seed` is called.
_process = _State(_fresh_key())
_inside: ContextVar[_State | None] = ContextVar("_inside", default=None)  # in a `with` block of this thread


def _current() -> _State:
    return _inside.get() or _process


def _begin_fork() -> None:
    """A forked process has its parent's states, and would draw what the parent and its other children do: those that
    nobody has chosen, the process's own and those of the blocks around the fork, begin anew.
    """
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    state: Any = _inside.get()
    while isinstance(state, _State):
        if state.fresh:
            state.source, state.words, state.taken = _fresh_key(), (), {}
        state = state.token.old_value
    if _process.fresh:
        _process.source, _process.taken = _fresh_key(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_fork)


# ---- the seed --------------------------------------------------------------------------------------------------------


def seed(value: int) -> None:
    """Start everything random from `value`, an integer from 0 to 2**63 - 1.

    The same seed gives the same initial weights, batches and dropout masks on every backend; and in every process that
    is forked later, which without a seed draws numbers of its own.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise OptionError(f"the seed must be an integer from 0 to 2**63 - 1, not {value!r}")
    state = _current()
    with _lock:  # the two together, or the seeds of two threads would mix
        _put(state, (int(value), 0))
        state.chosen = int(value)


def chosen_seed() -> int | None:
    """What `seed` was last called with; None if it never was."""
    return _current().chosen


# ---- to draw ---------------------------------------------------------------------------------------------------------


def next_key(*purpose: str | int) -> Key:
    """The next key for this purpose: it depends on how many were taken for it, not on those for other purposes.

    No two calls return the same one until the seed is set again. A layer has a `next_key` of its own, whose purpose is
    where the layer stands in the network.
    """
    return _hashed(*_take(purpose))


def next_number(*purpose: str | int) -> int:
    """How many keys were taken for this purpose, and one more is."""
    return _take(purpose)[2]


def generator(*purpose: str | int) -> np.random.Generator:
    """A NumPy generator on a stream of its own, for what is drawn on the host: weights, orders, augmentation."""
    return stream(next_key(*purpose))


def stream(key: Key, place: int = 0, number: int = 0) -> np.random.Generator:
    """A NumPy generator on one of the streams of a key, far from its others; the first is the one of `generator()`.

    Whoever has one key for many things, such as the batches of an epoch, gives each a (place, number) of its own.
    """
    counter = np.array([0, 0, number, place], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array(key, dtype=np.uint64), counter=counter))


def derive(key: Key, *words: str | int) -> Key:
    """A key that follows from this one and from the words."""
    return _hashed(key, _text(words))


def _take(purpose: tuple[str | int, ...]) -> tuple[Key, str, int]:
    """The state's key, the purpose, and the number of the key that is taken."""
    text, state = _text(purpose), _current()
    with _lock:
        number = state.taken.get(text, 0)
        state.taken[text] = number + 1
        return state.key(), text, number


@functools.lru_cache(256)  # layers ask with the same words in each step
def _text(words: tuple[str | int, ...]) -> str:
    """Words as a text that no others have."""
    return ascii([word if isinstance(word, str) else operator.index(word) for word in words])


def _hashed(key: Key, *parts: str | int) -> Key:
    digest = blake2b(f"{key[0]} {key[1]} {parts}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


# ---- states ----------------------------------------------------------------------------------------------------------


def drawing_from(key: Key, *words: str | int, first_sample: int = 0, root: int = 0) -> AbstractContextManager[None]:
    """Within the block everything is drawn from a state of its own, which follows from the key and the words.

    Afterwards it goes on from the state before. `first_sample` is the number, in its batch, of the first sample that is
    at hand: not 0 where workers share a batch. `root` is the number of the network that is trained, from which those of
    others are counted: what a network draws does not depend on how many were made before it. The block belongs to its
    thread; a generator must not yield in it, since what is drawn outside would come from there too. It is entered once.
    """
    state = _State(key, words)
    state.apart, state.first_sample, state.root = True, first_sample, root
    return state


def drawing_next(*purpose: str | int, root: int = 0) -> AbstractContextManager[None]:
    """`drawing_from` the next key for this purpose, which is made only if something is drawn."""
    key, text, number = _take(purpose)
    return drawing_from(key, text, number, root=root)


def drawing_for(first_sample: int) -> AbstractContextManager[None]:
    """Within the block samples from this number of their batch on are at hand, and what is drawn is what the state
    around gives next; to that nothing comes back, so that each part of a batch draws from the same keys.
    """
    state = _current().copy()
    state.first_sample = first_sample
    return state


def first_sample() -> int:
    """The number, in its batch, of the first sample that is at hand: what is drawn for a sample depends on its own."""
    return _current().first_sample


@contextmanager
def samples_of_steps(steps: int) -> Iterator[None]:
    """Within the block, each sample at hand is so many: the steps of a sequence, one behind the other."""
    state = _current()
    before, state.first_sample = state.first_sample, state.first_sample * steps
    try:
        yield
    finally:
        state.first_sample = before


def first_root() -> int:
    """The number of the network from which those of others are counted."""
    return _current().root


def is_apart() -> bool:
    """Whether the code runs in a block of `drawing_from`."""
    return _current().apart


def preserved_state(inside: Key | Snapshot | None = None) -> AbstractContextManager[None]:
    """Draw freely, from the state `inside` if it is given; afterwards the random state is what it was before.

    It holds for this thread, and others do not notice.
    """
    state = _current().copy()
    if inside is not None:
        _put(state, inside)
    return state


def get_state() -> Snapshot:
    """The whole random state, in numbers: what `set_state` takes to go on from here."""
    state = _current().copy()
    return *state.source, state.taken


def set_state(state: Key | Snapshot) -> None:
    """Return to a state that `get_state` gave; a key alone is the state from which nothing has been taken."""
    with _lock:
        _put(_current(), state)


def _put(into: _State, state: Key | Snapshot) -> None:
    """Under the lock, where another thread may have it."""
    first, second, *taken = state
    into.source, into.words, into.taken, into.fresh = (first, second), (), dict(*taken), False
