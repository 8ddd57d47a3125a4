"""The moving average of the weights: its definition, when it is in the model, and that it can go on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import assert_lives_on
from tests.kit.small import clusters, network, normed_network
from xpnet import optimizers, schedules
from xpnet.backend import Backend
from xpnet.callbacks import EMA, Callback, EarlyStopping, ModelCheckpoint, TerminateOnNaN
from xpnet.errors import OptionError
from xpnet.layers import Dense

Weights = list[np.ndarray]


class Steps(Callback):
    """Training's own weights after each step of the optimizer, and what was in the model when it was looked at."""

    def __init__(self, stop: tuple[int, int] | None = None) -> None:
        self.own: list[Weights] = []
        self.seen: dict[str, list[Weights]] = {"begin": [], "end": []}
        self.steps, self.epoch, self.stop = 0, 0, stop

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.epoch = epoch
        self.seen["begin"].append(self.model.get_weights())

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        assert self.model.optimizer
        if self.model.optimizer.steps != self.steps:
            self.steps = self.model.optimizer.steps
            self.own.append(self.model.get_weights())
        if self.stop == (self.epoch, batch):
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.seen["end"].append(self.model.get_weights())


def average(weights: list[Weights], decay: float, warmup: bool) -> Weights:
    """The definition, in float64."""
    a = [w.astype("float64") for w in weights[0]]
    for s, step in enumerate(weights[1:], start=2):
        d = min(decay, (1 + s) / (10 + s)) if warmup else decay
        a = [d * old + (1 - d) * new for old, new in zip(a, step, strict=True)]
    return a


def assert_weights(got: Weights, expected: Weights, tolerance: float = 1e-5) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("decay", "warmup"), [(0.9, False), (0.9, True), (0.999, True), (0.0, False)])
def test_the_model_ends_with_the_average_of_its_weights(backend: Backend, decay: float, warmup: bool) -> None:
    model, steps = normed_network(optimizers.Adam(0.05)), Steps()
    ema = EMA(decay, warmup)
    model.fit(*clusters(), batch_size=20, epochs=3, callbacks=[steps, ema])
    assert len(steps.own) == ema.steps == 18
    assert_weights(model.get_weights(), average(steps.own, decay, warmup))
    for epoch in range(3):
        assert_weights(steps.seen["end"][epoch], average(steps.own[: 6 * epoch + 6], decay, warmup))
    for epoch in (1, 2):  # training goes on with its own
        assert_weights(steps.seen["begin"][epoch], steps.own[6 * epoch - 1], 0)
    assert ema.averages is not None
    for array in ema.averages:
        assert_lives_on(backend, array, "float32")


def test_training_itself_is_what_it_is_without() -> None:
    own: list[list[Weights]] = []
    for callbacks in ([], [EMA(0.5)]):
        xpnet.seed(0)
        model, steps = normed_network(), Steps()
        model.fit(*clusters(60), batch_size=20, epochs=3, callbacks=[*callbacks, steps])
        own.append(steps.own)
    for one, other in zip(*own, strict=True):
        assert_weights(one, other, 0)


def test_validation_is_that_of_the_averaged_weights_and_statistics() -> None:
    model, held_out = normed_network(), clusters(40, 1)
    history = model.fit(*clusters(60), epochs=2, callbacks=EMA(0.5), validation_data=held_out).history
    assert history["val_loss"][-1] == model.evaluate(*held_out, return_dict=True)["loss"]
    (statistics,) = (p for p in model.parameters() if p.name.endswith("running_var"))
    assert np.all(model.backend.to_numpy(statistics.value) != 1)


def test_others_see_the_averaged_weights_wherever_they_stand(tmp_path: Path) -> None:
    model, held_out = network(optimizers.Adam(0.1)), clusters(40, 1)
    stop = EarlyStopping("val_loss", patience=3)
    keep = ModelCheckpoint(tmp_path / "best", save_best_only=True)
    history = model.fit(*clusters(), epochs=12, callbacks=[stop, keep, EMA(0.9)], validation_data=held_out).history
    best = min(history["val_loss"])
    for kept in (model, xpnet.load(tmp_path / "best")):
        assert kept.evaluate(*held_out)[0] == pytest.approx(best, rel=1e-6)


def test_ctrl_c_leaves_the_average_in_the_model_or_the_best_one() -> None:
    for early in (False, True):
        xpnet.seed(0)
        model, steps, held_out = network(), Steps(stop=(1, 1)), clusters(30, 1)
        stop = [EarlyStopping("val_loss")] if early else []
        with pytest.raises(KeyboardInterrupt):
            model.fit(
                *clusters(60), batch_size=20, epochs=3, callbacks=[*stop, EMA(0.8), steps], validation_data=held_out
            )
        assert_weights(model.get_weights(), average(steps.own[: 3 if early else 5], 0.8, True))


