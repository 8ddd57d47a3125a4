"""Shards and the rest of `fit`: batch normalisation, states, backups, options, validation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import network
from tests.kit.strategies import normal
from tests.kit.teams import in_team
from tests.training.test_shards import T, X, dense, own
from tests.training.test_step import Interrupt
from xpnet import data, layers, optimizers
from xpnet.backend import Backend
from xpnet.callbacks import EMA, Backup, Callback
from xpnet.data.shards import Shards
from xpnet.errors import OptionError, ShapeError
from xpnet.model import Sequential

# ---- batch normalisation ---------------------------------------------------------------------------------------------


def normed(momentum: float | None, backend: Any = "numpy") -> Sequential:
    model = Sequential([layers.BatchNorm1D(momentum=momentum), layers.Dense(3)])
    model.to(backend)
    model.compile(optimizers.SGD(0.1))
    model.build((2,))
    return model.astype("float64")


def followed(momentum: float | None, batches: list[np.ndarray], shards: int) -> tuple[np.ndarray, np.ndarray]:
    """The running statistics by their definition: means of the shards', weighted by their samples."""
    mean, var = np.zeros(2), np.ones(2)
    for number, x in enumerate(batches, 1):
        parts = [part for part in np.array_split(x, shards) if len(part) > 1]
        counts = [len(part) for part in parts]
        if not parts:
            continue
        means = sum(n * part.mean(0) for n, part in zip(counts, parts, strict=True)) / sum(counts)
        variances = sum(n * part.var(0, ddof=1) for n, part in zip(counts, parts, strict=True)) / sum(counts)
        share = 1 / number if momentum is None else momentum
        mean, var = mean + (means - mean) * share, var + (variances - var) * share
    return mean, var


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shards", [2, 4])
def test_running_statistics_are_the_weighted_means_of_the_shards(
    backend: Backend, momentum: float | None, shards: int
) -> None:
    """Batches of 11 and 9: shards of 3, 3, 3, 2 and of 3, 2, 2, 2 samples."""
    x = X[:20] + np.array([1, 2])
    batches = [x[:11], x[11:]]
    model = normed(momentum, backend)
    model.fit([(x[:11], T[:11]), (x[11:20], T[11:20])], verbose=0, shards=shards)
    norm: Any = model.layers[0]
    mean, var = followed(momentum, batches, shards)
    np.testing.assert_allclose(backend.to_numpy(norm.running_mean.value), mean, rtol=1e-10)
    np.testing.assert_allclose(backend.to_numpy(norm.running_var.value), var, rtol=1e-10)
    if momentum is None:
        assert int(norm.num_batches_tracked.value) == 2


def test_a_shard_of_one_sample_says_nothing_of_the_variance() -> None:
    with pytest.warns(UserWarning, match="there is one value for each mean"):
        model = normed(0.1)
        model.fit(X[:7], T[:7], batch_size=7, shuffle=False, verbose=0, shards=4)  # shards of 2, 2, 2, 1
    mean, var = followed(0.1, [X[:7]], 4)
    norm: Any = model.layers[0]
    np.testing.assert_allclose(norm.running_mean.value, mean, rtol=1e-10)
    np.testing.assert_allclose(norm.running_var.value, var, rtol=1e-10)
    before = np.array(norm.running_mean.value)
    model.fit(X[:4], T[:4], batch_size=4, verbose=0, shards=4)  # none of them says anything
    np.testing.assert_array_equal(norm.running_mean.value, before)


def test_a_shard_is_normalised_by_its_own_statistics() -> None:
    """The step that whole batches of the shards' sizes would take together."""
    model, twin = normed(0.1), normed(0.1)
    twin.set_weights(model.get_weights())
    model.fit(X[:16], T[:16], batch_size=16, shuffle=False, verbose=0, shards=2)
    twin.fit(X[:16], T[:16], batch_size=8, shuffle=False, verbose=0, accumulate=2)
    for (name, a), (_, b) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        if a.learned:
            np.testing.assert_allclose(a.value, b.value, rtol=1e-10, err_msg=name)


def test_frozen_statistics_stay() -> None:
    model = normed(0.1)
    model.layers[0].trainable = False
    before = model.layers[0].get_weights() if hasattr(model.layers[0], "get_weights") else model.get_weights()[:4]
    model.fit(X, T, batch_size=8, verbose=0, shards=4)
    for a, b in zip(before, model.get_weights(), strict=False):
        np.testing.assert_array_equal(a, b)


# ---- states ----------------------------------------------------------------------------------------------------------

ROWS, TAGS = normal((24, 4, 3), 1), np.random.default_rng(2).integers(0, 3, (24, 4))


def carrying() -> Sequential:
    xpnet.seed(6)
    model = Sequential([layers.SimpleRNN(5, stateful=True), layers.Dropout(0.1), layers.Dense(3)])
    model.compile(optimizers.Adam(0.01), metrics=["accuracy"])
    return model.astype("float64")


def test_states_go_on_whoever_had_the_rows() -> None:
    def work() -> Any:
        model = carrying()
        feed = [(x, t) for x, t in zip(np.split(ROWS, 4), np.split(TAGS, 4), strict=True)]
        callback = Forgets()
        history = model.fit(feed, epochs=2, verbose=0, shards=4, callbacks=callback).history
        return [weight.tobytes() for weight in model.get_weights()], repr(history)

    (alone,) = in_team(1, work)
    for workers in (2, 3, 4):
        assert in_team(workers, work) == [alone] * workers


