"""`xpnet gradcheck`: every layer's gradient against its numerical derivative."""

from collections.abc import Callable
from math import prod

import click

from xpnet import layers
from xpnet.backend import Array, get_backend
from xpnet.cli.common import backend_option, complain
from xpnet.core.layer import Layer
from xpnet.errors import GradientError
from xpnet.gradient_check import gradient_check
from xpnet.random import generator, seed

Shape = tuple[int, ...]

VECTOR, IMAGE = (6,), (4, 6, 5)
# Layers to check, each with the shapes of its inputs (without the batch).
CASES: tuple[tuple[Callable[[], Layer], tuple[Shape, ...]], ...] = (
    (lambda: layers.Conv2D(3, 3), (IMAGE,)),
    (lambda: layers.Conv2D(3, 3, stride=2, padding="same", activation="tanh"), (IMAGE,)),
    (lambda: layers.Conv2D(4, (2, 3), padding=((1, 2), (0, 1)), dilation=2, groups=2, bias=False), (IMAGE,)),
    (lambda: layers.Dense(4), (VECTOR,)),
    (lambda: layers.Dense(4, bias=False, activation="sigmoid"), (VECTOR,)),
    (lambda: layers.MaxPool2D(2), (IMAGE,)),
    (lambda: layers.MaxPool2D(3, stride=1, padding=1), (IMAGE,)),
    (lambda: layers.AvgPool2D(2), (IMAGE,)),
    (lambda: layers.AvgPool2D(3, stride=2, padding="same"), (IMAGE,)),
    (layers.GlobalAvgPool2D, (IMAGE,)),
    (layers.Flatten, (IMAGE,)),
    (layers.ReLU, (IMAGE,)),
    (layers.LeakyReLU, (IMAGE,)),
    (lambda: layers.LeakyReLU(0.3), (VECTOR,)),
    (layers.Sigmoid, (IMAGE,)),
    (layers.Tanh, (VECTOR,)),
    (lambda: layers.Tanh(1.7159, 2 / 3), (IMAGE,)),
    (layers.Softmax, (VECTOR,)),
    (lambda: layers.Softmax(-1), (IMAGE,)),
    (layers.LogSoftmax, (VECTOR,)),
    (lambda: layers.LogSoftmax(-1), (IMAGE,)),
    (layers.Dropout, (IMAGE,)),
    (lambda: layers.Dropout(0.2), (VECTOR,)),
    (layers.BatchNorm1D, (VECTOR,)),
    (layers.BatchNorm2D, (IMAGE,)),
    (lambda: layers.BatchNorm2D(momentum=0.5, eps=1e-3), (IMAGE,)),
    (layers.LocalResponseNorm, (IMAGE,)),
    (lambda: layers.LocalResponseNorm(3, alpha=0.5, k=2.0), (IMAGE,)),
    (layers.Add, (IMAGE, IMAGE)),
    (layers.Add, (VECTOR, VECTOR, VECTOR)),
    (layers.Average, (IMAGE, IMAGE)),
    (layers.Average, (VECTOR, VECTOR, VECTOR)),
    (layers.Concat, ((1, 3, 2), (4, 3, 2))),
    (lambda: layers.Concat(3), ((2, 3, 2), (2, 3, 3))),
)
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
    for make, shapes in CASES:
        seed(0)
        layer = make()
        if type(layer).__name__.lower() not in chosen:
            continue
        checked += 1
        try:
            error = gradient_check(layer, *(spaced((3, *shape)) for shape in shapes))
        except GradientError as problem:
            wrong += 1
            complain(problem)
            continue
        click.echo(f"{error:.1e}  {layer!r}")
    click.echo(f"{checked - wrong} of {checked} gradients are right on the backend {get_backend().name}")
    return int(wrong > 0)


def spaced(shape: Shape) -> Array:
    """Numbers around zero, in random order, 0.01 apart: far from the kinks of ReLU and max pooling."""
    count = prod(shape)
    return ((generator().permutation(count) - count // 2 + 0.5) * 0.01).reshape(shape)
