"""`xpnet train`: a network on MNIST, from the first batch to the saved weights and pictures."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from xpnet import random
from xpnet.backend import get_backend
from xpnet.callbacks import Backup, Callback, CSVLogger, History, Logs, Monitor, TimeLimit
from xpnet.callbacks.comparison import Settings
from xpnet.cli.common import backend_option, data_option, duration, json_option, print_json
from xpnet.cli.ends import CLOSED, INTERRUPTED, let_go
from xpnet.cli.results import Results, peak_memory_mb
from xpnet.data.batches import split
from xpnet.data.datasets import mnist
from xpnet.errors import FormatError, MissingExtraError, NonFiniteError, OptionError
from xpnet.model import Model
from xpnet.networks.recipes import NETWORKS, RECIPES, Recipe
from xpnet.optimizers import OPTIMIZERS
from xpnet.schedules import SCHEDULES
from xpnet.visualize import require_matplotlib


def _default(field: str) -> str:
    """The defaults in words: 100; lenet5 64; mlp 32; best 50."""
    usual = getattr(NETWORKS["deepconvnet"], field)
    all_of_them = (NETWORKS | RECIPES).items()
    others = [f"{name} {value}" for name, recipe in all_of_them if (value := getattr(recipe, field)) != usual]
    return f"[default: {'; '.join([str(usual), *others])}]"


@click.command(short_help="Train a network on MNIST and test it.")
@click.argument("network", metavar="[NETWORK]", required=False, type=click.Choice(list(NETWORKS), case_sensitive=False))
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Settings that belong together, for a network of their own or for NETWORK: best is after accuracy, with"
    " augmentation and averaged weights; fast after the seconds to 99 %. The options below change single ones.",
)
@click.option("--epochs", type=click.IntRange(min=1), help=f"How often to go through the data.  {_default('epochs')}")
@click.option("--batch-size", type=click.IntRange(min=1), help=f"Images in one step.  {_default('batch_size')}")
@click.option("--lr", type=float, help=f"Learning rate, at the start.  {_default('lr')}")
@click.option("--optimizer", type=click.Choice(list(OPTIMIZERS)), help=_default("optimizer"))
@click.option(
    "--schedule",
    type=click.Choice(list(SCHEDULES)),
    help="How the learning rate changes: cosine lowers it to zero over the whole training, which helps the accuracy;"
    " warmup does so after a rise in the first twentieth; one_cycle rises to --lr in the first 30 % and falls; step"
    f" divides it by ten after each third; exponential lowers it to a hundredth.  {_default('schedule')}",
)
@click.option("--weight-decay", type=float, help="How much to shrink the weights.  [default: 0; adamw 0.01]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same weights."
)
@click.option("--out", type=click.Path(), metavar="FOLDER", help="Where the files go.  [default: runs/NETWORK]")
@data_option
@click.option(
    "--variant",
    type=click.Choice(["modern", "1998"]),
    help="Of lenet5: as it is taught today, or as it was published.  [default: modern]",
)
@click.option(
    "--no-last-dropout",
    is_flag=True,
    help="Of deepconvnet: leave out the dropout behind the last layer, which the book has; it learns faster without.",
)
@click.option(
    "--time-limit",
    type=duration,
    metavar="TIME",
    help="End training after this time, such as 90s, 30m or 1h30m, and go on to the test as if it were complete:"
    " it cannot be resumed.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Train on the first N images only: a quick try.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="SHARE",
    help="Hold out this share of the training images, and keep the weights of the epoch that is best on them."
    "  [default: 0: the test images are looked at after every epoch, and the last weights are kept]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a training that was interrupted, with the same options, as if it had not been.",
)
@click.option(
    "--backup-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="How often to write down how far training is, for --resume.  [default: at the end of each epoch]",
)
@click.option("--quiet", is_flag=True, help="Print the result only.")
@backend_option
@json_option
def train(
    network: str | None,
    recipe: str | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    optimizer: str | None,
    schedule: str | None,
    weight_decay: float | None,
    seed: int,
    out: str | None,
    data: str | None,
    variant: str | None,
    no_last_dropout: bool,
    time_limit: float | None,
    limit: int | None,
    validation: float,
    resume: bool,
    backup_every: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Train a network on MNIST and test it.

    NETWORK is simpleconvnet, deepconvnet, lenet5 or mlp; with --recipe it may be left out.

    The folder of --out gets NETWORK.safetensors (the trained network), history.csv, history.png (loss and accuracy by
    epoch) and misclassified.png (sixteen test digits that the network gets wrong).

    Ctrl-C keeps the history and the weights of the best epoch so far: best on the held-out images with --validation,
    else on the test images. Before the end of the first epoch the files of an earlier training stay as they are.

    What was interrupted, by Ctrl-C or otherwise, goes on with the same command and --resume: from the end of the first
    epoch, or from --backup-every steps, until training is finished the folder also holds NETWORK.backup.safetensors,
    from which the same weights come as without the interruption.
    """
    options = _network_options(network, variant, no_last_dropout)
    given = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "optimizer": optimizer, "schedule": schedule}
    choice = _chosen(network, recipe, given | {"weight_decay": weight_decay})
    name = network or str(recipe)
    no_pictures = _no_pictures()
    results = Results(out or f"runs/{name}", name, pictures=not no_pictures)
    if resume and not results.backup.exists():
        raise OptionError(
            f"there is nothing to resume: {results.backup} does not exist; train without --resume, or say with --out"
            " where the interrupted training is"
        )
    results.prepare()
    same = {"--seed": seed, "--limit": limit, "--validation": validation, "--recipe": recipe}
    same["--data"] = data and os.path.abspath(data)
    also = {"--variant": variant, "--no-last-dropout": no_last_dropout, "--time-limit": time_limit}
    also["--backend"] = get_backend().name
    # backups that lack these are older; what follows from the options is compared in any case
    settings = Settings(_options(choice) | same | also, defaults=also)
    backup = Backup(  # kept until the results are written
        results.backup, backup_every, keep=True, resume=resume, settings=settings
    )
    if results.backup.exists() and not resume and not quiet:
        click.echo(f"xpnet: begins anew; --resume goes on with the training in {results.backup}", err=True)

    random.seed(seed)
    model = choice.make(**options)
    (x, t), test = mnist(data)
    x, t = x[:limit], t[:limit]
    held_out, labels = test, ("training", "test")
    if validation:
        (x, t), held_out = split(x, t, validation)
        labels = ("training", "validation")
    choice.compile(model, len(x))

    best = BestWeights()
    callbacks: list[Callback] = [CSVLogger(results.csv), best]
    clock = TimeLimit(time_limit) if time_limit else None
    if clock:
        callbacks.append(clock)
    verbose = 0 if quiet else 1 if sys.stderr.isatty() else 2
    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            history = choice.fit(model, x, t, verbose, [*callbacks, backup], held_out)
    except (KeyboardInterrupt, BrokenPipeError) as error:
        closed = isinstance(error, BrokenPipeError)
        if closed:
            let_go()
        epoch = len(model.history.epoch if model.history else []) + 1
        if best.weights is None and results.earlier:
            kept = f"the files of an earlier training in {results.weights.parent} are as they were"
        else:
            kept = _keep(model, best, results, labels)
        why = "nobody reads the output any more (--quiet prints little): ended" if closed else "interrupted"
        click.echo(f"xpnet: {why} in epoch {epoch}; {kept}{_to_go_on(backup)}", err=True)
        return CLOSED if closed else INTERRUPTED
    except NonFiniteError as error:
        if backup.saved:
            backup.discard()  # it would lead to the same end
        if best.weights is None:
            raise
        raise NonFiniteError(f"{error}; {_keep(model, best, results, labels)}") from error
    except (FormatError, OptionError) as error:
        if str(results.backup) not in str(error):
            raise
        raise type(error)(f"{error}. The same command without --resume begins anew, too") from error
    seconds = time.perf_counter() - start
    if validation:
        best.restore()
    model.save(results.weights)

    scores = model.evaluate(*test, return_dict=True)
    results.draw(model, history, test, labels)
    backup.discard()  # all is written; now come words, which may find nobody who reads them
    if clock and clock.stopped_epoch is not None and clock.stopped_step is not None:
        place = f"epoch {clock.stopped_epoch + 1}, step {clock.stopped_step + 1}"
        click.echo(f"xpnet: the time limit ended training in {place}", err=True)
    if no_pictures:
        click.echo(f"xpnet: no pictures were drawn: {no_pictures}", err=True)
    if not (quiet and as_json):
        _tell(scores, history, results, lambda line: click.echo(line, err=as_json))
    if as_json:
        print_json(
            {
                "network": network or model.kind,
                "recipe": recipe,
                "parameters": sum(parameter.size for parameter in model.parameters()),
                "epochs": choice.epochs,
                "batch_size": choice.batch_size,
                "backend": model.backend.name,
                "seed": seed,
                "test_accuracy": scores["accuracy"],
                "test_loss": scores["loss"],
                "images_per_second": history.samples_per_second,
                "peak_memory_mb": peak_memory_mb(),
                "seconds": seconds,
                "history": history.history,
                "files": results.files(),
            }
        )
    return 0


