"""A folder of images, one folder a class, as a source of samples."""

import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.hints import Explains
from xpnet.base.notice import notify
from xpnet.base.regular_files import opened
from xpnet.data.image_file import Fit, Preparation
from xpnet.data.picture_file import Background
from xpnet.errors import DataError, ShapeError

SUFFIXES = {
    ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
USUAL = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # which systems leave in folders of pictures
SHOWN = 3  # names of files that were left out


class ImageFolder(Explains):
    """The images in `folder`/CLASS/..., read when they are asked for: x uint8 (n, C, H, W), t int64 (n,).

    Classes are the folders in natural order (2 before 10), and numbered so; `classes` has their names, and `labels` the
    number of each image. Images are files of the usual suffixes, in the class's folder and the folders in it, linked
    ones too. Hidden files are left alone; of all else that lies there a warning says how much it is.

    size: (H, W), or the side of a square, to which images are scaled, with antialiasing; without it, all must be of one
    size. fit: what does not have the shape of `size` is cut to it in the middle ("crop") or distorted ("stretch").
    grayscale: C is 1, otherwise 3 (RGB). background: what is laid behind transparency, as `data.read_image` says, which
    reads one file in the same way; so does `preparation`, the data.Preparation that a network trained on these keeps.

    Raises FileError if the folder or an image cannot be read, DataError if there are no classes or one has no images;
    when an image is asked for, FormatError if it is broken, ShapeError if it has another size than the first.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: int | tuple[int, int] | None = None,
        grayscale: bool = False,
        fit: Fit = "crop",
        background: Background = "auto",
    ) -> None:
        self._how = how = Preparation(size, grayscale, fit, background)
        self.folder, self.size, self.grayscale = checked_path(folder), how.size, how.grayscale
        self.fit, self.background = how.fit, how.background
        with file_errors(f"cannot read {self.folder}", advice=""):
            there = sorted((entry for entry in self.folder.iterdir() if not entry.name.startswith(".")), key=_natural)
            folders = [entry for entry in there if entry.is_dir()]
            found = [images_in(entry) for entry in folders]
        if not folders:
            raise DataError(f"{self.folder} holds no folder; expected one for each class, with its images in it")
        self.classes = [entry.name for entry in folders]
        for name, (images, others) in zip(self.classes, found, strict=True):
            if not images:
                but = f", but {_named(others, self.folder / name)}" if others else ""
                raise DataError(f"{self.folder / name} holds no image{but}; expected files such as .png and .jpg")
        self.paths = [path for images, _ in found for path in images]
        self.labels = np.repeat(np.arange(len(found)), [len(images) for images, _ in found])
        self._first: tuple[int, int] | None = None  # of the first image, without `size`
        inside = {path.relative_to(folders[0]).parts[0] for path in self.paths} if len(folders) == 1 else set()
        if len(inside) > 1 and not any(path.parent == folders[0] for path in self.paths):
            notify(
                f"{self.folder} holds one class, {self.classes[0]}, whose images lie in folders of their own: if these"
                f" are the classes, name {folders[0]}"
            )
        left = [path for _, others in found for path in others]
        left += [entry for entry in there if not entry.is_dir() and entry.name.lower() not in USUAL]
        if left:
            notify(
                f"{self.folder}: left out {'is' if len(left) == 1 else 'are'} {_named(left, self.folder)}; an image"
                f" lies in the folder of its class, and its name ends in {', '.join(sorted(SUFFIXES))}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    @property
    def preparation(self) -> Preparation:
        """How a file of these becomes a sample; without a `size`, the first image is read for it."""
        how = self._how
        return Preparation(how.size or self._size_of_first(), how.grayscale, how.fit, how.background)

    def compared(self) -> dict[str, Any]:
        """What a Backup compares, wherever the folder is: names and lengths of the files, the content of a hundred."""
        names = "\n".join(f"{path.relative_to(self.folder)} {path.stat().st_size}" for path in self.paths)
        some = np.unique(np.linspace(0, len(self.paths) - 1, 100).astype(np.intp))
        content = 0
        for index in some:
            with file_errors(f"cannot read {self.paths[index]}", advice=""), opened(self.paths[index]) as file:
                content = zlib.crc32(file.read(), content)
        found = {
            "images": len(self.paths),
            "checksum of names and lengths": zlib.crc32(names.encode(errors="surrogateescape")),
            "checksum of a hundred files": content,
            "size": self.size,
            "fit": self.fit,
            "grayscale": self.grayscale,
        }
        return found if self.background == "auto" else found | {"background": self.background}

    def __getitem__(self, indices: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        chosen = np.atleast_1d(np.arange(len(self))[indices])
        size = self.size or self._first
        if size is None and len(chosen):  # all images have the size of the first in the folder
            size = self._size_of_first()
        x = np.empty((len(chosen), 1 if self.grayscale else 3, *(size or (0, 0))), np.uint8)
        for i, index in enumerate(chosen):
            image = self._how.image(self.paths[index])
            if image.shape != x.shape[1:]:
                raise ShapeError(
                    f"{self.paths[index]} has {image.shape[1]} x {image.shape[2]} pixels, and {self.paths[0]} has "
                    f"{x.shape[2]} x {x.shape[3]}; scale them to one size with ImageFolder(folder, size=(H, W))"
                )
            x[i] = image
        return x, self.labels[chosen]

    def _size_of_first(self) -> tuple[int, int]:
        if self._first is None:
            _, *size = self._how.image(self.paths[0]).shape
            self._first = size[0], size[1]
        return self._first


def images_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of a class, and all other files, but for hidden ones. A folder to which several ways lead is looked
    into once, and one that links lead back to, from inside it, not again.
    """
    seen = {os.path.realpath(around) for around in (*folder.absolute().parents, *folder.resolve().parents)}
    files: list[Path] = []
    pending = [folder]
    for start in pending:  # links behind what is no link
        for place, folders, names in os.walk(start, onerror=_raise):
            if (real := os.path.realpath(place)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = [name for name in folders if not name.startswith(".")]
            pending += [link for link in sorted(Path(place, name) for name in folders) if link.is_symlink()]
            files += [Path(place, name) for name in names if not name.startswith(".")]
    files = sorted((file for file in files if file.name.lower() not in USUAL), key=_natural)
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    return images, [file for file in files if file.suffix.lower() not in SUFFIXES]


def _named(files: Sequence[Path], folder: Path) -> str:
    """How many they are, and the first of them, on one line."""
    names = [name if (name := path.relative_to(folder).as_posix()).isprintable() else repr(name) for path in files]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} file{'s' if len(names) > 1 else ''}: {', '.join(names[:SHOWN])}{more}"


def _raise(error: OSError) -> None:
    raise error


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Numbers in a name by their value, the rest by letters, whatever their case."""
    parts = re.split(r"([0-9]+)", str(path).casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], str(path)
