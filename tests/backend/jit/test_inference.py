"""Networks answered by one call of a compiled kernel: what the reference computes, operation by operation; the same
bits in every batch and on any number of threads; with the weights as they are now.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.graphs import Net, Op, Value, conv, dense, learned, norm, small
from tests.kit.helpers import assert_close, assert_same, bits, in_threads, without_helpers
from tests.kit.strategies import ConvCase, PoolCase, convolutions, integers, normal, poolings, seeds
from xpnet import layers, networks
from xpnet.backend import use_backend
from xpnet.backend.cpu import threads
from xpnet.backend.reference.elementwise import FORMULAS
from xpnet.backend.window import Window
from xpnet.core.parameter import Parameter
from xpnet.model import Model, Sequential

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import curves, inference  # noqa: E402

JIT = jit_backend.JitBackend()


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


def planned(net: Net) -> Any:
    answers = inference.plan(net)
    assert answers is not None
    return answers


# ---- each operation, on whole numbers to the bit ---------------------------------------------------------------------


@given(case=convolutions((1, 11), channels=17), relu=st.booleans(), bias=st.booleans())
def test_convolution(case: ConvCase, relu: bool, bias: bool) -> None:
    net = Net(*case.x_shape[1:])
    w = learned(*case.w_shape, seed=case.seed, whole=True)
    b = learned(case.w_shape[0], seed=case.seed + 1, whole=True) if bias else None
    net.then("conv2d", w=w, b=b, window=case.window, groups=case.groups, activation="relu" if relu else None)
    x = integers(case.x_shape, case.seed + 2, "float32")
    assert_same(planned(net)(x), net.expected(x))


@given(first=convolutions((1, 3), channels=9), kernel=st.integers(1, 3), seed=seeds)
def test_one_convolution_after_the_other(first: ConvCase, kernel: int, seed: int) -> None:
    """What has gaps between its rows is read as it is, or with a margin, or put together."""
    net, (_, O, H, W) = Net(*first.x_shape[1:]), first.y_shape
    w = learned(*first.w_shape, seed=seed, whole=True)
    net.then("conv2d", w=w, b=None, window=first.window, groups=first.groups, activation=None)
    kept = net.value
    for window in (Window((min(kernel, H), min(kernel, W))), Window((3, 3), padding=((1, 1), (1, 1)))):
        w = learned(5, O, *window.kernel, seed=seed + 1, whole=True)
        net.then("conv2d", x=kept, w=w, b=None, window=window, groups=1, activation=None)
        x = integers(first.x_shape, seed + 2, "float32")
        assert_same(planned(net)(x), net.expected(x))
    net.then("activation", x=kept, name="hard_tanh", constants=(-20.0, 20.0))
    assert_same(planned(net)(x), net.expected(x))
    net.then("reshape", shape=(1, O * H * W))
    assert_same(planned(net)(x), net.expected(x))


@given(case=poolings((1, 11)))
@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d"])
def test_pooling(kind: str, case: PoolCase) -> None:
    net, x = Net(*case.x_shape[1:]), integers(case.x_shape, case.seed, "float32")
    net.then(kind, window=case.window)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-6)


@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d"])
def test_pooling_beyond_the_edges(kind: str) -> None:
    net, x = Net(2, 6, 7), normal((3, 2, 6, 7), 1, "float32")
    net.then(kind, window=Window((3, 3), padding=((0, 2), (1, 2))))
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-6)


@given(C=st.integers(1, 3), H=st.integers(2, 12), W=st.integers(2, 80), seed=seeds)
def test_pooling_of_pairs(C: int, H: int, W: int, seed: int) -> None:
    """Behind another operation, where it goes through rows in vectors; with edges and what is not finite."""
    net, x = Net(C, H, W), integers((3, C, H, W), seed, "float32")
    x[x == 2] = np.nan
    x[x == 1] = -np.inf
    net.then("activation", name="hard_tanh", constants=(-np.inf, np.inf))
    net.then("max_pool2d", window=Window((2, 2), (2, 2)))
    np.testing.assert_array_equal(planned(net)(x), net.expected(x))


@given(N=st.integers(1, 20), inputs=st.integers(1, 70), outputs=st.integers(1, 25), relu=st.booleans(), seed=seeds)
def test_dense(N: int, inputs: int, outputs: int, relu: bool, seed: int) -> None:
    net, x = Net(inputs), integers((N, inputs), seed, "float32")
    w, b = learned(outputs, inputs, seed=seed + 1, whole=True), learned(outputs, seed=seed + 2, whole=True)
    net.then("dense", w=w, b=b, activation="relu" if relu else None)
    assert_same(planned(net)(x), net.expected(x))


CONSTANTS: dict[str, tuple[float, ...]] = {
    "leaky_relu": (0.3,), "elu": (0.7, 1.2, 0.5), "hard_tanh": (-0.3, 1.5), "softplus": (2.0, 20.0), "tanh": (1.7, 0.6),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_activation(name: str) -> None:
    net = Net(2001)
    net.then("activation", name=name, constants=CONSTANTS.get(name, ()))
    x = np.linspace([-100, -1e-2], [100, 1e-2], 2001, dtype=np.float32).T
    got, wanted = planned(net)(x), net.expected(x)
    assert np.all(np.abs(got - wanted) <= 4e-7 * np.abs(wanted) + 1e-37 + 2e-7 * np.minimum(np.abs(x), 4))
    edges = np.resize(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38], np.float32), (1, 2001))
    np.testing.assert_allclose(planned(net)(edges), net.expected(edges), rtol=1e-6, atol=1e-37)


def test_every_activation_is_there() -> None:
    assert {*curves.NAMES} == {*FORMULAS, "relu"}


def joined(net: Net) -> None:
    first = conv(net, 3, Window((1, 1)), 1)
    second = conv(net, 4, Window((3, 3), padding=((1, 1), (1, 1))), 2)
    net.then("concat", xs=(first, second), axis=1)


OTHERS: dict[str, Callable[[Net], object]] = {
    "mean": lambda net: net.then("mean", axis=(2, 3), keepdims=False),
    "local_response_norm": lambda net: net.then("local_response_norm", size=4, alpha=0.3, beta=0.75, k=2.0),
    "pad": lambda net: net.then("pad", padding=((1, 0), (2, 3)), value=-1.5),
    "running_norm": lambda net: norm(net, net.shapes[0][1], 1),
    "concat": joined,
}


@pytest.mark.parametrize("shape", [(5, 7, 9), (1, 1, 1), (3, 30, 50)], ids=str)
@pytest.mark.parametrize("name", OTHERS)
def test_other_operations(name: str, shape: tuple[int, ...]) -> None:
    net, x = Net(*shape), normal((11, *shape), 3, "float32")
    OTHERS[name](net)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)


def test_of_rows() -> None:
    net, x = Net(11), normal((20, 11), 3, "float32")
    kept = dense(net, 11, 1)
    norm(net, 11, 2)
    net.then("add", x=net.value, y=kept)
    net.then("concat", xs=(net.value, kept), axis=1)
    net.then("softmax", axis=1)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)


def test_a_mean_of_many() -> None:
    net = Net(1, 1000, 1000)
    net.then("mean", axis=(2, 3), keepdims=False)
    x = np.full((1, 1, 1000, 1000), 0.1, np.float32)
    assert abs(planned(net)(x)[0, 0] / np.float64(np.float32(0.1)) - 1) < 1e-7


def test_a_mean_of_a_large_window() -> None:
    net, x = Net(1, 40, 42), np.full((1, 1, 40, 42), 0.1, np.float32)
    net.then("avg_pool2d", window=Window((40, 40)))
    assert np.all(np.abs(planned(net)(x) / np.float64(np.float32(0.1)) - 1) < 1e-7)


def test_a_mean_of_signals() -> None:
    net, x = Net(4, 33), normal((5, 4, 33), 1, "float32")
    net.then("mean", axis=(2,), keepdims=False)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-6)
    net = Net(4, 33)
    net.then("mean", axis=1, keepdims=True)
    assert inference.plan(net) is None


def test_softmax_of_edges() -> None:
    net = Net(3)
    net.then("softmax", axis=1)
    x = np.array([[np.nan, 0, 1], [np.inf, 0, 1], [-np.inf, 0, 0], [3e38, -3e38, 0]], np.float32)
    np.testing.assert_allclose(planned(net)(x), net.expected(x), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_meets_the_margin(value: float) -> None:
    """As the definition says: infinity times the zeros of the margin is no number."""
    net = Net(2, 5, 6)
    conv(net, 3, Window((3, 3), padding=((1, 1), (1, 1))), 1)
    x = normal((2, 2, 5, 6), 2, "float32")
    net.ops[0].args["w"].value[1, 0, 0, 2] = value
    np.testing.assert_allclose(planned(net)(x), net.expected(x), rtol=1e-4, atol=1e-5)


# ---- networks --------------------------------------------------------------------------------------------------------


def test_a_network() -> None:
    net = small()
    x = normal((11, 3, 13, 11), 9, "float32")
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-5)


def test_no_bit_depends_on_the_batch_or_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = small(), normal((45, 3, 13, 11), 9, "float32")
    monkeypatch.setattr(inference, "SHARED", 1)
    answers, found = planned(net), set()
    assert answers.least == 1
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        without_helpers()
        found.add(bits(answers(x)))
        for first, end in ((0, 1), (44, 45), (3, 6), (10, 17), (5, 13), (20, 40)):
            found.add(bits(answers(x[first:end])) and bits(answers(x)))
            assert_same(answers(x[first:end]), answers(x)[first:end])
    without_helpers()
    assert len(found) == 1


def test_threads_share_a_large_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """By channels and by pixels; the same bits as one thread's."""
    net = Net(6, 16, 18)
    conv(net, 33, Window((3, 3), padding=((1, 1), (1, 1))), 1, activation="relu")
    conv(net, 30, Window((3, 3), (2, 2)), 2, groups=3)
    norm(net, 30, 3)
    conv(net, 90, Window((3, 3)), 4)
    norm(net, 90, 5)
    net.then("reshape", shape=(1, 90 * 5 * 6))
    dense(net, 70, 6, activation="relu")
    dense(net, 5, 7)
    x = normal((2, 6, 16, 18), 9, "float32")
    alone = planned(net)(x)
    monkeypatch.setattr(inference, "LARGE", 1)
    monkeypatch.setattr(inference, "SHARED", 1 << 12)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(inference, "thread_count", lambda: 3)
    without_helpers()
    answers = planned(net)
    assert max(map(len, answers.parts)) > 3 and sum(len(tables) > 1 for tables in answers.parts) == 4
    for _ in range(5):
        assert_same(answers(x), alone)
    without_helpers()
    assert_close(alone, net.expected(x), JIT, tolerance=1e-5)


