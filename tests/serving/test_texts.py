"""The texts of the pages, read as files: both languages have all of them, and the pages have no others."""

import re
from pathlib import Path

import pytest

from xpnet.serving.app import PAGES

LANGUAGES = ("en", "zh")
SOURCES = [path for path in sorted(PAGES.rglob("*")) if path.suffix in (".js", ".html") and path.parent.name != "texts"]
ROOMS = ("digit", "playground", "watch")
IN_HTML = re.compile(r'data-(?:text|label|hint)="([^"]+)"')
IN_JS = re.compile(r'\btext\(\s*"([^"]+)"')
BEGINNINGS = re.compile(r"`([\w.-]+\.)\$\{")


def texts(language: str) -> dict[str, str]:
    """Key and text, as they stand in the file."""
    source = (PAGES / "texts" / f"{language}.js").read_text()
    places = [*re.finditer(r'^\s*"([^"]+)":', source, re.MULTILINE)]
    ends = [place.start() for place in places[1:]] + [len(source)]
    found = [(place[1], source[place.end() : end].strip()) for place, end in zip(places, ends, strict=True)]
    assert len(dict(found)) == len(found), "a key stands there twice"
    return dict(found)


def test_both_languages_have_the_same_texts() -> None:
    english, chinese = map(texts, LANGUAGES)
    assert list(english) == list(chinese)  # in the same order, too
    for key, text in english.items():
        filled_in = [set(re.findall(r"\{(\w+)\}", each)) for each in (text, chinese[key])]
        assert filled_in[0] == filled_in[1], key


def test_each_is_in_its_language() -> None:
    english, chinese = map(texts, LANGUAGES)
    han = re.compile("[\u4e00-\u9fff]")
    assert not [key for key, text in english.items() if han.search(text)]
    words = re.compile("[A-Za-z]{3,} [A-Za-z]{3,} [A-Za-z]{3,}")  # a name or a formula may be the same
    assert not [key for key, text in chinese.items() if words.search(text) and not han.search(text)]
    assert not [key for key in english if '""' in (english[key].rstrip(","), chinese[key].rstrip(","))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PAGES).as_posix())
def test_every_text_that_is_used_is_there(path: Path) -> None:
    source = path.read_text()
    used = {*IN_HTML.findall(source), *IN_JS.findall(source)}
    assert used <= texts("en").keys(), used - texts("en").keys()


def test_every_text_is_used() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES)
    beginnings = tuple(BEGINNINGS.findall(sources))
    unused = [key for key in texts("en") if f'"{key}"' not in sources and not key.startswith(beginnings)]
    assert not unused


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PAGES).as_posix())
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    """Also where no test has come by: no address of another machine, no markup made of data, no code from text."""
    source = path.read_text()
    assert not re.search(
        r"https?://(?!www\.w3\.org/)|[\"'(]//\w|innerHTML|outerHTML|insertAdjacentHTML|document\.write", source
    )
    assert not re.search(r"\beval\(|new Function\(|<[^>]* style=|<[^>]* on\w+=|<script>", source)


@pytest.mark.parametrize("name", ROOMS)
def test_the_style_of_a_page_does_not_reach_another(name: str) -> None:
    """Each rule in its section of the one stylesheet begins with the class of its <main>, or with an id that no other
    page has.
    """
    style = re.sub(r"/\*(?! ----).*?\*/", "", (PAGES / "style.css").read_text(), flags=re.DOTALL)
    section = style.partition(f"/* ---- {name} ---- */")[2].partition(f"/* ---- end of {name} ---- */")[0]
    assert section
    section = re.sub(r"@keyframes[^{]*\{([^{}]*\{[^{}]*\})*\s*\}", "", section)
    rules = [rule.strip() for rule in re.findall(r"([^{}]+)\{", section) if not rule.strip().startswith("@")]
    selectors = [selector.strip() for rule in rules for selector in re.split(r",(?![^(]*\))", rule)]
    own = re.compile(rf"(main)?\.{name}\b|#|:root|body:has\(\.{name}\)")
    assert not [selector for selector in selectors if not own.match(selector)]
    others = "".join((PAGES / each / "index.html").read_text() for each in ROOMS if each != name)
    assert not [each for each in selectors if (found := re.match(r"#([\w-]+)", each)) and f'id="{found[1]}"' in others]
