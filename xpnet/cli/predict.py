"""`xpnet predict`: which digits do these pictures show?"""

import os
from pathlib import Path
from typing import Any, get_args

import click

from xpnet.analysis.predictions import probabilities
from xpnet.cli.common import PathType, backend_option, complain, json_option, print_json, saved_network, takes_digits
from xpnet.data.digit_image import Background, read_digit
from xpnet.errors import FileError, XpnetError
from xpnet.model import Model

RUNS = Path("runs")
DEFAULT = RUNS / "deepconvnet" / "deepconvnet.safetensors"


@click.command(short_help="Which digits do these pictures show?")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=PathType())
@click.option(
    "--model",
    "file",
    type=PathType(),
    metavar="FILE",
    help=f"A saved network.  [default: {DEFAULT}, else the newest in {RUNS}]",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=1, show_default=True, metavar="K", help="Print the K likeliest digits."
)
@click.option(
    "--background",
    type=click.Choice(get_args(Background)),
    default="auto",
    show_default=True,
    help="What is behind the strokes.",
)
@backend_option
@json_option
def predict(images: tuple[str, ...], file: str | None, top: int, background: Background, as_json: bool) -> int:
    """The digit in each picture, and how sure the network is.

    Any image file will do, of any size, with dark strokes on light or the other way round; it is centred and scaled as
    MNIST's digits are. A picture that cannot be read gives an error, and the others are still done; the exit status is
    then 1.
    """
    path = file or newest_model()
    model = saved_network(path)
    takes_digits(model, path)
    said = file is not None  # which network it is, before the first answer of it
    predictions: list[dict[str, Any]] = []
    for image in images:
        try:
            best = likeliest(model, image, background, top)
        except XpnetError as error:
            complain(error)
            predictions.append({"image": image, "error": str(error)})
            continue
        if not said:
            click.echo(f"xpnet: using {path}", err=True)
            said = True
        predictions.append({"image": image, **best[0], "top": best})
        if not as_json:
            found = [f"{digit['digit']} ({100 * digit['probability']:.1f} %)" for digit in best]
            click.echo(f"{image}: {', '.join(found)}")
    if as_json:
        print_json({"model": os.fspath(path), "predictions": predictions})
    return int(any("error" in prediction for prediction in predictions))


def likeliest(model: Model, image: str, background: Background, top: int) -> list[dict[str, Any]]:
    """The `top` likeliest digits with their probabilities, best first."""
    x = read_digit(image, background).reshape(1, *(model.input_shape or ()))
    chances = probabilities(model, x)[0]  # (classes,)
    best = (-chances).argsort(kind="stable")[:top]
    return [{"digit": int(digit), "probability": float(chances[digit])} for digit in best]


def newest_model() -> Path:
    """The network that `xpnet predict` uses when none is named."""
    if DEFAULT.is_file():
        return DEFAULT
    networks = [path for path in RUNS.rglob("*.safetensors") if not path.name.endswith(".backup.safetensors")]
    files = sorted(networks, key=lambda path: path.stat().st_mtime)
    if not files:
        raise FileError(
            f"no trained network was found in the folder {RUNS}: train one with xpnet train deepconvnet --epochs 1,"
            " or name one with --model"
        )
    return files[-1]
