"""Plans of training with NumPy alone: which networks have one, and how it goes about it."""

import functools
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import bits
from tests.kit.strategies import normal
from xpnet import Sequential, layers, networks, random
from xpnet.backend import on_backend
from xpnet.backend.cpu import planned_convolution, threads, training_plan
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.cpu.training_plan import TrainingPlan
from xpnet.backend.cpu.work import PRODUCT
from xpnet.core.parameter import Parameter
from xpnet.core.trace import trace

BACKEND = NumpyBackend()
IMAGE = (1, 28, 28)


def conv(filters: int, size: int = 3, **options: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, size, activation="relu", **options)


def chain(*parts: Any) -> Any:
    return Sequential([*parts, layers.Flatten(), layers.Dense(10)])


def built(model: Any, shape: tuple[int, ...] = IMAGE) -> Any:
    random.seed(0)
    with on_backend(BACKEND):
        model = model()
        model.build(shape)
    return model.to(BACKEND) if model.backend is not BACKEND else model


def plan_of(model: Any, N: int, shape: tuple[int, ...] = IMAGE) -> Any:
    model = built(model, shape)
    _, graph, why = trace(model, normal((N, *shape), 0, "float32"), True)
    assert graph is not None, why
    return BACKEND.plan_training(graph)


def back_and_forth(plan: Any, x: Any) -> list[Any]:
    """y, dx and the gradients of a plan."""
    parameters = [
        each for stage in plan.stages for each in (stage.op.args["w"], stage.op.args["b"]) if each is not None
    ]
    for p in parameters:
        p.zero_grad()
    y, back = plan(x)
    return [y, back(np.cos(y), True), *[p.grad.copy() for p in parameters]]


PLANNED: list[tuple[Callable[[], Any], int]] = [
    (networks.MLP, 1),
    (networks.MLP, 1024),
    (networks.LeNet5, 1),
    (networks.LeNet5, 128),
    (networks.SimpleConvNet, 100),
    (lambda: chain(conv(8), conv(8)), 8),
    (lambda: chain(layers.Conv2D(3, 3), layers.ReLU(), layers.MaxPool2D(2), layers.ReLU()), 8),
    (lambda: Sequential([layers.Flatten(), layers.Dense(4, activation="gelu"), layers.Dense(4, activation="tanh")]), 8),
]
UNPLANNED: list[tuple[Callable[[], Any], int]] = [
    (networks.MLP, 1025),
    (networks.SimpleConvNet, 400),
    (lambda: chain(conv(8), conv(16, 5), conv(8)), 8),
    (lambda: chain(conv(8), layers.MaxPool2D(2), conv(128), layers.MaxPool2D(2)), 8),
    (lambda: chain(conv(8, stride=2)), 8),
    (lambda: chain(conv(8, dilation=2)), 8),
    (lambda: chain(conv(8), conv(8, groups=2)), 8),
    (lambda: chain(layers.Conv2D(8, 3, activation="tanh")), 8),
    (lambda: chain(conv(8), layers.MaxPool2D(3, stride=2)), 8),
    (lambda: chain(conv(8), layers.MaxPool2D(2), layers.MaxPool2D(2)), 8),
    (lambda: chain(layers.MaxPool2D(2), conv(8)), 8),
    (lambda: chain(layers.ReLU(), conv(8)), 8),
    (lambda: chain(conv(8), layers.AvgPool2D(2)), 8),
    (lambda: Sequential([layers.Flatten(), layers.Dense(4), layers.Tanh(), layers.Sigmoid()]), 8),
    (lambda: Sequential([layers.Flatten(), layers.Dense(4), layers.Softmax()]), 8),
    (lambda: Sequential([layers.Reshape((28, 28)), layers.Dense(4)]), 8),
    (lambda: chain(conv(8), layers.Reshape((4, 4, 338)), conv(8)), 8),
    (lambda: Sequential([conv(8)]), 8),
    (layers.Flatten, 8),
]


@pytest.mark.parametrize("model, N", PLANNED)
def test_what_has_a_plan(model: Callable[[], Any], N: int) -> None:
    assert isinstance(plan_of(model, N), TrainingPlan)


@pytest.mark.parametrize("model, N", UNPLANNED)
def test_what_has_none(model: Callable[[], Any], N: int) -> None:
    assert plan_of((lambda: Sequential([model()])) if model is layers.Flatten else model, N) is None


def test_compiled_convolutions_are_faster_than_a_plan() -> None:
    class Compiled(NumpyBackend):
        lanes = 16

    for model, planned in ((networks.MLP, True), (networks.LeNet5, False)):
        _, graph, _ = trace(built(model), normal((4, *IMAGE), 0, "float32"), True)
        assert (training_plan.plan_training(Compiled(), graph) is not None) is planned


