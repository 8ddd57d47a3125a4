"""What convolutions have in common, whichever way they go: output channels, and groups of channels."""

from typing import Any

from xpnet.base.checks import whole
from xpnet.core.declare import Shape
from xpnet.errors import OptionError
from xpnet.layers.base import Weighted


class Convolving(Weighted):
    """The base of layers with `filters` output channels, of which each sees the channels of its group."""

    axes = "HW"  # behind the channels

    def __init__(
        self,
        filters: int,
        groups: int,
        bias: bool,
        activation: Any,
        initializer: Any,
        regularizer: Any,
        name: str | None,
    ) -> None:
        super().__init__(bias, activation, initializer, regularizer, name)
        kind = type(self).__name__
        self.filters, self.groups = whole(f"{kind}: filters", filters), whole(f"{kind}: groups", groups)
        if filters % groups:
            raise OptionError(f"{kind}: filters ({filters}) must be a multiple of groups ({groups})")

    def channels(self) -> int:
        """How many channels the weight was made for."""
        return int(self.weight.shape[1]) * self.groups

    def check_channels(self, shape: Shape) -> None:
        """ShapeError for an input (without the batch) of other axes, or of channels that the layer does not take."""
        axes = ", ".join(self.axes)
        if len(shape) != 1 + len(self.axes) or shape[0] % self.groups:
            multiple = f" with C a multiple of groups={self.groups}" if self.groups > 1 else ""
            raise self.wrong_shape(shape, f"(N, C, {axes}){multiple}")
        if self._built and shape[0] != self.channels():
            raise self.wrong_shape(shape, f"(N, {self.channels()}, {axes})")
