"""Means over several batches of what is a mean over each of them."""

from collections.abc import Mapping
from typing import Any

from xpnet.backend import Backend


class Means:
    """Sums by name, in double, so that a million small ones add up. Those of a device that computes in the background
    stay there until somebody looks. A name need not be in every batch.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.totals: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}  # of the batches that had the name: samples, or labels that are not ignored

    def add(self, values: Mapping[str, Any], weight: Any) -> None:
        """Of a batch more, that counts for so much; in a dict, each name for its own, or else for that of "loss"."""
        totals, weights = self.totals, self.weights
        for name, value in values.items():
            own: Any = weight.get(name, weight["loss"]) if isinstance(weight, dict) else weight
            added = value * own if self.backend.lazy else float(value) * own
            totals[name] = totals[name] + added if name in totals else self._in_double(added)
            weights[name] = own + weights.get(name, 0)

    def read(self) -> dict[str, float]:
        """The means, once the device has come to them."""
        return {name: float(total) / (float(self.weights[name]) or 1.0) for name, total in self.totals.items()}

    def _in_double(self, value: Any) -> Any:
        """What a float32 is added to in double."""
        return value if isinstance(value, (int, float)) else self.backend.asarray(value, "float64")

    def get_state(self) -> dict[str, Any]:
        def on_host(value: Any) -> Any:
            return value if isinstance(value, (int, float)) else self.backend.to_numpy(value)

        return {
            "totals": {name: on_host(total) for name, total in self.totals.items()},
            "weights": {name: on_host(weight) for name, weight in self.weights.items()},
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.totals, self.weights = (
            {name: self._in_double(value) for name, value in state[kind].items()} for kind in ("totals", "weights")
        )
