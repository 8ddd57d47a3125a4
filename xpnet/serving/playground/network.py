"""The network of a state: its layers, its loss and its optimizer, as xpnet has them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from xpnet import data, initializers, layers, losses, optimizers, random, regularizers
from xpnet.core.layer import Layer
from xpnet.losses import Loss
from xpnet.model import Sequential
from xpnet.optimizers import Optimizer
from xpnet.serving.playground.points import feature_columns
from xpnet.serving.playground.state import Hidden, State

INITIALIZERS: dict[str, Any] = {
    "xavier": "xavier_normal",
    "he": "he_normal",
    "small": 0.01,
    "uniform": initializers.Uniform(0.5),
    "large": 1.0,
    "zeros": 0.0,
}
REGULARIZERS: dict[str, Callable[[float], regularizers.Regularizer]] = {"L1": regularizers.L1, "L2": regularizers.L2}
ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": layers.ReLU,
    "tanh": layers.Tanh,
    "sigmoid": layers.Sigmoid,
}
OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = optimizers.OPTIMIZERS


class Block(NamedTuple):
    """What a page shows as one layer: a dense layer and what stands behind it, up to the next one."""

    dense: layers.Dense
    norm: layers.BatchNorm1D | None
    last: int  # the place of its last layer in the network


def make_network(state: State) -> Sequential:
    """The network, built and compiled; its weights follow from the seed, which is set for this thread."""
    random.seed(state.seed)
    network = Sequential(make_layers(state))
    network.build((len(state.inputs),))
    network.compile(make_optimizer(state), make_loss(state))
    return network


def make_layers(state: State) -> list[Layer]:
    """Not built yet."""
    made: list[Layer] = []
    for hidden in state.hidden:
        made += _hidden_layers(hidden, state)
    squeezed = state.task == "two classes" and state.loss_name == "mean_squared_error"  # into the range of its targets
    return [*made, _dense(state.outputs, "tanh" if squeezed else None, state)]


def _hidden_layers(hidden: Hidden, state: State) -> list[Layer]:
    activation = None if hidden.activation == "linear" else hidden.activation
    dropout = [layers.Dropout(hidden.dropout)] if hidden.dropout else []
    if not hidden.batch_norm:
        return [_dense(hidden.units, activation, state), *dropout]
    behind = [ACTIVATIONS[activation]()] if activation else []
    return [_dense(hidden.units, None, state), layers.BatchNorm1D(), *behind, *dropout]


def _dense(units: int, activation: str | None, state: State) -> layers.Dense:
    regularizer = None if state.regularization == "none" else REGULARIZERS[state.regularization](state.rate)
    initializer = INITIALIZERS[state.initializer]
    return layers.Dense(units, activation=activation, initializer=initializer, regularizer=regularizer)


def blocks_of(network: Sequential) -> list[Block]:
    """Its dense layers, in order, each with what belongs to it."""
    places = [place for place, layer in enumerate(network) if isinstance(layer, layers.Dense)]
    blocks = []
    for place, end in zip(places, [*places[1:], len(network)], strict=True):
        dense, *behind = network.layers[place:end]
        norm = next((layer for layer in behind if isinstance(layer, layers.BatchNorm1D)), None)
        assert isinstance(dense, layers.Dense)
        blocks.append(Block(dense, norm, end - 1))
    return blocks


def make_loss(state: State) -> Loss:
    return losses.get(state.loss_name)


def make_optimizer(state: State) -> Optimizer:
    return OPTIMIZERS[state.optimizer](lr=state.lr)


def make_samples(state: State, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's inputs and targets for rows of x1, x2 and target."""
    return feature_columns(state.inputs, rows[:, 0], rows[:, 1]), make_targets(state, rows[:, 2])


def make_targets(state: State, target: np.ndarray) -> np.ndarray:
    """As the loss takes them: class numbers, one-hot rows, 0 and 1, -1 and 1, or numbers."""
    squares = state.loss_name == "mean_squared_error"
    if state.task == "several classes":
        numbers = target.astype("int64")
        return data.one_hot(numbers, state.classes) if squares else numbers
    if state.task == "two classes" and squares:
        target = 2 * target - 1
    return target[:, None].astype("float32")


def keep_weights(old: Sequential, new: Sequential, before: State, after: State) -> None:
    """Give the new network the weights of the old one, as far as both have the same units and links.

    Hidden layers correspond by their number, inputs by their names, and the last layer to the last.
    """
    olds, news = blocks_of(old), blocks_of(new)
    pairs = [*zip(olds[:-1], news[:-1], strict=False), (olds[-1], news[-1])]
    for number, (source, target) in enumerate(pairs):
        of_inputs = source is olds[0] and target is news[0]
        if number == len(pairs) - 1 and (len(olds) != len(news) or before.task != after.task):
            continue  # it reads another layer now, or answers another question
        columns = [(a, b) for b, a in _columns(before.inputs, after.inputs)] if of_inputs else None
        _copy_overlap(source.dense.weight, target.dense.weight, columns)
        _copy_overlap(source.dense.bias, target.dense.bias)
        if source.norm and target.norm:
            for name, parameter in target.norm.named_parameters():
                _copy_overlap(getattr(source.norm, name), parameter)


def _columns(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[int, int]]:
    """(place after, place before) of the inputs that both have."""
    return [(after.index(name), before.index(name)) for name in after if name in before]


def _copy_overlap(source: Any, target: Any, columns: list[tuple[int, int]] | None = None) -> None:
    """The entries that both have; `columns` pairs those of the source with those of the target."""
    old, new = source.backend.to_numpy(source.value), np.array(target.backend.to_numpy(target.value))
    if columns is None:
        common = tuple(slice(min(sizes)) for sizes in zip(old.shape, new.shape, strict=True))
        new[common] = old[common]
    else:
        rows = slice(min(len(old), len(new)))
        for a, b in columns:
            new[rows, b] = old[rows, a]
    target.value = new
