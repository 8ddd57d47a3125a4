"""Who may talk to the server: pages that it served itself, and nobody else.

A page of another site can make the browser of its reader send requests to 127.0.0.1, and with a name that it lets point
there, even read what comes back (DNS rebinding). So the host that a request names must be one that this server has, and
the origin of a page that opens a WebSocket must be such a host, too.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class Guard:
    """Refuses what names another host or comes from another site, and sets the headers of all answers.

    `everywhere`: the server listens on other addresses than this machine's own; then a host may also be any address, or
    this machine's name, as neither can be made to point here by somebody else.
    """

    def __init__(self, app: App, everywhere: bool = False) -> None:
        self.app, self.everywhere = app, everywhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        why = self.why_not(given.get("host", ""), given.get("origin"), scope["type"] == "websocket")
        if why:
            return await _refuse(scope, receive, send, why)
        await self.app(scope, receive, _with_headers(send))

    def why_not(self, host: str, origin: str | None, is_websocket: bool) -> str:
        """Empty where there is no reason."""
        if not self._is_here(host):
            return f"this server does not answer for the host {host[:80]!r}"
        if (is_websocket or origin is not None) and origin not in (f"http://{host}", f"https://{host}"):
            return f"this server talks to its own pages only, not to those of {(origin or 'no site')[:80]!r}"
        return ""

    def _is_here(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", "127.0.0.1", "::1"):
            return True
        return self.everywhere and (_is_address(name) or name == socket.gethostname().lower())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def send_with(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return send_with


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":  # before it is accepted: the browser sees status 403
        await receive()
        return await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
    body = f"{why}\n".encode()
    send = _with_headers(send)
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
