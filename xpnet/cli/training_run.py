"""What `xpnet train` does: a plan from its options, and the run of it."""

import contextlib
import os
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from xpnet import random
from xpnet.backend import get_backend
from xpnet.base.console import is_terminal
from xpnet.callbacks import Backup, Callback, CSVLogger, History, Logs, TimeLimit
from xpnet.callbacks.comparison import Described
from xpnet.callbacks.monitor import BestEpoch
from xpnet.cli.agreement import agree, leads
from xpnet.cli.ends import CLOSED, INTERRUPTED, discard_output
from xpnet.cli.pictures import OwnPictures, holds_classes
from xpnet.cli.play import open_page
from xpnet.cli.results import Results
from xpnet.cli.step_curve import StepCurve
from xpnet.data.batches import split
from xpnet.data.datasets import Labelled, mnist
from xpnet.errors import FormatError, MissingExtraError, NonFiniteError, OptionError
from xpnet.model import Model
from xpnet.networks.recipes import NETWORKS, RECIPES, Recipe
from xpnet.parallel import get_communicator
from xpnet.visualize import require_matplotlib

if TYPE_CHECKING:
    from xpnet.serving.watch import Watch

# ---- the plan --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """The command line as it was given: None is what was left out."""

    network: str | None
    recipe: str | None
    epochs: int | None
    batch_size: int | None
    lr: float | None
    optimizer: str | None
    schedule: str | None
    weight_decay: float | None
    seed: int
    out: str | None
    data: str | None
    variant: str | None
    no_last_dropout: bool
    time_limit: float | None
    limit: int | None
    validation: float
    resume: bool
    backup_every: int | None
    watch: int | None  # a port; -1 is any
    browser: bool | None  # None: in a terminal
    quiet: bool
    as_json: bool
    shards: int | None = None


@dataclass(frozen=True)
class Plan:
    """A training that can begin: its recipe, the arguments of its network's constructor, and where its files go."""

    options: Options
    recipe: Recipe
    arguments: dict[str, Any]
    results: Results
    backup: Backup
    no_pictures: str  # why none can be drawn, or nothing
    watch: "Watch | None"  # its page is served already


def plan_training(options: Options) -> Plan:
    """Check the options, before anything is read or computed. Makes the folder of the results.

    Raises click.UsageError for options that do not fit together, OptionError if there is nothing to resume or the port
    of --watch is taken, FileError for a folder that cannot be written to.
    """
    arguments = _network_arguments(options)
    recipe = _chosen_recipe(options)
    name = options.network or str(options.recipe)
    no_pictures = _why_no_pictures()
    results = Results(options.out or f"runs/{name}", name, pictures=not no_pictures)
    first = leads()
    if first and options.resume and not results.backup.exists():
        raise OptionError(
            f"there is nothing to resume: {results.backup} does not exist; train without --resume, or say with --out"
            " where the interrupted training is"
        )
    if first:
        results.prepare()
    settings = _settings_to_compare(options, recipe)
    backup = Backup(  # kept until the results are written
        results.backup, options.backup_every, keep=True, resume=options.resume, settings=settings
    )
    return Plan(options, recipe, arguments, results, backup, no_pictures, _watch(options))


def _watch(options: Options) -> "Watch | None":
    """The page of --watch, which is served from now on, and opened for whoever sits there."""
    if options.watch is None:
        if options.browser is not None:
            raise click.UsageError("--browser and --no-browser go with --watch", click.get_current_context())
        return None
    from xpnet.serving.watch import Watch

    watch = Watch(None if options.watch < 0 else options.watch)
    address = watch.open()
    if options.quiet:  # else it says so itself
        click.echo(f"watch this training: {address}", err=True)
    if is_terminal() if options.browser is None else options.browser:
        open_page(address)
    return watch


def _network_arguments(options: Options) -> dict[str, Any]:
    """The options that only one network has, as arguments of its constructor."""
    arguments: dict[str, Any] = {}
    for owner, option, chosen, argument in (
        ("lenet5", "--variant", options.variant, {"variant": options.variant}),
        ("deepconvnet", "--no-last-dropout", options.no_last_dropout, {"last_dropout": False}),
    ):
        if chosen and options.network != owner:
            raise click.UsageError(f"{option} is for {owner}", click.get_current_context())
        if chosen:
            arguments |= argument
    return arguments


