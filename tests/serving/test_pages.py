"""What holds for every page, in a real browser: languages, colours, widths, keys, screen readers, lost connections."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving.browser import OpenTab, becomes, nodes, script
from tests.serving.conftest import play_rooms
from tests.serving.kit import PATIENCE, Served, eventually, fetch, serving, threads
from tests.serving.watch.helpers import train
from xpnet.serving import Watch

pytestmark = pytest.mark.browser

PAGES = ["", "digit", "playground", "watch"]
PLAYED = ["digit", "playground"]  # whose sessions are those of `xpnet play`
CONTROLS = {
    "button", "link", "combobox", "listbox", "textbox", "checkbox", "radio", "slider", "spinbutton", "switch", "tab",
    "searchbox", "menuitem", "ToggleButton", "PopUpButton",
}  # fmt: skip
UNNAMED = {"RootWebArea", "generic", "none"}  # what may take focus, to be scrolled, and is no control
HEADINGS = """[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((each) => each.checkVisibility())
  .map((each) => Number(each.tagName[1]))"""
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "start")
contrast, focusable, overflow, overlaps, said = map(script, ("contrast", "focusable", "overflow", "overlaps", "said"))


Site = dict[str, tuple[str, str]]  # of each page: the address of its server, and the path


@pytest.fixture(scope="module")
def site(played: Served) -> Iterator[Site]:
    watch = Watch(port=0)
    train(watch, epochs=1)
    yield {path: (played.address, path) for path in PAGES} | {"watch": (watch.address, "")}
    watch.close()


def settled(tab: Any) -> Any:
    """The page, when its connection stands and it has shown what comes first."""
    becomes(tab, "document.readyState === 'complete' && document.querySelector('#language option') !== null")
    tab.wait_for_timeout(300)
    return tab


def texts(tab: Any, language: str) -> dict[str, str]:
    return tab.evaluate(f"async () => ({{...(await import('/pages/texts/{language}.js')).{language}}})")


@every_page
def test_it_opens_with_nothing_to_complain_of(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path]))
    assert tab.locator("#notice").inner_text() == ""
    assert tab.locator("main#main").count() == 1 and "xpnet" in tab.title()


@every_page
def test_it_speaks_the_browser_s_language(site: Site, open_tab: OpenTab, path: str) -> None:
    more = () if path else (("en-GB", "en"), ("fr-FR", "en"))
    for asked, given in (("zh-TW", "zh"), *more):
        tab = open_tab(*site[path], language=asked)
        becomes(tab, f"document.documentElement.lang === '{given}'")
        assert tab.locator("#language").input_value() == given
        tab.context.close()


@every_page
def test_the_switch_changes_all_that_is_said_and_is_remembered(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path]))
    english, chinese = texts(tab, "en"), texts(tab, "zh")
    only_english = {english[key] for key in english if english[key] not in chinese.values() and "{" not in english[key]}
    assert set(said(tab)) & only_english
    tab.locator("#language").select_option("zh")
    assert tab.evaluate("document.documentElement.lang") == "zh"
    assert not set(said(tab)) & only_english
    assert path not in PLAYED or tab.title() == f"xpnet: {chinese[f'frame.{path}']}"
    settled(tab.reload() and tab)
    assert tab.evaluate("document.documentElement.lang") == "zh"
    assert not set(said(tab)) & only_english
    tab.locator("#language").select_option("en")
    assert not set(said(tab)) & {text for text in chinese.values() if text not in english.values() and "{" not in text}


@every_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(site: Site, open_tab: OpenTab, path: str, scheme: str) -> None:
    tab = settled(open_tab(*site[path], color_scheme=scheme))
    assert tab.evaluate("document.documentElement.dataset.theme") == scheme
    assert contrast(tab) == []


def test_dark_or_light_by_the_button_and_remembered(played: Served, open_tab: OpenTab) -> None:
    tab = settled(open_tab(played.address, "playground", color_scheme="light"))
    button = tab.locator("#theme")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(paper)
    assert button.inner_text() == "Dark"
    button.click()
    assert button.inner_text() == "Light" and tab.evaluate(paper) != light
    tab.goto(played.address)
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    settled(tab).locator("#theme").click()
    assert tab.evaluate(paper) == light


@every_page
def test_it_is_never_wider_than_the_window(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path], width=360, height=740))
    for width, language in ((360, "en"), (360, "zh"), (768, "zh"), (1920, "en")):
        tab.locator("#language").select_option(language)
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(100)
        assert overflow(tab) == [], f"at {width} pixels, in {language}"


@every_page
def test_no_section_lies_over_another(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path]))
    for width in (360, 1280, 1920):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(200)
        assert overlaps(tab) == [], f"at {width} pixels"


@every_page
def test_a_screen_reader_finds_its_way(site: Site, open_tab: OpenTab, path: str) -> None:
    """One heading of the first level and none that is skipped; every control, and all that takes focus, has a name."""
    tab = settled(open_tab(*site[path]))
    found = nodes(tab)
    levels = tab.evaluate(HEADINGS)
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels, strict=False)), levels
    assert not [node for node in found if node["role"] == "heading" and not node["name"]]
    wanting = [
        node
        for node in found
        if not node["name"] and (node["role"] in CONTROLS or (node["focusable"] and node["role"] not in UNNAMED))
    ]
    assert not wanting
    assert {"banner", "main", "navigation"} <= {node["role"] for node in found}


@every_page
def test_the_key_tab_reaches_everything(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path]))
    left = focusable(tab)
    assert len(left) > 4
    tab.evaluate("document.activeElement.blur()")
    for _ in range(2 * len(left) + 10):
        tab.keyboard.press("Tab")
        left.pop(tab.evaluate("document.activeElement?.dataset?.reached"), None)
        if not left:
            break
    assert not left, json.dumps(left, indent=1)


@every_page
def test_the_focus_is_seen(site: Site, open_tab: OpenTab, path: str) -> None:
    tab = settled(open_tab(*site[path]))
    for _ in range(6):
        tab.keyboard.press("Tab")
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    tab.keyboard.press("Shift+Tab")


@pytest.mark.parametrize("path", PLAYED)
def test_it_says_that_the_server_is_gone_and_goes_on_when_it_is_back(open_tab: OpenTab, path: str) -> None:
    rooms = play_rooms()
    with serving(rooms) as served:
        tab = settled(open_tab(served.address, path, expected=("WebSocket connection", "ERR_CONNECTION_REFUSED")))
        assert eventually(lambda: threads("DigitSession") + threads("PlaygroundSession") == 1)
    becomes(tab, "document.getElementById('notice').textContent.includes('does not answer')")
    with serving(rooms, port=served.port):
        becomes(tab, "document.getElementById('notice').textContent === ''", 2 * PATIENCE)
        assert eventually(lambda: threads("DigitSession") + threads("PlaygroundSession") == 1)
        settled(tab)


def test_a_page_that_is_refused_says_why(played: Served, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch) -> None:
    from xpnet.serving import app

    monkeypatch.setattr(app, "MOST_PAGES", 0)
    tab = settled(open_tab(played.address, "playground"))
    assert "pages are open already" in tab.locator("#notice").inner_text()


def test_links_lead_from_page_to_page(played: Served, open_tab: OpenTab) -> None:
    tab = settled(open_tab(played.address))
    for path in PLAYED:
        tab.locator(f"header nav a[href='/{path}']").click()
        tab.wait_for_url(f"**/{path}*")
        assert tab.locator("header [aria-current=page]").get_attribute("href") == f"/{path}"
    tab.locator("header .home").click()
    tab.wait_for_url(played.address)


def test_an_address_that_is_none_leads_back(played: Served, open_tab: OpenTab) -> None:
    assert fetch(played, "/nope").status == 404
    tab = settled(open_tab(played.address, "nope", expected=("404",)))
    assert tab.locator("h1").inner_text() == "There is no such page"
    tab.locator("nav a").click()
    tab.wait_for_url(played.address)


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_on_a_phone_the_bar_at_the_top_is_one_line(played: Served, open_tab: OpenTab, language: str) -> None:
    tab = settled(open_tab(played.address, "digit", width=360, language=language))
    boxes = [tab.locator(f"header > {each}").bounding_box() for each in (".home", "nav", "#language", "#theme")]
    assert max(box["y"] for box in boxes) < min(box["y"] + box["height"] for box in boxes)


def test_to_the_content_by_one_key(played: Served, open_tab: OpenTab) -> None:
    tab = settled(open_tab(played.address))
    tab.keyboard.press("Tab")
    skip = tab.locator(".skip")
    assert skip.evaluate("each => each === document.activeElement") and skip.bounding_box()["x"] >= 0
