"""The callback that averages the weights over the steps of training."""

from typing import Any

from xpnet.backend import Array
from xpnet.base.checks import fraction
from xpnet.base.quiet import quietly
from xpnet.callbacks.base import CHANGES, Callback, Logs
from xpnet.core.flat import Flat, find_pieces
from xpnet.core.parameter import Parameter
from xpnet.errors import NonFiniteError, OptionError


class EMA(Callback):
    """An exponential moving average of the weights, taken after every step of the optimizer, which often tests better
    than the last weights: a = d a + (1 - d) w; the first a is the w after the first step (Polyak and Juditsky, 1992).

    decay: d, 0.999. With warmup (True), d is at most (1 + s) / (10 + s) in the average's step s = 1, 2, ..., so that
    the early weights are soon forgotten; about 1 / (1 - decay) steps count.

    From the end of an epoch's steps to the beginning of the next epoch the averaged weights are in the model, so that
    validation and the `on_epoch_end` of all callbacks, such as EarlyStopping and ModelCheckpoint, see them. Training
    itself goes on with its own weights. When it ends, also by Ctrl-C, the averaged weights stay in the model; but not
    those of a training whose loss has become NaN or infinite.

    Running statistics (of batch normalisation) are averaged in the same way, so that they belong to the averaged
    weights; a parameter that is frozen is taken as it is. All arrays stay on the backend.
    """

    rank = CHANGES
    single = True
    steps: int  # that the average was taken over
    averages: list[Array] | None  # of each parameter
    own: list[Array] | None  # training's own weights, while the averaged ones are in the model

    def __init__(self, decay: float = 0.999, warmup: bool = True) -> None:
        self.decay, self.warmup = fraction("EMA: decay", decay), warmup
        if not isinstance(warmup, bool):
            raise OptionError(f"EMA: warmup must be True or False, not {warmup!r}")

    def on_train_begin(self, logs: Logs) -> None:
        self.steps, self.averages, self.own = 0, None, None
        self._known: list[Parameter] = []
        self._pieces: list[tuple[Parameter | Flat, Array]] = []
        self._seen = self._optimizer_steps()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        steps = self._optimizer_steps()
        if steps != self._seen:  # not so within a group of batches whose gradients are accumulated
            self._seen = steps
            self._average()

    def on_train_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._put_in()

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.own is not None:
            for p, value in zip(self.parameters, self.own, strict=True):
                p.value = value
            self.own = None

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        """The step before has spoiled the averages."""
        self.averages = None
        return False

    def on_train_end(self, logs: Logs) -> None:
        self._put_in()

    @property
    def parameters(self) -> list[Parameter]:
        """The model's; looked for once."""
        self._known = self._known or self.model.parameters()
        return self._known

    def rate(self, step: int) -> float:
        """d in step 1, 2, ... of the average."""
        return min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay

    def get_state(self) -> dict[str, Any]:
        """Whole only together with the model's weights of the same moment."""

        def host(arrays: list[Array] | None) -> Any:
            return arrays and [p.backend.to_numpy(a).copy() for p, a in zip(self.parameters, arrays, strict=True)]

        return {"steps": self.steps, "averages": host(self.averages), "own": host(self.own)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave: after `on_train_begin`, with weights and optimizer as they were then."""

        def device(arrays: Any) -> list[Array] | None:
            if arrays is None:
                return None
            if [p.shape for p in self.parameters] != [tuple(a.shape) for a in arrays]:
                raise OptionError("EMA: the state belongs to another network")
            return [p.backend.copy(p.backend.asarray(a, p.dtype)) for p, a in zip(self.parameters, arrays, strict=True)]

        steps, averages, own = int(state["steps"]), device(state["averages"]), device(state["own"])
        self.steps, self._seen = steps, self._optimizer_steps()
        self.averages, self.own, self._pieces = averages, own, []

    @quietly
    def _average(self) -> None:
        self.steps += 1
        if self.averages is None:
            self.averages, self._pieces = [p.backend.copy(p.value) for p in self.parameters], []
            return
        share = 1 - self.rate(self.steps)
        for piece, average in self._lay_averages(self.averages):
            piece.backend.moving_average(average, piece.value, share, share)
        for p, average in zip(self.parameters, self.averages, strict=True):
            if p.learned and not p.trainable:
                average[...] = p.value

    def _lay_averages(self, averages: list[Array]) -> list[tuple[Parameter | Flat, Array]]:
        """What one call averages, and its average: where an optimizer has laid parameters behind one another, so are
        their averages.
        """
        pieces = find_pieces(p for p in self.parameters if p.trainable or not p.learned)
        if pieces != [piece for piece, _ in self._pieces]:
            places = {p: place for place, p in enumerate(self.parameters)}
            self._pieces = []
            for piece in pieces:
                if isinstance(piece, Flat):
                    own = [places[p] for p in piece.parameters]
                    average, parts = piece.lay([averages[place] for place in own])
                    for place, part in zip(own, parts, strict=True):
                        averages[place] = part
                else:
                    average = averages[places[piece]]
                self._pieces.append((piece, average))
        return self._pieces

    def _put_in(self) -> None:
        """The averaged weights into the model, unless they are there, and its own aside."""
        if self.averages is not None and self.own is None:
            self.own = [p.backend.copy(p.value) for p in self.parameters]
            for p, average in zip(self.parameters, self.averages, strict=True):
                p.value = average

    def _optimizer_steps(self) -> int:
        """Of all optimizers together: a step of any has changed weights."""
        return sum(optimizer.steps for _, optimizer in self.model.named_optimizers())
