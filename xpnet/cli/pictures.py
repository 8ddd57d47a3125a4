"""Folders of one's own pictures, one folder a class, where --data may name MNIST's files or such a folder."""

import math
import os
import warnings
from pathlib import Path

import click
import numpy as np

from xpnet import random
from xpnet.core.outputs import is_shape
from xpnet.data.datasets import Labelled
from xpnet.data.folds import hold_out
from xpnet.data.image_file import Preparation
from xpnet.data.image_folder import SUFFIXES, ImageFolder, images_in
from xpnet.data.loader import Loader
from xpnet.data.sources import Subset
from xpnet.errors import DataError, FileError, OptionError, ShapeError
from xpnet.model import Model

MNIST_SIZE = 28  # pixels: what the networks that `xpnet train` knows take
TEST = 0.2  # of the pictures of each class
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}  # which are no names of classes
SHOWN = 10  # names of classes


def holds_classes(folder: str | None) -> bool:
    """Whether it holds a folder for each class with pictures in it, and not MNIST's files, of which errors are told
    where these are read. Raises FileError if it holds neither or is no folder, OptionError for a folder of parts.
    """
    if folder is None:
        return False
    if not os.path.isdir(folder):
        raise FileError(
            f"{folder} is not a folder; expected one with MNIST's four files (train-images-idx3-ubyte, ...) in it, or"
            f" with a folder for each class and its pictures in it, such as {Path(folder, 'cats', '1.jpg')}"
        )
    there = [entry for entry in sorted(Path(folder).iterdir()) if not entry.name.startswith(".")]
    if any(entry.name.startswith(("train-", "t10k-")) for entry in there):
        return False
    inside = [entry for entry in there if entry.is_dir()]
    if any(images_in(entry)[0] for entry in inside):
        parts = [entry for entry in inside if entry.name.lower() in PARTS]
        if parts and len(parts) == len(inside):
            raise OptionError(
                f"{folder} holds {' and '.join(entry.name for entry in parts)}, which are parts of a data set and no"
                f" classes: name one of them, as in --data {parts[0]}"
            )
        return True
    loose = sum(entry.suffix.lower() in SUFFIXES for entry in there)
    raise FileError(
        f"{folder} holds neither MNIST's four files (train-images-idx3-ubyte, ...) nor a folder for each class with"
        f" its pictures in it, such as {Path(folder, 'cats', '1.jpg')}"
        + (f"; its {loose} picture{'s lie' if loose > 1 else ' lies'} in no class's folder" if loose else "")
    )


class OwnPictures:
    """The pictures in a folder, at the size of MNIST's, and in grey, unless another preparation is given."""

    def __init__(self, folder: str, how: Preparation | None = None) -> None:
        how = how or Preparation(MNIST_SIZE, grayscale=True)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.source = ImageFolder(folder, how.size, how.grayscale, how.fit, how.background)
        for warning in said:  # of files that were left out
            click.echo(f"xpnet: {warning.message}", err=True)
        self.how, self.folder, self.classes = how, folder, self.source.classes

    def parts(self, seed: int, limit: int | None, validation: float) -> tuple[Labelled, Labelled | None, Labelled]:
        """What to train on, what to validate with if that is asked for, and what to test on, of each class as much."""
        if len(self.classes) < 2:
            raise DataError(f"{self.folder} holds one class, {self.classes[0]}: there is nothing to tell apart")
        rest, test = hold_out(self.source, TEST, seed)
        train = Subset(rest, random.stream((seed, 1)).permutation(len(rest))[:limit])
        if not validation:
            return self.read(train), None, self.read(test)
        train, held_out = hold_out(train, validation, seed)
        return self.read(train), self.read(held_out), self.read(test)

    def read(self, part: Subset | ImageFolder) -> Labelled:
        """(x, t) as arrays, x as the network takes it."""
        how = self.how
        workers = min(4, os.cpu_count() or 1)
        batches = Loader(part, 64, False, workers=workers, normalize=how.normalize, transform=how.transform)
        xs, ts = zip(*batches, strict=True)
        return np.concatenate(xs), np.concatenate(ts)

    def in_words(self) -> str:
        names = ", ".join(self.classes[:SHOWN]) + (", ..." if len(self.classes) > SHOWN else "")
        return f"{len(self.classes)} classes ({names})"


def pictures_for(model: Model, file: object, folder: str) -> Labelled:
    """All pictures in a folder as the network takes them, with its own numbers of their classes."""
    if model.preparation is None or model.class_names is None:
        raise OptionError(
            f"{file}: the network knows no names of classes, or not how pictures are prepared: it must have been"
            " trained on such a folder, as by xpnet train NETWORK --data FOLDER"
        )
    check_preparation(model, file)
    own = OwnPictures(folder, model.preparation)
    strange = [name for name in own.classes if name not in model.class_names]
    if strange:
        raise DataError(
            f"{file}: the network does not know the class {strange[0]!r} of {folder}; it knows"
            f" {', '.join(model.class_names)}"
        )
    x, t = own.read(own.source)
    return x.reshape(len(x), *(model.input_shape or ())), np.array([*map(model.class_names.index, own.classes)])[t]


def check_preparation(model: Model, file: object) -> None:
    """Whether pictures that are prepared are what the network takes. Raises ShapeError."""
    how, shape = model.preparation, model.input_shape or ()
    if len(model.input_shapes) != 1 or any(model.integer_inputs) or not is_shape(model.output_shape(shape)):
        raise ShapeError(
            f"{file}: the network takes integers, or several inputs, or gives several outputs; for pictures it needs"
            " one image and one output"
        )
    if how is not None and how.size is not None:
        prepared = (1 if how.grayscale else 3, *how.size)
        if math.prod(prepared) != math.prod(shape):
            raise ShapeError(f"{file}: its preparation makes pictures {prepared}, and the network takes {shape}")
