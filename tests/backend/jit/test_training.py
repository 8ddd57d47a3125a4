"""Plans of training with Numba: what the layers give, and the same bits on any number of threads."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import bits, without_helpers
from tests.kit.strategies import normal, seeds
from xpnet import Sequential, layers, networks, random
from xpnet.backend import use_backend
from xpnet.backend.cpu import threads
from xpnet.core.plan import Plans
from xpnet.errors import DTypeError

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import together  # noqa: E402
from xpnet.backend.jit.compiled import compiled  # noqa: E402
from xpnet.backend.jit.training import layout, planner, run  # noqa: E402

JIT = jit_backend.JitBackend()


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


def built(parts: list[Any], shape: tuple[int, ...]) -> Any:
    random.seed(0)
    model = Sequential(parts)
    model.build(shape)
    for at, p in enumerate(model.parameters()):  # biases too
        p.value = normal(p.shape, at, "float32") / max(1, p.size // p.shape[0]) ** 0.5
    return model


def plan_of(model: Any, x: Any) -> Any:
    plan = model._plans.training(model, x)
    assert plan is not None
    return plan.run


def passed(model: Any, x: Any, dy: Any, need_dx: bool = True) -> list[Any]:
    """The output, all gradients, and that of x."""
    for p in model.parameters():
        p.zero_grad()
    y, back = model.forward(x, train=True)
    dx = back(dy, need_dx=need_dx)
    return [y, *[p.grad.copy() for p in model.parameters()], *([dx] if need_dx else [])]


def agrees(model: Any, x: Any, need_dx: bool = True) -> None:
    assert isinstance(plan_of(model, x), run.Training)
    dy = normal((len(x), *model.output_shape(x.shape[1:])), 7, "float32")
    found = passed(model, x, dy, need_dx)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plans, "training", lambda *_: None)
        expected = passed(model, x, dy, need_dx)
    least = x.size**0.5 / 10  # about what a sum over all pixels may lose by cancellation, beside 1
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=3e-6 * max(float(abs(other).max()), least))


ACTIVATIONS = (None, "relu", "sigmoid", "tanh")


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Any], tuple[int, ...]]:
    """Convolutions with whatever may stand behind them, and dense layers."""
    C, H, W = draw(st.integers(1, 4)), draw(st.integers(4, 40)), draw(st.integers(4, 40))
    parts: list[Any] = []
    size = H, W
    for _ in range(draw(st.integers(0, 3))):
        kernel = tuple(draw(st.integers(1, min(5, length))) for length in size)
        kernel = (kernel[0] + (kernel[0] == 3) * (1 if size[0] > 3 else -1), kernel[1])  # three rows are Winograd's
        pads = tuple((draw(st.integers(0, k)), draw(st.integers(0, k))) for k in kernel)
        act = draw(st.sampled_from(ACTIVATIONS))
        parts.append(
            layers.Conv2D(draw(st.integers(1, 17)), kernel, padding=pads, bias=draw(st.booleans()), activation=act)
        )
        size = tuple(n + sum(p) - k + 1 for n, p, k in zip(size, pads, kernel, strict=True))  # type: ignore[assignment]
        # Where a curve is flat, pixels that differ are equal behind it: then the largest is another one of them.
        if min(size) > 1 and act in (None, "relu") and draw(st.booleans()):
            parts.append(layers.MaxPool2D(2))
            size = size[0] // 2, size[1] // 2
            if act is None and draw(st.booleans()):
                parts.append(draw(st.sampled_from((layers.ReLU, layers.Tanh, layers.Sigmoid)))())
    parts.append(layers.Flatten())
    for _ in range(draw(st.integers(0, 2))):
        parts.append(layers.Dense(draw(st.integers(1, 70)), draw(st.booleans()), draw(st.sampled_from(ACTIVATIONS))))
    return [*parts, layers.Dense(draw(st.integers(1, 9)), activation=draw(st.sampled_from(ACTIVATIONS)))], (C, H, W)


@given(chain=chains(), N=st.integers(1, 23), seed=seeds, need_dx=st.booleans())
def test_random_chains(chain: Any, N: int, seed: int, need_dx: bool) -> None:
    parts, shape = chain
    agrees(built(parts, shape), normal((N, *shape), seed, "float32"), need_dx)


@pytest.mark.parametrize("network", [networks.MLP, networks.LeNet5, networks.SimpleConvNet])
@pytest.mark.parametrize("N", [1, 33, 100])
def test_networks(network: Any, N: int) -> None:
    random.seed(0)
    model = network()
    model.build((1, 28, 28))
    agrees(model, normal((N, 1, 28, 28), 3, "float32"))


def small(pad: int = 1) -> Any:
    parts = [
        layers.Conv2D(7, 5, padding=pad, activation="relu"), layers.MaxPool2D(2), layers.Conv2D(5, (2, 3)),
        layers.Flatten(), layers.Dense(90, activation="relu"), layers.Dense(6),
    ]  # fmt: skip
    return built(parts, (2, 14, 15))


@pytest.mark.parametrize("N", [1, 5, 64])
def test_no_bit_depends_on_the_threads(N: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ALONE", 1)
    for module in (layout, planner):
        monkeypatch.setattr(module, "SHARED", 1 << 10)
    x, dy, found = normal((N, 2, 14, 15), 1, "float32"), normal((N, 6), 2, "float32"), set()
    for count in (1, 2, 3, 5):
        for module in (threads, together, run):
            monkeypatch.setattr(module, "thread_count", lambda count=count: count)
        without_helpers()
        model = small()
        found |= {tuple(map(bits, passed(model, x, dy))) for _ in range(5)}
    without_helpers()
    assert len(found) == 1


@compiled()
def from_the_back(function, arguments, count):  # type: ignore[no-untyped-def]
    """All parts, the last one first."""
    for part in range(count - 1, -1, -1):
        together.call_part(function, arguments, part)


def test_what_one_image_gives_does_not_reach_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which another thread may have done before: the second one takes the images from the back."""
    monkeypatch.setattr(run, "ALONE", 1)
    for module in (threads, run):
        monkeypatch.setattr(module, "thread_count", lambda: 2)
    model = built([layers.Conv2D(1, 2), layers.Flatten(), layers.Dense(2)], (1, 4, 3))
    x, dy = normal((33, 1, 4, 3), 1, "float32"), normal((33, 2), 2, "float32")
    expected = passed(model, x, dy)
    monkeypatch.setattr(run, "run_parts", from_the_back)
    for one, other in zip(passed(model, x, dy), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@given(chain=chains(), N=st.integers(1, 23), seed=seeds)
def test_no_bit_depends_on_the_order(chain: Any, N: int, seed: int) -> None:
    parts, shape = chain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "ALONE", 1)
        patch.setattr(run, "thread_count", lambda: 2)
        model, x = built(parts, shape), normal((N, *shape), seed, "float32")
        dy = normal((N, *model.output_shape(shape)), 7, "float32")
        patch.setattr(run, "run_parts", together.alone)
        expected = passed(model, x, dy)
        patch.setattr(run, "run_parts", from_the_back)
        for one, other in zip(passed(model, x, dy), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_several_passes_before_the_first_way_back() -> None:
    model, batches = small(), [normal((9, 2, 14, 15), seed, "float32") for seed in range(3)]
    dy = normal((9, 6), 2, "float32")
    expected = [passed(model, x, dy) for x in batches]
    ways = [model.forward(x, train=True) for x in batches]
    for (y, back), wanted in reversed(list(zip(ways, expected, strict=True))):
        for p in model.parameters():
            p.zero_grad()
        dx = back(dy)
        assert all(
            np.array_equal(one, other)
            for one, other in zip([y, *[p.grad for p in model.parameters()], dx], wanted, strict=True)
        )


def test_gradients_add_up() -> None:
    model, x, dy = small(), normal((9, 2, 14, 15), 0, "float32"), normal((9, 6), 2, "float32")
    once = passed(model, x, dy)[1:-1]
    model.forward(x, train=True)[1](dy)
    for p, g in zip(model.parameters(), once, strict=True):
        np.testing.assert_array_equal(p.grad, g + g)


def test_one_layer_twice() -> None:
    twice = layers.Dense(12, activation="tanh")
    model = built([layers.Dense(12), twice, twice, layers.Dense(3)], (12,))
    agrees(model, normal((9, 12), 1, "float32"))


def test_frozen_parameters_get_no_gradient() -> None:
    model, x = small(), normal((4, 2, 14, 15), 1, "float32")
    y, back = model.forward(x, train=True)
    with model.frozen():
        back(y)
    assert not any(p.has_grad for p in model.parameters())


def test_arrays_in_any_order() -> None:
    model, x, dy = small(), normal((9, 2, 14, 15), 0, "float32"), normal((9, 6), 2, "float32")
    expected = passed(model, x, dy)
    found = passed(model, np.asfortranarray(x), dy[:, ::-1].copy()[:, ::-1])
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_threads_with_one_model() -> None:
    model, dy = small(), normal((9, 6), 2, "float32")
    batches = [normal((9, 2, 14, 15), seed, "float32") for seed in range(4)]
    expected = [passed(model, x, dy)[-1] for x in batches]
    wrong: list[int] = []

    def work(at: int) -> None:
        for _ in range(30):
            dx = model.forward(batches[at], train=True)[1](dy)
            if not np.array_equal(dx, expected[at]):
                wrong.append(at)

    workers = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not wrong


@pytest.mark.parametrize("parts, N", [
    ([layers.Conv2D(16, 3, padding=1), layers.Flatten(), layers.Dense(3)], 64),  # Winograd's has fewer multiplications
    ([layers.Conv2D(4, 3, stride=2), layers.Flatten(), layers.Dense(3)], 8),
    ([layers.Conv2D(4, 3), layers.AvgPool2D(2), layers.Flatten(), layers.Dense(3)], 8),
    ([layers.Conv2D(4, 3), layers.MaxPool2D(3, 2), layers.Flatten(), layers.Dense(3)], 8),
    ([layers.Flatten(), layers.Dense(3, activation="gelu"), layers.Dense(3)], 8),
    ([layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)], 8),
    ([layers.Conv2D(4, 3), layers.ReLU()], 8),
])  # fmt: skip
def test_what_has_no_compiled_plan(parts: list[Any], N: int) -> None:
    model = built([type(part)(**part.config()) for part in parts], (8, 12, 12))
    plan = model._plans.training(model, normal((N, 8, 12, 12), 0, "float32"))
    assert plan is None or not isinstance(plan.run, run.Training)


