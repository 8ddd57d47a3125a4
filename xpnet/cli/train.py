"""`xpnet train`: a network on MNIST, from the first batch to the saved weights and pictures.

The command and what it prints; what happens in between is training_run.py.
"""

import contextlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from xpnet.backend.cpu.threads import thread_count
from xpnet.base.console import is_terminal
from xpnet.callbacks import History
from xpnet.cli.agreement import agree, one_status
from xpnet.cli.common import PathType, backend_option, data_option, duration, json_option, print_json
from xpnet.cli.results import peak_memory_mb
from xpnet.cli.training_run import Interrupted, Options, Outcome, Plan, plan_training, run_training
from xpnet.cli.workers import (
    OWN,
    Launching,
    described_run,
    launched_option,
    mpi_option,
    restarts_option,
    say_how,
    shards_option,
    threads_option,
    train_on_workers,
    ulfm_option,
    workers_option,
)
from xpnet.files.digest import weights_sha256
from xpnet.networks.recipes import NETWORKS, RECIPES
from xpnet.optimizers import OPTIMIZERS
from xpnet.parallel import SHARDS, get_communicator
from xpnet.parallel.attend import attend
from xpnet.schedules import SCHEDULES

LINE = "xpnet.cli.train.line"  # in a context's `meta`, the command line of a worker
DECIDED = (*OWN, "shards", "threads", "resume")  # by the launcher, for its workers


def _default(field: str) -> str:
    """The defaults in words: 100; lenet5 64; mlp 32; best 50."""
    usual = getattr(NETWORKS["deepconvnet"], field)
    all_of_them = (NETWORKS | RECIPES).items()
    others = [f"{name} {value}" for name, recipe in all_of_them if (value := getattr(recipe, field)) != usual]
    return f"[default: {'; '.join([str(usual), *others])}]"


class _Command(click.Command):
    """Knows that what follows --watch is a port only if it is a number, and else the network. Keeps the command line of
    a worker.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        following = [*args, ""][1:]
        own = [
            "--watch=any" if it == "--watch" and not n.isdecimal() else it
            for it, n in zip(args, following, strict=True)
        ]
        ctx.meta[LINE] = self.worker_line(ctx, list(own))
        return super().parse_args(ctx, own)

    def worker_line(self, ctx: click.Context, args: list[str]) -> list[str]:
        """These arguments, as they were given, without those of the launcher and what it decides on."""
        given, _, _ = self.make_parser(ctx).parse_args(args)
        line: list[str] = []
        for parameter in self.params:
            value = given.get(str(parameter.name))
            if parameter.name in DECIDED:
                continue
            name = parameter.opts[0]
            if isinstance(value, str):  # what is left out is None, or an object of click's own
                line.append(value if isinstance(parameter, click.Argument) else f"{name}={value}")
            elif value is True:
                line.append(name)
        return line


def _port(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Of --watch: -1 is any free one."""
    if text is None or text == "any":
        return None if text is None else -1
    if not text.isdecimal() or int(text) > 65535:
        raise click.BadParameter(f"{text!r} is no port; give a number from 0 to 65535, or none")
    return int(text)


