"""Data on their way into a network: samples, targets and weights, read and held against it in one pass.

Here a network is built: from the shape of the first samples that it gets. refusals.py says what is wrong with what
cannot be taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from xpnet.core.declare import Shape
from xpnet.core.network import Network
from xpnet.errors import DataError
from xpnet.files.trainable import TrainableNetwork
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer
from xpnet.training import refusals


def prepare(model: TrainableNetwork, x: Any, t: Any, sample_weight: Any = None) -> tuple[np.ndarray, ...]:
    """(x, t) or (x, t, weights) as NumPy arrays that belong to the network, to its loss and to one another.

    x is converted to the model's data type batch by batch, by `backend.batch`; the others are of their types already.
    """
    require_one_backend(model)
    return prepare_batch(model, x, t, sample_weight)


def prepare_batch(model: TrainableNetwork, x: Any, t: Any, sample_weight: Any = None) -> tuple[np.ndarray, ...]:
    """`prepare` without a look at the layers' backends, which one batch after another need not take."""
    _, loss = require_compiled(model)
    x = _read_samples(model, x)
    t = _read_targets(model, t, len(x))
    weights = [] if sample_weight is None else [_read_weights(model, sample_weight, len(x))]
    if not model.is_built:
        model.build(x.shape[1:])
    outputs = _shape_of_outputs(model, x.shape[1:])
    loss.check(outputs, t)
    for metric in model.metrics:
        metric.check(outputs, loss)
    if weights:
        require_weighted_loss(loss)
    if t.dtype.kind in "iub":
        t = t.astype(np.int64, copy=False)
    elif t.dtype.name != model.dtype:
        t = t.astype(model.dtype)
    return x, t, *weights


def prepare_samples(model: Network, x: Any) -> np.ndarray:
    """x alone, for a network that need not be compiled."""
    require_one_backend(model)
    return prepare_batch_of_samples(model, x)


def prepare_batch_of_samples(model: Network, x: Any) -> np.ndarray:
    """`prepare_samples` without a look at the layers' backends."""
    array = _read_samples(model, x)
    if not model.is_built:
        model.build(array.shape[1:])
    _shape_of_outputs(model, array.shape[1:])  # refuses what does not fit
    return array


def host_array(model: Network, x: Any, what: str) -> np.ndarray:
    """As a NumPy array: from lists, numbers, and arrays of the model's backend."""
    try:
        if isinstance(x, (np.ndarray, list, tuple, float, int)):
            return np.asarray(x)
        host: np.ndarray = model.backend.to_numpy(x)
        return host
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{what} cannot be read as an array: {error}") from error


def is_batches(x: Any, lists: bool = False) -> bool:
    """Whether x is an iterable of batches: no array, nor what becomes one. If `lists`, lists of tuples are, too."""
    if isinstance(x, list):
        return lists and bool(x) and all(isinstance(item, tuple) for item in x)
    none = (tuple, str, bytes, Mapping)
    return (
        hasattr(x, "__iter__") and not isinstance(x, none) and not hasattr(x, "shape") and not hasattr(x, "__array__")
    )


# ---- what must be so -------------------------------------------------------------------------------------------------


def require_compiled(model: TrainableNetwork) -> tuple[Optimizer, Loss]:
    """The model's optimizer and loss."""
    if model.optimizer is None or model.loss is None:
        raise refusals.not_compiled()
    return model.optimizer, model.loss


def require_one_backend(model: Network) -> None:
    """All layers must be where the model is."""
    stray = model.stray()
    if stray is not None:
        raise refusals.moved_apart(model, stray)


def require_weighted_loss(loss: Loss) -> None:
    """A loss of the user's own need not know of weights."""
    try:
        inspect.signature(loss.forward).bind(None, None, None, None)
    except TypeError:
        raise refusals.loss_without_weights(loss) from None


# ---- each part -------------------------------------------------------------------------------------------------------


def _read_samples(model: Network, x: Any) -> np.ndarray:
    if not isinstance(x, np.ndarray):
        refusals.refuse_no_array(x)
    array = host_array(model, x, "the input data")
    if array.dtype.kind != "f" or array.ndim < 2 or len(array) == 0:
        raise refusals.bad_samples(array, x)
    return array


def _read_targets(model: Network, t: Any, samples: int) -> np.ndarray:
    if t is None:
        raise refusals.no_targets()
    array = host_array(model, t, "the targets")
    if array.ndim == 0 or len(array) != samples or array.dtype.kind not in "iufb":
        raise refusals.bad_targets(array, samples)
    return array


def _read_weights(model: Network, weights: Any, samples: int) -> np.ndarray:
    """In the model's data type."""
    array = host_array(model, weights, "sample_weight")
    numbers = array.dtype.kind in "iufb" and np.isfinite(array).all() and (array >= 0).all()
    if array.shape != (samples,) or not numbers:
        raise refusals.bad_weights(array, samples)
    return array.astype(model.dtype, copy=False)


def _shape_of_outputs(model: Network, shape: tuple[int, ...]) -> Shape:
    """The network's, for samples of this shape; both without the batch. The network must be built."""
    built: tuple[int, ...] = model.input_shape or ()
    if len(built) == 3 and built[0] > 1 and shape == (*built[1:], built[0]) != built:
        raise refusals.channels_last(built, shape)  # a network that begins with Flatten would mix up their numbers
    outputs: tuple[int, ...] = model.output_shape(shape)
    return outputs
