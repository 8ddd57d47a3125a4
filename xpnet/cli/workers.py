"""`xpnet train --workers`: the launcher, and what the workers agree on around training."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from xpnet.backend.cpu.processors import usable_cpus
from xpnet.backend.cpu.threads import thread_count
from xpnet.cli.common import complain
from xpnet.cli.ends import CLOSED, INTERRUPTED
from xpnet.cli.training_run import Options, plan_training
from xpnet.parallel import SHARDS, Communicator, usual_shards
from xpnet.parallel.engine import launched_workers
from xpnet.parallel.launch import TEMPORARY, End, find_launcher, mpiexec_line, python_line, run_workers

OWN = ("workers", "restarts", "ulfm", "mpi_args", "launched")  # options that a worker's command line has not
RESTARTS = 3


# ---- options ---------------------------------------------------------------------------------------------------------


def _power_of_two(context: click.Context, parameter: click.Parameter, count: int | None) -> int | None:
    if count is not None and count & (count - 1):
        raise click.BadParameter(f"{count} is no power of two: give 1, 2, 4, 8, 16 and so on")
    return count


def _set_threads(context: click.Context, parameter: click.Parameter, count: int | None) -> int | None:
    """Before anything is computed: the command is alone in its process."""
    if count is not None:
        os.environ["XPNET_NUM_THREADS"] = str(count)
        thread_count.cache_clear()
        thread_count()  # raises OptionError for too many
    return count


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help='On N processes, which mpiexec starts. Needs pip install "xpnet[mpi]".',
)
shards_option = click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="V",
    callback=_power_of_two,
    help="Cut each batch into V parts, a power of two, whose gradients are added in an order that is always the same:"
    f" up to V workers, however many, give the same weights.  [default: {SHARDS} with --workers, more for more of them;"
    " else 1]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="T",
    is_eager=True,
    callback=_set_threads,
    help="Threads of each worker, which change nothing but the time.  [default: XPNET_NUM_THREADS, else the processors"
    " of this machine, shared out among the workers]",
)
restarts_option = click.option(
    "--restarts",
    type=click.IntRange(min=0),
    metavar="R",
    help="How often to start again where workers die and the others cannot go on: from the last backup, of which"
    f" --backup-every makes more.  [default: {RESTARTS}]",
)
ulfm_option = click.option(
    "--ulfm/--no-ulfm",
    default=None,
    help="Let the other workers go on where one dies.  [default: do where the MPI can, as Open MPI 5 does]",
)
mpi_option = click.option(
    "--mpi-arg",
    "mpi_args",
    multiple=True,
    metavar="ARG",
    help="An argument for mpiexec, as it is: --mpi-arg=--hostfile --mpi-arg=hosts. May be given several times.",
)
launched_option = click.option("--launched", type=int, hidden=True)  # how often workers were started again before


@dataclass(frozen=True)
class Launching:
    """How the workers are to be started, as the command line has it; `launched` where this process is one of them."""

    workers: int | None
    restarts: int | None
    ulfm: bool | None
    mpi_args: tuple[str, ...]
    launched: int | None

    @property
    def is_asked_for(self) -> bool:
        """Whether there are workers to start: one alone is this process."""
        return self.workers is not None and self.workers > 1

    def check(self) -> None:
        """Raises click.UsageError for options that do not fit together."""
        if self.workers is None:
            given = {"--restarts": self.restarts is not None, "--ulfm": self.ulfm is not None}
            for name, is_given in (given | {"--mpi-arg": bool(self.mpi_args)}).items():
                if is_given:
                    raise click.UsageError(f"{name} goes with --workers", click.get_current_context())
        elif (others := launched_workers()) > 1:
            raise click.UsageError(
                f"this process is one of {others} workers already, started by mpiexec or the like: leave --workers out",
                click.get_current_context(),
            )

    def threads_of_each(self, threads: int | None) -> int:
        """As many as are asked for, by option or variable, else an equal share of the processors."""
        if threads is None and not os.environ.get("XPNET_NUM_THREADS", "").strip():
            return max(1, usable_cpus() // (self.workers or 1))
        return threads or thread_count()


# ---- the launcher ----------------------------------------------------------------------------------------------------


def start_workers(launching: Launching, *command: str, out: Callable[[str], None] | None = None) -> End:
    """Run a command of xpnet on the workers, with what they print on this process's stdout and stderr; or each line of
    stdout is given to `out`.
    """
    launcher = find_launcher()
    line = mpiexec_line(launcher, launching.workers or 1, launching.ulfm, launching.mpi_args)
    printed = 0

    def err(text: str) -> None:
        nonlocal printed
        printed += 1
        click.echo(text, err=True, nl=False)

    end = run_workers([*line, *python_line("xpnet", *command)], out or _pass_on, err)
    if end.terminated:
        os.kill(os.getpid(), signal.SIGTERM)
    if end.status and not (printed or end.died or end.interrupted or end.closed):
        complain(f"{launcher.path} ended with status {end.status}, and no worker said why")
    return end


def _pass_on(text: str) -> None:
    click.echo(text, nl=False)


def train_on_workers(launching: Launching, options: Options, threads: int | None, line: Sequence[str]) -> int:
    """Train on workers of their own, with this command line, and return the exit status of the command.

    What is wrong with the options is said before any is started.
    """
    workers, context = launching.workers or 1, click.get_current_context()
    shards = options.shards or usual_shards(workers)
    if options.watch is not None or options.browser is not None:
        raise click.UsageError("--watch is for a training in one process: leave out --workers, or --watch", context)
    if shards < workers:
        raise click.UsageError(
            f"{workers} workers need as many shards at least, and --shards is {shards}: give --shards"
            f" {1 << (workers - 1).bit_length()}, or fewer workers",
            context,
        )
    find_launcher()
    plan = plan_training(options)
    each = launching.threads_of_each(threads)
    if not options.quiet:
        say_how(workers, shards, each)
    command = ["train", *line, f"--shards={shards}", f"--threads={each}"]
    return _start_until_done(launching, command, plan.results.backup, options.resume)


def say_how(workers: int, shards: int | None, threads: int) -> None:
    """What the weights depend on, and what they do not."""
    click.echo(f"xpnet: workers {workers}, shards {shards}, threads of each {threads}", err=True)


def _start_until_done(launching: Launching, command: Sequence[str], backup: Path, resume: bool) -> int:
    """Start the workers, and again where some die: from the backup, if this training has written one.

    `resume` is whether the first start goes on with an earlier training.
    """
    restarts = RESTARTS if launching.restarts is None else launching.restarts
    earlier = None if resume else _stamp(backup)  # of another training, for all that is known
    for number in range(restarts + 1):
        more = ["--resume"] if resume else []
        end = start_workers(launching, *command, *more, f"--launched={number}")
        if end.interrupted and end.status:
            if end.status != INTERRUPTED:  # with which worker 0 ends if it has come so far as to tell
                complain("interrupted")
            return INTERRUPTED
        resume = _stamp(backup) not in (None, earlier)
        why = end.died or ("worker 0 died before it had written the results" if resume and not end.status else "")
        if not why:
            return CLOSED if end.closed else end.status
        if number < restarts:
            where = "from the backup" if resume else "from the beginning"
            click.echo(f"xpnet: {why}; starts again {where} ({number + 1} of --restarts {restarts})", err=True)
    goes_on = "; the same command with --resume goes on from the backup" if resume else ""
    complain(f"{why}, and --restarts {restarts} allows no more{goes_on}")
    return TEMPORARY


def _stamp(path: Path) -> tuple[int, int] | None:
    """Another one each time that the file is written; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def described_run(workers: int, communicator: Communicator, shards: int | None, launching: Launching) -> dict[str, Any]:
    """What --json says of the run; `workers` is how many there were at its start."""
    return {
        "workers": workers,
        "shards": shards or (usual_shards(workers) if workers > 1 else 1),
        "threads": thread_count(),
        "restarts": launching.launched or 0,
        "lost_workers": workers - communicator.size,
    }
