"""Data on their way into a network: samples, targets and weights, read and held against it in one pass.

Here a network is built: from the shapes of the first samples that it gets. refusals.py says what is wrong with what
cannot be taken. A network of several inputs takes them in a tuple or, by the names that its `call` gives them, in a
dict; from here on they are a tuple in the order of `call`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from xpnet.base.host import refuse_masked
from xpnet.base.nested import arranged_like, as_several, keys_of, leaves, mapped
from xpnet.base.quiet import quietly
from xpnet.core.network import Network
from xpnet.core.outputs import is_shape
from xpnet.errors import DTypeError
from xpnet.files.trainable import TrainableNetwork
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer
from xpnet.training import refusals


def prepare(model: TrainableNetwork, x: Any, t: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """(x, t) or (x, t, weights) as NumPy arrays that belong to the network, to its loss and to one another; floating
    point numbers are converted to the model's data type batch by batch, by `backend.batch`.
    """
    require_one_backend(model)
    return prepare_batch(model, x, t, sample_weight)


@quietly
def prepare_batch(model: TrainableNetwork, x: Any, t: Any, sample_weight: Any = None) -> tuple[Any, ...]:
    """`prepare` without a look at the layers' backends, which one batch after another need not take."""
    _, loss = require_compiled(model)
    x, outputs, samples = _prepare_inputs(model, x)
    t = mapped(lambda each: _read_targets(model, each, samples), t)
    if loss.takes_several == is_shape(outputs):
        raise refusals.other_number_of_outputs(loss, outputs)
    loss.check(outputs, t)
    for metric in model.metrics:
        metric.check(outputs, loss)
    if sample_weight is None:
        return x, t
    require_weighted_loss(loss)
    return x, t, _read_weights(model, sample_weight, loss.shape_of_elements(outputs, t), samples)


def prepare_own_batch(model: TrainableNetwork, *parts: Any) -> tuple[Any, ...]:
    """The parts that are there, as arrays of as many samples, for a train_step of the user's own: what they are to it
    is not known here.
    """
    require_one_backend(model)
    arrays = tuple(mapped(lambda each: host_array(model, each, "the data"), part) for part in parts if part is not None)
    lengths = [len(each) if each.ndim and each.dtype.kind in "iufb" else 0 for each in leaves(arrays)]
    if not lengths or min(lengths) < 1 or len(set(lengths)) > 1:
        raise refusals.bad_own_data(leaves(arrays))
    return arrays


def prepare_samples(model: Network, x: Any) -> Any:
    """x alone, for a network that need not be compiled."""
    require_one_backend(model)
    return prepare_batch_of_samples(model, x)


def prepare_batch_of_samples(model: Network, x: Any) -> Any:
    """`prepare_samples` without a look at the layers' backends: an array, or a tuple of several, in order."""
    return _prepare_inputs(model, x)[0]


def host_array(model: Network, x: Any, what: str) -> np.ndarray:
    """As a NumPy array: from lists, numbers, and arrays of the model's backend."""
    refuse_masked(x)
    try:
        if isinstance(x, (np.ndarray, list, tuple, float, int)):
            return np.asarray(x)
        host: np.ndarray = model.backend.to_numpy(x)
        return host
    except (TypeError, ValueError, RuntimeError) as error:
        raise refusals.unreadable(what, error) from error


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
    if model.optimizer is None or not model.loss:
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


# ---- the inputs ------------------------------------------------------------------------------------------------------


def _prepare_inputs(model: Network, x: Any) -> tuple[Any, Any, int]:
    """An array, or a tuple of several in the order of the network's `call`; the shape of what it makes of them; and how
    many samples there are.
    """
    if isinstance(x, (tuple, Mapping)) or not model.is_built or len(model.input_shapes) > 1:
        x = _in_order(model, x)
    several = as_several(x)
    arrays = [_read_samples(model, each, least=2 if len(several) == 1 else 1) for each in several]
    for array in arrays[1:]:
        if len(array) != len(arrays[0]):
            raise refusals.unequal_inputs(arrays)
    outputs, samples = _fit_to(model, arrays), len(arrays[0])
    if True in model.integer_inputs:
        arrays = [each.astype(np.int64, copy=False) if each.dtype.kind in "iub" else each for each in arrays]
    return tuple(arrays) if isinstance(x, tuple) else arrays[0], outputs, samples


