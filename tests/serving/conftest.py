"""Fixtures of the pages' tests: Chromium, started once for each module, and tabs of it that must not complain."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serving.browser import OpenTab, started_browser, tabs
from tests.serving.kit import Served, serving
from xpnet.serving.session import Session


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with started_browser() as browser:
        yield browser


@pytest.fixture
def open_tab(chromium: Any) -> Iterator[OpenTab]:
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
    with serving(play_rooms()) as served:
        yield served
