"""Standardisation and whitening: right statistics, the way back, and plain arrays as state."""

import numpy as np
import pytest

from xpnet.data import PCA, ZCA, Normalize, Standardize
from xpnet.errors import DataError, OptionError, ShapeError

MIX = np.random.default_rng(0).normal(0, 1, (12, 12))
X = (np.random.default_rng(1).normal(0, 1, (500, 12)) @ MIX + 3).astype(np.float32).reshape(500, 3, 2, 2)
X.flags.writeable = False
ALL = [Standardize, lambda: Standardize("channel"), PCA, lambda: PCA(5, whiten=True), ZCA, lambda: ZCA(0.1)]


def rows(x):
    return np.asarray(x, np.float64).reshape(len(x), -1)


@pytest.mark.parametrize("per", ["pixel", "channel"])
def test_standardize_makes_mean_zero_and_deviation_one(per):
    y = Standardize(per).fit(X)(X)
    axes = 0 if per == "pixel" else (0, 2, 3)
    assert y.dtype == np.float32 and y.shape == X.shape
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=axes), 1, atol=1e-5)
    if per == "channel":
        np.testing.assert_allclose(y, Normalize.fit(X)(X), atol=1e-5)


def test_what_is_constant_is_left_at_zero():
    x = X.copy()
    x[:, 1, 0, 0] = 0.1
    y = Standardize().fit(x)(x)
    assert np.isfinite(y).all() and np.abs(y[:, 1, 0, 0]).max() < 1e-6


@pytest.mark.parametrize("make", ALL)
def test_only_what_was_fitted_counts(make):
    fitted = make().fit(X[:300])
    assert fitted.transform(X[300:]).dtype == np.float32
    np.testing.assert_allclose(fitted(X)[300:], fitted(X[300:]), atol=1e-4)
    assert X.flags.writeable is False  # nothing wrote into it


@pytest.mark.parametrize("make", [Standardize, PCA, lambda: PCA(whiten=True), ZCA, lambda: ZCA(1.0)])
def test_the_inverse_leads_back(make):
    fitted = make().fit(X)
    back = fitted.inverse(fitted(X))
    assert back.shape == X.shape and back.dtype == np.float32
    np.testing.assert_allclose(back, X, atol=2e-3)


