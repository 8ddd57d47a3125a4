"""A digit in a photograph is read, or refused with the reason; it is not read wrong in silence."""

from pathlib import Path

import numpy as np
import pytest

import xpnet
from tests.kit import scenes
from xpnet.data import digit_from_array
from xpnet.data.ink import find_strokes
from xpnet.data.one_digit import find_digit
from xpnet.data.pieces import find_lines, find_pieces, holds_square
from xpnet.errors import DataError

NETWORK = Path(xpnet.__file__).parent / "networks" / "trained" / "deepconvnet.safetensors"


@pytest.fixture(scope="module")
def model():
    return xpnet.load(NETWORK)


@pytest.fixture(scope="module")
def handwritten(mnist_data):
    """200 test digits, (200, 28, 28) uint8, and what they are."""
    x, t = mnist_data[1]
    chosen = np.random.default_rng(0).choice(len(x), 200, replace=False)
    return np.rint(x[chosen, 0] * np.float32(255)).astype(np.uint8), t[chosen]


def read(model, scene, digits, labels):
    """How many are right, wrong and refused."""
    rng, seen, known = np.random.default_rng(1), [], []
    for digit, label in zip(digits, labels, strict=True):
        try:
            seen.append(digit_from_array(scene(digit, rng)))
        except DataError:
            continue
        known.append(label)
    right = int((model.predict(np.stack(seen)).argmax(axis=1) == known).sum())
    return right, len(known) - right, len(digits) - len(known)


@pytest.mark.parametrize("name", scenes.ISSUE)
def test_some_digits_of_each_scene(model, handwritten, name):
    digits, labels = handwritten
    assert read(model, scenes.ISSUE[name], digits[:30], labels[:30])[0] >= 29


@pytest.mark.parametrize("name", scenes.OTHERS)
def test_some_digits_of_other_scenes(model, handwritten, name):
    digits, labels = handwritten
    right, wrong, _ = read(model, scenes.OTHERS[name], digits[:20], labels[:20])
    assert wrong <= 1 and right >= (6 if name == "at the edge" else 17)


@pytest.mark.slow
@pytest.mark.parametrize("name", scenes.ISSUE)
def test_two_hundred_digits_of_each_scene(model, handwritten, name):
    """Measured: 199 or 200 in each; before, 193 with the speck, 94, 123 and 85 in the others."""
    assert read(model, scenes.ISSUE[name], *handwritten)[0] >= 194


@pytest.mark.slow
@pytest.mark.parametrize("name", scenes.OTHERS)
def test_two_hundred_digits_of_other_scenes(model, handwritten, name):
    """Measured: at most 2 wrong; only what is cut out tightly, or reaches the edge, is refused."""
    right, wrong, _ = read(model, scenes.OTHERS[name], *handwritten)
    assert wrong <= 5 and right >= (80 if name == "at the edge" else 175)


def test_what_is_no_one_digit_is_refused_with_the_reason(handwritten):
    digits, rng = handwritten[0][:3], np.random.default_rng(0)
    for digit in digits:
        with pytest.raises(DataError, match="several things that lie apart"):
            digit_from_array(scenes.two_digits(digit, rng))
        cut = scenes.as_bytes(scenes.PAPER * (1 - scenes.strokes(digit, left=-120)))
        with pytest.raises(DataError, match="over the edge of the picture"):
            digit_from_array(cut)
    with pytest.raises(DataError, match=r"too small|blank"):
        digit_from_array(np.pad(np.full((4, 4), 0.9), 98))


def test_a_drawing_on_an_exact_ground_that_is_named_is_taken_whole(handwritten):
    """It reaches the edge, or is not finished: nobody photographed it."""
    two = (255 - scenes.two_digits(handwritten[0][0], np.random.default_rng(0))) / np.float32(255)
    np.testing.assert_array_equal(find_digit(two, "dark"), find_strokes(two, "dark"))
    low = scenes.strokes(handwritten[0][0], left=-120).astype(np.float32)
    np.testing.assert_array_equal(find_digit(low, "dark"), find_strokes(low, "dark"))


def test_a_digit_in_a_circle_is_the_digit(handwritten):
    digit = handwritten[0][0]
    row, column = np.mgrid[: scenes.SIDE, : scenes.SIDE] - scenes.SIDE / 2
    ring = np.abs(np.hypot(row, column) - 170) < 4
    a = scenes.PAPER * (1 - np.maximum(scenes.strokes(digit), ring))
    alone = scenes.PAPER * (1 - scenes.strokes(digit))
    np.testing.assert_allclose(
        digit_from_array(scenes.as_bytes(a)), digit_from_array(scenes.as_bytes(alone)), atol=0.01
    )


# ---- pieces and lines ------------------------------------------------------------------------------------------------


def flooded(mask):
    """Sets of pixels that touch, by walking from pixel to pixel."""
    left, found = set(map(tuple, np.argwhere(mask))), set()
    while left:
        piece, waiting = set(), [left.pop()]
        while waiting:
            i, j = waiting.pop()
            piece.add((i, j))
            near = {(i + p, j + q) for p in (-1, 0, 1) for q in (-1, 0, 1)} & left
            left -= near
            waiting += near
        found.add(frozenset(piece))
    return found


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.4, 0.5, 0.7, 1.0])
def test_pieces_are_those_that_a_walk_finds(share):
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 9), (9, 1), (12, 17), (30, 30)]:
        mask = rng.random(shape) < share
        pieces = find_pieces(mask)
        each = {frozenset(map(tuple, np.argwhere(pieces.labels == k))) for k in range(len(pieces.area))}
        assert each == flooded(mask)
        for k in range(len(pieces.area)):
            rows, columns = np.nonzero(pieces.pixels([k]))
            assert pieces.area[k] == len(rows)
            assert pieces.box(k) == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)


def test_lines_are_found_and_strokes_that_cross_them_are_not():
    mask = np.zeros((100, 200), bool)
    column = np.arange(200)
    for place in (20, 60):
        for thick in range(2):
            mask[np.rint(place + thick + 0.03 * (column - 100)).astype(int), column] = True
    lines = mask.copy()
    mask[30:70, 50:56] = True  # a stroke
    found = find_lines(mask)
    assert not found[30:70, 50:56].any()
    assert found[lines & (column < 48)].all() and found[lines & (column > 58)].all()
    assert not find_lines(np.pad(np.ones((40, 40), bool), 30)).any()


def test_a_square_is_found_if_it_fits():
    mask = np.zeros((20, 30), bool)
    mask[3:9, 5:16] = True
    assert holds_square(mask, 6) and not holds_square(mask, 7) and not holds_square(mask, 40)
