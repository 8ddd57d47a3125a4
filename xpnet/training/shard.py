"""One shard of a batch on its way through `train_step`."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from xpnet import random
from xpnet.backend import Array
from xpnet.base.nested import arranged_like, first_leaf, leaves
from xpnet.base.turns import Turn
from xpnet.core.carried import Carried
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.data.shards import Part
from xpnet.errors import OptionError
from xpnet.layers.gathering import Statistics, gathering, joined
from xpnet.optimizers import Optimizer
from xpnet.training import refusals
from xpnet.training.flat_gradients import flat_gradients
from xpnet.training.ledger import Ledger, Reader
from xpnet.training.nonfinite import NotFinite
from xpnet.training.step import Step

States = Sequence[tuple[str, Carried, Array | None]]  # path, what carries it, and its value before the batch


class Update(NamedTuple):
    """What a shard asks for, with its gradients."""

    optimizer: Optimizer
    network: Layer
    gradients: Sequence[Array]


class Joined:
    """The parts of a batch, for a layer that needs sums over all of them: what this shard asks for in its turn."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard

    @property
    def weight(self) -> float | Array:
        return self.shard.factor()

    def add_up(self, arrays: Sequence[Array]) -> Sequence[Array]:
        found: Sequence[Array] = self.shard.wait(arrays)
        return found


