"""Gradients of many parameters as one array, as they travel from worker to worker."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from xpnet.backend import Array
from xpnet.core.parameter import Parameter


class FlatGradients:
    """Those of parameters of one backend and data type, one behind the other, in order."""

    def __init__(self, parameters: list[Parameter]) -> None:
        self.parameters = parameters
        *self.starts, self.size = accumulate((p.size for p in parameters), initial=0)
        self.backend, self.dtype = parameters[0].backend, parameters[0].dtype

    def collect(self, factor: float | Array) -> Array:
        """A new array (size,): the gradients times a factor; of what has none, zeros."""
        flat = self.backend.zeros((self.size,), self.dtype)
        self.backend.collect(flat, [p.gradient.source for p in self.parameters], self.starts)
        flat *= factor
        return flat

    def add(self, flat: Array) -> None:
        """To each parameter's gradient its part, an array that nobody may change later."""
        for p, start in zip(self.parameters, self.starts, strict=True):
            p.add_grad(self.backend.xp.reshape(flat[start : start + p.size], p.shape))


def flat_gradients(parameters: Iterable[Parameter]) -> list[FlatGradients]:
    """The fewest, of those parameters that an optimizer may change."""
    alike: dict[str, list[Parameter]] = {}
    for p in parameters:
        if p.trainable:
            alike.setdefault(str(p.dtype), []).append(p)
    return [FlatGradients(group) for group in alike.values()]
