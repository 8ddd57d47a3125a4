"""What a forward gives: an array, a tuple of arrays, or a dict of arrays by name; and gradients in that structure."""

from collections.abc import Iterable, Sequence
from typing import Any

from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.base.nested import as_several, mapped
from xpnet.core.parameter import FLOATS
from xpnet.errors import ShapeError, TapeError

SEVERAL = (tuple, dict)


class Blank:
    """An array without its numbers: what is left of an output on the way back."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Array) -> None:
        self.shape, self.dtype = tuple(array.shape), array.dtype


def leaf_names(y: Any) -> list[str]:
    """What the arrays in `y` are called: by their names, or "output 1", "output 2"; a single one has no name."""
    if isinstance(y, tuple):
        return [f"output {i + 1}" for i in range(len(y))]
    return list(y) if isinstance(y, dict) else [""]


def is_shape(shape: Any) -> bool:
    """Whether it is the shape of one array, and not a tuple or dict of shapes."""
    return not (isinstance(shape, dict) or (shape and isinstance(shape[0], tuple)))


def gradients_in(label: str, dy: Any, blanks: Any) -> tuple[Any, ...]:
    """The gradients in what a `back` got, one for each array of the output, None where nothing depends on it.

    `blanks`: the output in its structure, of Blanks. An error if `dy` has another structure or other shapes.
    """
    if isinstance(blanks, dict):
        fits = isinstance(dy, dict) and dy.keys() <= blanks.keys()
        dys = tuple(dy.get(name) for name in blanks) if fits else ()
    else:
        fits = isinstance(dy, tuple) == isinstance(blanks, tuple) and not isinstance(dy, dict)
        dys = as_several(dy)
    outputs = as_several(blanks)
    if fits and len(dys) == len(outputs):
        shapes = [None if each is None else tuple(getattr(each, "shape", (None,))) for each in dys]
        if all(
            shape == y.shape or (shape is None and y is not blanks) for shape, y in zip(shapes, outputs, strict=True)
        ):
            return dys
    raise ShapeError(f"{label}: back takes a gradient like the output, {_told(blanks)}, not {_told(dy)}")


def gradients_for(layer: Any, dys: Iterable[Any], blanks: Any) -> Any:
    """The gradients of several outputs as the layer's `back` takes them; zeros for None, unless it knows better."""
    if not layer.skips_dy:
        pairs = zip(dys, as_several(blanks), strict=True)
        dys = [layer.backend.zeros(y.shape, dtype_name(y.dtype)) if dy is None else dy for dy, y in pairs]
    rest = iter(dys)
    return mapped(lambda _: next(rest), blanks)


def _told(y: Any) -> str:
    """A structure of arrays in words: (2, 3), or {"a": (2, 3), "b": None}."""
    if isinstance(y, dict):
        return "{" + ", ".join(f'"{name}": {_told(each)}' for name, each in y.items()) + "}"
    if isinstance(y, tuple):
        return "(" + ", ".join(map(_told, y)) + ")"
    return str(tuple(y.shape)) if hasattr(y, "shape") else "None" if y is None else type(y).__name__


NO_ARRAY = (type(None), tuple, list)


def gradients(layer: Any, returned: Any, dtypes: Sequence[Any]) -> tuple[Any, ...]:
    """What the layer's `back` returned, as a tuple with the gradient of each input; that of integers may be None."""
    inputs = len(dtypes)
    dxs = returned if inputs > 1 else (returned,)
    if not isinstance(dxs, tuple) or len(dxs) != inputs or any(map(_no_gradient, dxs, dtypes)):
        found = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
        raise TapeError(
            f"{layer.label}: back must return the gradient of the input, or a tuple with one for each of several"
            f" inputs; for {inputs} it returned {found}"
        )
    return dxs


def _no_gradient(dx: Any, dtype: Any) -> bool:
    return isinstance(dx, NO_ARRAY) and not (dx is None and dtype_name(dtype) not in FLOATS)
