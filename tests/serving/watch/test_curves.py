"""Curves and films: bounded, however much is added."""

import math

import numpy as np
import pytest

from xpnet.serving.watch.curves import Curves, Film


def test_points_are_what_was_added() -> None:
    curves = Curves()
    for x in range(1, 4):
        curves.add(x, {"loss": 1 / x})
    points = curves.points(1)
    assert (points.first, list(points.x), points.unfinished) == (1, [2, 3], None)
    assert points.values[:, 0] == pytest.approx([1 / 2, 1 / 3])


def test_a_name_that_comes_later_has_a_gap_before() -> None:
    curves = Curves()
    curves.add(1, {"loss": 1.0})
    before = curves.generation
    curves.add(2, {"accuracy": 0.5})
    assert curves.names == ["loss", "accuracy"] and curves.generation > before
    np.testing.assert_array_equal(curves.points().values, [[1.0, math.nan], [math.nan, 0.5]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_gap(bad: float) -> None:
    curves = Curves()
    curves.add(1, {"loss": bad})
    assert math.isnan(curves.points().values[0, 0])


@pytest.mark.parametrize("count", [15, 16, 17, 100, 1000, 4321])
def test_a_long_curve_is_thinned_to_means(count: int) -> None:
    curves, loss = Curves(most=16), np.random.default_rng(0).random(count)
    for step in range(count):
        curves.add(step, {"loss": loss[step]} | ({"rare": 1.0} if step % 5 == 0 else {}))
    points, stride = curves.points(), curves.stride
    assert 8 <= len(points.x) < 16 and len(points.x) == count // stride
    whole = loss[: len(points.x) * stride].reshape(-1, stride)
    np.testing.assert_allclose(points.values[:, 0], whole.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(points.x, np.arange(len(whole)) * stride + (stride - 1) / 2, atol=0.5)
    rest = loss[len(points.x) * stride :]
    assert (points.unfinished is None) == (not len(rest))
    if points.unfinished is not None:
        assert points.unfinished[1][0] == pytest.approx(rest.mean())


@pytest.mark.parametrize("count", [1, 4, 5, 33, 500])
def test_a_film_keeps_the_first_and_an_even_choice_of_the_rest(count: int) -> None:
    film = Film(most=8)
    for number in range(count):
        film.add(number)
    numbers = [number for number, _ in film.kept]
    assert numbers[0] == 0 and len(numbers) <= 9 and len(set(np.diff(numbers))) <= 1
    assert film.newest == (count - 1, count - 1)
    seen, last = [], -1
    while (found := film.after(last)) is not None:
        last = found[0]
        seen.append(last)
    assert seen == sorted({*numbers, count - 1})


def test_the_mean_of_a_number_and_a_gap_is_the_number() -> None:
    curves = Curves(most=4)
    for x, loss in enumerate([1.0, math.nan, math.nan, math.nan]):
        curves.add(x, {"loss": loss, "accuracy": float(x)})
    points = curves.points()
    np.testing.assert_array_equal(points.values[:, 0], [1.0, math.nan])
    np.testing.assert_array_equal(points.values[:, 1], [0.5, 2.5])
