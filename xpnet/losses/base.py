"""The base of all losses, and of those of classes: their protocol, and the checks in front of every formula."""

from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.configured import Configured
from xpnet.base.nested import leaves
from xpnet.errors import DataError, OptionError, ShapeError


class Loss(Configured):
    """The base of all losses. `activation` names the layer that a loss contains: no network may end with it.

    A loss of your own may leave `sample_weight` out; then fit refuses sample and class weights.
    """

    name = "loss"
    activation: str | None = None
    takes_several = False  # whether y is the outputs of a network that gives several, in a tuple or a dict

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        """The mean loss of a batch, and `back`, which returns its gradient with respect to y.

        `backend` is where y and t are; by default the current one. sample_weight: (N,), in the data type of y.
        """
        raise OptionError(f"{type(self).__name__} does not say how it is computed")

    def forward_parts(
        self, y: Any, t: Any, backend: Backend | None = None, *sample_weight: Any
    ) -> tuple[dict[str, Array], Callable[[], Any]]:
        """`forward`, with the loss as "loss" among those that it is made of, by name, if there are several."""
        value, back = self.forward(y, t, backend, *sample_weight)
        return {"loss": value}, back

    def weight_of(self, t: Any, backend: Backend) -> Any:
        """What the mean over a batch counts for in the mean over several: its samples."""
        return leaves(t)[0].shape[0]

    # ---- how a forward begins --------------------------------------------------------------------------------------

    def prepare(
        self, y: Array, t: Array, backend: Backend | None, sample_weight: Array | None
    ) -> tuple[Backend, Array, Array | None]:
        """The backend; the targets, held against y and in its data type; the weights as (N, 1, ...), to multiply y."""
        backend = backend or get_backend()
        t = self.checked_targets(y, t, backend)
        if sample_weight is None:
            return backend, t, None
        if tuple(sample_weight.shape) != tuple(y.shape[:1]):
            raise ShapeError(f"sample_weight has shape {tuple(sample_weight.shape)}; needed is ({y.shape[0]},)")
        w = backend.xp.reshape(sample_weight, (-1,) + (1,) * (y.ndim - 1))  # (N, 1, ...)
        return backend, t, as_float(w, y, backend)

    def checked_targets(self, y: Array, t: Array, backend: Backend) -> Array:
        """The targets in the data type of y, if they have its shape."""
        self.same_shape(y, t)
        return as_float(t, y, backend)

    def same_shape(self, y: Array, t: Array) -> None:
        """Nothing is broadcast: every output needs its own target."""
        if tuple(y.shape) != tuple(t.shape):
            raise ShapeError(f"loss {self.name}: y has shape {tuple(y.shape)}, t {tuple(t.shape)}; they must be equal")

    # ---- before training -------------------------------------------------------------------------------------------

    def check_last(self, layer: type | None) -> None:
        """Refuse a network that ends with the activation that the loss contains: it would be applied twice."""
        if self.activation and declared(layer, "kind") == self.activation:
            raise OptionError(
                f"the network ends with {self.activation}, and the loss {self.name} contains it already: leave the"
                " activation of the last layer out (for probabilities apply layers.Softmax or Sigmoid to what predict"
                " returns)"
            )

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        """Hold host labels `t` against the network's output shape (no batch); once, before training."""
        if tuple(t.shape[1:]) != outputs:
            raise ShapeError(
                f"loss {self.name}: targets have shape {batch_of(t.shape[1:])}, the network gives"
                f" {batch_of(outputs)}{_remedy(outputs, t)}"
            )


class ClassLoss(Loss):
    """The base of losses whose targets are class numbers (N,) or one-hot rows (N, C)."""

    def checked_targets(self, y: Array, t: Array, backend: Backend) -> Array:
        """The targets; rows in the data type of y, and of its shape."""
        if t.ndim != 1:
            return super().checked_targets(y, t, backend)
        if tuple(y.shape[:1]) != tuple(t.shape) or y.ndim != 2:
            raise ShapeError(f"loss {self.name}: y is {tuple(y.shape)}, t {tuple(t.shape)}; needed are (N, C) and (N,)")
        # as far as it costs nothing: on a device that computes in the background, to look at labels is to wait
        if not backend.lazy and (int(backend.xp.min(t)) < 0 or int(backend.xp.max(t)) >= y.shape[1]):
            raise DataError(f"loss {self.name}: a label is not from 0 to {y.shape[1] - 1}, the network's classes")
        return t

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        if len(outputs) != 1:
            raise ShapeError(
                f"loss {self.name} needs a network that gives (N, classes), not {batch_of(outputs)}: end it with"
                " layers.Dense"
            )
        if outputs[0] < 2:
            raise ShapeError(
                f"loss {self.name} needs an output for each class, and the network has one in all: end it with"
                " layers.Dense(2), or take binary_cross_entropy, whose targets are 0 and 1, (N, 1)"
            )
        if t.ndim == 2:
            super().check(outputs, t)
            self._check_rows(t)
        elif t.ndim == 1:
            self._check_numbers(outputs[0], t)
        else:
            raise ShapeError(
                f"loss {self.name}: labels have shape {tuple(t.shape)}; needed are class numbers (N,) or one-hot"
                f" rows (N, {outputs[0]})"
            )

    def _check_rows(self, t: Any) -> None:
        if not (abs(t.sum(axis=1) - 1) < 1e-3).all() or (t < 0).any():
            raise DataError(
                f"loss {self.name}: one-hot rows must hold probabilities that sum to 1, and some do not;"
                " xpnet.data.one_hot makes such rows"
            )

    def _check_numbers(self, classes: int, t: Any) -> None:
        if t.dtype.kind not in "iu":
            whole = t.dtype.kind == "b" or bool((t == t.round()).all())
            what = f'{t.dtype}; convert them with t.astype("int64")' if whole else "fractions or NaN"
            raise DataError(f"loss {self.name}: class numbers must be integers, they are {what}")
        low, high = int(t.min()), int(t.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"loss {self.name}: labels reach from {low} to {high}, but the network has {classes} outputs, for"
                f" classes 0 to {classes - 1}; correct the labels or the size of the last layer"
            )


def declared(layer: type | None, attribute: str) -> Any:
    """What a class of layers says itself. One that only inherits it may do something else, and is trusted."""
    return vars(layer).get(attribute) if layer else None


def as_float(t: Array, y: Array, backend: Backend) -> Array:
    """t in the data type of y."""
    return t if t.dtype == y.dtype else backend.xp.astype(t, y.dtype)


def as_rows(t: Array, y: Array, backend: Backend) -> Array:
    """Class numbers (N,) as one-hot rows (N, C) in the data type of y; rows as they are."""
    return as_float(backend.one_hot(t, y.shape[1]), y, backend) if t.ndim == 1 else t


def batch_of(shape: Any) -> str:
    """The shape of a batch of what has this shape, in words."""
    return "(" + ", ".join(["N", *map(str, shape)]) + ")"


def _remedy(outputs: tuple[int, ...], t: Any) -> str:
    """What to do about targets that do not have the outputs' shape, where that is plain."""
    if t.ndim == 1 and outputs == (1,):
        return "; t[:, None] has it"
    if t.ndim == 1 and len(outputs) == 1 and t.dtype.kind in "iu":
        return f"; xpnet.data.one_hot(t, {outputs[0]}) makes rows of class numbers"
    if t.shape[1:] == (1,) and len(outputs) == 1:
        return "; class numbers are t[:, 0]"
    return ""
