"""The switch: which array namespace and device new layers run on.

`XPNET_BACKEND` names it for a whole process (`numpy` by default); `use_backend` changes it at run time.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import numpy as np

from xpnet.backend.reference import Array, Backend, Memory
from xpnet.backend.window import Window
from xpnet.base.console import say
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


@functools.cache
def make_backend(name: str) -> Backend:
    """The backend of this name, one object for each; BackendError says what is missing to run it here."""
    if name not in _MAKERS:
        raise BackendError(f"there is no backend {name!r}; choose one of {', '.join(_MAKERS)}")
    return _MAKERS[name]()


Backend.restore = staticmethod(make_backend)


_default: Backend | None = None  # for the whole process
_inside: ContextVar[Backend | None] = ContextVar("_inside", default=None)  # in a `with` block of this thread


def get_backend() -> Backend:
    """The backend that new layers are made on: what `use_backend` set, else `XPNET_BACKEND`, else numpy."""
    global _default
    if (backend := _inside.get()) is not None:
        return backend
    if _default is None:
        _default = make_backend(os.environ.get("XPNET_BACKEND", "").strip() or "numpy")
    return _default


def set_default(backend: Backend | None) -> Backend | None:
    """Make it the process's backend, with None the one that `XPNET_BACKEND` names when it is next asked for.

    Returns what was set before. `use_backend` is for users; this is for those who want to put it back.
    """
    global _default
    before, _default = _default, backend
    return before


class use_backend:
    """Set the backend by name, from now on or, as a context manager, for the length of a `with` block.

    The block holds for its own thread only; a plain call holds for the process, or, inside a block, to its end.

    >>> use_backend("numpy")
    <use_backend numpy>
    >>> with use_backend("reference"):
    ...     get_backend().name
    'reference'
    """

    def __init__(self, name: str | Backend) -> None:
        self.backend = name if isinstance(name, Backend) else make_backend(name)
        self._before: Backend | None = None
        self._outer: Token[Backend | None] | None = None
        if _inside.get() is None:
            self._before = set_default(self.backend)
        else:
            self._outer = _inside.set(self.backend)

    def __repr__(self) -> str:
        return f"<use_backend {self.backend.name}>"

    def __enter__(self) -> Backend:
        if self._outer is None:  # it turned out to be a block: take back what the call did
            set_default(self._before)
        else:
            _inside.reset(self._outer)
        self._token = _inside.set(self.backend)
        return self.backend

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _inside.reset(self._token)


@contextmanager
def on_backend(backend: Backend) -> Iterator[None]:
    """Within the block, and in this thread, `backend` is the current one."""
    token = _inside.set(backend)
    try:
        yield
    finally:
        _inside.reset(token)
