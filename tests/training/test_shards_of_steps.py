"""Steps of one's own in shards: updates in turns, what they may not do, and how they end."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters
from tests.kit.teams import in_team
from tests.training.test_shards import T, X, assert_same_training, own
from tests.training.test_train_step import GAN
from xpnet import layers, losses, optimizers
from xpnet.backend import Backend
from xpnet.callbacks import TerminateOnNaN
from xpnet.errors import NonFiniteError, OptionError
from xpnet.model import Model, Sequential
from xpnet.parallel import get_communicator

POINTS = clusters(26)[0]


def train_gan(shards: int | None, backend: Any = "numpy", **options: Any) -> Any:
    """Weights and history, from networks that are built before, with noise that is the same however it is cut."""
    xpnet.seed(5)
    model = GAN()
    model.to(backend)
    model.noise.forward = lambda x, train=False: (x * 0.5, None)  # type: ignore[method-assign, assignment]
    model.generator.build((2,))
    model.discriminator.build((2,))
    model.astype("float64")
    history = model.fit(POINTS, batch_size=8, epochs=3, shuffle=False, verbose=0, shards=shards, **options)
    return model.get_weights(), history.history


@pytest.mark.parametrize("accumulate", [1, 2])
def test_networks_take_turns_as_on_whole_batches(backend: Backend, accumulate: int) -> None:
    whole = train_gan(None, backend.name, accumulate=accumulate)
    for shards in (2, 8) if backend.name == "numpy" else (4,):
        assert_same_training(whole, train_gan(shards, backend.name, accumulate=accumulate))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_any_number_of_workers_comes_to_the_same_bits(accumulate: int) -> None:
    """Also where a network is built in the first step, by whoever comes to it."""

    def work() -> Any:
        model = GAN()
        history = model.fit(POINTS, batch_size=6, epochs=2, verbose=0, shards=8, accumulate=accumulate).history
        return [weight.tobytes() for weight in model.get_weights()], history

    (alone,) = in_team(1, work)
    for workers in (2, 3, 8):
        assert in_team(workers, work) == [alone] * workers


def test_a_network_that_a_step_builds_begins_as_on_whole_batches() -> None:
    weights = []
    for shards in (1, 4):
        xpnet.seed(5)
        model = GAN()
        model.g_optimizer, model.d_optimizer = optimizers.SGD(1e-30), optimizers.SGD(1e-30)
        model.fit(POINTS, batch_size=8, verbose=0, shards=shards)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-20)


class Halves(Sequential):
    """Its loss is the mean over half of what it is given."""

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        half = (x.shape[0] + 1) // 2
        y, back = self.forward(x[:half, ...], train=True)
        logs, loss_back = self.step.compute_losses(y, t[:half, ...])
        back(loss_back(), need_dx=False)
        self.step.apply_gradients()
        return {**logs, "first": self.backend.xp.mean(y)}


def test_what_a_loss_is_the_mean_over_is_what_it_counts() -> None:
    """Whoever reads the sum, though the shards' halves are of 1, 1 and 2 samples."""

    def work() -> Any:
        model = Halves([layers.Dense(3)])
        model.compile("sgd")
        return model.fit(X, T, batch_size=10, shuffle=False, verbose=0, shards=4).history

    (alone,) = in_team(1, work)
    assert in_team(2, work) == [alone] * 2 and in_team(4, work) == [alone] * 4
    model = Halves([layers.Dense(3)])
    model.compile(optimizers.SGD(1e-30))
    loss = model.fit(X[:10], T[:10], batch_size=10, shuffle=False, verbose=0, shards=4).history["loss"][0]
    rows = [0, 1, 3, 4, 6, 8]  # shards of 3, 3, 2 and 2 samples
    assert loss == pytest.approx(model.evaluate(X[rows], T[rows]), rel=1e-5)


# ---- what goes wrong -------------------------------------------------------------------------------------------------


