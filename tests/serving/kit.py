"""What the tests of the pages share: a server in a thread, a page that is a few lines of Python, a session to try."""

import base64
import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from websockets.sync.client import ClientConnection, connect

from xpnet.serving.app import make_app
from xpnet.serving.frames import Frame, pack, unpack
from xpnet.serving.server import address_of, listen, make_server
from xpnet.serving.session import Session

PATIENCE = 20.0  # seconds; nothing takes as long unless it is broken


class Served(NamedTuple):
    """A server that runs."""

    address: str  # of its first page, with a slash at the end
    connections: Callable[[], int]  # how many there are

    @property
    def host(self) -> str:
        """As a browser names it: with the port."""
        return urlsplit(self.address).netloc

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])


Rooms = Mapping[str, Callable[[], Session]]


@contextlib.contextmanager
def serving(rooms: Rooms, port: int = 0, everywhere: bool = False) -> Iterator[Served]:
    """A server of these rooms, on a free port, for as long as the block runs."""
    listener, ready = listen("127.0.0.1", port), threading.Event()
    address = address_of(listener)
    server = make_server(make_app(rooms, everywhere), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield Served(address, lambda: len(server.server_state.connections))
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
        assert not thread.is_alive()


def fetch(served: Served, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
    """What the server answers; the path goes as it is. The body has been read, and is in `body`."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in ({"host": served.host} | headers).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


class Page:
    """What a page in a browser does, without one: it asks, and hears."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def ask(self, kind: str, fields: Mapping[str, Any] | None = None, **arrays: np.ndarray) -> None:
        self.connection.send(pack(kind, fields, **arrays))

    def hear(self, kind: str | None = None) -> Frame:
        """The next frame, or the next of this kind."""
        until = time.monotonic() + PATIENCE
        while True:
            data = self.connection.recv(timeout=max(0.0, until - time.monotonic()))
            assert isinstance(data, bytes)
            frame = unpack(data)
            if kind in (None, frame.kind):
                return frame

    def answer(self, kind: str, fields: Mapping[str, Any] | None = None, **arrays: np.ndarray) -> Frame:
        """The next frame after this request."""
        self.ask(kind, fields, **arrays)
        return self.hear()


@contextlib.contextmanager
def page(served: Served, room: str, host: str = "", **options: Any) -> Iterator[Page]:
    """A page of this room; `host`: what it believes to talk to."""
    settings = {
        "origin": served.address[:-1], "compression": None, "max_size": None, "close_timeout": 0.2,
        "sock": socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE),
    }  # fmt: skip
    with settings["sock"], connect(f"ws://{host or served.host}/{room}/socket", **(settings | options)) as connection:
        yield Page(connection)


@contextlib.contextmanager
def raw_page(served: Served, room: str) -> Iterator[socket.socket]:
    """The socket of a page that reads only what is read from it here, and sends bytes that need not be a message."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /{room}/socket HTTP/1.1\r\nHost: {served.host}\r\nOrigin: {served.address[:-1]}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        connection.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield connection


def masked(data: bytes, claimed: int | None = None) -> bytes:
    """A binary message as a browser puts it on the wire; `claimed`: the length that it says it has."""
    length = len(data) if claimed is None else claimed
    return b"\x82\xff" + length.to_bytes(8, "big") + bytes(4) + data  # a mask of zeros changes nothing


def eventually(holds: Callable[[], bool], patience: float = PATIENCE) -> bool:
    """Whether it comes to hold."""
    until = time.monotonic() + patience
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def threads(name: str) -> int:
    """How many of this name run: a session's is called after its class."""
    return sum(thread.name == name for thread in threading.enumerate())


class Trial(Session):
    """Answers a few requests, and counts while it is told to."""

    newest = frozenset({"newest"})
    alive: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()

    def __init__(self) -> None:
        super().__init__()
        self.alive.add(self)
        self.counting, self.count = False, 0

    @property
    def busy(self) -> bool:
        return self.counting

    def work(self) -> None:
        self.count += 1
        time.sleep(0.001)
        self.send("count", {"count": self.count}, newest_of="count")

    def on_echo(self, frame: Frame) -> None:
        self.send("echo", frame.fields, **frame.arrays)

    def on_newest(self, frame: Frame) -> None:
        self.send("newest", frame.fields)

    def on_count(self, frame: Frame) -> None:
        self.counting = frame.fields["on"]
        self.send("counting", {"on": self.counting, "count": self.count})

    def on_sleep(self, frame: Frame) -> None:
        time.sleep(frame.fields["seconds"])
        self.send("slept")

    def on_flood(self, frame: Frame) -> None:
        """More than anybody reads, as messages that must all arrive, or of which only the newest counts."""
        noise = np.zeros(1 << 18, np.uint8)
        while not self.stopped:
            self.send("noise", newest_of="noise" if frame.fields["newest"] else None, noise=noise)
            time.sleep(0.001)
