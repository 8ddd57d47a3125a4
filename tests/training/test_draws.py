"""What is drawn in a training follows from the seed, the purpose, the epoch and the step: from nothing that was drawn
before, and from nothing that was added.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters
from xpnet import initializers, layers, optimizers, random
from xpnet.backend import Array, Backend
from xpnet.callbacks import Callback
from xpnet.core.layer import Layer
from xpnet.data import Batches
from xpnet.layers import Dense, Dropout, DropPath, Flatten, GaussianDropout, GaussianNoise, ReLU, SpatialDropout
from xpnet.metrics import Metric
from xpnet.model import Model, Sequential, load
from xpnet.training.nonfinite import first_nonfinite

X, T = clusters(24)
EPOCHS, STEPS = 2, 3
Draws = dict[str, list[tuple[float, ...]]]


class Noted(Layer):
    """y = x, with noise that is drawn and noted, as a layer of one's own draws it."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.seen: list[tuple[float, ...]] = []

    def forward(self, x: Array, train: bool = False) -> Any:
        if train:
            self.seen.append(tuple(random.stream(self.next_key()).random(2)))
        return x, lambda dy: dy


class Watching(Callback):
    """The samples of each batch that is trained on, and what `draw` draws in each event."""

    def __init__(self, draw: Callable[[], Any] = lambda: None) -> None:
        self.draw = draw

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.draw()

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.draw()

    def on_before_update(self, batch: int, logs: Any) -> None:
        self.draw()


class Drawing(Metric):
    name = "drawing"

    def reset(self) -> None:
        random.next_key()

    def update(self, y: Array, t: Array, backend: Backend) -> None:
        random.next_key()

    def result(self) -> float:
        return float(random.generator().random())

    def get_state(self, backend: Backend) -> dict[str, Any]:
        return {}

    def set_state(self, state: dict[str, Any], backend: Backend) -> None:
        pass


def draws(
    *added: Layer, first: Any = (), callbacks: Any = (), metrics: Any = (), before: Callable[[], Any] = lambda: None
) -> Draws:
    """All that a training draws: initial weights, the order of the samples, noise. What is added stands before it."""
    xpnet.seed(1)
    before()
    noted, orders = Noted(), Noted()

    class Ordered(Layer):
        def forward(self, x: Array, train: bool = False) -> Any:
            if train:
                orders.seen.append(tuple(map(float, np.asarray(x)[:, 0])))
            return x, lambda dy: dy

    model = Sequential([Ordered(), *first, Dense(5), *added, noted, Dense(3)])
    model.build((2,))
    weights = [tuple(model.layers[i].weight.value.ravel().tolist()) for i in (1 + len(first), len(model) - 1)]
    model.compile(optimizers.SGD(0.01), metrics=list(metrics))
    model.fit(X, T, 8, EPOCHS, 0, list(callbacks))
    assert len(noted.seen) == len(set(noted.seen)) == len(orders.seen) == EPOCHS * STEPS
    return {"weights": weights, "noise": noted.seen, "order": orders.seen}


def assert_equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_added_changes_no_other_draw() -> None:
    plain = draws()
    assert plain["order"][0] != plain["order"][STEPS]
    for more in (
        draws(Dropout(0.5)),
        draws(Dropout(0.5), Dropout(0.2), ReLU(), Noted(name="another")),
        draws(first=(Dropout(0.3), Flatten())),
        draws(callbacks=[Watching(random.next_key), Watching(random.generator)]),
        draws(metrics=["accuracy", Drawing()]),
        draws(before=lambda: [random.generator() for _ in range(7)]),
        draws(before=lambda: [batch for batch in Batches(X, T, shuffle=False)]),
    ):
        assert more == plain


def test_a_layer_that_is_added_leaves_the_weights_of_its_neighbours_and_of_other_networks() -> None:
    def weights(*added: Layer) -> list[Any]:
        xpnet.seed(3)
        model = Sequential([Dense(4), *added, Dense(4, name="last")])
        model.build((2,))
        later = Sequential([Dense(4)])
        later.build((2,))
        return [model.layers[0].weight.value, model.layers[-1].weight.value, later.layers[0].weight.value]

    plain, more = weights(), weights(layers.BatchNorm1D(), Dense(4, name="another"))
    assert_equal(plain, more)
    assert not (plain[0] == plain[2]).any(), "a second network of the seed has weights of its own"


