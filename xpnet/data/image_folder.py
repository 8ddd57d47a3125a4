"""A folder of images, one folder a class, as a source of samples."""

import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors, without_number
from xpnet.base.checks import height_and_width
from xpnet.base.file_kinds import other_kind
from xpnet.base.hints import Explains
from xpnet.errors import DataError, FileError, FormatError, OptionError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

Fit = Literal["crop", "stretch"]

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class ImageFolder(Explains):
    """The images in `folder`/CLASS/..., read when they are asked for: x uint8 (n, C, H, W), t int64 (n,).

    Classes are the folders in natural order (2 before 10), and numbered so; `classes` has their names. Images are files
    of the usual suffixes, in the class's folder and the folders in it; hidden and other files are left alone.

    size: (H, W), or the side of a square, to which images are scaled, with antialiasing; without it, all must be of one
    size. fit: what does not have the shape of `size` is cut to it in the middle ("crop") or distorted ("stretch").
    grayscale: C is 1, otherwise 3 (RGB; what is transparent is laid on black).

    Raises FileError if the folder or an image cannot be read, DataError if there are no classes or one has no images;
    when an image is asked for, FormatError if it is broken, ShapeError if it has another size than the first.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: int | tuple[int, int] | None = None,
        grayscale: bool = False,
        fit: Fit = "crop",
    ) -> None:
        if fit not in get_args(Fit):
            raise OptionError(f'fit must be "crop" or "stretch", not {fit!r}')
        self.folder, self.grayscale, self.fit = checked_path(folder), bool(grayscale), fit
        self.size = None if size is None else height_and_width("size", size)
        with file_errors(f"cannot read {self.folder}", advice=""):
            folders = sorted(
                (entry for entry in self.folder.iterdir() if _shown(entry) and entry.is_dir()), key=_natural
            )
            found = [_images(entry) for entry in folders]
        if not folders:
            raise DataError(f"{self.folder} holds no folder; expected one for each class, with its images in it")
        self.classes = [entry.name for entry in folders]
        for name, images in zip(self.classes, found, strict=True):
            if not images:
                raise DataError(f"{self.folder / name} holds no image; expected files such as .png and .jpg")
        self.paths = [path for images in found for path in images]
        self.labels = np.repeat(np.arange(len(found)), [len(images) for images in found])
        self._first: tuple[int, int] | None = None  # of the first image, without `size`

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    def compared(self) -> dict[str, Any]:
        """What a Backup compares, wherever the folder is: names and lengths of the files, the content of a hundred."""
        names = "\n".join(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in self.paths)
        some = np.unique(np.linspace(0, len(self.paths) - 1, 100).astype(np.intp))
        content = 0
        for index in some:
            content = zlib.crc32(self.paths[index].read_bytes(), content)
        return {
            "images": len(self.paths),
            "checksum of names and lengths": zlib.crc32(names.encode(errors="surrogateescape")),
            "checksum of a hundred files": content,
            "size": self.size,
            "fit": self.fit,
            "grayscale": self.grayscale,
        }

    def __getitem__(self, indices: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        chosen = np.atleast_1d(np.arange(len(self))[indices])
        size = self.size or self._first
        if size is None and len(chosen):  # all images have the size of the first in the folder
            size = self._first = _read(self.paths[0], self).shape[1:]
        x = np.empty((len(chosen), 1 if self.grayscale else 3, *(size or (0, 0))), np.uint8)
        for i, index in enumerate(chosen):
            image = _read(self.paths[index], self)
            if image.shape != x.shape[1:]:
                raise ShapeError(
                    f"{self.paths[index]} has {image.shape[1]} x {image.shape[2]} pixels, and {self.paths[0]} has "
                    f"{x.shape[2]} x {x.shape[3]}; scale them to one size with ImageFolder(folder, size=(H, W))"
                )
            x[i] = image
        return x, self.labels[chosen]


def _read(path: Path, how: ImageFolder) -> npt.NDArray[np.uint8]:
    """(C, H, W). Warnings are not caught here: filters belong to the process, and several threads read at a time."""
    from PIL import Image, ImageOps

    try:
        with file_errors(f"cannot read {path}", "", foreign=without_number), Image.open(path) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise FormatError(f"{image.width} x {image.height} pixels are suspiciously many")
            if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
                raise FormatError("its pixels are numbers of 32 bits, of which nobody knows the range; save it with 8")
            flat = _flat(ImageOps.exif_transpose(image), "L" if how.grayscale else "RGB")
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


def _flat(image: "Image.Image", mode: str) -> "Image.Image":
    """The image in `mode`, L or RGB, without transparency, and with 8 bits."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits, which `convert` would cut off at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("RGB").convert(mode)


def _images(folder: Path) -> list[Path]:
    files = (
        Path(place) / name
        for place, folders, names in os.walk(folder, onerror=_raise)
        for name in names
        if not any(part.startswith(".") for part in Path(place, name).relative_to(folder).parts)
    )
    return sorted((file for file in files if file.suffix.lower() in SUFFIXES), key=_natural)


def _raise(error: OSError) -> None:
    raise error


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Numbers in a name by their value, the rest by letters, whatever their case."""
    parts = re.split(r"([0-9]+)", str(path).casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], str(path)
