"""`xpnet play`: pages in the browser, to draw digits for a network and to play with a small one."""

import contextlib
import signal
import threading
import webbrowser
from collections.abc import Iterator
from functools import partial

import click

from xpnet.cli.common import PathType, backend_option, saved_network, takes_digits


@click.command(short_help="Draw digits and play with networks, in the browser.")
@click.option("--model", "file", type=PathType(), metavar="FILE", help="A saved network, to read digits too.")
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen.  [default: 8477, or the next free one]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address lets other machines in.")
@click.option("--browser/--no-browser", default=True, help="Open a page in the browser.  [default: do]")
@backend_option
def play(file: str | None, port: int | None, host: str, browser: bool) -> None:
    """Serve two pages on this machine until Ctrl-C, and open the first in the browser.

    /digit: draw a digit, see what a network reads, and what every layer makes of it. /playground: build a small
    network, train it on points in the plane, and watch. All is computed here, and nothing is fetched from elsewhere.
    For the server: pip install "xpnet[web]".
    """
    from xpnet.serving.app import make_app
    from xpnet.serving.digit.session import DigitSession
    from xpnet.serving.digit.shelf import Shelf
    from xpnet.serving.playground.session import PlaygroundSession
    from xpnet.serving.server import address_of, is_local, listen, serve

    if file is not None:
        takes_digits(saved_network(file), file)
    shelf = Shelf(file)
    rooms = {"digit": lambda: DigitSession(shelf), "playground": PlaygroundSession}
    app = make_app(rooms, everywhere=not is_local(host))
    listener = listen(host, port)
    address = address_of(listener)

    with _ended_as_by_ctrl_c(), contextlib.suppress(KeyboardInterrupt):  # the way to end it
        if not is_local(host):
            click.echo("every machine that reaches this one can open these pages and let it compute", err=True)
        click.echo(f"xpnet play: {address} (Ctrl-C ends it)")
        serve(app, listener, partial(open_page, address) if browser else lambda: None)


def open_page(address: str) -> None:
    """In the browser. Some keep whoever opens them waiting."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, which is how whatever has started the command ends it, does the same."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