def test_any_strides_and_read_only() -> None:
    net, x = small(), normal((5, 3, 13, 11), 9, "float32")
    answers, wanted = planned(net), planned(net)(x)
    fixed = x.copy()
    fixed.flags.writeable = False
    for same in (np.asfortranarray(x), x[::-1].copy()[::-1], fixed):
        assert_same(answers(same), wanted)
    assert answers(x) is not answers(x) and not np.shares_memory(answers(x), answers(x))
    assert answers(x[:0]).shape == (0, 9)


def test_weights_are_read_anew() -> None:
    net, x = small(), normal((3, 3, 13, 11), 9, "float32")
    answers = planned(net)
    answers(x)
    for op in net.ops:
        for arg in op.args.values():
            if isinstance(arg, Parameter):
                arg.value[...] *= 0.9
    assert_close(answers(x), net.expected(x), JIT, tolerance=1e-5)


def test_threads_of_the_users() -> None:
    net, batches = small(), [normal((3, 3, 13, 11), seed, "float32") for seed in range(4)]
    answers = planned(net)
    wanted = [bits(answers(x)) for x in batches]
    found: dict[int, set[bytes]] = {}

    def work(number: int) -> None:
        found[number] = {bits(answers(batches[number])) for _ in range(50)}

    in_threads(work)
    assert [found[number] for number in range(4)] == [{each} for each in wanted]