def _chosen_recipe(options: Options) -> Recipe:
    """The recipe, or the network's usual one, with what is given instead of its own settings."""
    network = options.network
    if network is None and options.recipe is None:
        raise click.UsageError(
            f"which network? Name one of {', '.join(NETWORKS)}, or choose a --recipe", click.get_current_context()
        )
    chosen = RECIPES[options.recipe] if options.recipe else NETWORKS[str(network)]
    if network:
        chosen = replace(chosen, make=NETWORKS[network].make, loss=NETWORKS[network].loss)
    names = ("epochs", "batch_size", "lr", "optimizer", "schedule", "weight_decay")
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    return replace(chosen, **changes)


def _why_no_pictures() -> str:
    try:
        require_matplotlib()
    except MissingExtraError as error:
        return str(error)
    return ""


def _settings_to_compare(options: Options, recipe: Recipe) -> Described:
    """What --resume needs again, under the names that it has on the command line."""
    names = ["batch_size", "lr", "optimizer", "schedule", "weight_decay"]
    if recipe.schedule != "constant":  # every other schedule has its length
        names.append("epochs")
    chosen = {f"--{name.replace('_', '-')}": getattr(recipe, name) for name in names}
    same: dict[str, Any] = {"--seed": options.seed, "--limit": options.limit, "--validation": options.validation}
    same |= {"--recipe": options.recipe, "--data": options.data and os.path.abspath(options.data)}
    also: dict[str, Any] = {"--variant": options.variant, "--no-last-dropout": options.no_last_dropout}
    also |= {"--time-limit": options.time_limit, "--backend": get_backend().name}
    # backups that lack these are older; what follows from the options is compared in any case
    return Described(chosen | same | also, defaults=also)


# ---- the run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a complete training gave: the network, and how good it is on the test images."""

    model: Model
    history: History
    scores: dict[str, float]
    seconds: float  # of training alone
    ended_by_clock: str  # where the time limit ended it, or nothing


class Interrupted(Exception):
    """Training ended before its time, and what it has to show is kept: says so, and has the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class BestWeights(BestEpoch):
    """Remembers the weights of the epoch with the best val_accuracy: on held-out images, else on the test images."""

    last_epoch: int | None = None

    def __init__(self) -> None:
        super().__init__("val_accuracy", "max")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.last_epoch = epoch
        self.remember(epoch, logs)

    def set_state(self, state: dict[str, Any]) -> None:
        """Older backups have other names, and count epochs from 1."""
        if "weights" in state:
            state = state | {"best_weights": state["weights"], "best_epoch": state["epoch"] - 1}
        super().set_state(state)


@dataclass(frozen=True)
class Training:
    """What a run is made of: the compiled network, the data, and the callbacks that are asked afterwards."""

    plan: Plan
    model: Model
    train: Labelled
    held_out: Labelled  # looked at after each epoch
    test: Labelled
    labels: tuple[str, str]  # of train and held_out
    best: BestWeights
    clock: TimeLimit | None
    curve: StepCurve | None  # over the steps, if there is one epoch only


def run_training(plan: Plan) -> Outcome | None:
    """Train, test, and write the results; None on a worker that leaves the last two to another one.

    Raises Interrupted after Ctrl-C and when nobody reads the output any more, NonFiniteError for a loss that is not
    finite, and what reading data and a backup raises.
    """
    training = agree(get_communicator(), lambda: prepare_training(plan))
    history, seconds = fit(training)
    return write_results(training, history, seconds) if leads() else None


def write_results(training: Training, history: History, seconds: float) -> Outcome:
    """Test the network, and write it, its pictures and its history."""
    plan, model = training.plan, training.model
    if plan.options.validation:
        training.best.restore()
        best = training.best
        if best.best_epoch not in (None, best.last_epoch) and not plan.options.quiet:
            found = f"epoch {best.best_epoch + 1}, the best on the validation images ({best.best:.4f})"
            click.echo(f"xpnet: went back to the weights of {found}", err=True)
    model.save(plan.results.weights)
    scores: dict[str, float] = model.evaluate(*training.test, return_dict=True)
    plan.results.draw(model, history, training.test, training.labels, training.curve)
    plan.backup.discard()  # all is written; now come words, which may find nobody who reads them
    clock, ended = training.clock, ""
    if clock and clock.stopped_epoch is not None and clock.stopped_step is not None:
        ended = f"epoch {clock.stopped_epoch + 1}, step {clock.stopped_step + 1}"
    return Outcome(model, history, scores, seconds, ended)


def prepare_training(plan: Plan) -> Training:
    """Make the network, read the data, and compile."""
    options = plan.options
    if plan.results.backup.exists() and not options.resume and not options.quiet and leads():
        click.echo(f"xpnet: begins anew; --resume goes on with the training in {plan.results.backup}", err=True)
    random.seed(options.seed)
    model, train, held_out, test = (_on_pictures if holds_classes(options.data) else _on_digits)(plan)
    labels = ("training", "validation" if options.validation else "test")
    plan.recipe.compile(model, len(train[0]))
    clock = TimeLimit(options.time_limit) if options.time_limit else None
    if clock:
        clock.speaks = False  # the command does, in the end
    curve = StepCurve() if plan.recipe.epochs == 1 and plan.results.history_png else None
    return Training(plan, model, train, held_out, test, labels, BestWeights(), clock, curve)


def _on_digits(plan: Plan) -> tuple[Model, Labelled, Labelled, Labelled]:
    """The network, what to train on, what to look at after each epoch, and the test images."""
    options = plan.options
    model = plan.recipe.make(**plan.arguments)
    (x, t), test = mnist(options.data)
    train, held_out = (x[: options.limit], t[: options.limit]), test
    if options.validation:
        train, held_out = split(*train, options.validation)
    return model, train, held_out, test


def _on_pictures(plan: Plan) -> tuple[Model, Labelled, Labelled, Labelled]:
    """The same, of a folder of one's own pictures."""
    options = plan.options
    own = OwnPictures(str(options.data))
    train, held_out, test = own.parts(options.seed, options.limit, options.validation)
    model = plan.recipe.make(**plan.arguments, classes=len(own.classes))
    model.class_names, model.preparation = own.classes, own.how
    if not options.quiet and leads():
        counts = f"{len(train[0])} pictures to train on, {len(test[0])} to test on"
        click.echo(f"xpnet: {options.data}: {own.in_words()}, {counts}", err=True)
    return model, train, held_out or test, test


