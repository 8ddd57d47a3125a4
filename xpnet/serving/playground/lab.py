"""A playground at work: its points, its network, and how far the training is."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from xpnet import random
from xpnet.errors import NonFiniteError, OptionError
from xpnet.model import Sequential
from xpnet.regularizers import penalties
from xpnet.serving.playground.maps import Maps, outputs_of
from xpnet.serving.playground.network import (
    Block,
    blocks_of,
    keep_weights,
    make_loss,
    make_network,
    make_optimizer,
    make_samples,
)  # fmt: skip
from xpnet.serving.playground.phases import Diverged, Phases, bias_of
from xpnet.serving.playground.points import Points, make_points
from xpnet.serving.playground.state import State

OF_POINTS = ("problem", "data", "points", "classes", "noise", "train", "seed")
OF_NETWORK = ("inputs", "hidden", "regularization", "rate", "initializer", "outputs", "task")
OF_VIEW = ("show_test", "discrete")
LARGEST = 1e6  # what a weight may be set to


class Lab:
    """Made from a state; `change` takes it to another. It trains in the order of batches that the script has, too."""

    network: Sequential
    points: Points
    phases: Phases | None  # of a step that is done by hand and not complete

    def __init__(self, state: State) -> None:
        self.state, self.points, self._random = state, make_points(state), random.get_state()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Back to the weights that follow from the seed, and to the first batch."""
        self._begin_with(self._make_network(self.state))

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """What is random within the block is drawn from a state of the lab's own."""
        with random.preserved_state(self._random):
            yield
            self._random = random.get_state()

    def _make_network(self, state: State) -> Sequential:
        with self._drawing():
            return make_network(state)

    def _begin_with(self, network: Sequential) -> None:
        self._take_network(network)
        self.epoch = self.step = self.place = 0  # place: of the next batch's first sample in the epoch
        self.exact = True  # whether the script comes to just these numbers

    def go_to(self, step: int, epoch: int, place: int) -> None:
        """Where another training was, whose weights this one has got."""
        self.step, self.epoch, self.place = step, epoch, place if place < len(self.x) else 0
        self.exact = False

    # ---- changes ---------------------------------------------------------------------------------------------------

    def change(self, state: State, keep: bool) -> set[str]:
        """Become what the state says, and build only what must be; returns what was: "points", "network".

        keep: go on with the weights, as far as both networks have the same units; else begin anew.
        """
        before = self.state
        if not keep:
            anew = _differs(before, state, OF_POINTS)
            points, network = make_points(state) if anew else self.points, self._make_network(state)
            self.state, self.points = state, points
            self._begin_with(network)
            return {"network", "points"} if anew else {"network"}
        if not _differs(before, state, OF_ALL):
            self.state = state
            return set()
        self.exact = self.exact and self.step == 0 and self.phases is None  # which may have drawn, and moved averages
        built = set()
        if _differs(before, state, OF_POINTS):
            built.add("points")
            self.points, self.place = make_points(state), 0
        if self._needs_network(before, state) or (before.seed != state.seed and self._untouched):
            built.add("network")
            network = self._make_network(state)
            if not self._untouched:
                keep_weights(self.network, network, before, state)
            self.state = state
            self._take_network(network)
        self.state = state
        self._retune(before)
        return built

    @property
    def _untouched(self) -> bool:
        """Whether the weights are what the seed gave."""
        return self.step == 0 and self.exact

    def _needs_network(self, before: State, after: State) -> bool:
        squeezed = before.task == "two classes" and before.loss_name != after.loss_name  # the last layer may have tanh
        return squeezed or _differs(before, after, OF_NETWORK)

    def _retune(self, before: State) -> None:
        """The optimizer and the loss that the state asks for; a new rate alone leaves the optimizer's memory."""
        optimizer = self.network.optimizer
        if optimizer is None or self.state.optimizer != before.optimizer:
            optimizer = make_optimizer(self.state)
        optimizer.lr = self.state.lr
        self.network.compile(optimizer, make_loss(self.state))
        self._take_samples()

    def edit(self, layer: Any, what: Any, row: int, column: int, value: float) -> None:
        """Set one weight or bias."""
        parameter = _parameter(self.blocks, layer, what)
        values = np.array(parameter.backend.to_numpy(parameter.value))
        place = (row, column) if what == "weight" else (row,)
        if any(not 0 <= index < size for index, size in zip(place, values.shape, strict=True)):
            raise OptionError(f"layer {layer} has a {what} of shape {values.shape}; there is none at {place}")
        values[place] = float(np.clip(value, -LARGEST, LARGEST))
        parameter.value = values
        self.exact, self.phases = False, None

    def _take_samples(self) -> None:
        """What the network learns from, and is tested on."""
        self.x, self.t = make_samples(self.state, self.points.train)
        self.x_test, self.t_test = make_samples(self.state, self.points.test)
        self._order: tuple[Any, np.ndarray] = (None, np.zeros(0, int))
        self.phases = None

    def _take_network(self, network: Sequential) -> None:
        self.network, self.blocks = network, blocks_of(network)
        self.maps = Maps(self.state.inputs)
        self.phases = None
        self._take_samples()

    # ---- training --------------------------------------------------------------------------------------------------

    def train_step(self) -> float:
        """One step on the next batch, or what is left of it; the loss of the batch before it, with penalties."""
        if self.phases is not None:
            return self._finish_phases()
        rows = self._next_rows()
        try:
            with self._drawing():
                loss: float = self.network.train_on_batch(self.x[rows], self.t[rows])
        except NonFiniteError as error:
            raise self.diverged() from error
        self._advance(len(rows))
        return loss

    def train_epoch(self) -> None:
        """To the end of the epoch that is under way."""
        epoch = self.epoch
        while self.epoch == epoch:
            self.train_step()

    def go_through(self, name: str) -> dict[str, Any]:
        """A phase of the next step; the fields of a frame "phase"."""
        rows = self._next_rows()
        if self.phases is None:
            self.phases = Phases(self.network, self.x[rows], self.t[rows])
        phases = self.phases
        try:
            with self._drawing():
                numbers = phases.go(name)
        except Diverged:
            self.phases = None
            raise self.diverged() from None
        fields = {"name": name, "step": self.step, "samples": self.points.train[rows].tolist(), **numbers}
        if phases.next is None:
            self.phases = None
            self._advance(len(rows))
        return fields

    def _finish_phases(self) -> float:
        loss = math.nan
        while self.phases is not None and self.phases.next is not None:
            fields = self.go_through(self.phases.next)
            loss = fields["loss"] + fields["penalty"]
        return loss

    def _next_rows(self) -> np.ndarray:
        """The numbers of the next batch's samples: each epoch has an order of its own, which follows from the seed."""
        if not len(self.x):
            raise OptionError("there are no points to learn from: click some into the plane, or choose a data set")
        key = (self.state.seed, self.epoch)
        if self._order[0] != key:
            self._order = key, np.random.default_rng([self.state.seed, self.epoch]).permutation(len(self.x))
        return self._order[1][self.place : self.place + self.state.batch]

    def _advance(self, samples: int) -> None:
        self.step, self.place = self.step + 1, self.place + samples
        if self.place >= len(self.x):
            self.epoch, self.place = self.epoch + 1, 0

    def diverged(self) -> NonFiniteError:
        """The error for a loss that is NaN or infinite."""
        return NonFiniteError(
            f"the training diverged in step {self.step + 1}: its loss is no finite number any more; reset it and take"
            " a smaller learning rate"
        )

    # ---- what a page shows -----------------------------------------------------------------------------------------

    def losses(self) -> dict[str, float | None]:
        """Means over all points, in inference and without penalties, and the share of points that are right."""
        found: dict[str, float | None] = {}
        for part, x, t, rows in (
            ("train", self.x, self.t, self.points.train),
            ("test", self.x_test, self.t_test, self.points.test),
        ):
            found[f"{part}_loss"] = found[f"{part}_accuracy"] = None
            if len(x):
                y = outputs_of(self.network, x)[-1]
                found[f"{part}_loss"] = self._loss_of(y, t)
                found[f"{part}_accuracy"] = self._accuracy_of(y, rows[:, 2])
        return found

    def _loss_of(self, y: np.ndarray, t: np.ndarray) -> float | None:
        network = self.network
        assert network.loss is not None
        y, t = network.backend.batch((y, t), network.dtype)
        with np.errstate(all="ignore"):
            loss, _ = network.loss.forward(y, t, network.backend)
        return float(loss) if math.isfinite(float(loss)) else None

    def _accuracy_of(self, y: np.ndarray, target: np.ndarray) -> float | None:
        if self.state.problem == "regression":
            return None
        answers = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0] > 0
        return float(((answers == target) & ~np.isnan(y).any(axis=1)).mean())

    def penalty(self) -> float:
        """What regularisation adds to the loss that is minimised."""
        return sum(map(float, penalties(self.network.parameters())))

    def weights(self) -> list[dict[str, Any]]:
        """Weight (units, inputs) and bias of each layer; of batch normalisation, its own under "norm"."""
        listed = []
        for block in self.blocks:
            layer = {"weight": _listed(block.dense.weight), "bias": _listed(bias_of(block))}
            if block.norm:
                norm = block.norm
                layer["norm"] = {
                    "weight": _listed(norm.weight), "bias": _listed(norm.bias),
                    "mean": _listed(norm.running_mean), "variance": _listed(norm.running_var),
                }  # fmt: skip
            listed.append(layer)
        return listed

    def described_layers(self) -> list[dict[str, Any]]:
        """Units, inputs, activation and number of parameters of each layer."""
        activations = [
            *(hidden.activation for hidden in self.state.hidden),
            self.blocks[-1].dense.activation or "linear",
        ]
        described = []
        for block, activation in zip(self.blocks, activations, strict=True):
            units, inputs = block.dense.weight.shape
            own = [*block.dense.parameters(), *(block.norm.parameters() if block.norm else [])]
            count = sum(parameter.size for parameter in own if parameter.learned)
            described.append({"units": units, "inputs": inputs, "activation": activation, "parameters": count})
        return described


OF_ALL = tuple(name for name in State.__dataclass_fields__ if name not in OF_VIEW)


def _differs(before: State, after: State, names: tuple[str, ...]) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _parameter(blocks: list[Block], layer: Any, what: Any) -> Any:
    if not isinstance(layer, int) or not 0 <= layer < len(blocks):
        raise OptionError(f"layers are counted from 0 to {len(blocks) - 1}; there is no layer {layer!r:.40}")
    if what not in ("weight", "bias"):
        raise OptionError(f"what can be edited is a weight or a bias, not {what!r:.40}")
    return blocks[layer].dense.weight if what == "weight" else bias_of(blocks[layer])


def _listed(parameter: Any) -> Any:
    """As numbers in lists; -0.0, which nobody wants to read, as 0.0."""
    return (parameter.backend.to_numpy(parameter.value) + 0.0).tolist()
