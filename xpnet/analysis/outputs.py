"""What the layers of a network give for samples: activations, and feature maps of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from xpnet.base.nested import as_several, mapped
from xpnet.core.layer import Back, Layer
from xpnet.core.network import Network
from xpnet.core.outputs import leaf_names
from xpnet.core.watch import intercepted, parts, path_of
from xpnet.data.batches import Batches
from xpnet.errors import OptionError
from xpnet.training.prepare import host_array, prepare_samples

BATCH = 64  # samples in one forward pass


def activations(model: Network, x: Any, layers: Iterable[str | Layer] | None = None) -> dict[str, np.ndarray]:
    """The outputs of layers for samples x in inference, by path: {"conv1": (N, 16, 28, 28), ..., "dense2": (N, 10)}.

    x: as for `predict`, several inputs in a tuple or a dict; or one sample without the batch.
    layers: paths or layers; by default all that are used. Uses of a layer after its first are called "conv1 (use 2)";
    where it has several outputs, they are "split1 (output 1)" and so on. The model is not changed. Raises OptionError
    for a layer that is not there or not used, and what `predict` raises.
    """
    x = prepare_samples(model, x) if _is_several(model, x) else as_batch(model, x)
    if layers is None:
        ours = {id(part) for part in parts(model)}
        paths = [path for path, layer in model.named_layers() if id(layer) in ours]
    else:
        given = [layers] if isinstance(layers, (str, Layer)) else layers
        paths = [path_of(model, layer) for layer in given]
    found = outputs_of(model, x, paths, required=layers is not None)
    return {
        path + (f" (use {use + 1})" if use else "") + (f" ({name})" if name else ""): each
        for path in paths
        for use, y in enumerate(found[path])
        for name, each in zip(leaf_names(y), as_several(y), strict=True)
    }


def feature_maps(model: Network, x: Any, layer: str | Layer | None = None) -> np.ndarray:
    """The outputs of a layer in inference, with its activation: (N, channels, H, W), or (N, units).

    x: samples as for `predict`, or one sample without the batch. layer: its path or the layer itself; by default the
    first convolution. Of a layer that is used several times the last use counts. The model is not changed.

    Raises OptionError for a layer that is not there or not used, and what `predict` raises.
    """
    x = as_batch(model, x)
    name = path_of(model, layer if layer is not None else first_convolution(model))
    maps = outputs_of(model, x, [name])[name][-1]
    if not isinstance(maps, np.ndarray):
        raise OptionError(f"layer {name} gives several outputs: analysis.activations has each of them")
    return maps


def _is_several(model: Network, x: Any) -> bool:
    """Whether the model takes several inputs, or x is several."""
    return isinstance(x, (tuple, dict)) or len(model.input_shapes) > 1


def as_batch(model: Network, x: Any) -> np.ndarray:
    """The samples (N, ...) as the model takes them; one sample may come without the batch's axis. Builds the model.

    Raises OptionError for several inputs.
    """
    if _is_several(model, x):
        raise OptionError(f"{model.label}: this is for a network of one input; analysis.activations takes several")
    array = host_array(model, x, "the input data")
    if model.input_shape is not None and array.ndim == len(model.input_shape):
        array = array[None]
    samples: np.ndarray = prepare_samples(model, array)
    return samples


def outputs_of(model: Network, x: Any, paths: Iterable[str], required: bool = True) -> dict[str, list[Any]]:
    """What the layers at these paths give for the samples, by path, for each time that they are used.

    An array, or a tuple of arrays from a layer of several outputs. required: whether each must be used.
    In inference, on a copy of the model: nobody who uses it in the meantime notices.
    """
    paths = list(paths)
    found: dict[str, list[list[np.ndarray]]] = {path: [] for path in paths}
    for batch in outputs_by_batch(model, x, paths, required):
        for path, ys in batch.items():
            found[path] = found[path] or [[] for _ in ys]
            for use, y in zip(found[path], ys, strict=True):
                use.append(mapped(lambda each: np.array(model.backend.to_numpy(each)), y))
    return {path: [joined(use) for use in uses] for path, uses in found.items()}


def outputs_by_batch(
    model: Network, x: Any, paths: Iterable[str], required: bool = True
) -> Iterator[dict[str, list[Any]]]:
    """As `outputs_of`, for a batch of samples at a time, and on the model's backend."""
    wanted = set(paths)
    twin = model.copy()
    layers = {path: layer for path, layer in twin.named_layers() if path in wanted}
    names = {id(layer): path for path, layer in layers.items()}
    found: dict[str, list[Any]] = {}

    def see(layer: Layer, y: Any, back: Back) -> tuple[Any, Back]:
        found[names[id(layer)]].append(y)
        return y, back

    for part in Batches(x, None, BATCH):
        found.update((path, []) for path in layers)
        with intercepted(layers.values(), see), twin.backend.computing():
            twin.reset_state()
            twin.forward(*map(twin.backend.asarray, as_several(part), twin.input_dtypes))
        for path, batch in found.items():
            if required and not batch:
                raise OptionError(f"layer {path} of {model.label} is not used in its forward pass; choose another")
        yield found


def joined(parts: list[Any]) -> Any:
    """The outputs of several batches as those of one; of a layer of several outputs, each of them."""
    rest = zip(*map(as_several, parts), strict=True)
    return mapped(lambda _: np.concatenate(next(rest)), parts[0])


def convolutions(model: Network) -> list[str]:
    """The paths of the convolutions, in the order of definition."""
    return [path for path, layer in model.named_layers() if path and layer.kind == "conv"]


def first_convolution(model: Network) -> str:
    """The path of the first convolution; OptionError if there is none."""
    found = convolutions(model)
    if not found:
        names = ", ".join(path for path, _ in model.named_layers() if path)
        raise OptionError(f"{model.label} has no convolution; choose a layer of it with layer=: {names}")
    return found[0]
