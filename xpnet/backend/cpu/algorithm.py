"""What a way to compute a convolution consists of, and what all directions are made of these pieces."""

from typing import Any, Protocol

from xpnet.backend.window import Pair, Window

Array = Any
Need = tuple[bool, bool, bool]  # which of dx, dw and db
Gradients = tuple[Array | None, Array | None, Array | None]


class Algorithm(Protocol):
    """A way to compute a convolution: a module, or an object. Images are (N, C, H, W), in any memory order."""

    def forward(self, x: Array, w: Array, b: Array | None, window: Window, groups: int, relu: bool) -> Array:
        """act(b + w * x)."""

    def input_gradient(
        self, dz: Array, w: Array, b: Array | None, window: Window, size: Pair, groups: int, relu: bool
    ) -> Array:
        """The gradient with respect to images of `size`; with bias and activation, a transposed convolution of dz."""

    def weight_gradient(self, dz: Array, x: Array, w: Array, window: Window, groups: int) -> Array:
        """dw, of the shape of w."""

    def before_activation(self, dy: Array, y: Array | None, need_db: bool) -> tuple[Array, Array | None]:
        """dz = dy where y > 0 (dy itself without y), and its sum for each channel, or None without `need_db`."""


def backward(
    algorithm: Algorithm, dy: Array, x: Array, w: Array, y: Array, window: Window, groups: int, relu: bool,
    need: Need,
) -> Gradients:  # fmt: skip
    """(dx, dw, db) of `conv2d`, None for what is not needed: at once, if the algorithm has such a way and takes it."""
    need_dx, need_dw, need_db = need
    at_once = getattr(algorithm, "at_once", None) if need_dx and need_dw else None
    found = at_once(dy, x, w, y if relu else None, window, groups, need_db) if at_once else None
    if found:
        return found  # type: ignore[no-any-return]
    dz, db = algorithm.before_activation(dy, y if relu else None, need_db)
    dw = algorithm.weight_gradient(dz, x, w, window, groups) if need_dw else None
    dx = algorithm.input_gradient(dz, w, None, window, x.shape[2:], groups, False) if need_dx else None
    return dx, dw, db


def transposed_backward(
    algorithm: Algorithm, dy: Array, x: Array, w: Array, y: Array, window: Window, groups: int, relu: bool,
    need: Need,
) -> Gradients:  # fmt: skip
    """(dx, dw, db) of `conv2d_transposed`, None for what is not needed."""
    need_dx, need_dw, need_db = need
    dz, db = algorithm.before_activation(dy, y if relu else None, need_db)
    dw = algorithm.weight_gradient(x, dz, w, window, groups) if need_dw else None
    dx = algorithm.forward(dz, w, None, window, groups, False) if need_dx else None
    return dx, dw, db
