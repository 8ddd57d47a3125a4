"""Files: a network and its weights in one safetensors file. Nothing is pickled, and no file can name code to run.

The weights are the tensors, under the parameters' paths. The network is a JSON description in the header: classes by
name, each with its constructor's arguments. Names are looked up in a table of allowed classes and nowhere else.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from xpnet import random
from xpnet.backend import on_backend
from xpnet.base import budget
from xpnet.base.atomic_files import checked_path, write_atomically
from xpnet.base.configured import Configured
from xpnet.base.notice import notify
from xpnet.core.layer import Layer, layers_in
from xpnet.core.network import Network
from xpnet.core.parameter import FLOATS, Parameter
from xpnet.errors import FormatError, NotBuiltError, OptionError, XpnetError
from xpnet.files import answers
from xpnet.files.tensors import read_safetensors, read_texts
from xpnet.losses.of_function import OfFunction as LossFunction
from xpnet.metrics.of_function import OfFunction as MetricFunction

VERSION = 1
# endings of other formats: what is written is safetensors all the same
OTHERS = {
    ".h5", ".hdf5", ".keras", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npz", ".npy", ".onnx", ".tflite",
    ".pb", ".json", ".gguf",
}  # fmt: skip
Path = str | os.PathLike[str]
DESCRIBED = "network", "loss", "optimizer", "metrics"  # in the order in which they are numbered
# what a damaged description can make the constructors raise
DAMAGE = (
    XpnetError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError,
)  # fmt: skip
Described = TypeVar("Described", bound=Network)

_CLASSES: dict[str, Callable[[], Iterable[str]]] = {}  # by their module, what gives their names; `register` fills it


def register(module: str, classes: Callable[[], Iterable[str]]) -> None:
    """Files may name the classes of a module whose names this gives, which is asked when the first one does."""
    _CLASSES[module] = classes


@functools.cache
def places() -> dict[str, str]:
    """The module of each class that a file may name."""
    return {name: module for module, classes in _CLASSES.items() for name in classes()}


def save(model: Network, path: Path, compiled: Mapping[str, Any]) -> None:
    """Network, weights and what it was compiled with: optimizer, loss and metrics; names of classes and preparation."""
    if not model.input_shapes:
        raise _not_built(model)
    encoder = _Encoder()
    description = {
        "version": VERSION,
        "network": encoder.encode(model),
        "input_shapes": encoder.encode(model.input_shapes),
        **({"input_dtypes": list(model.input_dtypes)} if "int64" in model.input_dtypes else {}),
        "dtype": model.dtype,
        **{part: encoder.encode(_without_functions(compiled[part])) for part in ("optimizer", "loss", "metrics")},
        "frozen": [name for name, parameter in model.named_parameters() if not parameter.trainable],
        **_frozen_layers(model),
        **answers.described(model),
    }
    text = json.dumps(description)
    _check_description(model, description, text, encoder.classes)
    _write(model, path, {"xpnet": text})


def _frozen_layers(model: Network) -> dict[str, list[str]]:
    """The layers that are frozen, where anything is: parameters may be so in layers that are not."""
    layers = [path for path, layer in model.named_layers() if layer.is_frozen]
    any_frozen = layers or any(p.learned and not p.trainable for p in model.parameters())
    return {"frozen_layers": layers} if any_frozen else {}


def _freeze(model: Network, names: Collection[str], layers: Collection[str] | None) -> None:
    """Freeze parameters of these names and layers at these paths. A file from before layers were in it has None: there
    a layer is frozen where all is that it could learn.
    """
    named = dict(model.named_parameters())
    kept = {id(p) for name, p in named.items() if name in names}
    for path, layer in model.named_layers():  # what holds others comes before them
        learned = [id(p) for p in vars(layer).values() if isinstance(p, Parameter) and p.learned]
        frozen = bool(learned) and kept.issuperset(learned) if layers is None else path in layers
        layer.trainable = not frozen
    for name, p in named.items():
        p.trainable = name not in names


def _without_functions(value: Any) -> Any:
    """What was compiled, without losses and metrics that are functions, which no file holds."""
    if isinstance(value, list):
        return [each for each in value if _without_functions(each) is not None]
    parts = [
        value,
        *getattr(value, "losses", ()),
        getattr(value, "metric", None),
    ]  # of a Joint, or an OfOutput
    return None if any(isinstance(each, (LossFunction, MetricFunction)) for each in parts) else value


def _check_description(
    model: Network, description: dict[str, Any], text: str, classes: dict[str, type[Configured]]
) -> None:
    """Make the network from its description: a file that `load` would refuse must not be written."""
    numbers = [parameter.size for parameter in model.parameters()]
    try:
        with random.preserved_state(), on_backend(model.backend):
            read = budget.parsed(text, len(text) + 4 * sum(numbers))
            objects = budget.check_description(read[part] for part in DESCRIBED)
            with budget.for_file(sum(numbers), objects, len(numbers)):
                twin = _Decoder(classes.get).decode(read["network"])
                twin.build(*model.input_shapes, dtype=model.input_dtypes)
    except FormatError as error:
        raise OptionError(
            f"this {type(model).__name__} cannot be saved whole, because no file with it would be read ({error}); use"
            " save_weights"
        ) from error
    except NotBuiltError as error:
        raise OptionError(
            f"this {type(model).__name__} cannot be saved whole: a layer is tied to one that is not inside it"
            f" ({error}); use save_weights"
        ) from error
    (have, layers), (made, layers_made) = _contents(model), _contents(twin)
    if have != made or len(dict(have)) < len(have) or layers != layers_made:
        raise OptionError(
            f"this {type(model).__name__} cannot be saved whole: its constructor does not make the same layers and"
            " parameters again (a layer was replaced or changed, or two layers share one parameter); put the layers"
            " into a Sequential, or use save_weights"
        )


def _contents(model: Network) -> tuple[list[tuple[str, tuple[int, ...]]], dict[str, Any]]:
    """What two equal networks have in common: names and shapes of the parameters, kinds and settings of the layers."""
    parameters = sorted((name, p.shape) for name, p in model.named_parameters())
    return parameters, {path: (type(layer), _settings(layer)) for path, layer in model.named_layers()}


def _settings(layer: Layer) -> dict[str, Any]:
    """The arguments of a layer that a file could hold, but for its name and for other layers."""
    settings = {}
    with contextlib.suppress(OptionError):  # only what the constructor of the model takes must be fit for a file
        for key, value in layer.config().items():
            if key != "name" and not any(True for _ in layers_in(key, value)):
                settings[key] = _Encoder().encode(value)
    return settings


def save_weights(model: Network, path: Path) -> None:
    """The weights alone."""
    if not model.parameters():
        raise _not_built(model)
    _write(model, path, {})


def _not_built(model: Network) -> OptionError:
    inside = [name for name, layer in model.named_layers() if name and layer.composite and layer.is_built]
    if inside:  # of a model that is trained by steps of its own
        return OptionError(
            f"this {type(model).__name__} is not built, but networks inside it are: save those, as in"
            f" model.{inside[0]}.save(path), or its weights alone, by save_weights"
        )
    return OptionError(
        "the model has no weights yet: call model.build(shape) with the shape of one sample, or train it first"
    )


class Saved(NamedTuple, Generic[Described]):
    """What a file held: a network with its weights, and what it was compiled with, None and nothing if it was not."""

    network: Described
    optimizer: Any
    loss: Any
    metrics: Any


def load(path: Path, kind: type[Described], custom: type[Configured] | Iterable[type[Configured]]) -> Saved[Described]:
    """What `xpnet.load` says, not compiled yet; the network that the file describes must be of this kind."""
    own = {cls.__name__: cls for cls in ([custom] if isinstance(custom, type) else custom)}
    metadata = read_texts(path)
    if "xpnet_backup" in metadata:
        raise FormatError(
            f"{path} is the backup of a training that is not finished, and no network: go on with it by xpnet train"
            " ... --resume, or in Python by model.fit(..., callbacks=[Backup(path)])"
        )
    if "xpnet" not in metadata:
        raise FormatError(f"{path} holds weights but no network: make the network and use model.load_weights(path)")
    with refusing_damage(path):
        description = budget.parsed(metadata["xpnet"], os.path.getsize(checked_path(path)))
        if description["version"] != VERSION:
            raise FormatError(
                f"{path} has format version {description['version']}, this xpnet reads version {VERSION}: update xpnet"
            )
        objects = budget.check_description(description[part] for part in DESCRIBED)
        tensors, _ = read_safetensors(path)
        decoder = _Decoder(lambda name: own.get(name) or registered(name))
        numbers = sum(tensor.size for tensor in tensors.values())
        with budget.for_file(numbers, objects, len(tensors)), np.errstate(all="ignore"):
            model = decoder.decode(description["network"])
            if not isinstance(model, kind):
                raise FormatError("its network is no model")
            _build(
                model, [tuple(shape) for shape in description["input_shapes"]], str(description["dtype"]),
                description.get("input_dtypes"),
            )  # fmt: skip
        loss, optimizer, metrics = (decoder.decode(description[part]) for part in DESCRIBED[1:])
        _freeze(model, description["frozen"], description.get("frozen_layers"))
        answers.restore(model, description)
    _assign(model, tensors, path)
    return Saved(model, optimizer, loss, metrics)


@contextlib.contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """Within the block, what the description in a file makes fail is a FormatError that names the file."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
    except DAMAGE as error:
        raise FormatError(
            f"{path}: its description of the network is damaged ({type(error).__name__}: {error})"
        ) from error


