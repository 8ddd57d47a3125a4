"""`xpnet play`: how it begins, what it says, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.serving.kit import Served, eventually, fetch, page
from xpnet import cli
from xpnet.serving.server import PORT, TRIES, address_of, is_local, listen

LINE = [sys.executable, "-m", "xpnet", "play"]


@contextmanager
def playing(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Served]]:
    """The command in a process of its own, once it listens; it is killed in the end, if it has not ended."""
    # a shell that puts the tests into the background turns Ctrl-C off for what they start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*LINE, "--no-browser", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            assert process.stdout is not None
            found = re.search(r"xpnet play: (http://\S+/) \(Ctrl-C ends it\)", process.stdout.readline())
            assert found
            yield process, Served(found[1], int)
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, float]:
    """Exit status, what is on stderr, and how many seconds it took after the signal."""
    begin = time.monotonic()
    process.send_signal(number)
    status = process.wait(20)
    seconds = time.monotonic() - begin
    assert process.stderr is not None
    return status, process.stderr.read(), seconds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_a_second_while_ten_pages_are_open(number: signal.Signals) -> None:
    with playing("--port", "0") as (process, served), ExitStack() as stack:
        assert eventually(lambda: fetch(served, "/").status == 200)
        for room in ["digit", "playground"] * 5:
            stack.enter_context(page(served, room))
        time.sleep(1)  # they begin to load what they show
        status, said, seconds = ended(process, number)
    assert (status, said) == (0, "")
    assert seconds < 1.0


def test_it_ends_before_a_page_was_opened() -> None:
    with playing("--port", "0") as (process, _):
        status, said, _ = ended(process, signal.SIGINT)
    assert (status, said) == (0, "")


def test_what_it_serves() -> None:
    with playing("--port", "0") as (_, served):
        for path in ("/", "/digit", "/playground"):
            answer = fetch(served, path)
            assert answer.status == 200 and b"<main" in answer.body  # type: ignore[attr-defined]
        for path in ("/pages/../session.py", "/pages/%2e%2e/session.py", "/../session.py", "/session.py"):
            assert fetch(served, path).status == 404
        assert fetch(served, "/", host="evil.example").status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "localhost"])
def test_another_host(host: str) -> None:
    with playing("--port", "0", "--host", host) as (process, served):
        if host == "127.0.0.2":
            assert served.host.startswith(host)
        else:
            assert fetch(served, "/", host=f"127.0.0.1:{served.port}").status == 200
        _, said, _ = ended(process, signal.SIGINT)
    assert ("every machine that reaches this one" in said) == (host != "localhost")


# ---- in this process, up to the point where it would serve -----------------------------------------------------------


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert cli.run(["play", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("xpnet: error: ") and err.count("\n") == 1
    return err.removeprefix("xpnet: error: ").rstrip()


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        said = error_of(capsys, "--no-browser", "--port", str(port))
    assert said == f"cannot listen on 127.0.0.1, port {port} (Address already in use): another --port may be free"


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "x" * 70, "a..b"])
def test_a_host_that_is_not_this_machine(capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert "the --host must be an address of this machine" in error_of(capsys, "--no-browser", "--host", host)


@pytest.mark.parametrize("missing", ["starlette.applications", "uvicorn", "websockets", "websockets.server"])
def test_the_extra_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    said = error_of(capsys, "--no-browser", "--port", "0")
    assert 'pip install "xpnet[web]"' in said and missing in said


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "nothing.safetensors" in error_of(capsys, "--model", str(tmp_path / "nothing.safetensors"))


def test_the_browser_is_opened_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, kept = list[str](), dict[str, object]()

    def serve(app: object, listener: socket.socket, ready: object) -> None:
        with listener:
            kept["ready"], kept["address"] = ready, address_of(listener)
        ready()  # type: ignore[operator]

    monkeypatch.setattr("xpnet.serving.server.serve", serve)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.run(["play", "--port", "0"]) == 0
    assert eventually(lambda: opened == [kept["address"]])
    assert cli.run(["play", "--port", "0", "--no-browser"]) == 0
    assert len(opened) == 1 and signal.getsignal(signal.SIGTERM) is before


def test_no_browser_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(address: str) -> bool:
        return False

    def serve(app: object, listener: socket.socket, ready: object) -> None:
        with listener:
            ready()  # type: ignore[operator]

    monkeypatch.setattr("xpnet.serving.server.serve", serve)
    monkeypatch.setattr(webbrowser, "open", none)
    assert cli.run(["play", "--port", "0"]) == 0


def test_without_a_port_the_next_free_one() -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(listen("127.0.0.1", None)).getsockname()[1] for _ in range(3)]
    assert ports == sorted(set(ports)) and all(PORT <= port < PORT + TRIES for port in ports)


def test_addresses() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert is_local("localhost") and is_local("127.0.0.1") and is_local("::1")
    assert not is_local("0.0.0.0") and not is_local("::") and not is_local("")
    if socket.has_ipv6:
        try:
            listener = listen("::1", 0)
        except Exception:
            return  # a machine without it
        with listener:
            assert address_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"