def test_many_rows_are_added_in_blocks() -> None:
    """A tenth of them would be lost in float32, added one after the other."""
    model = built([layers.Dense(3)], (2,))
    N = 100_001
    y, back = model.forward(np.zeros((N, 2), np.float32), train=True)
    assert isinstance(plan_of(model, np.zeros((N, 2), np.float32)), run.Training)
    back(np.full(y.shape, 0.1, np.float32))
    np.testing.assert_allclose(model.layers[0].bias.grad, N * np.float64(np.float32(0.1)), rtol=1e-6)


def test_the_first_of_equal_pixels_is_the_largest() -> None:
    model = built([layers.Conv2D(1, 1, bias=False), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(1)], (1, 2, 6))
    for p, value in zip(model.parameters(), (1, [[1, 2, 3]], 0), strict=True):
        p.value = np.full(p.shape, value, np.float32)
    x = np.array([[[[1, 1, 0, 1, 0, 0], [1, 1, 1, 0, 1, 1]]]], np.float32)
    dx = passed(model, x, np.ones((1, 1), np.float32))[-1]
    assert dx.tolist() == [[[[1, 0, 0, 2, 0, 0], [0, 0, 0, 0, 3, 0]]]]


def test_memory_of_other_batches_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "HELD", 1)
    model = small()
    for N in (3, 4, 5):
        x = normal((N, 2, 14, 15), 1, "float32")
        passed(model, x, normal((N, 6), 2, "float32"))
    plans = [plan.run for plan in model._plans._trained.values()]
    assert [len(plan.idle) for plan in plans] == [0, 0, 1]
    JIT.free_memory()
    assert [len(plan.idle) for plan in plans] == [0, 0, 0]


@pytest.mark.parametrize("dtype", [bool, np.float64])
def test_a_gradient_of_another_type_is_refused(dtype: Any) -> None:
    model, x = small(), normal((2, 2, 14, 15), 1, "float32")
    with pytest.raises(DTypeError, match="float32"):
        model.forward(x, train=True)[1](np.ones((2, 6), dtype))
    assert not any(p.has_grad for p in model.parameters())


def test_by_outputs_behind_stages_by_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which all have to be done before."""
    monkeypatch.setattr(run, "ALONE", 1)
    monkeypatch.setattr(layout, "CACHED", 4 * 40 * 60)  # of 40 samples, 60 inputs
    model = built([layers.Dense(60, activation="tanh"), layers.Dense(300), layers.Dense(40), layers.Dense(3)], (200,))
    x = normal((40, 200), 1, "float32")
    assert len(plan_of(model, x).ahead.phases) == 4
    for seed in range(5):
        agrees(model, normal((40, 200), seed, "float32"))
