"""Kernels that Numba compiles on first use, which takes seconds: done in a thread beside, before somebody waits.

Numba keeps them on disk, so this is long only the first time on a machine. Without Numba there is nothing to do.
"""

import threading

import numpy as np

from xpnet import random
from xpnet.backend import get_backend
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.state import Hidden, State, read_state

_LAYERS = tuple(Hidden(4, activation, batch_norm=True, dropout=0.1) for activation in ("relu", "tanh", "sigmoid"))
# what most networks need first; arrays with one unit or one sample have another layout, of which Numba makes more
STATES = (State(hidden=_LAYERS, optimizer="adam"), State(hidden=(Hidden(1, batch_norm=True),), batch=1))

_thread: threading.Thread | None = None
_lock, _ready = threading.Lock(), threading.Event()


def warm_up() -> None:
    """Begin, if nobody has yet; it returns at once."""
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_compute_once, name="playground kernels", daemon=True)
            _thread.start()


def is_warming() -> bool:
    """Whether the thread is still at what most networks need."""
    return _thread is not None and not _ready.is_set()


def needs_kernels(state: State) -> bool:
    """Whether its network would have to wait for them: the others compile in no time, or not at all."""
    return any(hidden.batch_norm for hidden in state.hidden)


def _compute_once() -> None:
    try:
        if get_backend().jit:
            with random.preserved_state(random.next_key("warm")), np.errstate(all="ignore"):
                _compute()
    finally:
        _ready.set()


def _compute() -> None:
    for state in STATES:
        lab = Lab(read_state(state))
        lab.maps.draw(lab.network, lab.state, None)
        lab.train_step()
        lab.losses()
        _ready.set()  # the others are rare, and whoever has one may wait
