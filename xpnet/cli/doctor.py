"""`xpnet doctor`: what is there, and what is missing?"""

from typing import Any

import click

from xpnet.backend import backend_names
from xpnet.cli.common import json_option, print_json
from xpnet.cli.workers import (
    Launching,
    launched_option,
    mpi_option,
    threads_option,
    ulfm_option,
    workers_option,
)


@click.command(short_help="What xpnet finds on this machine.")
@click.option(
    "--backend",
    type=click.Choice(backend_names()),
    help="The backend to examine.  [default: XPNET_BACKEND, else numpy]",
)
@workers_option
@threads_option
@ulfm_option
@mpi_option
@launched_option
@json_option
def doctor(backend: str | None, threads: int | None, as_json: bool, **options: Any) -> int:
    """Report what xpnet finds on this machine.

    With --workers N, N processes report what each finds, what a message between them costs, and whether all are alike:
    trainings give the same bits on any number of workers of one processor model.

    The exit status is 1 if the backend that is asked for cannot run, one of the variables XPNET_... is not what it
    should be, a file of the data set is missing or is not what its header should say, or workers cannot start or are
    not alike.
    """
    from xpnet.cli.worker_reports import examine_workers, report_worker
    from xpnet.doctor import examine, healthy, text

    launching = Launching(restarts=None, **options)
    launching.check()
    if launching.launched is not None:
        report_worker()
        return 0
    report = examine(backend)
    if launching.workers:
        report["workers"] = examine_workers(launching, threads)
    if as_json:
        print_json(report)
    else:
        click.echo(text(report))
    return 0 if healthy(report) else 1