def test_an_output_that_is_needed_again() -> None:
    """What the network gives is read by another operation, or is its input."""
    net = Net(6)
    kept = dense(net, 5, 1)
    dense(net, 4, 2)
    net.output = kept.number
    x = normal((3, 6), 3, "float32")
    assert_close(planned(net)(x), net.expected(x), JIT)
    net = Net(2, 3)
    net.then("reshape", shape=(1, 6))
    y = planned(net)(x.reshape(3, 2, 3))
    assert_same(y, x)
    assert not np.shares_memory(x, y)


def test_what_it_does_not_know() -> None:
    net = Net(3, 4, 4)
    net.then("sum", axis=(2, 3))
    assert inference.plan(net) is None
    net = small()
    net.dtypes[3] = "float64"
    assert inference.plan(net) is None
    net = Net(6)
    net.then("dense", w=Parameter(normal((5, 6), 1)), b=None, activation=None)  # of float64
    assert inference.plan(net) is None
    net = Net(6)
    net.then("dense", w=normal((5, 6), 1, "float32"), b=None, activation=None)  # computed, not learned
    assert inference.plan(net) is None
    net = Net(4, 6)
    net.shapes.append((4, 6))
    net.dtypes.append("float32")
    net.ops.append(Op("reshape", {"x": Value(0), "shape": (4, 6)}, (1,)))
    net.output = 1
    assert inference.plan(net) is None


