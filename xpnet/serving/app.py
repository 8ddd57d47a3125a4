"""The application: pages from the folder pages/, and a WebSocket for each page that is open."""

import asyncio
import contextlib
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xpnet.backend import get_backend
from xpnet.errors import MissingExtraError, XpnetError
from xpnet.serving.frames import pack, unpack
from xpnet.serving.guard import App, Guard
from xpnet.serving.session import UNREAD, Session

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

PAGES = Path(__file__).parent / "pages"
MOST_PAGES = 64  # open at a time
MOST_BYTES = 1 << 20  # of a message from a page
LONGEST = 20.0  # seconds that a page may take to read a message


def make_app(rooms: Mapping[str, Callable[[], Session]], everywhere: bool = False, home: str = "") -> App:
    """Each room is a page: pages/NAME/index.html at the address /NAME, whose sessions are made by the function; the
    room "" is pages/HOME/index.html, without a home pages/index.html, and has no session unless it is in `rooms`.
    """
    try:
        import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401  what serves it, which needs websockets
        from starlette.applications import Starlette
        from starlette.responses import FileResponse
        from starlette.routing import Mount, Route, WebSocketRoute
        from starlette.staticfiles import StaticFiles
    except ImportError as error:
        raise MissingExtraError(f'pages need a server: pip install "xpnet[web]" ({error})') from error
    get_backend()  # made once: sessions that ask for it at the same time would get one each, which do not mix
    mimetypes.add_type("text/javascript", ".js")  # browsers run no module of another type, which a registry may name
    pages: set[Session] = set()  # that are open
    routes: list[Route | Mount | WebSocketRoute] = []

    def add(name: str, make: Callable[[], Session] | None) -> None:
        async def page(request: object) -> FileResponse:
            return FileResponse(PAGES / (name or home) / "index.html")

        routes.append(Route(f"/{name}", page))
        if make is not None:

            async def talk(websocket: "WebSocket") -> None:
                await _talk(websocket, make, pages)

            routes.append(WebSocketRoute(f"/{name}/socket".replace("//", "/"), talk))

    async def lost(request: object, error: Exception) -> FileResponse:
        return FileResponse(PAGES / "lost.html", 404)

    for name, make in rooms.items():
        add(name, make)
    if "" not in rooms:
        add("", None)
    routes.append(Mount("/pages", StaticFiles(directory=PAGES)))
    return Guard(Starlette(routes=routes, exception_handlers={404: lost}), everywhere)


async def _talk(websocket: "WebSocket", make: Callable[[], Session], pages: set[Session]) -> None:
    """What a page says goes to its session, and what that sends to the page, until one of them ends it."""
    await websocket.accept()
    if len(pages) >= MOST_PAGES:
        return await _send_away(websocket, 1013, f"{MOST_PAGES} pages are open already; close one and load this again")
    try:
        session = make()
    except XpnetError as error:
        return await _send_away(websocket, 1011, str(error))
    pages.add(session)
    loop, something, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def tell(event: asyncio.Event) -> Callable[[], None]:
        def tell_loop() -> None:  # called in the session's thread, which may outlive the loop
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

        return tell_loop

    session.start(tell(something), tell(ended))
    tasks = [
        asyncio.ensure_future(work)
        for work in (_listen(websocket, session), _speak(websocket, session, something), ended.wait())
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        listened, spoke = (task.exception() if task.done() else None for task in tasks[:2])
        if isinstance(listened, XpnetError):
            await _send_away(websocket, 1003, str(listened))
        elif isinstance(spoke, TimeoutError):
            await _send_away(websocket, 1013, UNREAD)
        elif ended.is_set():
            await _send_away(websocket, 1011, session.farewell or "what answers this page has failed; load it again")
    finally:
        session.stop()
        pages.discard(session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(websocket: "WebSocket", session: Session) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        data = message.get("bytes") or (message.get("text") or "").encode()
        session.receive(unpack(data), len(data))


async def _speak(websocket: "WebSocket", session: Session, something: asyncio.Event) -> None:
    while True:
        await something.wait()
        something.clear()
        while (frame := session.outbox.take()) is not None:
            async with asyncio.timeout(LONGEST):
                await websocket.send_bytes(frame)


async def _send_away(websocket: "WebSocket", code: int, why: str) -> None:
    """One clear refusal, as far as the page takes it: it may be gone, or read nothing."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            await websocket.send_bytes(pack("refused", {"text": why}))
            await websocket.close(code, why.encode()[:120].decode(errors="ignore"))
