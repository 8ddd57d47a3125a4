"""`xpnet predict`: which digits do these pictures show?"""

import os
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np

from xpnet.analysis.predictions import probabilities
from xpnet.base.atomic_files import write_atomically
from xpnet.cli.common import PathType, backend_option, complain, json_option, print_json, saved_network, takes_digits
from xpnet.data.digit_image import read_digit
from xpnet.data.picture_file import Background, brightness
from xpnet.errors import FileError, OptionError, XpnetError
from xpnet.model import Model

RUNS = Path("runs")
TILE, GAP = 280, 10  # pixels of a picture in what --show draws, and between them
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
@click.option(
    "--show", type=PathType(), metavar="FILE", help="Draw each picture, and beside it what the network saw of it."
)
@backend_option
@json_option
def predict(
    images: tuple[str, ...], file: str | None, top: int, background: Background, show: str | None, as_json: bool
) -> int:
    """The digit in each picture, and how sure the network is.

    Any image file will do, of any size, with dark strokes on light or the other way round; the strokes that belong
    together are centred and scaled as MNIST's digits are. A picture that cannot be read or understood gives an error,
    and the others are still done; the exit status is then 1.
    """
    path = file or newest_model()
    model = saved_network(path)
    takes_digits(model, path)
    said = file is not None  # which network it is, before the first answer of it
    predictions: list[dict[str, Any]] = []
    seen: list[tuple[str, Any]] = []
    for image in images:
        try:
            x = read_digit(image, background)
            best = likeliest(model, x, top)
            seen.append((image, x[0]))
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
    if show is not None and seen:
        draw_seen(seen, show)
    if as_json:
        print_json({"model": os.fspath(path), "predictions": predictions})
    return int(any("error" in prediction for prediction in predictions))


def likeliest(model: Model, x: Any, top: int) -> list[dict[str, Any]]:
    """The `top` likeliest digits with their probabilities, best first."""
    chances = probabilities(model, x.reshape(1, *(model.input_shape or ())))[0]  # (classes,)
    best = (-chances).argsort(kind="stable")[:top]
    return [{"digit": int(digit), "probability": float(chances[digit])} for digit in best]


def draw_seen(seen: list[tuple[str, Any]], path: str) -> None:
    """A row for each picture: as it is, and what the network saw, (H, W) from 0 to 1, with its pixels as squares."""
    import io

    from PIL import Image, ImageOps

    sheet = Image.new("RGB", (2 * TILE + 3 * GAP, len(seen) * (TILE + GAP) + GAP), "grey")
    for row, (image, x) in enumerate(seen):
        with Image.open(image) as file:
            whole = ImageOps.exif_transpose(file)
        if whole.mode[0] in "IF":  # more than 8 bits, which `convert` would cut off
            whole = Image.fromarray((255 * brightness(np.asarray(whole))).clip(0, 255).astype("uint8"))
        rgba = ImageOps.contain(whole.convert("RGBA"), (TILE, TILE))
        pixels = Image.fromarray((x * 255).round().astype("uint8")).resize((TILE, TILE), Image.Resampling.NEAREST)
        top = GAP + row * (TILE + GAP)
        sheet.paste(rgba, (GAP + (TILE - rgba.width) // 2, top + (TILE - rgba.height) // 2), rgba)
        sheet.paste(pixels, (2 * GAP + TILE, top))
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
