"""The compiled kernels of the CPU: what the reference computes, for every window, batch, register width and thread."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close, assert_same, bits, in_threads
from tests.kit.layer_table import CASES, Case
from tests.kit.optimizer_steps import assert_first_steps, assert_infinite_weights_stay
from tests.kit.small import digits
from tests.kit.strategies import ConvCase, PoolCase, convolutions, integers, normal, poolings, seeds
from xpnet import networks, optimizers, random
from xpnet.backend import _MAKERS, Backend, make_backend, use_backend
from xpnet.backend.cpu import choice, threads
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.reference import AdamStep
from xpnet.backend.window import Window
from xpnet.errors import BackendError, OptionError
from xpnet.model import Model

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import kernels as jit_kernels  # noqa: E402

JIT = jit_backend.JitBackend()
REFERENCE = Backend()
LEAST = jit_kernels.LANES  # a smaller batch is NumpyBackend's
BATCHES = LEAST, 5 * LEAST


@pytest.fixture(autouse=True)
def current() -> Iterator[None]:
    with use_backend(JIT):
        yield


@pytest.fixture
def only_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernels do not take is an error, instead of NumpyBackend's."""
    for name in ("max_pool2d", "max_pool2d_backward", "adam", "forget"):
        monkeypatch.setattr(NumpyBackend, name, None)
    for name in (choice.COLUMNS, choice.ONE_PRODUCT):  # Winograd's walk stays: its steps are compiled
        monkeypatch.setitem(JIT.algorithms, name, None)


# ---- against the reference, on whole numbers to the bit ------------------------------------------------------------


@given(case=convolutions(BATCHES, channels=9), relu=st.booleans(), need_dx=st.booleans())
def test_convolution(only_kernels: None, case: ConvCase, relu: bool, need_dx: bool) -> None:
    shapes = case.x_shape, case.w_shape, case.w_shape[:1], case.y_shape
    x, w, b, dy = (integers(shape, case.seed + i, "float32") for i, shape in enumerate(shapes))
    options = case.window, case.groups, "relu" if relu else None
    y = REFERENCE.conv2d(x, w, b, *options)
    assert_same(JIT.conv2d(x, w, b, *options), y)
    assert_same(JIT.conv2d(x, w, None, *options), REFERENCE.conv2d(x, w, None, *options))
    expected = REFERENCE.conv2d_backward(dy, x, w, y, *options, need_dx)
    for got, want in zip(JIT.conv2d_backward(dy, x, w, y, *options, need_dx), expected, strict=True):
        if want is None:
            assert got is None
        else:
            assert_same(got, want)


@given(case=convolutions(BATCHES, channels=9), relu=st.booleans(), need_dx=st.booleans())
def test_transposed_convolution(only_kernels: None, case: ConvCase, relu: bool, need_dx: bool) -> None:
    shapes = case.y_shape, case.w_shape, case.x_shape[1:2], case.x_shape
    x, w, b, dy = (integers(shape, case.seed + i, "float32") for i, shape in enumerate(shapes))
    size, options = case.x_shape[2:], (case.groups, "relu" if relu else None)
    y = REFERENCE.conv2d_transposed(x, w, b, case.window, size, *options)
    assert_same(JIT.conv2d_transposed(x, w, b, case.window, size, *options), y)
    expected = REFERENCE.conv2d_transposed_backward(dy, x, w, y, case.window, *options, need_dx)
    for got, want in zip(
        JIT.conv2d_transposed_backward(dy, x, w, y, case.window, *options, need_dx), expected, strict=True
    ):
        if want is None:
            assert got is None
        else:
            assert_same(got, want)


@given(case=poolings(BATCHES))
def test_max_pooling(only_kernels: None, case: PoolCase) -> None:
    """Small numbers have many ties, of which the first gets the gradient."""
    x, dy = integers(case.x_shape, case.seed, "float32", limit=2), integers(case.y_shape, case.seed + 1, "float32")
    y = REFERENCE.max_pool2d(x, case.window)
    assert_same(JIT.max_pool2d(x, case.window), y)
    for relu in (False, True):
        expected = REFERENCE.max_pool2d_backward(dy, x, y, case.window, relu)
        assert_same(JIT.max_pool2d_backward(dy, x, y, case.window, relu), expected)


