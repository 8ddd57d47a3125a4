"""Means over several batches of what is a mean over each of them."""

from collections.abc import Mapping
from typing import Any

from xpnet.backend import Backend


class Means:
    """Sums by name, which stay on the device until somebody looks."""

    def __init__(self) -> None:
        self.totals: dict[str, Any] = {}
        self.weight: Any = 0  # of all batches: samples, or labels that are not ignored

    def add(self, values: Mapping[str, Any], weight: Any) -> None:
        """Of a batch more, that counts for so much."""
        totals = self.totals
        for name, value in values.items():
            totals[name] = value * weight + totals.get(name, 0.0)
        self.weight = weight + self.weight

    def read(self) -> dict[str, float]:
        """The means, once the device has come to them."""
        weight = float(self.weight) or 1.0
        return {name: float(total) / weight for name, total in self.totals.items()}

    def get_state(self, backend: Backend) -> dict[str, Any]:
        def on_host(value: Any) -> Any:
            return value if isinstance(value, (int, float)) else backend.to_numpy(value)

        return {
            "totals": {name: on_host(total) for name, total in self.totals.items()},
            "weight": on_host(self.weight),
        }

    def set_state(self, state: dict[str, Any], backend: Backend) -> None:
        def on_device(value: Any) -> Any:
            return value if isinstance(value, (int, float)) else backend.asarray(value)

        self.totals = {name: on_device(total) for name, total in state["totals"].items()}
        self.weight = on_device(state["weight"])
