"""The data type of a gradient that the user gave, against that of the layer's numbers: asked once for each primitive.

A kernel that reads memory by address takes what lies there for numbers of the type that it was written for.
"""

from typing import Any

from xpnet.backend.reference import dtype_name
from xpnet.errors import DTypeError, ShapeError

Array = Any


def converted(dy: Array, dtype: Any) -> Array:
    """dy itself, or what a user gave in another data type, such as bool, as the numbers that it means."""
    return dy if dy.dtype == dtype else dy.astype(dtype)


def require_like(dy: Array, y: Array) -> None:
    """DTypeError unless dy, the gradient of y, has its data type; ShapeError unless it has its shape."""
    if dy.dtype != y.dtype:
        needed = dtype_name(y.dtype)
        raise DTypeError(
            f"back takes a gradient in {needed}, as the output is, not in {dtype_name(dy.dtype)}: convert it with"
            f' dy.astype("{needed}")'
        )
    if dy.shape != y.shape:
        raise ShapeError(f"back takes a gradient like the output, {tuple(y.shape)}, not {tuple(dy.shape)}")
