"""One picture's file as a network sees it: read, scaled, and made into floats as it was in training."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors, without_number
from xpnet.base.checks import height_and_width
from xpnet.base.configured import Configured
from xpnet.base.file_kinds import other_kind
from xpnet.base.regular_files import opened
from xpnet.data.picture_file import Background, full_scale
from xpnet.data.transforms import to_unit
from xpnet.errors import FileError, FormatError, OptionError

if TYPE_CHECKING:
    from PIL import Image

Bytes = npt.NDArray[np.uint8]
Fit = Literal["crop", "stretch"]

_DARK = 128  # brightness below which something is not seen well on black


class Preparation(Configured):
    """How a picture's file becomes what a network takes, so that training and prediction cannot differ.

        x = model.preparation.read("a.png")    # (1, C, H, W)
        model.predict(x)

    A network that was trained on an ImageFolder keeps one, in its file too. size, grayscale, fit and background are
    those of `data.read_image`. normalize: whether bytes become floats from 0 to 1. transform: what the Loader did to x
    then, such as a fitted data.Normalize, which is the one that files hold.

    Raises OptionError for settings that are none.
    """

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        grayscale: bool = False,
        fit: Fit = "crop",
        background: Background = "auto",
        normalize: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if fit not in get_args(Fit):
            raise OptionError(f'fit must be "crop" or "stretch", not {fit!r}')
        if background not in get_args(Background):
            raise OptionError(f'background must be "auto", "light" or "dark", not {background!r}')
        if transform is not None and not callable(transform):
            raise OptionError(f"transform must be a function or an object that is called with x, not {transform!r}")
        self.size = None if size is None else height_and_width("size", size)
        self.grayscale, self.fit, self.background = bool(grayscale), fit, background
        self.normalize, self.transform = bool(normalize), transform

    def image(self, path: str | os.PathLike[str]) -> Bytes:
        """The picture as `data.read_image` gives it: uint8 (C, H, W)."""
        return _read(checked_path(path), self)

    def read(self, path: str | os.PathLike[str]) -> npt.NDArray[Any]:
        """The picture as a batch of one sample, (1, C, H, W), as the network had it in training; errors as of
        `data.read_image`.
        """
        x: npt.NDArray[Any] = self.image(path)[None]
        if self.normalize:
            x = to_unit(x)
        return x if self.transform is None else np.asarray(self.transform(x))


def read_image(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    grayscale: bool = False,
    fit: Fit = "crop",
    background: Background = "auto",
) -> Bytes:
    """The picture in a file as ImageFolder reads it: uint8, (3, H, W), or (1, H, W) with `grayscale`.

    size: (H, W), or the side of a square, to which it is scaled, with antialiasing; None leaves it as large as it is.
    fit: what does not have the shape of `size` is cut to it in the middle ("crop") or distorted ("stretch").
    background: what is laid behind transparency: black ("dark"), white ("light"), or "auto": white where all that is
    visible is dark, such as black strokes, and else black. Photographs are turned upright. Of grey with 16 bits, the
    upper 8 are kept of as many as it uses: 8 (up to 255), 10, 12 (up to 4095), 14 or 16.

    Raises OptionError for settings that are none, FileError if the file cannot be read, FormatError if it is no sound
    image, or is suspiciously large.
    """
    return Preparation(size, grayscale, fit, background).image(path)


def _read(path: Path, how: Preparation) -> Bytes:
    """(C, H, W). Warnings are not caught here: filters belong to the process, and several threads read at a time."""
    from PIL import Image, ImageOps

    try:
        reading = file_errors(f"cannot read {path}", "", foreign=without_number)
        with reading, opened(path) as file, Image.open(file) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise FormatError(f"{image.width} x {image.height} pixels are suspiciously many")
            if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
                raise FormatError("its pixels are numbers of 32 bits, of which nobody knows the range; save it with 8")
            flat = _flat(ImageOps.exif_transpose(image), "L" if how.grayscale else "RGB", how.background)
            if how.size is not None and (flat.height, flat.width) != how.size:
                H, W = how.size
                if how.fit == "crop":
                    flat = ImageOps.fit(flat, (W, H), Image.Resampling.BILINEAR)
                else:
                    flat = flat.resize((W, H), Image.Resampling.BILINEAR)
            pixels = np.asarray(flat)
    except FileError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise errors of a dozen kinds
        why = other_kind(path, "a picture") or error
        raise FormatError(f"{path} cannot be read as an image ({why}); replace or remove it") from error
    return pixels[None] if how.grayscale else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _flat(image: "Image.Image", mode: str, background: Background) -> "Image.Image":
    """The image in `mode`, L or RGB, without transparency, and with 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits, which `convert` would cut off at 255
        pixels = np.asarray(image).astype(np.int64).clip(0, 65535)
        unused = max(int(full_scale(pixels)).bit_length() - 8, 0)  # 4 of 12 bits, none of 8, however dark it is
        image = Image.fromarray((pixels >> unused).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        light = background == "light" or (background == "auto" and _is_dark(rgba))
        behind = (255, 255, 255, 255) if light else (0, 0, 0, 255)
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, behind), rgba)
    return image.convert("RGB").convert(mode)


def _is_dark(rgba: "Image.Image") -> bool:
    """Whether all that is visible of it is dark, but for a few pixels, so that nothing would be seen on black."""
    grey, alpha = np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba.getchannel("A"))
    visible = grey[2 * alpha.astype(np.int32) >= max(int(alpha.max()), 1)]
    return visible.size > 0 and bool(np.percentile(visible, 95) < _DARK)
