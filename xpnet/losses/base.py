"""The base of all losses: their protocol, and the checks in front of every formula."""

from collections.abc import Callable, Mapping
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.configured import Configured
from xpnet.base.host import refuse_masked
from xpnet.base.nested import leaves
from xpnet.base.quiet import quietly_both_ways
from xpnet.core.declare import overridable
from xpnet.core.written import is_own, returning_value_and_back
from xpnet.errors import OptionError, ShapeError


class Loss(Configured):
    """The base of all losses. `activation` names the layer that a loss contains: no network may end with it.

    A loss of your own may leave `sample_weight` out; then fit refuses sample and class weights.
    """

    name = "loss"
    activation: str | None = None
    boundary: float | None = None  # of losses whose every output is a question of its own: yes is what lies above it
    takes_several = False  # whether y is the outputs of a network that gives several, in a tuple or a dict

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.forward = quietly_both_ways(cls.forward)  # type: ignore[method-assign]
            if is_own(cls):
                cls.forward = returning_value_and_back(cls.forward)  # type: ignore[method-assign]

    @overridable
    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        """The mean loss of a batch, and `back`, which returns its gradient with respect to y.

        `backend` is where y and t are; by default the current one. sample_weight: (N,), a number for each sample, or
        of more of the targets' axes, such as (N, T) for each element of sequences.
        """
        raise OptionError(f"{type(self).__name__} does not say how it is computed")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise OptionError(f"a loss is not called: value, back = losses.{type(self).__name__}(...).forward(y, t)")

    def forward_parts(
        self, y: Any, t: Any, backend: Backend | None = None, *sample_weight: Any
    ) -> tuple[dict[str, Array], Callable[[], Any]]:
        """`forward`, with the loss as "loss" among those that it is made of, by name, if there are several."""
        value, back = self.forward(y, t, backend, *sample_weight)
        return {"loss": value}, back

    def weight_of(self, t: Any, backend: Backend) -> Any:
        """What the loss of these targets counts in a mean over several batches: the number of samples, or whatever the
        loss is the mean over. An array is a scalar on the device, in float64, which counts exactly; a dict holds those
        of what `forward_parts` gives, by name.
        """
        return int(leaves(t)[0].shape[0])

    def mean_of(self, means: Mapping[str, float]) -> float:
        """The loss over several batches, from the means of what `forward_parts` gave for each."""
        return means["loss"]

    def shape_of_elements(self, outputs: Any, t: Any) -> Any:
        """The shape (N, ...) of what has a loss of its own among these targets, so that it can have a weight."""
        return t.shape

    # ---- how a forward begins --------------------------------------------------------------------------------------

    def prepare(
        self, y: Array, t: Array, backend: Backend | None, sample_weight: Array | None
    ) -> tuple[Backend, Array, Array | None]:
        """The backend; the targets, held against y and in its data type; the weights as (N, 1, ...), to multiply y."""
        backend = backend or get_backend()
        refuse_masked((y, t))
        self.same_shape(y, t)
        w = None if sample_weight is None else beside(sample_weight, y, y.shape, backend)
        return backend, as_float(t, y, backend), w

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


def declared(layer: type | None, attribute: str) -> Any:
    """What a class of layers says itself. One that only inherits it may do something else, and is trusted."""
    return vars(layer).get(attribute) if layer else None


def as_float(t: Array, y: Array, backend: Backend) -> Array:
    """t in the data type of y."""
    return t if t.dtype == y.dtype else backend.xp.astype(t, y.dtype)


def beside(w: Array, y: Array, shape: tuple[int, ...], backend: Backend) -> Array:
    """Weights (N,), or of more axes of `shape`, as (N, 1, ...), to multiply what has this shape; in the dtype of y."""
    own, shape = tuple(w.shape), tuple(shape)
    if not own or own != shape[: len(own)]:
        more = f", or more axes of {shape}" if len(shape) > 1 else ""
        raise ShapeError(f"sample_weight has shape {own}; needed is ({shape[0]},){more}")
    return as_float(backend.xp.reshape(w, own + (1,) * (len(shape) - len(own))), y, backend)


def weigh(losses: Array, w: Array, backend: Backend) -> Array:
    """losses * w, where 0 times what is infinite counts as 0."""
    xp = backend.xp
    return w * xp.where((w == 0) & xp.isinf(losses), 0, losses)


def batch_of(shape: Any) -> str:
    """The shape of a batch of what has this shape, in words."""
    return "(" + ", ".join(["N", *map(str, shape)]) + ("" if shape else ",") + ")"


def _remedy(outputs: tuple[int, ...], t: Any) -> str:
    """What to do about targets that do not have the outputs' shape, where that is plain."""
    if outputs == (1, *t.shape[1:]):
        return "; t[:, None] has it"
    if t.ndim == 1 and len(outputs) == 1 and t.dtype.kind in "iu":
        return f"; xpnet.data.one_hot(t, {outputs[0]}) makes rows of class numbers"
    if t.shape[1:] == (1,) and len(outputs) == 1:
        return "; class numbers are t[:, 0]"
    return ""
