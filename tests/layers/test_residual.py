"""Blocks with a shortcut around them."""

import numpy as np
import pytest

from tests.kit.helpers import assert_close
from tests.kit.strategies import normal
from xpnet import layers
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Dropout, DropPath, PReLU, Residual


def test_it_is_the_block_and_what_goes_around_it(backend: Backend) -> None:
    block, shortcut = [Dense(4, activation="tanh"), Dense(3)], Dense(3, bias=False)
    residual, x = Residual(block, shortcut, "relu"), backend.asarray(normal((5, 6), 1, "float32"))
    y = residual(x)
    assert_close(y, backend.xp.maximum(block[1](block[0](x)) + shortcut(x), 0))
    names = [name for name, _ in residual.named_parameters()]
    assert names == ["block.0.weight", "block.0.bias", "block.1.weight", "block.1.bias", "shortcut.weight"]


def test_a_learned_activation_is_called_activation() -> None:
    for activation in ("prelu", PReLU()):
        residual = Residual(Dense(3), activation=activation)
        residual.build((3,))
        assert [name for name, _ in residual.named_parameters()] == ["block.weight", "block.bias", "activation.weight"]


def test_shapes_that_differ_are_an_error_that_says_what_to_give() -> None:
    with pytest.raises(
        ShapeError, match=r"down \(Residual\): the block gives \(N, 8, 3, 3\), the shortcut \(N, 2, 6, 6\)"
    ):
        Residual(Conv2D(8, 3, stride=2, padding=1), name="down").build((2, 6, 6))
    with pytest.raises(ShapeError, match=r"such as shortcut=Conv2D\(8, 1, stride=2\)"):
        Residual(Conv2D(8, 3, stride=2, padding=1)).forward(np.zeros((1, 2, 6, 6), "float32"))
    with pytest.raises(ShapeError, match=r"the block gives \(N, 1\), the shortcut \(N, 5\)"):  # which would broadcast
        Residual(Dense(1)).build((5,))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Residual([]), "block must be a layer or a list of layers"),
        (lambda: Residual(Dense), "block must be a layer or a list of layers"),
        (lambda: Residual(Dense(2), "relu"), "shortcut must be a layer or a list of layers, not 'relu'"),
    ],
)
def test_what_is_no_layer_is_refused(make: object, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()  # type: ignore[operator]


def test_a_dropped_path_leaves_the_sample_as_it_is(backend: Backend) -> None:
    residual, x = Residual([Dense(4), DropPath(0.5)]), backend.asarray(normal((64, 4), 1, "float32"))
    y, _ = residual.forward(x, train=True)
    same = np.all(backend.to_numpy(y) == backend.to_numpy(x), axis=1)
    assert 10 < same.sum() < 54


def test_channels_are_dropped_whole(backend: Backend) -> None:
    x = backend.asarray(np.ones((8, 6, 5), "float32"))
    for axis in (1, 2, -1):
        y = backend.to_numpy(layers.SpatialDropout(0.5, axis).forward(x, train=True)[0])
        channels = np.moveaxis(y, axis, 1).reshape(8, y.shape[axis], -1)
        assert np.all(channels == channels[:, :, :1]) and set(np.unique(y)) == {0.0, 2.0}


def test_noise_of_the_same_variance(backend: Backend) -> None:
    x = backend.asarray(np.ones((200, 500), "float32"))
    for layer, std in ((layers.GaussianNoise(0.3), 0.3), (layers.GaussianDropout(0.2), 0.5), (Dropout(0.2), 0.5)):
        y = backend.to_numpy(layer.forward(x, train=True)[0])
        assert abs(y.mean(dtype="float64") - 1) < 0.01 and abs(y.std(dtype="float64") - std) < 0.01