def _chosen(network: str | None, recipe: str | None, given: dict[str, Any]) -> Recipe:
    """The recipe, or the network's usual one, with what is given instead of its own settings."""
    if network is None and recipe is None:
        raise click.UsageError(
            f"which network? Name one of {', '.join(NETWORKS)}, or choose a --recipe", click.get_current_context()
        )
    chosen = RECIPES[recipe] if recipe else NETWORKS[str(network)]
    if network:
        chosen = replace(chosen, make=NETWORKS[network].make, loss=NETWORKS[network].loss)
    return replace(chosen, **{name: value for name, value in given.items() if value is not None})


def _options(choice: Recipe) -> dict[str, Any]:
    """The settings that --resume needs again, under the names that they have on the command line."""
    names = ["batch_size", "lr", "optimizer", "schedule", "weight_decay"]
    if choice.schedule != "constant":  # every other schedule has its length
        names.append("epochs")
    return {f"--{name.replace('_', '-')}": getattr(choice, name) for name in names}


def _network_options(network: str | None, variant: str | None, no_last_dropout: bool) -> dict[str, Any]:
    """The options that only one network has, as arguments of its constructor."""
    options: dict[str, Any] = {}
    for owner, option, given, arguments in (
        ("lenet5", "--variant", variant, {"variant": variant}),
        ("deepconvnet", "--no-last-dropout", no_last_dropout, {"last_dropout": False}),
    ):
        if given and network != owner:
            raise click.UsageError(f"{option} is for {owner}", click.get_current_context())
        if given:
            options |= arguments
    return options