def fit(training: Training) -> tuple[History, float]:
    """The history and the seconds of training. What ends it before its time leaves what there is to keep."""
    plan, options = training.plan, training.plan.options
    around: list[Callback] = [CSVLogger(plan.results.csv), training.best, plan.backup]
    around += [each for each in (training.clock, plan.watch, training.curve) if each is not None]
    verbose = 0 if options.quiet else 1 if is_terminal() else 2
    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr if options.as_json else sys.stdout):
            history = plan.recipe.fit(
                training.model, *training.train, verbose, around, training.held_out, options.shards
            )
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise _interrupted(training, closed=isinstance(error, BrokenPipeError)) from error
    except NonFiniteError as error:
        if not leads():
            raise
        if plan.backup.saved:
            plan.backup.discard()  # it would lead to the same end
        if training.best.best_weights is None:
            raise
        raise NonFiniteError(f"{error}; {_keep(training)}") from error
    except (FormatError, OptionError) as error:
        if str(plan.results.backup) not in str(error):
            raise
        raise type(error)(f"{error}. The same command without --resume begins anew, too") from error
    return history, time.perf_counter() - start


# ---- a run that ends before its time ---------------------------------------------------------------------------------


def _interrupted(training: Training, closed: bool) -> Interrupted:
    """By Ctrl-C, or because nobody reads what it prints."""
    if closed:
        discard_output()
    results, history = training.plan.results, training.model.history
    epoch = len(history.epoch if history else []) + 1
    if training.best.best_weights is None and results.earlier:
        kept = f"the files of an earlier training in {results.weights.parent} are as they were"
    else:
        kept = _keep(training)
    why = "nobody reads the output any more (--quiet prints little): ended" if closed else "interrupted"
    message = f"{why} in epoch {epoch}; {kept}{_how_to_go_on(training.plan.backup)}"
    return Interrupted(message, CLOSED if closed else INTERRUPTED)


def _keep(training: Training) -> str:
    """Save what an unfinished training has to show, and say what that is."""
    results, best = training.plan.results, training.best
    best.restore()
    training.model.save(results.weights)
    if best.best_weights is None or best.best_epoch is None:
        return f"kept the weights as they are in {results.weights}"
    results.draw_history(training.model.history or History(), training.labels, training.curve)
    if results.misclassified_png:
        results.misclassified_png.unlink(missing_ok=True)  # of an earlier network, if there is one
    which = f"of epoch {best.best_epoch + 1} (best {training.labels[1]} accuracy so far: {best.best:.4f})"
    return f"kept the weights {which} in {results.weights} and the history in {results.csv}"


def _how_to_go_on(backup: Backup) -> str:
    """How an interrupted training goes on; a backup of its very beginning is removed, for there is nothing in it."""
    if backup.saved == (0, 0):
        backup.discard()
    if backup.saved in (None, (0, 0)):
        return "; --resume has nothing to go on from yet: it has after an epoch, or after N steps with --backup-every N"
    epoch, step = backup.saved
    after = f", after step {step}" if step else ""
    return f"; the same command with --resume goes on in epoch {epoch + 1}{after}"
