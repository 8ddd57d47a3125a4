"""Why data cannot be trained with, in words: what prepare.py and feed.py raise."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from xpnet.base.nested import Key
from xpnet.base.notice import notify
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter
from xpnet.data.items import has_items
from xpnet.errors import BackendError, DataError, DTypeError, OptionError, ShapeError, XpnetError
from xpnet.files.trainable import TrainableNetwork
from xpnet.losses import Loss
from xpnet.optimizers import Optimizer


def refuse_path(x: Any) -> None:
    """A path, or a list of some: what is read from it is meant."""
    first = x[0] if isinstance(x, (list, tuple)) and x else x
    if isinstance(first, os.PathLike) or (isinstance(first, str) and _is_path(first, x is first)):
        raise DTypeError(
            f"the input data are a path, {os.fspath(first)!r}, and nothing is read here: a folder of images is trained"
            " on by fit(data.Loader(data.ImageFolder(path, size=(H, W)))); a picture is predicted by"
            " predict(model.preparation.read(path)), for a network that was trained on a folder, or of another as"
            " data.to_unit(data.read_image(path, size=(H, W))[None]); arrays are read by data.read_npz"
        )


def _is_path(text: str, alone: bool) -> bool:
    return bool(_SUFFIX.search(text)) or (alone and (" " not in text or os.path.exists(text)))


_SUFFIX = re.compile(r"\.(bmp|gif|jfif|jpe?g|p[bgp]m|png|tiff?|webp|np[yz]|csv)$", re.IGNORECASE)


def refuse_no_array(x: Any) -> None:
    """What is no array and must not be taken for one."""
    refuse_path(x)
    if callable(x):
        raise OptionError(f"the input data are a function; give what it returns: {getattr(x, '__name__', 'x')}()")
    refuse_source("the input data", x)
    if _is_several(x):
        raise OptionError(
            "the input data are a list of arrays of different shapes; those of several inputs go into a tuple or, by"
            " name, into a dict, and the targets are the next argument: fit((a, b), t)"
        )


def refuse_source(what: str, x: Any) -> None:
    """What has samples, and is for a Loader to say how."""
    if has_items(x):
        raise OptionError(
            f"{what} are a source of samples, {type(x).__name__}; a Loader makes batches of it: data.Loader(x)"
        )


def _is_several(x: Any) -> bool:
    """Whether a list is of several arrays; one of arrays that are alike is a batch of samples."""
    if not isinstance(x, list) or len(x) < 2 or not all(hasattr(part, "shape") and part.shape for part in x):
        return False
    return len({part.shape for part in x}) > 1


def bad_samples(array: np.ndarray, x: Any) -> XpnetError:
    """`array` is what became of `x`."""
    if array.dtype == object and array.ndim == 0:
        return DTypeError(f"the input data are a {type(x).__name__}; needed is an array of floating point numbers")
    if array.dtype.kind in "US":
        return DTypeError(
            f'the input data are {array.dtype}, text; a network takes numbers: those of a table by x.astype("float32"),'
            " and for each letter or word one of its own (xpnet.data.Vocabulary), which go into layers.Embedding first"
        )
    if array.dtype.kind != "f":
        return DTypeError(
            f"the input data are {array.dtype}; a network takes floating point numbers: convert them with"
            ' x.astype("float32"), and scale pixels to 0 ... 1 by / 255 (xpnet.data.to_unit does both); words go'
            " into layers.Embedding first, as numbers"
        )
    if array.ndim < 2:
        return ShapeError(
            f"the input data have shape {array.shape}; the first axis must be the samples: one sample is x[None];"
            " lengths of sequences are integers"
        )
    return DataError(f"the input data are empty: their shape is {array.shape}")


def unreadable(what: str, error: Exception) -> DataError:
    if "inhomogeneous" in str(error):  # NumPy's word for lists of different lengths
        return DataError(
            f"{what} are a list of different shapes, which is no array: sequences of different lengths become one by"
            " data.pad(sequences); several inputs or outputs go into a tuple or, by name, into a dict"
        )
    return DataError(f"{what} cannot be read as an array: {error}")


def no_integers(array: np.ndarray) -> DTypeError:
    return DTypeError(
        f"an input is {array.dtype}, and the network takes integers there, such as the numbers of words: convert them"
        ' with x.astype("int64")'
    )


def unequal_inputs(arrays: list[np.ndarray]) -> DataError:
    lengths = " and ".join(str(len(array)) for array in arrays)
    return DataError(
        f"the inputs are of {lengths} samples; a tuple is one array for each input of the network, all as long (a"
        " single input is one array, and the targets are the next argument: fit(x, t))"
    )


def other_inputs(x: Any, names: list[str]) -> DataError:
    those = ", ".join(x) if isinstance(x, Mapping) else "a list" if isinstance(x, list) else "one array"
    those = f"a tuple of {len(x)}" if isinstance(x, tuple) else those
    several = "; several, such as sequences and their lengths, are for a Model whose call takes them" * (
        len(names) == 1
    )
    return DataError(
        f"the inputs are {those}, and the model's call takes {', '.join(names)}: give an array for each, in a tuple or"
        " by name in a dict (a single input is one array, and the targets are the next argument: fit(x, t)"
        f"{several})"
    )


def bad_own_data(arrays: list[np.ndarray]) -> DataError:
    found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
    return DataError(f"the data must be arrays of numbers with as many samples, one or more; they are {found}")


def other_number_of_outputs(loss: Loss, outputs: Any) -> OptionError:
    """A loss of one output with a network of several, or the other way round."""
    if loss.takes_several:
        return OptionError(f"the network gives one output, and the loss {loss.name} is for several")
    names = list(outputs) if isinstance(outputs, dict) else len(outputs)
    return OptionError(
        f"the network gives several outputs ({names}) and the loss {loss.name} takes one: compile it with a dict of"
        " losses by the outputs' names, or a tuple of them"
    )


def refuse_left_gradients(updated: list[Layer]) -> None:
    """What a train_step added behind the update of a network would be in its next one."""
    for network in updated:
        for name, parameter in network.named_parameters():
            if parameter.has_grad:
                raise OptionError(
                    f"train_step: after the update of {network.label}, its parameter {name} got another gradient, which"
                    " would be in its next update: go through it, on the way to other networks, within"
                    " `with network.frozen():`"
                )


def refuse_bad_logs(logs: Any) -> None:
    """What a train_step of the user's own returns."""
    if not isinstance(logs, dict):
        raise OptionError(f"train_step must return a dict of numbers by name, such as its losses, not {logs!r}")
    for name, value in logs.items():
        number = isinstance(value, (int, float)) or tuple(getattr(value, "shape", (None,))) == ()
        if not isinstance(name, str) or not number:
            found = f"an array {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
            raise OptionError(f"train_step must return a number for each name; {name!r} has {found}")


