"""The server, over real sockets: many pages, and pages that misbehave, none of which disturbs another."""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.serving.kit import Page, Served, Trial, eventually, fetch, masked, page, raw_page, serving, threads
from xpnet.errors import DataError
from xpnet.serving import app as app_module
from xpnet.serving import server as server_module
from xpnet.serving import session as session_module
from xpnet.serving.app import MOST_BYTES, MOST_PAGES
from xpnet.serving.frames import Frame, pack


class Doomed(Trial):
    """One whose thread ends by a fault outside of what it was asked."""

    @property
    def busy(self) -> bool:
        raise SystemExit


class Refusing(Trial):
    def __init__(self) -> None:  # before there is a page
        raise DataError("there is nothing to show")


ROOMS = {"trial": Trial, "doomed": Doomed, "refusing": Refusing}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(ROOMS) as served:
        yield served


@pytest.fixture(autouse=True)
def all_sessions_end() -> Iterator[None]:
    yield
    assert eventually(lambda: threads("Trial") == 0)


@pytest.fixture
def other(served: Served) -> Iterator[Page]:
    """Another page, which trains on and is answered, whatever the one in the test does."""
    with page(served, "trial") as other:
        other.ask("count", {"on": True})
        before = other.hear("count").fields["count"]
        yield other
        other.ask("echo", {"still": "here"})
        assert other.hear("echo").fields == {"still": "here"}
        other.ask("count", {"on": False})
        assert other.hear("counting").fields["count"] > before


def refusal(page: Page) -> str:
    """What it is told before the connection ends, once."""
    told = page.hear("refused").fields["text"]
    with pytest.raises(ConnectionClosed):
        page.hear("refused")
    return told


def test_32_pages_at_once_are_each_answered_right(served: Served) -> None:
    def visit(number: int) -> None:
        x = np.random.default_rng(number).standard_normal((50, number + 1)).astype(np.float32)
        with page(served, "trial") as one:
            one.ask("count", {"on": True})
            for turn in range(10):
                one.ask("echo", {"number": number, "turn": turn}, x=x)
                answer = one.hear("echo")
                assert answer.fields == {"number": number, "turn": turn}
                np.testing.assert_array_equal(answer.arrays["x"], x)
            counts = [one.hear("count").fields["count"] for _ in range(3)]
            assert counts == sorted(set(counts))

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(visit, range(32)))


def test_a_thread_for_each_page_that_ends_with_it(served: Served) -> None:
    with ExitStack() as stack:
        pages = [stack.enter_context(page(served, "trial")) for _ in range(8)]
        for one in pages:
            assert one.answer("echo").kind == "echo"
        assert threads("Trial") == 8
        pages[0].connection.close()
        assert eventually(lambda: threads("Trial") == 7)
    assert eventually(lambda: threads("Trial") == 0)


def test_nothing_is_left_of_a_page_that_has_gone(served: Served) -> None:
    with page(served, "trial") as one:
        one.answer("echo", {}, x=np.zeros(100, np.uint8))
        assert len(Trial.alive) == 1
    assert eventually(lambda: gc.collect() >= 0 and not Trial.alive)


def test_the_last_page_and_one_more(served: Served) -> None:
    with ExitStack() as stack:
        pages = [stack.enter_context(page(served, "trial")) for _ in range(MOST_PAGES)]
        with page(served, "trial") as late:
            assert refusal(late).startswith("64 pages are open already")
        assert late.connection.close_code == 1013
        assert pages[-1].answer("echo", {"a": 1}).fields == {"a": 1}
        pages.pop().connection.close()
        assert eventually(lambda: threads("Trial") == MOST_PAGES - 1)
        with page(served, "trial") as late:
            assert late.answer("echo", {"a": 2}).fields == {"a": 2}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"", "is no frame"), (b"\xff" * 100, "is no frame"), ("text", "is no frame"), ("\0\0\0\0", "is no frame"),
        (b'\x02\0\0\0{}', "is no frame"), (b'\x13\0\0\0{"kind": "unknown"}', "there is no request 'unknown'"),
        (b'\x14\0\0\0{"kind": "__init__"}', "there is no request '__init__'"), (b"\0" * MOST_BYTES, "is no frame"),
        (b'\x0f\0\0\0{"kind": "noo"}' + b"\0" * 100, "no request 'noo'"),
    ],
)  # fmt: skip
def test_a_message_of_the_wrong_form(served: Served, other: Page, message: bytes | str, told: str) -> None:
    with page(served, "trial") as one:
        one.connection.send(message)
        assert told in refusal(one)
    assert one.connection.close_code == 1003


