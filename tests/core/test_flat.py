"""Parameters that lie behind one another: the same numbers as one by one, and each stays an object of its own."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_lives_on, assert_same
from tests.kit.strategies import integers, normal, seeds
from xpnet import layers
from xpnet.backend import Backend, make_backend
from xpnet.core.flat import Flat, find_pieces, lay_out
from xpnet.core.parameter import Parameter, zero_gradients
from xpnet.model import Sequential
from xpnet.optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Momentum, Nadam, Nesterov, Optimizer, RAdam, RMSProp

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW, Nadam, RAdam, Lion]
SHAPES = [(3, 4), (64,), (2, 1, 3, 3), (1,), (65,)]


def parameters(backend: Backend, seed: int = 0, **options: Any) -> list[Parameter]:
    arrays = [backend.asarray(normal(shape, seed + i, "float32")) for i, shape in enumerate(SHAPES)]
    return [Parameter(backend.copy(array), backend=backend, **options) for array in arrays]


def test_values_and_gradients_become_views(backend: Backend) -> None:
    ps = parameters(backend)
    before = [backend.to_numpy(p.value).copy() for p in ps]
    ps[1].grad = np.ones(64)
    flat = Flat(ps)
    assert flat.shape == tuple(flat.value.shape) == (5 * 64 + 64,)
    assert_lives_on(backend, flat.value, "float32")
    for p, value in zip(ps, before, strict=True):
        assert_same(p.value, value, backend)
    assert [float(backend.to_numpy(flat.grad)[start]) for start in flat.starts] == [0, 1, 0, 0, 0]
    flat.value[...] = flat.value * 0 + 7
    for p in ps:
        assert_same(p.value, np.full(p.shape, 7, np.float32), backend)
    ps[2].value = np.full(ps[2].shape, 3.0)
    assert float(backend.to_numpy(flat.value)[flat.starts[2]]) == 3


def test_gradients_are_collected_when_somebody_looks(backend: Backend) -> None:
    ps = parameters(backend)
    flat = Flat(ps)
    for _ in range(2):
        first, second = (backend.asarray(integers(ps[0].shape, seed, "float32")) for seed in (1, 2))
        third = backend.asarray(integers(ps[4].shape, 3, "float32"))
        ps[0].add_grad(first)
        ps[0].add_grad(second)
        ps[4].add_grad(third)
        expected = np.zeros(flat.size, np.float32)
        expected[:12] = (integers(ps[0].shape, 1, "float32") + integers(ps[0].shape, 2, "float32")).ravel()
        expected[flat.starts[4] :][:65] = integers(ps[4].shape, 3, "float32")
        assert_same(flat.grad, expected, backend)
        assert_same(ps[4].grad, integers(ps[4].shape, 3, "float32"), backend)
        assert_same(first, integers(ps[0].shape, 1, "float32"), backend)  # what was given is not written to
        ps[4].add_grad(third)
        assert_same(ps[4].grad, 2 * integers(ps[4].shape, 3, "float32"), backend)
        zero_gradients(ps)
        assert_same(flat.grad, np.zeros(flat.size, np.float32), backend)
        zero_gradients(ps)


def test_places_that_are_lent_stay_parts_of_the_whole() -> None:
    ps = parameters(make_backend("numpy"))
    flat = Flat(ps)
    for look in (False, True, False):
        places = [p.lend_grad() for p in ps]
        assert all(place is not None and np.shares_memory(place, flat.array) for place in places)
        ps[1].add_grad(np.ones(64, np.float32))
        if look:
            ps[1].add_grad(np.ones(64, np.float32))
            np.testing.assert_array_equal(ps[1].grad, np.full(64, 2))
        for p, place in zip(ps[:4], places, strict=False):  # the last one never comes
            assert place is not None
            place[...] = 3
            p.add_grad(place)
        expected = np.zeros(flat.size)
        for i, p in enumerate(ps[:4]):
            expected[flat.starts[i] :][: p.size] = 3 + (1 + look) * (i == 1)
        np.testing.assert_array_equal(flat.grad, expected)
        assert all(np.shares_memory(p.grad, flat.array) for p in ps)
        zero_gradients(ps)


def test_parameters_are_laid_out_once(backend: Backend) -> None:
    ps = parameters(backend)
    flat = lay_out(ps)
    assert lay_out(ps) is flat
    assert flat.holds(ps) and not flat.holds(ps[1:]) and not flat.holds(ps[::-1])
    other = lay_out(ps[1:])
    assert other.holds(ps[1:]) and not flat.holds(ps)
    assert find_pieces(ps) == [other, ps[0]]  # the first one's array is still that of `flat`, which lost the rest


def test_laying_out_keeps_the_gradients(backend: Backend) -> None:
    ps = parameters(backend)
    ps[0].add_grad(backend.asarray(np.ones((3, 4), np.float32)))
    ps[2].grad = np.full(ps[2].shape, 2.0)
    lay_out(ps)
    assert [p.has_grad for p in ps] == [True, False, True, False, False]
    ps[0].add_grad(backend.asarray(np.ones((3, 4), np.float32)))
    for p, expected in zip(ps, (2, 0, 2, 0, 0), strict=True):
        assert_same(p.grad, np.full(p.shape, expected, np.float32), backend)


def test_the_pieces_are_those_of_which_all_is_asked_for(backend: Backend) -> None:
    ps, alone = parameters(backend), parameters(backend, seed=9)
    one, two = lay_out(ps[:2]), lay_out(ps[2:])
    assert find_pieces([alone[0], *ps, alone[1]]) == [one, two, alone[0], alone[1]]
    assert find_pieces(p for p in ps[1:]) == [two, ps[1]]
    assert find_pieces([]) == []
    ps[3].move(backend)
    assert find_pieces(ps) == [one, *ps[2:]]


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=250), seed=seeds)
def test_collect_lays_any_number_of_parts(backend: Backend, sizes: list[int], seed: int) -> None:
    numbers = np.random.default_rng(seed)
    starts, parts, expected, end = [], [], [], 0
    for size in sizes:
        starts.append(end)
        part = None if numbers.random() < 0.3 else integers((size,), int(numbers.integers(1000)), "float32")
        parts.append(part)
        gap = int(numbers.integers(3))
        expected += [np.zeros(size, np.float32) if part is None else part, np.zeros(gap, np.float32)]
        end += size + gap
    flat = backend.asarray(np.full(end, np.nan, np.float32))
    flat = backend.copy(flat)
    backend.collect(flat, [None if part is None else backend.asarray(part) for part in parts], starts)
    assert_same(flat, np.concatenate(expected), backend)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_one_call_for_all_gives_the_numbers_of_one_for_each(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, kind: type[Optimizer], clip_norm: float | None
) -> None:
    together, apart = parameters(backend), parameters(backend)
    results = []
    for ps, flat in ((together, True), (apart, False)):
        monkeypatch.setattr(backend, "flat", flat)
        optimizer = kind(weight_decay=0.1, clip_norm=clip_norm)  # type: ignore[call-arg]
        for step in range(6):
            ps[1].trainable = step not in (2, 3)
            for i, p in enumerate(ps):
                if (i + step) % 4:  # one in four has no gradient
                    p.add_grad(backend.asarray(normal(p.shape, 10 * step + i, "float32")))
            optimizer.update(ps)
        assert [optimizer.state[p].steps for p in ps] == [6, 4, 6, 6, 6]
        if flat:  # those that were updated as often lie together
            assert find_pieces(ps) == [lay_out([ps[0], *ps[2:]]), ps[1]]
        else:
            assert find_pieces(ps) == ps
        results.append([backend.to_numpy(p.value) for p in ps])
        for p in ps:
            for array in optimizer.state[p].values():
                assert tuple(array.shape) == p.shape
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_state_that_somebody_sets_is_taken_over(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "flat", True)
    ps, optimizer = parameters(backend), Momentum(lr=1.0, momentum=0.5)
    optimizer.update(ps)
    before = backend.to_numpy(ps[0].value).copy()
    optimizer.state[ps[0]]["velocity"] = backend.asarray(np.full((3, 4), 2.0, np.float32))
    optimizer.update(ps)
    assert_same(ps[0].value, before - 1, backend)
    assert_same(optimizer.state[ps[0]]["velocity"], np.ones((3, 4), np.float32), backend)


def trained(model: Sequential) -> Sequential:
    for i, p in enumerate(model.parameters()):
        p.add_grad(model.backend.asarray(normal(p.shape, i), model.dtype))
    assert model.optimizer
    model.optimizer.update(model.parameters())
    return model


@pytest.fixture
def network(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Sequential:
    monkeypatch.setattr(backend, "flat", True)
    model = Sequential([layers.Dense(3), layers.BatchNorm1D(), layers.Dense(2)])
    model.build((4,))
    model.compile(Adam(0.1))
    return trained(model)


def test_a_copy_stands_alone(network: Sequential) -> None:
    backend, other = network.backend, copy.deepcopy(network)
    values = [np.array(w) for w in network.get_weights()]
    trained(trained(other))
    for w, value in zip(network.get_weights(), values, strict=True):
        np.testing.assert_array_equal(w, value)
    trained(trained(network))  # the copy took the optimizer's state along
    for p, q in zip(network.parameters(), other.parameters(), strict=True):
        assert_same(p.value, q.value, backend)


def test_a_copy_in_another_process_stands_alone() -> None:
    ps = parameters(make_backend("numpy"))
    flat, optimizer = lay_out(ps), Adam()
    for p in ps:
        p.add_grad(normal(p.shape, 1, "float32"))
    optimizer.update(ps)
    others, own = pickle.loads(pickle.dumps((ps, optimizer)))
    assert find_pieces(others) == others
    for each, rule in ((ps, optimizer), (others, own)):
        for p in each:
            p.add_grad(normal(p.shape, 2, "float32"))
        rule.update(each)
    assert flat.holds(ps) and len(find_pieces(others)) == 1
    for p, q in zip(ps, others, strict=True):
        np.testing.assert_array_equal(p.value, q.value)


def test_a_shared_layer_is_laid_out_once(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "flat", True)
    shared = layers.Dense(3)
    model = Sequential([shared, shared])
    model.build((3,))
    model.compile(SGD(1.0))
    _, back = model.forward(backend.asarray(normal((2, 3), 1, "float32")), train=True)
    back(backend.asarray(normal((2, 3), 2, "float32")))
    expected = backend.to_numpy(shared.weight.value) - backend.to_numpy(shared.weight.grad)
    assert model.optimizer
    model.optimizer.update(model.parameters())
    assert_same(shared.weight.value, expected, backend)


def test_parameters_leave_when_they_move(network: Sequential) -> None:
    network.to("reference")
    assert find_pieces(network.parameters()) == network.parameters()
    trained(network)
    network.astype("float64")
    trained(network)
    for p in network.parameters():
        assert_lives_on(make_backend("reference"), p.value, "float64")


def test_weights_are_set_and_saved_in_place(network: Sequential, tmp_path: Any) -> None:
    flat, *statistics = find_pieces(network.parameters())
    assert isinstance(flat, Flat) and not any(p.trainable for p in statistics)
    network.save_weights(tmp_path / "w.safetensors")
    saved = network.get_weights()
    trained(network)
    network.load_weights(tmp_path / "w.safetensors")
    assert find_pieces(network.parameters()) == [flat, *statistics]
    for w, value in zip(network.get_weights(), saved, strict=True):
        np.testing.assert_array_equal(w, value)
    start = network.backend.to_numpy(flat.value)[:12].reshape(3, 4)
    np.testing.assert_array_equal(start, saved[0])