def refuse_second_update(parameters: list[Parameter], applied: list[Layer]) -> None:
    """Of parameters whose gradients wait for the rest of their group: they are scaled once for each batch."""
    waiting = {id(parameter) for network in applied for parameter in network.parameters()}
    if not waiting.isdisjoint(map(id, parameters)):
        raise OptionError("accumulate needs a train_step that makes one update of each network, not several")


def refuse_other_turns(first: list[Layer] | None, now: list[Layer]) -> None:
    """What is updated must have a gradient in each batch of the group, and what has one must be updated; `first` are
    the networks of the group's first batch, None after a Backup in its middle.
    """
    if first is not None and {*first} != {*now}:
        raise OptionError(
            "accumulate needs a train_step that updates the same networks in each batch; networks that take turns from"
            " batch to batch need accumulate=1"
        )


def other_updates() -> OptionError:
    return OptionError(
        "train_step: all shards of a batch must ask for the same updates, in the same order, and return the same names;"
        " what it decides must not depend on the samples, nor on how often it was called (shards=1 has one shard)"
    )


def refuse_strangers(model: TrainableNetwork, optimizer: Any, network: Any) -> None:
    """What a train_step of the user's own updates must belong to the model: nobody would keep or move it else."""
    if not (isinstance(optimizer, Optimizer) and isinstance(network, Layer)):
        raise OptionError(
            "apply_gradients takes an optimizer and the network that it changes, as in"
            " self.step.apply_gradients(self.optimizer, self.generator), not"
            f" {type(optimizer).__name__} and {type(network).__name__}"
        )
    if not any(optimizer is each for _, each in model.named_optimizers()):
        raise OptionError(
            f"apply_gradients: {optimizer!r} is no optimizer that the model has as an attribute, where a Backup finds"
            " it: make it in __init__, as in self.d_optimizer = optimizers.Adam(), and give it as the first argument"
        )
    if not any(network is each for _, each in model.named_layers()):
        raise OptionError(
            f"apply_gradients: {network!r} is no network inside the model, so that it would be neither saved nor moved"
            " with it: make it in __init__, as in self.discriminator = Sequential([...])"
        )


def bad_targets(t: np.ndarray, samples: int) -> XpnetError:
    if t.ndim == 0:
        return DataError(
            "the targets are a single number; needed is one for each sample of a batch (a generator of single samples"
            " becomes batches by data.Loader(data.Stream(...)))"
        )
    if len(t) != samples:
        return DataError(f"there are {samples} samples and {len(t)} targets; there must be one target a sample")
    return DTypeError(f"the targets are {t.dtype}; needed are class numbers or floating point numbers")


