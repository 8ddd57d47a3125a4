"""Data: batches, transforms, data sets, and the files they come from."""

from xpnet.data.batches import Batches, split
from xpnet.data.datasets import mnist
from xpnet.data.digit_image import digit_from_array, read_digit
from xpnet.data.idx import read_idx, write_idx
from xpnet.data.transforms import MeanRemoval, Normalize, one_hot, to_unit

__all__ = [
    "Batches",
    "MeanRemoval",
    "Normalize",
    "digit_from_array",
    "mnist",
    "one_hot",
    "read_digit",
    "read_idx",
    "split",
    "to_unit",
    "write_idx",
]
