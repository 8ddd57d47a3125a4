"""Data: batches, transforms, data sets, and the files they come from."""

from typing import TYPE_CHECKING

from xpnet.base.on_demand import imported_on_demand
from xpnet.data.batches import Batches, split
from xpnet.data.transforms import MeanRemoval, Normalize, one_hot, to_unit

if TYPE_CHECKING:
    from xpnet.data import augment
    from xpnet.data.datasets import cifar10, fashion_mnist, mnist
    from xpnet.data.digit_image import digit_from_array, read_digit
    from xpnet.data.folds import KFold, hold_out, stratified_split
    from xpnet.data.idx import read_idx, write_idx
    from xpnet.data.image_file import Preparation, read_image
    from xpnet.data.image_folder import ImageFolder
    from xpnet.data.loader import Loader
    from xpnet.data.sequences import ByLength, mask_after, mask_of, pad
    from xpnet.data.sources import Arrays, MappedArrays, Stream, Subset, read_npz
    from xpnet.data.text import Vocabulary, windows, windows_in_rows
    from xpnet.data.whitening import PCA, ZCA, Standardize

# Where the rest stands: it is imported when somebody asks for it, so that `import xpnet` stays quick.
_PLACES: dict[str, tuple[str, ...]] = {
    "augment": (),
    "datasets": ("cifar10", "fashion_mnist", "mnist"),
    "digit_image": ("digit_from_array", "read_digit"),
    "folds": ("KFold", "hold_out", "stratified_split"),
    "idx": ("read_idx", "write_idx"),
    "image_file": ("Preparation", "read_image"),
    "image_folder": ("ImageFolder",),
    "loader": ("Loader",),
    "sequences": ("ByLength", "mask_after", "mask_of", "pad"),
    "sources": ("Arrays", "MappedArrays", "Stream", "Subset", "read_npz"),
    "text": ("Vocabulary", "windows", "windows_in_rows"),
    "whitening": ("PCA", "ZCA", "Standardize"),
}

__all__ = [
    "PCA",
    "ZCA",
    "Arrays",
    "Batches",
    "ByLength",
    "ImageFolder",
    "KFold",
    "Loader",
    "MappedArrays",
    "MeanRemoval",
    "Normalize",
    "Preparation",
    "Standardize",
    "Stream",
    "Subset",
    "Vocabulary",
    "augment",
    "cifar10",
    "digit_from_array",
    "fashion_mnist",
    "hold_out",
    "mask_after",
    "mask_of",
    "mnist",
    "one_hot",
    "pad",
    "read_digit",
    "read_idx",
    "read_image",
    "read_npz",
    "split",
    "stratified_split",
    "to_unit",
    "windows",
    "windows_in_rows",
    "write_idx",
]

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__)