@given(count=st.integers(1, 300), step=st.integers(1, 50), decay=st.sampled_from([0.0, 0.1]), seed=seeds)
@pytest.mark.parametrize("decoupled", [True, False])
def test_adam(only_kernels: None, count: int, step: int, decay: float, decoupled: bool, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit_backend, "PART", 20)  # numbers of a part, of which there are several
        check_adam(count, step, decay, decoupled, seed)


def check_adam(count: int, step: int, decay: float, decoupled: bool, seed: int) -> None:
    p, g, m = (normal((count,), seed + i, "float32") for i in range(3))
    v, options = m * m, {"step": step, "lr": 0.1, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3}
    ours, theirs = [p.copy(), g, m.copy(), v.copy()], [p.copy(), g, m.copy(), v.copy()]
    how = AdamStep(**options, weight_decay=decay, decoupled=decoupled)
    JIT.adam(*ours, how)
    REFERENCE.adam(*theirs, how)
    for got, want in zip(ours, theirs, strict=True):
        assert_close(got, want)


def test_what_has_faded_is_forgotten(only_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit_backend, "ENTRIES", 50)  # of a unit, of which there are several
    ours = np.concatenate([[0.25, -0.25, np.nan, np.inf, -np.inf, -0.0, 1e-45, -1e-45], normal((300,), 1, "float32")])
    ours = ours.astype(np.float32)
    theirs = ours.copy()
    JIT.forget(ours, 0.25)
    REFERENCE.forget(theirs, 0.25)
    assert ours.tobytes() == theirs.tobytes() and 0 < np.sum(ours == 0) < 200


@pytest.mark.parametrize("beta2", [0.9, 0.999, 0.99999, 0.99999999])
@pytest.mark.parametrize("beta1", [0.9, 0.9999, 0.999999])
def test_the_first_step_of_adam(only_kernels: None, beta1: float, beta2: float) -> None:
    assert_first_steps(JIT, beta1, beta2)


def test_the_curves_of_lenet5_part_by_rounding_only() -> None:
    """The first loss in any case; of later ones most, since at a kink, where rounding decides which way the gradient
    goes, a curve may leap. A factor of the optimizer that is off by a thousandth parts all of them.
    """
    x, t = digits()
    apart = []
    for seed in range(5):
        curves = []
        for backend in (JIT, make_backend("numpy"), REFERENCE):
            random.seed(seed)
            with use_backend(backend):
                model = networks.LeNet5()
                model.compile(optimizers.Adam(beta2=0.99999))
                curves.append([model.train_on_batch(x[i : i + 32], t[i : i + 32]) for i in range(0, 320, 32)])
        ratios = np.abs(np.array(curves[:2]) / curves[2] - 1)
        assert ratios[:, 0].max() < 1e-5
        apart.append(ratios.max())
    assert np.median(apart) < 1e-5, apart


def test_infinite_weights() -> None:
    assert_infinite_weights_stay(JIT)


@given(N=st.integers(LEAST, 300))
def test_the_parts_of_a_batch_cover_it(N: int) -> None:
    seen = np.zeros(N, int)
    for first, vectors, last, offset in jit_kernels.parts(N):
        assert 1 <= vectors <= jit_kernels.VECTORS
        seen[first : first + (vectors - 1) * LEAST] += 1
        assert first + offset >= 0
        seen[first + offset : first + offset + last] += 1
    assert seen.min() == 1 and first + offset + last == N


# ---- the laws ------------------------------------------------------------------------------------------------------

SPATIAL = [case for case in CASES if case.name.startswith(("conv", "max pool"))]


