"""Where a layer stands, and what it draws for that reason: its initial weights, its dropout masks.

A layer that is added to a network changes no other layer's numbers, because each draws for a purpose of its own: the
place where it stands.
"""

from contextlib import AbstractContextManager
from typing import Any

from xpnet import random
from xpnet.core.declare import building


class Location:
    """The number of a root, the path from there, and the key that the initial weights below that root are drawn from.

    A root is the outermost network, or a layer that is used alone. It takes the next number of the random state when it
    is first used, so that of two networks that are made one after the other each has weights of its own.
    """

    __slots__ = ("key", "path", "root")

    def __init__(self, key: random.Key, root: int, path: str = "") -> None:
        self.key, self.root, self.path = key, root, path

    def inside(self, path: str) -> "Location":
        return Location(self.key, self.root, f"{self.path}.{path}".strip("."))


class Located:
    """What layers have of this file."""

    named_layers: Any
    _location: Location | None = None  # copies keep it

    def locate(self) -> Location:
        """Give the layer and all inside it a location, but for those that have one: a network does so at first use."""
        with building.lock:
            if self._location is None:
                self._location = Location(random.get_state()[:2], random.next_number("root"))
            for path, layer in self.named_layers():
                if layer._location is None:
                    layer._location = self._location.inside(path)
            return self._location

    @property
    def root_number(self) -> int:
        """That of the root below which it stands."""
        return (self._location or self.locate()).root

    def next_key(self) -> random.Key:
        """The next key for what the layer draws in a forward pass, from where it stands and its own calls.

        In a step of a training they are counted from the beginning of the step. A layer that is made anew in each pass
        has no location in there: its keys are those without a purpose.
        """
        own = self._own_location()
        return random.next_key() if own is None else random.next_key(own.root - random.first_root(), own.path)

    def drawing_step(self) -> AbstractContextManager[None]:
        """Within the block a training step is made that is nobody's but the network's own."""
        own = self._location or self.locate()
        return random.drawing_next(own.root - random.first_root(), own.path, "step", root=own.root)

    def drawing_weights(self, *attribute: str) -> AbstractContextManager[None]:
        """Within the block, initial values of the layer, or of an attribute, are drawn: from where it stands alone."""
        own = self._own_location()
        if own is None:
            return random.drawing_from(random.next_key(), "weights", *attribute)
        return random.drawing_from(own.key, "weights", own.root, own.path, *attribute)

    def _own_location(self) -> Location | None:
        """Used alone, a layer is a root; but not within a step, where it may be one of many that come and go."""
        return self.locate() if self._location is None and not random.is_apart() else self._location
