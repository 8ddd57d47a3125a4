"""How images and classes are shown: on which scale, and under which name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xpnet.errors import OptionError


def limits_of(images: np.ndarray) -> tuple[float, float]:
    """The values of black and white: 0 and 255 for bytes, 0 and 1 if all lie between, else the lowest and highest."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)] if images.dtype.kind == "f" else images
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)


def name_of(label: int, names: Sequence[str] | None) -> str:
    """The name of a class, or its number where there are no names; OptionError where one is missing."""
    if names is None:
        return str(label)
    if not 0 <= label < len(names):
        raise OptionError(f"names holds {len(names)} names, for classes 0 to {len(names) - 1}, but there is a {label}")
    return str(names[label])
