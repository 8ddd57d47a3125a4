"""What only the CuPy backend has: tiles, 64-bit indices, one launch for much, staged copies, and errors of its own."""

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import xpnet
from tests import cudasim
from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import ConvCase, convolutions, integers, normal
from xpnet import layers, losses, networks, optimizers, random
from xpnet.backend import Backend
from xpnet.backend.cuda import arrays as cuda_arrays
from xpnet.backend.cuda import convolution as cuda_convolution
from xpnet.backend.cuda import device as cuda_device
from xpnet.backend.cuda import launch as cuda_launch
from xpnet.backend.window import Window
from xpnet.errors import BackendError, OptionError, ShapeError
from xpnet.model import Sequential

REFERENCE = Backend()
WINDOW = Window((3, 3), (2, 1), ((1, 1), (0, 1)), (1, 2))


@pytest.fixture
def counted(cupy: Backend) -> Backend:
    if not cudasim.is_active():
        pytest.skip("only the stand-in device counts launches, copies and bytes")
    return cupy


def assert_both_agree(backend: Backend, name: str, *args: Any) -> None:
    """The primitive of the backend gives what the reference gives, on whole numbers to the bit."""
    got = getattr(backend, name)(*(backend.asarray(a) if isinstance(a, np.ndarray) else a for a in args))
    expected = getattr(REFERENCE, name)(*args)
    for actual, wanted in zip(got, expected, strict=True) if isinstance(got, tuple) else [(got, expected)]:
        assert_close(actual, wanted, backend, scale=1.0)


# ---- convolution ---------------------------------------------------------------------------------------------------


