"""fit, evaluate, predict and train_on_batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on
from tests.kit.small import clusters, digits, network, normed_network
from xpnet import networks, optimizers, random
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.callbacks import Callback, EarlyStopping
from xpnet.layers import Dense
from xpnet.metrics import Accuracy, ConfusionMatrix
from xpnet.model import Model, Sequential


class Recorder(Callback):
    """What was trained on, and the losses of the steps."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.weights: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self.losses.append(float(logs["loss"]))
        self.weights.append(self.model.get_weights())


def same_weights(one: Model, other: Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


# ---- fit -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [network, normed_network])
def test_a_small_problem_is_learned_completely(backend: Backend, make: Callable[..., Sequential]) -> None:
    x, t = clusters(60)
    model = make(optimizers.Adam(0.05))
    history = model.fit(x, t, batch_size=30, epochs=20)
    assert model.evaluate(x, t, return_dict=True)["accuracy"] > 0.97
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert model.evaluate(*clusters(seed=1))[1] > 0.95


def test_an_mlp_learns_two_thousand_digits() -> None:
    x, t = digits()
    model = networks.MLP()
    model.compile("adam", metrics=["accuracy"])
    model.fit(x[:2000], t[:2000], epochs=4)
    assert model.evaluate(x[2000:], t[2000:])[1] > 0.85


def test_the_history_has_a_value_of_each_name_for_each_epoch() -> None:
    x, t = clusters()
    model = network(metrics=["accuracy", "top_2"])
    history = model.fit(x, t, epochs=4, validation_data=clusters(30, 1), validation_freq=2)
    assert model.history is history
    assert history.epoch == [0, 1, 2, 3]
    assert {name: len(values) for name, values in history.history.items()} == {
        "loss": 4, "accuracy": 4, "top_2_accuracy": 4, "val_loss": 2, "val_accuracy": 2, "val_top_2_accuracy": 2,
        "lr": 4,
    }  # fmt: skip
    assert all(type(value) is float for values in history.history.values() for value in values)
    assert len(history.seconds) == 4
    assert history.samples_per_second > 0
    history.samples, history.seconds = [10, 120, 120], [1.0, 4.0, 6.0]
    assert history.samples_per_second == 20, "of an epoch that was cut short, what it trained on counts"


def test_validation_values_are_those_of_evaluate() -> None:
    x, t = clusters()
    held_out = clusters(50, 1)
    model = network()
    history = model.fit(x, t, epochs=2, validation_data=held_out).history
    assert [history["val_loss"][-1], history["val_accuracy"][-1]] == model.evaluate(*held_out)


def test_validation_split_takes_the_last_share_and_trains_on_the_rest() -> None:
    x, t = clusters(100)
    one, other = network(), network()
    one.build((2,))
    other.build((2,))
    other.set_weights(one.get_weights())
    split = one.fit(x, t, epochs=2, validation_split=0.2, shuffle=False).history
    given = other.fit(x[:80], t[:80], epochs=2, validation_data=(x[80:], t[80:]), shuffle=False).history
    assert split == given
    assert same_weights(one, other)


def test_initial_epoch_goes_on_counting() -> None:
    x, t = clusters(30)
    model = network()
    seen: list[int] = []

    class Count(Callback):
        def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:
            seen.append(epoch)

    assert model.fit(x, t, epochs=5, initial_epoch=3, callbacks=[Count()]).epoch == [3, 4] == seen
    assert model.fit(x, t, epochs=3, initial_epoch=3).epoch == []
    assert model.optimizer is not None
    assert model.optimizer.steps == 2


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    x, t = clusters()

    def trained(seed: int) -> Sequential:
        random.seed(seed)
        model = network(dropout=0.4)
        model.fit(x, t, batch_size=16, epochs=2)
        return model

    assert same_weights(trained(3), trained(3))
    assert not same_weights(trained(3), trained(4))


def test_shuffle_draws_a_new_order_each_epoch_from_the_seed() -> None:
    x, t = clusters(32)
    order: list[np.ndarray] = []

    class Spy(Sequential):
        def forward(self, x: Any, train: bool = False) -> Any:
            order.append(np.array(x[:, 0]))
            return super().forward(x, train)

    def orders(seed: int, shuffle: bool) -> list[np.ndarray]:
        random.seed(0)
        model = Spy(list(network()))
        model.compile()
        model.build((2,))
        random.seed(seed)
        order.clear()
        model.fit(x, t, batch_size=32, epochs=2, shuffle=shuffle)
        return list(order)

    plain, shuffled, again, others = orders(0, False), orders(0, True), orders(0, True), orders(1, True)
    for epoch in range(2):
        np.testing.assert_array_equal(plain[epoch], x[:, 0])
        np.testing.assert_array_equal(np.sort(shuffled[epoch]), np.sort(x[:, 0]))
        np.testing.assert_array_equal(shuffled[epoch], again[epoch])
        assert not np.array_equal(shuffled[epoch], others[epoch])
    assert not np.array_equal(shuffled[0], shuffled[1])


def test_metrics_and_loss_are_means_over_samples_not_over_batches() -> None:
    """10 samples in batches of 4, 4 and 2, without steps that change anything."""
    x, t = clusters(10)
    model = network(optimizers.SGD(1e-30), metrics=["accuracy", ConfusionMatrix(3)])
    history = model.fit(x, t, batch_size=4, shuffle=False).history
    loss, accuracy, confusion = model.evaluate(x, t, batch_size=10)
    assert history["loss"][0] == pytest.approx(loss, rel=1e-6)
    assert history["accuracy"][0] == accuracy
    np.testing.assert_array_equal(history["confusion_matrix"][0], confusion)
    assert confusion.sum() == 10


def test_evaluating_in_the_middle_of_an_epoch_leaves_its_metrics_alone() -> None:
    class Look(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            seen.append(self.model.evaluate(held_out[0][:7], held_out[1][:7], return_dict=True)["accuracy"])

    (x, t), held_out, seen = clusters(40), clusters(20, 1), []
    model = network(metrics=["accuracy", ConfusionMatrix(3)])
    model.build((2,))
    other = model.copy()
    looked = model.fit(x, t, batch_size=10, callbacks=[Look()], shuffle=False).history
    plain = other.fit(x, t, batch_size=10, shuffle=False).history
    assert len(seen) == 4
    assert looked["accuracy"] == plain["accuracy"]
    np.testing.assert_array_equal(looked["confusion_matrix"], plain["confusion_matrix"])
    assert np.sum(looked["confusion_matrix"]) == 40


def test_metrics_callbacks_and_names_are_taken_as_people_write_them() -> None:
    x, t = clusters(30)
    model, recorder = Sequential([Dense(4, activation="ReLU"), Dense(3)]), Recorder()
    for metrics in ("accuracy", "Accuracy", ["Accuracy"], ("acc",), Accuracy()):
        model.compile("Adam", "Softmax_Cross_Entropy", metrics)
        name = "acc" if metrics == ("acc",) else "accuracy"  # as it was asked for
        assert [metric.name for metric in model.metrics] == [name]
        best = EarlyStopping(monitor=f"val_{name}", patience=1)
        assert f"val_{name}" in model.fit(x, t, callbacks=best, validation_data=(x, t)).history
    assert repr(model[0]) == "Dense(units=4, activation='ReLU')"
    assert isinstance(layer := model[0], Dense) and layer.fused == "relu"
    model.compile("SGD", "MSE")
    model.fit(x, np.eye(3)[t], batch_size=10, callbacks=recorder)
    assert len(recorder.losses) == 3


def test_a_callback_stops_training_in_the_middle_of_an_epoch() -> None:
    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
            self.model.stop_training = batch == 2

    x, t = clusters()
    model, recorder = network(), Recorder()
    history = model.fit(x, t, batch_size=10, epochs=5, callbacks=[Stop(), recorder])
    assert len(recorder.losses) == 3
    assert history.history["loss"] == pytest.approx([np.mean(recorder.losses)], rel=1e-6)
    recorder.losses.clear()
    model.fit(x, t, batch_size=10, epochs=1, callbacks=[recorder])  # the wish ends with the training it was made in
    assert len(recorder.losses) == 12


def test_gradients_left_from_elsewhere_do_not_enter_the_first_step() -> None:
    x, t = clusters(30)
    one = network()
    one.build((2,))
    other = one.copy()
    for p in other.parameters():
        p.grad = np.full(p.shape, 100.0)
    for model in (one, other):
        model.fit(x, t, shuffle=False)
    assert same_weights(one, other)


@pytest.mark.parametrize(
    ("verbose", "out", "err"), [(0, "", ""), ("auto", "epoch 2/2", ""), (2, "epoch 2/2", ""), (1, "", "epoch 2/2")]
)
def test_fit_prints_what_verbose_says(capsys: pytest.CaptureFixture[str], verbose: Any, out: str, err: str) -> None:
    x, t = clusters(30)
    model = network()
    model.fit(x, t, epochs=2, verbose=verbose, validation_data=(x, t))
    printed = capsys.readouterr()
    for text, expected in ((printed.out, out), (printed.err, err)):
        assert (text == "") == (expected == "")
        assert expected in text
        if expected:
            assert "val_accuracy" in text
    if verbose in (0, "auto"):
        model.evaluate(x, t, verbose=verbose)
        model.predict(x, verbose=verbose)
        assert capsys.readouterr() == ("", "")


def test_auto_shows_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    network().fit(*clusters(30), epochs=1)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "\repoch 1/1   0% |" in printed.err and "img/s" in printed.err


# ---- the other verbs -------------------------------------------------------------------------------------------------


def test_evaluate_gives_a_scalar_a_list_or_a_dict() -> None:
    x, t = clusters(30)
    bare, full = network(metrics=[]), network()
    assert isinstance(bare.evaluate(x, t), float)
    values = full.evaluate(x, t)
    assert isinstance(values, list)
    assert full.evaluate(x, t, return_dict=True) == dict(zip(["loss", "accuracy"], values, strict=True))


def test_predict_is_the_model_in_inference_mode(backend: Backend) -> None:
    x, _ = clusters(50)
    model = normed_network()
    y = model.predict(x, batch_size=7)
    assert isinstance(y, np.ndarray)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, backend.to_numpy(model(backend.asarray(x))), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_the_batch_size_of_inference_changes_nothing(batch_size: int) -> None:
    x, t = clusters(50)
    model = normed_network()
    model.fit(x, t)
    np.testing.assert_allclose(model.predict(x, batch_size), model.predict(x), rtol=1e-5, atol=1e-6)
    assert model.evaluate(x, t, batch_size) == pytest.approx(model.evaluate(x, t), rel=1e-5)


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_inference_changes_neither_weights_nor_statistics_nor_randomness(verb: str) -> None:
    x, t = clusters(30)
    model = normed_network()
    model.fit(x, t)
    before, state = model.get_weights(), random.get_state()
    model.evaluate(x, t) if verb == "evaluate" else model.predict(x)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert random.get_state() == state


def test_train_on_batch_is_a_step_of_fit() -> None:
    x, t = clusters(40)
    model, recorder = network(), Recorder()
    model.build((2,))
    other = model.copy()
    model.fit(x, t, batch_size=10, shuffle=False, callbacks=[recorder])
    losses = [other.train_on_batch(x[i : i + 10], t[i : i + 10]) for i in range(0, 40, 10)]
    assert losses == recorder.losses
    assert type(losses[0]) is float
    assert same_weights(model, other)


def test_lists_and_float64_data_and_arrays_of_the_backend_are_taken(backend: Backend) -> None:
    x, t = clusters(20)
    model = network()
    expected = model.predict(x)
    for given in (x.tolist(), x.astype("float64"), backend.asarray(x), np.asfortranarray(x)):
        np.testing.assert_array_equal(model.predict(given), expected)
    reference = model.evaluate(x, t)
    for labels in (t.tolist(), t.astype("uint8"), t.astype("int32"), backend.asarray(t)):
        assert model.evaluate(x, labels) == reference
    assert model.evaluate(x, np.eye(3)[t]) == pytest.approx(reference, rel=1e-6)
    assert model.evaluate(x, np.eye(3, dtype=int)[t]) == pytest.approx(reference, rel=1e-6)


# ---- no float64 by accident ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [optimizers.SGD(0.1, 0.9, True, 0.1, 1.0), "adagrad", "rmsprop", optimizers.AdamW(clip_norm=1.0)]
)
@pytest.mark.parametrize("labels", ["integers", "one-hot", "one-hot integers"])
@pytest.mark.parametrize("name", ["numpy", "reference", "array_api_strict"])
def test_no_float64_array_is_made_in_a_float32_step(
    monkeypatch: pytest.MonkeyPatch, optimizer: Any, labels: str, name: str
) -> None:
    """Every array that a layer, a loss or a primitive gives is looked at, and so is the optimizer's state."""
    found: list[str] = []

    def look(what: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(look(what, item) for item in value)
        if str(getattr(value, "dtype", "")).endswith("float64"):
            found.append(what)
        return value

    primitives = [n for n, f in vars(Backend).items() if callable(f) and not n.startswith("_") and n != "to_numpy"]
    for kind in (Backend, NumpyBackend):
        for primitive in set(primitives) & set(vars(kind)):
            original = vars(kind)[primitive]

            def watched(self: Any, *args: Any, _what: str = primitive, _original: Any = original, **kwargs: Any) -> Any:
                look(f"argument of {_what}", tuple(args) if _what not in ("asarray", "dtype") else ())
                return look(_what, _original(self, *args, **kwargs))

            monkeypatch.setattr(kind, primitive, watched)

    x = np.random.default_rng(0).random((6, 1, 28, 28), dtype=np.float32)
    t = np.arange(6)
    targets = {"integers": t, "one-hot": np.eye(10)[t], "one-hot integers": np.eye(10, dtype=int)[t]}[labels]
    with use_backend(name):
        model = networks.LeNet5(variant="1998" if labels == "integers" else "modern")
        model.compile(optimizers.get(optimizer), metrics=["accuracy", "top_3"])
        model.fit(x, targets, batch_size=4, epochs=2, validation_data=(x, targets))
    assert found == []
    assert model.optimizer is not None
    for p in model.parameters():
        assert_lives_on(make_backend(name), p.value, "float32")
        assert_lives_on(make_backend(name), p.grad, "float32")
        for array in model.optimizer.state[p].values():
            assert_lives_on(make_backend(name), array, "float32")
