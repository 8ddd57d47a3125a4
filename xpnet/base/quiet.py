"""What the library computes does not depend on the process's settings of NumPy's floating-point errors.

Softmax, Adam and many a formula let a number become zero that is too small, and mean it. With
`np.seterr(all="raise")`, or with warnings as errors, that would end in FloatingPointError. What must not pass, such as
a loss that is NaN, is looked for where it counts.
"""

import functools
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from xpnet.base.hints import explain
from xpnet.base.host import native
from xpnet.errors import DTypeError

Function = TypeVar("Function", bound=Callable[..., Any])

_inside: ContextVar[bool] = ContextVar("_inside", default=False)  # a `with quiet()` block


class quiet:
    """Within the block, and in its thread, NumPy tells of no floating-point error. A generator must not yield in it."""

    __slots__ = ("_settings", "_token")
    _token: Token[bool] | None

    def __enter__(self) -> None:
        self._token = None
        if not _inside.get():
            self._token, self._settings = _inside.set(True), np.errstate(all="ignore")
            self._settings.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            self._settings.__exit__(kind, error, trace)
            _inside.reset(self._token)


def quietly(function: Function) -> Function:
    """The function, called within `quiet`."""

    @functools.wraps(function)
    def calling(*args: Any, **options: Any) -> Any:
        if _inside.get():
            return function(*args, **options)
        with quiet():
            return function(*args, **options)

    return calling  # type: ignore[return-value]


def gradient(dy: Any) -> Any:
    """What a user gave to a `back`, on this machine's byte order; DTypeError for an array of no real numbers."""
    dy = native(dy)
    kind = getattr(getattr(dy, "dtype", None), "kind", "f")
    if kind not in "fbiu":
        raise DTypeError(
            f"back takes a gradient of real numbers, not of {dy.dtype}: convert it with dy.real or dy.astype"
        )
    return dy


def quietly_both_ways(forward: Function) -> Function:
    """A `forward` that returns a value and its `back`, both called within `quiet`; on arrays of this machine.

    Within `quiet` it is called as it is: who is there already has seen to the arrays. An argument that it does not have
    is told as `explaining` tells it.
    """

    @functools.wraps(forward)
    def calling(self: Any, *xs: Any, **options: Any) -> Any:
        try:
            if _inside.get():
                return forward(self, *xs, **options)
            with quiet():
                result = forward(self, *map(native, xs), **options)
        except TypeError as error:
            explain(type(self).__name__, forward, xs, options, error)
            raise
        if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
            return result  # of a layer that is written wrongly, as others tell
        y, back = result

        def back_quietly(*dys: Any, **options: Any) -> Any:
            with quiet():
                return back(
                    *[tuple(map(gradient, dy)) if isinstance(dy, tuple) else gradient(dy) for dy in dys], **options
                )

        return y, back_quietly

    return calling  # type: ignore[return-value]
