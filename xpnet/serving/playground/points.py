"""Points in the plane, with a target each: those of TensorFlow Playground, more classes, and one's own.

The functions of SETS take a random generator, the number of points and the noise, from 0 to 0.5 (and the number of
classes, where there may be several). They return x1, x2 and the targets. The script that the page exports contains them
as they stand here, so each needs nothing but NumPy.
"""

import csv
import io
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.errors import DataError, OptionError
from xpnet.serving.playground.state import EDGE, MOST_CLASSES, MOST_POINTS, Point, State

SAMPLES = {"classification": 500, "regression": 1200}
LARGEST = 1e100  # of a number in a table; of larger ones, not even a difference can be computed
Plane = tuple[np.ndarray, np.ndarray, np.ndarray]  # x1, x2 and the targets, (N,) each


class Points(NamedTuple):
    """Rows of x1, x2 and target, (N, 3) in float64, for training and for the test."""

    train: np.ndarray
    test: np.ndarray


def make_points(state: State) -> Points:
    """The points of a state, shuffled and split; what is drawn follows from the seed."""
    rng = np.random.default_rng(state.seed)
    if state.data == "own":
        plane = np.array(state.points, dtype=float).reshape(-1, 3)
    else:
        more = (state.classes,) if state.data in ("spiral", "blobs") else ()
        make: Callable[..., Plane] = SETS[state.data]
        plane = np.stack(make(rng, SAMPLES[state.problem], state.noise / 100, *more), axis=1)
    order = rng.permutation(len(plane))
    count = share(state, len(plane))
    return Points(plane[order[:count]], plane[order[count:]])


def share(state: State, points: int) -> int:
    """How many of so many points are for training: one at least, if there is one."""
    return max(round(points * state.train / 100), min(points, 1))


def feature_columns(names: tuple[str, ...], x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """The inputs of the network at these points: (N, inputs), float32."""
    return np.stack([FEATURES[name](x1, x2) for name in names], axis=1).astype("float32")


FEATURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1^2": lambda x1, x2: x1 * x1,
    "x2^2": lambda x1, x2: x2 * x2,
    "x1x2": lambda x1, x2: x1 * x2,
    "sin x1": lambda x1, x2: np.sin(x1),
    "sin x2": lambda x1, x2: np.sin(x2),
}

# ---- data sets -----------------------------------------------------------------------------------------------------


