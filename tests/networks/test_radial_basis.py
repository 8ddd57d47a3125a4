"""The output of LeNet-5 of 1998: codes that are pictures, penalties as scores, and the paper's loss."""

from pathlib import Path

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_close
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import Sequential, gradient_check, optimizers
from xpnet.backend import Backend
from xpnet.errors import OptionError, ShapeError
from xpnet.losses import RubbishCrossEntropy
from xpnet.networks import LeNet5, RadialBasis
from xpnet.networks.radial_basis import DIGIT_CODES, PICTURES


def published() -> LeNet5:
    return LeNet5(variant="1998", output="rbf")


def test_the_codes_are_pictures_of_digits() -> None:
    codes = np.array(DIGIT_CODES)
    assert codes.shape == (10, 84) and set(codes.ravel()) == {-1, 1}
    drawn = "\n".join(
        " ".join("".join(".#"[(p + 1) // 2] for p in digit[7 * row : 7 * row + 7]) for digit in codes)
        for row in range(12)
    )
    assert drawn == PICTURES.strip()
    apart = ((codes[:, None] - codes) ** 2).sum(axis=2) // 4  # pixels in which two pictures differ
    assert apart[~np.eye(10, dtype=bool)].min() >= 8
    assert apart[0, 8] < apart[0, 1] and apart[3, 8] < apart[3, 4]  # what looks alike is alike


def test_it_gives_negative_squares_of_distances(backend: Backend) -> None:
    codes, x = ((1, -1, 2), (0, 3, -2)), normal((4, 3), 0, "float32")
    layer = RadialBasis(codes)
    expected = -((x[:, None] - np.array(codes, np.float32)) ** 2).sum(axis=2)
    assert_close(layer(backend.asarray(x)), expected)
    assert gradient_check(RadialBasis(codes), normal((4, 3), 1)) < 1e-6
    assert not RadialBasis().parameters()


def test_an_image_of_a_digit_is_that_digit() -> None:
    y = RadialBasis()(np.array(DIGIT_CODES, np.float32))
    assert (y.argmax(axis=1) == np.arange(10)).all() and not y.diagonal().any()


def test_what_it_cannot_take() -> None:
    for wrong in ((), ((),), ((1, 2), (1,))):
        with pytest.raises(OptionError, match="codes must be rows of one length"):
            RadialBasis(wrong)
    with pytest.raises(OptionError, match=r"codes must be an integer, not 0\.5"):
        RadialBasis(((0.5, 1),))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"needed is \(N, 84\), as many as each code has numbers"):
        RadialBasis().build((80,))
    for options in ({}, {"variant": "1998", "classes": 5}):
        with pytest.raises(OptionError, match='output must be "dense" or, for ten classes of variant "1998", "rbf"'):
            LeNet5(output="rbf", **options)
    with pytest.raises(OptionError, match=r"or, for ten classes of variant .*, not 'radial'"):
        LeNet5(variant="1998", output="radial")


def test_lenet5_has_the_parameters_of_the_paper_and_others_have_what_they_had(tmp_path: Path) -> None:
    model = published()
    assert sum(p.size for p in model.parameters()) == 60_000
    assert f"{60_000:,}" in (LeNet5.__doc__ or "")
    names = [p.name for p in LeNet5(variant="1998").parameters()]
    assert names == [*(p.name for p in model.parameters()), "output.weight", "output.bias"]
    model.save(tmp_path / "net")
    again, x = xpnet.load(tmp_path / "net"), digits(3)[0]
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    alone = Sequential([RadialBasis(((1, 2), (3, 4), (5, 6)))])
    alone.build((2,))
    alone.save(tmp_path / "alone")
    assert repr(xpnet.load(tmp_path / "alone")) == repr(alone)


def test_the_gradient_of_the_whole_network_is_right() -> None:
    assert gradient_check(published(), normal((2, 1, 28, 28), 0) / 8, eps=1e-6, tolerance=1e-5) < 1e-5


def test_it_learns_with_the_loss_of_the_paper(backend: Backend) -> None:
    x, t = digits(100)
    model = published()
    model.compile(optimizers.Adam(0.002), "rubbish_cross_entropy", ["accuracy"])
    assert 70 < model.evaluate(x, t)[0] < 100  # from every code about 84 away
    model.fit(x, t, batch_size=20, epochs=4, verbose=0)
    loss, accuracy = model.evaluate(x, t)
    assert loss < 40 and accuracy > 0.6
    assert (model.predict(x).argmax(axis=1) == t).mean() == pytest.approx(accuracy)


def test_scores_that_are_low_already_are_pushed_no_further_down(backend: Backend) -> None:
    y = backend.asarray(np.array([[-30.0, -20.0, -25.0]]))
    _, back = RubbishCrossEntropy().forward(y, backend.asarray(np.array([1])))
    np.testing.assert_allclose(backend.to_numpy(back()), [[0, -1, 0]], atol=1e-8)


def test_without_a_probability_of_rubbish_it_is_the_cross_entropy(backend: Backend) -> None:
    """exp(-j) is nothing; also for scores whose exponential is beyond all numbers."""
    y, t = backend.asarray(1000 * normal((5, 4), 0)), backend.asarray(np.array([0, 1, 2, 3, 0]))
    value, back = RubbishCrossEntropy(1e6).forward(y, t)
    expected, expected_back = xpnet.losses.SoftmaxCrossEntropy().forward(y, t)
    assert float(value) == pytest.approx(float(expected))
    assert_close(back(), expected_back())
    with pytest.raises(OptionError, match="RubbishCrossEntropy: margin must be"):
        RubbishCrossEntropy(0)
