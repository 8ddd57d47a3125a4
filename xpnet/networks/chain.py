"""Lists of layers, which a network keeps as attributes so that its weights have the paths that others give them."""

from collections.abc import Sequence
from typing import Any

from xpnet.core.chains import run_chain


def through(layers: Sequence[Any], x: Any) -> Any:
    """x through the layers in turn; a list among them is a chain of its own. An empty one leaves x as it is."""
    chain: list[Any] = []  # of layers that stand one behind the other
    for layer in layers:
        if isinstance(layer, (list, tuple)):
            x, chain = through(layer, run_chain(chain, x)), []
        else:
            chain.append(layer)
    return run_chain(chain, x)
