"""`xpnet summary`: the layers of a network."""

import click

from xpnet.cli.common import backend_option, network_or_file


@click.command(short_help="The layers of a network, and their parameters.")
@click.argument("network", metavar="NETWORK|FILE")
@backend_option
def summary(network: str) -> None:
    """Each layer of a network, its output's shape and its number of parameters.

    NETWORK is simpleconvnet, deepconvnet, lenet5 or mlp, or best or fast, the recipes of `xpnet train`; FILE is what
    `xpnet train` or `model.save` wrote.
    """
    network_or_file(network).summary(print_fn=click.echo)
