"""A server in a thread of its own, beside what the process does otherwise."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING

from xpnet.errors import OptionError
from xpnet.serving.guard import App
from xpnet.serving.server import PORT, address_of, listen, make_server

if TYPE_CHECKING:
    import uvicorn


class Background:
    """Serves until it is closed, or until the process ends, which does not wait for it."""

    def __init__(self) -> None:
        self.address = ""  # while it serves
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def serve(self, app: App, host: str, port: int | None) -> None:
        """Begin. OptionError if the port is taken."""
        server = make_server(app)
        try:
            listener = listen(host, port)
        except OptionError as error:
            reason = getattr(error.__cause__, "strerror", None) or "the ports behind it are taken, too"
            raise OptionError(
                f"Watch cannot listen on {host}, port {PORT if port is None else port} ({reason}): choose another port,"
                " or none, which takes one that is free"
            ) from error
        self.address = address_of(listener)
        self._server = server
        self._thread = threading.Thread(target=server.run, args=([listener],), name="Watch", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """End, within a second or so also while pages are open."""
        atexit.unregister(self.close)
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(3)
        self.address, self._server, self._thread = "", None, None
