"""Arrays of this machine: numbers in its own byte order."""

from typing import Any

import numpy as np


def native(x: Any) -> Any:
    """A NumPy array in the byte order of this machine, to which big-endian files and FITS images are converted; all
    else as it is.
    """
    if isinstance(x, np.ndarray) and not x.dtype.isnative:
        return x.astype(x.dtype.newbyteorder("="))
    return x


def as_host(x: Any, dtype: Any = None) -> np.ndarray:
    """`np.asarray`, in the byte order of this machine."""
    array: np.ndarray = native(np.asarray(x, dtype))
    return array
