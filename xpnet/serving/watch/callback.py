"""The callback that lets a training be watched, paused, stopped, and changed, on a page in the browser."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from xpnet.base.checks import whole
from xpnet.base.console import above_bar
from xpnet.callbacks.base import SHOWS, Callback, Logs, TrainingRun, rate_name, scalar
from xpnet.callbacks.history import History
from xpnet.callbacks.tensorboard import first_filters
from xpnet.errors import NonFiniteError, OptionError
from xpnet.serving.app import make_app
from xpnet.serving.server import is_local
from xpnet.serving.watch.background import Background
from xpnet.serving.watch.board import Board
from xpnet.serving.watch.clock import Clock
from xpnet.serving.watch.looks import Floats, Images, Turn, filters_of, gradients_of, histograms, images_in, mistakes
from xpnet.serving.watch.session import Controls, WatchSession

INTERVAL, IDLE = 0.1, 0.5  # seconds between two looks at losses and metrics: with a page open, and without
NO_LOSS = ("size", "so_far")  # what a step logs beside its losses
MOST_MARKS = 200


class Watch(Callback):
    """Serves a page, at the address that it prints, on which a training is watched and led: curves of losses and
    metrics, throughput and learning rates; histograms of weights and gradients; the first filters as they form;
    misclassified validation images; and buttons that pause, stop, and change the learning rate. Needs `pip install
    "xpnet[web]"`.

    port: None takes the first free one from 8477 on. host: an address other than 127.0.0.1 lets other machines in.

    The numbers that training gives do not depend on whether anybody watches, as long as nobody touches the learning
    rate, which is changed by `optimizer.lr_scale`, on top of a schedule. A page that is opened late gets the whole
    history; long curves are thinned out. After training the page stays, with its result, until `close()` or the end of
    the process; another `fit` with the same Watch goes on in it. A Backup does not know of it, so a training may be
    resumed with it or without; it goes on with the curves by epoch, and those by step begin anew.

    A paused training waits, also when no page is open any more, and Ctrl-C ends it as always; the seconds of the
    history include the pause. Stop ends it in good order, after the step that it is in. With verbose=0 the address is
    not printed: `address` has it.
    Raises OptionError if the port is taken, MissingExtraError without starlette, uvicorn and websockets.
    """

    rank = SHOWS
    recorded = False

    def __init__(self, port: int | None = None, host: str = "127.0.0.1") -> None:
        self.port, self.host = port if port is None else whole("Watch: port", port, 0), host
        self._background, self._board, self._controls = Background(), Board(), Controls()
        self._said = False
        self._history: History | None = None
        self._images: Images | None = None  # of the validation data
        self._fits = 0
        self._step = self._last_epoch = 0  # so far, of all fits, the last epoch counted from 1
        self._first_epoch = 0  # what this fit counts as epoch 0
        self._marks: list[dict[str, Any]] = []

    # ---- the page ------------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Of the page, while it is served."""
        return self._background.address

    def open(self) -> str:
        """Serve from now on, which `fit` does otherwise; the address of the page."""
        if not self.address:
            app = make_app({"": lambda: WatchSession(self._board, self._controls)}, not is_local(self.host), "watch")
            self._background.serve(app, self.host, self.port)
        return self.address

    def close(self) -> None:
        """Serve no longer."""
        self._background.close()
        self._said = False

    def _say(self, text: str) -> None:
        """A line where the lines of the epochs are, and not in the middle of a progress bar."""
        if self._run.verbose == 1:
            above_bar(text)
        elif self._run.verbose == 2:
            print(text, flush=True)

    # ---- what it is told -------------------------------------------------------------------------------------------

    def on_run_begin(self, run: TrainingRun) -> None:
        if self.params["workers"] > 1:
            raise OptionError(
                f"Watch shows the training of one worker, not of {self.params['workers']}: what one changes on its page,"
                " the others would not know; TensorBoard and CSVLogger write for all"
            )
        self.open()
        self._run = run
        self._history = next((each for each in run.followers if isinstance(each, History)), None)
        self._images = images_in(run.describe().get("validation_data"))
        if not self._said:
            self._said = True
            self._say(f"watch this training: {self.address}")

    def on_train_begin(self, logs: Logs) -> None:
        self._fits += 1
        self._begun = False  # whether an epoch has
        self._taken = self._batch = 0  # steps of this fit, and of the epoch
        self._optimizers = list(self.model.named_optimizers())
        self._phase, self._ended, self._epoch = "begins", "", 0
        self._so_far: dict[str, float] = {}
        self._pending: list[tuple[float, dict[str, float]]] = []  # points by step that are not on the board yet
        self._gradients: dict[str, Floats] = {}
        self._fresh: int | None = None  # the step of the gradients, until they are shown
        self._updates = False  # whether any were seen
        self._told = self._now = 0.0  # when the pages were told of it, when the last step ended
        self._clock = Clock()
        self._for_histograms, self._for_filters = Turn(1.0), Turn(1.0, idle=10.0)
        self._for_epochs = Turn(INTERVAL, idle=IDLE)
        self._for_mistakes = Turn(0.0, idle=30.0, share=0.01, at_once=False)
        self._board.cut_film()
        self._controls.begin(self._rates())
        self._mark("fit")
        self._show_state()

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self._epoch, self._batch = epoch, logs.get("step", 0)
        if not self._begun:
            self._begun = True
            self._begin_at(epoch, self._batch)
        self._optimizers = list(self.model.named_optimizers())
        self._phase = "training"
        self._clock.go_on()
        self._show_filters(if_due=True)
        self._show_epoch()

    def on_before_update(self, batch: int, logs: Logs) -> None:
        self._updates = True
        if not self._board.watched:
            return
        due = self._fresh is None and self._for_histograms.due(True, self._now)
        if due or self._fresh == self._step:
            self._for_histograms.begin()
            self._gradients |= gradients_of(self.model.named_parameters(), logs["scale"])
            self._fresh = self._step
            self._for_histograms.end()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self._step += 1
        self._taken += 1
        self._batch = batch + 1
        self._clock.count(logs["size"])
        if not self.model.backend.lazy:
            self._pending.append((self._step, _losses(logs)))
        self._now = now = time.perf_counter()  # once in a step
        if now - self._told >= (INTERVAL if self._board.watched else IDLE):
            self._told = now
            self._tell(logs)
        if self._controls.asked or self._controls.pausing:
            self._obey()

    def on_train_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._phase = "validation" if self.params["validation"] else "training"
        self._flush()
        self._show_epoch()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        values = {name: float(value) for name, value in logs.items() if scalar(value)}
        self._last_epoch = number = self._first_epoch + epoch + 1
        values |= {"epoch": number} | self._rates() | _throughput(self._history, -1)
        self._board.add("epochs", [(self._step, values)])
        self._show_mistakes(if_due=True)
        self._phase = "training"
        self._change()
        self._show_epoch()

    def on_train_end(self, logs: Logs) -> None:
        """Ended by Ctrl-C or an error, or else `on_run_end` comes, too."""
        self._controls.end()
        self._flush()
        self._phase, self._ended = ("ended", "interrupted") if sys.exc_info()[0] else ("ends", "")
        self._show_state()

    def on_run_end(self) -> None:
        """The result: after other callbacks have put back the best weights."""
        self._phase, self._ended = "ended", "stopped" if self.model.stop_training else "finished"
        self._show_histograms()
        self._show_filters()
        self._show_mistakes()
        self._show_state()

    # ---- curves and numbers ----------------------------------------------------------------------------------------

    def _begin_at(self, epoch: int, batch: int) -> None:
        """Where this training begins: behind the fits before it, or where an earlier run of it has left off."""
        steps, history = self.params["steps"], self._history
        if self._fits == 1:
            self._step = epoch * steps + batch
        else:
            self._first_epoch = max(0, self._last_epoch - epoch)
        if history is None or not history.epoch:
            return
        self._mark("resumed")
        for place, number in enumerate(history.epoch):
            values = {
                name: float(values[history.epochs[name].index(number)])
                for name, values in history.history.items()
                if number in history.epochs.get(name, ()) and scalar(values[0])
            }
            x = self._step - batch - (len(history.epoch) - 1 - place) * steps
            values |= {"epoch": self._first_epoch + number + 1} | _throughput(history, place)
            self._board.add("epochs", [(x, values)])

    def _tell(self, logs: Logs) -> None:
        """What the pages get ten times a second; on a GPU it means waiting for the device."""
        if self.model.backend.lazy:
            self._pending.append((self._step, _losses(logs)))
        try:
            self._so_far = {name: float(value) for name, value in logs["so_far"]().items() if scalar(value)}
        except NonFiniteError:  # whoever has to say so will
            self._so_far = {}
        x, values = self._pending[-1]
        metrics = {name: value for name, value in self._so_far.items() if name not in values}
        rate = self._clock.rate()
        throughput = {} if rate is None else {"samples_per_second": rate}
        self._pending[-1] = x, values | metrics | self._rates() | throughput
        self._flush()
        if self._fresh is not None or (not self._updates and self._for_histograms.due(self._board.watched)):
            self._show_histograms()
        self._show_filters(if_due=True)
        self._show_state()

    def _flush(self) -> None:
        if self._pending:
            self._board.add("steps", self._pending)
            self._pending = []

    def _rates(self) -> dict[str, float]:
        """The learning rates of the next step: lr, or of another optimizer NAME_lr."""
        return {rate_name(name): optimizer.current_lr for name, optimizer in self._optimizers}

    def _mark(self, what: str, **values: Any) -> None:
        """Something that happened at this step, for the curves."""
        self._marks = [*self._marks, {"x": self._step, "what": what} | values][-MOST_MARKS:]

    def _show_state(self) -> None:
        """Numbers of now; and whatever else is on the board goes to the pages with it."""
        steps, epochs, controls, clock = self.params["steps"], self.params["epochs"], self._controls, self._clock
        rates = self._rates()
        scales = {rate_name(name): optimizer.lr_scale for name, optimizer in self._optimizers}
        if controls.rates is not None:
            controls.rates, controls.scales = rates, scales
        left = (epochs - self._epoch) * steps - self._batch
        state = {
            "model": self.model.label,
            "backend": self.model.backend.name,
            "fit": self._fits,
            "phase": self._phase,
            "ended": self._ended,
            "pausing": controls.pausing,
            "stopping": controls.stopping,
            "epoch": self._epoch + 1,
            "epochs": epochs,
            "batch": self._batch,
            "batches": steps,
            "step": self._step,
            "samples_per_second": clock.latest,
            "seconds": clock.seconds(),
            "seconds_left": clock.seconds() * left / self._taken if self._taken else None,
            "so_far": self._so_far,
            "rates": rates,
            "scales": scales,
            "marks": self._marks,
            "images": self._images is not None,
        }
        self._board.show("state", state)
        self._board.wake()

    def _show_epoch(self) -> None:
        """How an epoch goes on, but for epochs of an instant."""
        if self._for_epochs.due(self._board.watched):
            self._for_epochs.begin()
            self._show_state()
            self._for_epochs.end()

    # ---- looks -----------------------------------------------------------------------------------------------------

    def _show_histograms(self) -> None:
        before = self._for_histograms.cost if self._fresh is not None else 0.0
        self._for_histograms.begin()
        told, weights, gradients = histograms(self.model, self._gradients)
        self._board.show("histograms", {"step": self._step, "parameters": told}, weights=weights, gradients=gradients)
        self._fresh = None
        self._for_histograms.end(before)

    def _show_filters(self, if_due: bool = False) -> None:
        if if_due and not self._for_filters.due(self._board.watched):
            return
        self._for_filters.begin()
        if (found := first_filters(self.model)) is not None:
            fields, pixels = filters_of(*found)
            fields["dense"] = len(dict(self.model.named_parameters())[found[0]].shape) == 2
            self._board.film_filters({"step": self._step, "fit": self._fits} | fields, pixels=pixels)
        self._for_filters.end()

    def _show_mistakes(self, if_due: bool = False) -> None:
        turn = self._for_mistakes
        if self._images is None or (if_due and not turn.due(self._board.watched)):
            return
        seconds = turn.share * (turn.since() if if_due else self._clock.seconds())
        turn.begin()
        found = mistakes(self.model, self._images, seconds)
        turn.end()
        if found is None:
            self._images = None
        else:
            fields, pixels = found
            self._board.show("mistakes", {"step": self._step, "epoch": self._epoch + 1} | fields, pixels=pixels)

    # ---- what pages ask for ----------------------------------------------------------------------------------------

    def _obey(self) -> None:
        """Change what was asked for, and wait while the training is paused."""
        self._change()
        if self._controls.pausing:
            self._phase = "paused"
            self._say(
                f"paused after step {self._batch} of epoch {self._epoch + 1}: {self.address} goes on, Ctrl-C ends it"
            )
            self._show_histograms()
            self._show_filters()
            self._show_state()
            with self._clock.paused():
                while self._controls.pausing:
                    self._controls.wait()
                    if self._controls.asked:
                        self._change()
                        self._show_state()
            self._phase = "training"
        self._show_state()

    def _change(self) -> None:
        """The learning rates; and whether training ends."""
        if not self._controls.asked:
            return
        for asked, how, value in self._controls.take_changes():
            for name, optimizer in self._optimizers:
                if rate_name(name) == asked:
                    before = optimizer.current_lr
                    if how == "factor":
                        optimizer.lr_scale *= value
                    elif before:
                        optimizer.lr_scale *= value / before
                    self._mark("rate", name=asked, before=before, after=optimizer.current_lr)
                    self._say(f"{asked} {before:g} -> {optimizer.current_lr:g} after step {self._step}, from the page")
        if self._controls.stopping:
            self.model.stop_training = True


def _throughput(history: History | None, place: int) -> dict[str, float]:
    """Of one of the epochs, by its place in the history, if that knows it."""
    if history is None or not history.samples or len(history.samples) != len(history.seconds):
        return {}
    return {"samples_per_second": history.samples[place] / (history.seconds[place] or math.inf)}


def _losses(logs: Logs) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items() if name not in NO_LOSS}
