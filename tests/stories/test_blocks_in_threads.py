"""`with` blocks of two threads that begin one after the other and end in the same order: none sees the other's."""

import contextlib
import copy
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tests.kit.strategies import normal
from xpnet.base.notice import unheard
from xpnet.core.carried import states_set_aside
from xpnet.core.watch import watched
from xpnet.layers import LSTM, Dense, Tanh
from xpnet.model import Sequential

X = normal((3, 4), 0, "float32")


class Other:
    """Another thread, which does one thing after the other."""

    def __enter__(self) -> Any:
        self.pool = ThreadPoolExecutor(1)
        return lambda function, *arguments: self.pool.submit(function, *arguments).result(60)

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()


def interleaved(first: Any, second: Any, during: Any) -> None:
    """One block here and one there: begin, begin, end, end; `during` is called where both are open, here and there."""
    with Other() as there:
        first.__enter__()
        there(second.__enter__)
        during(lambda function: function())
        during(there)
        first.__exit__(None, None, None)
        there(second.__exit__, None, None, None)


def test_two_who_look_into_a_network_see_each_his_own() -> None:
    model = Sequential([Dense(4), Tanh(), Dense(2)])
    model.build((4,))
    before, mine, other = model(X), [], []
    model.forward(X)  # layers remember what they have checked
    kept = [dict(vars(layer)) for layer in model]
    outer = contextlib.ExitStack()
    outer.enter_context(watched(model, lambda layer, y: mine.append(1)))
    outer.enter_context(watched(model, lambda layer, y: mine.append(2)))
    twins: list[Any] = []

    def during(there: Any) -> None:
        there(lambda: model(X))
        twins.append(there(model.copy))

    interleaved(outer, watched(model, lambda layer, y: other.append(layer)), during)
    assert mine == [1, 2] * 3 and other == list(model)
    assert [vars(layer) for layer in model] == kept
    twins.append(copy.deepcopy(model))
    for layer in model:
        for p in layer.parameters():
            p.value = 0 * p.value
    for twin in twins:  # copies that were made meanwhile are copies
        np.testing.assert_array_equal(twin(X), before)


def test_what_is_frozen_is_so_in_its_own_thread() -> None:
    model, loser = Sequential([Dense(4)]), Sequential([Dense(4)])
    model.build((4,))
    loser.build((4,))

    def step() -> None:
        y, back = model.forward(X, train=True)
        back(y)

    with Other() as there, model.frozen():
        there(step)
        taken = [p.has_grad for p in model.parameters()]
        twin = model.copy()
    assert taken == [True, True] and all(p.takes_grad for p in twin.parameters())
    model.layers[0].weight.zero_grad()  # type: ignore[attr-defined]
    interleaved(model.frozen(), model.frozen(), lambda there: there(step))
    assert not model.layers[0].weight.has_grad and all(p.takes_grad for p in model.parameters())  # type: ignore[attr-defined]


def test_states_that_are_set_aside_are_so_in_one_thread() -> None:
    model = Sequential([LSTM(3, stateful=True)])
    x = normal((2, 5, 4), 1, "float32")
    first, second = model(x), model(x)  # goes on
    model.reset_state()
    model(x)
    seen: list[Any] = []
    interleaved(states_set_aside(model), states_set_aside(model), lambda there: seen.append(there(lambda: model(x))))
    for y in seen:
        np.testing.assert_array_equal(y, first)
    np.testing.assert_array_equal(model(x), second)


def test_warnings_are_unheard_in_one_thread_and_heard_again() -> None:
    def warn(there: Any) -> None:
        there(lambda: warnings.warn("nobody's business", UserWarning, stacklevel=1))

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        interleaved(unheard(), unheard(), warn)
        assert not heard and list(warnings.filters) == before
        with unheard(), Other() as there:
            there(lambda: warnings.warn("another's", UserWarning, stacklevel=1))
        warnings.warn("heard", UserWarning, stacklevel=1)
    assert [str(each.message) for each in heard] == ["another's", "heard"]
