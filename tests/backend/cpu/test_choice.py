"""Which algorithm computes a convolution: what is said is what is done, and each is taken where it should be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.kit.strategies import ConvCase, convolutions, normal
from xpnet.backend import Backend
from xpnet.backend.cpu import choice
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.window import Window
from xpnet.layers import Conv2D

BACKENDS: list[NumpyBackend] = [NumpyBackend()]
try:
    from xpnet.backend.jit.backend import JitBackend
except ImportError:  # without Numba there are no compiled kernels
    pass
else:
    BACKENDS.append(JitBackend())

LANES = 16
THREE = Window((3, 3))
CASES: list[tuple[int, Window, int, str, str, str]] = [  # images, window, groups, dtype; without and with kernels
    (choice.WINOGRAD_IMAGES, THREE, 1, "float32", choice.WINOGRAD, choice.WINOGRAD),
    (choice.WINOGRAD_OVER_DIRECT - 1, Window((3, 5)), 1, "float32", choice.WINOGRAD, choice.DIRECT),
    (choice.WINOGRAD_OVER_DIRECT, THREE, 1, "float32", choice.WINOGRAD, choice.WINOGRAD),
    (choice.WINOGRAD_OVER_DIRECT - 1, THREE, 1, "float32", choice.WINOGRAD, choice.WINOGRAD),
    (choice.WINOGRAD_IMAGES, THREE, 1, "float64", choice.WINOGRAD, choice.WINOGRAD),
    (choice.WINOGRAD_IMAGES - 1, THREE, 1, "float64", choice.COLUMNS, choice.COLUMNS),
    (choice.WINOGRAD_OVER_DIRECT, Window((3, 5)), 1, "float32", choice.WINOGRAD, choice.WINOGRAD),
    (choice.WINOGRAD_OVER_DIRECT, Window((5, 3)), 1, "float32", choice.COLUMNS, choice.DIRECT),
    (choice.WINOGRAD_OVER_DIRECT, Window((3, 3), (2, 1)), 1, "float32", choice.COLUMNS, choice.DIRECT),
    (choice.WINOGRAD_OVER_DIRECT, Window((3, 3), dilation=(1, 2)), 1, "float32", choice.COLUMNS, choice.DIRECT),
    (choice.WINOGRAD_OVER_DIRECT, THREE, 2, "float32", choice.COLUMNS, choice.DIRECT),
    (LANES, THREE, 1, "float32", choice.COLUMNS, choice.WINOGRAD),
    (LANES - 1, THREE, 1, "float32", choice.COLUMNS, choice.COLUMNS),
    (1, THREE, 1, "float32", choice.ONE_PRODUCT, choice.ONE_PRODUCT),
    (0, THREE, 1, "float32", choice.ONE_PRODUCT, choice.ONE_PRODUCT),
    (LANES, Window((32, 32)), 1, "float32", choice.WHOLE_IMAGE, choice.WHOLE_IMAGE),
    (1, Window((32, 32), (5, 5)), 1, "float64", choice.WHOLE_IMAGE, choice.WHOLE_IMAGE),
    (LANES, Window((32, 32)), 2, "float32", choice.ONE_PRODUCT, choice.DIRECT),
    (LANES, Window((32, 32), padding=((1, 0), (0, 0))), 1, "float32", choice.COLUMNS, choice.DIRECT),
]


@pytest.mark.parametrize(("images", "window", "groups", "dtype", "without", "compiled"), CASES)
def test_each_is_taken_where_it_should_be(
    images: int, window: Window, groups: int, dtype: str, without: str, compiled: str
) -> None:
    x, w, dtypes = (images, 16, 32, 32), (4, 16 // groups, *window.kernel), (np.dtype(dtype),) * 2
    for lanes, expected in ((0, without), (LANES, compiled)):
        name, not_winograd, not_direct = choice.choose(x, w, dtypes, window, groups, lanes)
        assert name == expected
        assert bool(not_winograd) == (name != choice.WINOGRAD)
        assert bool(not_direct) == (name != choice.DIRECT) or (name == choice.WINOGRAD and lanes)
        words = choice.explain(x, w, dtypes, window, groups, lanes)
        assert words.startswith(f"{name}: ") and not_winograd in words and not_direct in words


@pytest.mark.parametrize(
    ("kernel", "stride", "outputs", "groups", "expected"),
    [((3, 3), 1, 8, 8, choice.DEPTHWISE), ((5, 5), 1, 8, 8, choice.DEPTHWISE), ((3, 3), 2, 8, 8, choice.DIRECT),
     ((7, 7), 1, 8, 8, choice.DIRECT), ((3, 3), 1, 16, 8, choice.DIRECT), ((3, 3), 1, 8, 4, choice.DIRECT)],
)  # fmt: skip
def test_which_are_depthwise(kernel: tuple[int, int], stride: int, outputs: int, groups: int, expected: str) -> None:
    w, dtypes = (outputs, 8 // groups, *kernel), (np.dtype("float32"),) * 2
    options: Any = w, dtypes, Window(kernel, (stride, stride)), groups
    assert choice.choose((32, 8, 16, 16), *options, LANES)[0] == expected
    assert choice.choose((32, 8, 16, 16), *options, 0)[0] != choice.DEPTHWISE
    assert choice.choose((LANES - 1, 8, 16, 16), *options, LANES)[0] != choice.DEPTHWISE


@pytest.mark.parametrize(
    ("channels", "outputs", "expected", "how"),
    [(7, 16, choice.DIRECT, "few channels"), (8, 1, choice.WINOGRAD, "16 products"),
     (256, 256, choice.WINOGRAD, "16 products"), (257, 256, choice.DIRECT, "few images")],
)  # fmt: skip
def test_how_many_channels_the_compiled_blocks_take(channels: int, outputs: int, expected: str, how: str) -> None:
    options: Any = (outputs, channels, 3, 3), (np.dtype("float32"),) * 2, THREE, 1
    assert choice.choose((32, channels, 8, 8), *options, LANES)[0] == expected
    assert how in choice.explain((32, channels, 8, 8), *options, LANES)
    assert "four products" in choice.explain((32, channels, 8, 8), *options, 0)
    many = choice.choose((choice.WINOGRAD_OVER_DIRECT, channels, 8, 8), *options, LANES)[0]
    assert many == (choice.WINOGRAD if channels > 7 else choice.DIRECT)


class Spy:
    """An algorithm that only writes down that it was asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked

    def forward(self, *_: Any) -> None:
        self.asked.append(self.name)

    input_gradient = weight_gradient = forward

    def before_activation(self, *_: Any) -> tuple[None, None]:
        self.asked.append(self.name)
        return None, None


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: type(backend).__name__)
@given(case=convolutions((1, 60)))
def test_what_is_said_is_what_is_done(backend: NumpyBackend, case: ConvCase) -> None:
    asked: list[str] = []
    x, w, y = (normal(shape, case.seed, "float32") for shape in (case.x_shape, case.w_shape, case.y_shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "algorithms", {name: Spy(name, asked) for name in backend.algorithms}, raising=False)
        backend.conv2d(x, w, None, case.window, case.groups)
        backend.conv2d_backward(y, x, w, y, case.window, case.groups)
        backend.conv2d_transposed(y, w, None, case.window, case.x_shape[2:], case.groups)
        backend.conv2d_transposed_backward(x, y, w, x, case.window, case.groups)
    said = backend.explain_conv2d(x, w, case.window, case.groups).partition(":")[0]
    assert asked == [said] * (1 + 3 + 1 + 3)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: type(backend).__name__)
def test_every_algorithm_that_may_be_chosen_is_there(backend: NumpyBackend) -> None:
    names = {choice.WINOGRAD, choice.ONE_PRODUCT, choice.COLUMNS, choice.WHOLE_IMAGE}
    names |= {choice.DIRECT, choice.DEPTHWISE} if backend.lanes else set()
    assert set(backend.algorithms) == names <= set(choice.MEANING)


def test_a_layer_is_explained_before_it_is_built() -> None:
    numpy = NumpyBackend()
    assert numpy.explain(Conv2D(8, 3, padding="same"), (100, 4, 28, 28)).startswith("winograd: ")
    assert "stride and dilation are not 1" in numpy.explain(Conv2D(8, 3, stride=2), (100, 4, 28, 28))
    assert "two data types" not in numpy.explain(Conv2D(8, 3).astype("float64"), (100, 4, 28, 28))
    huge = 10**6, 4, 1000, 1000  # takes no memory
    assert Backend().explain(Conv2D(8, 3, groups=2), huge).startswith("columns: ")