def no_targets() -> DataError:
    return DataError("the targets are missing: they are the argument after the input data, as in fit(x, t)")


def bad_weights(weights: np.ndarray, samples: int) -> DataError:
    if weights.dtype.kind in "iufb" and np.isfinite(weights).all() and (weights >= 0).all():
        return DataError(
            f"sample_weight has shape {weights.shape}; it needs one number for each of the {samples} samples"
        )
    return DataError("sample_weight must hold finite numbers of at least 0")


def refuse_other_weights(given: list[Key], outputs: list[Key]) -> None:
    """Those of a dict may be for some outputs."""
    if set(given) - set(outputs) or (given and isinstance(given[0], int) and given != outputs):
        raise DataError(f"sample_weight is for the outputs {given}, and the targets are for {outputs}")


def channels_last(built: tuple[int, ...], shape: tuple[int, ...]) -> ShapeError:
    return ShapeError(
        f"the input data are images {shape}, and the model was built for {built}: channels come first, as in"
        " x.transpose(0, 3, 1, 2)"
    )


def look_for_channels_last(model: Layer, shape: tuple[int, ...]) -> None:
    """Images (H, W, C), or signals (T, C), for a network that is not built yet, and would take H or T for the number of
    channels.
    """
    images = len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape[:2]) >= 8
    signals = len(shape) == 2 and shape[1] <= 4 and shape[0] >= 16
    if not (images or signals):
        return
    layers = [layer for _, layer in model.named_layers() if _looks_at_shape(layer)]
    telling = next((layer for layer in layers if not _is_class(layer, "GroupNorm")), None)  # groups, of whatever
    if telling is None or not _is_class(telling, "2D" if images else "1D"):
        return
    kind, order = ("images", "0, 3, 1, 2") if images else ("signals", "0, 2, 1")
    text = (
        f"the input data are {kind} {shape}, which {layers[0].label} would take for {shape[0]} channels of"
        f" {' x '.join(map(str, shape[1:]))}: channels come first, as in x.transpose({order}); if they do, say so by"
        f" model.build({shape})"
    )
    if images and shape[0] == shape[1] and isinstance(model, Iterable):  # a chain: they certainly come there first
        raise ShapeError(text)
    notify(text)


def _is_class(layer: Layer, ending: str) -> bool:
    return any(cls.__name__.endswith(ending) for cls in type(layer).__mro__)


def _looks_at_shape(layer: Layer) -> bool:
    """Whether it is no network, which is what is in it, nor a layer that does the same to each number."""
    return not layer.composite and type(layer).output_shape is not Layer.output_shape


def moved_apart(model: Layer, layer: Layer) -> BackendError:
    return BackendError(
        f"layer {layer.label} is on backend {layer.backend.name}, the model on {model.backend.name}; move them"
        f' together: model.to("{model.backend.name}")'
    )


def not_compiled() -> OptionError:
    return OptionError(
        'the model is not compiled: call model.compile(optimizer="adam", loss="softmax_cross_entropy") first'
    )


def loss_without_weights(loss: Loss) -> OptionError:
    return OptionError(
        f"the loss {loss.name} takes no sample weights: its forward must take (y, t, backend, sample_weight)"
    )


# ---- options that do not go together ---------------------------------------------------------------------------------


def refuse_options_of_arrays(verb: str, **options: Any) -> None:
    """What an iterable of batches holds itself must not be given beside it."""
    names = [name for name, value in options.items() if value is not None]
    if names:
        raise OptionError(
            f"{verb}: x is an iterable of batches (x, t) or (x, t, sample_weight), which hold targets and weights and"
            f" have their size; leave {', '.join(names)} out"
        )


def refuse_steps(option: str, steps: int | None) -> None:
    """Of arrays."""
    if steps is not None:
        raise OptionError(f"{option} is for iterables of batches that have no length; arrays are taken whole")


def refuse_shuffled(network: Layer, shuffled: bool) -> None:
    """Batches in any order, for a network whose batches go on from one another."""
    if shuffled and any(True for _ in network.named_states()):
        raise OptionError(
            "fit: the model carries state from batch to batch, so that the batches must be in order: shuffle=False"
        )


def refuse_unordered(batches: Any) -> None:
    """Batches whose outputs nobody could tell apart, or that leave some out."""
    if getattr(batches, "shuffle", False):
        raise OptionError(
            "predict: these batches come in another order each time, and nobody could tell which output is whose; make"
            " them with shuffle=False"
        )
    if getattr(batches, "drop_last", False):
        raise OptionError("predict: these batches leave out the last samples; make them with drop_last=False")
