"""Data sets by name. MNIST is in the box: nothing is downloaded."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.data.idx import read_idx
from xpnet.data.transforms import to_unit
from xpnet.errors import DataError, FileError

Labelled = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]

_MNIST = Path(__file__).parent / "mnist"


def mnist(
    folder: str | os.PathLike[str] | None = None, flatten: bool = False, normalize: bool = True
) -> tuple[Labelled, Labelled]:
    """The MNIST handwritten digits as ((x, t), (x_test, t_test)): 60,000 images to train on, 10,000 to test on.

    x is (N, 1, 28, 28), or (N, 784) with `flatten`: float32 from 0 (background) to 1 (ink), or uint8 from 0 to 255
    without `normalize`. t is (N,), int64, the digits 0 to 9.

    `folder` holds the four files of another data set in the same form, such as Fashion-MNIST: named
    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or with a dot
    before idx), each plain, .gz or .xz.

    Raises FileError if a file is missing, FormatError if one is damaged, and DataError if images and labels do not
    match, the images are not 28 x 28, or a label is not a digit.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.
    """
    folder = _MNIST if folder is None else Path(folder)
    return _labelled(folder, "train", flatten, normalize), _labelled(folder, "t10k", flatten, normalize)


def _labelled(folder: Path, part: str, flatten: bool, normalize: bool) -> Labelled:
    images_path = _find(folder, f"{part}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels", "idx1-ubyte")
    images = read_idx(images_path, dtype=np.uint8, ndim=3)  # (N, 28, 28)
    labels = read_idx(labels_path, dtype=np.uint8, ndim=1)  # (N,)
    N = len(images)
    if len(labels) != N:
        raise DataError(f"{images_path} holds {N} images but {labels_path} {len(labels)} labels; they must be as many")
    if N == 0:
        raise DataError(f"{images_path} holds no image")
    if images.shape[1:] != (28, 28):
        raise DataError(f"the images of {images_path} have shape {images.shape[1:]}; expected (28, 28)")
    if labels.max() > 9:
        raise DataError(f"{labels_path} holds the label {labels.max()}; expected the digits 0 to 9")
    x = images.reshape((N, 784) if flatten else (N, 1, 28, 28))
    return to_unit(x) if normalize else x, labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{mark}{kind}{suffix}" for mark in "-." for suffix in ("", ".gz", ".xz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder; expected one with the files of MNIST in it")
    raise FileError(f"{folder} holds no {names[0]}; expected it there, plain, .gz or .xz")
