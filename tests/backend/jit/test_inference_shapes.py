"""Compiled plans of what arranges numbers anew: transposed convolutions, signals, sequences, attention, parts."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.graphs import Net, Value, learned, norm
from tests.kit.helpers import assert_close, assert_same, bits, without_helpers
from tests.kit.strategies import ConvCase, convolutions, integers, normal, seeds
from xpnet import Sequential, layers, networks, random
from xpnet.backend import use_backend
from xpnet.backend.cpu import threads
from xpnet.backend.window import Window

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import inference  # noqa: E402

JIT = jit_backend.JitBackend()


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


def planned(net: Net) -> Any:
    answers = inference.plan(net)
    assert answers is not None
    return answers


# ---- operations ------------------------------------------------------------------------------------------------------


@given(case=convolutions((1, 11), channels=9), relu=st.booleans(), behind=st.booleans())
def test_transposed_convolution(case: ConvCase, relu: bool, behind: bool) -> None:
    """Behind another operation, too, where it is read with gaps and without a margin."""
    N, C, H, W = case.y_shape
    net, x = Net(C, H, W), integers((N, C, H, W), case.seed, "float32")
    if behind:
        net.then("conv2d", w=learned(C, C, 1, 1, seed=1, whole=True), b=None, window=Window(), groups=1)
    w, b = (learned(*shape, seed=case.seed + 1, whole=True) for shape in (case.w_shape, case.x_shape[1:2]))
    options = {"size": case.x_shape[2:], "groups": case.groups, "activation": "relu" if relu else None}
    net.then("conv2d_transposed", w=w, b=b, window=case.window, **options)
    assert_same(planned(net)(x), net.expected(x))


@given(kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)), O=st.sampled_from([1, 4, 16]), N=st.integers(1, 20))
def test_transposed_convolution_of_a_pixel(kernel: tuple[int, int], O: int, N: int) -> None:
    net, x = Net(7, 1, 1), integers((N, 7, 1, 1), 1, "float32")
    w, b = learned(7, O, *kernel, seed=2, whole=True), learned(O, seed=3, whole=True)
    net.then("conv2d_transposed", w=w, b=b, window=Window(kernel), size=kernel, groups=1, activation="relu")
    assert_same(planned(net)(x), net.expected(x))


def test_normalization_behind_a_transposed_convolution() -> None:
    net, x = Net(5, 6, 7), normal((9, 5, 6, 7), 1, "float32")
    window = Window((3, 3), (2, 2), ((1, 1), (1, 1)))
    net.then("conv2d_transposed", w=learned(5, 6, 3, 3, seed=2), b=None, window=window, size=(12, 13), groups=1)
    norm(net, 6, 3)
    net.then("activate", activation="relu")
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple), steps=st.integers(1, 3), first=st.booleans(),
    seed=seeds,
)  # fmt: skip
def test_parts_and_other_orders(shape: tuple[int, ...], steps: int, first: bool, seed: int) -> None:
    net, rng = Net(*shape), np.random.default_rng(seed)
    order = 1 + rng.permutation(len(shape))
    for _ in range(2):
        starts = [int(rng.integers(size)) for size in net.shapes[-1][1:]]
        net.then("slice", index=(slice(None), *(slice(start, None, steps) for start in starts)))
        net.then("permute", axes=(0, *map(int, order)))
    if first:
        net.then("slice", index=(slice(None), ..., -1) if len(shape) > 1 else (slice(None), None, ...))
    x = integers((5, *shape), seed, "float32")
    assert_same(planned(net)(x), net.expected(x))
    net.then("reshape", shape=(1, int(np.prod(net.shapes[-1]))))
    net.then("activation", name="hard_tanh", constants=(-2.0, 2.0))
    assert_same(planned(net)(x), net.expected(x))


@pytest.mark.parametrize("behind", [False, True])
def test_the_largest_and_pixels_that_are_repeated(behind: bool) -> None:
    net, x = Net(3, 5, 7), integers((4, 3, 5, 7), 1, "float32")
    x[1, 2, 3, 4] = np.nan
    if behind:
        net.then("conv2d", w=learned(4, 3, 1, 1, seed=1, whole=True), b=None, window=Window(), groups=1)
    net.then("repeat2d", times=(2, 3))
    np.testing.assert_array_equal(planned(net)(x), net.expected(x))
    net.then("max", axis=(2, 3))
    np.testing.assert_array_equal(planned(net)(x), net.expected(x))
    net = Net(6, 9)
    net.then("max", axis=(2,))
    signals = integers((2, 6, 9), 2, "float32")
    assert_same(planned(net)(signals), net.expected(signals))


@pytest.mark.parametrize("shape", [(5, 9), (2, 3, 8)])
def test_softmax_of_rows(shape: tuple[int, ...]) -> None:
    net, x = Net(*shape), normal((4, *shape), 1, "float32")
    net.then("softmax", axis=-1)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-6)
    net.then("reshape", shape=(shape[0] * shape[1], int(np.prod(shape[2:]))))
    net.then("softmax", axis=1)
    net.then("reshape", shape=(1, *shape))
    if len(shape) == 3:
        assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-6)
    net.then("softmax", axis=1)
    assert inference.plan(net) is None


def test_zeros_and_parts_beside_others() -> None:
    net, x = Net(3, 6, 8), integers((4, 3, 6, 8), 1, "float32")
    half = net.then("slice", index=(slice(None), slice(None), slice(None, None, 2), slice(None, None, 2)))
    nothing = net.then("zeros_like", x=half)
    made = net.then("conv2d", x=half, w=learned(2, 3, 2, 2, seed=1, whole=True), b=None, window=Window((2, 2), padding=((1, 0), (0, 1))))  # fmt: skip  # noqa: E501
    last = net.then("slice", x=made, index=(slice(None), slice(-1, None)))
    net.then("slice", index=(slice(None), -1))
    net.then("reshape", shape=(1, 1, *net.shapes[-1][1:]))
    net.then("concat", xs=(half, nothing, made, nothing, half, last, net.value), axis=1)
    for _ in range(2):
        assert_same(planned(net)(x), net.expected(x))


@pytest.mark.parametrize("shape, groups", [((12,), 1), ((12,), 3), ((8, 5, 7), 4), ((6, 40), 2), ((1, 1), 1)], ids=str)
@pytest.mark.parametrize("centred", [True, False])
def test_group_norm(shape: tuple[int, ...], groups: int, centred: bool) -> None:
    net, x = Net(*shape), 3 + normal((11, *shape), 1, "float32")
    weight, bias = learned(shape[0], seed=2), learned(shape[0], seed=3)
    net.then("group_norm", groups=groups, weight=weight, bias=bias, eps=1e-3, centred=centred)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)
    net.then("group_norm", groups=groups, weight=None, bias=None, eps=1e-3)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("H, T, S, D, V", [(2, 5, 5, 3, 3), (1, 33, 70, 16, 20), (3, 64, 17, 17, 1)])
def test_attention(H: int, T: int, S: int, D: int, V: int, causal: bool) -> None:
    net, x = Net(H * (T * D + S * D + S * V)), normal((4, H * (T * D + S * D + S * V)), 1, "float32")
    ends = np.cumsum([0, H * T * D, H * S * D, H * S * V]).tolist()
    heads: list[Value] = []
    for start, end, L, size in zip(ends, ends[1:], (T, S, S), (D, D, V), strict=False):
        part = net.then("slice", x=Value(0), index=(slice(None), slice(start, end)))
        heads.append(net.then("reshape", x=part, shape=(1, H, L, size)))
    q, k, v = heads
    net.then("attention", q=q, k=k, v=v, causal=causal)
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)
    net.then("permute", axes=(0, 2, 1, 3))
    net.then("reshape", shape=(1, T, H * V))
    assert_close(planned(net)(x), net.expected(x), JIT, tolerance=3e-6)


def test_attention_of_what_is_not_finite() -> None:
    net = Net(1, 3, 2)
    net.then("attention", q=net.value, k=net.value, v=net.value, causal=True)
    x = normal((2, 1, 3, 2), 1, "float32")
    x[0, 0, 1, 0], x[1, 0, 2, 1] = np.nan, np.inf
    np.testing.assert_allclose(planned(net)(x), net.expected(x), rtol=1e-5)


def test_attention_that_sees_nothing() -> None:
    """Where all scores are -inf there are zeros."""
    net = Net(2, 1, 1)
    q, k = (net.then("slice", x=Value(0), index=(slice(None), part)) for part in (slice(1), slice(1, 2)))
    net.then("attention", q=q, k=k, v=q)
    x = np.array([[3, -np.inf], [3, 1]], np.float32).reshape(2, 2, 1, 1)
    assert_same(planned(net)(x), np.array([0, 3], np.float32).reshape(2, 1, 1, 1))
    assert_same(net.expected(x), planned(net)(x))


@given(T=st.integers(1, 20), inputs=st.integers(1, 40), outputs=st.integers(1, 20), relu=st.booleans(), seed=seeds)
def test_dense_of_rows(T: int, inputs: int, outputs: int, relu: bool, seed: int) -> None:
    net, x = Net(T, inputs), integers((5, T, inputs), seed, "float32")
    net.then("reshape", shape=(T, inputs))
    w, b = learned(outputs, inputs, seed=seed + 1, whole=True), learned(outputs, seed=seed + 2, whole=True)
    net.then("dense", w=w, b=b, activation="relu" if relu else None)
    net.then("reshape", shape=(1, T, outputs))
    net.then("add", x=net.value, y=learned(T, outputs, seed=seed, whole=True))
    assert_same(planned(net)(x), net.expected(x))


def test_what_mixes_the_images_has_no_plan() -> None:
    for name, args in (("permute", {"axes": (1, 0)}), ("concat", {"xs": (Value(0), Value(0)), "axis": 0})):
        net = Net(1)
        net.then(name, **args)
        assert inference.plan(net) is None
    net = Net(3, 4)
    net.then("reshape", shape=(3, 4))
    assert inference.plan(net) is None  # rows are no images
    norm(net, 4, 1)
    net.then("reshape", shape=(1, 3, 4))
    assert inference.plan(net) is None
    net = Net(2, 4)
    net = Net(3)
    net.then("slice", index=(slice(None), slice(None, None, -1)))
    assert inference.plan(net) is None
    net = Net(2, 4)
    mask = np.zeros((2, 2), np.float32)
    heads = net.then("reshape", shape=(1, 1, 2, 4))
    net.then("attention", q=heads, k=heads, v=heads, bias=mask)
    assert inference.plan(net) is None


def test_threads_share_the_rows_of_a_large_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = Net(31, 24), integers((2, 31, 24), 1, "float32")
    net.then("reshape", shape=(31, 24))
    for seed, (inputs, outputs) in enumerate(((24, 20), (20, 9))):
        w, b = (learned(*shape, seed=seed, whole=True) for shape in ((outputs, inputs), (outputs,)))
        net.then("dense", w=w, b=b, activation="relu")
    net.then("reshape", shape=(1, 31, 9))
    for name, value in (("LARGE", 1), ("SHARED", 1 << 11), ("thread_count", lambda: 3)):
        monkeypatch.setattr(inference, name, value)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    without_helpers()
    answers = planned(net)
    assert [len(tables) for tables in answers.parts] == [7, 2]
    assert_same(answers(x), net.expected(x))
    without_helpers()


# ---- networks --------------------------------------------------------------------------------------------------------

signals: list[Callable[[], layers.Layer]] = [
    lambda: layers.Conv1D(8, 3, padding="same"), layers.BatchNorm1D, layers.ReLU, lambda: layers.MaxPool1D(2),
    lambda: layers.Conv1D(5, 3, activation="tanh"), lambda: layers.AvgPool1D(2), lambda: layers.Conv1D(6, 3, stride=2),
    lambda: layers.ConvTranspose1D(4, 3, 2), layers.GELU, layers.GlobalAvgPool1D, lambda: layers.Dense(4),
]  # fmt: skip
sequences: list[Callable[[], layers.Layer]] = [
    lambda: layers.LearnedPositions(40), lambda: layers.TransformerEncoderLayer(2, 16, causal=True), layers.RMSNorm,
    lambda: layers.Dense(5, activation="gelu"), lambda: layers.Permute((2, 1)), layers.Flatten, lambda: layers.Dense(3),
]  # fmt: skip
NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "resnet": (lambda: networks.ResNet((1, 1, 1), 8, False, "padded", True, 10, (3, 9, 14)), (3, 9, 14)),
    "padded": (lambda: Sequential([networks.PaddedShortcut(7, 2), layers.Conv2D(3, 1)]), (3, 6, 5)),
    "unet": (lambda: networks.UNet(3, 8, 2, (2, 12, 20)), (2, 12, 20)),
    "autoencoder": (networks.ConvAutoencoder, (1, 28, 28)),
    "dcgan": (lambda: networks.DCGAN(noise=10, filters=4), (10,)),
    "vit": (lambda: networks.ViT(7, 7, 30, 2, 3, input_shape=(2, 21, 14)), (2, 21, 14)),
    "vit of one patch": (lambda: networks.ViT(7, 7, 30, 1, 3, input_shape=(2, 7, 7)), (2, 7, 7)),
    "signals": (lambda: Sequential([make() for make in signals]), (3, 50)),
    "sequences": (lambda: Sequential([make() for make in sequences]), (33, 12)),
}


def made(name: str) -> tuple[Any, tuple[int, ...]]:
    make, shape = NETWORKS[name]
    random.seed(0)
    model = make()
    model.build(shape)
    for seed, (path, parameter) in enumerate(model.named_parameters()):
        change = 0.1 * normal(parameter.shape, seed, "float32")
        parameter.value[...] += abs(change) if "var" in path else change
    return model, shape


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_the_layers_give(name: str) -> None:
    model, shape = made(name)
    for N in (1, 2, 7, 32):
        plan, x = model.plan(samples=N), normal((N, *shape), N, "float32")
        assert isinstance(plan.run, inference.Answers), plan
        assert_close(model.predict(x), model.forward(x)[0], JIT, tolerance=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_bits_in_every_batch_on_any_threads_and_the_weights_of_now(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, shape = made(name)
    x, found = normal((19, *shape), 1, "float32"), set()
    monkeypatch.setattr(inference, "SHARED", 1)
    monkeypatch.setattr(inference, "ONCE", 0)
    for count in (1, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        without_helpers()
        answers = inference.plan(model.plan().graph)
        assert answers is not None
        whole = answers(x)
        found.add(bits(whole))
        for first, end in ((0, 1), (18, 19), (3, 13)):
            assert_same(answers(x[first:end]), whole[first:end])
    without_helpers()
    assert len(found) == 1
    for parameter in model.parameters():
        parameter.value[...] *= 0.9
    assert_close(model.predict(x), model.forward(x)[0], JIT, tolerance=1e-5)
