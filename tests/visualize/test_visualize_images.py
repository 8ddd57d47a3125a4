"""Images of a data set, and confusion matrices."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.kit.pictures import assert_readable, panel, texts_of
from tests.kit.small import digits
from tests.visualize.test_visualize import EPOCHS, identity
from xpnet import visualize
from xpnet.errors import DataError, OptionError, ShapeError

pytestmark = pytest.mark.slow  # each picture is drawn and looked at

LONG = ["an aeroplane", "a motor car with four doors", "bird"]


# ---- the data set's images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7, 25, 100])
def test_images_stand_under_their_labels(count: int) -> None:
    x, t = digits(100)
    figure = visualize.plot_images(x, t, count=count)
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == [str(label) for label in t[:count]]
    for axes, image in zip(shown, x, strict=False):
        assert np.array_equal(axes.images[0].get_array(), image[0])
        assert axes.get_aspect() == 1 and axes.images[0].get_clim() == (0, 1)
    if count < 100:
        assert_readable(figure)


def test_images_of_every_form() -> None:
    rng = np.random.default_rng(0)
    grey, colours = rng.random((2, 1, 4, 4)), rng.random((2, 3, 4, 6))
    for x in (grey, grey[:, 0], grey.reshape(2, 16)):
        assert np.array_equal(visualize.plot_images(x).axes[1].images[0].get_array(), grey[1, 0])
    assert np.allclose(visualize.plot_images(colours).axes[1].images[0].get_array(), colours[1].transpose(1, 2, 0))
    as_bytes = (255 * colours).astype(np.uint8)
    shown = visualize.plot_images(as_bytes).axes[0].images[0].get_array()
    assert np.allclose(shown, as_bytes[0].transpose(1, 2, 0) / 255)
    standardised = colours * 6 - 3
    shown = visualize.plot_images(standardised).axes[0].images[0].get_array()
    assert 0 <= shown.min() < shown.max() <= 1


def test_names_take_the_place_of_numbers_and_do_not_overlap() -> None:
    x, t = digits(9)
    figure = visualize.plot_images(x, t % 3, names=LONG)
    assert [axes.get_title() for axes in figure.axes] == [LONG[label % 3] for label in t]
    assert_readable(figure)
    assert_readable(
        visualize.plot_misclassified(identity(4), np.eye(4, dtype="f4"), [1, 2, 0, 0], names=[*LONG, "cat"])
    )
    with pytest.raises(OptionError, match="names holds 3 names, for classes 0 to 2, but there is a"):
        visualize.plot_images(x, t, names=LONG)


def test_images_refuse_what_cannot_be_shown() -> None:
    x, t = digits(9)
    for count in (0, 101, 2.5, True):
        with pytest.raises(OptionError, match="plot_images: count must be"):
            visualize.plot_images(x, t, count=count)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="9 images and labels of shape"):
        visualize.plot_images(x, t[:3])
    with pytest.raises(DataError, match="the labels are float32"):
        visualize.plot_images(x, t.astype("f4"))
    with pytest.raises(ShapeError, match=r"\(9, 2, 4, 4\)"):
        visualize.plot_images(np.zeros((9, 2, 4, 4)))
    with pytest.raises(DataError, match="nothing to show"):
        visualize.plot_images(np.zeros((0, 1, 4, 4)))


# ---- confusion -----------------------------------------------------------------------------------------------------


def cells(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_counts_or_shares_stand_in_the_cells() -> None:
    matrix = [[7000, 3000, 0], [1, 2, 1], [0, 0, 0]]
    figure = visualize.plot_confusion_matrix(matrix)
    assert cells(figure) == ["7,000", "3,000", "0", "1", "2", "1", "0", "0", "0"]
    share = np.array([[70, 30, 0], [25, 50, 25], [0, 0, 0]])
    assert np.allclose(figure.axes[0].images[0].get_array(), share)
    assert cells(visualize.plot_confusion_matrix(matrix, shares=True))[:4] == ["70.0", "30.0", "0.0", "25.0"]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("predicted class", "true class")
    assert figure.axes[1].get_ylabel() == "share of the true class, %"


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 21, 41, 100])
@pytest.mark.parametrize("shares", [False, True])
def test_a_confusion_matrix_of_any_size_can_be_read(classes: int, shares: bool) -> None:
    matrix = np.random.default_rng(0).integers(0, 20, (classes, classes)) + 1200 * np.eye(classes, dtype=int)
    names = [f"class number {i}" for i in range(classes)] if shares else None
    figure = visualize.plot_confusion_matrix(matrix, shares=shares, names=names)
    assert_readable(figure)
    assert len(cells(figure)) == (classes**2 if classes <= 40 else 0)


def test_confusion_refuses_what_is_no_matrix_of_counts() -> None:
    for wrong in ([1, 2], [[1, 2]], np.zeros((0, 0))):
        with pytest.raises(ShapeError, match=r"shape \(classes, classes\)"):
            visualize.plot_confusion_matrix(wrong)
    for fractions in ([[0.5, 0.5], [0, 1]], [[-1, 2], [0, 1]], [[np.nan, 0], [0, 1]], [["a", "b"], ["c", "d"]]):
        with pytest.raises(DataError, match="whole numbers"):
            visualize.plot_confusion_matrix(fractions)
    with pytest.raises(OptionError, match="3 names, but the matrix has 2 classes"):
        visualize.plot_confusion_matrix(np.eye(2), names=LONG)


# ---- axes of one's own ---------------------------------------------------------------------------------------------


def test_one_panel_can_be_drawn_into_given_axes(tmp_path: Any) -> None:
    x, t = digits(1)
    draws = [
        lambda ax: visualize.plot_images(x, t, ax=ax),
        lambda ax: visualize.plot_history(EPOCHS, metric="accuracy", ax=ax),
        lambda ax: visualize.plot_history(EPOCHS, ax=ax),
        lambda ax: visualize.plot_confusion_matrix(np.eye(3), ax=ax),
        lambda ax: visualize.plot_misclassified(identity(4), np.eye(4, dtype="f4"), [1, 2, 3, 0], ax=ax),
    ]
    for draw in draws:
        ax = panel()
        assert draw(ax) is ax.figure
        assert ax.images or ax.lines
        assert_readable(ax.figure)
    inner = Figure().subfigures(1, 2)[1].subplots()
    assert visualize.plot_images(x, path=tmp_path / "a.png", ax=inner) is inner.figure.figure
    assert (tmp_path / "a.png").exists()


def test_axes_that_do_not_fit_are_refused() -> None:
    x, t = digits(4)
    with pytest.raises(OptionError, match="there are 4 to draw"):
        visualize.plot_images(x, t, ax=panel())
    with pytest.raises(OptionError, match="ax must be matplotlib axes, such as"):
        visualize.plot_images(x[:1], ax="axes")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"no metric 'f1'; choose one of loss, accuracy"):
        visualize.plot_history(EPOCHS, metric="f1")


def test_the_history_can_be_read() -> None:
    assert_readable(visualize.plot_history(EPOCHS))
    assert "epoch" in [text for text, _ in texts_of(visualize.plot_history(EPOCHS))]
