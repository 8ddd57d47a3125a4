"""Plans give what the layers give, each time and in each thread, and cost little."""

import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.core.plan.nets import IMAGE, images, lenet5, residual, unplanned
from tests.kit.layer_table import CASES, Case
from xpnet import Model, Sequential, layers, random
from xpnet.backend import make_backend
from xpnet.base.nested import as_several
from xpnet.errors import NotBuiltError, OptionError, ShapeError

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