def test_freezing_and_unfreezing_in_the_middle_is_followed(backend: Backend) -> None:
    """The optimizer lays the parameters anew each time; the average of a frozen one is the value that it has."""

    class Freeze(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            model[3].trainable = epoch != 1

    model, steps = normed_network(optimizers.Adam(0.05)), Steps()
    model.add(Dense(3))
    model.fit(*clusters(60), batch_size=20, epochs=3, callbacks=[EMA(0.6), steps, Freeze()])
    expected = average(steps.own, 0.6, True)
    others = [0, 1, 2, 3, 4, 5, 8, 9]
    assert_weights([model.get_weights()[i] for i in others], [expected[i] for i in others])


def test_the_average_of_what_is_frozen_is_the_value_that_it_has(backend: Backend) -> None:
    class Freeze(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            model[3].trainable = epoch == 0

    model, steps = normed_network(optimizers.Adam(0.05)), Steps()
    model.fit(*clusters(60), batch_size=20, epochs=2, callbacks=[EMA(0.6), steps, Freeze()])
    names = [name for name, p in model.named_parameters() if p.learned and not p.trainable]
    places = [place for place, (name, _) in enumerate(model.named_parameters()) if name in names]
    assert names and not np.array_equal(steps.own[0][places[0]], steps.own[2][places[0]])
    for place in places:
        np.testing.assert_array_equal(model.get_weights()[place], steps.own[-1][place])


def test_one_call_averages_all_that_an_optimizer_updates_with_one(backend: Backend) -> None:
    model, calls = network(), []
    counted = type(backend).moving_average
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(backend), "moving_average", lambda *args: calls.append(args) or counted(*args))
        model.fit(*clusters(30), batch_size=10, callbacks=EMA())
    assert len(calls) == 2 * (1 if backend.flat else 4)


def test_a_group_of_accumulated_batches_is_one_step() -> None:
    model, steps, ema = network(), Steps(), EMA(0.7)
    model.fit(*clusters(50), batch_size=10, accumulate=2, epochs=2, callbacks=[ema, steps])
    assert len(steps.own) == ema.steps == 6
    assert_weights(model.get_weights(), average(steps.own, 0.7, True))


def test_frozen_parameters_stay_to_the_bit() -> None:
    model = network()
    model.build((2,))
    model[0].trainable = False
    before = model.get_weights()
    model.fit(*clusters(), epochs=3, callbacks=EMA(0.3))
    for a, b in zip(model.get_weights()[:2], before[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(model.get_weights()[2], before[2])


@pytest.mark.parametrize("moment", ["batch", "epoch"])
def test_what_is_forgotten_and_set_again_goes_on_to_the_bit(backend: Backend, moment: str) -> None:
    class Forget(Callback):
        rank = 1

        def forget(self) -> None:
            state = ema.get_state()
            assert all(isinstance(a, np.ndarray) for a in state["averages"])
            ema.on_train_begin({})
            ema.set_state(state)
            for a in state["averages"]:
                a[...] = np.nan  # nothing is shared with it

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if moment == "batch" and batch == 2:
                self.forget()

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if moment == "epoch":
                self.forget()

    results: list[Weights] = []
    for others in ([], [Forget()]):
        xpnet.seed(1)
        ema, model = EMA(0.9), normed_network()
        model.fit(*clusters(60), batch_size=10, epochs=2, callbacks=[*others, ema])
        results.append(model.get_weights())
    assert_weights(*results, 0)


@pytest.mark.parametrize("every", [0, 1])
@pytest.mark.parametrize("first", [0, 1])
def test_averages_that_a_bad_step_went_into_do_not_stay(every: int, first: int, capsys: Any) -> None:
    """The optimizer's third step of epoch 3 makes weights that are no use; TerminateOnNaN has better ones."""

    def rate(step: int) -> float:
        return 0.01 if step < 14 else 1e30

    class Explodes(schedules.Schedule):
        def __call__(self, step: int) -> float:
            return rate(step)

    model = network(optimizers.SGD(Explodes()))
    around = [EMA(0.9), TerminateOnNaN(every)]
    x, t = clusters(60)
    model.fit(x, t, batch_size=10, epochs=5, callbacks=[around[first], around[1 - first]], validation_data=(x, t))
    assert "training was ended" in capsys.readouterr().err
    assert all(np.abs(weight).max() < 100 for weight in model.get_weights())
    assert model.evaluate(x, t)[0] < 10


def test_two_averages_are_refused() -> None:
    with pytest.raises(OptionError, match="fit takes one EMA, not 2"):
        network().fit(*clusters(30), callbacks=[EMA(), EMA(0.9)])


def test_a_state_of_another_network_is_refused() -> None:
    one, other = EMA(), EMA()
    network().fit(*clusters(30), callbacks=one)
    normed_network().fit(*clusters(30), callbacks=other)
    with pytest.raises(OptionError, match="EMA: the state belongs to another network"):
        one.set_state(other.get_state())


def test_nothing_is_copied_to_the_host(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> None:
    model, seen = network(), []
    model.build((2,))
    ema = EMA()
    monkeypatch.setattr(type(backend), "to_numpy", lambda *args: seen.append(args))
    ema.model = model
    ema.on_train_begin({})
    for _ in range(3):
        assert model.optimizer
        model.optimizer.steps += 1
        ema.on_train_batch_end(0, {})
    ema.on_train_epoch_end(0, {})
    ema.on_epoch_begin(1, {})
    assert seen == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decay": 1.0}, "EMA: decay must be at least 0 and below 1, not 1.0"),
        ({"warmup": 10}, "EMA: warmup must be True or False"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        EMA(**options)