class Forgets(Callback):
    """Some rows begin anew in the middle."""

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        if batch == 2:
            for _, state in self.model.named_states():
                state.reset(np.arange(6) % 2 == 0)


def test_a_batch_of_another_size_is_refused_as_without_shards() -> None:
    for shards in (1, 4):
        with pytest.raises(ShapeError, match="the state of the batch before has 5 rows, this batch has 4"):
            carrying().fit(ROWS, TAGS, batch_size=5, shuffle=False, verbose=0, shards=shards)


# ---- backups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [dense, own])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_backup_goes_on_in_the_middle_of_an_epoch_to_the_bit(tmp_path: Path, make: Any, accumulate: int) -> None:
    def train(path: Path, after: int | None = None) -> Any:
        xpnet.seed(2)
        model = make()
        followers = [Interrupt(after), Backup(path, every=1), EMA(0.9)]
        loader = data.Loader((X, T), 6, shuffle=True)
        history = model.fit(loader, epochs=3, accumulate=accumulate, callbacks=followers, verbose=0, shards=4)
        return [weight.tobytes() for weight in model.get_weights()], repr(history.history)

    whole = train(tmp_path / "whole")
    for after in (1, 5, 3):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", after)
    assert train(tmp_path / "parts") == whole


def test_any_number_of_workers_goes_on_from_a_backup(tmp_path: Path) -> None:
    def train(path: Path, after: int | None = None) -> Any:
        model = dense()
        followers = [Interrupt(after), Backup(path, every=1)]
        history = model.fit(X, T, batch_size=6, epochs=3, callbacks=followers, verbose=0, shards=8)
        return [weight.tobytes() for weight in model.get_weights()], repr(history.history)

    (whole,) = in_team(1, lambda: train(tmp_path / "whole"))
    for workers, after in ((1, 2), (3, 4), (2, 1)):
        with pytest.raises(KeyboardInterrupt):
            in_team(workers, lambda after=after: train(tmp_path / "parts", after))
    assert in_team(4, lambda: train(tmp_path / "parts")) == [whole] * 4
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(("begun", "now"), [(4, 8), (4, 1), (1, 4)])
def test_a_backup_with_other_shards_is_refused(tmp_path: Path, begun: int, now: int) -> None:
    def train(shards: int, after: int | None = None) -> None:
        xpnet.seed(2)
        dense().fit(X, T, 8, callbacks=[Interrupt(after), Backup(tmp_path / "b", every=1)], verbose=0, shards=shards)

    with pytest.raises(KeyboardInterrupt):
        train(begun, 2)
    with pytest.raises(OptionError, match=f"shards.*{begun}.*{now}"):
        train(now)


# ---- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [3, 6, 12])
def test_a_number_that_is_no_power_of_two_is_refused(shards: int) -> None:
    with pytest.raises(OptionError, match=f"shards must be a power of two, such as 8, not {shards}"):
        network().fit(X, T, shards=shards)


@pytest.mark.parametrize("shards", [0, -2, "8", 2.0, True])
def test_what_is_no_number_of_shards_is_refused(shards: Any) -> None:
    with pytest.raises(OptionError, match="shards must be an integer of at least 1"):
        network().fit(X, T, shards=shards)


def test_fewer_shards_than_workers_are_refused() -> None:
    with pytest.raises(OptionError, match="shards=2 are too few for 3 workers: each needs one at least"):
        in_team(3, lambda: network().fit(X, T, shards=2, verbose=0))


def test_several_workers_have_eight_shards_or_as_many_as_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    def work(shards: int | None, verbose: int = 0) -> Any:
        model = dense()
        model.fit(X, T, batch_size=20, verbose=verbose, shards=shards)
        return [weight.tobytes() for weight in model.get_weights()]

    assert in_team(3, lambda: work(None)) == in_team(1, lambda: work(8)) * 3
    assert capsys.readouterr() == ("", "")
    for workers in (9, 16):
        assert in_team(workers, lambda: work(None)) == in_team(1, lambda: work(16)) * workers
    in_team(2, lambda: work(4, verbose=2))
    out, err = capsys.readouterr()
    assert out.count("epoch 1") == 1 and (out + err).count("each batch is cut into 4 shards for 2 workers") == 1


def test_a_step_by_hand_takes_a_batch_that_is_cut() -> None:
    """In a network that is built by its first step."""
    losses = []
    for shards in (1, 4):
        xpnet.seed(1)
        model = Sequential([layers.Dense(6, activation="tanh"), layers.Dense(3)]).astype("float64")
        model.compile(optimizers.SGD(0.3))
        step = model.make_step(1, shards)
        for _ in range(3):
            batch: Any = model.backend.batch((X, T), model.dtype)
            cut = Shards(shards, range(shards)).cut(batch, len(X)) if shards > 1 else batch
            losses.append(float(step(cut, "by hand")["loss"]))
    assert losses[:3] == pytest.approx(losses[3:], rel=1e-12) and losses[2] < losses[0]


def test_train_on_batch_has_no_shards() -> None:
    with pytest.raises(TypeError, match="shards"):
        network().train_on_batch(X, T, shards=4)  # type: ignore[call-arg]


def test_validation_is_what_evaluate_says() -> None:
    model = dense(counted=["accuracy", "top_2", "f1"])
    model.astype("float64")
    history = model.fit(X, T, 8, verbose=0, shards=4, validation_data=(X[:9], T[:9])).history
    results = model.evaluate(X[:9], T[:9], return_dict=True)
    for name, value in results.items():
        assert history[f"val_{name}"][0] == pytest.approx(value, rel=1e-12)