NETWORKS: dict[str, tuple[Callable[[], Model], tuple[int, ...]]] = {
    "mlp": (networks.MLP, (1, 28, 28)),
    "lenet5": (networks.LeNet5, (1, 28, 28)),
    "deepconvnet": (networks.DeepConvNet, (1, 28, 28)),
    "blocks": (
        lambda: Sequential([networks.BasicBlock(4), networks.BasicBlock(6, 2, "projection"), layers.GlobalAvgPool2D()]),
        (4, 9, 9),
    ),
    "others": (
        lambda: Sequential([
            layers.Conv2D(5, 3, padding="same", activation="tanh"), layers.BatchNorm2D(), layers.GELU(),
            layers.LocalResponseNorm(3), layers.AvgPool2D(2), layers.ZeroPad2D(1), layers.Conv2D(4, 3, stride=2),
            layers.Flatten(), layers.Dropout(0.5), layers.Dense(3), layers.Softmax(),
        ]),
        (2, 8, 10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_predict_is_one_compiled_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, shape = NETWORKS[name]
    model, x = make(), normal((1, *shape), 1, "float32")
    model.build(shape)
    with monkeypatch.context() as as_it_is_written:
        as_it_is_written.setattr(JIT, "planned", None)
        wanted = model(x)
    calls, answer = [], inference.answer
    monkeypatch.setattr(inference, "answer", lambda *args: calls.append(args) or answer(*args))
    for _ in range(2):
        assert_close(model.predict(x), wanted, JIT, tolerance=1e-5)
    assert len(calls) == 2
    before = bits(model.predict(x))
    for parameter in model.parameters():
        parameter.value[...] *= 0.5
    assert bits(model.predict(x)) != before


# ---- other processors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [4, 8])
def test_other_processors(lanes: int, tmp_path: Path) -> None:
    """The tiles in the form for NEON and AVX2; LLVM makes of it what this processor has."""
    script = f"""
import llvmlite.binding
features = {{4: {{}}, 8: {{"avx2": True}}}}[{lanes}]
llvmlite.binding.get_host_cpu_features = lambda: llvmlite.binding.FeatureMap(features)
from tests.backend.jit import test_inference as t
assert t.inference.LANES == {lanes}
for seed, outputs in enumerate((6, 7, 23)):
    window = t.Window((3, 3), (1, 1), ((1, 1), (1, 0)))
    case = t.ConvCase(window, 1, (2, 5, 6 + seed, 7), (outputs, 5, 3, 3), seed)
    t.test_convolution.hypothesis.inner_test(case=case, relu=True, bias=True)
    t.test_dense.hypothesis.inner_test(N=7, inputs=30 + seed, outputs=outputs, relu=False, seed=seed)
"""
    root, given_environment = Path(__file__).parents[3], {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=root, env=given_environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
