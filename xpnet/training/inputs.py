"""What is held against what before data go into a network: arrays, targets, weights of samples and classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xpnet.base.checks import at_least_zero
from xpnet.errors import BackendError, DataError, DTypeError, OptionError, ShapeError
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer

if TYPE_CHECKING:
    from xpnet.model import Model


def compiled(model: Model) -> tuple[Optimizer, Loss]:
    if model.optimizer is None or model.loss is None:
        raise OptionError(
            'the model is not compiled: call model.compile(optimizer="adam", loss="softmax_cross_entropy") first'
        )
    return model.optimizer, model.loss


def check_inputs(model: Model, x: Any) -> np.ndarray:
    """`x` as a NumPy array that the model can take; it is converted to the model's data type batch by batch."""
    check_backends(model)
    return check_array(model, x)


def check_backends(model: Model) -> None:
    """All layers must be where the model is."""
    for _, layer in model.named_layers():
        if layer.backend is not model.backend:
            raise BackendError(
                f"layer {layer.label} is on backend {layer.backend.name}, the model on {model.backend.name}; move them"
                f' together: model.to("{model.backend.name}")'
            )


def check_array(model: Model, x: Any) -> np.ndarray:
    """`check_inputs` without a look at the layers' backends."""
    if callable(x):
        raise OptionError(f"the input data are a function; give what it returns: {getattr(x, '__name__', 'x')}()")
    if _is_source(x):
        raise OptionError(
            f"the input data are a source of samples, {type(x).__name__}; a Loader makes batches of it: data.Loader(x)"
        )
    if _several(x):
        raise OptionError(
            "fit, evaluate and predict take one array, and the targets as the next argument: fit(x, t); a model of"
            " several inputs is trained with y, back = model.forward(a, b, train=True)"
        )
    array = host_array(model, x, "the input data")
    if array.dtype == object and array.ndim == 0:
        raise DTypeError(f"the input data are a {type(x).__name__}; needed is an array of floating point numbers")
    if array.dtype.kind != "f":
        raise DTypeError(
            f"the input data are {array.dtype}; a network takes floating point numbers: convert them with"
            ' x.astype("float32"), and scale pixels to 0 ... 1 by / 255 (xpnet.data.to_unit does both)'
        )
    if array.ndim < 2:
        raise ShapeError(
            f"the input data have shape {array.shape}; the first axis must be the samples: one sample is x[None]"
        )
    if len(array) == 0:
        raise DataError(f"the input data are empty: their shape is {array.shape}")
    if model._built:
        _refuse_channels_last(model.input_shape or (), array.shape[1:])
        model.output_shape(array.shape[1:])
    else:
        model.build(array.shape[1:])
    return array


