"""Losses have the protocol of layers: `value, back = loss.forward(y, t)`, then `dy = back()`.

`value` is the mean over the batch and stays on the device until somebody reads it. With sample weights it is
L = sum_n(w[n] L[n]) / N, divided by the number of samples, as in Keras, not by the sum of the weights, as PyTorch does
for its class weights: weights of 1 change nothing, and to weigh all samples twice is to double the loss.
"""

import math
from collections.abc import Callable
from typing import Any

from xpnet.backend import Array, Backend, get_backend
from xpnet.base.checks import fraction
from xpnet.base.configured import Configured
from xpnet.base.hints import explained
from xpnet.base.lookup import by_name
from xpnet.errors import DataError, OptionError, ShapeError


class Loss(Configured):
    """The base of all losses. `activation` names the layer that a loss contains: no network may end with it.

    A loss of your own may leave `sample_weight` out; then fit refuses sample and class weights.
    """

    name = "loss"
    activation: str | None = None

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        """The mean loss of a batch, and `back`, which returns its gradient with respect to y.

        `backend` is where y and t are; by default the current one. sample_weight: (N,), in the data type of y.
        """
        raise OptionError(f"{type(self).__name__} does not say how it is computed")

    def check_last(self, layer: type | None) -> None:
        """Refuse a network that ends with the activation that the loss contains: it would be applied twice."""
        if self.activation and layer and layer.__name__.lower() == self.activation:
            raise OptionError(
                f"the network ends with {self.activation}, and the loss {self.name} contains it already: leave the"
                " activation of the last layer out (for probabilities apply layers.Softmax or Sigmoid to what predict"
                " returns)"
            )

    def same_shape(self, y: Array, t: Array) -> None:
        """Nothing is broadcast: every output needs its own target."""
        if tuple(y.shape) != tuple(t.shape):
            raise ShapeError(f"loss {self.name}: y has shape {tuple(y.shape)}, t {tuple(t.shape)}; they must be equal")

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        """Hold host labels `t` against the network's output shape (no batch); once, before training."""
        if tuple(t.shape[1:]) != outputs:
            raise ShapeError(
                f"loss {self.name}: targets have shape {_batch(t.shape[1:])}, the network gives"
                f" {_batch(outputs)}{_remedy(outputs, t)}"
            )


class _OfClasses(Loss):
    """The base of losses whose targets are class numbers (N,) or one-hot rows (N, C)."""

    def _checked(self, y: Array, t: Array, backend: Backend) -> Array:
        """The targets; rows in the data type of y."""
        if t.ndim == 1:
            self._check_labels(y, t, backend)
            return t
        self.same_shape(y, t)
        return _as_float(t, y, backend)

    def _check_labels(self, y: Array, t: Array, backend: Backend) -> None:
        """As far as it costs nothing: on a device that computes in the background, to look at labels is to wait."""
        if tuple(y.shape[:1]) != tuple(t.shape) or y.ndim != 2:
            raise ShapeError(f"loss {self.name}: y is {tuple(y.shape)}, t {tuple(t.shape)}; needed are (N, C) and (N,)")
        if not backend.lazy and (int(backend.xp.min(t)) < 0 or int(backend.xp.max(t)) >= y.shape[1]):
            raise DataError(f"loss {self.name}: a label is not from 0 to {y.shape[1] - 1}, the network's classes")

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        if len(outputs) != 1:
            raise ShapeError(
                f"loss {self.name} needs a network that gives (N, classes), not {_batch(outputs)}: end it with"
                " layers.Dense"
            )
        if outputs[0] < 2:
            raise ShapeError(
                f"loss {self.name} needs an output for each class, and the network has one in all: end it with"
                " layers.Dense(2), or take binary_cross_entropy, whose targets are 0 and 1, (N, 1)"
            )
        if t.ndim == 2:
            return self._check_one_hot(outputs, t)
        if t.ndim != 1:
            raise ShapeError(
                f"loss {self.name}: labels have shape {tuple(t.shape)}; needed are class numbers (N,) or one-hot"
                f" rows (N, {outputs[0]})"
            )
        if t.dtype.kind not in "iu":
            whole = t.dtype.kind == "b" or bool((t == t.round()).all())
            what = f'{t.dtype}; convert them with t.astype("int64")' if whole else "fractions or NaN"
            raise DataError(f"loss {self.name}: class numbers must be integers, they are {what}")
        low, high = int(t.min()), int(t.max())
        if low < 0 or high >= outputs[0]:
            raise DataError(
                f"loss {self.name}: labels reach from {low} to {high}, but the network has {outputs[0]} outputs, for"
                f" classes 0 to {outputs[0] - 1}; correct the labels or the size of the last layer"
            )
        return None

    def _check_one_hot(self, outputs: tuple[int, ...], t: Any) -> None:
        super().check(outputs, t)
        sums = t.sum(axis=1)
        if not (abs(sums - 1) < 1e-3).all() or (t < 0).any():
            raise DataError(
                f"loss {self.name}: one-hot rows must hold probabilities that sum to 1, and some do not;"
                " xpnet.data.one_hot makes such rows"
            )


