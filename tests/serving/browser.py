"""Chromium, driven by Playwright: how it is found and started, and what is asked of every page that is open in it."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.serving.kit import PATIENCE, eventually
from xpnet.serving.frames import Frame, unpack

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
SCRIPTS = Path(__file__).parent / "scripts"


class OpenTab(Protocol):
    """Opens the page at a server's address. `expected`: parts of what it may say on the console. Into `heard` comes the
    newest frame of each kind that the server sends.
    """

    def __call__(
        self, address: str, path: str = "", expected: tuple[str, ...] = (), language: str = "en-US", width: int = 1280,
        height: int = 800, heard: dict[str, Frame] | None = None, **options: Any,
    ) -> Any: ...  # fmt: skip


def find_browser() -> str:
    """Its path; skips the test where there is none, or nothing to drive it with."""
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (pip install playwright)")
    given = os.environ.get("XPNET_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not shutil.which(found):
        pytest.skip(f"there is no browser: neither {', '.join(NAMES)} in the path nor XPNET_CHROMIUM={given or ''}")
    return found


@contextlib.contextmanager
def started_browser() -> Iterator[Any]:
    path = find_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def tabs(browser: Any) -> Iterator[OpenTab]:
    """A function that opens tabs. In the end none may have said anything, nor asked another host for anything."""
    complaints: list[str] = []
    with contextlib.ExitStack() as stack:

        def open_tab(
            address: str, path: str = "", expected: tuple[str, ...] = (), language: str = "en-US", width: int = 1280,
            height: int = 800, heard: dict[str, Frame] | None = None, **options: Any,
        ) -> Any:  # fmt: skip
            context = browser.new_context(locale=language, viewport={"width": width, "height": height}, **options)
            stack.callback(context.close)
            tab = context.new_page()
            tab.set_default_timeout(20_000)
            listen(tab, address, expected, complaints)
            if heard is not None:
                tab.on("websocket", lambda socket: socket.on("framereceived", lambda data: hear(data, heard)))
            tab.goto(address + path)
            return tab

        yield open_tab
    assert not complaints, "\n".join(complaints)


def hear(data: bytes, heard: dict[str, Frame]) -> None:
    frame = unpack(data)
    heard[frame.kind] = frame


def listen(tab: Any, address: str, expected: tuple[str, ...], complaints: list[str]) -> None:
    def complain(text: str) -> None:
        if not any(part in text for part in expected):
            complaints.append(text)

    def asked(url: str) -> None:
        own = (address, address.replace("http:", "ws:"), "data:", f"blob:{address}")
        if not url.startswith(own):
            complain(f"it asks for {url}")

    tab.on("console", lambda message: complain(f"console: {message.text} ({message.location.get('url')})"))
    tab.on("pageerror", lambda error: complain(f"error: {error}"))
    tab.on("request", lambda request: asked(request.url))
    tab.on("websocket", lambda socket: asked(socket.url))
    tab.on("response", lambda response: response.status < 400 or complain(f"{response.status}: {response.url}"))
    tab.on("dialog", lambda dialog: (complain(f"dialog: {dialog.message}"), dialog.dismiss()))


def becomes(tab: Any, expression: str, patience: float = PATIENCE) -> None:
    """Wait until the expression holds in the tab. (Playwright's own way is an `eval`, which our pages do not allow.)"""
    assert eventually(lambda: bool(tab.evaluate(expression)), patience), f"{expression} does not come to hold"


def comes(tab: Any, holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until it holds of what was heard, which Playwright tells while one waits for it."""

    def look() -> bool:
        tab.wait_for_timeout(5)
        return holds()

    assert eventually(look, patience)


def script(name: str) -> Callable[..., Any]:
    """Runs tests/serving/scripts/NAME.js, a function, in a tab."""
    source = (SCRIPTS / f"{name}.js").read_text()

    def run(tab: Any, argument: Any = None) -> Any:
        return tab.evaluate(source, argument)

    return run


def nodes(tab: Any) -> list[dict[str, Any]]:
    """What a screen reader is told: the nodes of the accessibility tree, with role and name, and if they take focus."""
    session = tab.context.new_cdp_session(tab)
    session.send("Accessibility.enable")
    found = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        {
            "role": node.get("role", {}).get("value", ""),
            "name": node.get("name", {}).get("value", "").strip(),
            "focusable": any(each["name"] == "focusable" for each in node.get("properties", [])),
        }
        for node in found
        if not node.get("ignored")
    ]
