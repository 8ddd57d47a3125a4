"""A step of training: what the model's `train_step` makes of a batch, and what it may ask for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

from xpnet.backend import Array
from xpnet.base.nested import first_leaf
from xpnet.core.flat import find_pieces
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.core.plan import within
from xpnet.errors import OptionError
from xpnet.files.trainable import TrainableNetwork
from xpnet.optimizers import Optimizer
from xpnet.regularizers import add_penalty_gradients, penalties
from xpnet.training import refusals
from xpnet.training.nonfinite import NotFinite, nonfinite_loss

_regularizer = operator.attrgetter("regularizer")


class Step:
    """What is done with a batch that is on the device: the model's `train_step`, which has it as `self.step`.

    There, `compute_losses`, `apply_gradients` and `update_metrics` do what is the same in all kinds of training.
    Gradients of a group of `accumulate` batches make one update.
    """

    shards = 1  # into which a batch is cut

    def __init__(self, model: TrainableNetwork, accumulate: int = 1) -> None:
        self.model, self.backend, self.accumulate = model, model.backend, accumulate
        self.own = model.has_own_step  # whether its train_step is the user's own
        self.group: list[float] = []  # weights of the batches whose gradients wait for their update
        self.weight: Any = 0  # of its losses in means over batches: what the loss's `weight_of` says, or its samples
        self.before_update: Callable[[float], None] | None = None  # told of the factor that makes gradients a mean
        self._parameters: dict[Layer, list[Parameter]] = {}  # of each network that an optimizer works on
        self._known: list[tuple[Optimizer, Layer]] = []  # that an update was asked for
        self._applied: list[Layer] = []  # those whose gradients this batch has given up already
        self._in_group: list[Layer] | None = None  # those of the group's first batch, as far as it is known

    def __call__(self, batch: Any, where: str, last: bool = True) -> dict[str, Array]:
        """The logs of a batch (x, t) or (x, t, weights), from before the update that it leads to; the `last` batch of
        an epoch always completes its group.
        """
        self.samples = self.weight = first_leaf(batch).shape[0]  # of the batch
        self._applied, within.depth = [], 0  # whatever a Ctrl-C has left of a step before
        if self.own:
            self._parameters.clear()  # networks may be built in any step
        self._enter_group(self.samples, last)
        with self.backend.computing():  # the error for a loss that is not finite says more than a warning
            self.model.set_step(self)
            try:
                logs = self.model.train_step(batch)
            except NotFinite as error:
                again = () if self.own else batch[:2]  # what can be looked at once more
                raise nonfinite_loss(self.model, "loss", error.value, where, *again) from None
            finally:
                self.model.set_step(None)
        if self.own:
            refusals.refuse_bad_logs(logs)
            if len(self.group) == 1:
                self._in_group = self._applied
            refusals.refuse_other_turns(self._in_group, self._applied)
        if self.completes:
            self.group.clear()
            if self.own:
                refusals.refuse_left_gradients(self._applied)
        return logs

    # ---- what a train_step asks for --------------------------------------------------------------------------------

    def compute_losses(self, y: Any, t: Any, *weights: Any) -> tuple[dict[str, Array], Callable[[], Any]]:
        """{"loss": the loss that the model was compiled with, penalties included, and those of its parts by name}, and
        what gives its gradient with respect to the outputs y.
        """
        values, back, self.weight = self._measure_losses(y, t, *weights)
        if self.accumulate > 1 and not self.own and not isinstance(self.weight, dict) and self.weight != self.samples:
            self._weigh_batch(float(self.weight))
        if not self.backend.lazy and not math.isfinite(float(values["loss"])):
            raise NotFinite(values["loss"])
        return values, back

    def apply_gradients(self, optimizer: Optimizer | None = None, network: Layer | None = None) -> None:
        """A step of the optimizer on the parameters of the network, and their gradients start from zero; by default
        the model's optimizer, on all. With gradients that are still waiting for the rest of their group: nothing yet,
        so that with `accumulate` each batch must apply the same networks, each once.
        """
        optimizer, network = optimizer or self.model.optimizer, self.model if network is None else network
        if optimizer is None:
            raise refusals.not_compiled()
        if (optimizer, network) not in self._known:
            if self.own:
                refusals.refuse_strangers(self.model, optimizer, network)
            if optimizer.groups:
                optimizer.assign(network.named_parameters())
            self._known.append((optimizer, network))
        parameters = self._parameters_of(network)
        if self.accumulate > 1:
            refusals.refuse_second_update(parameters, self._applied)
            scale_gradients(parameters, self.group[-1] or 1)  # those of a batch are a mean
        self._applied.append(network)
        if not self.completes:
            return
        samples = 1 if self.accumulate == 1 else sum(self.group) or 1
        if any(map(_regularizer, parameters)):
            add_penalty_gradients(parameters, samples)
        if self.before_update is not None:
            self.before_update(1 / samples)
        optimizer.update(parameters, scale=1 / samples)

    def update_metrics(self, y: Any, t: Any) -> None:
        """Count the outputs and targets in the model's metrics."""
        for metric in self.model.metrics:
            metric.update(y, t, self.backend)

    # ---- what a run asks for ---------------------------------------------------------------------------------------

    def drop_group(self) -> None:
        """Forget the batches that wait for the rest of their group, and their gradients."""
        if self.group:
            self.group.clear()
            zero_gradients(self.model.parameters())

    def get_state(self) -> dict[str, Any]:
        """What `set_state` needs to go on from here, but for the parameters and their gradients."""
        named = dict(self.model.named_parameters())
        optimizers = {name: each.get_state(named) for name, each in self.model.named_optimizers()}
        return {"optimizers": optimizers, "group": list(self.group)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave, once the parameters are as they were; their gradients come after it."""
        named = dict(self.model.named_parameters())
        self.group = list(state["group"])
        zero_gradients(named.values())
        for name, optimizer in self.model.named_optimizers():
            optimizer.set_state(state["optimizers"][name], named)

    # ---- parts -----------------------------------------------------------------------------------------------------

    def _measure_losses(self, y: Any, t: Any, *weights: Any) -> tuple[dict[str, Array], Callable[[], Any], Any]:
        """The losses by name, penalties included; what gives their gradient; and what they count in means."""
        loss = self.model.loss
        if not loss:
            raise refusals.not_compiled()
        values, back = loss.forward_parts(y, t, self.backend, *weights)
        weight = loss.weight_of(t, self.backend)
        parameters = self._parameters_of(self.model)
        if any(map(_regularizer, parameters)):
            for penalty in penalties(parameters):
                values["loss"] = values["loss"] + penalty
        return values, back, weight

    def _enter_group(self, size: int, last: bool) -> None:
        if self.group:
            scale_gradients(self.model.parameters(), 1 / size)  # what waits is a sum over samples, what comes a mean
        elif self.own:
            zero_gradients(self.model.parameters())  # somebody else may have left some there
        self.group.append(size)
        self.completes = last or len(self.group) == self.accumulate  # whether the batch is the last of its group

    def _weigh_batch(self, weight: float) -> None:
        """Let the batch count in its group for what its loss is the mean over, and not for its samples."""
        scale_gradients(self.model.parameters(), self.group[-1] / (weight or 1))  # what waits, if there is anything
        self.group[-1] = weight

    def _parameters_of(self, network: Layer) -> list[Parameter]:
        """Those of a network that is built by now, the first time after a look at whether it can be trained."""
        known = self._parameters.get(network)
        if known is None:
            if network is self.model and self.model.loss:
                self.model.loss.check_last(self.model.last())
            parameters = network.parameters()
            if not any(parameter.trainable for parameter in parameters):
                raise OptionError("there is nothing to train: the model has no parameter that is trainable")
            known = self._parameters[network] = parameters
            if not self.own and len(self.group) == 1:
                zero_gradients(parameters)  # somebody else may have left some there, or building has
        return known


def scale_gradients(parameters: Iterable[Parameter], factor: float) -> None:
    """Multiply what was added to the gradients so far."""
    for piece in find_pieces(p for p in parameters if p.has_grad):
        grad = piece.grad
        grad *= factor
