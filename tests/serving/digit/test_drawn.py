"""Test digits that are drawn at 280 x 280 from their pixels are read nearly as well as from the array."""

import numpy as np
import pytest
from PIL import Image

from tests.serving.digit.talk import drawn, opened
from xpnet.analysis import probabilities
from xpnet.data import digit_from_array
from xpnet.data.transforms import to_unit
from xpnet.serving.digit.shelf import PACKAGED_ACCURACY, Shelf

Digits = tuple[np.ndarray, np.ndarray]


def smooth(pixels: np.ndarray) -> np.ndarray:
    """As a browser enlarges a picture."""
    return np.array(Image.fromarray(pixels).resize((280, 280), Image.Resampling.BILINEAR))


def accuracies(digits: Digits, shelf: Shelf, enlarge: object) -> tuple[float, float]:
    """From the arrays, and drawn."""
    assert callable(enlarge)
    model, (x, t) = shelf.entry("package").make(), digits
    seen = np.stack([digit_from_array(enlarge(image[0]), "dark") for image in x])
    return tuple(float((probabilities(model, each).argmax(axis=1) == t).mean()) for each in (to_unit(x), seen))


@pytest.mark.parametrize("enlarge", [drawn, smooth])
def test_a_drawn_digit_is_read_as_well_as_the_array(mnist_test: Digits, shelf: Shelf, enlarge: object) -> None:
    x, t = mnist_test
    plain, of_drawings = accuracies((x[:1000], t[:1000]), shelf, enlarge)
    assert plain > 0.99 and of_drawings > plain - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("enlarge", [drawn, smooth])
def test_so_are_all_ten_thousand(mnist_test: Digits, shelf: Shelf, enlarge: object) -> None:
    """Measured: 99.58 % from the arrays; 99.49 % with pixels as squares, 99.42 % smoothly enlarged."""
    plain, of_drawings = accuracies(mnist_test, shelf, enlarge)
    assert plain == PACKAGED_ACCURACY  # as README.md in networks/trained says
    assert of_drawings > plain - 0.01


def test_the_session_reads_the_same_as_these_functions(mnist_test: Digits, shelf: Shelf) -> None:
    model = shelf.entry("package").make()
    with opened(shelf) as page:
        for number, pixels in enumerate(mnist_test[0][:20, 0]):
            frame = page.draw(pixels, number)
            digit = digit_from_array(drawn(pixels), "dark")
            np.testing.assert_array_equal(frame.arrays["digit"], digit[0])
            np.testing.assert_allclose(frame.arrays["probabilities"], probabilities(model, digit[None])[0], atol=1e-6)
            assert frame.fields["answer"] == frame.arrays["probabilities"].argmax()
