"""Arrays as NumPy has them, but for masked ones, whose mask would be lost on the way."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet.errors import DataError


def as_array(x: Any) -> npt.NDArray[Any]:
    """`np.asarray`, which would give away what a mask hides, such as the 999 of a value that is missing."""
    refuse_masked(x)
    return np.asarray(x)


def refuse_masked(x: Any) -> None:
    """Raises DataError for a masked array, and for a list of such."""
    if isinstance(x, np.ma.MaskedArray) or (
        isinstance(x, (list, tuple)) and any(isinstance(each, np.ma.MaskedArray) for each in x)
    ):
        raise DataError(
            "the data are a masked array, and what it hides would be taken for numbers: fill it first, as in"
            " x.filled(0), or leave these samples out; a loss leaves out elements with its ignored_label, or with a"
            " sample_weight of 0"
        )
