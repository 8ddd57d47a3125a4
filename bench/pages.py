"""How long a page waits: from a drawing that is sent, over a real WebSocket, to the probabilities, and to all maps.

    python bench/pages.py --network package --readings 200

The drawings are test digits of 280 x 280 pixels. Figures are milliseconds: the median, and what 19 of 20 stay below;
"session" is the part that preparing and reading takes, as the page is told it.
"""

import argparse
import json
import statistics
import threading
import time
from typing import Any

import numpy as np

from xpnet.serving.app import make_app
from xpnet.serving.digit.session import DigitSession
from xpnet.serving.digit.shelf import Shelf
from xpnet.serving.frames import Frame, pack, unpack
from xpnet.serving.server import listen, make_server


def measure(network: str, readings: int) -> dict[str, list[float]]:
    """Milliseconds of each reading, by what was waited for."""
    from websockets.sync.client import connect

    shelf, ready = Shelf(), threading.Event()
    listener = listen("127.0.0.1", 0)
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    server = make_server(make_app({"digit": lambda: DigitSession(shelf)}), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    ready.wait(10)
    images = shelf.digits("test")[0]
    found: dict[str, list[float]] = {"reading": [], "session": [], "maps": []}
    try:
        with connect(f"ws://{host}/digit/socket", origin=f"http://{host}", max_size=None) as page:

            def wait(kind: str) -> Frame:
                while (frame := unpack(page.recv())).kind != kind:
                    pass
                return frame

            wait("network")
            page.send(pack("choose", {"slot": "a", "network": network}))
            wait("network")
            for number in range(readings):
                pixels = np.kron(images[number % len(images), 0], np.ones((10, 10), np.uint8))
                begin = time.perf_counter()
                page.send(pack("read", {"number": number, "picture": False}, pixels=pixels))
                found["session"].append(wait("reading").fields["milliseconds"])
                found["reading"].append(1000 * (time.perf_counter() - begin))
                wait("maps")
                found["maps"].append(1000 * (time.perf_counter() - begin))
    finally:
        server.should_exit = True
        thread.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="package", help="its key in the catalogue")
    parser.add_argument("--readings", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for what, times in measure(options.network, options.readings).items():
        slow = sorted(times)[int(0.95 * len(times))]
        figures[what] = {"median": statistics.median(times), "of 19 in 20": slow, "most": max(times)}
    if options.json:
        print(json.dumps(figures))
        return
    for what, each in figures.items():
        print(f"{what:8}" + "".join(f"  {name} {value:6.1f} ms" for name, value in each.items()))


if __name__ == "__main__":
    main()
