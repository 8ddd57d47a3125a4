"""The switch: which array namespace and device new layers run on.

`XPNET_BACKEND` names it for a whole process (`numpy` by default); `use_backend` changes it at run time.
"""

import os
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np

from xpnet.backend.reference import Array, Backend, Memory
from xpnet.backend.window import Window
from xpnet.base.console import say
from xpnet.base.locks import ProcessLock
from xpnet.errors import BackendError, OptionError

__all__ = [
    "Array",
    "Backend",
    "Memory",
    "Window",
    "backend_names",
    "get_backend",
    "make_backend",
    "on_backend",
    "set_default",
    "use_backend",
]


def _numpy() -> Backend:
    """With compiled kernels where Numba is installed, unless XPNET_JIT=0 switches them off."""
    from xpnet.backend.cpu.backend import NumpyBackend

    wish = os.environ.get("XPNET_JIT", "").strip()
    if wish not in ("", "0", "1"):
        raise OptionError(f"XPNET_JIT must be 0 or 1, not {wish!r}")
    if wish == "0":
        return NumpyBackend()
    try:
        from xpnet.backend.jit.backend import JitBackend
    except ImportError as error:
        if wish == "1":
            raise BackendError(f'XPNET_JIT=1: {error}. Install it: pip install "xpnet[jit]"') from error
        return NumpyBackend()
    return JitBackend()


def _cupy() -> Backend:
    from xpnet.backend.cuda.backend import CupyBackend

    return CupyBackend()


def _auto() -> Backend:
    try:
        backend, reason = make_backend("cupy"), "a CUDA device was found"
    except BackendError as error:
        backend, reason = make_backend("numpy"), str(error).partition(".")[0]
    say(f"xpnet: backend auto chose {backend.name} ({reason})")
    return backend


def _array_api_strict() -> Backend:
    try:
        import array_api_strict as xp
    except ImportError as error:
        raise BackendError(f"backend 'array_api_strict': {error}. Install it: pip install array-api-strict") from error

    class Strict(Backend):
        def to_numpy(self, x: Array) -> np.ndarray:
            return x if isinstance(x, np.ndarray) else np.asarray(x.to_device(xp.Device("CPU_DEVICE")))

    # The second device, so that an array that strays through NumPy raises an error instead of passing.
    return Strict(xp, xp.Device("device1"), "array_api_strict")


def _torch() -> Backend:
    try:
        import array_api_compat.torch as xp
    except ImportError as error:
        raise BackendError(f"backend 'torch': {error}. Install it: pip install torch") from error

    class Torch(Backend):
        def asarray(self, x: Any, dtype: Any = None) -> Array:
            if isinstance(x, np.ndarray) and not (x.flags.writeable and min(x.strides, default=0) >= 0):
                x = x.copy()  # it would warn, or refuse
            return super().asarray(x, dtype)

    return Torch(xp, "cpu", "torch")


_MAKERS: dict[str, Callable[[], Backend]] = {
    "numpy": _numpy,
    "cupy": _cupy,
    "auto": _auto,
    "reference": Backend,
    "array_api_strict": _array_api_strict,
    "torch": _torch,
}


def backend_names() -> tuple[str, ...]:
    """The names that `XPNET_BACKEND` and `use_backend` take."""
    return tuple(_MAKERS)


_made: dict[str, Backend] = {}
_making = ProcessLock(threading.RLock)  # threads that need the first one at once must get the same; auto makes another


def make_backend(name: str) -> Backend:
    """The backend of this name, one object for each; BackendError says what is missing to run it here."""
    if (backend := _made.get(name)) is not None:
        return backend
    if name not in _MAKERS:
        raise BackendError(f"there is no backend {name!r}; choose one of {', '.join(_MAKERS)}")
    with _making.lock:
        if name not in _made:
            _made[name] = _MAKERS[name]()
        return _made[name]


Backend.restore = staticmethod(make_backend)


class _Call:
    """A call of `use_backend` outside all blocks: a plain one, which counts for the process, or one of a block to come.

    It is a plain one as soon as its object is gone without having been entered, as after the statement, or its own
    thread goes on to ask for a backend. Until then no other thread sees it: a `with` is none of their business.
    """

    __slots__ = ("asked", "backend", "thread")

    def __init__(self, backend: Backend, asked: object = None) -> None:
        self.backend = backend
        self.asked = None if asked is None else weakref.ref(asked)  # None where `asked` is nobody's object
        self.thread = None if asked is None else threading.get_ident()  # the only one that sees it; None: all do

    @property
    def final(self) -> bool:
        """Whether it can no longer turn out to be a block's."""
        return self.asked is None or self.asked() is None


