"""The animated pictures of the pages at the top of README.md: somebody draws a digit, and a small network learns.

    python bench/pages_picture.py --out docs/pictures

It needs Chromium (XPNET_CHROMIUM names another than the one in the path) and `pip install ".[web]" playwright`. What is
seen is what `xpnet play` serves; the pointer is painted over it, which screenshots do not show.
"""

import argparse
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from xpnet.serving.app import make_app
from xpnet.serving.digit.session import DigitSession
from xpnet.serving.digit.shelf import Shelf
from xpnet.serving.playground.session import PlaygroundSession
from xpnet.serving.server import address_of, listen, make_server

WIDTH = 1180  # of the window
SHOWN = 820  # pixels, the width of the picture
THREE = [(0.3, 0.24), (0.38, 0.16), (0.52, 0.13), (0.65, 0.19), (0.67, 0.32), (0.58, 0.43), (0.45, 0.48), (0.6, 0.52),
         (0.7, 0.62), (0.69, 0.76), (0.56, 0.86), (0.42, 0.86), (0.29, 0.78)]  # fmt: skip
ARROW = [(0, 0), (0, 19), (4, 15), (8, 23), (11, 22), (8, 14), (14, 14)]


class Film:
    """Frames of a page, each with how long it is shown, in milliseconds."""

    def __init__(self, page: Any) -> None:
        self.page, self.frames, self.times = page, list[Image.Image](), list[int]()
        self.height = page.viewport_size["height"]
        self.pointer = (WIDTH - 60.0, self.height - 60.0)

    def move(self, x: float, y: float, frames: int = 1) -> None:
        """The pointer goes there, in so many frames."""
        (x0, y0), steps = self.pointer, max(1, frames)
        for step in range(1, steps + 1):
            self.pointer = x0 + (x - x0) * step / steps, y0 + (y - y0) * step / steps
            self.page.mouse.move(*self.pointer)
            if frames:
                self.shoot()

    def shoot(self, milliseconds: int = 80) -> None:
        image = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        arrow = [(self.pointer[0] + x, self.pointer[1] + y) for x, y in ARROW]
        ImageDraw.Draw(image).polygon(arrow, fill="white", outline="black")
        self.frames.append(image.resize((SHOWN, round(SHOWN * self.height / WIDTH)), Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def wait(self, seconds: float) -> None:
        self.page.wait_for_timeout(1000 * seconds)

    def save(self, path: Path) -> None:
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=self.times, loop=0, quality=60, method=6)
        print(f"{path}: {len(self.frames)} frames, {path.stat().st_size / 1e6:.2f} MB")


def draw_a_digit(film: Film) -> None:
    """Draw a 3, go down to the layers, and look at two units."""
    page = film.page
    page.locator("#choose-a option").first.wait_for(state="attached")
    film.wait(0.5)
    film.shoot(600)
    box = page.locator("#digit").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in THREE]
    film.move(*places[0], frames=4)
    page.mouse.down()
    for place in places[1:]:
        film.move(*place, frames=2)
    page.mouse.up()
    film.wait(0.3)
    film.shoot(1500)
    top = page.locator("#strips-a").bounding_box()["y"] - 20
    for step in range(1, 7):
        page.evaluate(f"scrollTo(0, {top * step / 6})")
        film.wait(0.05)
        film.shoot()
    film.wait(0.5)
    film.shoot(700)
    maps = page.locator("#strips-a canvas[role=application]")
    for number, (across, down) in ((1, (0.127, 0.22)), (2, (0.128, 0.24))):
        maps.nth(number).hover(position={"x": 3, "y": 3})  # what is shown then may move it
        film.wait(0.3)
        box = maps.nth(number).bounding_box()
        film.move(box["x"] + across * box["width"], box["y"] + down * box["height"], frames=5)
        film.wait(0.5)
        film.shoot(1800)


def learn(film: Film) -> None:
    """Press Run, watch the shapes form, and look at a neuron."""
    page = film.page
    film.wait(0.8)
    film.shoot(800)
    page.locator("#pace").select_option("200")
    box = page.locator("#run").bounding_box()
    film.move(box["x"] + 50, box["y"] + 28, frames=4)
    page.mouse.down()
    page.mouse.up()
    for frame in range(45):
        film.wait(0.02 if frame < 20 else 0.3)
        film.shoot(100)
    for layer, unit in ((1, 0), (1, 3)):
        box = page.locator(f"#neuron-{layer}-{unit}").bounding_box()
        film.move(box["x"] + 22, box["y"] + 26, frames=4)
        film.wait(0.4)
        film.shoot(1200)
    page.mouse.move(5, film.height - 5)
    film.wait(0.4)
    film.shoot(1500)


FILMS: dict[str, tuple[str, int, Callable[[Film], None]]] = {  # address, height of the window, what is done
    "digit": ("digit", 740, draw_a_digit),
    "playground": ("playground#lr=0.1&hidden=6,3", 900, learn),
}


@contextmanager
def served() -> Iterator[str]:
    shelf, ready = Shelf(), threading.Event()
    app = make_app({"digit": lambda: DigitSession(shelf), "playground": PlaygroundSession})
    listener, server = listen("127.0.0.1", 0), make_server(app, ready.set)
    address = address_of(listener)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        ready.wait()
        yield address
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("films", nargs="*", metavar="FILM", help=f"which: {' '.join(FILMS)}  [default: all]")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="folder  [default: docs/pictures]")
    options = parser.parse_args()
    if unknown := set(options.films) - FILMS.keys():
        parser.error(f"there is no film {min(unknown)}")
    from playwright.sync_api import sync_playwright

    found = os.environ.get("XPNET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for name in options.films or FILMS:
            path, height, act = FILMS[name]
            page = browser.new_page(viewport={"width": WIDTH, "height": height}, locale="en-US")
            page.goto(address + path)
            film = Film(page)
            act(film)
            film.save(options.out / f"page_{name}.webp")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