class SoftmaxCrossEntropy(_OfClasses):
    """L = mean_n(-sum_c t[n,c] log softmax(y[n])[c]);  dy = (softmax(y) - t) / N.

    y (N, C) are scores before softmax ("logits"); t holds class numbers (N,) from 0 to C - 1, or one-hot rows (N, C)
    (or any probabilities that sum to one).

    label_smoothing e (0) mixes the targets with the uniform distribution: t' = (1 - e) t + e / C, so that no score need
    grow without bound (Szegedy et al., 2016).
    """

    name = "softmax_cross_entropy"
    activation = "softmax"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("SoftmaxCrossEntropy: label_smoothing", label_smoothing)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend = backend or get_backend()
        t = self._checked(y, t, backend)
        if self.label_smoothing:
            t = self._smoothed(t, y, backend)
        losses, dy = backend.softmax_cross_entropy(y, t)
        if sample_weight is not None:
            losses, dy = losses * _weights(sample_weight, losses, backend), dy * _weights(sample_weight, dy, backend)
        return backend.xp.mean(losses), lambda: dy / y.shape[0]

    def _smoothed(self, t: Array, y: Array, backend: Backend) -> Array:
        """Rows of probabilities (N, C)."""
        C = y.shape[1]
        if t.ndim == 1:
            t = _rows_of(t, y, backend)
        return t * (1 - self.label_smoothing) + self.label_smoothing / C


class NegativeLogLikelihood(_OfClasses):
    """L = mean_n(-sum_c t[n,c] y[n,c]);  dy = -t / N.

    y (N, C) are log-probabilities, as layers.LogSoftmax gives them, or a mean of such; t as in SoftmaxCrossEntropy.
    Behind one LogSoftmax this is softmax_cross_entropy. Of a mean it is the mean of what each would have alone.
    """

    name = "negative_log_likelihood"

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend = backend or get_backend()
        t = self._checked(y, t, backend)
        if t.ndim == 1:
            t = _rows_of(t, y, backend)
        if sample_weight is not None:
            t = t * _weights(sample_weight, y, backend)
        return backend.xp.sum(t * y) / -y.shape[0], lambda: t / -y.shape[0]

    def check_last(self, layer: type | None) -> None:
        """Of scores, the loss would fall without end. Layers of one's own are trusted to give log-probabilities."""
        known = layer is not None and layer.__module__.startswith("xpnet.layers")
        if layer and known and layer.__name__ not in ("LogSoftmax", "Add", "Average"):
            raise OptionError(
                f"the network ends with {layer.__name__}, and the loss {self.name} takes the logarithms of"
                " probabilities: end it with layers.LogSoftmax, or use softmax_cross_entropy, which takes scores"
            )