def circle(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A disc of class 1, and a ring of class 0 around it. Noise moves points before their class is read."""
    radius = np.where(np.arange(n) < n // 2, rng.uniform(0, 2.5, n), rng.uniform(3.5, 5, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    x1, x2 = radius * np.sin(angle), radius * np.cos(angle)
    moved = np.hypot(x1 + noise * rng.uniform(-5, 5, n), x2 + noise * rng.uniform(-5, 5, n))
    return x1, x2, moved < 2.5


def xor(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class 1 where x1 and x2 have the same sign, class 0 where they do not."""
    x1, x2 = rng.uniform(-5, 5, n), rng.uniform(-5, 5, n)
    x1, x2 = x1 + 0.3 * np.sign(x1), x2 + 0.3 * np.sign(x2)  # a gap between the quarters
    moved = (x1 + noise * rng.uniform(-5, 5, n)) * (x2 + noise * rng.uniform(-5, 5, n))
    return x1, x2, moved >= 0


def gauss(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two clouds: class 1 around (2, 2), class 0 around (-2, -2)."""
    target = np.arange(n) < n // 2
    centre, spread = np.where(target, 2, -2), np.sqrt(0.5 + 7 * noise)
    x1, x2 = centre + spread * rng.normal(size=n), centre + spread * rng.normal(size=n)
    return np.clip(x1, -6, 6), np.clip(x2, -6, 6), target


def spiral(rng: np.random.Generator, n: int, noise: float, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An arm for each class, wound around the middle."""
    target = np.arange(n) % classes
    along = np.arange(n) / n  # from the middle to the end of the arms
    angle = 3.5 * np.pi * along - 2 * np.pi / classes * (target + 1)
    x1 = 5 * along * np.sin(angle) + noise * rng.uniform(-1, 1, n)
    x2 = 5 * along * np.cos(angle) + noise * rng.uniform(-1, 1, n)
    return x1, x2, target


def blobs(rng: np.random.Generator, n: int, noise: float, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cloud for each class, in a circle around the middle."""
    target = np.arange(n) % classes
    angle, spread = 2 * np.pi * target / classes, 0.5 + 3 * noise
    x1 = 3.5 * np.sin(angle) + spread * rng.normal(size=n)
    x2 = 3.5 * np.cos(angle) + spread * rng.normal(size=n)
    return np.clip(x1, -6, 6), np.clip(x2, -6, 6), target


def plane(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The target rises with x1 + x2. Noise moves points before it is read."""
    x1, x2 = rng.uniform(-6, 6, n), rng.uniform(-6, 6, n)
    target = (x1 + x2 + noise * (rng.uniform(-6, 6, n) + rng.uniform(-6, 6, n))) / 10
    return x1, x2, np.clip(target, -1, 1)


def multigauss(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six hills and hollows: the target is 1 or -1 in the middle of one, and 0 at a distance of 2."""
    x1, x2 = rng.uniform(-6, 6, n), rng.uniform(-6, 6, n)
    near1, near2 = x1 + noise * rng.uniform(-6, 6, n), x2 + noise * rng.uniform(-6, 6, n)
    target = np.zeros(n)
    for c1, c2, sign in [(-4, 2.5, 1), (0, 2.5, -1), (4, 2.5, 1), (-4, -2.5, -1), (0, -2.5, 1), (4, -2.5, -1)]:
        target += sign * np.maximum(1 - np.hypot(near1 - c1, near2 - c2) / 2, 0)
    return x1, x2, target


SETS: dict[str, Callable[..., Plane]] = {
    each.__name__: each for each in (circle, xor, gauss, spiral, blobs, plane, multigauss)
}

# ---- one's own -----------------------------------------------------------------------------------------------------


def read_csv(text: str, problem: str) -> tuple[tuple[Point, ...], bool]:
    """Points from lines of x1, x2 and target, perhaps below a header; and whether they were scaled to fit the plane.

    Targets of a classification may be words. DataError says which line is wrong.
    """
    rows = _split_rows(text)
    if rows and any(_as_number(cell) is None for cell in rows[0][1][:2]):
        rows = rows[1:]  # a header
    if not rows:
        raise DataError("there are no points in this text; expected are lines such as 1.5, -2, 1: x1, x2 and target")
    if len(rows) > MOST_POINTS:
        raise OptionError(f"there can be {MOST_POINTS} points of your own at most, not {len(rows)}")
    for line, cells in rows:
        if len(cells) != 3 or any(_as_number(cell) is None for cell in cells[:2]):
            raise DataError(
                f"line {line} must be x1, x2 and target, such as 1.5, -2, 1; it is {', '.join(cells)!r:.60}"
            )
    x = np.array([[_as_number(cell) for cell in cells[:2]] for _, cells in rows], dtype=float)
    read = _read_classes if problem == "classification" else _read_numbers
    targets, scaled = read([(line, cells[2]) for line, cells in rows])
    if np.abs(x).max() > EDGE:
        x, scaled = _scaled(x, EDGE - 1), True
    return tuple((float(a), float(b), float(t)) for (a, b), t in zip(x, targets, strict=True)), scaled


def _split_rows(text: str) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, by number from 1, and their cells."""
    mark = next((mark for mark in ("\t", ";", ",") if mark in text), None)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if mark is None:
        return [(number, line.split()) for number, line in lines]
    rows = []
    for number, line in lines:
        try:
            cells = next(csv.reader(io.StringIO(line), delimiter=mark))
        except csv.Error as error:  # such as a cell that never ends
            raise DataError(f"line {number} cannot be read: {error}") from error
        rows.append((number, [cell.strip() for cell in cells]))
    return rows


def _as_number(cell: str) -> float | None:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", cell.strip(), re.IGNORECASE | re.ASCII):
        return None  # NaN and infinity, too
    number = float(cell)
    return number if abs(number) <= LARGEST else None


def _read_classes(cells: list[tuple[int, str]]) -> tuple[list[int], bool]:
    """Their numbers: those of the text, if they can be, else by the order of the alphabet."""
    words = sorted({cell for _, cell in cells}, key=lambda cell: (_as_number(cell) or 0, cell))
    if len(words) > MOST_CLASSES:
        raise DataError(f"the targets have {len(words)} values; a classification has {MOST_CLASSES} classes at most")
    numbers = [_as_number(word) for word in words]
    if all(number is not None and number in range(MOST_CLASSES) for number in numbers):
        return [int(float(cell)) for _, cell in cells], False
    return [words.index(cell) for _, cell in cells], False


def _read_numbers(cells: list[tuple[int, str]]) -> tuple[Any, bool]:
    for line, cell in cells:
        if _as_number(cell) is None:
            raise DataError(f"the target in line {line} must be a number in a regression, not {cell!r:.40}")
    targets = np.array([[_as_number(cell)] for _, cell in cells], dtype=float)
    scaled = bool(np.abs(targets).max() > 1)
    return (_scaled(targets, 1) if scaled else targets)[:, 0], scaled


def _scaled(columns: np.ndarray, edge: float) -> np.ndarray:
    """Each column so that it reaches from -edge to edge; one of equal numbers becomes 0."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = (columns - low) / (high - low) * (2 * edge) - edge
    return np.where(high > low, scaled, 0.0)
