"""Fixtures of the pages' tests: Chromium, started once for each module, and tabs of it that must not complain.

Where the extra `web` is missing, all of these tests are skipped; the rest of the suite runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from xpnet.serving.session import Session

if TYPE_CHECKING:
    from tests.serving.browser import OpenTab
    from tests.serving.kit import Served

MISSING = [name for name in ("starlette", "uvicorn", "websockets") if find_spec(name) is None]


class Unserved(pytest.Module):
    """A module of tests that is not even imported: what it imports may need what is missing."""

    def collect(self) -> NoReturn:
        needed = ", ".join(MISSING)
        pytest.skip(f'the pages need it: pip install "xpnet[web]" (missing: {needed})', allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return Unserved.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.serving.browser import started_browser

    with started_browser() as browser:
        yield browser


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[OpenTab]:
    from tests.serving.browser import tabs

    with tabs(chromium) as open_tab:
        yield open_tab


def play_rooms() -> dict[str, Callable[[], Session]]:
    """What `xpnet play` serves."""
    from xpnet.serving.digit.session import DigitSession
    from xpnet.serving.digit.shelf import Shelf
    from xpnet.serving.playground.session import PlaygroundSession

    shelf = Shelf(None)
    return {"digit": lambda: DigitSession(shelf), "playground": PlaygroundSession}


@pytest.fixture(scope="module")
def played() -> Iterator[Served]:
    """A server of the pages of `xpnet play`."""
    from tests.serving.kit import serving

    with serving(play_rooms()) as served:
        yield served
