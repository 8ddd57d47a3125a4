"""The server: uvicorn, which ends within a second also while pages are open."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from xpnet.errors import MissingExtraError, OptionError
from xpnet.serving.app import MOST_BYTES
from xpnet.serving.guard import App

if TYPE_CHECKING:
    import uvicorn

PORT, TRIES = 8477, 20
PATIENCE = 0.5  # seconds that open pages get to say goodbye


def is_local(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host in ("localhost", "127.0.0.1", "::1")


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens there; without a port, on the first free one of a few. OptionError if there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(PORT, PORT + TRIES) if port is None else (port,):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port is None and error.errno == errno.EADDRINUSE:
                continue
            raise OptionError(
                f"cannot listen on {host}, port {candidate} ({error.strerror}): another --port may be free"
            ) from error
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
    try:
        import uvicorn
        import websockets  # noqa: F401  what uvicorn speaks to pages with
    except ImportError as error:
        raise MissingExtraError(f'pages need uvicorn and websockets: pip install "xpnet[web]" ({error})') from error

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            def give_up() -> None:
                self.force_exit = True

            asyncio.get_running_loop().call_later(PATIENCE, give_up)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", server_header=False, ws="websockets-sansio",
        ws_max_size=MOST_BYTES, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return Server(config)
