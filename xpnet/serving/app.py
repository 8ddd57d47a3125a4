"""The application: pages from the folder pages/, and a WebSocket for each page that is open."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xpnet.errors import MissingExtraError, XpnetError
from xpnet.serving.frames import pack, unpack
from xpnet.serving.guard import App, Guard
from xpnet.serving.session import Session

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

PAGES = Path(__file__).parent / "pages"
MOST_PAGES = 64  # open at a time
MOST_BYTES = 1 << 20  # of a message from a page


def make_app(rooms: Mapping[str, Callable[[], Session]], everywhere: bool = False, home: str = "") -> App:
    """Each room is a page: pages/NAME/index.html at the address /NAME, whose sessions are made by the function; the
    room "" is pages/HOME/index.html, without a home pages/index.html, and has no session unless it is in `rooms`.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import FileResponse
        from starlette.routing import Mount, Route, WebSocketRoute
        from starlette.staticfiles import StaticFiles
    except ImportError as error:
        raise MissingExtraError(f'pages need starlette and uvicorn: pip install "xpnet[web]" ({error})') from error
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

    for name, make in rooms.items():
        add(name, make)
    if "" not in rooms:
        add("", None)
    routes.append(Mount("/pages", StaticFiles(directory=PAGES)))
    return Guard(Starlette(routes=routes), everywhere)


async def _talk(websocket: "WebSocket", make: Callable[[], Session], pages: set[Session]) -> None:
    """What a page says goes to its session, and what that sends to the page, until one of them ends it."""
    await websocket.accept()
    if len(pages) >= MOST_PAGES:
        return await _send_away(websocket, 1013, f"{MOST_PAGES} pages are open already; close one and load this again")
    loop, something, ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    session = make()
    pages.add(session)

    def tell(event: asyncio.Event) -> Callable[[], None]:
        def tell_loop() -> None:  # called in the session's thread
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

        return tell_loop

    async def listen() -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            session.receive(unpack(message.get("bytes") or (message.get("text") or "").encode()))

    async def speak() -> None:
        while True:
            await something.wait()
            something.clear()
            while (frame := session.outbox.take()) is not None:
                await websocket.send_bytes(frame)

    session.start(tell(something), tell(ended))
    tasks = [asyncio.ensure_future(work) for work in (listen(), speak(), ended.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        error = tasks[0].exception() if tasks[0].done() else None
        if isinstance(error, XpnetError):
            await _send_away(websocket, 1003, str(error))
        elif tasks[2].done():
            await _send_away(websocket, 1013, "this page does not read what it is sent; load it again")
    finally:
        session.stop()
        pages.discard(session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_away(websocket: "WebSocket", code: int, why: str) -> None:
    """One clear refusal, as far as the page takes it."""
    try:
        async with asyncio.timeout(1):
            await websocket.send_bytes(pack("refused", {"text": why}))
            await websocket.close(code, why.encode()[:120].decode(errors="ignore"))
    except (TimeoutError, RuntimeError, OSError):
        pass  # it is gone, or does not read