class Broken(Sequential):
    """Something goes wrong between its two updates, in the shard that has this sample."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        super().__init__([layers.Dense(4, activation="tanh"), layers.Dense(3)])
        self.error, self.bad, self.unwound = error, float(X[5, 0]), 0
        self.first = optimizers.SGD(0.1)
        self.compile(optimizers.SGD(0.1))

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        try:
            y, back = self.forward(x, train=True)
            logs, loss_back = self.step.compute_losses(y, t)
            back(loss_back(), need_dx=False)
            self.step.apply_gradients(self.first, self.layers[0])
            if np.isin(self.bad, self.backend.to_numpy(x)[:, 0]):
                raise self.error()
            self.step.apply_gradients(self.optimizer, self.layers[1])
        finally:
            self.unwound += 1
        return logs


def shard_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each is not threading.main_thread() and "_run" in each.name]


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_error_in_one_shard_comes_out_as_it_is_and_ends_the_others(kind: type[BaseException]) -> None:
    model, error = Broken(lambda: error), kind("mine")  # type: ignore[has-type]
    with pytest.raises(kind) as caught:
        model.fit(X[:8], T[:8], batch_size=8, shuffle=False, verbose=0, shards=8)
    assert caught.value is error and "train_step" in [entry.name for entry in caught.traceback]
    assert model.unwound == 8 and not shard_threads()
    model.bad = 99.0
    twin = Broken(lambda: error)
    twin.bad = 99.0
    twin.build((2,))
    twin.set_weights(model.get_weights())
    results = [each.fit(X, T, batch_size=8, shuffle=False, verbose=0, shards=4).history for each in (model, twin)]
    assert results[0] == results[1]


def test_ctrl_c_while_a_shard_computes_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes to the main thread, which waits for the shard."""
    model = Broken(ZeroDivisionError)
    model.bad = 99.0
    forward, calls = model.layers[1].forward, []

    def interrupted(x: Any, train: bool = False) -> Any:
        calls.append(1)
        if len(calls) == 3:
            import signal

            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return forward(x, train)

    monkeypatch.setattr(model.layers[1], "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:8], T[:8], batch_size=8, shuffle=False, verbose=0, shards=8)
    assert not shard_threads() and model.unwound in (3, 4)
    monkeypatch.undo()
    assert np.isfinite(model.fit(X, T, batch_size=8, verbose=0, shards=8).history["loss"][0])


class Deciding(Sequential):
    """What it does depends on its samples, or on how often it was called."""

    def __init__(self, how: str) -> None:
        super().__init__([layers.Dense(3)])
        self.how, self.calls = how, 0
        self.first, self.second = optimizers.SGD(0.1), optimizers.SGD(0.1)
        self.compile("sgd")

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        self.calls += 1
        y, back = self.forward(x, train=True)
        logs, loss_back = self.step.compute_losses(y, t)
        back(loss_back(), need_dx=False)
        odd = self.calls % 2 == 1
        if self.how == "which":
            self.step.apply_gradients(self.first if odd else self.second, self)
        elif self.how == "whether" and odd:
            self.step.apply_gradients()
        elif self.how == "again" and odd:
            self.step.apply_gradients()
            self.step.apply_gradients()
        elif self.how != "whether":
            self.step.apply_gradients()
        return {**logs, "odd": 1.0} if self.how == "names" and odd else logs


@pytest.mark.parametrize("how", ["which", "whether", "again", "names"])
def test_shards_that_do_not_do_the_same_are_refused(how: str) -> None:
    with pytest.raises(OptionError, match=r"all shards of a batch must ask for the same updates.* the same names"):
        Deciding(how).fit(X, T, batch_size=8, verbose=0, shards=4)


def test_so_they_are_if_each_is_on_a_worker_of_its_own() -> None:
    """No other sees what it asks for, but a number that stands for it is part of the sum."""

    def work() -> None:
        model = Deciding("which")
        model.calls = get_communicator().rank
        model.fit(X, T, batch_size=8, verbose=0, shards=4)

    with pytest.raises(OptionError, match="all shards of a batch must ask for the same updates"):
        in_team(4, work)


class Late(Model):
    """The first network's gradients wait while the second one is updated, and it is frozen meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = Sequential([layers.Dense(3)]), Sequential([layers.Dense(3)])
        self.first, self.second = optimizers.SGD(0.5), optimizers.SGD(0.1)
        self.entropy = losses.SoftmaxCrossEntropy()

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        y, back = self.one.forward(x, train=True)
        loss, loss_back = self.entropy.forward(y, t, self.backend)
        back(loss_back())
        with self.one.frozen():
            z, back = self.other.forward(y, train=True)
            back(self.entropy.forward(z, t, self.backend)[1]())
            self.step.apply_gradients(self.second, self.other)
        self.step.apply_gradients(self.first, self.one)
        return {"loss": loss}


def test_gradients_of_a_frozen_network_wait_for_their_update() -> None:
    results = []
    for shards in (1, 4):
        xpnet.seed(1)
        model = Late()
        model.one.build((2,))
        model.other.build((3,))
        model.astype("float64")
        history = model.fit(X, T, batch_size=8, epochs=2, shuffle=False, verbose=0, shards=shards).history
        results.append((model.get_weights(), history))
    assert_same_training(*results)


class Doubled(Sequential):
    """Its metrics count two outputs for each sample."""

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, t = batch
        xp = self.backend.xp
        y, back = self.forward(xp.concat([x, x]), train=True)
        logs, loss_back = self.step.compute_losses(y, xp.concat([t, t]))
        back(loss_back(), need_dx=False)
        self.step.apply_gradients()
        self.step.update_metrics(y, xp.concat([t, t]))
        return logs


def test_sums_may_count_any_number_of_rows_and_others_one_for_each_sample() -> None:
    results = []
    for shards in (1, 4):
        xpnet.seed(1)
        model = Doubled([layers.Dense(3)])
        model.compile("sgd", metrics=["accuracy"])
        model.astype("float64")
        history = model.fit(X, T, batch_size=8, epochs=2, shuffle=False, verbose=0, shards=shards).history
        results.append((model.get_weights(), history))
    assert_same_training(*results)
    model = Doubled([layers.Dense(1)])
    model.compile("sgd", "binary_cross_entropy", metrics=["auc"])
    with pytest.raises(OptionError, match=r"update_metrics: auc looks at all samples .* 2 in this one, not 4"):
        model.fit(X, T[:, None] % 2, batch_size=8, verbose=0, shards=4)


# ---- a loss that is not finite ---------------------------------------------------------------------------------------


def message(model: Model, shards: int | None, x: Any) -> str:
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, T, batch_size=8, shuffle=False, verbose=0, shards=shards)
    return str(caught.value)


@pytest.mark.parametrize("sample", [8, 11, 15])
@pytest.mark.parametrize("make", [lambda: plain(), lambda: own()])
def test_a_loss_that_is_not_finite_is_the_same_error(backend: Backend, make: Any, sample: int) -> None:
    """It says what is wrong with the sample, whichever shard has it; and nothing is updated with it."""
    x = X.copy()
    x[sample] = np.nan
    found = []
    for shards in (None, 4):
        xpnet.seed(0)
        model = make()
        model.to(backend)
        found.append((message(model, shards, x), [np.array(weight) for weight in model.get_weights()]))
    if not backend.lazy:
        assert found[0][0] == found[1][0] and "epoch 1, step 2" in found[1][0]
        assert all(np.isfinite(weight).all() for weight in found[1][1])
        for a, b in zip(found[0][1], found[1][1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found[0][0].startswith("the loss became nan") and found[1][0].startswith("the loss became nan")


def plain() -> Sequential:
    model = Sequential([layers.Dense(3)])
    model.compile("sgd")
    return model


def test_each_worker_has_the_error_of_the_shard_where_it_began() -> None:
    """A layer that overflows for one sample; those who lead do not see it."""
    x = X.copy()
    x[7] = 3e300

    def work() -> str:
        model = Sequential([layers.Dense(3, name="a"), layers.Dense(3, name="b")])
        model.compile("sgd", losses.MeanSquaredError())
        model.build((2,))
        model.astype("float64")
        model.layers[1].weight.value = np.full((3, 3), 1e200)  # type: ignore[attr-defined]
        with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
            model.fit(x[:8], x[:8, [0, 0, 1]], batch_size=8, shuffle=False, verbose=0, shards=4)
        return str(caught.value)

    (alone,) = in_team(1, work)
    assert "the output of layer b (Dense) is the first that is not finite" in alone
    assert in_team(4, work) == [alone] * 4


def test_terminate_on_nan_ends_a_training_in_shards() -> None:
    x = X.copy()
    x[20] = np.nan
    for model in (plain(), own()):
        callback = TerminateOnNaN(every=1)
        model.fit(x, T, batch_size=8, shuffle=False, verbose=0, shards=4, callbacks=callback)
        assert "epoch 1, step 3" in (callback.error or "")
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
