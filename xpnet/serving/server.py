"""The server: uvicorn, which ends within a second also while pages are open."""

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from xpnet.errors import OptionError
from xpnet.serving.app import MOST_BYTES
from xpnet.serving.guard import App

if TYPE_CHECKING:
    import uvicorn

PORT, TRIES = 8477, 20
TAKEN = (errno.EADDRINUSE, errno.EACCES)
PATIENCE = 0.5  # seconds that open pages get to say goodbye when the server ends
LINGER = 5.0  # and those that it sends away


def is_local(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host in ("localhost", "127.0.0.1", "::1")


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens there; without a port, on the first free one of a few. OptionError if there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(PORT, PORT + TRIES) if port is None else (port,):
        listener = socket.socket(family)
        if os.name == "posix":  # where Windows has it, two servers would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except (OSError, UnicodeError) as error:
            listener.close()
            number, why = getattr(error, "errno", None), getattr(error, "strerror", None) or "no name of a machine"
            if port is None and number == errno.EADDRINUSE:
                continue
            hint = "another --port may be free" if number in TAKEN else "the --host must be an address of this machine"
            raise OptionError(f"cannot listen on {host}, port {candidate} ({why}): {hint}") from error
        return listener
    raise OptionError(f"cannot listen on {host}: the ports from {PORT} on are taken; name one with --port")


def address_of(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{host}:{port}/"


def serve(app: App, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until Ctrl-C, which raises KeyboardInterrupt here; `ready` is called once pages can be loaded."""
    with contextlib.closing(listener):
        make_server(app, ready).run(sockets=[listener])


def make_server(app: App, ready: Callable[[], None] = lambda: None) -> "uvicorn.Server":
    """A server that serves once it runs; `should_exit = True`, from any thread, ends it."""
    import uvicorn
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            def give_up() -> None:
                self.force_exit = True

            asyncio.get_running_loop().call_later(PATIENCE, give_up)
            await super().shutdown(sockets)
            for connection in list(self.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(0)  # until they are closed

    class Connection(WebSocketsSansIOProtocol):
        async def run_asgi(self) -> None:  # until the page has gone, or was sent away
            await super().run_asgi()
            # it is closed once all is sent, which never comes to its end where nobody reads
            self.loop.call_later(LINGER, self.transport.abort)

    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", server_header=False, ws=Connection,
        ws_max_size=MOST_BYTES, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
        use_colors=None if sys.stdout else False,  # it would ask stdout whether it is a terminal
    )  # fmt: skip
    return Server(config)
