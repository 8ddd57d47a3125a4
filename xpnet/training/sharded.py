"""A step whose batch is cut into shards: its numbers do not depend on how many workers compute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from xpnet import random
from xpnet.backend import Array
from xpnet.base.turns import ENDED, Turns
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.core.plan import within
from xpnet.data.shards import CutBatch, samples_of
from xpnet.errors import NonFiniteError
from xpnet.files.trainable import TrainableNetwork
from xpnet.optimizers import Optimizer
from xpnet.parallel import get_communicator
from xpnet.parallel.tree import Node, TreeSum, owned_leaves
from xpnet.training import refusals
from xpnet.training.flat_gradients import FlatGradients, flat_gradients
from xpnet.training.ledger import Reader
from xpnet.training.nonfinite import NOWHERE, NotFinite, nonfinite_loss
from xpnet.training.shard import Shard, States, Update
from xpnet.training.shares import Sharing
from xpnet.training.step import Step

Waiting = list[tuple[Parameter, Array]]  # gradients of earlier batches of a group


class ShardedStep(Step):
    """What is done with the shards of a batch that this worker has, and then with their sum over all workers.

    Each shard goes through the model's `train_step` by itself, as if it were the batch: means are those of the shards,
    weighted by their samples, or by what the loss is the mean over. What a step leaves behind, weights, running
    statistics, metrics and states, is then the same on all workers, so that none of them is missed.

    A step of the user's own may update several networks in turn. Its shards take turns, and wait for one another in
    front of each update.
    """

    def __init__(self, model: TrainableNetwork, accumulate: int, shards: int) -> None:
        super().__init__(model, accumulate)
        self.shards, self.communicator = shards, get_communicator()
        self.sharing = Sharing(shards, self.communicator)
        self.samples_by_worker = dict.fromkeys(self.communicator.members, 0)  # of which they computed gradients
        self.reread: Callable[[], CutBatch]  # the batch of this step again, when this worker has other shards of it

    def __call__(self, batch: CutBatch, where: str, last: bool = True) -> dict[str, Array]:
        self.samples = self.weight = batch.samples
        if self.own:
            self._parameters.clear()  # networks may be built in any step
        self._enter_group(self.samples, last)
        if not self.own and self.model.is_built:
            self.parameters_of(self.model)
        waiting = self._take_waiting()
        states = [(path, carried, carried.value) for path, carried in self.model.named_states()]
        kept = self._keep() if self.own and self.communicator.recovers else None
        in_turns, tried = self.own or _waits(self.model), 0

        def attempt() -> tuple[Sequence[Array], Shard]:
            nonlocal batch, tried
            if tried:  # somebody died meanwhile
                batch = self.reread()
                if kept is not None:
                    self._put_back(kept)
            tried += 1
            self._applied, within.depth = [], 0  # whatever an end in the middle has left
            return self._take_turns(batch, states, waiting[:]) if in_turns else self._add_up(batch, states)

        with self.backend.computing(), self._naming_nonfinite(where, lambda: batch):
            sums, shard = self.communicator.together(attempt)
            reader = Reader(shard.ledger, sums[-1])
            logs, self.weight = shard.read_losses(reader, min(self.sharing.count, self.samples))
            if not self.own:
                self._update(sums[:-1], waiting, logs)
            shard.read_statistics(reader)
            shard.read_metrics(reader)
            shard.read_states(reader)
        if self.own:
            if len(self.group) == 1:
                self._in_group = self._applied
            refusals.refuse_other_turns(self._in_group, self._applied)
        self._count_samples()
        if self.completes:
            self.group.clear()
        return logs

    # ---- shards at once, and one update ----------------------------------------------------------------------------

    def _add_up(self, batch: CutBatch, states: States) -> tuple[Sequence[Array], Shard]:
        """The sums over all shards: of gradients, and of what the last of this worker's shards can read."""
        tree = TreeSum(self.shards)
        zero_gradients(self.model.parameters())
        for part in batch.parts:
            shard = Shard(self, batch.samples, part, states)
            shard.run()
            leaf = [*shard.gradients, shard.ledger.written()]
            if batch.counts:
                tree.add(Node(part.shard, 1), leaf)
        return self.communicator.complete(tree, leaf), shard

    def _update(self, sums: Sequence[Array], waiting: Waiting, logs: dict[str, Array]) -> None:
        """What a step does with the gradients of a batch."""
        several = isinstance(self.weight, dict)
        self._put_waiting(waiting)
        if self.accumulate > 1 and not several and self.weight != self.samples:
            self._weigh_batch(float(self.weight))
        self._add_mean(flat_gradients(self.parameters_of(self.model)), sums, self.samples if several else self.weight)
        if not self.backend.lazy and not math.isfinite(float(logs["loss"])):
            raise NotFinite(logs["loss"])
        self.apply_gradients()

    # ---- shards in turns -------------------------------------------------------------------------------------------

    def _take_turns(self, batch: CutBatch, states: States, waiting: Waiting) -> tuple[Sequence[Array], Shard]:
        """The updates that all shards ask for, and the sums of what they tell."""
        shards = [Shard(self, batch.samples, part, states) for part in batch.parts]
        zero_gradients(self.model.parameters())
        with Turns([shard.run for shard in shards]) as turns:
            answer: Any = None
            while ENDED not in (asked := turns.round(answer)):
                if len({type(each) for each in asked}) > 1:
                    raise refusals.other_updates()
                if not isinstance(asked[0], Update):  # a layer's sums
                    answer = self._complete(batch, asked)
                    continue
                optimizer, network, _ = asked[0]
                if any(each[:2] != (optimizer, network) for each in asked):
                    raise refusals.other_updates()
                sums = self._complete(batch, [each.gradients for each in asked])
                if shards[0].checks:
                    *sums, signed = sums
                    shards[0].check(signed, min(self.shards, batch.samples))
                waiting = self._update_network(optimizer, network, sums, waiting)
            if any(each is not ENDED for each in asked):
                raise refusals.other_updates()
        if any(not each.tells_like(shards[0]) for each in shards):
            raise refusals.other_updates()
        if self.completes:
            refusals.refuse_left_gradients(self._applied)
        zero_gradients(self.model.parameters())
        if self.own and not self.completes:
            self._put_waiting(waiting)
        return self._complete(batch, [[*shard.gradients, shard.ledger.written()] for shard in shards]), shards[-1]

    def _update_network(self, optimizer: Optimizer, network: Layer, sums: Sequence[Array], waiting: Waiting) -> Waiting:
        """What a step does with the gradients of a network; what waits after it."""
        parameters = network.parameters()
        own = {id(p) for p in parameters}
        self._put_waiting([(p, grad) for p, grad in waiting if id(p) in own])
        self._add_mean(flat_gradients(parameters), sums, self.samples)
        self.apply_gradients(optimizer, network)
        if self.completes:
            return waiting
        others = [(p, grad) for p, grad in waiting if id(p) not in own]
        waiting = [*others, *((p, self.backend.copy(p.grad)) for p in parameters if p.has_grad)]
        zero_gradients(parameters)
        return waiting

    def _complete(self, batch: CutBatch, leaves: Sequence[Sequence[Array]]) -> Sequence[Array]:
        tree = TreeSum(self.shards)
        for part, leaf in zip(batch.parts, leaves, strict=True):
            if batch.counts:
                tree.add(Node(part.shard, 1), leaf)
        return self.communicator.complete(tree, leaves[-1])

    def _keep(self) -> dict[str, Any]:
        """What an attempt changes that comes to several updates."""
        named = dict(self.model.named_parameters())
        values = {p: self.backend.copy(p.value) for p in named.values()}
        return {"values": values, "optimizers": self.get_state()["optimizers"]}

    def _put_back(self, kept: dict[str, Any]) -> None:
        named = dict(self.model.named_parameters())
        for p, value in kept["values"].items():
            p.value = value
        for name, optimizer in self.model.named_optimizers():
            optimizer.set_state(kept["optimizers"][name], named)

    # ---- parts -----------------------------------------------------------------------------------------------------

    def _take_waiting(self) -> Waiting:
        """The gradients of earlier batches of the group, which are out of the way from here on."""
        if len(self.group) == 1:
            return []
        waiting = [(p, self.backend.copy(p.grad)) for p in self.model.parameters() if p.has_grad]
        zero_gradients(p for p, _ in waiting)
        return waiting

    def _put_waiting(self, waiting: Waiting) -> None:
        for p, grad in waiting:
            p.add_grad(grad)

    def _add_mean(self, flats: list[FlatGradients], sums: Sequence[Array], weight: Any) -> None:
        """To the gradients, those of the batch; the sums stay as they are: another worker may still want them."""
        if isinstance(weight, (int, float)):
            factor: float | Array = 1 / (weight or 1)
        else:
            xp = self.backend.xp
            factor = self.backend.asarray(1 / xp.where(weight == 0, 1, weight), self.model.dtype)
        for flat, total in zip(flats, sums, strict=True):
            flat.add(total * factor)

    @contextmanager
    def _naming_nonfinite(self, where: str, batch: Callable[[], CutBatch]) -> Iterator[None]:
        """The error for a loss that is not finite, the same on all workers, says where in which shard that began."""
        try:
            yield
        except NotFinite as error:
            found: list[str] = []
            for part in batch().parts:
                with random.drawing_for(part.first):
                    again = () if self.own else part.batch[:2]
                    found.append(str(nonfinite_loss(self.model, "loss", error.value, where, *again)))
            text = next((each for each in found if NOWHERE not in each), found[0]).encode()
            texts = [each.decode() for each in self.communicator.together(lambda: self.communicator.share(text))]
            raise NonFiniteError(next((each for each in texts if NOWHERE not in each), texts[0])) from None

    def _count_samples(self) -> None:
        workers, count = self.communicator, self.shards
        for place, member in enumerate(workers.members):
            self.samples_by_worker[member] += samples_of(owned_leaves(count, workers.size, place), count, self.samples)


def _waits(model: TrainableNetwork) -> bool:
    """Whether it has a layer whose shards wait for one another."""
    return any(getattr(layer, "sync", False) for _, layer in model.named_layers())
