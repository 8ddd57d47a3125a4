"""Initial weights: the variances of their formulas, their names, one seed for all backends."""

import numpy as np
import pytest

from xpnet import initializers, random
from xpnet.backend import make_backend, use_backend
from xpnet.base import budget
from xpnet.errors import DTypeError, FormatError, OptionError, ShapeError
from xpnet.layers import Conv2D, Dense

FAN_IN, FAN_OUT = 300, 200
VARIANCES = {
    "he_normal": 2 / FAN_IN,
    "he_uniform": 2 / FAN_IN,
    "xavier_normal": 2 / (FAN_IN + FAN_OUT),
    "xavier_uniform": 2 / (FAN_IN + FAN_OUT),
    "normal": 0.01**2,
    "uniform": 0.05**2 / 3,
}


def draw(name: object, seed: int = 0) -> np.ndarray:
    random.seed(seed)
    return initializers.get(name)((FAN_OUT, FAN_IN), FAN_IN, FAN_OUT)  # type: ignore[arg-type]


def test_every_initializer_is_listed_here() -> None:
    assert set(initializers.INITIALIZERS) == set(VARIANCES)


@pytest.mark.parametrize("name", VARIANCES)
def test_the_variance_is_that_of_the_formula(name: str) -> None:
    weights = draw(name)
    assert (weights.shape, weights.dtype) == ((FAN_OUT, FAN_IN), np.float32)
    wide = weights.astype("float64")
    assert abs(wide.mean()) < 5 * (VARIANCES[name] / wide.size) ** 0.5
    assert wide.var() == pytest.approx(VARIANCES[name], rel=0.03)  # 60,000 numbers: 0.6 % is one standard deviation


@pytest.mark.parametrize("name", ["he_uniform", "xavier_uniform", "uniform"])
def test_uniform_weights_fill_their_interval(name: str) -> None:
    limit = (3 * VARIANCES[name]) ** 0.5
    weights = draw(name)
    assert np.abs(weights).max() <= limit * (1 + 1e-6)
    assert weights.max() > 0.999 * limit
    assert weights.min() < -0.999 * limit


@pytest.mark.parametrize("name", ["he_normal", "xavier_normal", "normal"])
def test_normal_weights_have_tails(name: str) -> None:
    beyond = np.abs(draw(name)) > 2 * VARIANCES[name] ** 0.5
    assert beyond.mean() == pytest.approx(0.0455, rel=0.1)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("he", "he_normal"),
        ("xavier", "xavier_normal"),
        ("glorot_normal", "xavier_normal"),
        ("glorot_uniform", "xavier_uniform"),
    ],
)
def test_other_names_mean_the_same(alias: str, name: str) -> None:
    assert initializers.get(alias) == initializers.get(name)
    np.testing.assert_array_equal(draw(alias), draw(name))


def test_a_number_is_a_standard_deviation() -> None:
    assert initializers.get(0.3) == initializers.Normal(0.3)
    assert draw(0.3).std() == pytest.approx(0.3, rel=0.03)
    assert not draw(0).any()


@pytest.mark.parametrize("number", [0.3, 2.0])
def test_deviation_and_limit_are_those_that_are_asked_for(number: float) -> None:
    assert draw(initializers.Normal(number)).std() == pytest.approx(number, rel=0.03)
    uniform = draw(initializers.Uniform(number))
    assert 0.999 * number < uniform.max() <= number and -number <= uniform.min() < -0.999 * number


def test_an_initializer_is_taken_as_it_is() -> None:
    mine = initializers.HeUniform()
    assert initializers.get(mine) is mine


def test_initializers_are_equal_if_they_draw_alike() -> None:
    assert initializers.Normal(0.1) == initializers.Normal(0.1)
    assert hash(initializers.Normal(0.1)) == hash(initializers.Normal(0.1))
    assert initializers.Normal(0.1) != initializers.Normal(0.2)
    assert initializers.HeNormal() != initializers.HeUniform()
    assert initializers.Normal(0.25).config() == {"std": 0.25}
    assert "0.25" in repr(initializers.Normal(0.25))


@pytest.mark.parametrize("wrong", ["hee", -0.1, None, True])
def test_an_unknown_initializer_is_refused_with_the_choices(wrong: object) -> None:
    with pytest.raises(
        OptionError, match=r"no initializer .*he_normal, he_uniform, xavier_normal, xavier_uniform, normal"
    ):
        initializers.get(wrong)  # type: ignore[arg-type]


def test_fans_count_the_kernels_pixels() -> None:
    fans = []

    class Recording(initializers.Initializer):
        def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
            fans.append((shape, fan_in, fan_out))
            return np.zeros(shape, np.float32)

    Conv2D(6, (3, 2), groups=2, initializer=Recording()).build((4, 8, 8))
    Dense(7, initializer=Recording()).build((5,))
    assert fans == [((6, 2, 3, 2), 2 * 3 * 2, 3 * 3 * 2), ((7, 5), 5, 7)]


class Returning(initializers.Initializer):
    """An initializer of the user's own, that returns this."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        return self.value  # type: ignore[return-value]


def test_weights_are_drawn_by_name_or_by_ones_own_initializer() -> None:
    for name in VARIANCES:
        random.seed(0)
        np.testing.assert_array_equal(initializers.draw(name, (FAN_OUT, FAN_IN), FAN_IN, FAN_OUT), draw(name))
    mine = np.ones((4, 5), np.float32)
    assert initializers.draw(Returning(mine), (4, 5), 5, 4) is mine


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (np.ones((5, 4), np.float32), ShapeError, r"returned shape \(5, 4\); expected \(4, 5\)"),
        (np.float32(1), DTypeError, "returned float32; expected a NumPy array"),
        (np.array(1, np.float32), ShapeError, r"returned shape \(\); expected \(4, 5\)"),
        (np.ones((4, 5), np.int64), DTypeError, "returned int64; expected a NumPy array of float32"),
        (np.ones((4, 5), np.complex64), DTypeError, "returned complex64"),
        ([[1.0] * 5] * 4, DTypeError, "returned list"),
        (None, DTypeError, "returned NoneType"),
    ],
)
def test_what_ones_own_initializer_returns_is_checked(value: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        initializers.draw(Returning(value), (4, 5), 5, 4)


def test_no_initializer_may_draw_more_than_the_limit() -> None:
    with budget.for_file(19, 1, 1), pytest.raises(FormatError, match=r"a weight of shape \(4, 5\), which is more than"):
        initializers.draw(Returning(np.ones((4, 5), np.float32)), (4, 5), 5, 4)


def test_two_layers_of_one_shape_start_differently() -> None:
    one, two = Dense(4), Dense(4)
    one.build((5,))
    two.build((5,))
    assert not np.array_equal(one.weight.value, two.weight.value)


@pytest.mark.parametrize("name", ["reference", "array_api_strict", "torch"])
def test_one_seed_gives_the_same_weights_on_every_backend(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch", reason="the backend torch needs PyTorch")
    weights = []
    for each in ("numpy", name):
        random.seed(3)
        with use_backend(make_backend(each)) as backend:
            layer = Conv2D(4, 3)
            layer.build((2, 8, 8))
            weights.append(backend.to_numpy(layer.weight.value))
    np.testing.assert_array_equal(weights[0], weights[1])
