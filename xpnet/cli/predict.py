"""`xpnet predict`: which digits, or which of a network's classes, do these pictures show?"""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np

from xpnet.analysis.predictions import probabilities
from xpnet.base.atomic_files import write_atomically
from xpnet.base.regular_files import opened
from xpnet.cli.common import PathType, backend_option, complain, json_option, print_json, saved_network, takes_digits
from xpnet.cli.pictures import check_preparation
from xpnet.data.digit_image import read_digit
from xpnet.data.picture_file import Background, brightness
from xpnet.errors import FileError, OptionError, ShapeError, XpnetError
from xpnet.model import Model

RUNS = Path("runs")
TILE, GAP = 280, 10  # pixels of a picture in what --show draws, and between them
DEFAULT = RUNS / "deepconvnet" / "deepconvnet.safetensors"


@click.command(short_help="Which digits, or which classes, do these pictures show?")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=PathType())
@click.option(
    "--model",
    "file",
    type=PathType(),
    metavar="FILE",
    help=f"A saved network.  [default: {DEFAULT}, else the newest in {RUNS}]",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=1, show_default=True, metavar="K", help="Print the K likeliest."
)
@click.option(
    "--background",
    type=click.Choice(get_args(Background)),
    help="What is behind the strokes of digits; of other pictures, what is laid behind transparency."
    "  [default: auto, or as in training]",
)
@click.option(
    "--show", type=PathType(), metavar="FILE", help="Draw each picture, and beside it what the network saw of it."
)
@backend_option
@json_option
def predict(
    images: tuple[str, ...], file: str | None, top: int, background: Background | None, show: str | None, as_json: bool
) -> int:
    """The digit or the class of each picture, and how sure the network is.

    A network that was trained on a folder of pictures, by xpnet train or in Python, knows the names of its classes, and
    how to prepare a picture: as it was in training. All others are for digits.

    Any image file will do, of any size, with dark strokes on light or the other way round; the strokes that belong
    together are centred and scaled as MNIST's digits are. A picture that cannot be read or understood gives an error,
    and the others are still done; the exit status is then 1.
    """
    path = file or newest_model()
    model = saved_network(path)
    read = reader(model, path, background)
    said = file is not None  # which network it is, before the first answer of it
    predictions: list[dict[str, Any]] = []
    seen: list[tuple[str, Any]] = []
    for image in images:
        try:
            x, picture = read(image)
            best = likeliest(model, x, top)
            seen.append((image, picture))
        except XpnetError as error:
            complain(error)
            predictions.append({"image": image, "error": str(error)})
            continue
        if not said:
            click.echo(f"xpnet: using {path}", err=True)
            said = True
        predictions.append({"image": image, **best[0], "top": best})
        if not as_json:
            found = [f"{next(iter(each.values()))} ({100 * each['probability']:.1f} %)" for each in best]
            click.echo(f"{image}: {', '.join(found)}")
    if show is not None and seen:
        draw_seen(seen, show)
    if as_json:
        print_json({"model": os.fspath(path), "predictions": predictions})
    return int(any("error" in prediction for prediction in predictions))


def reader(model: Model, path: object, background: Background | None) -> Callable[[str], tuple[Any, Any]]:
    """What reads a picture for the network: gives its input, and what that shows as bytes, (C, H, W).

    Raises ShapeError if the network takes neither what its preparation makes, nor digits.
    """
    if model.preparation is None:
        try:
            takes_digits(model, path)
        except ShapeError as error:
            raise ShapeError(
                f"{error}. For pictures of your own a network needs model.preparation, and model.class_names for their"
                " names, which it has from training on a data.ImageFolder, or from you (docs/own_data.md)"
            ) from error

        def read(image: str) -> tuple[Any, Any]:
            x = read_digit(image, background or "auto")
            return x, (x * 255).round().astype("uint8")

        return read
    check_preparation(model, path)
    how = copy.copy(model.preparation)
    how.background = background or how.background
    return lambda image: (how.read(image), how.image(image))


def likeliest(model: Model, x: Any, top: int) -> list[dict[str, Any]]:
    """The `top` likeliest digits, or names of classes, with their probabilities, best first."""
    try:
        batch = x.reshape(1, *(model.input_shape or ()))
    except ValueError as error:  # of a preparation that scales to no size
        raise ShapeError(f"the picture is {x.shape[1:]}, and the network takes {model.input_shape}") from error
    chances = probabilities(model, batch)[0]  # (classes,)
    best = (-chances).argsort(kind="stable")[:top]
    names = model.class_names
    if names is None and model.preparation is None:
        return [{"digit": int(digit), "probability": float(chances[digit])} for digit in best]
    known = [*(names or []), *map(str, range(len(names or []), len(chances)))]  # a number for what has no name
    return [{"class": known[number], "probability": float(chances[number])} for number in best]


def draw_seen(seen: list[tuple[str, Any]], path: str) -> None:
    """A row for each picture: as it is, and what the network saw, bytes (C, H, W), with its pixels as squares."""
    import io

    from PIL import Image, ImageOps

    sheet = Image.new("RGB", (2 * TILE + 3 * GAP, len(seen) * (TILE + GAP) + GAP), "grey")
    for row, (image, x) in enumerate(seen):
        with opened(image) as file, Image.open(file) as picture:
            whole = ImageOps.exif_transpose(picture)
        if whole.mode[0] in "IF":  # more than 8 bits, which `convert` would cut off
            whole = Image.fromarray((255 * brightness(np.asarray(whole))).clip(0, 255).astype("uint8"))
        rgba = ImageOps.contain(whole.convert("RGBA"), (TILE, TILE))
        squares = Image.fromarray(x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))
        pixels = ImageOps.contain(squares, (TILE, TILE), Image.Resampling.NEAREST)
        top = GAP + row * (TILE + GAP)
        sheet.paste(rgba, (GAP + (TILE - rgba.width) // 2, top + (TILE - rgba.height) // 2), rgba)
        sheet.paste(pixels, (2 * GAP + TILE + (TILE - pixels.width) // 2, top + (TILE - pixels.height) // 2))
    data = io.BytesIO()
    try:
        sheet.save(data, Image.registered_extensions().get(Path(path).suffix.lower(), "PNG"))
    except (OSError, ValueError) as error:  # a format that can only be read
        raise OptionError(f"--show cannot draw {path} ({error}); a name that ends in .png will do") from error
    write_atomically(path, lambda out: out.write(data.getvalue()))


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