class _Block:
    """A `with` block, or a plain call inside one, which holds to its end."""

    __slots__ = ("backend", "left", "within")

    def __init__(self, backend: Backend, within: "_Block | None" = None) -> None:
        self.backend, self.within = backend, within  # the block that a plain call stands in
        self.left = False  # from a context that does not have it, such as that of another thread

    @property
    def over(self) -> bool:
        return self.left or (self.within is not None and self.within.left)


_calls: tuple[_Call, ...] = ()  # the oldest first; of those that a thread sees the newest is its default
_changing = ProcessLock(threading.RLock)
# The blocks around, the outermost first. A generator's block may end before one that began earlier: none of them
# restores what was there when it began; each goes, and leaves the others.
_inside: ContextVar[tuple[_Block, ...]] = ContextVar("_inside", default=())


def _block() -> _Block | None:
    """The innermost block around."""
    return next((block for block in reversed(_inside.get()) if not block.over), None)


def _enter(block: _Block) -> _Block:
    _inside.set((*_inside.get(), block))
    return block


def _leave(block: _Block) -> None:
    blocks = _inside.get()
    if blocks and blocks[-1] is block:
        _inside.set(blocks[:-1])
    elif block in blocks:
        _inside.set(tuple(each for each in blocks if each is not block and each.within is not block))
    else:
        block.left = True


def _default() -> Backend | None:
    """The backend of the newest call that this thread sees."""
    thread = threading.get_ident()
    for call in reversed(_calls):
        if call.thread == thread:
            call.thread = None  # it is no block's, as far as anybody can tell
        if call.thread is None or call.final:
            return call.backend
    return None


def _add(call: _Call) -> None:
    """The newest one; those before one that stays are forgotten."""
    global _calls
    with _changing.lock:
        calls = (*_calls, call)
        _calls = calls[max((at for at, each in enumerate(calls) if each.final), default=0) :]


def get_backend() -> Backend:
    """The backend that new layers are made on: what `use_backend` set, else `XPNET_BACKEND`, else numpy."""
    if _inside.get() and (block := _block()) is not None:
        return block.backend
    if (backend := _default()) is None:
        backend = make_backend(os.environ.get("XPNET_BACKEND", "").strip() or "numpy")
        _add_first(_Call(backend))
    return backend


def _add_first(call: _Call) -> None:
    global _calls
    with _changing.lock:
        if not any(each.final for each in _calls):  # of those that were made meanwhile each is newer
            _calls = (call, *_calls)


def set_default(backend: Backend | None) -> Backend | None:
    """Make it the process's backend, with None the one that `XPNET_BACKEND` names when it is next asked for.

    Returns what was set before. `use_backend` is for users; this is for those who want to put it back.
    """
    global _calls
    with _changing.lock:
        before, _calls = _default(), () if backend is None else (_Call(backend),)
    return before


class use_backend:
    """Set the backend by name, from now on or, as a context manager, for the length of a `with` block.

    The block holds for its own thread only, or its own asyncio task, and no other sees anything of it. A plain call
    holds for the process, or, inside a block, to its end; where its result is kept, other threads see it as soon as its
    own thread makes something. An object may be entered again.

    >>> use_backend("numpy")
    <use_backend numpy>
    >>> with use_backend("reference"):
    ...     get_backend().name
    'reference'
    """

    def __init__(self, name: str | Backend) -> None:
        self.backend = name if isinstance(name, Backend) else make_backend(name)
        self._blocks: list[_Block] = []
        self._plain: _Block | None = None
        self._call: _Call | None = None
        if (around := _block()) is not None:
            self._plain = _enter(_Block(self.backend, around.within or around))
        else:
            self._call = _Call(self.backend, self)
            _add(self._call)

    def __repr__(self) -> str:
        if self._call is not None:
            self._call.thread = None  # whoever shows it keeps it, as an interactive session does
        return f"<use_backend {self.backend.name}>"

    def __enter__(self) -> Backend:
        self._withdraw()
        self._blocks.append(_enter(_Block(self.backend)))
        return self.backend

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block = ([block for block in _inside.get() if block in self._blocks] or self._blocks)[-1]  # this thread's
        self._blocks.remove(block)
        _leave(block)

    def _withdraw(self) -> None:
        """It turned out to be a block: the call is none of its own."""
        global _calls
        if self._plain is not None:
            _leave(self._plain)
            self._plain = None
        if self._call is not None:
            with _changing.lock:
                _calls = tuple(call for call in _calls if call is not self._call)
            self._call = None


class on_backend:
    """Within the block, and in this thread, `backend` is the current one."""

    __slots__ = ("_block", "backend")

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __enter__(self) -> None:
        self._block = _enter(_Block(self.backend))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leave(self._block)