def test_a_request_in_another_form_is_an_error_and_no_more(
    served: Served, other: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    with page(served, "trial") as one:
        answer = one.answer("count", {"off": 1})
        assert answer.kind == "error" and answer.fields["about"] == "count"
        assert one.answer("echo", {"a": 1}).fields == {"a": 1}
    assert "KeyError" in capsys.readouterr().err


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 10 << 20])
def test_a_message_that_is_too_long(served: Served, other: Page, size: int) -> None:
    with page(served, "trial") as one, pytest.raises(ConnectionClosed):
        one.connection.send(bytes(size))
        one.hear()
    assert one.connection.close_code in (1009, 1006)  # 1006 where it was still being sent


def test_a_message_that_says_that_it_is_long_takes_no_memory(served: Served, other: Page) -> None:
    with raw_page(served, "trial") as one:
        one.sendall(masked(b"", 1 << 60))
        assert one.recv(2)[:1] == b"\x88"  # a frame that closes


def test_parts_that_never_end_are_too_long_at_some_time(served: Served, other: Page) -> None:
    def parts() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 16)

    with page(served, "trial") as one, pytest.raises(ConnectionClosed):
        one.connection.send(parts())


def test_half_a_message_and_then_silence_or_death(served: Served, other: Page) -> None:
    with raw_page(served, "trial") as silent, raw_page(served, "trial") as dead:
        for one in (silent, dead):
            one.sendall(masked(bytes(1000), 5000))
        assert eventually(lambda: threads("Trial") == 3)
        dead.close()
        assert eventually(lambda: threads("Trial") == 2)
        assert other.hear("count").kind == "count"


def test_bytes_that_are_no_websocket(served: Served, other: Page) -> None:
    with raw_page(served, "trial") as one:
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert one.recv(1) == b"\x88"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": None}, {"origin": "null"},
        {"origin": "http://evil.example", "host": "evil.example"},
    ],
)  # fmt: skip
def test_a_foreign_page_is_refused_before_it_has_a_session(served: Served, other: Page, headers: dict) -> None:
    with pytest.raises(InvalidStatus) as refused, page(served, "trial", **headers):
        pass
    assert refused.value.response.status_code == 403
    assert threads("Trial") == 1  # that of the other


def test_a_foreign_host_gets_no_page(served: Served, other: Page) -> None:
    assert fetch(served, "/", host="evil.example").status == 403


