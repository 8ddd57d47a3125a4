"""The activation that convolution and dense layers have built in."""

from xpnet.backend.reference.arrays import Array, Arrays


class Activations(Arrays):
    def activate(self, y: Array, activation: str | None) -> Array:
        """max(y, 0) for "relu", y itself for None."""
        return self.xp.maximum(y, 0) if activation == "relu" else y

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        """The gradient before the activation, from the output y after it."""
        return self.xp.where(y > 0, dy, 0) if activation == "relu" else dy