def load_weights(model: Network, path: Path) -> None:
    """Weights into a network that is built; every name and shape must match, else nothing is changed."""
    tensors, metadata = read_safetensors(path)
    before = [layer.snapshot() for _, layer in model.named_layers() if not layer.is_built]
    try:
        _build_as_described(model, metadata, path)
        _assign(model, tensors, path)
    except BaseException:
        for restore in before:
            restore()
        raise


def _build_as_described(model: Network, metadata: Mapping[str, str], path: Path) -> None:
    """Build a model that is not, as that of the file was."""
    if not model.is_built and "xpnet" in metadata:
        try:
            description = budget.parsed(metadata["xpnet"], os.path.getsize(checked_path(path)))
            shapes = [tuple(shape) for shape in description["input_shapes"]]
            _check_shapes(shapes)
            model.build(*shapes, dtype=description.get("input_dtypes"))
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{path}: its input shape is damaged or does not fit the network ({error})") from error
    if not model.is_built and not model.parameters():  # those of networks inside it are enough
        raise OptionError(
            "the model has no parameters yet: call model.build(shape) with the shape of one sample before load_weights"
        )


# ---- the network as JSON -------------------------------------------------------------------------------------------


def registered(name: str) -> type[Configured] | None:
    """The class of xpnet's that a file calls so; None if it may not be named."""
    place = places().get(name)
    return None if place is None else getattr(import_module(place), name)


