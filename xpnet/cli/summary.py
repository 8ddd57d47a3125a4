"""`xpnet summary`: the layers of a network."""

import click

from xpnet.cli.common import backend_option, network_or_file


@click.command(short_help="The layers of a network, and their parameters.")
@click.argument("network", metavar="NETWORK|FILE")
@backend_option
def summary(network: str) -> None:
    """Each layer of a network, its output's shape and its number of parameters.

    NETWORK is a network of `xpnet train`, best or fast, its recipes, or one for ImageNet: alexnet, vgg11, vgg13, vgg16,
    vgg19, resnet18, resnet34, resnet50, mobilenetv1 or mobilenetv2; FILE is what `xpnet train` or `model.save` wrote.
    """
    network_or_file(network).summary(print_fn=click.echo)