def test_weights_are_the_same_however_a_network_is_built(tmp_path: Path) -> None:
    def made(build: Callable[[Model], Any]) -> list[np.ndarray]:
        xpnet.seed(2)
        model = Sequential([Dense(4), Sequential([Dense(3), Dropout(0.2)]), Dense(3)])
        model.compile(optimizers.SGD(1e-30))
        build(model)
        return model.get_weights()

    def fails_first(model: Model) -> None:
        with pytest.raises(xpnet.errors.XpnetError):
            model.build((0,))
        with pytest.raises(xpnet.errors.XpnetError):
            model(np.ones((3, 2, 2, 2), "float32"))
        model.build((2,))

    expected = made(lambda model: model.build((2,)))
    for build in (
        lambda model: model(X),
        lambda model: model.fit(X, T, verbose=0),
        lambda model: model.train_on_batch(X, T),
        lambda model: [random.next_key(), model.output_shape((2,)), model.build((2,))],
        lambda model: [random.generator(), model.evaluate(X, T)],
        fails_first,
    ):
        for a, b in zip(made(build), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_an_initializer_of_ones_own_draws_where_the_weight_stands() -> None:
    class Own(initializers.Initializer):
        def __init__(self, times: int = 1) -> None:
            self.times = times

        def __call__(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
            for _ in range(self.times):
                weights = random.generator().random(shape, dtype=np.float32)
            return weights

    def weights(times: int) -> list[np.ndarray]:
        xpnet.seed(2)
        model = Sequential([Dense(3, initializer=Own(times)), Dense(3, initializer=Own())])
        model.build((3,))
        return model.get_weights()

    first, again = weights(1), weights(2)
    assert not (first[0] == first[2]).any() and not (first[0] == again[0]).any()
    np.testing.assert_array_equal(first[2], again[2])


def test_two_trainings_of_a_script_draw_differently_and_the_same_from_the_same_seed() -> None:
    model = Sequential([Dense(4), Dropout(0.5), Dense(3)])
    model.compile(optimizers.SGD(0.1))
    model.build((2,))

    def training(model: Model) -> list[np.ndarray]:
        model.fit(X, T, 8, 1, 0)
        return model.get_weights()

    begin = model.get_weights()
    xpnet.seed(5)
    one = training(model)
    model.set_weights(begin)
    two = training(model)
    assert not (one[0] == two[0]).all()
    model.set_weights(begin)
    xpnet.seed(5)
    assert_equal(training(model), one)


def test_a_copy_and_a_loaded_network_train_like_the_first(tmp_path: Path) -> None:
    model = Sequential([Dense(4), Dropout(0.5), Sequential([Dense(4), Dropout(0.2)]), Dense(3)])
    model.compile(optimizers.SGD(0.1))
    model.build((2,))
    model.save(tmp_path / "net")
    loaded, copy = load(tmp_path / "net"), model.copy()
    assert random.get_state() == (0, 0, {"['root']": 2})  # its own number, and nothing else
    found = []
    for each in (model, loaded, copy):
        xpnet.seed(5)
        each.fit(X, T, 8, 2, 0)
        found.append(each.get_weights())
    for other in found[1:]:
        assert_equal(other, found[0])


# ---- steps -----------------------------------------------------------------------------------------------------------


class Anew(Model):
    """Random layers that nobody keeps, and one that comes later."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(3)
        self.seen: list[Any] = []

    def call(self, x: Any) -> Any:
        one, two = Noted(), Noted()
        y = two(one(self.dense(x)))
        self.seen += [*one.seen, *two.seen]
        return y


def test_random_layers_that_are_made_in_each_pass_follow_from_the_step() -> None:
    def seen(before: int) -> list[Any]:
        xpnet.seed(4)
        model = Anew()
        model.compile(optimizers.SGD(0.1))
        for _ in range(before):
            random.next_key()
        model.fit(X, T, 8, 2, 0)
        return model.seen

    assert seen(0) == seen(3)
    assert len(set(seen(0))) == len(seen(0)) == 2 * EPOCHS * STEPS


def test_layers_that_no_network_owns_follow_from_the_step() -> None:
    """Also from one that they were not first used in."""
    (one, two), (other, another) = ((Noted(), Noted()) for _ in range(2))
    with random.drawing_from((1, 2), "step", 0):
        one.forward(X, train=True)
    for layers_of_step in ((one, two), (other, another)):
        with random.drawing_from((1, 2), "step", 1):
            for layer in layers_of_step:
                layer.forward(X, train=True)
    assert (one.seen[1], two.seen[0]) == (other.seen[0], another.seen[0])
    assert len({*one.seen, *two.seen}) == 3


def test_outside_of_a_training_a_layer_counts_its_own_calls() -> None:
    def passes(others: int) -> list[Any]:
        xpnet.seed(4)
        noted, dropped = Noted(), Dropout(0.5)
        model = Sequential([dropped, noted])
        model.build((2,))
        for _ in range(3):
            for _ in range(others):
                dropped.forward(X, train=True)
                random.next_key()
            model.forward(X, train=True)
        return noted.seen

    assert passes(0) == passes(2)
    assert len(set(passes(0))) == 3


def test_a_layer_alone_takes_a_place_of_its_own() -> None:
    one, two = Noted(), Noted()
    for layer in (one, two, one, two):
        layer.forward(X, train=True)
    assert len({*one.seen, *two.seen}) == 4
    assert random.get_state()[2] == {"['root']": 2, "[0, '']": 2, "[1, '']": 2}


def test_a_step_on_a_batch_counts_those_of_its_model() -> None:
    def weights(other: bool) -> list[np.ndarray]:
        xpnet.seed(4)
        models = [Sequential([Dense(4), Dropout(0.5), Dense(3)]) for _ in range(2)]
        for model in models:
            model.compile(optimizers.SGD(0.1))
            model.build((2,))
        for _ in range(3):
            if other:
                models[1].train_on_batch(X, T)
            models[0].train_on_batch(X, T)
        return models[0].get_weights()

    assert_equal(weights(False), weights(True))


@pytest.mark.parametrize(
    "layer",
    [
        Dropout(0.4),
        SpatialDropout(0.4),
        SpatialDropout(0.4, -1),
        DropPath(0.4),
        GaussianNoise(2.0),
        GaussianDropout(0.4),
    ],
    ids=repr,
)
def test_a_part_of_a_batch_has_its_part_of_the_mask(backend: Backend, layer: Layer) -> None:
    layer, x = layer.copy().to(backend), backend.asarray(np.ones((7, 3, 5), "float32"))
    layer.forward(x, train=True)

    def masked(part: slice) -> np.ndarray:
        with random.drawing_from((1, 2), "step", 0, first_sample=part.start):
            return backend.to_numpy(layer.forward(x[part, ...], train=True)[0])

    whole = masked(slice(0, 7))
    for cut in range(1, 7):
        np.testing.assert_array_equal(np.concatenate([masked(slice(0, cut)), masked(slice(cut, 7))]), whole)


def test_the_search_for_what_is_not_finite_draws_the_same_again() -> None:
    noted = Noted()
    model = Sequential([Dense(3), noted])
    model.build((2,))
    with random.drawing_from((1, 2), "step", 0):
        model.forward(X, train=True)
        state = random.get_state()
        twins: list[Noted] = []
        noted_copy = Sequential.copy

        def copy(self: Sequential) -> Sequential:
            twin = noted_copy(self)
            twins.append(twin.layers[1])  # type: ignore[arg-type]
            return twin

        model.copy = lambda: copy(model)  # type: ignore[method-assign]
        first_nonfinite(model, X, None)
        assert random.get_state() == state
    assert twins[0].seen == [noted.seen[0]] * 2
