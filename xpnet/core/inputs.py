"""What a layer's inputs are held against, and the errors for those that it cannot take."""

from typing import Any

from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.base import budget
from xpnet.base.host import refuse_masked
from xpnet.core.declare import building
from xpnet.core.parameter import FLOATS, Parameter
from xpnet.errors import BackendError, DTypeError, ShapeError

INTEGERS = ("int64", "int32")
MASKS = (*INTEGERS, "bool")  # what is taken beside numbers, such as which elements of a sequence are real
OPTIONS = ("lengths", "mask")  # with which some layers take them


def check_inputs(layer: Any, *xs: Array) -> None:
    """What these inputs are against what the layer takes; it is built if it is not."""
    for x in xs:
        refuse_masked(x)
        if x.ndim < 1 or x.shape[0] < 1:
            raise ShapeError(
                f"{layer.label}: the input has shape {tuple(x.shape)}, but its first axis must be a batch of at"
                " least one"
            )
        if 0 in x.shape:
            raise layer.wrong_shape(tuple(x.shape[1:]), "one without an axis of length 0")
        if x.shape[0] != xs[0].shape[0]:
            raise ShapeError(
                f"{layer.label}: the inputs are batches of {xs[0].shape[0]} and of {x.shape[0]}; they must be as long"
            )
    shapes = [tuple(x.shape[1:]) for x in xs]
    for place, x in enumerate(xs):
        check_dtype(layer, dtype_name(x.dtype), place, place - len(xs))
    if not layer.is_built:
        with building.lock:
            if not layer.is_built:
                layer.build(*shapes)
    budget.check_sample(layer.output_shape(*shapes))
    for place, x in enumerate(xs):
        check_dtype(layer, dtype_name(x.dtype), place, place - len(xs))


def check_dtype(layer: Any, dtype: str, *places: int) -> None:
    """The data type of an input: that of the layer's parameters, or integers where it takes them.

    places: where the input stands, counted from the first one and, below zero, from the end.
    """
    if not {*places}.isdisjoint(layer.integers_at):
        if dtype not in MASKS:
            raise DTypeError(
                f"{layer.label}: input {places[0] + 1} is {dtype}, and the layer takes integers ({', '.join(MASKS)})"
                ' there, such as lengths or a mask; give what is missing, or convert it with x.astype("int64")'
            )
        return
    if layer.takes_integers:
        if dtype not in INTEGERS:
            raise DTypeError(
                f"{layer.label}: the input is {dtype}, the layer takes integers ({' or '.join(INTEGERS)}); convert the"
                ' data with x.astype("int64"), and build a network for them by build(shape, dtype="int64")'
            )
        return
    has_parameters = any(isinstance(value, Parameter) for value in vars(layer).values())
    if dtype not in FLOATS or (has_parameters and dtype != layer.dtype):
        other = f', or the layer with layer.astype("{dtype}")' if dtype in FLOATS else ""
        if dtype in MASKS and places[0] > 0:  # lengths or a mask for a layer that was not told of them
            other = "".join(
                f"; or make the layer with {name}=True" for name in OPTIONS if vars(layer).get(name) is False
            )
        raise DTypeError(
            f"{layer.label}: the input is {dtype}, the layer works in {layer.dtype}; convert the data with"
            f' x.astype("{layer.dtype}"){other}'
        )


def check_shared(layer: Any, name: str, given: Parameter, shape: tuple[int, ...]) -> None:
    """A parameter that the layer is to have, and another one has already."""
    if given.shape != shape:
        raise ShapeError(f"{layer.label}: {name} is shared and has shape {given.shape}, needed is {shape}")
    if given.backend is not layer.backend:
        raise BackendError(
            f"{layer.label}: {name} is shared and on backend {given.backend.name}, the layer on {layer.backend.name};"
            " move what shares it together"
        )


def no_arrays(layer: Any, *xs: Any) -> DTypeError:
    """The error for inputs such as lists."""
    if any(isinstance(x, (tuple, list)) and x and all(hasattr(each, "shape") for each in x) for x in xs):
        return DTypeError(f"{layer.label}: forward takes each array as an argument of its own, as in forward(a, b)")
    dtype = '"int64"' if layer.takes_integers else "layer.dtype"
    return DTypeError(f"{layer.label}: forward takes arrays; make one with layer.backend.asarray(x, {dtype})")
