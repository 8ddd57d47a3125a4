"""What the network and each of its units make of the whole plane: one forward pass over a grid of points."""

from typing import Any

import numpy as np

from xpnet.model import Sequential
from xpnet.serving.playground.network import blocks_of
from xpnet.serving.playground.points import feature_columns
from xpnet.serving.playground.state import EDGE, State

LARGE, SMALL = 75, 25  # pixels along a side; the middle of a small one is that of a large one, too


class Maps:
    """The grid, as a network with these inputs takes it: rows of falling x2, columns of rising x1."""

    def __init__(self, inputs: tuple[str, ...]) -> None:
        middles = (np.arange(LARGE) + 0.5) / LARGE * (2 * EDGE) - EDGE
        x1, x2 = np.meshgrid(middles, middles[::-1])
        self.x = feature_columns(inputs, x1.ravel(), x2.ravel())
        every = LARGE // SMALL
        self.small = np.arange(LARGE * LARGE).reshape(LARGE, LARGE)[every // 2 :: every, every // 2 :: every].ravel()

    def draw(self, network: Sequential, state: State, watched: tuple[int, int] | None) -> dict[str, np.ndarray]:
        """The arrays of a frame "maps"; `watched` is a layer, where 0 are the inputs, and a unit of it."""
        values = outputs_of(network, self.x)
        small = [each[self.small].T.reshape(-1, SMALL, SMALL) for each in values[:-1]]  # (units, s, s)
        arrays = {"output": _output_map(values[-1], state), "units": np.concatenate(small).astype("float32")}
        if watched is not None:
            layer, unit = watched
            chosen = arrays["output"].reshape(-1, LARGE, LARGE) if layer == len(values) - 1 else values[layer].T
            arrays["watched"] = chosen[unit].reshape(LARGE, LARGE).astype("float32")
        return arrays


def outputs_of(network: Sequential, x: np.ndarray) -> list[np.ndarray]:
    """In inference: the inputs, and what each block of the network makes of them, (N, units) each."""
    backend, shown = network.backend, [block.last for block in blocks_of(network)]
    values: list[Any] = [backend.asarray(x)]
    with backend.computing(), np.errstate(all="ignore"):
        y = values[0]
        for place, layer in enumerate(network):
            y, _ = layer.forward(y)
            if place in shown:
                values.append(y)
    return [backend.to_numpy(value) for value in values]


def _output_map(scores: np.ndarray, state: State) -> np.ndarray:
    """(S, S) from -1 to 1 for two classes, as it is for numbers; (K, S, S) probabilities for several classes."""
    if state.task == "several classes":
        if state.loss_name == "mean_squared_error":
            shares = np.clip(scores, 0, 1)
        else:
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
        maps: np.ndarray = shares.T.reshape(-1, LARGE, LARGE)  # (K, S, S)
        return maps
    if state.task == "two classes":
        scores = np.tanh(scores / 2) if state.loss_name == "binary_cross_entropy" else np.clip(scores, -1, 1)
    return scores.reshape(LARGE, LARGE)
