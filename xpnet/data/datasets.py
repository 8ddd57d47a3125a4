"""Data sets by name. MNIST is in the box; Fashion-MNIST and CIFAR-10 are downloaded once, and kept."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from xpnet.base.atomic_files import checked_path
from xpnet.base.hints import explained, no_load_data
from xpnet.data.downloads import cache_folder, fetch
from xpnet.data.idx import idx_shape, read_idx
from xpnet.data.transforms import to_unit
from xpnet.errors import DataError, FileError, OptionError

Labelled = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

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
    train, test = (mnist_part(part, folder, flatten, normalize) for part in PARTS)
    return train, test


def mnist_part(
    part: Part, folder: str | os.PathLike[str] | None = None, flatten: bool = False, normalize: bool = True
) -> Labelled:
    """(x, t) of one part alone, "train" or "test"; the rest as for `mnist`. The other part's files are not read."""
    images_path, labels_path = _files(part, folder)
    images = read_idx(images_path, dtype=np.uint8, ndim=3)  # (N, 28, 28)
    labels = read_idx(labels_path, dtype=np.uint8, ndim=1)  # (N,)
    N = _count(images_path, images.shape, labels_path, labels.shape)
    if labels.max() > 9:
        raise DataError(f"{labels_path} holds the label {labels.max()}; expected the digits 0 to 9")
    x = images.reshape((N, 784) if flatten else (N, 1, 28, 28))
    return to_unit(x) if normalize else x, labels.astype(np.int64)


def mnist_sizes(folder: str | os.PathLike[str] | None = None) -> tuple[int, int]:
    """How many images there are to train on and to test on, from the headers of the four files: images and labels
    themselves are not read. Errors as of `mnist`."""
    found = []
    for part in PARTS:
        images_path, labels_path = _files(part, folder)
        images = idx_shape(images_path, dtype=np.uint8, ndim=3)
        labels = idx_shape(labels_path, dtype=np.uint8, ndim=1)
        found.append(_count(images_path, images, labels_path, labels))
    return found[0], found[1]


FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# SHA-256 as published, and the same, in several public projects that download these files.
_FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_FASHION_MNIST_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_CIFAR10 = {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
_CIFAR10_MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
)


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None,
    flatten: bool = False,
    normalize: bool = True,
    offline: bool | None = None,
) -> tuple[Labelled, Labelled]:
    """Fashion-MNIST as ((x, t), (x_test, t_test)), like `mnist`: 60,000 and 10,000 images of ten kinds of clothes.

    The kinds are `FASHION_MNIST_CLASSES`. The files (31 MB) are downloaded once, checked and kept in `folder`, by
    default fashion-mnist in the folder that XPNET_DATA names, or in the user's cache folder. `offline` never touches
    the network (None: as the environment variable XPNET_OFFLINE says).

    Raises FileError if a file is neither there nor to be had, MissingExtraError if one must be downloaded and pooch
    (extra `data`) is not installed, FormatError if one is damaged.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", 2017.
    """
    folder = cache_folder() / "fashion-mnist" if folder is None else checked_path(folder)
    _fetch_all(folder, _FASHION_MNIST, _FASHION_MNIST_MIRRORS, offline)
    return mnist(folder, flatten, normalize)


def cifar10(
    folder: str | os.PathLike[str] | None = None, normalize: bool = True, offline: bool | None = None
) -> tuple[Labelled, Labelled]:
    """CIFAR-10 as ((x, t), (x_test, t_test)): 50,000 and 10,000 colour photographs of ten kinds, `CIFAR10_CLASSES`.

    x is (N, 3, 32, 32), red, green and blue: float32 from 0 to 1, or uint8 from 0 to 255 without `normalize`. t is
    (N,), int64, 0 to 9. The archive (170 MB, the binary version) is downloaded, kept and read as for `fashion_mnist`,
    in cifar-10; errors are the same.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    from xpnet.data.cifar import read_cifar

    folder = cache_folder() / "cifar-10" if folder is None else checked_path(folder)
    (path,) = _fetch_all(folder, _CIFAR10, _CIFAR10_MIRRORS, offline)
    (x, t), (x_test, t_test) = read_cifar(path)
    return (to_unit(x) if normalize else x, t), (to_unit(x_test) if normalize else x_test, t_test)


def _fetch_all(folder: Path, hashes: dict[str, str], mirrors: tuple[str, ...], offline: bool | None) -> list[Path]:
    return [
        fetch(folder / name, sha256, [mirror + name for mirror in mirrors], offline) for name, sha256 in hashes.items()
    ]


def _count(images_path: Path, images: tuple[int, ...], labels_path: Path, labels: tuple[int, ...]) -> int:
    """The number of images, from the shapes of images and labels if they fit together."""
    if labels[0] != images[0]:
        raise DataError(
            f"{images_path} holds {images[0]} images but {labels_path} {labels[0]} labels; they must be as many"
        )
    if images[0] == 0:
        raise DataError(f"{images_path} holds no image")
    if images[1:] != (28, 28):
        raise DataError(f"the images of {images_path} have shape {images[1:]}; expected (28, 28)")
    return images[0]


def _files(part: Part, folder: str | os.PathLike[str] | None) -> tuple[Path, Path]:
    """Images and labels."""
    if part not in PARTS:
        raise OptionError(f'part must be "train" or "test", not {part!r}')
    folder = _MNIST if folder is None else checked_path(folder)
    stem = {"train": "train", "test": "t10k"}[part]
    return _find(folder, f"{stem}-images", "idx3-ubyte"), _find(folder, f"{stem}-labels", "idx1-ubyte")


def _find(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{mark}{kind}{suffix}" for mark in "-." for suffix in ("", ".gz", ".xz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder; expected one with the files of MNIST in it")
    raise FileError(f"{folder} holds no {names[0]}; expected it there, plain, .gz or .xz")


for _loaded in (mnist, fashion_mnist, cifar10):
    vars(_loaded)["load_data"] = no_load_data(_loaded.__name__)

if not TYPE_CHECKING:
    __getattr__, __dir__ = explained(__name__)
