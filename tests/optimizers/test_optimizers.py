"""Optimizers against the textbook's lines, written out below; and what holds for all of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_lives_on, assert_same
from tests.kit.optimizer_table import ALL, RULES, fresh
from tests.kit.strategies import normal, seeds
from xpnet import layers, optimizers, random, schedules
from xpnet.backend import Backend, make_backend
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.model import Sequential
from xpnet.optimizers import SGD, AdaGrad, Adam, AdamW, Muon, Nadam, Optimizer, RMSProp, base
from xpnet.schedules import Constant, Cosine


def parameter(backend: Backend, value: np.ndarray, **options: Any) -> Parameter:
    return Parameter(backend.copy(backend.asarray(value)), backend=backend, **options)


@pytest.mark.parametrize(("optimizer", "rule"), RULES, ids=[repr(optimizer) for optimizer, _ in RULES])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_several_steps_follow_the_rule(
    backend: Backend, optimizer: Optimizer, rule: Callable[..., np.ndarray], dtype: str
) -> None:
    start, gradients = normal((3, 4), 0), [normal((3, 4), i) for i in range(1, 6)]
    optimizer, p = fresh(optimizer), parameter(backend, start.astype(dtype))
    for g in gradients:
        p.grad = g
        optimizer.update([p])
    assert_close(p.value, rule(start, gradients).astype(dtype), backend)
    for array in optimizer.state[p].values():
        assert_lives_on(backend, array, dtype)
        assert tuple(array.shape) == p.shape


@given(N=st.integers(1, 5), limit=st.floats(0.01, 100), seed=seeds)
def test_clipping_bounds_the_norm_of_all_gradients_together_and_keeps_their_direction(
    backend: Backend, N: int, limit: float, seed: int
) -> None:
    gradients = [normal((i + 1, 3), seed + i, "float64") for i in range(N)]
    parameters = [parameter(backend, np.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    SGD(lr=1.0, clip_norm=limit).update(parameters)
    taken = np.concatenate([-backend.to_numpy(p.value).ravel() for p in parameters])
    given_ = np.concatenate([g.ravel() for g in gradients])
    norm = np.linalg.norm(given_)
    assert np.linalg.norm(taken) == pytest.approx(min(norm, limit), rel=1e-9)
    np.testing.assert_allclose(taken / np.linalg.norm(taken), given_ / norm, rtol=1e-9)


def test_the_norm_is_that_of_all_gradients_together(backend: Backend) -> None:
    gradients = [np.array([3.0]), np.array([[4.0]]), np.array([12.0, 0.0])]  # 13 in all
    parameters = [parameter(backend, np.zeros_like(g)) for g in gradients]
    for limit, factor in ((6.5, 0.5), (13.5, 1.0)):
        for p, g in zip(parameters, gradients, strict=True):
            p.value, p.grad = np.zeros_like(g), g
        SGD(lr=1.0, clip_norm=limit).update(parameters)
        for p, g in zip(parameters, gradients, strict=True):
            assert_close(p.value, -factor * g, backend)


def test_a_bound_of_values_holds_for_each_entry_on_both_sides(backend: Backend) -> None:
    gradients = [np.array([[-3.0, -0.5, 0.0], [0.25, 1.5, 7.0]]), np.array([-2.0, 1.0])]
    parameters = [parameter(backend, np.zeros_like(g)) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    SGD(lr=1.0, clip_value=1.5).update(parameters)
    assert_same(parameters[0].value, np.array([[1.5, 0.5, 0.0], [-0.25, -1.5, -1.5]]))
    assert_same(parameters[1].value, np.array([1.5, -1.0]))


def test_clipping_leaves_frozen_parameters_out_and_takes_a_zero_gradient(backend: Backend) -> None:
    trained, frozen = parameter(backend, np.zeros(2)), parameter(backend, np.zeros(2), trainable=False)
    trained.grad, frozen.grad = np.array([3.0, 4.0]), np.array([1e6, 0.0])
    optimizer = SGD(lr=1.0, clip_norm=1.0)
    optimizer.update([trained, frozen])
    assert_close(trained.value, np.array([-0.6, -0.8]), backend)
    optimizer.update([trained, frozen])  # all gradients are zero now
    assert_close(trained.value, np.array([-0.6, -0.8]), backend)


@pytest.mark.parametrize("kind", ALL)
def test_a_frozen_parameter_is_not_touched_and_gets_no_state(backend: Backend, kind: type[Optimizer]) -> None:
    p = parameter(backend, np.ones((2, 2), np.float32), trainable=False)
    optimizer = kind(weight_decay=0.5)  # type: ignore[call-arg]
    p.grad = np.ones((2, 2))
    optimizer.update([p])
    assert_same(p.value, np.ones((2, 2), np.float32), backend)
    assert p not in optimizer.state


@pytest.mark.parametrize("trainable", [True, False])
def test_gradients_start_from_zero_after_a_step(backend: Backend, trainable: bool) -> None:
    p = parameter(backend, np.ones(3, np.float32), trainable=trainable)
    for _ in range(2):
        p.add_grad(backend.asarray(np.full(3, 2.0, np.float32)))
        assert_same(p.grad, np.full(3, 2.0, np.float32), backend)
        SGD(0.1).update([p])
    assert_same(p.grad, np.zeros(3, np.float32), backend)


@pytest.mark.parametrize("kind", ALL)
def test_a_shared_parameter_is_updated_once(kind: type[Optimizer]) -> None:
    shared = layers.Dense(3)
    twice, once = Sequential([shared, shared]), Sequential([layers.Dense(3)])
    twice.build((3,))
    once.build((3,))
    assert len(twice.parameters()) == 2
    once.set_weights(twice.get_weights())
    for model in (twice, once):
        optimizer = kind()  # type: ignore[call-arg]
        for _ in range(3):
            for p in model.parameters():
                p.grad = np.ones(p.shape, np.float32)
            optimizer.update(model.parameters())
        assert len(optimizer.state) == 2
    for a, b in zip(twice.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ALL)
def test_state_belongs_to_the_parameter_object(backend: Backend, kind: type[Optimizer]) -> None:
    """Two parameters of one name, trained together or each by an optimizer of its own, come out the same."""
    gradients = [(normal((2, 2), i, "float32"), normal((2, 2), 50 + i, "float32")) for i in range(4)]
    together = [parameter(backend, np.ones((2, 2), np.float32), name="w") for _ in range(2)]
    apart = [parameter(backend, np.ones((2, 2), np.float32), name="w") for _ in range(2)]
    one, two = kind(), (kind(), kind())  # type: ignore[call-arg]
    for pair in gradients:
        for p, q, g in zip(together, apart, pair, strict=True):
            p.grad = q.grad = g
        one.update(together[::-1])
        for optimizer, q in zip(two, apart, strict=True):
            optimizer.update([q])
    for p, q in zip(together, apart, strict=True):
        assert_same(p.value, q.value, backend)


def test_a_step_changes_the_value_in_place(backend: Backend) -> None:
    p = parameter(backend, np.ones(4, np.float32))
    array = p.value
    p.grad = np.ones(4)
    Adam().update([p])
    assert p.value is array
    assert not np.any(backend.to_numpy(array) == 1)


def test_a_generator_of_parameters_does_for_update(backend: Backend) -> None:
    p = parameter(backend, np.ones(2, np.float32))
    p.grad = np.ones(2)
    SGD(0.5, clip_norm=100.0).update(q for q in [p])
    assert_same(p.value, np.full(2, 0.5, np.float32), backend)


def test_a_schedule_gives_each_step_its_learning_rate(backend: Backend) -> None:
    schedule = Cosine(0.4, steps=4, end=0.1)
    rates = [0.1 + 0.3 * (1 + math.cos(math.pi * min(s, 4) / 4)) / 2 for s in range(6)]
    assert [schedule(s) for s in range(6)] == pytest.approx(rates)
    assert (schedule(0), schedule(2), schedule(4), schedule(400)) == pytest.approx((0.4, 0.25, 0.1, 0.1))
    p, optimizer = parameter(backend, np.zeros(1)), SGD(schedule)
    for s in range(6):
        assert optimizer.current_lr == pytest.approx(rates[s])
        p.grad = np.ones(1)
        optimizer.update([p])
        assert float(p.value[0]) == pytest.approx(-sum(rates[: s + 1]))
    assert optimizer.steps == 6
    assert SGD(Constant(0.3)).current_lr == SGD(0.3).current_lr == 0.3


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_steps_are_counted_for_each_parameter(backend: Backend, kind: type[Adam]) -> None:
    """The first step of Adam is lr in each entry, also for a parameter that comes late: unfrozen, or of another model.

    With the bias correction of a later step it would be several times as large.
    """
    optimizer = kind(0.1, weight_decay=0.0)
    early, frozen, other = (parameter(backend, np.ones(3, np.float32)) for _ in range(3))
    frozen.trainable = False
    for step in range(1, 21):
        early.grad = frozen.grad = np.full(3, 5.0)
        optimizer.update([early, frozen])
        assert optimizer.state[early].steps == step
    assert_same(frozen.value, np.ones(3, np.float32), backend)
    frozen.trainable = True
    for p, others in ((frozen, [early, frozen]), (other, [other])):
        for q in others:
            q.grad = np.array([5.0, -0.01, 200.0])
        optimizer.update(others)
        assert_close(p.value, np.array([0.9, 1.1, 0.9], np.float32), backend)
        assert optimizer.state[p].steps == 1
    assert optimizer.steps == 22  # the schedule's clock runs for all together


def test_two_models_that_share_an_optimizer_train_as_if_each_had_its_own() -> None:
    shared, results = Adam(0.05), []
    for optimizers_of in (lambda: shared, lambda: Adam(0.05)):
        for seed in (1, 2):
            random.seed(seed)
            model = Sequential([layers.Dense(3)])
            model.compile(optimizers_of())
            for _ in range(3):
                model.train_on_batch(normal((4, 2), seed), np.arange(4) % 3)
            results.append(model.get_weights())
    for one, other in zip(results[:2], results[2:], strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("there", ["reference", "torch", "array_api_strict"])
def test_state_moves_with_the_parameters(there: str) -> None:
    if there == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    target = make_backend(there)
    model, optimizer = Sequential([layers.Dense(2)]), Adam(0.1)
    model.build((3,))
    other = model.copy()
    control = Adam(0.1)

    def steps(network: Sequential, rule: Optimizer) -> None:
        for i in range(2):
            for p in network.parameters():
                p.grad = normal(p.shape, i)
            rule.update(network.parameters())

    model.optimizer = optimizer
    for network, rule in ((model, optimizer), (other, control)):
        steps(network, rule)
    model.to(target)
    for network, rule in ((model, optimizer), (other, control)):
        steps(network, rule)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        for array in optimizer.state[p].values():
            assert_lives_on(target, array, "float32")
        np.testing.assert_allclose(target.to_numpy(p.value), q.value, rtol=1e-5)
    model.astype("float64")
    steps(model, optimizer)  # the state follows at the next step
    for p in model.parameters():
        for array in optimizer.state[p].values():
            assert_lives_on(target, array, "float64")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0), "lr must be a positive number, not 0"),
        (lambda: Adam(lr=-1.0), "lr must be a positive number, not -1.0"),
        (lambda: Adam(lr=math.nan), "lr must be a positive number, not nan"),
        (lambda: Adam(lr=math.inf), "not inf"),
        (lambda: Adam("fast"), "lr must be a positive number or a schedule, .* not 'fast'"),  # type: ignore[arg-type]
        (lambda: SGD(momentum=1.0), "momentum must be at least 0 and below 1, not 1.0"),
        (lambda: SGD(nesterov=True), "nesterov needs a momentum above 0"),
        (lambda: Adam(beta1=1), "beta1 must be"),
        (lambda: Adam(beta2=-0.1), "beta2 must be"),
        (lambda: Adam(eps=0), "eps must be a positive number"),
        (lambda: AdamW(weight_decay=-0.1), "weight_decay must be a number of at least 0, not -0.1"),
        (lambda: RMSProp(rho=2), "rho must be"),
        (lambda: AdaGrad(clip_norm=0), "clip_norm must be a positive number, not 0"),
        (lambda: Adam(clip_value=-1), "clip_value must be a positive number, not -1"),
        (lambda: Nadam(momentum_decay=-1), "momentum_decay must be a number of at least 0"),
        (lambda: Muon(iterations=0), "Muon: iterations must be an integer of at least 1"),
        (lambda: Muon(coefficients=(1.0, 2.0)), "coefficients must be three numbers"),
        (lambda: Cosine(0.1, steps=0), "steps must be an integer of at least 1"),
        (lambda: Cosine(0.1, steps=10, end=-1), "end must be a number of at least 0"),
        (lambda: Constant(0), "lr must be"),
        (lambda: schedules.Schedule()(0), "does not say what the learning rate is"),
        (lambda: optimizers.get("adamax"), "there is no optimizer 'adamax'; choose one of sgd"),
        (lambda: Optimizer(0.1, 0, None).update([Parameter(np.ones(1))]), "does not say how a parameter is updated"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_the_bundles_of_a_step_are_those_of_the_last_one_while_nothing_changes(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "flat", True)
    made: list[Any] = []
    bundle = base.Bundle
    monkeypatch.setattr(base, "Bundle", lambda *given: made.append(given) or bundle(*given))
    ps, optimizer = [parameter(backend, normal((3, 4), i, "float32")) for i in range(3)], Adam()

    def bundles_of_a_step() -> list[int]:
        made.clear()
        for p in ps:
            p.grad = np.ones((3, 4))
        optimizer.update(ps)
        return [len(members) for members, *_ in made]

    def freeze(trainable: bool) -> None:
        ps[0].trainable = trainable

    changes: list[tuple[Callable[[], Any], list[int]]] = [
        (lambda: None, [3]),
        (lambda: optimizer.state[ps[0]].update(mean=backend.zeros((3, 4))), [3]),
        (lambda: freeze(False), [2]),
        (lambda: freeze(True), [1, 2]),  # it was updated less often
        (lambda: ps.reverse(), [1, 2]),
        (lambda: ps[0].move(backend), [1, 2]),
        (lambda: optimizer.state.pop(ps[1]), [1, 1, 1]),
    ]
    for change, sizes in changes:
        change()
        assert bundles_of_a_step() == sizes
        assert bundles_of_a_step() == []


def test_optimizers_have_names() -> None:
    for name, kind in optimizers.OPTIMIZERS.items():
        assert type(optimizers.get(name.upper())) is kind
    own = Adam()
    assert optimizers.get(own) is own