class BestWeights(Monitor):
    """Remembers the weights of the epoch with the best val_accuracy: on held-out images, else on the test images."""

    def __init__(self) -> None:
        super().__init__("val_accuracy", "max")
        self.weights: list[Any] | None = None
        self.epoch = 0  # from 1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.improved(logs):
            self.weights, self.epoch = self.model.get_weights(), epoch + 1

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"weights": self.weights, "epoch": self.epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.weights, self.epoch = state["weights"], state["epoch"]

    def restore(self) -> None:
        if self.weights is not None:
            self.model.set_weights(self.weights)


def _no_pictures() -> str:
    """Why no pictures can be drawn, or nothing."""
    try:
        require_matplotlib()
    except MissingExtraError as error:
        return str(error)
    return ""


def _keep(model: Model, best: BestWeights, results: Results, labels: tuple[str, str]) -> str:
    """Save what an unfinished training has to show, and say what that is."""
    best.restore()
    model.save(results.weights)
    if best.weights is None:
        return f"kept the weights as they are in {results.weights}"
    results.draw_history(model.history or History(), labels)
    if results.misclassified_png:
        results.misclassified_png.unlink(missing_ok=True)  # of an earlier network, if there is one
    which = f"of epoch {best.epoch} (best {labels[1]} accuracy so far: {best.best:.4f})"
    return f"kept the weights {which} in {results.weights} and the history in {results.csv}"


def _to_go_on(backup: Backup) -> str:
    """How an interrupted training goes on; a backup of its very beginning is removed, for there is nothing in it."""
    if backup.saved == (0, 0):
        backup.discard()
    if backup.saved in (None, (0, 0)):
        return "; --resume has nothing to go on from yet: it has after an epoch, or after N steps with --backup-every N"
    epoch, step = backup.saved
    after = f", after step {step}" if step else ""
    return f"; the same command with --resume goes on in epoch {epoch + 1}{after}"


def _tell(scores: dict[str, float], history: History, results: Results, say: Callable[[str], None]) -> None:
    """The last lines."""
    say(f"test accuracy {scores['accuracy']:.4f}")
    say(f"test loss {scores['loss']:.4f}")
    say(f"images per second {history.samples_per_second:.0f}")
    for name, path in results.files().items():
        if path:
            say(f"{name.replace('_png', '')} {path}")