# ---- each part -------------------------------------------------------------------------------------------------------


def _in_order(model: Network, x: Any) -> Any:
    """Inputs by name as a tuple, in the order in which the network's `call` takes them; as many as it takes."""
    takes = inspect.signature(model.call)
    try:
        bound = takes.bind(**x) if isinstance(x, Mapping) else takes.bind(*as_several(x))
    except TypeError:
        raise refusals.other_inputs(x, list(takes.parameters)) from None
    return bound.args if len(bound.args) > 1 else bound.args[0]


def _read_samples(model: Network, x: Any, least: int) -> np.ndarray:
    """least: how many axes floats must have. Of one input a lone axis is rather a sample without the batch's."""
    if not isinstance(x, np.ndarray):
        refusals.refuse_no_array(x)
    array = host_array(model, x, "the input data")
    if array.dtype.kind not in "fiub" or array.ndim < (least if array.dtype.kind == "f" else 1) or len(array) == 0:
        raise refusals.bad_samples(array, x)
    return array


def _fit_to(model: Network, arrays: list[np.ndarray]) -> Any:
    """The shape of the network's outputs, held against the inputs, for which it is built if it has not been yet."""
    shapes = [array.shape[1:] for array in arrays]
    if not model.is_built:
        if len(shapes) == 1:
            refusals.look_for_channels_last(model, shapes[0])
        dtypes = ["int64" if array.dtype.kind in "iub" else model.dtype for array in arrays]
        try:
            model.build(*shapes, dtype=dtypes)
        except DTypeError as error:
            if set(dtypes) == {"int64"}:  # of several kinds the layer's own error says which is wrong
                raise refusals.bad_samples(arrays[0], None) from error
            raise
    for array, shape, integers, built in zip(arrays, shapes, model.integer_inputs, model.input_shapes, strict=False):
        if (array.dtype.kind != "f") != integers:
            raise refusals.no_integers(array) if integers else refusals.bad_samples(array, None)
        if len(built) == 3 and built[0] > 1 and shape == (*built[1:], built[0]) != built:
            raise refusals.channels_last(built, shape)  # a network that begins with Flatten would mix up their numbers
    return model.output_shape(*shapes)


def _read_targets(model: Network, t: Any, samples: int) -> np.ndarray:
    """Class numbers as int64, all else in the model's data type."""
    if t is None:
        raise refusals.no_targets()
    array = host_array(model, t, "the targets")
    if array.ndim == 0 or len(array) != samples or array.dtype.kind not in "iufb":
        raise refusals.bad_targets(array, samples)
    if array.dtype.kind in "iub":
        return array.astype(np.int64, copy=False)
    return array.astype(model.dtype, copy=False)


def _read_weights(model: Network, weights: Any, elements: Any, samples: int) -> Any:
    """In the model's data type: a number for each sample, or for each of its elements, whose shape is `elements`; of
    several outputs such for all, or each its own.
    """
    if isinstance(weights, (tuple, dict)):
        keys: list[Any] = keys_of(weights)
        refusals.refuse_other_weights(keys, keys_of(elements))
        return arranged_like(weights, [_read_weights(model, weights[key], elements[key], samples) for key in keys])
    array = host_array(model, weights, "sample_weight")
    numbers = array.dtype.kind in "iufb" and np.isfinite(array).all() and (array >= 0).all()
    shape = (samples,) if isinstance(elements, dict) else elements[: array.ndim]
    if array.ndim == 0 or array.shape != shape or not numbers:
        raise refusals.bad_weights(array, samples)
    return array.astype(model.dtype, copy=False)