@click.command(cls=_Command, short_help="Train a network on MNIST and test it.")
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
@click.option("--out", type=PathType(), metavar="FOLDER", help="Where the files go.  [default: runs/NETWORK]")
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
@click.option(
    "--watch",
    metavar="[PORT]",
    callback=_port,
    help="Serve a page on this machine on which the training can be watched, paused, stopped, and its learning rate"
    " changed. In a terminal the page stays after the training, whose files are written by then, until Ctrl-C."
    ' Needs pip install "xpnet[web]".  [default port: 8477, or the next free one]',
)
@click.option(
    "--browser/--no-browser",
    default=None,
    help="Open the page of --watch in the browser.  [default: do in a terminal, and not in a script]",
)
@workers_option
@shards_option
@threads_option
@restarts_option
@ulfm_option
@mpi_option
@launched_option
@click.option("--quiet", is_flag=True, help="Print the result only.")
@backend_option
@json_option
def train(**options: Any) -> int:
    """Train a network on MNIST, or on pictures of your own, and test it.

    NETWORK is simpleconvnet, deepconvnet, lenet5, mlp, a small vgg, resnet20, inceptionnet, or lstm or gru, which read
    an image row by row; with --recipe it may be left out.

    On pictures of your own, --data FOLDER with a folder for each class in it, they are scaled to 28 x 28 pixels in
    grey; a fifth of each class is held out for the test, and the network keeps the names of the classes, which
    `xpnet predict` prints then.

    The folder of --out gets NETWORK.safetensors (the trained network), history.csv, history.png (loss and accuracy by
    epoch; of a single epoch, over its steps) and misclassified.png (sixteen test digits that the network gets wrong).

    Ctrl-C keeps the history and the weights of the best epoch so far: best on the held-out images with --validation,
    else on the test images. Before the end of the first epoch the files of an earlier training stay as they are.

    What was interrupted, by Ctrl-C or otherwise, goes on with the same command and --resume: from the end of the first
    epoch, or from --backup-every steps, until training is finished the folder also holds NETWORK.backup.safetensors,
    from which the same weights come as without the interruption.

    With --workers N, N processes share the work, on this machine or, by --mpi-arg, on several that see the same
    folders. The weights depend on --shards and not on N: a training may be resumed on more workers, or on fewer. Where
    a worker dies, the others go on without it, or all are started again.
    """
    threads = options.pop("threads")
    launching = Launching(**{name: options.pop(name) for name in OWN})
    launching.check()
    asked = Options(**options)
    if launching.is_asked_for:
        return train_on_workers(launching, asked, threads, click.get_current_context().meta[LINE])
    if launching.workers and asked.shards is None:
        asked = replace(asked, shards=SHARDS)
    communicator = get_communicator()
    if not communicator.leads:
        warnings.simplefilter("ignore")  # the first says them all
    if launching.launched is not None:
        attend(communicator)
    workers = communicator.size
    with one_status(communicator):
        plan = agree(communicator, lambda: plan_training(asked))
        if launching.workers and not asked.quiet:
            say_how(launching.workers, asked.shards, thread_count())
        try:
            outcome = run_training(plan)
        except Interrupted as end:
            click.echo(f"xpnet: {end}", err=True)
            return end.status
    if outcome is None:
        return 0
    report(plan, outcome, described_run(workers, communicator, asked.shards, launching))
    if plan.watch is not None and is_terminal():
        stay(plan.watch.address)
    return 0


def stay(address: str) -> None:
    """Until Ctrl-C, as a short training is over before one has looked at its page."""
    with contextlib.suppress(KeyboardInterrupt):  # from before the line on: whoever reads it may press at once
        click.echo(f"xpnet: the page stays at {address} (Ctrl-C ends it)", err=True)
        while True:
            time.sleep(3600)


def report(plan: Plan, outcome: Outcome, run: dict[str, Any]) -> None:
    """Say what came of it: on stdout, or on stderr if the last line of stdout is a JSON object. `run` is what that
    says of workers.
    """
    options = plan.options
    if outcome.ended_by_clock:
        click.echo(f"xpnet: the time limit ended training in {outcome.ended_by_clock}", err=True)
    if plan.no_pictures:
        click.echo(f"xpnet: no pictures were drawn: {plan.no_pictures}", err=True)
    if not (options.quiet and options.as_json):
        for line in result_lines(plan, outcome):
            click.echo(line, err=options.as_json)
    if options.as_json:
        print_json(json_result(plan, outcome) | run)


def result_lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """The result, a line for each number and each file."""
    yield f"test accuracy {outcome.scores['accuracy']:.4f}"
    yield f"test loss {outcome.scores['loss']:.4f}"
    yield f"images per second {outcome.history.samples_per_second:.0f}"
    for name, path in plan.results.files().items():
        if path:
            yield f"{name.replace('_png', '')} {path}"


def json_result(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """The result as --json prints it."""
    model = outcome.model
    return {
        "network": plan.options.network or model.kind,
        "recipe": plan.options.recipe,
        "parameters": sum(parameter.size for parameter in model.parameters()),
        "epochs": plan.recipe.epochs,
        "batch_size": plan.recipe.batch_size,
        "backend": model.backend.name,
        "seed": plan.options.seed,
        "test_accuracy": outcome.scores["accuracy"],
        "test_loss": outcome.scores["loss"],
        "images_per_second": outcome.history.samples_per_second,
        "peak_memory_mb": peak_memory_mb(),
        "seconds": outcome.seconds,
        "history": outcome.history.history,
        "weights_sha256": weights_sha256(model),
        "samples_by_worker": samples_by_worker(outcome.history),
        "files": plan.results.files(),
    }


def samples_by_worker(history: History) -> list[int]:
    """Of how many samples each worker has computed gradients."""
    return getattr(history, "samples_by_worker", None) or [sum(history.samples)]