@given(case=convolutions())
def test_tiles_of_one_image_give_the_same(cupy: Backend, case: ConvCase) -> None:
    x, w, dy = (integers(s, case.seed + i) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
    b, limit = integers(case.w_shape[:1], case.seed + 3), cuda_convolution.WORKSPACE
    try:
        cuda_convolution.WORKSPACE = 1
        assert len(list(cuda_convolution.tiles(cupy.empty, x, case.window))) == len(x)
        y = REFERENCE.conv2d(x, w, b, case.window, case.groups, "relu")
        assert_both_agree(cupy, "conv2d", x, w, b, case.window, case.groups, "relu")
        assert_both_agree(cupy, "conv2d_backward", dy, x, w, y, case.window, case.groups, "relu")
        turned = REFERENCE.conv2d_transposed(dy, w, x[0, :, 0, 0], case.window, x.shape[2:], case.groups)
        assert_both_agree(
            cupy, "conv2d_transposed", dy, w, x[0, :, 0, 0], case.window, x.shape[2:], case.groups, "relu"
        )
        assert_both_agree(cupy, "conv2d_transposed_backward", x, dy, w, turned, case.window, case.groups, "relu")
    finally:
        cuda_convolution.WORKSPACE = limit


def test_the_workspace_bounds_the_columns(cupy: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    x = cupy.zeros((10, 4, 8, 8))
    image = 4 * 9 * WINDOW.output_size((8, 8))[0] * WINDOW.output_size((8, 8))[1] * 4  # bytes
    monkeypatch.setattr(cuda_convolution, "WORKSPACE", 4 * image - 1)
    tiles = list(cuda_convolution.tiles(cupy.empty, x, WINDOW))
    assert [(tile.start, tile.stop) for tile, _ in tiles] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [cols.shape[3] for _, cols in tiles] == [3, 3, 3, 1]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("need_dx", [True, False])
def test_a_window_of_one_pixel_needs_no_columns(counted: Backend, groups: int, need_dx: bool) -> None:
    x, w, dy = integers((3, 4, 5, 6), 1), integers((6, 4 // groups, 1, 1), 2), integers((3, 6, 5, 6), 3)
    y, options = REFERENCE.conv2d(x, w, None, Window(), groups, "relu"), (Window(), groups, "relu", need_dx)
    for order in ((1, 0, 2, 3), (0, 1, 2, 3)):
        there = counted.asarray(np.ascontiguousarray(x.transpose(order))).transpose(order)
        cudasim.reset()
        assert_same(counted.conv2d(there, counted.asarray(w), None, Window(), groups, "relu"), y, counted)
        got = counted.conv2d_backward(counted.asarray(dy), there, counted.asarray(w), counted.asarray(y), *options)
        assert ("im2col" in cudasim.calls()) == (order == (0, 1, 2, 3))
        for actual, expected in zip(got, REFERENCE.conv2d_backward(dy, x, w, y, *options), strict=True):
            if expected is None:
                assert actual is None
            else:
                assert_same(actual, expected, counted)


def test_what_a_convolution_does_is_explained(cupy: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_convolution, "WORKSPACE", 3 * 4 * 9 * 36 * 4)
    assert cupy.explain(layers.Conv2D(2, 3), (10, 4, 8, 8)).startswith("columns: those of 3 images")
    assert cupy.explain(layers.Conv2D(2, 1), (10, 4, 8, 8)).startswith("one product: a window of one pixel")


def test_a_channel_may_be_summed_in_chunks(cupy: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_convolution, "CHUNK", 64)
    x, w, dy = integers((5, 4, 9, 9), 1), integers((6, 2, 3, 3), 2), integers((5, 6, 5, 6), 3)
    assert_both_agree(cupy, "conv2d_backward", dy, x, w, integers((5, 6, 5, 6), 4), WINDOW, 2, "relu")
    dy, x, w, y = integers((300, 3), 5), integers((300, 4), 6), integers((3, 4), 7), integers((300, 3), 8)
    assert_both_agree(cupy, "dense_backward", dy, x, w, y)


def test_indices_of_64_bits_change_nothing(cupy: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_launch, "WIDE", 0)
    x, w = integers((2, 4, 6, 7), 1), integers((6, 2, 3, 3), 2)
    y = REFERENCE.conv2d(x, w, None, WINDOW, 2)
    assert_both_agree(cupy, "conv2d", x, w, w[:, 0, 0, 0], WINDOW, 2, "relu")
    assert_both_agree(cupy, "conv2d_backward", y, x, w, y, WINDOW, 2, "relu")
    for pool in ("max_pool2d", "avg_pool2d"):
        assert_both_agree(cupy, pool, x, WINDOW)
    pooled = REFERENCE.max_pool2d(x, WINDOW)
    assert_both_agree(cupy, "max_pool2d_backward", pooled, x, pooled, WINDOW)
    assert_both_agree(cupy, "avg_pool2d_backward", pooled, (6, 7), WINDOW)
    _, mean, var = REFERENCE.batch_norm(x, w[:4, 0, 0, 0], w[:4, 0, 0, 1], 0.1)
    assert_both_agree(cupy, "batch_norm", x, w[:4, 0, 0, 0], w[:4, 0, 0, 1], 0.1)
    assert_both_agree(cupy, "batch_norm_backward", x[::-1], x, mean, var, w[:4, 0, 0, 0], 0.1)
    scale = REFERENCE.local_response_norm(x, 3, 0.5, 0.75, 2.0)[1]
    assert_both_agree(cupy, "local_response_norm", x, 3, 0.5, 0.75, 2.0)
    assert_both_agree(cupy, "local_response_norm_backward", x[::-1], x, scale, 3, 0.5, 0.75)
    assert_both_agree(cupy, "softmax_cross_entropy", x[:, :, 0, 0], np.array([1, 3]))
    assert_both_agree(cupy, "dropout_mask", (3, 50), 0.3, (1, 2), "float64", 13)


@pytest.mark.parametrize("name", ["conv2d", "max_pool2d", "batch_norm", "dense"])
def test_any_memory_order_will_do(cupy: Backend, name: str) -> None:
    x = integers((3, 4, 6, 7), 1)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)):
        turned = cupy.asarray(np.ascontiguousarray(x.transpose(order))).transpose(np.argsort(order))
        twice = cupy.asarray(np.repeat(x, 2, axis=2))[:, :, ::2]
        for view in (turned, twice, twice[..., ::-1]):
            host = cupy.to_numpy(view)
            if name == "dense":
                w = integers((7, 5), 2)
                got = cupy.dense(view[0, 0], cupy.asarray(w).T, None)
                assert_same(got, host[0, 0] @ w, cupy)
            elif name == "conv2d":
                w = integers((7, 3, 4, 6), 2).transpose(3, 2, 1, 0)
                assert_same(
                    cupy.conv2d(view, cupy.asarray(w), None, WINDOW._replace(kernel=(3, 7), dilation=(1, 1))),
                    REFERENCE.conv2d(host, w, None, WINDOW._replace(kernel=(3, 7), dilation=(1, 1))),
                    cupy,
                )
            elif name == "max_pool2d":
                assert_same(cupy.max_pool2d(view, WINDOW), REFERENCE.max_pool2d(host, WINDOW), cupy)
            else:
                gamma = np.arange(8.0)
                got = cupy.batch_norm(view, cupy.asarray(gamma)[::2], cupy.asarray(gamma)[1::2], 0.1)[0]
                assert_close(got, REFERENCE.batch_norm(host, gamma[::2], gamma[1::2], 0.1)[0], cupy)


def test_nan_wins_the_maximum(cupy: Backend) -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 1, 2] = np.nan
    y = cupy.to_numpy(cupy.max_pool2d(cupy.asarray(x), Window((2, 2), (2, 2))))
    np.testing.assert_array_equal(y, [[[[0, np.nan], [0, 0]]]])
    np.testing.assert_array_equal(
        cupy.to_numpy(cupy.dense(cupy.asarray(x[0, 0]), cupy.asarray(x[0, 0, :1]), None, "relu")),
        np.maximum(x[0, 0] @ x[0, 0, :1].T, 0),
    )


def test_hits_are_counted_as_on_the_cpu(cupy: Backend) -> None:
    y, t = integers((2000, 7), 1, limit=2), np.random.default_rng(0).integers(0, 7, 2000)
    y[3, 2] = y[4, 5] = y[4, 1] = np.nan
    t[3:5] = 2, 1
    assert_same(cupy.count_hits(cupy.asarray(y), cupy.asarray(t)), np.asarray(REFERENCE.count_hits(y, t)), cupy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tf32_is_used_for_float32_alone(cupy: Backend, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    from cupy_backends.cuda.libs import cublas

    modes: list[int] = []
    monkeypatch.setattr(cublas, "setMathMode", lambda handle, mode: modes.append(mode))
    monkeypatch.setattr(cupy, "tf32", True)
    x, w = normal((4, 5), 1, dtype), normal((3, 5), 2, dtype)
    assert_close(cupy.dense(cupy.asarray(x), cupy.asarray(w), None), x @ w.T, cupy, tolerance=3e-3)
    assert modes == ([3, 0] if dtype == "float32" else [])


# ---- launches, copies and memory -----------------------------------------------------------------------------------


def steps(model: Any, backend: Backend, count: int, N: int = 20) -> None:
    x, t = normal((N, 1, 28, 28), 1, "float32"), np.random.default_rng(2).integers(0, 10, N)
    step = model.make_step()
    for batch in backend.staged([(x, t)] * count, "float32"):
        step(batch, "a test")


def test_a_training_step_launches_little_and_waits_for_nothing(counted: Backend) -> None:
    model = networks.DeepConvNet()
    model.compile(optimizers.Adam(), metrics=["accuracy"])
    steps(model, counted, 2)  # the first ones also build, lay out and compile
    cudasim.reset()
    steps(model, counted, 3)
    done = cudasim.counters()
    assert done["launches"] + done["library_calls"] <= 3 * 80
    assert done["synchronizations"] == done["device_to_host"] == done["device_to_device"] == 0
    assert done["host_to_device"] == 3
    assert cudasim.calls()["adam"] == cudasim.calls()["collect"] == 3


def test_memory_does_not_grow(counted: Backend) -> None:
    model = Sequential([layers.Conv2D(2, 3, stride=2), layers.BatchNorm2D(), layers.Flatten(), layers.Dense(10)])
    model.build((1, 28, 28))
    model.compile("adam", metrics=["accuracy"])
    seen = []
    for _ in range(4):
        steps(model, counted, 50, N=3)
        gc.collect()  # other tests' models, which nobody uses any more
        seen.append((xpnet.memory().used, cudasim.counters()["allocated_bytes"]))
    assert len(set(seen[1:])) == 1, seen


def test_a_batch_comes_in_one_copy_and_a_staged_one_while_the_device_computes(cupy: Backend) -> None:
    x, t = normal((7, 3), 1), np.arange(7)
    for got in (cupy.batch((x, t), "float32"), *cupy.staged([(x, t)] * 3, "float32")):
        assert_same(got[0], x.astype("float32"), cupy)
        assert_same(got[1], t, cupy)
    sizes = [len(inputs) for inputs, _ in cupy.staged([(x[:n], t[:n]) for n in (3, 2, 1)], "float64")]
    assert sizes == [3, 2, 1]
    assert list(cupy.staged([], "float64")) == []
    one_hot = np.eye(7, dtype=bool)
    np.testing.assert_array_equal(cupy.to_numpy(cupy.batch((x, one_hot), "float64")[1]), one_hot)


def test_running_out_of_memory_gives_advice_and_leaves_the_process_usable(cupy: Backend) -> None:
    pool = cupy.pool()  # type: ignore[attr-defined]
    model = networks.LeNet5()
    model.compile("sgd")
    x, t = np.zeros((3000, 1, 28, 28), np.float32), np.zeros(3000, np.int64)
    cupy.free_memory()
    before = xpnet.memory().used
    pool.set_limit(size=before + 2**26)
    try:
        for attempt in (
            lambda: model.fit(x, t, batch_size=3000, epochs=1),
            lambda: model.train_on_batch(x, t),
            lambda: model.evaluate(x, t, batch_size=3000),
            lambda: model.predict(x, batch_size=3000),
        ):
            with pytest.raises(BackendError, match=r"batches of 3000: Out of memory .* try batch_size=1500") as caught:
                attempt()
            assert "limit set to: " in str(caught.value)
            del caught
            model.fit(x[:40], t[:40], batch_size=20, epochs=1)
    finally:
        pool.set_limit(size=0)
    cupy.free_memory()
    assert xpnet.memory().used <= before + 2**20
    assert xpnet.memory().held <= before + 2**21


def test_memory_on_a_cpu_is_that_of_the_process() -> None:
    assert xpnet.memory() == (0, 0, None)


@pytest.mark.parametrize("order", cudasim.ORDERS)
def test_the_order_of_threads_changes_no_bit(counted: Backend, order: str) -> None:
    def trained() -> list[np.ndarray]:
        random.seed(3)
        model = networks.SimpleConvNet()
        model.compile(optimizers.Momentum(0.05), losses.SoftmaxCrossEntropy())
        steps(model, counted, 2, N=5)
        return model.get_weights()

    expected = trained()
    with cudasim.order(order, seed=5):
        for got, wanted in zip(trained(), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


# ---- settings and what may be missing ------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "expected"), [("", None), ("256", 256 * 2**20)])
def test_the_memory_limit_is_read(monkeypatch: pytest.MonkeyPatch, value: str, expected: int | None) -> None:
    monkeypatch.setenv("XPNET_MEMORY_LIMIT", value)
    assert cuda_device.memory_limit() == expected


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [("XPNET_MEMORY_LIMIT", "1GB", cuda_device.memory_limit), ("XPNET_MEMORY_LIMIT", "0", cuda_device.memory_limit),
     ("XPNET_TF32", "yes", cuda_device.wants_tf32)],
)  # fmt: skip
def test_settings_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: Any) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=f"{name} must be .* not '{value}'"):
        read()


def test_tf32_is_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XPNET_TF32", raising=False)
    assert not cuda_device.wants_tf32()
    monkeypatch.setenv("XPNET_TF32", "1")
    assert cuda_device.wants_tf32()


def test_an_array_of_the_reference_is_at_home_on_the_device(cupy: Backend) -> None:
    """The reference runs on CuPy's namespace too: it is what the kernels are held against."""
    plain = cuda_arrays.CupyArrays()
    x, w = integers((2, 4, 6, 7), 1), integers((6, 2, 3, 3), 2)
    args = WINDOW, 2, "relu"
    assert_same(
        plain.conv2d(plain.asarray(x), plain.asarray(w), None, *args), REFERENCE.conv2d(x, w, None, *args), plain
    )


def test_a_structure_is_wrapped_once_for_all_launches(cupy: Backend) -> None:
    x, y = cupy.zeros((2, 3, 4, 5)), cupy.zeros((7, 3, 4, 5))
    assert cuda_launch.strides(x) is cuda_launch.strides(y)
    assert not isinstance(cuda_launch.strides(x), np.ndarray)
    assert cuda_launch.shape4(x.shape) is cuda_launch.shape4((2, 3, 4, 5))
    assert cuda_launch.geometry(2, 3, (4, 5), WINDOW) is cuda_launch.geometry(2, 3, (4, 5), WINDOW)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (2, 3, 0, 1)])
