"""Stratified splits and folds: every sample once, every class in its share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from xpnet.data import KFold, split, stratified_split
from xpnet.errors import DataError, OptionError


def labels(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 3, counts))


@given(
    counts=st.lists(st.integers(2, 30), min_size=1, max_size=6), fraction=st.floats(0.1, 0.9), seed=st.integers(0, 9)
)
def test_a_stratified_split_keeps_the_shares(counts, fraction, seed):
    t = labels(counts, seed)
    x = np.arange(len(t))
    try:
        _, (expected, _) = split(x, t, fraction)
    except DataError:
        with pytest.raises(DataError, match="one part empty"):
            stratified_split(x, t, fraction, seed)
        return
    (x_train, t_train), (x_val, t_val) = stratified_split(x, t, fraction, seed)
    assert len(x_val) == len(expected)
    assert np.array_equal(np.sort(np.concatenate([x_train, x_val])), x)
    assert np.array_equal(t[x_train], t_train) and np.array_equal(t[x_val], t_val)
    assert (np.diff(x_train) > 0).all() and (np.diff(x_val) > 0).all()
    for label, count in zip(np.arange(len(counts)) * 3, counts, strict=True):
        assert abs((t_val == label).sum() - count * len(t_val) / len(t)) < 1


def test_the_seed_decides():
    t = labels([20, 30])
    x = np.arange(50)
    first = stratified_split(x, t, 0.3, seed=1)[1][0]
    assert np.array_equal(first, stratified_split(x, t, 0.3, seed=1)[1][0])
    assert not np.array_equal(first, stratified_split(x, t, 0.3, seed=2)[1][0])
    xpnet.seed(3)
    second = stratified_split(x, t, 0.3)[1][0]
    assert xpnet.random.get_state() == (3, 0, {"['folds']": 1})
    xpnet.seed(3)
    assert np.array_equal(second, stratified_split(x, t, 0.3)[1][0])


@given(N=st.integers(2, 60), folds=st.integers(2, 7), shuffle=st.booleans())
def test_each_sample_is_held_out_once(N, folds, shuffle):
    if folds > N:
        with pytest.raises(DataError, match=f"{folds} folds need at least as many samples, not {N}"):
            KFold(folds).split(np.zeros(N))
        return
    pairs = list(KFold(folds, shuffle, seed=1).split(np.zeros(N)))
    assert len(pairs) == folds == len(KFold(folds))
    assert np.array_equal(np.sort(np.concatenate([held for _, held in pairs])), np.arange(N))
    sizes = [len(held) for _, held in pairs]
    assert max(sizes) - min(sizes) <= 1
    for train, held in pairs:
        assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(N))
    if not shuffle:
        assert np.array_equal(np.concatenate([held for _, held in pairs]), np.arange(N))


@given(counts=st.lists(st.integers(4, 30), min_size=1, max_size=6), folds=st.integers(2, 4), shuffle=st.booleans())
def test_stratified_folds_hold_as_many_of_each_class(counts, folds, shuffle):
    t = labels(counts)
    pairs = list(KFold(folds, shuffle, stratified=True, seed=2).split(t, t))
    assert np.array_equal(np.sort(np.concatenate([held for _, held in pairs])), np.arange(len(t)))
    for label in np.unique(t):
        found = [(t[held] == label).sum() for _, held in pairs]
        assert max(found) - min(found) <= 1
    sizes = [len(held) for _, held in pairs]
    assert max(sizes) - min(sizes) <= 1


def test_misuse_is_refused():
    x, t = np.zeros(10), np.arange(10) % 2
    for fraction in (0, 1, float("nan")):
        with pytest.raises(OptionError, match="greater than 0 and less than 1"):
            stratified_split(x, t, fraction)
    with pytest.raises(DataError, match="x has 10 samples but t has 9"):
        stratified_split(x, t[:9], 0.5)
    with pytest.raises(DataError, match="class 7 has one sample"):
        stratified_split(x, np.array([0] * 9 + [7]), 0.5)
    for wrong in (np.zeros(10), np.zeros((10, 2), int)):
        with pytest.raises(DataError, match="class numbers"):
            stratified_split(x, wrong, 0.5)
        with pytest.raises(DataError, match="class numbers"):
            KFold(stratified=True).split(x, wrong)
    with pytest.raises(OptionError, match="folds must be"):
        KFold(1)
    with pytest.raises(OptionError, match="seed must be"):
        KFold(seed=-1)
    with pytest.raises(DataError, match="need the classes"):
        KFold(stratified=True).split(x)
    with pytest.raises(DataError, match="one has 1"):
        KFold(2, stratified=True).split(x, np.array([0] * 9 + [7]))
    with pytest.raises(DataError, match="x has 10 samples but t has 9"):
        KFold(2, stratified=True).split(x, t[:9])
