"""The callback that lets training go on after it was killed, with the same bits as if it had not been."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xpnet import random
from xpnet.base.atomic_files import checked_path
from xpnet.base.checks import whole
from xpnet.callbacks.base import RECORDS, Callback, Logs
from xpnet.callbacks.comparison import Settings, checked, describe, describe_model, differences
from xpnet.errors import FileError, FormatError, OptionError, XpnetError
from xpnet.files.state import read_state, temporary, write_state

if TYPE_CHECKING:
    from xpnet.training.feed import CheckedBatches
    from xpnet.training.loop import Trainer

SHOWN = 4  # differences in one message
GIVEN = "settings"  # what the user's own are called among all


class Backup(Callback):
    """Keep all that training needs to go on in one file: at its start, at each epoch's end, and with `every` after
    every so many steps of an epoch.

    `fit` with a Backup whose file exists goes on where the file was written, and ends with the weights and the history,
    bit for bit, of a run that was never interrupted: on the same machine, with the same versions and as many threads.
    The script must make the same calls again. Of `fit`'s options only `epochs` and `verbose` may be others; another
    network, data set, batch size, optimizer, callback or xpnet.seed raises OptionError, which says what differs. So
    does another value in `settings`, which holds by name what else must be the same, such as the options of a command.
    Of objects of your own the constructor's arguments are compared, as far as they are kept under their names, or what
    `compared()` gives, if they have that; of functions the names. `resume=False` begins anew; an earlier file is then
    replaced at the first epoch's end, or after `every` steps.

    The file is deleted when `fit` returns, but for `keep=True`. After Ctrl-C, an error or a kill it stays. It is
    written whole or not at all; if it cannot be written (a full disk) training ends with FileError, and goes on from
    the file before when there is room again. A damaged file, or one of a newer xpnet, raises FormatError.

    Kept are weights, running statistics, the optimizer and its schedule, the random state, the position in the shuffle,
    the sums of the unfinished epoch, the history, and of each callback what its `get_state` gives; not what a layer of
    your own remembers beside its parameters. An iterable of batches that has no `starting_at`, as a Loader has, is read
    again from its first epoch to the place, which takes time; what it draws must come from xpnet.random or from a
    generator that is seeded. files/state.py says how the file is made.
    """

    rank = RECORDS

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | None = None,
        keep: bool = False,
        resume: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.keep, self.resume = os.fspath(checked_path(path)), keep, resume
        self.given = checked(settings)
        self.every = None if every is None else whole("Backup: every", every)
        self.resumed: tuple[int, int] | None = None  # the epoch and the step, from 0, where this run went on
        self.saved: tuple[int, int] | None = None  # those that the file stands at

    # ---- what fit calls --------------------------------------------------------------------------------------------

    def begin(
        self,
        trainer: Trainer,
        callbacks: Iterable[Callback],
        feeds: Sequence[CheckedBatches],
        settings: Settings,
        epochs: int,
    ) -> None:
        """Before anything else happens: go on from the file, if there is one, or fail.

        `callbacks` are those whose states are kept, the history first; `feeds` the iterables of batches. `settings` are
        all but the model's.
        """
        self.trainer, self.callbacks, self.feeds = trainer, list(callbacks), feeds
        self.resumed = self.saved = None
        self.states: list[Any] | None = None  # of callbacks that have still to begin
        described = {name: describe(value) for name, value in settings.items()}
        described["callbacks"] = [describe(callback, callback.places) for callback in self.callbacks[1:]]
        if self.given:
            described[GIVEN] = describe(self.given)
        self.fixed = Settings(described, [*settings.defaults, GIVEN])
        self.settings = self._settings()
        if not self.resume or not os.path.exists(self.path):
            return
        state = read_state(self.path)
        try:
            self._compare(state["settings"], state["settings_then"] or state["settings"], state.get("seed"))
            self._restore(state)
        except OptionError:
            raise
        except Exception as error:  # whatever a made-up file leads to
            raise FormatError(
                f"{self.path} is damaged: its state cannot be restored ({error!r}). Remove it to begin anew"
            ) from error
        progress = trainer.progress
        if progress.epoch > epochs or (progress.epoch == epochs and progress.step):
            raise OptionError(f"{self.path} is at epoch {progress.epoch + 1}, but training ends after {epochs}")
        self.resumed = self.saved = progress.epoch, progress.step

    def discard(self) -> None:
        """Delete the file."""
        for path in (self.path, temporary(self.path)):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise FileError(f"cannot delete {path}: {error.strerror or error}") from error

    # ---- what it is told, after all other callbacks ----------------------------------------------------------------

    def on_train_begin(self, logs: Logs) -> None:
        if self.resumed:
            if not self.trainer.progress.resumed:
                self._restore_callbacks()
        elif not os.path.exists(self.path):
            self.write()

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.states is not None:
            self._restore_callbacks()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        if self.every and (batch + 1) % self.every == 0:
            self.write()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.write()

    # ---- there and back --------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the file now."""
        trainer, model = self.trainer, self.trainer.model
        named = dict(model.named_parameters())
        then = self._settings()
        state = {
            "settings": self.settings,
            "settings_then": None if then == self.settings else then,
            "progress": trainer.progress.get_state(model.backend),
            "seed": random.chosen_seed(),
            "random": list(random.get_state()),
            "stop_training": model.stop_training,
            "batches": [feed.get_state() for feed in self.feeds],
            "inputs": [list(shape) for shape in model.input_shapes],
            "weights": {name: p.backend.to_numpy(p.value) for name, p in named.items()},
            "gradients": {name: p.backend.to_numpy(p.grad) for name, p in named.items() if p.has_grad},
            "trained": [name for name, p in named.items() if p.trainable],
            "optimizer": trainer.optimizer.get_state(named),
            "metrics": [metric.get_state(model.backend) for metric in model.metrics],
            "callbacks": [callback.get_state() for callback in self.callbacks],
        }
        write_state(self.path, state)
        self.saved = trainer.progress.epoch, trainer.progress.step

    def _settings(self) -> dict[str, Any]:
        return Settings(describe_model(self.trainer.model) | self.fixed, [*self.fixed.defaults, "jit"])

    def _compare(self, begun: dict[str, Any], then: dict[str, Any], seed: int | None) -> None:
        """Refuse a file of another run. `begun` is what its run began with, `then` what had become of that: with a
        model that has been in training already, in a notebook, one begins there. A seed that nobody chose, in either
        run, is another each time, and no difference.
        """
        own = random.chosen_seed()
        seeds = [f"xpnet.seed is {seed} in the backup, {own} here"] if None not in (seed, own) and seed != own else []
        found = [*seeds, *differences(begun, self.settings)]
        if not seeds and (not found or not any(True for _ in differences(then, self.settings))):
            return
        if GIVEN in begun and self.given:  # the others most likely follow from these
            found = list(differences(begun[GIVEN], self.settings[GIVEN])) or found
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise OptionError(
            f"{self.path} belongs to another training: {'; '.join(found[:SHOWN])}{more}. To go on, train with the same"
            " settings and data; to begin anew, remove the file or choose another path"
        )

    def _restore(self, state: dict[str, Any]) -> None:
        trainer, model = self.trainer, self.trainer.model
        if state["weights"] and state.get("inputs") and not model._built:  # its first batch had built it
            model.build(*map(tuple, state["inputs"]))
        named = dict(model.named_parameters())
        if state["weights"]:
            trainer.parameters = trainer.begin()
        for name, p in named.items():
            p.value, p.trainable = state["weights"][name], name in state["trained"]
        trainer.optimizer.set_state(state["optimizer"], named)
        for name, gradient in state["gradients"].items():
            named[name].grad = gradient
        for metric, own in zip(model.metrics, state["metrics"], strict=True):
            metric.set_state(own, model.backend)
        trainer.progress.set_state(state["progress"], model.backend)
        model.stop_training = state["stop_training"]
        for feed, own in zip(self.feeds, state.get("batches", ()), strict=False):  # older files have none
            feed.set_state(own)
        self.states = [own for _, own in zip(self.callbacks, state["callbacks"], strict=True)]
        seed, taken = map(int, state["random"])
        self.random = (seed, taken)

    def _restore_callbacks(self) -> None:
        """Now that they have begun; and the random state, which they may have drawn from."""
        assert self.states is not None
        for callback, state in zip(self.callbacks, self.states, strict=True):
            try:
                callback.set_state(state)
            except XpnetError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise FormatError(
                    f"{self.path} is damaged: {type(callback).__name__} cannot go on from its state ({error!r}). Remove"
                    " it to begin anew"
                ) from error
        self.states = None
        random.set_state(self.random)


def take_backup(callbacks: Iterable[Callback]) -> tuple[list[Callback], list[Backup]]:
    """The other callbacks, and the Backup, if there is one: it must be told after all others."""
    if not isinstance(callbacks, Iterable):
        raise OptionError(f"callbacks must be a Callback or a list of them, not {callbacks!r}")
    callbacks = list(callbacks)
    backups = [callback for callback in callbacks if isinstance(callback, Backup)]
    if len(backups) > 1:
        raise OptionError(f"fit takes one Backup, not {len(backups)}")
    return [callback for callback in callbacks if not isinstance(callback, Backup)], backups