@pytest.mark.parametrize("case", SPATIAL, ids=lambda case: case.name)
def test_a_layer_does_what_it_does_on_numpy_and_leaves_its_inputs_alone(case: Case) -> None:
    results = []
    for backend in (JIT, NumpyBackend()):
        layer = case.layer(backend)
        (x,) = case.host_inputs(batch=LEAST + 3)
        x.flags.writeable = False
        before = bits(x)
        y, back = layer.forward(x, train=True)
        dy = normal(y.shape, 5, "float32")
        dy.flags.writeable = False
        again, _ = layer.forward(x[::-1], train=True)  # a view with other strides, in between
        dx = back(dy)
        assert bits(x) == before and bits(dy) == bits(normal(y.shape, 5, "float32"))
        assert not any(np.shares_memory(a, b) for a, b in [(y, x), (y, again), (dx, dy), (dx, x)])
        results.append([y, again, dx, *(parameter.grad for parameter in layer.parameters())])
    for got, want in zip(*results, strict=True):
        assert_close(got, want, tolerance=1e-5)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 1, 3, 0), (1, 0, 3, 2)])
def test_any_memory_order_will_do(order: tuple[int, ...]) -> None:
    window, shape = Window((3, 2), (2, 1), ((1, 1), (0, 1))), (LEAST + 2, 4, 7, 6)
    x = np.ascontiguousarray(integers(shape, 1, "float32").transpose(order)).transpose(np.argsort(order))
    w = np.asfortranarray(integers((5, 4, 3, 2), 2, "float32"))
    y = REFERENCE.conv2d(x, w, None, window)
    dy = np.ascontiguousarray(y.transpose(order)).transpose(np.argsort(order))
    assert_same(JIT.conv2d(x, w, None, window), y)
    for got, want in zip(
        JIT.conv2d_backward(dy, x, w, y, window), REFERENCE.conv2d_backward(dy, x, w, y, window), strict=True
    ):
        assert_same(got, want)
    assert_same(JIT.max_pool2d(x, window), REFERENCE.max_pool2d(x, window))


@pytest.mark.parametrize(("dtype", "N"), [("float64", LEAST), ("float32", LEAST - 1)])
def test_the_rest_is_numpys(dtype: str, N: int) -> None:
    x, w, window = normal((N, 3, 6, 6), 0, dtype), normal((4, 3, 3, 3), 1, dtype), Window((3, 3))
    assert_same(JIT.conv2d(x, w, None, window), NumpyBackend().conv2d(x, w, None, window))
    assert_same(JIT.max_pool2d(x, window), NumpyBackend().max_pool2d(x, window))


def test_what_is_not_a_number_stays_so() -> None:
    x, w = np.ones((LEAST, 1, 4, 4), np.float32), -np.ones((4, 1, 1, 1), np.float32)
    x[3, 0, 1, 2] = np.nan
    y = JIT.conv2d(x, w, None, Window(), 1, "relu")
    assert np.isnan(y[3, :, 1, 2]).all() and np.isnan(y).sum() == 4
    pooled = JIT.max_pool2d(x, Window((2, 2), (2, 2)))
    assert np.isnan(pooled[3, 0, 0, 1]) and np.isnan(pooled).sum() == 1


def test_a_window_that_sees_padding_only() -> None:
    x, w = np.ones((LEAST, 2, 3, 3), np.float32), np.ones((4, 2, 2, 2), np.float32)
    window = Window((2, 2), (2, 2), ((2, 3), (2, 3)))
    assert_same(JIT.conv2d(x, w, w[:, 0, 0, 0], window), REFERENCE.conv2d(x, w, w[:, 0, 0, 0], window))
    pooled = JIT.max_pool2d(x, window)  # minus infinity there
    assert np.isinf(pooled).any() and np.array_equal(pooled, REFERENCE.max_pool2d(x, window))


# ---- threads, networks, processors ---------------------------------------------------------------------------------


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    x, t = digits()
    for count in (1, 4):
        team = threads.Team(count - 1)
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        monkeypatch.setattr(threads, "team", lambda team=team: team)
        random.seed(3)
        model = networks.SimpleConvNet()
        model.compile("adam")
        losses = [model.train_on_batch(x[:50], t[:50]) for _ in range(3)]
        results.append((losses, [weight.tobytes() for weight in model.get_weights()]))
        team.close()
    assert results[0] == results[1]


