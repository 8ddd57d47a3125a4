"""Warnings that point at the line of the user's that led to them."""

import sys
import warnings

INSIDE = ("xpnet", "contextlib")  # context managers of the library are entered by way of it


def notify(text: str) -> None:
    """Warn, with the first frame outside the library as the place: Python shows such a warning once for each place."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
