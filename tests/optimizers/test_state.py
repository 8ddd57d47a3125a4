"""The state of an optimizer: another one that gets it goes on with the same bits."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet import optimizers
from xpnet.core.parameter import Parameter
from xpnet.optimizers import Adam, Group, Optimizer
from xpnet.schedules import Cosine, Schedule

MAKERS: dict[str, Callable[[], Optimizer]] = {
    **{name: kind for name, kind in optimizers.OPTIMIZERS.items()},
    "with a schedule": lambda: Adam(Cosine(0.1, 9)),
    "with a group": lambda: Adam(groups=[Group("bias", lr_scale=0.5, weight_decay=0.0)]),
}


def parameters() -> dict[str, Parameter]:
    made = {"weight": Parameter(normal((4, 3), 1)), "bias": Parameter(normal((3,), 2))}
    for name, p in made.items():
        p.name = name
    return made


def step(optimizer: Optimizer, of: dict[str, Parameter], number: int) -> None:
    for place, p in enumerate(of.values()):
        p.grad = normal(p.shape, 10 * number + place)
    optimizer.update(of.values())


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_another_optimizer_goes_on_with_the_same_bits(name: str, scale: float) -> None:
    one, ours = MAKERS[name](), parameters()
    for number in range(3):
        step(one, ours, number)
    one.lr_scale = scale  # as a plateau leaves it
    state = one.get_state(ours)
    before = {name: np.array(p.value) for name, p in ours.items()}
    step(one, ours, 3)
    step(one, ours, 4)
    other, theirs = MAKERS[name](), parameters()
    for key, p in theirs.items():
        p.value = before[key]
    other.set_state(state, theirs)
    assert (other.steps, other.lr_scale, other.current_lr) == (3, scale, pytest.approx(other.current_lr))
    step(other, theirs, 3)
    step(other, theirs, 4)
    assert other.current_lr == one.current_lr
    for key in ours:
        np.testing.assert_array_equal(theirs[key].value, ours[key].value)
        mine = one.state[ours[key]].on_host()
        assert all(np.array_equal(array, mine[slot]) for slot, array in other.state[theirs[key]].on_host().items())


def test_a_state_is_a_copy_and_is_not_written_into() -> None:
    optimizer, ours = Adam(), parameters()
    step(optimizer, ours, 0)
    state = optimizer.get_state(ours)
    kept = {key: {slot: array.copy() for slot, array in each["arrays"].items()} for key, each in
            state["parameters"].items()}  # fmt: skip
    step(optimizer, ours, 1)
    other = Adam()
    other.set_state(state, theirs := parameters())
    step(other, theirs, 1)
    for key, each in state["parameters"].items():
        assert each["steps"] == 1
        assert all(np.array_equal(array, kept[key][slot]) for slot, array in each["arrays"].items())


def test_a_state_without_a_scale_is_one_of_the_full_rate() -> None:
    """Older ones lack it."""
    optimizer, ours = Adam(), parameters()
    step(optimizer, ours, 0)
    state = optimizer.get_state(ours)
    del state["lr_scale"]
    other = Adam()
    other.lr_scale = 0.5
    other.set_state(state, parameters())
    assert other.lr_scale == 1.0


def test_settings_and_what_a_schedule_has_learned_are_in_it() -> None:
    class Falling(Schedule):
        """Half as much after each step that it was told of."""

        def __init__(self) -> None:
            self.rate = 0.1

        def __call__(self, step: int) -> float:
            return self.rate

        def get_state(self) -> dict[str, float]:
            return {"rate": self.rate}

        def set_state(self, state: dict[str, float]) -> None:
            self.rate = state["rate"]

    optimizer, ours = Adam(Falling(), beta1=0.8), parameters()
    optimizer.lr.rate = 0.025  # type: ignore[union-attr]
    step(optimizer, ours, 0)
    other = Adam(Falling())
    other.set_state(optimizer.get_state(ours), parameters())
    assert (other.current_lr, other.beta1) == (0.025, 0.8)
