"""How an estimator goes to another process, and how it comes back: as settings and arrays.

An object of xpnet's, such as an optimizer, a loss, a layer or a network, becomes its class, by name, and the arguments
of its constructor; a network that is built has its weights beside that, and what training goes on with, as NumPy
arrays. On the other side the constructors make it anew. Nothing of xpnet's is a function in there, nor is a plan, a
lock, or memory of a device.

A network that its constructor would not make again is pickled as it is, by the attributes of its objects: one with a
class of a user's in it, one whose layers were replaced, or one that carries a state from batch to batch.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from xpnet import random
from xpnet.backend import make_backend, on_backend
from xpnet.base.configured import Configured
from xpnet.base.settings import is_library
from xpnet.callbacks import History
from xpnet.core.layer import Layer
from xpnet.model import Model


class Described(NamedTuple):
    """An object by its class and its constructor's arguments."""

    kind: type[Configured]
    arguments: dict[str, Any]


class Trained(NamedTuple):
    """What a network that is built has beside its constructor's arguments."""

    input_shapes: tuple[tuple[int, ...], ...]
    input_dtypes: tuple[str, ...]
    weights: dict[str, np.ndarray]
    frozen: tuple[list[str], list[str]]  # names of parameters, and paths of layers
    optimizer: dict[str, Any]  # its state


class DescribedModel(NamedTuple):
    """A network, and what it was compiled with."""

    network: Described
    backend: str
    dtype: str
    root: int | None  # its number among the networks of its process, which its random draws follow
    trained: Trained | None  # None: it is not built
    optimizer: Described | None
    loss: Described | None
    metrics: list[Described]
    history: tuple[dict[str, Any], dict[str, Any]] | None
    class_names: list[str] | None
    stop_training: bool


def described(value: Any) -> Any:
    """The value as it travels: settings and arrays in the place of xpnet's objects; all else as it is."""
    return _Describer().describe(value)


def restored(value: Any) -> Any:
    """What `described` was given, made anew."""
    return _Restorer().restore(value)


class _Describer:
    """An object that appears twice is described once, and made once on the other side."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}  # by id: the object, which so keeps its id, and what became of it

    def describe(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(map(self.describe, value))
        if type(value) is dict:
            return {name: self.describe(item) for name, item in value.items()}
        if not isinstance(value, Configured) or not is_library(type(value)):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, self._described(value)
        return self._known[id(value)][1]

    def _described(self, value: Configured) -> Any:
        if isinstance(value, Model):
            return _described_model(value)
        if isinstance(value, Layer) and any(layer.is_built for _, layer in value.named_layers()):
            return value
        return self.arguments(value)

    def arguments(self, value: Configured) -> Described:
        return Described(type(value), {name: self.inside(each) for name, each in value.config().items()})

    def inside(self, value: Any) -> Any:
        """An argument of a network's constructor: of layers in there the arguments alone; it has the weights itself."""
        if type(value) in (list, tuple):
            return type(value)(map(self.inside, value))
        if not isinstance(value, Layer):
            return self.describe(value)
        if id(value) not in self._known:
            self._known[id(value)] = value, self.arguments(value)
        return self._known[id(value)][1]


class _Restorer:
    def __init__(self) -> None:
        self._made: dict[int, Any] = {}  # by the id of the description

    def restore(self, value: Any) -> Any:
        if type(value) in (list, tuple):
            return type(value)(map(self.restore, value))
        if type(value) is dict:
            return {name: self.restore(item) for name, item in value.items()}
        if not isinstance(value, (Described, DescribedModel)):
            return value
        if id(value) not in self._made:
            if isinstance(value, DescribedModel):
                self._made[id(value)] = _restored_model(value)
            else:
                arguments = {name: self.restore(item) for name, item in value.arguments.items()}
                self._made[id(value)] = value.kind(**arguments)
        return self._made[id(value)]


# ---- networks --------------------------------------------------------------------------------------------------------


