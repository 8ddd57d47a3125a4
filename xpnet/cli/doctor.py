"""`xpnet doctor`: what is there, and what is missing?"""

import click

from xpnet.backend import backend_names
from xpnet.cli.common import json_option, print_json


@click.command(short_help="What xpnet finds on this machine.")
@click.option(
    "--backend",
    type=click.Choice(backend_names()),
    help="The backend to examine.  [default: XPNET_BACKEND, else numpy]",
)
@json_option
def doctor(backend: str | None, as_json: bool) -> int:
    """Report what xpnet finds on this machine.

    The exit status is 1 if the backend that is asked for cannot run, one of the variables XPNET_... is not what it
    should be, or a file of the data set is missing or is not what its header should say.
    """
    from xpnet.doctor import examine, healthy, text

    report = examine(backend)
    if as_json:
        print_json(report)
    else:
        click.echo(text(report))
    return 0 if healthy(report) else 1