class Shard(Step):
    """What `train_step` has as `self.step`. It takes the shard as if that were the batch; what it asks for is measured
    here, and done once for the whole batch, by training/sharded.py.
    """

    def __init__(self, whole: Step, samples: int, part: Part, states: States) -> None:
        super().__init__(whole.model)
        self.whole = whole
        self.first, self.batch, self.states = part.first, part.batch, states
        self.samples = self.weight = first_leaf(part.batch).shape[0]
        self.ledger = Ledger(self.backend, samples, part.first)
        self.statistics: list[Statistics] = []
        self.counted: list[tuple[Any, Any]] = []  # outputs and targets that were counted in the metrics
        self.logs: Mapping[str, Array] = {}
        self.gradients: list[Array] = []  # of the model, times the shard's weight, where no update has taken them
        self.keeps: list[bool] = []  # whether each state has a value now
        self.turn: Turn | None = None
        self.loss = 0.0  # on a host, of a step of the user's own: the sum of what it measured since its last update
        self.signature = 0.0

    def run(self, turn: Turn | None = None) -> None:
        """Go through it, from gradients of zero to gradients of zero."""
        self.turn = turn
        tokens = gathering.set(self.statistics), joined.set(None if turn is None else Joined(self))
        try:
            with random.drawing_for(self.first), self.backend.computing():
                for path, carried, whole in self.states:
                    carried.value = whole
                    if carried.take(path, self.ledger.samples) is not None:  # or it says what is wrong
                        carried.value = carried.value[self.first : self.first + self.samples, ...]
                self.model.set_step(self)
                self.logs = self.model.train_step(self.batch)
        finally:
            self.turn = None
            self.model.set_step(None)
            gathering.reset(tokens[0])
            joined.reset(tokens[1])
        if self.own:
            refusals.refuse_bad_logs(self.logs)
        else:
            self.gradients = self.take_gradients(self.parameters_of(self.model))
        self._write()

    # ---- what a train_step asks for --------------------------------------------------------------------------------

    def compute_losses(self, y: Any, t: Any, *weights: Any) -> tuple[dict[str, Array], Any]:
        values, back, self.weight = self._measure_losses(y, t, *weights)
        if self.checks:
            self.loss += float(values["loss"])
        return values, back

    def apply_gradients(self, optimizer: Optimizer | None = None, network: Layer | None = None) -> None:
        """Wait until all shards have come to this update, and it has been made; that of a model without a step of its
        own is made when all are through.
        """
        if not self.own:
            return
        optimizer, network = optimizer or self.model.optimizer, self.model if network is None else network
        if optimizer is None:
            raise refusals.not_compiled()
        refusals.refuse_strangers(self.model, optimizer, network)
        sums = self.take_gradients(network.parameters())
        if self.checks:
            which = [name for name, each in self.model.named_optimizers() if each is optimizer]
            sums.append(self._sign(which, [path for path, each in self.model.named_layers() if each is network]))
        self.wait(Update(optimizer, network, sums))

    def update_metrics(self, y: Any, t: Any) -> None:
        self.counted.append((y, t))

    # ---- parts -----------------------------------------------------------------------------------------------------

    def parameters_of(self, network: Layer) -> list[Parameter]:
        return self.whole.parameters_of(network)

    def take_gradients(self, parameters: list[Parameter]) -> list[Array]:
        """Times the shard's weight, as they are added up; they start from zero again."""
        taken = [each.collect(self.factor()) for each in flat_gradients(parameters)]
        zero_gradients(parameters)
        return taken

    def factor(self) -> float | Array:
        """What the mean over the shard is multiplied by, to be added up: a number, or a scalar on the device.

        1 in place of 0: the shard's own loss has no gradient then, but those of other shards may go through it, by the
        statistics of a layer that waits for all.
        """
        weight = self.samples if isinstance(self.weight, dict) or self.own else self.weight
        if not self.backend.lazy or isinstance(weight, int):
            return weight if isinstance(weight, int) and weight else float(weight) or 1.0
        array = self.backend.asarray(weight, self.model.dtype)
        return self.backend.xp.where(array == 0, 1, array)

    def wait(self, asked: Any) -> Any:
        """Let the other shards come to this place too; they have gradients and states of their own."""
        assert self.turn is not None
        left = [(p, self.backend.copy(p.grad)) for p in self.model.parameters() if p.has_grad]
        zero_gradients(p for p, _ in left)
        now = [(carried, carried.value) for _, carried, _ in self.states]
        answer = self.turn.pause(asked)
        for p, grad in left:
            p.grad = grad  # also of a network that is frozen now
        for carried, value in now:
            carried.value = value
        self.model.set_step(self)
        return answer

    @property
    def checks(self) -> bool:
        """Whether, in a step of the user's own, all shards are seen to do the same, and to have finite losses."""
        return self.own and not self.backend.lazy

    def _sign(self, *what: Any) -> Any:
        """(2,): the sum of what was measured since the last time, and a number that stands for what is done now."""
        loss, self.loss = self.loss * self.samples, 0.0
        self.signature = float(zlib.crc32(repr(what).encode()))
        return np.array([loss, self.signature])

    def check(self, total: Any, shards: int) -> None:
        """Look at the sum of what so many shards have signed. Raises OptionError if one has signed something else,
        NotFinite for a loss.
        """
        if float(total[1]) != self.signature * shards:
            raise refusals.other_updates()
        if not math.isfinite(loss := float(total[0])):
            raise NotFinite(loss / self.ledger.samples)

    # ---- the ledger: it is read in the order in which it is written --------------------------------------------------

    def _write(self) -> None:
        ledger, several = self.ledger, isinstance(self.weight, dict)
        if self.checks:
            ledger.add(self._sign(list(self.logs), len(self.statistics), len(self.counted)))
        for name, value in self.logs.items():
            own = self.weight.get(name, self.weight["loss"]) if several else self.weight
            ledger.add(value, own)
            if several:
                ledger.add(own)
        if not several and not self._weighs_samples():
            ledger.add(self.weight)
        for _, mean, var, count in self.statistics:
            known = count if count > 1 else 0  # one value says nothing of the variance
            ledger.add(mean, known)
            ledger.add(var, known * known / max(known - 1, 1))
            ledger.add(known)
        for y, t in self.counted:
            for metric in self.model.metrics:
                if metric.is_sum:
                    added, number = metric.measure(y, t, self.backend)
                    ledger.add(added)
                    ledger.add(number)
            if not self._all_are_sums():
                for array in leaves((y, t)):
                    self._require_rows(array)
                    ledger.add_rows(array)
        self.keeps = [carried.value is not None for _, carried, _ in self.states]
        for _, carried, _ in self.states:
            if carried.value is not None:
                ledger.add_rows(carried.value)

    def tells_like(self, other: Shard) -> bool:
        """Whether what it tells can be added to what another one does."""
        one, two = ([entry.shape for entry in each.ledger.entries] for each in (self, other))
        return list(self.logs) == list(other.logs) and one == two

    def read_losses(self, reader: Reader, shards: int) -> tuple[dict[str, Any], Any]:
        """The means over the batch of so many shards, by name, and what they count in means over several batches."""
        if self.checks:
            self.check(reader.take(), shards)
        totals, weights = {}, {}
        for name in self.logs:
            totals[name] = reader.take()
            if isinstance(self.weight, dict):
                weights[name] = reader.take()
        if isinstance(self.weight, dict):
            return {name: reader.over(total, weights[name]) for name, total in totals.items()}, weights
        if self._weighs_samples():
            whole: Any = self.weight * self.ledger.samples // self.samples
        else:
            whole = reader.take()
        return {name: reader.over(total, whole) for name, total in totals.items()}, whole

    def read_statistics(self, reader: Reader) -> None:
        """Move the running statistics of layers by those of the batch: the means of its shards'."""
        for layer, mean, _, own in self.statistics:
            means, variances, count = reader.take(), reader.take(), reader.take()
            if own > 1 or float(count):
                batch = [reader.over(total, count) for total in (means, variances)]
                layer.follow(*(self.backend.xp.astype(each, mean.dtype) for each in batch))

    def read_metrics(self, reader: Reader) -> None:
        """Count the batch in the model's metrics."""
        for y, t in self.counted:
            for metric in self.model.metrics:
                if metric.is_sum:
                    added, number = reader.take(), reader.take()
                    metric.add(added, number, self.backend)
            if not self._all_are_sums():
                y, t = arranged_like((y, t), [reader.take_rows(array) for array in leaves((y, t))])
                for metric in self.model.metrics:
                    if not metric.is_sum:
                        metric.update(y, t, self.backend)

    def read_states(self, reader: Reader) -> None:
        """Put the rows of all shards into what carries them."""
        for kept, (_, carried, _) in zip(self.keeps, self.states, strict=True):
            carried.value = reader.take() if kept else None

    def _all_are_sums(self) -> bool:
        return all(metric.is_sum for metric in self.model.metrics)

    def _weighs_samples(self) -> bool:
        """Whether the weight is known to follow from the number of samples, so that a device need not be asked."""
        return self.backend.lazy and not self.own and isinstance(self.weight, int)

    def _require_rows(self, array: Array) -> None:
        if array.shape[0] != self.samples:
            whole = next(metric.name for metric in self.model.metrics if not metric.is_sum)
            raise OptionError(
                f"update_metrics: {whole} looks at all samples of a batch, whose shards must give it a row for each"
                f" sample: {self.samples} in this one, not {array.shape[0]} (shards=1 takes any)"
            )
