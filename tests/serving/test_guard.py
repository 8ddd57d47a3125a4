"""The guard: pages of this server are answered, and nobody else."""

import socket
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest

from tests.serving.kit import Served, Trial, fetch, serving
from xpnet.serving.guard import HEADERS, Guard

HERE = ["localhost:8477", "127.0.0.1:8477", "[::1]:8477", "localhost", "LocalHost:80", "[::1]", "127.0.0.1:1"]
ELSEWHERE = [
    "evil.example", "evil.example:8477", "localhost.evil.example", "127.0.0.1.evil.example",
    "evil.example@evil.example",
    "192.168.0.7:8477", "0.0.0.0", "[::]", "[fe80::1]:8477", "", "[::1", "::1", "localhost@evil.example", "2130706433",
    "xn--localhost", "localhost\u2100", "127.1",
]  # fmt: skip
NUMBERS = ["192.168.0.7:8477", "10.0.0.1", "[fe80::1]:8477", "0.0.0.0:1"]


async def nothing(*arguments: object) -> None:
    """An application."""


@pytest.fixture(scope="module", params=[False, True], ids=["here", "everywhere"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serving({"trial": Trial}, everywhere=request.param) as served:
        yield served


@pytest.mark.parametrize("host", HERE)
def test_hosts_of_this_machine(host: str) -> None:
    for everywhere in (False, True):
        guard = Guard(nothing, everywhere)
        assert not guard.why_not(host, None, False)
        assert not guard.why_not(host, f"http://{host}", True)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_name_that_somebody_lets_point_here_is_refused(host: str) -> None:
    """DNS rebinding: host and origin agree, and neither is ours."""
    guard = Guard(nothing)
    assert "does not answer for the host" in guard.why_not(host, f"http://{host}", True)
    assert "does not answer for the host" in guard.why_not(host, None, False)


@pytest.mark.parametrize("host", NUMBERS)
def test_an_address_is_ours_where_the_server_listens_on_all(host: str) -> None:
    assert not Guard(nothing, everywhere=True).why_not(host, f"http://{host}", True)
    assert Guard(nothing, everywhere=False).why_not(host, f"http://{host}", True)


def test_the_name_of_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Workshop")
    assert not Guard(nothing, everywhere=True).why_not("workshop:8477", "http://workshop:8477", True)
    assert Guard(nothing, everywhere=True).why_not("workshop.example:8477", None, False)
    assert Guard(nothing).why_not("workshop:8477", None, False)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "workshop2", ""])
def test_a_name_is_refused_everywhere(host: str) -> None:
    assert Guard(nothing, everywhere=True).why_not(host, f"http://{host}", True)


FOREIGN = [
    None, "", "null", "http://evil.example", "http://localhost", "http://localhost:3000", "http://127.0.0.1:8477",
    "ftp://localhost:8477", "file://", "http://[::1", "http://localhost:8477/", "http://localhost:8477.evil.example",
    "http://evil@localhost:8477", "http://localhost:8477 http://evil.example", "localhost:8477", "\xe9" * 1000,
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_websocket_of_another_site_is_refused(origin: str | None) -> None:
    for everywhere in (False, True):
        why = Guard(nothing, everywhere).why_not("localhost:8477", origin, True)
        assert "own pages only" in why and len(why) < 200


@pytest.mark.parametrize("origin", ["http://localhost:8477", "https://localhost:8477"])
def test_a_websocket_of_its_own_page(origin: str) -> None:
    assert not Guard(nothing).why_not("localhost:8477", origin, True)


def test_a_page_needs_no_origin_and_must_not_have_another(served: Served) -> None:
    assert fetch(served, "/").status == 200
    assert fetch(served, "/", origin=served.address[:-1]).status == 200
    answer = fetch(served, "/", origin="http://evil.example")
    assert (answer.status, answer.body) == (
        403, b"this server talks to its own pages only, not to those of 'http://evil.example'\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200), ("GET", "/trial/", 307), ("GET", "/pages/style.css", 200),
        ("GET", "/pages/shared/wire.js", 200),
        ("GET", "/nothing", 404), ("GET", "/pages/nothing.js", 404), ("GET", "/pages", 307), ("GET", "/pages/", 404),
        ("HEAD", "/", 200), ("POST", "/", 405), ("DELETE", "/pages/style.css", 405), ("GET", "/trial/socket", 404),
        ("GET", "/pages/%2e%2e/session.py", 404), ("GET", "/pages/..%2fsession.py", 404),
        ("GET", "/pages/shared/..%2f..%2f..%2fapp.py", 404),
        ("GET", "/pages/%00", 404), ("GET", "/pages//etc/passwd", 404), ("GET", "/pages/..\\session.py", 404),
    ],
)  # fmt: skip
def test_every_answer_has_the_headers(served: Served, method: str, path: str, status: int) -> None:
    check(fetch(served, path, method), status)


def test_refusals_have_them_too(served: Served) -> None:
    answer = fetch(served, "/", host="evil.example")
    check(answer, 403)
    assert answer.body == b"this server does not answer for the host 'evil.example'\n"
    check(fetch(served, "/pages/style.css", origin="null"), 403)
    check(fetch(served, "/", host="[::1"), 403)
    check(fetch(served, "/", origin="http://[::1"), 403)


def test_a_file_that_the_browser_has_is_not_sent_again(served: Served) -> None:
    tag = fetch(served, "/pages/style.css").headers["etag"]
    check(fetch(served, "/pages/style.css", if_none_match=tag), 304)


def test_modules_have_the_type_that_browsers_ask_for(served: Served) -> None:
    for path, kind in [("shared/wire.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")]:
        assert fetch(served, f"/pages/{path}").headers["content-type"].startswith(kind)


def check(answer: HTTPResponse, status: int) -> None:
    assert answer.status == status
    for name, value in HEADERS.items():
        assert answer.headers.get_all(name) == [value]
    assert "server" not in answer.headers
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
