"""Lists of layers, which a network keeps as attributes so that its weights have the paths that others give them."""

from collections.abc import Sequence
from typing import Any


def through(layers: Sequence[Any], x: Any) -> Any:
    """x through the layers in turn; a list among them is a chain of its own. An empty one leaves x as it is."""
    for layer in layers:
        x = through(layer, x) if isinstance(layer, (list, tuple)) else layer(x)
    return x
