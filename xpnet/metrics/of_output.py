"""A metric of one of several outputs."""

from typing import Any

from xpnet.backend import Backend
from xpnet.base.nested import Key
from xpnet.losses import Joint, Loss
from xpnet.losses.joint import output_name
from xpnet.metrics.base import Metric


class OfOutput(Metric):
    """The metric of one output of a network that gives several: what `compile` makes of a dict or a tuple of metrics.

    output: its name in a dict, or its place in a tuple, from 0; the history calls it digit_accuracy, say.
    """

    def __init__(self, output: Key, metric: Metric) -> None:
        self.output, self.metric = output, metric
        self.name = f"{output_name(output)}_{metric.name}"
        self.larger_is_better = metric.larger_is_better

    def check(self, outputs: Any, loss: Loss) -> None:
        own = {key: each for key, each, _ in loss.parts()} if isinstance(loss, Joint) else {}
        self.metric.check(outputs[self.output], own.get(self.output, loss))

    def reset(self) -> None:
        self.metric.reset()

    def update(self, y: Any, t: Any, backend: Backend | None = None) -> None:
        self.metric.update(y[self.output], t[self.output], backend)

    @property
    def is_sum(self) -> bool:
        return self.metric.is_sum

    def measure(self, y: Any, t: Any, backend: Backend) -> tuple[Any, Any]:
        return self.metric.measure(y[self.output], t[self.output], backend)

    def add(self, added: Any, number: Any, backend: Backend) -> None:
        self.metric.add(added, number, backend)

    def counted(self) -> tuple[Any, Any]:
        return self.metric.counted()

    def result(self) -> Any:
        return self.metric.result()

    def get_state(self, backend: Backend | None = None) -> dict[str, Any]:
        return self.metric.get_state(backend)

    def set_state(self, state: dict[str, Any], backend: Backend | None = None) -> None:
        self.metric.set_state(state, backend)
