"""Words for whoever sits at a terminal. There may be none: under pythonw and in services `sys.stderr` is None."""

import sys
from collections.abc import Callable
from typing import Any


def is_terminal() -> bool:
    """Whether somebody sees what goes to stderr as it comes."""
    return sys.stderr is not None and sys.stderr.isatty()


def say(text: str) -> None:
    """A line on stderr, if there is one; `print` would take stdout in its place."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def bar(*args: Any, **options: Any) -> Any:
    """A progress bar of tqdm on stderr, which shows nothing where there is none."""
    from tqdm import tqdm

    make: Callable[..., Any] = tqdm
    return make(*args, leave=False, dynamic_ncols=True, file=sys.stderr, disable=sys.stderr is None, **options)


def above_bar(text: str) -> None:
    """A line on stderr that is not in the middle of a progress bar."""
    from tqdm import tqdm

    if sys.stderr is not None:
        tqdm.write(text, file=sys.stderr)