def test_pca_is_the_singular_value_decomposition():
    pca = PCA().fit(X)
    centred = rows(X) - rows(X).mean(axis=0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(pca.variance, s**2 / 500, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.abs((pca.directions * vt).sum(axis=1)), 1, atol=1e-4)
    greatest = np.abs(pca.directions).argmax(axis=1)
    assert (pca.directions[np.arange(12), greatest] > 0).all()
    y = pca(X)
    assert y.shape == (500, 12)
    np.testing.assert_allclose(np.cov(rows(y).T, bias=True), np.diag(s**2 / 500), atol=1e-2)


def test_pca_keeps_a_number_or_a_share():
    pca = PCA(4).fit(X)
    assert pca(X).shape == (500, 4) and pca.inverse(pca(X)).shape == X.shape
    lost = ((pca.inverse(pca(X)) - X) ** 2).sum() / 500
    np.testing.assert_allclose(lost, PCA().fit(X).variance[4:].sum(), rtol=1e-3)
    variance = PCA().fit(X).variance
    shares = np.cumsum(variance) / variance.sum()
    for share in (0.2, 0.9, 0.999):
        K = PCA(share).fit(X)(X).shape[1]
        assert shares[K - 1] >= share and (K == 1 or shares[K - 2] < share)


def test_whitened_coordinates_weigh_the_same():
    y = PCA(whiten=True, epsilon=1e-9).fit(X)(X)
    np.testing.assert_allclose(np.cov(rows(y).T, bias=True), np.eye(12), atol=1e-2)


def test_zca_is_white_symmetric_and_close_to_the_image():
    zca = ZCA(1e-9).fit(X)
    y = zca(X)
    assert y.shape == X.shape
    np.testing.assert_allclose(np.cov(rows(y).T, bias=True), np.eye(12), atol=1e-2)
    np.testing.assert_allclose(zca.forward, zca.forward.T, atol=1e-5)
    damped = ZCA(1e6).fit(X)(X)
    np.testing.assert_allclose(damped * 1e3, X - X.mean(axis=0), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("make", [PCA, lambda: PCA(whiten=True, epsilon=1e-3), lambda: ZCA(1e-3)])
def test_fewer_samples_than_numbers(make):
    fitted = make().fit(X[:7])
    y = fitted(X[:7])
    assert np.isfinite(y).all()
    np.testing.assert_allclose(fitted.inverse(y), X[:7], atol=1e-3)
    if isinstance(fitted, PCA):
        assert y.shape == (7, 6)


def test_both_ways_to_the_directions_agree():
    few, many = PCA().fit(X[:12]), PCA(11).fit(np.concatenate([X[:12]] * 2))
    np.testing.assert_allclose(few.variance, many.variance, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(few.directions[:5], many.directions[:5], atol=1e-3)


@pytest.mark.parametrize("make", ALL)
def test_the_state_is_plain_arrays(make, tmp_path):
    fitted = make().fit(X)
    np.savez(tmp_path / "state.npz", **fitted.get_state())
    other = make()
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        other.set_state(state)
    assert other(X).tobytes() == fitted(X).tobytes()
    assert other.inverse(other(X)).tobytes() == fitted.inverse(fitted(X)).tobytes()


def test_a_state_of_another_kind_is_refused():
    for state in ({}, Standardize().fit(X).get_state(), {"sample": "a", "mean": 1, "forward": 2, "backward": 3}):
        with pytest.raises(DataError, match="the state of ZCA is sample, mean, forward, backward"):
            ZCA().set_state(state)
    state = PCA().fit(X).get_state()
    for change in ({"sample": np.array([13])}, {"variance": np.ones(3)}, {"mean": np.ones((1, 5))}):
        with pytest.raises(DataError, match="the state of PCA"):
            PCA().set_state(state | change)


@pytest.mark.parametrize("make", ALL)
def test_misuse_is_refused(make):
    for use in ("transform", "inverse", "__call__"):
        with pytest.raises(DataError, match="is not fitted yet; call fit"):
            getattr(make(), use)(X)
    with pytest.raises(DataError, match="is not fitted yet"):
        make().get_state()
    fitted = make().fit(X)
    for wrong in (X[:, :2], X[0], np.float32(3)):
        with pytest.raises(ShapeError, match=r"fitted to samples of shape \(3, 2, 2\)"):
            fitted.transform(wrong)
    assert len(fitted(X[:0])) == 0
    with pytest.raises(DataError, match="no data"):
        make().fit(X[:0])
    for value in (np.nan, np.inf):
        bad = X.copy()
        bad[3, 0, 0, 0] = value
        with pytest.raises(DataError, match="NaN or infinite"):
            make().fit(bad)


def test_bad_settings_are_refused():
    with pytest.raises(OptionError, match="per must be"):
        Standardize("image")
    for components in (0, -1, 0.0, 1.0, 1.5, True, "2"):
        with pytest.raises(OptionError, match="components must be"):
            PCA(components)
    with pytest.raises(OptionError, match="epsilon must be"):
        ZCA(0)
    with pytest.raises(OptionError, match="components=13, but 500 samples of 12 numbers have only 12"):
        PCA(13).fit(X)
    with pytest.raises(ShapeError, match="PCA has 5 components"):
        PCA(5).fit(X).inverse(np.zeros((2, 4), np.float32))
    with pytest.raises(DataError, match="at least two"):
        PCA().fit(X[:1])
    with pytest.raises(DataError, match="at most"):
        ZCA().fit(np.zeros((2, 20_000), np.float32))


def test_float64_stays_float64_and_bytes_become_float32():
    for make in ALL:
        assert make().fit(X.astype(np.float64))(X.astype(np.float64)).dtype == np.float64
        x = np.random.default_rng(0).integers(0, 256, (30, 4), np.uint8)
        if make is not ALL[1]:
            assert Standardize().fit(x)(x).dtype == np.float32


@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_zca_divides_also_where_the_data_does_not_vary(epsilon):
    """Along a direction of variance v by sqrt(v + epsilon): by sqrt(epsilon) where v is 0, on both ways."""
    few, zca = X[:5].astype(np.float64), ZCA(epsilon)
    zca.fit(few)
    centred = rows(few) - rows(few).mean(axis=0)
    covariance = centred.T @ centred / 5
    variance, vectors = np.linalg.eigh(covariance)
    for matrix, power in ((zca.forward, -0.5), (zca.backward, 0.5)):
        scale = (np.maximum(variance, 0) + epsilon) ** power
        np.testing.assert_allclose(matrix, (vectors * scale) @ vectors.T, rtol=1e-6, atol=1e-8)