def _refuse_channels_last(built: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """A network that begins with Flatten would take them, and mix up their numbers."""
    if len(built) == 3 and built[0] > 1 and shape == (*built[1:], built[0]) != built:
        raise ShapeError(
            f"the input data are images {shape}, and the model was built for {built}: channels come first, as in"
            " x.transpose(0, 3, 1, 2)"
        )


def _is_source(x: Any) -> bool:
    """Whether it is like data.ImageFolder: no array, nothing to go through, but with samples at its indices."""
    has = [hasattr(x, name) for name in ("__getitem__", "__len__", "__iter__", "__array__", "shape")]
    return has == [True, True, False, False, False]


def _several(x: Any) -> bool:
    """Whether x is several arrays; a list of arrays that are alike is a batch of samples."""
    if not isinstance(x, (tuple, list)) or len(x) < 2 or not all(hasattr(part, "shape") and part.shape for part in x):
        return False
    return isinstance(x, tuple) or len({part.shape for part in x}) > 1


def check_data(model: Model, x: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets that belong together and to the network and its loss."""
    check_backends(model)
    return check_pair(model, x, t)


def check_pair(model: Model, x: Any, t: Any) -> tuple[np.ndarray, np.ndarray]:
    """`check_data` without a look at the layers' backends."""
    x = check_array(model, x)
    if t is None:
        raise DataError("the targets are missing: they are the argument after the input data, as in fit(x, t)")
    t = host_array(model, t, "the targets")
    if t.ndim == 0:
        raise DataError(
            "the targets are a single number; needed is one for each sample of a batch (a generator of single samples"
            " becomes batches by data.Loader(data.Stream(...)))"
        )
    if len(t) != len(x):
        raise DataError(f"there are {len(x)} samples and {len(t)} targets; there must be one target a sample")
    if t.dtype.kind not in "iufb":
        raise DTypeError(f"the targets are {t.dtype}; needed are class numbers or floating point numbers")
    _, loss = compiled(model)
    outputs = model.output_shape(x.shape[1:])
    loss.check(outputs, t)
    for metric in model.metrics:
        metric.check(outputs, loss)
    if t.dtype.kind in "iub":
        t = t.astype(np.int64, copy=False)
    elif t.dtype.name != model.dtype:
        t = t.astype(model.dtype)
    return x, t


def host_array(model: Model, x: Any, what: str) -> np.ndarray:
    try:
        if isinstance(x, (np.ndarray, list, tuple, float, int)):
            return np.asarray(x)
        host: np.ndarray = model.backend.to_numpy(x)
        return host
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{what} cannot be read as an array: {error}") from error


# ---- weights of samples and classes ----------------------------------------------------------------------------------

Classes = Mapping[int, float]


def check_weights(model: Model, weights: Any, samples: int) -> np.ndarray:
    """A weight of at least 0 for each sample, in the model's data type."""
    array = host_array(model, weights, "sample_weight")
    if array.shape != (samples,):
        raise DataError(f"sample_weight has shape {array.shape}; it needs one number for each of the {samples} samples")
    if array.dtype.kind not in "iufb" or not (np.isfinite(array).all() and (array >= 0).all()):
        raise DataError("sample_weight must hold finite numbers of at least 0")
    return array.astype(model.dtype, copy=False)


def check_classes(class_weight: Any) -> Classes | None:
    """Weights of at least 0 by class number."""
    if class_weight is None:
        return None
    if not isinstance(class_weight, Mapping) or not class_weight:
        raise OptionError(
            f"class_weight must map class numbers to weights, as in {{0: 1.0, 1: 5.0}}, not {class_weight!r}"
        )
    for label, weight in class_weight.items():
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)) or label < 0:
            raise OptionError(f"class_weight: {label!r} is no class number; they are 0, 1, 2, ...")
        at_least_zero(f"class_weight: the weight of class {label}", weight)
    return {int(label): float(weight) for label, weight in class_weight.items()}


def class_weights(model: Model, classes: Classes, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The weight of each sample's class, 1 for a class that has none, in the model's data type."""
    labels, outputs = _labels(t), model.output_shape(x.shape[1:])
    count = max(outputs[0] if len(outputs) == 1 else 0, 2, int(labels.max()) + 1)  # one output: classes 0 and 1
    if max(classes) >= count:
        raise OptionError(f"class_weight: there is no class {max(classes)}; the classes are 0 to {count - 1}")
    table = np.ones(count, model.dtype)
    table[list(classes)] = list(classes.values())
    weights: np.ndarray = table[labels]
    return weights


def _labels(t: np.ndarray) -> np.ndarray:
    """Class numbers (N,) from class numbers (N,) or (N, 1), or from one-hot rows (N, C)."""
    if t.ndim == 2 and t.shape[1] > 1 and (abs(t.sum(axis=1) - 1) < 1e-3).all():
        labels: np.ndarray = np.argmax(t, axis=1)
        return labels
    one_each = t.shape[1:] in ((), (1,))
    if one_each and np.isfinite(t).all() and (t >= 0).all() and (t == np.floor(t)).all():
        labels = t.reshape(-1).astype(np.int64)  # (N,)
        return labels
    raise OptionError(
        "class_weight needs targets that name one class for each sample: class numbers (N,) or (N, 1), or one-hot rows;"
        f" these have shape {t.shape}. Give sample_weight instead"
    )


def require_weighted_loss(loss: Loss) -> None:
    """A loss of the user's own need not know of weights."""
    try:
        inspect.signature(loss.forward).bind(None, None, None, None)
    except TypeError:
        raise OptionError(
            f"the loss {loss.name} takes no sample weights: its forward must take (y, t, backend, sample_weight)"
        ) from None
