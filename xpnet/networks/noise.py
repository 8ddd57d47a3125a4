"""What networks draw while they are trained."""

import math

from xpnet import random
from xpnet.backend import Array
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer


def normal_numbers(layer: Layer, shape: Shape) -> Array:
    """N(0, 1) of shape (N, ...), drawn for where the layer stands: the same on all backends."""
    first = random.first_sample() * math.prod(shape[1:])  # so many of the batch are elsewhere
    return layer.backend.normal(shape, layer.next_key(), layer.dtype, first)