class BinaryCrossEntropyWithLogits(Loss):
    """L = mean(max(y, 0) - y t + log(1 + exp(-|y|)));  dy = (sigmoid(y) - t) / size.

    y are scores before the sigmoid, of any shape; t has the same shape, values from 0 to 1. The form above cannot
    overflow. label_smoothing e (0) draws the targets towards one half: t' = (1 - e) t + e / 2.
    """

    name = "binary_cross_entropy"
    activation = "sigmoid"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = fraction("BinaryCrossEntropyWithLogits: label_smoothing", label_smoothing)

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend = backend or get_backend()
        self.same_shape(y, t)
        xp, t = backend.xp, _as_float(t, y, backend)
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = xp.maximum(y, 0) - y * t + xp.log1p(xp.exp(-xp.abs(y)))
        w = None if sample_weight is None else _weights(sample_weight, y, backend)

        def back() -> Array:
            dy = (backend.sigmoid(y) - t) / math.prod(y.shape)
            return dy if w is None else dy * w

        return xp.mean(losses if w is None else losses * w), back

    def check(self, outputs: tuple[int, ...], t: Any) -> None:
        super().check(outputs, t)
        if t.min() < 0 or t.max() > 1:
            raise DataError(
                f"loss {self.name}: targets must lie between 0 and 1, they reach from {t.min()} to {t.max()}"
            )


class MeanSquaredError(Loss):
    """L = mean((y - t)**2);  dy = 2 (y - t) / size. y and t have one shape, any."""

    name = "mean_squared_error"

    def forward(
        self, y: Array, t: Array, backend: Backend | None = None, sample_weight: Array | None = None
    ) -> tuple[Array, Callable[[], Array]]:
        backend = backend or get_backend()
        self.same_shape(y, t)
        difference = y - _as_float(t, y, backend)
        weighted = difference
        if sample_weight is not None:
            weighted = difference * _weights(sample_weight, y, backend)
        return backend.xp.mean(weighted * difference), lambda: weighted * (2 / math.prod(y.shape))


def _as_float(t: Array, y: Array, backend: Backend) -> Array:
    return t if t.dtype == y.dtype else backend.xp.astype(t, y.dtype)


def _rows_of(t: Array, y: Array, backend: Backend) -> Array:
    """Class numbers (N,) as one-hot rows (N, C)."""
    classes = backend.xp.arange(y.shape[1], dtype=t.dtype, device=backend.device)
    return _as_float(classes[None, :] == t[:, None], y, backend)


def _weights(sample_weight: Array, y: Array, backend: Backend) -> Array:
    """(N,) -> (N, 1, ...), to multiply what has the shape of y."""
    if tuple(sample_weight.shape) != tuple(y.shape[:1]):
        raise ShapeError(f"sample_weight has shape {tuple(sample_weight.shape)}; needed is ({y.shape[0]},)")
    return _as_float(backend.xp.reshape(sample_weight, (-1,) + (1,) * (y.ndim - 1)), y, backend)  # (N, 1, ...)


def _remedy(outputs: tuple[int, ...], t: Any) -> str:
    """What to do about targets that do not have the outputs' shape, where that is plain."""
    if t.ndim == 1 and outputs == (1,):
        return "; t[:, None] has it"
    if t.ndim == 1 and len(outputs) == 1 and t.dtype.kind in "iu":
        return f"; xpnet.data.one_hot(t, {outputs[0]}) makes rows of class numbers"
    if t.shape[1:] == (1,) and len(outputs) == 1:
        return "; class numbers are t[:, 0]"
    return ""


def _batch(shape: Any) -> str:
    return "(" + ", ".join(["N", *map(str, shape)]) + ")"


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss
    for loss in (SoftmaxCrossEntropy, NegativeLogLikelihood, BinaryCrossEntropyWithLogits, MeanSquaredError)
}
_KERAS_NAMES = {
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "mse": "mean_squared_error",
    "nll": "negative_log_likelihood",
}


def get(loss: str | Loss) -> Loss:
    """A loss from its name, or as it is."""
    if isinstance(loss, Loss):
        return loss
    return by_name("loss", loss, LOSSES, "or give a Loss", aliases=_KERAS_NAMES)


__getattr__ = explained(__name__)
