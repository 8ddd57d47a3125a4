"""Plans: what they rest on is looked at before each use, and a planned network gives what it gives without."""

import copy
import gc
import pickle
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import xpnet
from tests.kit.layer_table import CASES, Case
from tests.kit.strategies import normal
from xpnet import Model, Sequential, layers, networks, random
from xpnet.backend import make_backend, use_backend
from xpnet.base.nested import as_several
from xpnet.core.layer import Layer
from xpnet.core.watch import watched
from xpnet.errors import BackendError, DTypeError, NotBuiltError, OptionError, ShapeError

IMAGE = (1, 28, 28)


def lenet5() -> Any:
    random.seed(0)
    model = networks.LeNet5()
    model.build(IMAGE)
    return model


def unplanned(model: Any, x: Any) -> Any:
    return model.forward(x)[0]


def images(N: int, seed: int = 0, shape: tuple[int, ...] = IMAGE) -> Any:
    return normal((N, *shape), seed, "float32")


class Residual(Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(4, 3, padding="same", activation="relu")
        self.norm = layers.BatchNorm2D()
        self.blocks = [layers.Conv2D(4, 3, padding="same"), layers.ReLU()]
        self.skip: Layer | None = None
        self.dense = layers.Dense(10)

    def call(self, x: Any) -> Any:
        h = self.norm(self.conv1(x))
        y = h
        for block in self.blocks:
            y = block(y)
        if self.skip is not None:
            h = self.skip(h)
        return self.dense(layers.GlobalAvgPool2D()(h + y))


def residual() -> Any:
    random.seed(0)
    model = Residual()
    model.build((2, 6, 6))
    for name, parameter in model.named_parameters():
        if "running" in name:
            parameter.value = 1 + 0.1 * np.abs(normal(parameter.shape, 5, "float32"))
    return model


# ---- the same numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [1, 2, 7, 32])
@pytest.mark.parametrize("make, shape", [(lenet5, IMAGE), (residual, (2, 6, 6))])
def test_it_gives_what_the_layers_give(make: Callable[[], Any], shape: tuple[int, ...], N: int) -> None:
    model = make()
    for seed in range(3):
        x = images(N, seed, shape)
        np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize("case", [case for case in CASES if len(case.shapes) == 1], ids=lambda case: case.name)
def test_every_layer_in_a_plan(case: Case) -> None:
    random.seed(0)
    backend = make_backend("numpy")
    layer, (x,) = case.layer(backend), case.inputs(backend, "float32")
    model = Sequential([layer])
    model.build(x.shape[1:])
    for batch in (x, x[:1]):
        expected = model.forward(batch)[0]
        layer.reset_state()
        found = model(batch)
        layer.reset_state()
        for one, other in zip(as_several(found), as_several(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
            assert one.dtype == other.dtype and one.shape == other.shape


class Branches(Model):
    """Convolutions with different paddings of one input, an output that is pooled and used beside, and 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = layers.Conv2D(6, 5, padding=((1, 3), (2, 0)), activation="relu")
        self.narrow = layers.Conv2D(6, 3, padding=1, stride=2, bias=False)
        self.dilated = layers.Conv2D(4, 3, dilation=2)
        self.grouped = layers.Conv2D(6, 3, groups=3, padding="same")
        self.point = layers.Conv2D(5, 1)
        self.pool, self.odd = layers.MaxPool2D(2), layers.MaxPool2D(3, stride=2, padding=1)
        self.flat, self.join, self.dense = layers.Flatten(), layers.Concat(), layers.Dense(7, activation="relu")

    def call(self, x: Any) -> Any:
        h = self.wide(x)
        pooled, beside = self.pool(h), self.narrow(x)
        h = self.grouped(self.odd(self.pool(self.dilated(h)) if x.shape[0] > 99 else h))
        parts = [self.flat(each) for each in (pooled, beside, self.point(h), self.pool(self.dilated(beside)))]
        return self.dense(self.join(*parts))


@pytest.mark.parametrize("size", [(12, 12), (13, 11), (21, 16)])
@pytest.mark.parametrize("N", [1, 3])
def test_branches(size: tuple[int, int], N: int) -> None:
    random.seed(1)
    model, x = Branches(), images(N, 2, (3, *size))
    model.build((3, *size))
    assert "operations by a plan" in str(model.plan(samples=N))
    for _ in range(2):
        np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize("pool, stride", [(2, 2), (3, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("rows", [32, 33, 34])
def test_pooling_of_bands_of_a_convolution(pool: int, stride: int, rows: int) -> None:
    random.seed(1)
    x = images(1, 2, (16, rows, 30))
    model = Sequential([layers.Conv2D(32, 3, padding=1, activation="relu"), layers.MaxPool2D(pool, stride)])
    model.build(x.shape[1:])
    np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)


def test_bands_of_a_convolution_with_a_stride() -> None:
    random.seed(1)
    x, model = images(1, 2, (32, 33, 31)), Sequential([layers.Conv2D(64, 3, stride=2, padding=1)])
    model.build(x.shape[1:])
    np.testing.assert_allclose(model.predict(x), unplanned(model, x), rtol=5e-6, atol=5e-6)


def test_the_same_bits_each_time_and_in_each_thread() -> None:
    model, x = lenet5(), images(3)
    expected = model.predict(x)
    found: list[Any] = []

    def use() -> None:
        for _ in range(30):
            found.append((model.predict(x) == expected).all())

    team = [threading.Thread(target=use) for _ in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert len(found) == 120 and all(found)


def test_float64_input_is_converted_and_a_float64_network_has_a_plan_of_its_own() -> None:
    model, x = lenet5(), images(2)
    single = model.predict(x)
    assert (model.predict(x.astype(np.float64)) == single).all()
    assert (model.predict(x.astype(np.float64)) == single).all() and single.dtype == np.float32
    model.astype("float64")
    double = model.predict(x.astype(np.float64))
    assert double.dtype == np.float64
    np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-5)


def test_what_it_returns_is_nobody_elses() -> None:
    model, a, b = lenet5(), images(1, 1), images(1, 2)
    model.predict(b)
    first = model.predict(a)
    kept = first.copy()
    model.predict(b)
    assert (first == kept).all() and first.flags.writeable and first.base is None
    first[:] = 0
    assert (model.predict(a) == kept).all()


def test_many_samples_are_predicted_in_batches_whatever_was_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = lenet5(), images(300)
    expected = model.predict(x)
    model(x)
    model.plan(samples=300)
    monkeypatch.setattr(model.plan(samples=300), "run", lambda x: x)
    assert (model.predict(x) == expected).all()


# ---- what it rests on ------------------------------------------------------------------------------------------------


def change_the_value(model: Any) -> None:
    model.dense.weight.value = 2 * model.dense.weight.value


def write_into_it(model: Any) -> None:
    model.conv1.weight.value[...] *= 2


def train(model: Any) -> None:
    model.compile(optimizer="adam", loss="softmax_cross_entropy")
    model.fit(images(8, 3, (2, 6, 6)), np.arange(8) % 10, verbose=0)


def set_an_attribute(model: Any) -> None:
    model.norm.eps = 2.0


def exchange_a_layer(model: Any) -> None:
    model.blocks[1] = layers.Tanh()


def add_a_layer(model: Any) -> None:
    model.blocks.append(layers.Tanh())


def set_a_layer(model: Any) -> None:
    model.skip = layers.Sigmoid()


def astype(model: Any) -> None:
    model.astype("float64").astype("float32")


def move_between_lists(model: Any) -> None:
    model.blocks.append(model.more.pop(0))


def exchange_names(model: Any) -> None:
    model.named["a"] = model.named.pop("a")


def set_on_the_class(model: Any) -> None:
    Looking.signed = False


def put_a_function_on_the_class(model: Any) -> None:
    Looking.half = lambda self, x: self.dense(self.dense(x))  # type: ignore[method-assign]


def drop_a_setting(model: Any) -> None:
    del model.own  # and what is the class's counts


class Looking(Model):
    """What a call may look into besides its layers, which may be exchanged without an attribute being set."""

    signed = True
    own = False

    def __init__(self) -> None:
        super().__init__()
        self.own = True
        self.blocks, self.more = [layers.Tanh()], [layers.Sigmoid(), layers.ReLU()]
        self.named = {"a": layers.Softplus(), "b": layers.Dense(8)}
        self.dense = layers.Dense(8)

    def half(self, x: Any) -> Any:
        return self.dense(x)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        x = self.half(x) + x if self.signed else self.half(x)
        for block in self.more:
            x = block(x)
        for block in self.named.values():
            x = block(x)
        return self.dense(x) if self.own else x


@pytest.mark.parametrize(
    "change",
    [move_between_lists, exchange_names, set_on_the_class, put_a_function_on_the_class, drop_a_setting],
)
def test_what_a_call_looks_into_is_followed(change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Looking, "signed", True)
    monkeypatch.setattr(Looking, "half", Looking.half)
    random.seed(0)
    model, x = Looking(), images(2, 1, (8,))
    before = model.predict(x)
    assert "by a plan" in str(model.plan(samples=2))
    change(model)
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=2e-6, atol=2e-6)
    assert np.abs(found - before).max() > 1e-4


class Chain(Model):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.join = Sequential([layers.Dense(8), layers.Tanh()]), layers.Add()
        self.layers = [layers.Dense(8)]

    def call(self, x: Any) -> Any:
        for each in self.inside.layers:
            x = each(x)
        return self.join(x, self.layers[0](x))


def test_lists_of_a_network_that_is_not_called_are_followed() -> None:
    model, x = Chain(), images(2, 1, (8,))
    before = model.predict(x)
    assert "by a plan" in str(model.plan(samples=2))
    model.inside.layers.reverse()
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=2e-6, atol=2e-6)
    assert np.abs(found - before).max() > 1e-4


def test_a_shallow_copy_has_settings_of_its_own() -> None:
    model, x = Looking(), images(2, 1, (8,))
    before = model.predict(x)
    twin = copy.copy(model)
    twin.own = False
    for each in (twin, model, twin):
        np.testing.assert_allclose(each.predict(x), unplanned(each, x), rtol=2e-6, atol=2e-6)
    assert (model.predict(x) == before).all() and (twin.predict(x) != before).any()


def test_a_layer_that_is_moved_by_itself_is_refused_as_before() -> None:
    for move, error in ((lambda layer: layer.to("reference"), BackendError), (astype_of_one, DTypeError)):
        model, x = Sequential([layers.Dense(4), layers.ReLU(), layers.Dense(2)]), images(2, 0, (3,))
        model.predict(x)
        move(model.layers[1 if error is BackendError else 0])
        with pytest.raises(error):
            model.predict(x)
        assert model.plan(samples=2).run is None


def astype_of_one(layer: Layer) -> None:
    layer.astype("float64")


def test_plans_go_with_their_network() -> None:
    """Nothing waits for the garbage collector."""
    model, x = Sequential([layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(3)]), images(1)
    model.predict(x)
    gc.collect()
    gc.disable()
    try:
        model.predict(images(2))
        gone = [weakref.ref(each) for each in (model, model.layers[0], model.plan(samples=2).run, model.plan().run)]
        del model
        assert [each() for each in gone] == [None] * 4
    finally:
        gc.enable()


def test_integers_of_another_name_are_of_the_same_kind() -> None:
    model = Sequential([layers.Embedding(5, 3), layers.Flatten(), layers.Dense(2)])
    model.build((4,), dtype="int64")
    x = np.array([[0, 1, 2, 4]], np.int64)
    model(x)
    plan = model._plans._known[x.shape]
    model(x.astype(np.longlong))
    assert model._plans._known[x.shape] is plan


def test_a_plan_that_is_asked_for_while_somebody_looks_is_not_kept() -> None:
    model = lenet5()
    with watched(model, lambda layer, y: None):
        model.plan()
    model.predict(images(1))
    assert "by a plan" in str(model._plans._known[1, *IMAGE])


def put_a_forward(model: Any) -> None:
    model.dense.forward = lambda x, train=False: (np.ones((len(x), 10), np.float32), None)


@pytest.mark.parametrize(
    "change",
    [
        *(change_the_value, write_into_it, train, set_an_attribute, exchange_a_layer, add_a_layer, set_a_layer, astype),
        put_a_forward,
    ],
)
def test_a_change_is_followed(change: Callable[[Any], None]) -> None:
    model, x = residual(), images(2, 4, (2, 6, 6))
    before = model.predict(x)
    change(model)
    found = model.predict(x)
    np.testing.assert_allclose(found, unplanned(model, x), rtol=5e-6, atol=5e-6)
    assert change is astype or np.abs(found - before).max() > 1e-4


def test_parameters_that_move_into_one_array_are_followed() -> None:
    model, x = residual(), images(2, 4, (2, 6, 6))
    model.compile("adam", "softmax_cross_entropy")
    model.optimizer.lr = 0.1
    for _ in range(3):
        before = model.predict(x)
        model.train_on_batch(images(8, 3, (2, 6, 6)), np.arange(8) % 10)
        found = model.predict(x)
        np.testing.assert_allclose(found, unplanned(model, x), rtol=5e-6, atol=5e-6)
        assert np.abs(found - before).max() > 1e-3


class Named(Model):
    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, Layer] = {"a": layers.Dense(3)}

    def call(self, x: Any) -> Any:
        for part in self.parts.values():
            x = part(x)
        return x


def test_layers_that_come_into_a_dict_and_go_are_followed() -> None:
    model, x = Named(), images(2, 0, (3,))
    model.build((3,))
    before = model.predict(x)
    assert "operations by a plan" in str(model.plan(samples=2))
    model.parts["b"] = layers.Tanh()
    np.testing.assert_allclose(model.predict(x), np.tanh(before), rtol=5e-6, atol=5e-6)
    model.parts.clear()
    assert (model.predict(x) == x).all()


def test_a_layer_that_is_added_to_a_chain_is_followed() -> None:
    model, x = Sequential([layers.Dense(4), layers.ReLU()]), images(2, 0, (3,))
    before = model.predict(x)
    model.add(layers.Dense(2))
    assert before.shape == (2, 4) and model.predict(x).shape == (2, 2)


def test_a_copy_and_a_pickle_have_plans_of_their_own() -> None:
    model, x = lenet5(), images(1)
    expected = model.predict(x)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (twin.predict(x) == expected).all()
        write = twin.parameters()[0].value
        write[...] = 0
        assert (twin.predict(x) != expected).any() and (model.predict(x) == expected).all()


def test_who_looks_into_a_network_sees_its_layers() -> None:
    model, x = lenet5(), images(1)
    model.predict(x)
    seen: list[Any] = []
    with watched(model, lambda layer, y: seen.append(layer)):
        model.predict(x)
    assert seen == model.layers
    model.predict(x)
    assert seen == model.layers


def test_other_backends_run_as_before() -> None:
    with use_backend("reference"):
        model = lenet5()
    assert "has no plan" not in str(model.plan()) and "one by one" in str(model.plan())
    np.testing.assert_allclose(model.predict(images(1)), unplanned(model, images(1)), rtol=1e-5, atol=1e-6)


def test_numbers_that_overflow_raise_nothing() -> None:
    model, x = lenet5(), images(1)
    for parameter in model.parameters():
        parameter.value[...] = 1e30
    with np.errstate(all="raise"):
        for _ in range(2):
            assert not np.isfinite(model.predict(np.abs(x))).all()


# ---- what has no plan -----------------------------------------------------------------------------------------------


class Counting(Layer):
    """A user's layer, which does more than it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, x: Any, train: bool = False) -> Any:
        self.calls.append(len(x))
        return x, lambda dy: dy


def test_a_users_layer_is_called_each_time() -> None:
    counting = Counting()
    model = Sequential([counting, layers.Dense(2)])
    model.build((3,))
    done = len(counting.calls)
    for number in range(3):
        model.predict(images(2, 0, (3,)))
        assert len(counting.calls) - done == number + 1
    assert "may do more than return its output" in str(model.plan())


switch = [True]


class Switched(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = layers.Dense(2), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.a(x) if switch[0] else self.b(x)


class Stochastic(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.drop = layers.Dense(2), layers.Dropout(0.5)

    def call(self, x: Any) -> Any:
        return self.drop(self.a(x), train=True)


class Numbering(Model):
    count = 0

    def __init__(self) -> None:
        super().__init__()
        self.a = layers.Dense(2)

    def call(self, x: Any) -> Any:
        self.count += 1
        return self.a(x)


class ByValues(Model):
    """The names that arrays and dicts have are no different where they are a network's own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.values = layers.Dense(2), [True]

    def call(self, x: Any) -> Any:
        return self.a(x) if self.values[0] else x


class Holding(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.values = layers.Dense(2), [True]

    def call(self, x: Any) -> Any:
        return self.a(x)


class Reaching(Model):
    """What it looks at is a network's inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.a = Holding(), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.a(x) if self.inside.values[0] else self.inside(x)


class ByDefault(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a = layers.Dense(2)

    def call(self, x: Any, kept: Any = [True]) -> Any:  # noqa: B006
        return self.a(x) if kept[0] else x


class Called(Model):
    """It does more than its call."""

    calls: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.a = layers.Dense(2)

    def __call__(self, *xs: Any, train: bool | None = None) -> Any:
        self.calls.append(1)
        return super().__call__(*xs, train=train)

    def call(self, x: Any) -> Any:
        return self.a(x)


def calling() -> Model:
    return Sequential([Called(), layers.Dense(2)])


class Seeding(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a = layers.Dense(2)

    def call(self, x: Any) -> Any:
        xpnet.seed(3)
        return self.a(x)


class Written(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = layers.Dense(2), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return xpnet.layers.ReLU()(layers.Add()(*[each(x) for each in (self.a, self.b)]))


class Deciding(Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = layers.Dense(2), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.a(x) if x.shape[0] > 1 or x.sum() > 0 else self.b(x)


@pytest.mark.parametrize(
    "kind, why",
    [
        (Switched, "may do something else"),
        (Numbering, "may do something else"),
        (Deciding, "may do something else"),
        (ByValues, "may do something else"),
        (ByDefault, "may do something else"),
        (Reaching, "may do something else"),
        (calling, "may do something else"),
        (Seeding, "may do something else"),
        (Written, "Written, 4 operations by a plan"),
        (Stochastic, "a call in training mode"),
    ],
)
def test_python_that_may_do_something_else_runs_each_time(kind: Callable[[], Any], why: str) -> None:
    model = kind()
    model.build((3,))
    x = images(1, 0, (3,))
    model.predict(x)
    assert why in str(model.plan())
    if kind is calling:
        done = len(Called.calls)
        model.predict(x)
        assert len(Called.calls) == done + 1
    if kind is Switched:
        a = model.predict(x)
        switch[0] = False
        assert (model.predict(x) != a).any()
        switch[0] = True
    if kind is Numbering:
        before = model.count
        model.predict(x)
        assert model.count == before + 1


def test_a_state_goes_on_from_batch_to_batch() -> None:
    model = Sequential([layers.LSTM(3, stateful=True), layers.Dense(2)])
    model.build((4, 2))
    x = images(2, 0, (4, 2))
    first, second = model.predict(x), model.predict(x)
    model.reset_state()
    assert (first != second).any() and (model.predict(x) == first).all()


# ---- errors, and what it costs ---------------------------------------------------------------------------------------


def test_what_a_plan_refuses() -> None:
    with pytest.raises(NotBuiltError, match="plan needs the shape of a sample"):
        Sequential([layers.Dense(2)]).plan()
    model = lenet5()
    with pytest.raises(OptionError, match="plan: samples"):
        model.plan(IMAGE, samples=0)
    with pytest.raises(ShapeError, match="needed is"):
        model.plan((3, 28, 28))
    assert str(model.plan()).startswith("LeNet5, 8 operations by a plan:\n  conv2d ")
    with pytest.raises(ShapeError):
        model.predict(images(1, 0, (3, 28, 28)))


def test_one_image_of_lenet5_takes_few_calls_and_no_memory() -> None:
    model, sets = lenet5(), [images(1, seed) for seed in range(4)]
    for x in sets:
        model.predict(x)
    plan: Any = model.plan().run
    compiled = not hasattr(plan, "idle")
    assert compiled or len(plan.idle[0].calls) <= 25
    calls: list[str] = []

    def count(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(count)
    try:
        model.predict(sets[1])
    finally:
        sys.setprofile(None)
    assert len(calls) <= 30, calls
    tracemalloc.start()
    try:
        model.predict(sets[2])
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        model.predict(sets[3])
        most = 4096 if compiled else 32768  # of NumPy's own, within its calls
        assert tracemalloc.get_traced_memory()[1] - before < most
    finally:
        tracemalloc.stop()
