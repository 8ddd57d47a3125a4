"""A state that goes from batch to batch without its gradient: truncated backpropagation (Williams and Peng, 1990)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from xpnet.backend import Array, Backend
from xpnet.backend.reference import dtype_name
from xpnet.errors import ShapeError


class Carried:
    """A value that a layer keeps from one batch to the next, an attribute of the layer.

    A forward begins with the value as a constant, so that no gradient goes into the batch before, and keeps a new one:

        h = zeros if (h := self.state.take(self.label, N)) is None else h
        ...
        self.state.value = h

    It is None in the beginning and after `reset`. Assigning takes an array of any kind, and keeps a copy of it.
    """

    def __init__(self, backend: Backend, dtype: str) -> None:
        self.backend, self.dtype = backend, dtype
        self._kept: Array | None = None

    @property
    def value(self) -> Array | None:
        """The state (N, ...), a row for each row of the batch; None: the next batch begins anew."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        backend = self.backend
        self._value = None if value is None else backend.copy(backend.asarray(value, self.dtype))

    @property
    def _value(self) -> Array | None:
        aside = _aside.get()
        return aside.get(id(self), self._kept)

    @_value.setter
    def _value(self, value: Array | None) -> None:
        aside = _aside.get()
        if id(self) in aside:
            aside[id(self)] = value
        else:
            self._kept = value

    def take(self, label: str, rows: int) -> Array | None:
        """The value, for a batch of so many rows; ShapeError if it belongs to a batch of another size."""
        if self._value is not None and self._value.shape[0] != rows:
            raise ShapeError(
                f"{label}: the state of the batch before has {self._value.shape[0]} rows, this batch has {rows}; a"
                " state goes on in batches of one size (data.Loader leaves out a smaller last one by drop_last=True),"
                " or begins anew: model.reset_state()"
            )
        return self._value

    def reset(self, rows: Any = None) -> None:
        """Forget the value; with `rows`, a mask (N,) of booleans, those rows of it begin with zeros."""
        if rows is None or self._value is None:
            self._value = None
            return
        xp, mask, shape = self.backend.xp, self.backend.asarray(rows), tuple(self._value.shape)
        if dtype_name(mask.dtype) != "bool" or tuple(mask.shape) != shape[:1]:
            raise ShapeError(
                f"reset_state takes a mask of booleans ({shape[0]},), one for each row of the batch, not"
                f" {dtype_name(mask.dtype)} {tuple(mask.shape)}"
            )
        mask = xp.reshape(mask, (-1, *(1,) * (len(shape) - 1)))  # (N, 1, ...)
        self._value = xp.where(mask, xp.zeros_like(self._value), self._value)

    def move(self, backend: Backend, dtype: str | None) -> None:
        """Onto another backend, or to another data type."""
        host = None if self._value is None else self.backend.to_numpy(self._value)
        self.backend, self.dtype = backend, dtype or self.dtype
        self.value = host


# The states of the blocks around, by the id of what carries them: other threads neither see nor change them.
_aside: ContextVar[dict[int, Array | None]] = ContextVar("_aside", default={})  # noqa: B039 (it is never changed)


@contextmanager
def states_set_aside(layer: Any) -> Iterator[None]:
    """Within the block, and in this thread, layers begin without a state; after it, they carry what they did before."""
    states = [state for _, state in layer.named_states()]
    token = _aside.set({**_aside.get(), **{id(state): None for state in states}}) if states else None
    try:
        yield
    finally:
        if token is not None:
            _aside.reset(token)