@pytest.mark.parametrize("network", [networks.LeNet5, networks.SimpleConvNet, networks.DeepConvNet])
def test_a_network_learns_as_on_numpy(network: type[Model]) -> None:
    curves, weights = [], []
    for backend in (JIT, NumpyBackend()):
        random.seed(7)
        x, t = digits()
        with use_backend(backend):
            model = network()
            model.compile("momentum")
            curves.append([model.train_on_batch(x[i : i + 36], t[i : i + 36]) for i in range(0, 360, 36)])
            weights.append([weight.tobytes() for weight in model.get_weights()])
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    assert weights[0] != weights[1], "the compiled kernels round otherwise: they were not used"


def test_two_threads_may_compute_at_once() -> None:
    layer = next(case for case in CASES if case.name == "conv same relu").layer(JIT)
    inputs = [integers((64, 4, 6, 5), seed, "float32") for seed in range(4)]
    expected = [layer.forward(x)[0] for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(layer.forward(inputs[i])[0], expected[i]):
                wrong.append(i)

    in_threads(work)
    assert not wrong


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    command, variables = [sys.executable, "-W", "error", "-c", script], os.environ | environment
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_other_processors(lanes: int, tmp_path: Path) -> None:
    """The kernels in the form for NEON, AVX2 and AVX-512; LLVM makes of it what this processor has."""
    script = f"""
import llvmlite.binding
features = {{4: {{}}, 8: {{"avx2": True}}, 16: {{"avx512f": True}}}}[{lanes}]
llvmlite.binding.get_host_cpu_features = lambda: llvmlite.binding.FeatureMap(features)
from tests.backend.jit import test_backend as t
assert t.LEAST == {lanes}
for seed in range(3):
    case = t.ConvCase(t.Window((3, 3), (1, 1), ((1, 1), (1, 0))), 1, ({lanes} + 5 * seed, 5, 6, 7), (18, 5, 3, 3), seed)
    t.test_convolution.hypothesis.inner_test(None, case=case, relu=True, need_dx=True)
from tests.backend.jit import test_training as t
with t.use_backend(t.JIT):
    t.agrees(t.small(), t.normal(({lanes} + 3, 2, 14, 15), 1, "float32"))
"""
    done = python(script, NUMBA_CACHE_DIR=str(tmp_path))  # what is cached does not know of the pretended processor
    assert done.returncode == 0, done.stderr


# ---- the switch ----------------------------------------------------------------------------------------------------

WHICH = "import xpnet; backend = xpnet.get_backend(); print(backend.name, bool(backend.jit))"
NO_NUMBA = "import sys; sys.modules['numba'] = None\n"


@pytest.mark.parametrize(
    ("wish", "script", "found"),
    [
        ("", WHICH, "numpy True"),
        ("1", WHICH, "numpy True"),
        ("0", WHICH, "numpy False"),
        ("", NO_NUMBA + WHICH, "numpy False"),
    ],
)
def test_the_kernels_are_taken_where_numba_is_unless_they_are_switched_off(wish: str, script: str, found: str) -> None:
    done = python(script, XPNET_JIT=wish, XPNET_BACKEND="")
    assert done.stdout.strip() == found, done.stderr


def test_a_wish_that_cannot_be_met_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPNET_JIT", "yes")
    with pytest.raises(OptionError, match="XPNET_JIT must be 0 or 1, not 'yes'"):
        _MAKERS["numpy"]()
    monkeypatch.setenv("XPNET_JIT", "1")
    monkeypatch.setitem(sys.modules, "xpnet.backend.jit.backend", None)
    with pytest.raises(BackendError, match=r'Install it: pip install "xpnet\[jit\]"'):
        _MAKERS["numpy"]()


def test_the_doctor_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    from xpnet import doctor

    found: Any = {wish: None for wish in ("0", "")}
    for wish in found:
        monkeypatch.setenv("XPNET_JIT", wish)
        xpnet_backend = sys.modules["xpnet.backend"]
        xpnet_backend._made.clear()
        found[wish] = doctor.examine()["processors"]["jit"]
    xpnet_backend._made.clear()
    assert found == {"0": "switched off by XPNET_JIT=0", "": JIT.jit}
