"""Pictures of Grad-CAM and saliency."""

import numpy as np
import pytest

from tests.analysis.test_explanations import grey
from tests.kit.pictures import assert_readable, panel
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import Sequential, analysis, visualize
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Flatten

pytestmark = pytest.mark.slow  # each picture is drawn and looked at


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_heat_is_laid_over_the_images(count: int) -> None:
    model, x = grey()
    chances = analysis.probabilities(model, x)
    for plot, heat in (
        (visualize.plot_grad_cam, analysis.grad_cam(model, x[:count])),
        (visualize.plot_saliency, analysis.saliency(model, x[:count])),
    ):
        figure = plot(model, x, count=count)
        shown = [axes for axes in figure.axes if len(axes.images) == 2]
        assert len(shown) == count
        for i, axes in enumerate(shown):
            assert np.array_equal(axes.images[0].get_array(), x[i, 0])
            assert np.allclose(axes.images[1].get_array(), heat[i] / (heat[i].max() or 1), atol=1e-5)
            c = chances[i].argmax()
            assert axes.get_title() == f"{c}: {100 * chances[i, c]:.1f} %"
        assert_readable(figure)


def test_colours_flat_squares_names_and_axes_of_ones_own() -> None:
    colour = Sequential([Conv2D(3, 3), Flatten(), Dense(2)])
    x = normal((4, 3, 9, 6), 0, "float32")
    names = ["a very long name of a class", "cat"]
    assert_readable(visualize.plot_grad_cam(colour, x, target=[0, 1, 1, 0], names=names))
    flat = Sequential([Dense(3)])
    assert_readable(visualize.plot_saliency(flat, digits(2)[0].reshape(2, 784)))
    one = Sequential([Flatten(), Dense(1)])
    figure = visualize.plot_saliency(one, digits(1)[0], names=["yes"])
    assert figure.axes[0].get_title() == "yes"
    ax = panel()
    assert visualize.plot_grad_cam(colour, x[0], ax=ax) is ax.figure
    assert_readable(ax.figure)
    with pytest.raises(OptionError, match="there are 4 to draw"):
        visualize.plot_saliency(colour, x, ax=panel())


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"the images have shape \(4, 7\)"):
        visualize.plot_saliency(Sequential([Dense(3)]), normal((4, 7), 0, "float32"))
    with pytest.raises(OptionError, match="count must be at most 100"):
        visualize.plot_saliency(*grey(), count=101)
