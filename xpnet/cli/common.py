"""What the commands share: options, the table of networks, and how they speak."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import click

from xpnet import networks
from xpnet.backend import backend_names, use_backend
from xpnet.base.atomic_files import checked_path
from xpnet.cli.ends import discard_output
from xpnet.core.outputs import is_shape
from xpnet.data.datasets import Labelled, mnist_part
from xpnet.errors import FileError, OptionError, ShapeError
from xpnet.model import Model, load
from xpnet.networks.recipes import LARGE, NETWORKS, RECIPES


def _use(context: click.Context, parameter: click.Parameter, name: str | None) -> None:
    if name is not None:
        use_backend(name)


class PathType(click.Path):
    """A path, with the home folder in the place of ~: of `--out=~/runs`, a shell leaves that to the command."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return super().convert(os.fspath(checked_path(value)), parameter, context)


backend_option = click.option(
    "--backend",
    type=click.Choice(backend_names()),
    callback=_use,
    expose_value=False,
    help="What to compute with.  [default: XPNET_BACKEND, else numpy]",
)
data_option = click.option(
    "--data",
    type=PathType(),
    metavar="FOLDER",
    help="Files in MNIST's form, such as Fashion-MNIST, or pictures of your own, in a folder for each class."
    "  [default: the MNIST in the box]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line of stdout.")


def duration(text: str) -> float:
    """The seconds of a time such as 90s, 30m, 1h30m or 1.5h; a number alone is seconds."""
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", text)
    h, m, s = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    if not (seconds := 3600 * h + 60 * m + s):
        raise click.BadParameter(f"{text!r} is no time; give one such as 90s, 30m or 1h30m")
    return seconds


def complain(error: object) -> None:
    """One line on stderr, whatever the error's text is. If nobody reads that either, the exit status has to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    try:
        click.echo(f"xpnet: error: {text}", err=True)
    except BrokenPipeError:
        discard_output()


def print_json(result: Any) -> None:
    click.echo(json.dumps(result))


def network_or_file(name: str) -> Model:
    """A new network by its name or its recipe's, or the one that is saved in a file."""
    name = os.fspath(checked_path(name))
    named = {known: recipe.make for known, recipe in (NETWORKS | RECIPES).items()}
    large = {known.lower(): known for known in LARGE}
    if name.lower() in named and not os.path.isfile(name):
        return named[name.lower()]()
    if name.lower() in large and not os.path.isfile(name):
        made: Model = getattr(networks, large[name.lower()])()
        return made
    if not os.path.exists(name):
        raise click.UsageError(
            f"there is no network or file {name!r}; the networks are {', '.join([*NETWORKS, *large])}, the recipes"
            f" {' and '.join(RECIPES)}",
            click.get_current_context(),
        )
    return _load(name)


def saved_network(file: str | os.PathLike[str]) -> Model:
    """The network in a file."""
    if not os.path.exists(file):
        name = os.fspath(file).lower()
        raise FileError(
            f"there is no file {file}: name that of a trained network; xpnet train"
            f" {name if name in NETWORKS else 'lenet5'} makes one in runs/{name if name in NETWORKS else 'lenet5'}"
        )
    return _load(file)


def _load(file: str | os.PathLike[str]) -> Model:
    if os.path.isdir(file):
        inside = sorted(path for path in Path(file).glob("*.safetensors") if not path.stem.endswith(".backup"))
        raise FileError(f"{file} is a folder; name a file{f': {inside[0]}' if inside else ' that xpnet train wrote'}")
    return load(file)


def takes_digits(model: Model, file: object) -> bool:
    """Whether the model takes flat digits (784,) rather than images (1, 28, 28); ShapeError if it takes neither."""
    shape = model.input_shape or ()
    if len(model.input_shapes) != 1 or any(model.integer_inputs) or not is_shape(model.output_shape(shape)):
        raise ShapeError(
            f"{file}: the network takes integers, or several inputs, or gives several outputs; for digits"
            " it needs one image and one output"
        )
    if math.prod(shape) != 784:
        raise ShapeError(f"{file}: the network takes inputs of shape {shape}; digits need (1, 28, 28) or (784,)")
    return len(shape) == 1


def mnist_for(model: Model, file: object, folder: str | None) -> Labelled:
    """MNIST's test images in the shape that the model takes."""
    if folder is None and model.class_names is not None:
        raise OptionError(
            f"{file}: the network was trained on pictures of {', '.join(model.class_names[:6])}, not on MNIST: name a"
            " folder of such, with a folder for each class, by --data FOLDER"
        )
    return mnist_part("test", folder, flatten=takes_digits(model, file))
