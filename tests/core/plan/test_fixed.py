"""Networks that may do something else the next time have no plan, and run as they are written."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import xpnet
from tests.core.plan.nets import images
from xpnet import Model, Sequential, layers
from xpnet.core.layer import Layer


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
        (Stochastic, "a call in another mode"),
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
