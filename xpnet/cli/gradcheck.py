"""`xpnet gradcheck`: every layer's gradient against its numerical derivative."""

from collections.abc import Callable
from math import prod

import click

from xpnet import layers as all_layers
from xpnet.backend import Array, get_backend
from xpnet.cli.common import backend_option, complain
from xpnet.errors import GradientError
from xpnet.gradient_check import gradient_check
from xpnet.layer import Layer
from xpnet.layers import (
    Add,
    Average,
    AvgPool2D,
    BatchNorm1D,
    BatchNorm2D,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    LeakyReLU,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from xpnet.random import generator, seed

Shape = tuple[int, ...]

VECTOR, IMAGE = (6,), (4, 6, 5)
# Layers to check, each with the shapes of its inputs (without the batch).
CASES: tuple[tuple[Callable[[], Layer], tuple[Shape, ...]], ...] = (
    (lambda: Conv2D(3, 3), (IMAGE,)),
    (lambda: Conv2D(3, 3, stride=2, padding="same", activation="tanh"), (IMAGE,)),
    (lambda: Conv2D(4, (2, 3), padding=((1, 2), (0, 1)), dilation=2, groups=2, bias=False), (IMAGE,)),
    (lambda: Dense(4), (VECTOR,)),
    (lambda: Dense(4, bias=False, activation="sigmoid"), (VECTOR,)),
    (lambda: MaxPool2D(2), (IMAGE,)),
    (lambda: MaxPool2D(3, stride=1, padding=1), (IMAGE,)),
    (lambda: AvgPool2D(2), (IMAGE,)),
    (lambda: AvgPool2D(3, stride=2, padding="same"), (IMAGE,)),
    (GlobalAvgPool2D, (IMAGE,)),
    (Flatten, (IMAGE,)),
    (ReLU, (IMAGE,)),
    (LeakyReLU, (IMAGE,)),
    (lambda: LeakyReLU(0.3), (VECTOR,)),
    (Sigmoid, (IMAGE,)),
    (Tanh, (VECTOR,)),
    (lambda: Tanh(1.7159, 2 / 3), (IMAGE,)),
    (Softmax, (VECTOR,)),
    (lambda: Softmax(-1), (IMAGE,)),
    (LogSoftmax, (VECTOR,)),
    (lambda: LogSoftmax(-1), (IMAGE,)),
    (Dropout, (IMAGE,)),
    (lambda: Dropout(0.2), (VECTOR,)),
    (BatchNorm1D, (VECTOR,)),
    (BatchNorm2D, (IMAGE,)),
    (lambda: BatchNorm2D(momentum=0.5, eps=1e-3), (IMAGE,)),
    (LocalResponseNorm, (IMAGE,)),
    (lambda: LocalResponseNorm(3, alpha=0.5, k=2.0), (IMAGE,)),
    (Add, (IMAGE, IMAGE)),
    (Add, (VECTOR, VECTOR, VECTOR)),
    (Average, (IMAGE, IMAGE)),
    (Average, (VECTOR, VECTOR, VECTOR)),
    (Concat, ((1, 3, 2), (4, 3, 2))),
    (lambda: Concat(3), ((2, 3, 2), (2, 3, 3))),
)
NAMES = sorted(name for name in all_layers.__all__ if name != "Layer")


def _known(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name.lower() not in {known.lower() for known in NAMES}:
            raise click.BadParameter(f"there is no layer {name!r}; the layers are {', '.join(NAMES)}")
    return names


@click.command(short_help="Check the gradient of every layer.")
@click.argument("layers", nargs=-1, metavar="[LAYER]...", callback=_known)
@backend_option
def gradcheck(layers: tuple[str, ...]) -> int:
    """Check layers' gradients against numerical derivatives, in float64.

    LAYER is a class of xpnet.layers, such as Conv2D; all of them by default. Each is checked in a few configurations.
    Prints the largest relative error of each configuration; the exit status is 1 if a gradient is wrong.
    """
    chosen = {name.lower() for name in layers or NAMES}
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