@pytest.mark.parametrize("model, shape", [(networks.LeNet5, IMAGE), (lambda: chain(conv(5), conv(7)), (3, 11, 13))])
def test_the_same_bits_in_any_bands_and_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, model: Callable[[], Any], shape: tuple[int, ...]
) -> None:
    x = normal((8, *shape), 0, "float32")
    expected = back_and_forth(plan_of(model, 8, shape), x)
    monkeypatch.setattr(planned_convolution, "WORTH", 1)
    for band, count in ((1, 1), (1, 3), (1 << 16, 2), (1 << 30, 3)):
        monkeypatch.setattr(planned_convolution, "BAND", band)
        team = threads.Team(count - 1)
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        monkeypatch.setattr(threads, "team", functools.cache(lambda team=team: team))
        found = back_and_forth(plan_of(model, 8, shape), x)
        assert [*map(bits, found)] == [*map(bits, expected)]
        team.close()


def test_blas_takes_the_products_of_lenet5_without_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = list[int]()
    matmul = np.matmul

    def measured(a: Any, b: Any, out: Any = None) -> Any:
        sizes.append(a.shape[-2] * a.shape[-1] * b.shape[-1] if b.ndim > 1 else 0)
        return matmul(a, b, out)

    monkeypatch.setattr(np, "matmul", measured)
    plan = plan_of(networks.LeNet5, 64)
    y, back = plan(normal((64, *IMAGE), 0, "float32"))
    back(y, False)
    sizes.clear()
    convolutions = [layer for layer in plan.idle[0].layers if hasattr(layer, "bands")]
    for layer in convolutions:
        for band in layer.bands:
            for calls in band[1:]:
                for call in calls:
                    call()
        for _, calls in layer.dx_calls:
            for call in calls:
                call()
    assert len(convolutions) == 2 and len(sizes) == 18 and max(sizes) <= PRODUCT


def test_a_set_of_arrays_for_each_that_is_under_way() -> None:
    plan, x = plan_of(networks.LeNet5, 2), normal((2, *IMAGE), 0, "float32")
    y, back = plan(x)
    back(y, False)
    (first,) = plan.idle
    (y, back), (_, other), _ = plan(x), plan(x), plan(x)
    assert plan.idle == []
    other(y, False)
    assert len(plan.idle) == 1 and plan.idle[0] is not first
    back(y, False)
    assert len(plan.idle) == 2 and plan.idle[1] is first


def test_gradients_go_to_their_places_without_new_memory() -> None:
    model = built(networks.LeNet5)
    model.compile("sgd", "softmax_cross_entropy")
    x, t = normal((64, *IMAGE), 0, "float32"), np.arange(64) % 10
    model.train_on_batch(x, t)
    y, back = model.forward(x, train=True)
    back(y, need_dx=False)
    assert all(p.gradient.source is p.gradient.array for p in model.parameters())
    for p in model.parameters():
        p.zero_grad()
    tracemalloc.start()
    try:
        y, back = model.forward(x, train=True)
        back(y, need_dx=False)
        del back
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for p in model.parameters():
            p.zero_grad()
        y, back = model.forward(x, train=True)
        back(y, need_dx=False)
        assert tracemalloc.get_traced_memory()[1] - before < 1 << 16  # of NumPy's own, within its calls
    finally:
        tracemalloc.stop()


def test_a_place_for_a_gradient_that_lies_otherwise() -> None:
    plan, x = plan_of(networks.MLP, 32), normal((32, *IMAGE), 0, "float32")
    expected = back_and_forth(plan, x)
    weight = plan.stages[0].op.args["w"]
    weight.gradient.array = np.zeros(weight.shape, np.float32, order="F")
    for one, other in zip(back_and_forth(plan, x), expected, strict=True):
        assert (one == other).all()


def test_gradients_that_nobody_takes_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = built(networks.LeNet5), normal((4, *IMAGE), 0, "float32")
    monkeypatch.setattr(Parameter, "add_grad", None)
    with model.frozen():
        y, back = model.forward(x, train=True)
        dx = back(y)
    assert dx.shape == x.shape and not any(p.has_grad for p in model.parameters())


def test_arrays_are_not_kept_for_ever() -> None:
    x, plans = normal((1, *IMAGE), 0, "float32"), [plan_of(networks.MLP, 1) for _ in range(training_plan.MOST + 2)]
    for plan in plans:
        y, back = plan(x)
        back(y, False)
        plan(x)[1](y, False)
    assert [len(plan.idle) for plan in plans] == [0, 0] + [1] * training_plan.MOST
    plans[2](x)[1](y, False)
    plans[0](x)[1](y, False)
    assert [len(plan.idle) for plan in plans[:5]] == [1, 0, 1, 0, 1]
    BACKEND.free_memory()
    assert not any(plan.idle for plan in plans)
    gone = weakref.ref(plans[0])
    del plans, plan, back
    assert gone() is None
