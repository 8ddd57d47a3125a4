"""The callback that lets training go on after it was killed, with the same bits as if it had not been."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpnet import random
from xpnet.base.atomic_files import checked_path, file_errors, remove_unfinished
from xpnet.base.checks import whole
from xpnet.base.claims import INHERITED, Claim
from xpnet.base.console import say
from xpnet.callbacks.base import KEEPS, Callback, Logs, TrainingRun
from xpnet.callbacks.comparison import Described, checked, describe, describe_model, differences
from xpnet.errors import FormatError, OptionError, XpnetError
from xpnet.files.state import read_state, write_state
from xpnet.parallel import get_communicator

SHOWN = 4  # differences in one message
OWN = "settings"  # what the user's own settings are called among all


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
    the file before when there is room again. A damaged file, or one of a newer xpnet, raises FormatError; so does one
    of format 1, whose random draws were counted.

    Kept are weights, running statistics, the optimizer and its schedule, the random state, the position in the shuffle,
    the sums of the unfinished epoch, the history, and of each callback what its `get_state` gives; not what a layer of
    your own remembers beside its parameters. An iterable of batches that has no `starting_at`, as a Loader has, is read
    again from its first epoch to the place, which takes time; what it draws must come from xpnet.random or from a
    generator that is seeded. files/state.py says how the file is made.
    """

    rank = KEEPS
    single = True
    run: TrainingRun
    followers: list[Callback]
    states: list[Any] | None  # of callbacks that have still to begin
    setup: Described
    described: Described
    random: tuple[int, int, dict[str, int]]

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int | None = None,
        keep: bool = False,
        resume: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.keep, self.resume = os.fspath(checked_path(path)), keep, resume
        self.own_settings = checked(settings)
        self.every = None if every is None else whole("Backup: every", every)
        self.claim: Claim | None = None
        self.resumed: tuple[int, int] | None = None  # the epoch and the step, from 0, where this run went on
        self.saved: tuple[int, int] | None = None  # those that the file stands at

    # ---- what it is told, after all other callbacks ----------------------------------------------------------------

    def on_run_begin(self, run: TrainingRun) -> None:
        """Go on from the file, if there is one, or fail."""
        self.run = run
        self.followers = [follower for follower in run.followers if follower is not self and follower.recorded]
        self.resumed = self.saved = None
        self.states = None
        self.setup = self._describe_setup()
        self.described = self._describe_now()
        if self.resume and self._is_there():
            self._go_on(self._read())
            if run.verbose and self.leads:
                say(f"resumes {run.place_in_words()}, from {self.path}")

    def on_train_begin(self, logs: Logs) -> None:
        if not self.leads:
            if self.states is not None and not self.run.next_step[1]:
                self._restore_callbacks()
            return
        with self._take().released_by_errors():
            _, step = self.run.next_step
            if self.states is None:
                if not os.path.exists(self.path):
                    self.write()
            elif not step:  # else the epoch that it goes on in has to begin first
                self._restore_callbacks()

    def on_lead(self) -> None:
        self._take(INHERITED)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        if self.states is not None:
            self._restore_callbacks()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        if self.every and (batch + 1) % self.every == 0:
            self.write()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.write()

    def on_train_end(self, logs: Logs) -> None:
        if self.claim is not None:
            self.claim.release()

    def on_run_end(self) -> None:
        if not self.keep:
            self.by_leader(self.discard)

    # ---- there and back --------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the file now; of several workers one does."""
        self.by_leader(self._write)
        self.saved = self.run.next_step

    def _write(self) -> None:
        now = self._describe_now()
        state = {
            "settings": self.described,
            "settings_then": None if now == self.described else now,
            "seed": random.chosen_seed(),
            "random": list(random.get_state()),
            **self.run.get_state(),
            "callbacks": [follower.get_state() for follower in self.followers],
        }
        write_state(self.path, state)

    def discard(self) -> None:
        """Delete the file; a symbolic link to it stays."""
        with file_errors(f"cannot delete {self.path}", advice=""), contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.realpath(self.path))

    def _is_there(self) -> bool:
        """Whether the worker that writes the file sees it."""
        workers = get_communicator()
        found = workers.together(
            lambda: workers.of_leader(b"yes" if workers.leads and os.path.exists(self.path) else b"")
        )
        return found == b"yes"

    def _read(self) -> dict[str, Any]:
        """The state in the file; other workers get it sent, as their machines may not see it."""
        workers = get_communicator()
        if workers.size == 1:
            return read_state(self.path)
        state: dict[str, Any] | None = None

        def attempt() -> bytes:
            nonlocal state
            state = read_state(self.path) if workers.leads else None  # what is wrong with it, the first says
            return workers.of_leader(b"" if state is None else Path(self.path).read_bytes())

        data = workers.together(attempt)
        if state is not None:
            return state
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "backup.safetensors")
            copy.write_bytes(data)
            return read_state(copy)

    def _take(self, patience: float = 0) -> Claim:
        """The file is this training's, and nobody else writes to it."""
        self.claim = Claim(self.path, "Backup", patience=patience)
        with self.claim.released_by_errors():
            if self.claim.is_held:
                self._remove_unfinished()
        return self.claim

    def _remove_unfinished(self) -> None:
        """What an earlier process left when it was killed while it wrote."""
        with file_errors(f"cannot write {self.path}", ". Choose another path"):
            remove_unfinished(self.path)

    def _go_on(self, state: dict[str, Any]) -> None:
        """Put the run where the file was written; or refuse a file that is damaged, or of another run."""
        try:
            self._compare(state["settings"], state["settings_then"] or state["settings"], state.get("seed"))
            self.run.set_state(state)
            self.states = [own for _, own in zip(self.followers, state["callbacks"], strict=True)]
            first, second, taken = state["random"]
            self.random = int(first), int(second), {purpose: int(number) for purpose, number in taken.items()}
        except OptionError:
            raise
        except Exception as error:  # whatever a made-up file leads to
            raise FormatError(
                f"{self.path} is damaged: its state cannot be restored ({error!r}). Remove it to begin anew"
            ) from error
        (epoch, step), epochs = self.run.next_step, self.params["epochs"]
        if epoch > epochs or (epoch == epochs and step):
            raise OptionError(f"{self.path} is at epoch {epoch + 1}, but training ends after {epochs}")
        self.resumed = self.saved = epoch, step

    def _describe_setup(self) -> Described:
        """What stays as it is while training goes on: the data, the options, the callbacks, the user's own settings."""
        run = self.run.describe()
        described = {name: describe(value) for name, value in run.items()}
        described["callbacks"] = [describe(follower, follower.places) for follower in self.followers[1:]]
        if self.own_settings:
            described[OWN] = describe(self.own_settings)
        return Described(described, [*run.defaults, OWN])

    def _describe_now(self) -> Described:
        """All that another run has to agree with, with the model as it is now."""
        return Described(describe_model(self.model) | self.setup, [*self.setup.defaults, "jit"])

    def _compare(self, begun: dict[str, Any], then: dict[str, Any], seed: int | None) -> None:
        """Refuse a file of another run. `begun` is what its run began with, `then` what had become of that: with a
        model that has been in training already, in a notebook, one begins there. A seed that nobody chose, in either
        run, is another each time, and no difference.
        """
        own = random.chosen_seed()
        seeds = [f"xpnet.seed is {seed} in the backup, {own} here"] if None not in (seed, own) and seed != own else []
        found = [*seeds, *differences(begun, self.described)]
        if not seeds and (not found or not any(True for _ in differences(then, self.described))):
            return
        if OWN in begun and self.own_settings:  # the others most likely follow from these
            found = list(differences(begun[OWN], self.described[OWN])) or found
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise OptionError(
            f"{self.path} belongs to another training: {'; '.join(found[:SHOWN])}{more}. To go on, train with the same"
            " settings and data; to begin anew, remove the file or choose another path"
        )

    def _restore_callbacks(self) -> None:
        """Now that they have begun; and the random state, which they may have drawn from."""
        assert self.states is not None
        for follower, state in zip(self.followers, self.states, strict=True):
            try:
                follower.set_state(state)
            except XpnetError:
                raise
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise FormatError(
                    f"{self.path} is damaged: {type(follower).__name__} cannot go on from its state ({error!r}). Remove"
                    " it to begin anew"
                ) from error
        self.states = None
        random.set_state(self.random)