def _described_model(model: Model) -> "DescribedModel | Model":
    """The model itself where a description would not make it again."""
    if not _is_plain(model):
        return model
    describer, named = _Describer(), dict(model.named_parameters())
    trained = Trained(
        model.input_shapes,
        model.input_dtypes,
        {name: np.array(p.backend.to_numpy(p.value)) for name, p in named.items()},
        (
            [name for name, p in named.items() if not p.trainable],
            [path for path, layer in model.named_layers() if layer.is_frozen],
        ),
        model.optimizer.get_state(named) if model.optimizer else {},
    )
    history: Any = model.history
    found = DescribedModel(
        describer.arguments(model),
        model.backend.name,
        model.dtype,
        model.root_number if model.is_built else None,
        trained if model.is_built else None,
        describer.describe(model.optimizer),
        describer.describe(model.loss or None),
        describer.describe(list(model.metrics)),
        (history.get_state(), getattr(history, "params", {})) if history else None,
        model.class_names,
        model.stop_training,
    )
    return found if _is_same(model, _made_anew(found, _Restorer())) else model


def _is_plain(model: Model) -> bool:
    """Whether the classes are the library's, which keep nothing beside what is described."""
    layers = [layer for _, layer in model.named_layers()]
    parts = [*layers, *model.metrics, *(part for part in (model.optimizer, model.loss) if part)]
    return (
        all(is_library(type(part)) for part in parts)
        and all(path == "optimizer" for path, _ in model.named_optimizers())
        and all(state.value is None for _, state in model.named_states())
        and not any(p.has_grad for p in model.parameters())
        and model.stray() is None
        and model.preparation is None
        and (model.history is None or type(model.history) is History)
    )


def _is_same(model: Model, twin: Model) -> bool:
    """Whether they have the same layers with the same settings, the same parameters, and draw the same numbers."""
    if not model.is_built:
        model, twin = model.copy(), twin.copy()  # they are asked what they would draw, and keep that
    try:
        return bool([*_content(model)] == [*_content(twin)])
    except ValueError:  # arrays among the settings do not say that they are the same
        return False


def _content(model: Model) -> Iterator[Any]:
    for path, layer in model.named_layers():
        settings = {name: _Describer().inside(each) for name, each in layer.config().items() if name != "name"}
        yield path, type(layer), settings
    yield [(name, p.shape, p.dtype) for name, p in model.named_parameters()]
    with random.preserved_state(random.derive((0, 0), "exchange")):  # where no network that was located before can be
        yield [layer.next_key() for _, layer in model.named_layers()]
        if not model.is_built:
            for _, layer in model.named_layers():
                with layer.drawing_weights():
                    yield random.get_state(), layer.is_frozen


def _made_anew(found: DescribedModel, restorer: _Restorer) -> Model:
    """The network, built if it was, with weights of its own; the random state of the caller stays as it was."""
    with random.preserved_state((0, 0)), on_backend(make_backend(found.backend)):
        for _ in range(found.root or 0):
            random.next_number("root")  # the networks before it
        model: Model = restorer.restore(found.network)
        model.astype(found.dtype)
        if found.trained:
            model.build(*found.trained.input_shapes, dtype=found.trained.input_dtypes)
    return model


def _restored_model(found: DescribedModel) -> Model:
    restorer = _Restorer()
    model = _made_anew(found, restorer)
    model.optimizer = restorer.restore(found.optimizer)
    if found.loss is not None:
        model.loss = restorer.restore(found.loss)
    model.metrics = restorer.restore(found.metrics)
    if found.trained:
        _put(model, found.trained)
    if found.history:
        model.history = History()
        model.history.set_state(found.history[0])
        model.history.model, model.history.params = model, found.history[1]
    model.class_names, model.stop_training = found.class_names, found.stop_training
    return model


def _put(model: Model, trained: Trained) -> None:
    """Weights, what is frozen, and the optimizer's state."""
    named: Mapping[str, Any] = dict(model.named_parameters())
    parameters, layers = trained.frozen
    for path, layer in model.named_layers():
        layer.trainable = path not in layers
    for name, p in named.items():
        p.trainable = name not in parameters
    if model.optimizer:
        model.optimizer.set_state(trained.optimizer, named)
    for name, p in named.items():
        p.value = trained.weights[name]
