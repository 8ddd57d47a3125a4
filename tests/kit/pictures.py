"""Whether a picture can be read: every text that is drawn lies within the figure, and upon no other."""

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts_of(figure: Figure) -> list[tuple[str, Any]]:
    """The texts that are drawn, and their boxes in pixels."""
    canvas, found, original = FigureCanvasAgg(figure), [], Text.draw
    canvas.draw()  # lays the figure out

    def draw(self: Text, renderer: Any, *args: Any, **options: Any) -> Any:
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        return original(self, renderer, *args, **options)

    Text.draw = draw
    try:
        canvas.draw()
    finally:
        Text.draw = original
    return found


def assert_readable(figure: Figure) -> None:
    """No two texts overlap, and none is cut off at the figure's edge; a pixel is forgiven."""
    texts = texts_of(figure)
    assert texts
    width, height = figure.canvas.get_width_height()
    for text, box in texts:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text!r} at {box.extents} is cut off: the figure is {width} x {height}"
    x0, y0, x1, y1 = np.array([box.extents for _, box in texts]).T
    beside = (x0[:, None] > x1 - 1) | (y0[:, None] > y1 - 1)  # right of the other, or above it
    upon = ~(beside | beside.T) & ~np.eye(len(texts), dtype=bool)
    assert not upon.any(), [(texts[i], texts[j]) for i, j in np.argwhere(upon)[:3]]


def panel() -> Any:
    """Axes beside others, in a figure of one's own."""
    return Figure(figsize=(9, 4), layout="constrained").subplots(1, 2)[1]
