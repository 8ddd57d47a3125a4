"""Transforms: right numbers, float32 throughout, and nothing written into the data."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnet.data import MeanRemoval, Normalize, one_hot, to_unit
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError

X = np.random.default_rng(0).normal(3, 2, (50, 3, 4, 5)).astype(np.float32)
X.flags.writeable = False


@given(labels=st.lists(st.integers(0, 9), min_size=1, max_size=30), dtype=st.sampled_from(["u1", "i4", "i8", "u8"]))
def test_one_hot_has_a_single_one_where_the_label_says(labels, dtype):
    y = one_hot(np.array(labels, dtype), 10)
    assert y.shape == (len(labels), 10) and y.dtype == np.float32
    assert np.array_equal(y.sum(axis=1), np.ones(len(labels)))
    assert y.argmax(axis=1).tolist() == labels


def test_one_hot_counts_classes_keeps_axes_and_takes_a_type():
    assert one_hot([0, 3]).shape == (2, 4)
    assert one_hot(np.zeros((2, 3), int), 5, np.int8).shape == (2, 3, 5)
    assert one_hot([1], dtype=np.float64).dtype == np.float64
    assert one_hot(2).tolist() == [0, 0, 1]
    assert one_hot(np.zeros(0, int), 4).shape == (0, 4)


def test_one_hot_refuses_what_is_not_a_label():
    for labels in ([0.0, 1.0], [True], ["a"]):
        with pytest.raises(DTypeError, match="labels must be integers"):
            one_hot(labels)
    with pytest.raises(DataError, match="label -1 is out of range"):
        one_hot([0, -1])
    with pytest.raises(DataError, match="label 10 is out of range; expected 0 to 9"):
        one_hot([10, 3], 10)
    with pytest.raises(DataError, match="no labels"):
        one_hot(np.zeros(0, int))
    for classes in (0, -1, 2.0, True):
        with pytest.raises(OptionError, match="classes must be an integer of 1 or more"):
            one_hot([0], classes)


def test_to_unit_maps_bytes_exactly():
    y = to_unit(np.arange(256, dtype=np.uint8))
    assert y.dtype == np.float32 and y[0] == 0 and y[255] == 1
    assert np.array_equal(np.rint(y * 255), np.arange(256))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.bool_])
def test_to_unit_refuses_what_is_not_bytes(dtype):
    with pytest.raises(DTypeError, match="expects uint8"):
        to_unit(np.zeros(3, dtype))


@pytest.mark.parametrize(("per", "axes"), [("pixel", 0), ("channel", (0, 2, 3)), ("image", (0, 1, 2, 3))])
def test_mean_removal_makes_the_mean_zero_and_undoes_it(per, axes):
    removal = MeanRemoval(per).fit(X)
    y = removal(X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(y, X - X.mean(axis=axes, keepdims=True), atol=1e-5)
    assert np.array_equal(y, removal.transform(X))
    np.testing.assert_allclose(removal.inverse(y), X, rtol=1e-6, atol=1e-6)


def test_mean_removal_uses_the_training_mean_on_other_data():
    removal = MeanRemoval().fit(np.full((4, 2), 3, np.uint8))
    y = removal(np.ones((1, 2), np.uint8))
    assert y.dtype == np.float32 and y.tolist() == [[-2, -2]]


def test_mean_removal_refuses_misuse():
    with pytest.raises(OptionError, match="per must be"):
        MeanRemoval("row")
    for use in (MeanRemoval(), MeanRemoval().transform, MeanRemoval().inverse):
        with pytest.raises(DataError, match="call fit"):
            use(X)
    for wrong in (X[:, :2], X[0], X[0, 0, 0, 0]):
        with pytest.raises(ShapeError, match=r"samples of shape \(3, 4, 5\)"):
            MeanRemoval().fit(X).transform(wrong)
    with pytest.raises(ShapeError, match=r"expected \(N, C, ...\)"):
        MeanRemoval("channel").fit(X[:, 0, 0, 0])
    with pytest.raises(ShapeError, match=r"expected \(N, ...\)"):
        MeanRemoval().fit(1.0)


@pytest.mark.parametrize("fit", [MeanRemoval().fit, Normalize.fit])
def test_fitting_to_nothing_or_to_nan_is_refused(fit):
    with pytest.raises(DataError, match="no data"):
        fit(X[:0])
    for value in (np.nan, np.inf):
        with pytest.raises(DataError, match="NaN or infinite"):
            fit(np.full((2, 3), value, np.float32))


def test_normalize_makes_mean_zero_and_deviation_one_and_undoes_it():
    normalize = Normalize.fit(X)
    y = normalize(X)
    assert y.dtype == normalize.mean.dtype == normalize.std.dtype == np.float32
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, atol=1e-5)
    assert np.array_equal(y, normalize.transform(X))
    np.testing.assert_allclose(normalize.inverse(y), X, rtol=1e-5, atol=1e-5)


def test_normalize_takes_numbers_or_one_per_channel():
    y = Normalize(0.5, 0.25)(X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, (X - 0.5) / 0.25, rtol=1e-6)
    mean, std = [1, 2, 3], [4, 5, 6]
    np.testing.assert_allclose(Normalize(mean, std)(X)[:, 2], (X[:, 2] - 3) / 6, atol=1e-6)
    assert Normalize(mean, std)(np.zeros((2, 3), np.uint8)).dtype == np.float32


def test_a_constant_channel_becomes_zero():
    x = X.copy()
    x[:, 1] = 0.1
    normalize = Normalize.fit(x)
    assert normalize.std[1] == 1
    np.testing.assert_allclose(normalize(x)[:, 1], 0, atol=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e-30, 1e30])
def test_what_is_constant_is_divided_by_one_whatever_it_is(value):
    """Zeros have a deviation of exactly nothing, and a mean of which no share is left."""
    x = np.stack([np.full((6, 3), value), np.arange(18.0).reshape(6, 3)], axis=1).astype(np.float32)
    normalize = Normalize.fit(x)
    assert normalize.std[0] == 1 and normalize.std[1] == pytest.approx(np.arange(18.0).std())
    y = normalize(x)
    assert np.isfinite(y).all() and np.abs(y[:, 0]).max() <= abs(value) * 1e-6
    assert np.array_equal(Normalize.fit(np.zeros((2, 1), np.uint8))(np.zeros((2, 1), np.uint8)), np.zeros((2, 1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32])
def test_numbers_of_any_kind_become_float32(dtype):
    x = np.arange(24).reshape(4, 2, 3).astype(dtype)
    for fitted in (MeanRemoval().fit(x), MeanRemoval("channel").fit(x), Normalize.fit(x)):
        assert fitted(x).dtype == np.float32 == fitted.inverse(fitted(x)).dtype
        np.testing.assert_allclose(fitted.inverse(fitted(x)), x, atol=1e-4)


def test_normalize_refuses_misuse():
    for mean, std in [([1, 2], [1]), ([], []), ([[1]], [[1]])]:
        with pytest.raises(OptionError, match="one of each per channel"):
            Normalize(mean, std)
    for mean, std in [(0, 0), (0, -1), (np.nan, 1), (0, np.inf)]:
        with pytest.raises(OptionError, match="finite and positive"):
            Normalize(mean, std)
    for wrong in (X[:, :2], X[:, 0, 0, 0]):
        with pytest.raises(ShapeError, match="has 3 channels"):
            Normalize.fit(X)(wrong)
    with pytest.raises(ShapeError, match="expected"):
        Normalize.fit(X[:, 0, 0, 0])


def test_float64_stays_float64():
    x = X.astype(np.float64)
    assert MeanRemoval().fit(x)(x).dtype == np.float64
    assert Normalize.fit(x)(x).dtype == np.float64


def test_sums_are_accurate_where_float32_would_lose_them():
    x = np.full((3000, 1, 40, 40), 1000, np.float32)
    x[::2] += 0.5
    assert MeanRemoval("image").fit(x).mean.item() == 1000.25
    normalize = Normalize.fit(x)
    assert normalize.mean.item() == 1000.25 and normalize.std.item() == 0.25


@pytest.mark.parametrize("fit", [MeanRemoval("pixel").fit, MeanRemoval("image").fit, Normalize.fit])
def test_fitting_makes_no_float64_copy_of_the_data(fit):
    x = np.ones((80_000, 1, 20, 20), np.uint8)  # 32 MB; 256 MB in float64
    tracemalloc.start()
    try:
        fit(x)
        assert tracemalloc.get_traced_memory()[1] < 48 * 2**20
    finally:
        tracemalloc.stop()