def test_room_for_a_result_has_the_memory_order_of_the_input(cupy: Backend, order: tuple[int, ...]) -> None:
    """As cupy.empty_like gives it, for images in the orders (N, C, H, W), (C, N, H, W) and another."""
    x = cupy.asarray(np.zeros((2, 3, 4, 5), np.float32)).transpose(order)
    dx = cupy.max_pool2d_backward(x, x, x, Window())
    assert dx.shape == x.shape and dx.strides == x.strides


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (2, 3, 0, 1)])
def test_the_gradient_of_a_relu_lies_as_its_output_whatever_dy_is(
    cupy: Backend, order: tuple[int, ...], dtype: str
) -> None:
    y, dy = normal((2, 3, 4, 5), 1, dtype).transpose(order), normal((2, 3, 4, 5), 2, dtype).transpose(order)
    given, spread = cupy.asarray(y), np.broadcast_to(dy[..., :1], dy.shape)
    for gradient in (dy, np.ascontiguousarray(dy), spread, dy > 0):
        dz = cupy.activate_backward(cupy.asarray(gradient), given, "relu")
        assert dz.strides == given.strides
        assert_same(dz, np.where(y > 0, gradient, 0).astype(dtype), cupy)
    assert cupy.activate_backward(cupy.asarray(dy), given, None).shape == dy.shape
    with pytest.raises(ShapeError, match="back takes a gradient like the output"):
        cupy.activate_backward(cupy.asarray(dy)[:1], given, "relu")
