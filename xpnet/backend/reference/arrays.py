"""Arrays of a namespace on a device: how they come there and back, and how much memory they take."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from xpnet.backend.reference.sums import Array, Sums
from xpnet.base.host import native, refuse_masked
from xpnet.base.quiet import quiet, quietly

__all__ = ["Array", "Arrays", "Memory", "dtype_name"]


class Memory(NamedTuple):
    """Bytes of the device's memory: in arrays, taken from the driver (and kept for further arrays), and the bound."""

    used: int
    held: int
    limit: int | None = None


class Arrays(Sums):
    """An array namespace `xp` on a device."""

    name = "reference"
    lazy = False  # whether the device computes in the background, so that reading a scalar means waiting for it
    flat = False  # whether optimizers lay their parameters behind one another, to update them with one call
    jit = ""  # which compiler it has, if any
    restore: ClassVar[Any]  # the backend of a name, in another process: make_backend, in __init__.py

    def __init__(self, xp: Any = np, device: Any = None, name: str | None = None) -> None:
        self.xp, self.device = xp, device
        self.name = name or self.name

    def __repr__(self) -> str:
        return f"<xpnet backend {self.name}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a copied layer stays on the same device

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process, which joblib sends models to, the backend of the same name."""
        return self.restore, (self.name,)

    # ---- arrays in and out -----------------------------------------------------------------------------------------

    @quietly
    def asarray(self, x: Any, dtype: Any = None) -> Array:
        """`x` (a NumPy array, a list, an array of this backend) as an array of this backend; copies only if it must."""
        refuse_masked(x)
        return self.xp.asarray(native(x), dtype=self.dtype(dtype), device=self.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        """`x` as a NumPy array; copies from the device, and waits for it, if it must."""
        return np.asarray(x)

    def batch(self, arrays: Iterable[np.ndarray], dtype: Any) -> tuple[Array, ...]:
        """The arrays of one training step on the device: floating point numbers in `dtype`, integers as they are."""
        return tuple([self.asarray(array, dtype if array.dtype.kind == "f" else None) for array in arrays])

    def staged(self, batches: Iterable[Iterable[np.ndarray]], dtype: Any) -> Iterator[tuple[Array, ...]]:
        """`batch` of each; a backend may fetch one batch ahead, to copy it while the device computes."""
        for arrays in batches:
            yield self.batch(arrays, dtype)

    def dtype(self, dtype: Any) -> Any:
        """A data type of this namespace from a name, a NumPy dtype or one of its own: `float32` -> `xp.float32`."""
        if dtype is None:
            return None
        return getattr(self.xp, dtype_name(dtype))

    def zeros(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Zeros of this shape on the device."""
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def copy(self, x: Array) -> Array:
        """A copy that shares no memory with x."""
        return self.xp.asarray(x, copy=True)

    def writable(self, x: Array) -> Array:
        """x, or a copy where it cannot be written to, as a memory map that joblib opened for several processes."""
        return x if getattr(getattr(x, "flags", None), "writeable", True) else self.copy(x)

    def handed_out(self, x: Array) -> Array:
        """x, for a user to keep; a copy where it is a small part of memory that would be kept with it."""
        return x

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked to."""

    # ---- plans -----------------------------------------------------------------------------------------------------

    planned: type | None = None  # the arrays that `plan` and `plan_training` are for, if there are any

    def plan(self, graph: Any) -> Callable[[Array], Array] | None:
        """What does all that a graph of core/trace.py says with an x of the shape that it is for, in any number of
        threads at once, and returns an array that nothing else has; None where calling the primitives is as fast.
        """
        return None

    def plan_training(
        self, graph: Any
    ) -> Callable[[Array], tuple[Array, Callable[[Array, bool], Array | None]]] | None:
        """The same of a forward pass in training: y, and what takes (dy, need_dx) back, once: it adds to the gradients
        of the parameters, and returns that of x, or None if it is not needed.
        """
        return None

    # ---- memory: for a device that has its own ---------------------------------------------------------------------

    def memory(self) -> Memory:
        """What arrays use and what is held of the device's memory; zeros where arrays live in that of the process."""
        return Memory(0, 0)

    def memory_advice(self, samples: int | None) -> contextlib.AbstractContextManager[None]:
        """Within the block, a device that runs out of memory gives a BackendError that advises a smaller batch.

        `samples` is the size of a batch, None if that is not known.
        """
        return contextlib.nullcontext()

    def free_memory(self) -> None:
        """Give back what is held and not used."""

    def computing(self) -> contextlib.AbstractContextManager[None]:
        """Around a forward pass or a training step: what NumPy's settings would say of numbers is set aside, and a
        backend may prepare once what each primitive would need.
        """
        return quiet()

    def shrunk(self, p: Array, share: float) -> Array:
        """p - share p, of which infinite entries stay: inf - inf is NaN."""
        return p - share * self.where_finite(p)

    def where_finite(self, p: Array) -> Array:
        """p, and 0 where it is infinite."""
        return self.xp.where(self.xp.isinf(p), 0, p)


def dtype_name(dtype: Any) -> str:
    """`np.float32`, `np.dtype("float32")`, `torch.float32`, `"float32"` -> "float32"."""
    if isinstance(dtype, str):
        return dtype
    try:
        return str(np.dtype(dtype).name)
    except TypeError:  # a dtype object of another namespace prints as "torch.float32" or "array_api_strict.float32"
        return str(dtype).rsplit(".", 1)[-1]
