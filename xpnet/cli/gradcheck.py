"""`xpnet gradcheck`: every layer's gradient against its numerical derivative."""

from math import prod

import click

from xpnet import layers
from xpnet.backend import Array, get_backend
from xpnet.cli.common import backend_option, complain
from xpnet.cli.layer_cases import LAYER_CASES, Shape
from xpnet.errors import GradientError
from xpnet.gradient_check import gradient_check
from xpnet.random import generator, seed

NAMES = sorted(name for name in layers.__all__ if name != "Layer")


def _known(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name.lower() not in {known.lower() for known in NAMES}:
            raise click.BadParameter(f"there is no layer {name!r}; the layers are {', '.join(NAMES)}")
    return names


@click.command(short_help="Check the gradient of every layer.")
@click.argument("names", nargs=-1, metavar="[LAYER]...", callback=_known)
@backend_option
def gradcheck(names: tuple[str, ...]) -> int:
    """Check layers' gradients against numerical derivatives, in float64.

    LAYER is a class of xpnet.layers, such as Conv2D; all of them by default. Each is checked in a few configurations.
    Prints the largest relative error of each configuration; the exit status is 1 if a gradient is wrong.
    """
    chosen = {name.lower() for name in names or NAMES}
    checked, wrong = 0, 0
    for case in LAYER_CASES:
        seed(0)
        layer = case.make()
        if type(layer).__name__.lower() not in chosen:
            continue
        checked += 1
        try:
            pairs = zip(case.shapes, case.counts, strict=True)
            floats = spaced if case.has_kinks else generator().standard_normal
            xs = (numbers((3, *shape), count) if count else floats((3, *shape)) for shape, count in pairs)
            error = gradient_check(layer, *xs)
        except GradientError as problem:
            wrong += 1
            complain(problem)
            continue
        click.echo(f"{error:.1e}  {layer!r}")
    click.echo(f"{checked - wrong} of {checked} gradients are right on the backend {get_backend().name}")
    return int(wrong > 0)


def numbers(shape: Shape, count: int) -> Array:
    """Whole numbers from 0 to count - 1."""
    return generator().integers(0, count, shape)


def spaced(shape: Shape) -> Array:
    """Numbers around zero, in random order, 0.01 apart: far from the kinks of ReLU and max pooling."""
    count = prod(shape)
    return ((generator().permutation(count) - count // 2 + 0.5) * 0.01).reshape(shape)
