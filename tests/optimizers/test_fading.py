"""Moments that have decayed to nothing become exactly 0, in steps that follow from the parameter's own count."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.kit.optimizer_table import ALL
from tests.kit.strategies import normal
from xpnet import layers
from xpnet.backend import Backend, make_backend
from xpnet.core.parameter import Parameter
from xpnet.model import Sequential
from xpnet.optimizers import SGD, AdaGrad, Adam, Group, Optimizer, RMSProp, fading
from xpnet.optimizers.fading import EVERY

NONE: Callable[..., dict[str, float]] = lambda self, dtype: {}  # noqa: E731


def compiled() -> Backend:
    pytest.importorskip("numba")
    from xpnet.backend.jit.backend import JitBackend

    return JitBackend()


def denormals(array: Any) -> int:
    array = np.abs(np.asarray(array))
    return int(np.sum((array > 0) & (array < np.finfo(array.dtype).tiny)))


def parameter(backend: Backend, seed: int, dtype: str = "float32") -> Parameter:
    return Parameter(backend.copy(backend.asarray(normal((3, 5), seed, dtype))), backend=backend)


def step(optimizer: Optimizer, p: Parameter, gradient: Any) -> None:
    p.grad = np.broadcast_to(np.asarray(gradient, np.float64), p.shape)
    optimizer.update([p])


def host(p: Parameter, array: Any) -> np.ndarray:
    return p.backend.to_numpy(p.backend.copy(array))


def made(kind: Any) -> Optimizer:
    optimizer: Optimizer = kind(momentum=0.9) if kind is SGD else kind()
    return optimizer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ALL)
def test_what_is_below_the_limit_is_0_after_64_steps_and_not_before(backend: Backend, kind: Any, dtype: str) -> None:
    optimizer, p = made(kind), parameter(backend, 1, dtype)
    step(optimizer, p, 1.0)
    kept = set(optimizer.state[p])
    limits = {slot: limit for slot, limit in optimizer.fading(dtype).items() if slot in kept}
    assert set(limits) == (set() if kind is AdaGrad else kept)
    for slot, limit in limits.items():
        optimizer.state[p][slot][...] = backend.asarray(np.full(p.shape, 0.999 * limit), dtype)
        optimizer.state[p][slot][0, 0] = 1e5 * limit  # 0.9 of which, 63 times, is above
    for number in range(2, EVERY + 1):
        before = {slot: host(p, optimizer.state[p][slot]) for slot in limits}
        assert all(np.all(array) for array in before.values())
        step(optimizer, p, 0.0)
        assert optimizer.state[p].steps == number
    for slot in limits:
        array = host(p, optimizer.state[p][slot])
        assert array[0, 0] > limits[slot] and np.count_nonzero(array) == 1


@pytest.mark.parametrize("make", [lambda: make_backend("numpy"), lambda: make_backend("reference"), compiled])
def test_no_denormals_are_left_of_gradients_that_became_zero(make: Callable[[], Backend]) -> None:
    optimizer, p = Adam(), parameter(make(), 1)
    for number in range(20):
        step(optimizer, p, normal((3, 5), number))
    for _ in range(1500):
        step(optimizer, p, 0.0)
        assert not any(denormals(array) for array in optimizer.state[p].values())
    assert not np.any(optimizer.state[p]["mean"]) and np.all(optimizer.state[p]["squares"])


def test_without_it_there_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Adam, "fading", NONE)
    optimizer, p = Adam(), parameter(make_backend("reference"), 1)
    step(optimizer, p, 1.0)
    optimizer.state[p]["mean"][...] *= np.float32(1e-35)
    for _ in range(200):
        step(optimizer, p, 0.0)
    assert denormals(optimizer.state[p]["mean"]) == p.size


@pytest.mark.parametrize("make", [lambda: make_backend("numpy"), compiled])
@pytest.mark.parametrize("at", [40, 63, 64, 65])
def test_a_training_that_was_resumed_has_the_same_bits(make: Callable[[], Backend], at: int) -> None:
    """The moments pass the limit between the 64th step and the 128th, or are about to when the state is saved."""

    def steps(optimizer: Optimizer, p: Parameter, numbers: range) -> None:
        for number in numbers:
            step(optimizer, p, 1e-28 * normal((3, 5), 1) if number < 3 else 0.0)

    one, ours, backend = Adam(), parameter(make(), 1), make()
    steps(one, ours, range(at))
    state, value = one.get_state({"p": ours}), host(ours, ours.value)
    other, theirs = Adam(), Parameter(backend.copy(backend.asarray(value)), backend=backend)
    other.set_state(state, {"p": theirs})
    for number in range(at, 140):
        steps(one, ours, range(number, number + 1))
        steps(other, theirs, range(number, number + 1))
        for slot in ("mean", "squares"):
            assert host(ours, one.state[ours][slot]).tobytes() == host(theirs, other.state[theirs][slot]).tobytes()
    assert not np.any(one.state[ours]["mean"])
    assert host(ours, ours.value).tobytes() == host(theirs, theirs.value).tobytes()


def test_it_is_the_count_of_the_parameter_that_tells(backend: Backend) -> None:
    """One that was frozen for a while, and one in a group of its own, each after its own 64th step."""
    optimizer, p, late = Adam(groups=[Group(max_axes=1, lr_scale=0.5)]), parameter(backend, 1), parameter(backend, 2)
    vector = Parameter(backend.copy(backend.asarray(normal((4,), 3, "float32"))), backend=backend)
    late.trainable = False
    zero_at: dict[str, int] = {}
    for number in range(1, EVERY + 11):
        late.trainable = number > 10
        for each in (p, late, vector):
            each.grad = np.full(each.shape, 1e-31 if number in (1, 11) else 0.0)
        optimizer.update([p, late, vector])
        for name, each in (("p", p), ("late", late), ("vector", vector)):
            if each in optimizer.state and not np.any(host(each, optimizer.state[each]["mean"])):
                zero_at.setdefault(name, number)
    assert zero_at == {"p": EVERY, "vector": EVERY, "late": EVERY + 10}


def losses_of_a_training() -> tuple[list[float], int, list[np.ndarray]]:
    from xpnet import random

    random.seed(1)
    model = Sequential([layers.Dense(32, activation="relu"), layers.Dense(3)])
    model.build((6,))
    model.compile(Adam(0.01))
    model.parameters()[1].value[:16] = -100.0  # half of the units are dead from now on
    x, t = normal((32, 6), 1, "float32"), np.arange(32) % 3
    first = model.parameters()[0]
    model.optimizer.state[first] = state = _state(first)
    state["mean"][...], state["squares"][...] = 1e-27, 1e-30
    history = model.fit(x, t, epochs=300, batch_size=32, verbose=0)
    return history.history["loss"], denormals(state["mean"]), model.get_weights()


def _state(p: Parameter) -> Any:
    from xpnet.optimizers.state import State

    return State(p, ("mean", "squares"))


def test_losses_are_those_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, left, weights = losses_of_a_training()
    monkeypatch.setattr(Adam, "fading", NONE)
    plain, left_there, weights_there = losses_of_a_training()
    assert left == 0 and left_there > 50
    np.testing.assert_allclose(losses, plain, rtol=1e-6)
    for ours, theirs in zip(weights, weights_there, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(("optimizer", "dtype", "size"), [
    (Adam(0.01, eps=1e-16), "float32", 1e-16), (Adam(0.01, eps=1e-20), "float32", 1e-18), (Adam(), "float32", 1e-12),
    (RMSProp(0.01, eps=1e-16), "float32", 1e-16), (Adam(0.01, eps=1e-60), "float64", 1e-50),
    (SGD(1.0, momentum=0.9), "float64", 1e-40),
], ids=repr)  # fmt: skip
def test_steps_along_tiny_gradients_are_as_without_it(
    backend: Backend, optimizer: Optimizer, dtype: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an eps that small, gradients are compared with one another, and a moment as small as they is one."""

    def train() -> np.ndarray:
        own, p = type(optimizer)(**optimizer.config()), parameter(backend, 1, dtype)
        p.value[...] = backend.zeros(p.shape, dtype)
        for number in range(2 * EVERY + 10):
            step(own, p, size * normal((3, 5), number))
        return host(p, p.value)

    with_it = train()
    monkeypatch.setattr(type(optimizer), "fading", NONE)
    assert np.all(with_it) and with_it.tobytes() == train().tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_has_faded_is_lost_in_rounding_beside_eps(dtype: str) -> None:
    for eps in (1e-3, 1e-7, 1e-8, 1e-10, 1e-16):
        limits: Mapping[str, float] = fading.moment_limits(dtype, eps)
        real = np.dtype(dtype).type
        root, bias = real(limits["squares"] ** 0.5), real((1 - 0.999**EVERY) ** 0.5)
        assert root / bias + real(eps) == real(eps)
        assert limits["mean"] / eps <= 1e-22 * (1 + 1e-12)
    assert fading.mean_limit("float32") == 1e-30 and fading.mean_limit("float64") == 1e-290
    usual = fading.moment_limits("float32", 1e-8)
    assert usual == pytest.approx({"mean": 1e-30, "squares": 1e-34})
    assert np.float32(fading.squares_limit("float32", 1e-16)) == 0


def test_an_optimizer_of_ones_own_is_left_alone_unless_it_names_its_moments() -> None:
    class Own(Optimizer):
        slots = ("trace",)

        def step(self, p: Any, state: Any, lr: float) -> None:
            state["trace"] *= 0.9
            state["trace"] += p.grad
            p.value -= lr * state["trace"]

    class Named(Own):
        def fading(self, dtype: str) -> dict[str, float]:
            return {"trace": fading.mean_limit(dtype), "never kept": 1.0}

    for kind, nonzero in ((Own, 15), (Named, 0)):
        optimizer, p = kind(0.1), parameter(make_backend("numpy"), 1)
        step(optimizer, p, 1.0)
        optimizer.state[p]["trace"] *= 1e-30
        for _ in range(2 * EVERY):
            step(optimizer, p, 0.0)
        assert np.count_nonzero(optimizer.state[p]["trace"]) == nonzero
