"""Filters of a layer, as images."""

import numpy as np
import pytest

from tests.analysis.test_outputs import small
from xpnet import Sequential, analysis, networks
from xpnet.backend import Backend
from xpnet.errors import NotBuiltError, OptionError
from xpnet.layers import Conv2D, Dense, Flatten, ReLU


def test_filters_are_the_weight_as_images(backend: Backend) -> None:
    model = small()
    weight = backend.to_numpy(model[0].weight.value)
    assert np.array_equal(analysis.filters(model), weight[:, 0])
    assert np.array_equal(analysis.filters(model, "block.conv1"), backend.to_numpy(model[2][0].weight.value))
    found = analysis.filters(model, model[0])
    found[:] = 0
    assert np.array_equal(backend.to_numpy(model[0].weight.value), weight), "the filters are no copy"


def test_units_that_see_images_are_images() -> None:
    assert analysis.filters(networks.MLP(hidden=(3,))).shape == (3, 28, 28)
    colours = Sequential([Flatten(), Dense(4)])
    colours.build((3, 5, 6))
    assert analysis.filters(colours).shape == (4, 3, 5, 6)
    flat = Sequential([Dense(4)])
    flat.build((16,))
    assert analysis.filters(flat).shape == (4, 4, 4)


def test_what_has_no_filters_is_refused() -> None:
    with pytest.raises(OptionError, match=r"pool1 \(MaxPool2D\) has no weight"):
        analysis.filters(small(), "pool1")
    with pytest.raises(OptionError, match=r"dense1 has a weight of shape \(5, 48\), which holds no filters"):
        analysis.filters(small(), "dense1")
    with pytest.raises(OptionError, match="neither convolutions nor dense layers"):
        analysis.filters(Sequential([ReLU()]))
    with pytest.raises(NotBuiltError, match="has no 'weight' yet"):
        analysis.filters(Sequential([Conv2D(2, 3)]))
