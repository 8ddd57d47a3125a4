"""Arrays of this machine: numbers in its own byte order, and none that a mask hides."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.errors import DataError


def native(x: Any) -> Any:
    """A NumPy array in the byte order of this machine, to which big-endian files and FITS images are converted; all
    else as it is.
    """
    if isinstance(x, np.ndarray) and not x.dtype.isnative:
        return x.astype(x.dtype.newbyteorder("="))
    return x


def as_host(x: Any, dtype: Any = None) -> npt.NDArray[Any]:
    """`np.asarray`, in the byte order of this machine; it would give away what a mask hides, such as the 999 of a value
    that is missing, so masked arrays are refused.
    """
    refuse_masked(x)
    array: npt.NDArray[Any] = native(np.asarray(x, dtype))
    return array


def refuse_masked(x: Any) -> None:
    """Raises DataError for a masked array, and for a list of such."""
    if type(x) is np.ndarray:
        return
    for each in x if isinstance(x, (list, tuple)) else (x,):
        if isinstance(each, np.ma.MaskedArray):
            raise DataError(
                "the data are a masked array, and what it hides would be taken for numbers: fill it first, as in"
                " x.filled(0), or leave these samples out; a loss leaves out elements with its ignored_label, or with a"
                " sample_weight of 0"
            )