def test_a_room_that_is_not_there(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, page(served, "nowhere"):
        pass
    assert refused.value.response.status_code in (403, 404)


def test_requests_that_come_faster_than_they_are_answered(served: Served, other: Page) -> None:
    with page(served, "trial") as one:
        one.ask("sleep", {"seconds": 1.5})
        with pytest.raises(ConnectionClosed):
            for _ in range(100_000):
                one.ask("echo", {})
        assert "512 requests" in refusal(one)


def test_of_requests_of_which_the_newest_counts_any_number_may_come(served: Served, other: Page) -> None:
    with page(served, "trial") as one:
        one.ask("sleep", {"seconds": 0.5})
        for number in range(2000):
            one.ask("newest", {"number": number})
        one.ask("echo", {})
        heard = []
        while (frame := one.hear()).kind != "echo":
            heard.append(frame)
        assert len(heard) < 1000 and heard[-1].fields == {"number": 1999}


def test_a_page_that_reads_nothing_while_every_message_must_arrive(served: Served, other: Page) -> None:
    """Some megabytes lie in the sockets, and then a bounded number waits, until it is sent away."""
    with raw_page(served, "trial") as one:
        one.sendall(masked(pack("flood", {"newest": False})))
        assert eventually(lambda: threads("Trial") == 1)  # that of the other
        assert other.hear("count").kind == "count"


def test_a_page_that_reads_nothing_while_only_the_newest_counts(
    served: Served, other: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits stays small, and after a while the page is sent away, so that its session ends."""
    monkeypatch.setattr(app_module, "LONGEST", 1.0)
    with raw_page(served, "trial") as one:
        one.sendall(masked(pack("flood", {"newest": True})))
        assert eventually(lambda: threads("Trial") == 2)
        (flooded,) = [each for each in Trial.alive if not (each.counting or each.stopped)]
        most = 0
        while not flooded.stopped:
            most = max(most, flooded.outbox._bytes)
            time.sleep(0.01)
        assert most <= 2 << 18
        assert eventually(lambda: threads("Trial") == 1)


def test_the_connection_of_a_page_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "LONGEST", 0.3)
    monkeypatch.setattr(server_module, "LINGER", 0.3)
    with serving(ROOMS) as served, raw_page(served, "trial") as one:
        one.sendall(masked(pack("flood", {"newest": True})))
        assert eventually(lambda: threads("Trial") == 1)
        assert eventually(lambda: threads("Trial") == 0)
        assert eventually(lambda: served.connections() == 0)


KILLED = """
import sys, time
from tests.serving.kit import Served, page
with page(Served(sys.argv[1], int), "trial") as one:
    one.ask("count", {"on": True})
    one.hear("count")
    print("counting", flush=True)
    time.sleep(60)
"""


def test_a_browser_that_is_killed(served: Served, other: Page) -> None:
    browser = subprocess.Popen([sys.executable, "-c", KILLED, served.address], stdout=subprocess.PIPE, text=True)
    with browser:
        assert browser.stdout is not None and browser.stdout.readline() == "counting\n"
        assert threads("Trial") == 2
        browser.kill()
        assert eventually(lambda: threads("Trial") == 1)


def test_a_session_that_cannot_be_made(served: Served, other: Page) -> None:
    with page(served, "refusing") as one:
        assert refusal(one) == "there is nothing to show"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_session_that_ends_by_a_fault(served: Served, other: Page) -> None:
    with page(served, "doomed") as one:
        assert "has failed" in refusal(one)
    assert eventually(lambda: threads("Doomed") == 0)


def test_the_server_ends_within_a_second_with_pages_that_train_read_nothing_or_think_long() -> None:
    with ExitStack() as stack:
        with serving(ROOMS) as served:
            for _ in range(5):
                stack.enter_context(page(served, "trial")).ask("count", {"on": True})
            stack.enter_context(raw_page(served, "trial")).sendall(masked(pack("flood", {"newest": True})))
            stack.enter_context(page(served, "trial")).ask("sleep", {"seconds": 1.5})
            assert eventually(lambda: threads("Trial") == 7)
            begin = time.monotonic()
        assert time.monotonic() - begin < 1.0
    assert eventually(lambda: threads("Trial") == 0)


def test_a_page_that_closes_its_side_at_once(served: Served, other: Page) -> None:
    for _ in range(20):
        with raw_page(served, "trial"):
            pass
    assert eventually(lambda: threads("Trial") == 1)


def test_bounds() -> None:
    """What all pages together can make wait, and that a frame of the longest message fits."""
    assert MOST_BYTES <= session_module.MOST_BYTES_WAITING
    assert session_module.Mailbox().put(Frame("k", {}, {}), None, MOST_BYTES)