class _Encoder:
    """Objects to JSON. A layer that appears twice is written once and referred to afterwards."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.classes: dict[str, type[Configured]] = {}

    def encode(self, value: Any) -> Any:
        if isinstance(value, (type(None), bool, int, float, str)):
            return value
        if isinstance(value, (np.integer, np.floating)):
            return value.item()
        if isinstance(value, (list, tuple)):
            return [self.encode(item) for item in value]
        if not isinstance(value, Configured):
            raise OptionError(
                f"cannot save {value!r}: constructor arguments must be numbers, strings, lists, or xpnet objects"
            )
        if id(value) in self.numbers:
            return {"same": self.numbers[id(value)]}
        self.numbers[id(value)] = len(self.numbers)
        self.classes[type(value).__name__] = type(value)
        return {"class": type(value).__name__, "config": {k: self.encode(v) for k, v in value.config().items()}}


class _Decoder:
    """JSON to objects, of allowed classes only."""

    def __init__(self, find: Callable[[str], type[Configured] | None]) -> None:
        self.find = find  # the class of a name, None for one that is not allowed
        self.made: list[Any] = []

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "same" in value:
            return self.made[value["same"]]
        name = value["class"]
        cls = self.find(name)
        if cls is None:
            raise FormatError(
                f"it names the class {name!r}, which is not one of xpnet's; if it is yours and you trust the file,"
                f" give it: xpnet.load(path, custom=[{name}])"
            )
        number = len(self.made)
        self.made.append(None)
        made = cls(**{key: _tuples(self.decode(item)) for key, item in value["config"].items()})
        self.made[number] = made
        return made


def _tuples(value: Any) -> Any:
    """JSON knows lists only; pairs such as a kernel size are tuples. Lists of objects stay lists."""
    if isinstance(value, list) and not any(isinstance(item, Configured) for item in value):
        return tuple(_tuples(item) for item in value)
    return value


def _build(model: Network, shapes: list[tuple[int, ...]], dtype: str, input_dtypes: list[str] | None) -> None:
    _check_shapes(shapes)
    if dtype not in FLOATS:
        raise FormatError(f"its data type {dtype!r} is impossible")
    model.astype(dtype)
    model.build(*shapes, dtype=input_dtypes)


def _check_shapes(shapes: list[tuple[int, ...]]) -> None:
    for shape in shapes:
        if not all(isinstance(n, int) and n > 0 for n in shape) or math.prod(shape) > budget.SAMPLE:
            raise FormatError(f"its input shape {shape} is impossible; a sample has at most {budget.SAMPLE} numbers")


# ---- weights -------------------------------------------------------------------------------------------------------


def _assign(model: Network, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """All weights, or an error before the first one is changed."""
    parameters = dict(model.named_parameters())
    # PyTorch's batch normalization always counts its batches; here only that which needs the count, momentum=None.
    counts = {name for name in tensors if name.endswith("num_batches_tracked")}
    tensors = {name: tensor for name, tensor in tensors.items() if name in parameters or name not in counts}
    missing, unknown = sorted(parameters.keys() - tensors.keys()), sorted(tensors.keys() - parameters.keys())
    if missing or unknown:
        parts = [
            f"it lacks {_some(missing)}" if missing else "",
            f"the network has no {_some(unknown)}" if unknown else "",
        ]
        raise FormatError(f"{path} does not fit the network: {'; '.join(part for part in parts if part)}")
    for name, parameter in parameters.items():
        tensor = tensors[name]
        if tensor.shape != parameter.shape:
            raise FormatError(
                f"{path} does not fit the network: {name} has shape {tensor.shape} in the file, {parameter.shape} in"
                " the network"
            )
        if tensor.dtype.kind != "f" and name not in counts:
            raise FormatError(f"{path}: {name} holds {tensor.dtype}, weights are floating point numbers")
    for name, parameter in parameters.items():
        parameter.value = tensors[name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _write(model: Network, path: Path, metadata: dict[str, str]) -> None:
    from safetensors.numpy import save as to_bytes

    tensors = {name: np.asarray(p.backend.to_numpy(p.value), order="C") for name, p in model.named_parameters()}
    # One key only: safetensors writes several in random order, and equal models should give equal files.
    data = to_bytes(tensors, metadata=metadata or {"format": "xpnet"})
    write_atomically(path, lambda file: file.write(data))
    if (suffix := os.path.splitext(path)[1].lower()) in OTHERS:
        notify(
            f"{os.fspath(path)} is a safetensors file, whatever its name: xpnet.load reads it, programs that expect"
            f" {suffix} do not; name it .safetensors"
        )
