"""A run: one call of `fit`, from what it trains on to who is told of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from xpnet import random
from xpnet.base.console import say
from xpnet.base.quiet import quietly
from xpnet.callbacks import Callback, Callbacks, EpochLines, History, ProgressBar
from xpnet.callbacks.base import RATE, Logs, list_callbacks
from xpnet.callbacks.comparison import Described
from xpnet.core.network import Network
from xpnet.errors import NonFiniteError, OptionError
from xpnet.parallel import get_communicator
from xpnet.schedules import warn_of_short_schedule
from xpnet.training.evaluation import evaluate_batches
from xpnet.training.feed import Feed, describe_data, in_parts, staged
from xpnet.training.iterables import PreparedBatches
from xpnet.training.nonfinite import nonfinite_loss
from xpnet.training.position import Position
from xpnet.training.sharded import ShardedStep
from xpnet.training.shared_evaluation import can_share, evaluate_shared
from xpnet.training.shares import SharedBatches, tell_of_shards
from xpnet.training.step import Step

DISPLAYS: dict[int, tuple[type[Callback], ...]] = {0: (), 1: (ProgressBar,), 2: (EpochLines,)}  # by `verbose`


class Options(NamedTuple):
    """Those of `fit` that belong neither to the data nor to the callbacks."""

    epochs: int
    initial_epoch: int
    validation_freq: int
    accumulate: int
    verbose: int


class Run:
    """What is trained and on what, how far it is, and who is told."""

    def __init__(
        self,
        step: Step,
        batches: Feed,
        held_out: Feed | None,
        callbacks: Callback | Iterable[Callback] | None,
        options: Options,
    ) -> None:
        self.step, self.model = step, step.model
        self.batches, self.held_out, self.options, self.verbose = batches, held_out, options, options.verbose
        self.sharing = step.sharing if isinstance(step, ShardedStep) else None
        self.workers = get_communicator()
        self.leads, self.alive = self.workers.leads, self.workers.size
        self.position = Position(options.initial_epoch, self.model.backend)
        self.history = self.model.history = History()
        self.model.stop_training = False
        self.logs: Logs = {}
        self.params = {
            "epochs": options.epochs,
            "steps": len(batches),
            "batch_size": batches.batch_size,
            "samples": batches.samples,
            "validation": held_out is not None,
            "verbose": options.verbose,
            "workers": self.workers.size,
        }
        self.followers: Sequence[Callback] = [self.history, *list_callbacks(callbacks)]
        displays = [display() for display in DISPLAYS[options.verbose]] if self.leads else []
        self.callbacks = Callbacks([*self.followers, *displays], self.model, self.params)
        if self.callbacks.hears("on_before_update"):
            step.before_update = self._tell_before_update
        self.iterables = [feed for feed in (batches, held_out) if isinstance(feed, PreparedBatches)]
        self.root = self.model.root_number  # which it has before the first step, whose random state is its own
        self._draw_from(random.next_key("training"))

    # ---- the loop --------------------------------------------------------------------------------------------------

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Around the loop: callbacks are told that training begins, and that it ends, however it does."""
        self.callbacks.on_run_begin(self)
        if self.verbose:
            tell_of_shards(self.step.shards)
        if self.model.optimizer is not None:
            warn_of_short_schedule(self.model.optimizer.lr, self.model.optimizer.steps, self._steps_left())
        self.leads = self.workers.leads  # others may have died meanwhile
        try:
            self.callbacks.on_train_begin(self.logs)
            yield
        except NonFiniteError as error:
            if not self.callbacks.on_nonfinite(error):
                raise
        finally:  # also after Ctrl-C: files are closed and the best weights restored
            self.callbacks.on_train_end(self.logs)
        self.callbacks.on_run_end()
        self._agree_to_stop(ended=True)

    def epochs_left(self) -> Iterator[int]:
        """The epochs to come, as long as no callback ends training."""
        for epoch in range(self.position.epoch, self.options.epochs):
            if self.model.stop_training and not self.position.step:  # else a backup goes on in the epoch that it ended
                return
            yield epoch

    def train(self, epoch: int) -> Logs:
        """The steps of the epoch that are left; the mean loss and the metrics over all its samples."""
        position, goes_on, waited = self.position, self.position.step > 0, self.workers.waited
        if not goes_on:
            self._enter(epoch)
        self.callbacks.on_epoch_begin(epoch, position.done())
        with self.model.backend.memory_advice(self.batches.batch_size):
            if not goes_on:
                self.model.reset_state()
                for metric in self.model.metrics:
                    metric.reset()
            if not (goes_on and self.model.stop_training):  # else the backup was made in its last step
                self._take_steps(epoch)
            self.logs = self.so_far()
        self.history.seconds.append(position.seconds)
        self.history.tell_of_workers(self.workers.waited - waited, self._samples_by_worker())
        self.history.samples.append(position.samples)
        self.params["samples"] = self.params["samples"] or position.samples  # of an iterable, after its first epoch
        self.callbacks.on_train_epoch_end(epoch, self.logs)
        return self.logs

    def _take_steps(self, epoch: int) -> None:
        step, position, steps = self.step, self.position, len(self.batches)
        begins, ends = (self.callbacks.hears(f"on_train_batch_{event}") for event in ("begin", "end"))
        with closing(self._batches_left(epoch)) as batches:
            for batch in batches:
                number = position.step
                if begins:
                    self.callbacks.on_train_batch_begin(number, {})
                with random.drawing_from(self.key, "step", epoch, number, root=self.root):
                    logs = step(batch, f"epoch {epoch + 1}, step {number + 1}", last=number + 1 == steps)
                position.advance(logs, step.samples, step.weight)
                self._take_lead()
                if ends:
                    self.callbacks.on_train_batch_end(number, {**logs, "size": step.samples, "so_far": self.so_far})
                self._agree_to_stop()  # callbacks are not all the same on all workers: one of them shows the progress
                if self.model.stop_training:
                    break

    def validate(self, epoch: int) -> Logs:
        """The loss and the metrics on what was held out, in the epochs that have validation."""
        if self.held_out is None or (epoch + 1) % self.options.validation_freq:
            return {}
        draw = partial(random.drawing_from, self.key, "validation", epoch, root=self.root)
        results = self._evaluate(self.held_out, draw)
        return {f"val_{name}": value for name, value in results.items()}

    def end_epoch(self, epoch: int, logs: Logs) -> None:
        """From here on a run that goes on does so with the next epoch. The rate comes to what is told."""
        if self.model.optimizer is not None:
            logs = logs | {RATE: logs.get(RATE, self.model.optimizer.last_lr)}
        self.logs = logs
        self._take_lead()
        self._enter(epoch + 1)
        self.callbacks.on_epoch_end(epoch, logs)
        self._agree_to_stop()

    @quietly
    def so_far(self) -> Logs:
        """The mean loss and the metrics of the epoch up to here. Reads from the device: waits for it."""
        position, means = self.position, self.position.means.read()
        metrics = {metric.name: metric.result() for metric in self.model.metrics}
        for name in means.keys() & metrics.keys():
            raise OptionError(f"train_step returns {name}, and a metric is called so: they need names of their own")
        for name, mean in means.items():
            if not math.isfinite(mean):
                where = f"epoch {position.epoch + 1}, at or before step {position.step}"
                raise nonfinite_loss(self.model, name, mean, where)
        return means | metrics

    def _enter(self, epoch: int) -> None:
        """Stand before the first batch of an epoch; what waits for the rest of a group will have no step."""
        self.position.enter(epoch)
        self.step.drop_group()

    def _batches_left(self, epoch: int) -> Any:
        if isinstance(self.batches, PreparedBatches):
            self.batches.epochs = epoch - self.options.initial_epoch
        if self.sharing is None:
            return staged(self.model, in_parts(self.batches, self.position.rest(self.batches, self.key)))
        draw = partial(random.drawing_from, self.key, "train", epoch)
        shared = SharedBatches(self.model, self.batches, self.sharing, self.position.step, draw)
        if isinstance(self.step, ShardedStep):
            self.step.reread = shared.again
        return shared

    def _evaluate(self, feed: Feed, draw: Callable[[], AbstractContextManager[None]]) -> dict[str, float]:
        rereads = feed.gives_shards or getattr(feed, "sized", True)  # as is needed where a worker dies meanwhile
        if self.sharing is not None and rereads and can_share(self.model):
            return evaluate_shared(self.model, feed, self.sharing, draw)
        with draw():
            return evaluate_batches(self.model, feed, verbose=0)

    def _agree_to_stop(self, ended: bool = False) -> None:
        """If one worker's callback ends training, for its own reasons, it ends on all. What one of them was to write is
        written then, if it has to be by another one.
        """
        if (self.params["workers"] or 1) > 1:  # in the beginning
            stop = bool(self.model.stop_training)

            def attempt() -> bool:
                if not ended:
                    self._take_lead()
                if self.workers.leads:
                    self.callbacks.write_missed()
                return self.workers.any(stop)

            self.model.stop_training = self.workers.together(attempt)
            self.callbacks.forget_missed()

    def _take_lead(self) -> None:
        """In the place of the worker that led, if that has died and this one is the next."""
        if self.workers.leads and not self.leads:
            self.leads = True
            self.callbacks.on_lead()
            displays = [display() for display in DISPLAYS[self.verbose]]
            self.callbacks.show(displays, self.position.epoch, self.position.done())
        if self.workers.size < self.alive:
            self.alive = self.workers.size
            if self.leads and self.verbose:
                say(f"a worker has died; {self.alive} of {self.params['workers']} go on")

    def _samples_by_worker(self) -> list[int]:
        if isinstance(self.step, ShardedStep):
            return list(self.step.samples_by_worker.values())
        return [sum(self.history.samples) + self.position.samples]

    def _steps_left(self) -> int:
        """Of the optimizer, to the end of the last epoch."""
        accumulate, position = self.options.accumulate, self.position
        per_epoch, taken = math.ceil(len(self.batches) / accumulate), math.ceil(position.step / accumulate)
        return (self.options.epochs - position.epoch) * per_epoch - taken

    def _draw_from(self, key: random.Key) -> None:
        """All that is random in this training follows from the key; callbacks draw from the state outside."""
        self.key = key
        for what, feed in (("train", self.batches), ("validation", self.held_out)):
            if isinstance(feed, PreparedBatches):
                feed.draw_from(key, what)

    def _tell_before_update(self, scale: float) -> None:
        self.callbacks.on_before_update(self.position.step, {"scale": scale})

    # ---- what a Backup asks for ------------------------------------------------------------------------------------

    @property
    def next_step(self) -> tuple[int, int]:
        """The epoch and the step that come next, from 0."""
        return self.position.epoch, self.position.step

    def place_in_words(self) -> str:
        return self.position.in_words(self.options.epochs, len(self.batches))

    def describe(self) -> Described:
        """What the run was set up with beside the model and the callbacks. A backup may be older than `accumulate`."""
        names = ("initial_epoch", "validation_freq", "accumulate")
        own = {name: getattr(self.options, name) for name in names} | {"shards": self.step.shards}
        usual = [name for name in ("accumulate", "shards") if own[name] == 1]
        return Described(own | describe_data(self.batches, self.held_out), usual)

    def get_state(self) -> dict[str, Any]:
        """All that training changes, but for the callbacks and the random state."""
        model, backend = self.model, self.model.backend
        named, step = dict(model.named_parameters()), self.step.get_state()
        carried = [(path, each) for path, each in model.named_states() if each.value is not None]
        return {
            "progress": self.position.get_state() | {"group": step["group"]},
            "stop_training": model.stop_training,
            "batches": [feed.get_state() for feed in self.iterables],
            "key": list(self.key),
            "inputs": {path: [network.input_shapes, network.input_dtypes] for path, network in _built_networks(model)},
            "carried": {path: each.backend.to_numpy(each.value) for path, each in carried},
            "weights": {name: p.backend.to_numpy(p.value) for name, p in named.items()},
            "gradients": {name: p.backend.to_numpy(p.grad) for name, p in named.items() if p.has_grad},
            "trained": [name for name, p in named.items() if p.trainable],
            "frozen": [path for path, layer in model.named_layers() if layer.is_frozen],
            "optimizers": step["optimizers"],
            "metrics": [metric.get_state(backend) for metric in model.metrics],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave, before training begins."""
        model, backend = self.model, self.model.backend
        for path, layer in model.named_layers():
            if path in state["inputs"] and isinstance(layer, Network) and not layer.is_built:  # it was by then
                shapes, dtypes = state["inputs"][path]
                layer.build(*map(tuple, shapes), dtype=tuple(dtypes))
        named = dict(model.named_parameters())
        if state["weights"].keys() - named.keys():
            raise OptionError(
                "the model has other parameters than in the backup: networks that a train_step builds must be built"
                " before fit goes on, by network.build(shape)"
            )
        weights = {name: p.fitting(state["weights"][name]) for name, p in named.items()}  # all, before one is changed
        gradients = {name: named[name].fitting(gradient) for name, gradient in state["gradients"].items()}
        for path, layer in model.named_layers() if "frozen" in state else ():  # an older backup has it not
            layer.trainable = path not in state["frozen"]
        for name, p in named.items():
            p.trainable = name in state["trained"]
        self.step.set_state({"optimizers": state["optimizers"], "group": state["progress"]["group"]})
        for name, p in named.items():
            p.value = weights[name]
        for name, gradient in gradients.items():
            named[name].grad = gradient
        for metric, own in zip(model.metrics, state["metrics"], strict=True):
            metric.set_state(own, backend)
        self.position.set_state(state["progress"])
        model.stop_training = state["stop_training"]
        for feed, own in zip(self.iterables, state["batches"], strict=True):
            feed.set_state(own)
        first, second = map(int, state["key"])
        self._draw_from((first, second))
        for path, carried in model.named_states():
            carried.value = state["carried"].get(path)


def _built_networks(model: Network) -> Iterator[tuple[str, Network]]:
    """The model and those inside it, by path, as far as they are built."""
    return ((path, each) for path, each in model.named_layers() if isinstance(each, Network) and each.is_built)
