"""Words for whoever sits at a terminal. There may be none: under pythonw and in services `sys.stderr` is None, others
close it, and some put an object in its place that has `write` and no more.
"""

import sys
from collections.abc import Callable
from typing import Any


def is_terminal() -> bool:
    """Whether somebody sees what goes to stderr as it comes."""
    stream = _stderr()
    return stream is not None and hasattr(stream, "isatty") and bool(stream.isatty())


def say(text: str) -> None:
    """A line on stderr, if there is one; `print` would take stdout in its place."""
    stream = _stderr()
    if stream is not None:
        print(text, file=stream, flush=hasattr(stream, "flush"))


def bar(*args: Any, **options: Any) -> Any:
    """A progress bar of tqdm on stderr, which shows nothing where there is none."""
    from tqdm import tqdm

    make: Callable[..., Any] = tqdm
    stream = _stderr()
    return make(*args, leave=False, dynamic_ncols=True, file=stream, disable=stream is None, **options)


def above_bar(text: str) -> None:
    """A line on stderr that is not in the middle of a progress bar."""
    from tqdm import tqdm

    if (stream := _stderr()) is not None:
        tqdm.write(text, file=stream)


def _stderr() -> Any:
    """stderr, None if nothing can be written to it."""
    return None if getattr(sys.stderr, "closed", False) is True else sys.stderr
