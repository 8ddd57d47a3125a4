"""Rows of a batch that threads take through dense layers, each through all of them."""

import warnings
from typing import Any

import numpy as np
import pytest

from tests.core.plan.nets import IMAGE, images
from tests.kit.helpers import bits, in_threads, without_helpers
from xpnet import Sequential, layers, networks, random
from xpnet.backend import use_backend
from xpnet.backend.cpu import shared_plan, threads
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.plan import NumpyPlan


def mlp() -> Any:
    random.seed(0)
    with use_backend(NumpyBackend()):
        model = networks.MLP()
        model.build(IMAGE)
    return model


def test_the_same_bits_on_any_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, found = mlp(), images(100), set()
    plan = model.plan(samples=100).run
    assert isinstance(plan, shared_plan.SharedPlan) and len(plan.bands) == 5
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        monkeypatch.setattr(shared_plan, "thread_count", lambda count=count: count)
        without_helpers()
        found |= {bits(model.predict(x)), bits(plan(x)), bits(plan(x[::-1].copy())[::-1])}
    without_helpers()
    assert found == {bits(NumpyPlan(model.backend, model.plan(samples=100).graph)(x))}
    np.testing.assert_allclose(model.predict(x), model.forward(x)[0], rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize("N, parts", [(10, 0), (97, 0), (104, 0), (160, 5), (200, 0)])
def test_rows_are_divided_where_each_product_stays_what_it_is(N: int, parts: int) -> None:
    model, x = mlp(), images(N)
    plan = model.plan(samples=N).run
    assert len(getattr(plan, "bands", ())) == parts
    np.testing.assert_allclose(model.predict(x), model.forward(x)[0], rtol=5e-6, atol=5e-6)


def test_who_looks_at_rows_of_others_is_not_divided() -> None:
    with use_backend(NumpyBackend()):
        model = Sequential([layers.Dense(128), layers.Tanh(), layers.Dense(10)])
        model.build((784,))
    assert isinstance(model.plan(samples=100).run, NumpyPlan)


def test_threads_of_the_users_and_numbers_that_overflow() -> None:
    model, found = mlp(), dict[int, set[bytes]]()
    batches = [images(100, seed) for seed in range(4)]
    expected = [bits(model.predict(x)) for x in batches]

    def work(number: int) -> None:
        found[number] = {bits(model.predict(batches[number])) for _ in range(20)}

    in_threads(work)
    assert [found[number] for number in range(4)] == [{each} for each in expected]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.isfinite(model.predict(np.full((100, *IMAGE), 3e38, np.float32))).all()
