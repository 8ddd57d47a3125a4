"""Data: batches, transforms, data sets, and the files they come from."""

from xpnet.data import augment
from xpnet.data.batches import Batches, split
from xpnet.data.datasets import cifar10, fashion_mnist, mnist
from xpnet.data.digit_image import digit_from_array, read_digit
from xpnet.data.folds import KFold, stratified_split
from xpnet.data.idx import read_idx, write_idx
from xpnet.data.image_folder import ImageFolder
from xpnet.data.loader import Loader
from xpnet.data.sources import Arrays, MappedArrays, Stream, read_npz
from xpnet.data.transforms import MeanRemoval, Normalize, one_hot, to_unit
from xpnet.data.whitening import PCA, ZCA, Standardize

__all__ = [
    "PCA",
    "ZCA",
    "Arrays",
    "Batches",
    "ImageFolder",
    "KFold",
    "Loader",
    "MappedArrays",
    "MeanRemoval",
    "Normalize",
    "Standardize",
    "Stream",
    "augment",
    "cifar10",
    "digit_from_array",
    "fashion_mnist",
    "mnist",
    "one_hot",
    "read_digit",
    "read_idx",
    "read_npz",
    "split",
    "stratified_split",
    "to_unit",
    "write_idx",
]
