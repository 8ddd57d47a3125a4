"""The fully connected layer's product."""

from xpnet.backend.reference.activations import Activations
from xpnet.backend.reference.arrays import Array


class Dense(Activations):
    fills = False  # whether gradients are written into the arrays that are there for them, at no cost but the copy

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        """y = act(x w^T + b): x (N, I), w (O, I), b (O,), y (N, O)."""
        y = self.xp.matmul(x, w.mT)
        if b is not None:
            y = y + b
        return self.activate(y, activation)

    def dense_backward(
        self, dy: Array, x: Array, w: Array, y: Array, activation: str | None = None, need_dx: bool = True,
        out: Array | None = None, need_dw: bool = True, need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
        """(dx, dw, db) of `dense`, None for each that is not needed; a backend that `fills` may write dw into `out`."""
        dz = self.activate_backward(dy, y, activation)
        dx = self.xp.matmul(dz, w) if need_dx else None
        dw = self.xp.matmul(dz.mT, x) if need_dw else None
        return dx, dw, self.sum(dz, axis=0) if need_db else None
