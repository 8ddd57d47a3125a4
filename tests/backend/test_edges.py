"""Numbers at the edge through every primitive, on every backend: NaN, infinities, zeros of both signs, denormal and the
largest numbers, and nothing. A row of the table is a case; what the reference gives on NumPy is what all must give.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.conftest import MISSING
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.backend.reference import AdamStep, MomentStep
from xpnet.backend.reference.elementwise import FORMULAS
from xpnet.backend.window import Window

REFERENCE = Backend()
NAN, INF, TINY, MOST = np.nan, np.inf, 1e-45, float(np.finfo(np.float32).max)
EDGES = (NAN, INF, -INF, 0.0, -0.0, TINY, -TINY, MOST, -MOST, 1.0)
IMAGES = 48  # as many as every way to compute a convolution takes


def f32(*values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def put(x: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    """A copy of x with one value at one place."""
    x = x.copy()
    x[place] = value
    return x


def with_one(arrays: dict[str, np.ndarray], which: str, place: tuple[int, ...], value: float) -> tuple[np.ndarray, ...]:
    """The arrays, of which one has the value at a place; a place of one number is so on all axes."""
    place = place * arrays[which].ndim if len(place) == 1 else place
    return tuple(put(array, place, value) if name == which else array for name, array in arrays.items())


def every(values: tuple[float, ...] = EDGES) -> tuple[np.ndarray, np.ndarray]:
    """Each value beside each other."""
    a, b = np.meshgrid(f32(*values), f32(*values), indexing="ij")
    return a.reshape(-1), b.reshape(-1)


class Row(NamedTuple):
    name: str
    call: Callable[..., Any]  # takes the backend, and the arrays as its own
    arrays: tuple[np.ndarray | None, ...]


def changed(name: str, **options: Any) -> Callable[..., Any]:
    """What a primitive leaves of its arguments that it changes in place."""

    def call(backend: Backend, *arrays: Any) -> tuple[Any, ...]:
        own = [backend.copy(array) for array in arrays]
        getattr(backend, name)(*own, **options)
        return tuple(own)

    return call


def of(name: str, *more: Any, **options: Any) -> Callable[..., Any]:
    return lambda backend, *arrays: getattr(backend, name)(*arrays, *more, **options)


def formula(name: str, *constants: float) -> Callable[..., Any]:
    def call(backend: Backend, x: Any, dy: Any) -> tuple[Any, Any]:
        y, back = backend.activation(x, name, *constants)
        return y, back(dy)

    return call


# ---- activations -----------------------------------------------------------------------------------------------------

CONSTANTS: dict[str, tuple[float, ...]] = {
    "leaky_relu": (0.3,), "elu": (0.7, 1.2, 0.5), "hard_tanh": (-0.3, 1.5), "softplus": (2.0, 20.0), "tanh": (1.7, 0.6),
}  # fmt: skip
LONG = 1 << 17  # entries, from which on threads share them

ACTIVATIONS = [
    Row("relu", of("activate", "relu"), (f32(*EDGES),)),
    Row("relu of many", of("activate", "relu"), (np.resize(f32(*EDGES), 2 * LONG),)),
    Row("relu backward", of("activate_backward", "relu"), every()),
    Row("relu backward of many", of("activate_backward", "relu"), tuple(np.resize(a, 2 * LONG) for a in every())),
    *(Row(name, formula(name, *CONSTANTS.get(name, ())), every()) for name in FORMULAS),
    Row("relu6", formula("hard_tanh", 0.0, 6.0), every()),
    *(
        Row(f"{name} of none", formula(name, *CONSTANTS.get(name, ())), (f32(), f32()))
        for name in ("gelu", "silu", "elu")
    ),
    Row("relu of none", of("activate", "relu"), (f32(),)),
    Row("relu backward of none", of("activate_backward", "relu"), (f32(), f32())),
    Row("sigmoid of scores", of("sigmoid"), (f32(*EDGES),)),
]

# ---- pooling ---------------------------------------------------------------------------------------------------------

WINDOWS = {
    "side by side": Window((2, 2), stride=(2, 2)),
    "overlapping": Window((3, 3), padding=((1, 1), (1, 1))),
    "apart, padded": Window((2, 2), stride=(3, 3), padding=((1, 1), (1, 1))),
    "dilated": Window((2, 2), stride=(1, 1), padding=((1, 0), (0, 1)), dilation=(2, 2)),
}


def max_pool(window: Window) -> Callable[..., Any]:
    def call(backend: Backend, x: Any, dy: Any) -> tuple[Any, Any]:
        y = backend.max_pool2d(x, window)
        dy = backend.copy(backend.xp.broadcast_to(backend.xp.reshape(dy, (-1, 1, 1, 1)), y.shape))
        return y, backend.max_pool2d_backward(dy, x, y, window)

    return call


def avg_pool(window: Window) -> Callable[..., Any]:
    def call(backend: Backend, x: Any, dy: Any) -> tuple[Any, Any]:
        y = backend.avg_pool2d(x, window)
        dy = backend.copy(backend.xp.broadcast_to(backend.xp.reshape(dy, (-1, 1, 1, 1)), y.shape))
        return y, backend.avg_pool2d_backward(dy, x.shape[2:], window)

    return call


def mixed(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers with those of the edge between them."""
    rng, x = np.random.default_rng(seed), normal(*shape, seed=seed)
    return np.where(rng.random(shape) < 0.3, rng.choice(f32(*EDGES[:5]), shape), x)


DY = np.resize(f32(1, 2, INF, NAN, -INF, 0), IMAGES)
POOLINGS = [
    Row(f"{kind.__name__}, {place}, {what}", kind(window), (x, dy))
    for place, window in WINDOWS.items()
    for kind in (max_pool, avg_pool)
    for what, x, dy in (
        ("all -inf", np.full((IMAGES, 2, 6, 6), -INF, np.float32), np.resize(f32(1, 2), IMAGES)),
        ("all inf", np.full((IMAGES, 2, 6, 6), INF, np.float32), np.resize(f32(1, 2), IMAGES)),
        ("zeros of both signs", np.resize(f32(0.0, -0.0, -0.0), (IMAGES, 2, 6, 6)), DY),
        ("mixed", mixed(IMAGES, 2, 6, 6), DY),
        ("few images", mixed(3, 2, 6, 6), DY[:3]),
        ("no images", mixed(0, 2, 6, 6), DY[:0]),
    )
]

# ---- scores, losses, embedding, attention ----------------------------------------------------------------------------

SCORES = np.stack(every())[:, :100].T.copy()  # (100, 2)
SURE = f32(
    (-INF, 1, 2), (-INF, -INF, 3), (MOST, -MOST, 0), (TINY, 0, -0.0), (INF, 1, 1), (NAN, 1, 1), (-INF, -INF, -INF)
)
LABELS, SPECIAL = np.array([1, 2, 0, 1, 0, 0, 2]), f32((NAN, 1), (INF, 0), (1, -INF), (INF, TINY))
Q = normal(2, 1, 4, 3)
LOSSES = [
    Row("softmax", of("softmax"), (SCORES,)),
    Row("softmax of three", of("softmax"), (SURE,)),
    Row("softmax of none", of("softmax"), (SURE[:0],)),
    Row("cross entropy of none", of("softmax_cross_entropy"), (SURE[:0], np.zeros(0, np.int64))),
    Row("cross entropy of labels", of("softmax_cross_entropy"), (SURE, LABELS)),
    Row("cross entropy of probabilities", of("softmax_cross_entropy"), (SURE, np.eye(3, dtype=np.float32)[LABELS])),
    Row("hits", of("count_hits"), (SURE, np.array([2, 2, 0, 0, 0, 0, 0]))),
    Row("embedding", of("embedding"), (np.array([[0, 2], [2, 1]]), f32((NAN, 1), (INF, -INF), (MOST, TINY)))),
    Row("embedding backward", of("embedding_backward", vocabulary=5), (SPECIAL, LABELS[:4])),
    Row("attention, -inf hides", of("attention"), (Q, Q, Q, np.where(np.eye(4) > 0, -INF, 0).astype(np.float32))),
    Row("attention, all hidden", of("attention"), (Q, Q, Q, np.full((4, 4), -INF, np.float32))),
    Row("attention, a NaN", of("attention"), (put(Q, place=(0, 0, 1, 0), value=NAN), Q, Q)),
    Row("attention, an inf in v", of("attention"), (Q, Q, put(Q, place=(0, 0, 1, 0), value=INF))),
    Row("attention, large scores", of("attention"), (1e18 * Q, 1e18 * Q, Q)),
]  # fmt: skip

# ---- norms -----------------------------------------------------------------------------------------------------------


def batch_norm(backend: Backend, x: Any, dy: Any, weight: Any) -> tuple[Any, ...]:
    y, mean, var = backend.batch_norm(x, weight, weight, 1e-5)
    return y, mean, var, *backend.batch_norm_backward(dy, x, mean, var, weight, 1e-5)


def group_norm(backend: Backend, x: Any, dy: Any, weight: Any) -> tuple[Any, ...]:
    y, mean, rstd = backend.group_norm(x, 2, weight, weight, 1e-5)
    return y, mean, rstd, *backend.group_norm_backward(dy, x, 2, mean, rstd, weight)


def response_norm(backend: Backend, x: Any, dy: Any, weight: Any) -> tuple[Any, ...]:
    y, scale = backend.local_response_norm(x, 3, 1e-2, 0.75, 2.0)
    return y, scale, backend.local_response_norm_backward(dy, x, scale, 3, 1e-2, 0.75)


BATCH, WEIGHT = normal(6, 4, 3, 3), f32(1, 0, -2, 1)
NORMS = [
    Row(f"{kind.__name__}, {value} in {where}", kind, (x, dy, WEIGHT))
    for kind in (batch_norm, group_norm, response_norm)
    for value in (NAN, INF, -INF)
    for where, x, dy in (
        ("x", put(BATCH, place=(1, 2, 0, 1), value=value), normal(6, 4, 3, 3, seed=1)),
        ("dy", BATCH, put(normal(6, 4, 3, 3, seed=1), place=(1, 2, 0, 1), value=value)),
    )
] + [
    Row("batch norm of what is constant", batch_norm, (np.zeros((6, 4, 3, 3), np.float32), BATCH, WEIGHT)),
    Row("group norm of what is constant", group_norm, (np.ones((6, 4, 3, 3), np.float32), BATCH, WEIGHT)),
    Row("scale_channels", of("scale_channels"), (mixed(5, 3, 2, 2), f32(0, INF, 2), f32(INF, 0, 1))),
    Row("moving average", changed("moving_average", rate=0.25, weight=0.25), every()),
]

# ---- convolution and dense -------------------------------------------------------------------------------------------


def conv(window: Window, groups: int = 1, activation: str | None = None) -> Callable[..., Any]:
    def call(backend: Backend, x: Any, w: Any, b: Any, dy: Any) -> tuple[Any, ...]:
        y = backend.conv2d(x, w, b, window, groups, activation)
        dx, dw, db = backend.conv2d_backward(dy, x, w, y, window, groups, activation)
        size = window.output_size(x.shape[2:])
        t = backend.conv2d_transposed(dy, w, None, window, x.shape[2:], groups, activation)
        assert tuple(dy.shape[2:]) == tuple(size)
        return y, dx, dw, db, t, *backend.conv2d_transposed_backward(x, dy, w, t, window, groups, activation)

    return call


def conv_rows() -> list[Row]:
    rows, same = [], ((1, 1), (1, 1))
    kinds = {
        "rows": (Window((3, 3), padding=same), IMAGES, 2, 3),
        "direct": (Window((2, 3), padding=((1, 0), (1, 1))), IMAGES, 2, 3),
        "strided": (Window((3, 3), stride=(2, 2), padding=same), IMAGES, 2, 3),
        "few": (Window((3, 3), padding=same), 3, 2, 3),
        "whole": (Window((5, 6)), 4, 2, 3),
    }
    for kind, (window, N, C, O) in kinds.items():
        x, w = normal(N, C, 5, 6), normal(O, C, *window.kernel, seed=1)
        b, dy = normal(O, seed=2), normal(N, O, *window.output_size((5, 6)), seed=3)
        for turn, value in enumerate((NAN, INF, MOST)):
            for which, place in (("x", (1, 1, 2, 3)), ("w", (1, 0, 0, 2)), ("dy", (1, 2, 0, 0)), ("b", (1,))):
                arrays = with_one({"x": x, "w": w, "b": b, "dy": dy}, which, place, value)
                act = "relu" if (turn + "xwdb".index(which[0])) % 2 else None
                rows.append(Row(f"convolution, {kind}, {value} in {which}, {act}", conv(window, 1, act), arrays))
    return rows


def dense(activation: str | None) -> Callable[..., Any]:
    def call(backend: Backend, x: Any, w: Any, b: Any, dy: Any) -> tuple[Any, ...]:
        y = backend.dense(x, w, b, activation)
        return y, *backend.dense_backward(dy, x, w, y, activation)

    return call


DENSE = [
    Row(f"dense, {value} in {which}, {act}", dense(act), with_one(arrays, which, place, value))
    for act in (None, "relu")
    for value in (NAN, INF, -INF, MOST)
    for arrays in ({"x": normal(5, 4), "w": normal(3, 4, seed=1), "b": normal(3, seed=2), "dy": normal(5, 3, seed=3)},)
    for which, place in (("x", (1, 2)), ("w", (0, 3)), ("b", (1,)), ("dy", (2, 2)))
]  # fmt: skip
ONES, ENDS = np.ones((len(EDGES), 1), np.float32), f32(*EDGES)[:, None]
DENSE.append(Row("dense backward, outputs at the edge", of("dense_backward", "relu"), (ONES, ONES, ONES[:1], ENDS)))

# ---- recurrent layers ------------------------------------------------------------------------------------------------

ALIVE = np.array([[True, True], [True, False], [False, False]])


def simple_rnn(nonlinearity: str) -> Callable[..., Any]:
    def call(backend: Backend, z: Any, w: Any, h: Any, dh: Any, alive: Any) -> tuple[Any, ...]:
        hs = backend.simple_rnn(z, w, h, nonlinearity, alive)
        return hs, *backend.simple_rnn_backward(None, dh, hs, w, nonlinearity, alive)

    return call


def lstm(backend: Backend, z: Any, w: Any, h: Any, dh: Any, alive: Any) -> tuple[Any, ...]:
    hs, cs, gates = backend.lstm(z, w, h, h, alive)
    return hs, cs, gates, *backend.lstm_backward(None, dh, dh, hs, cs, gates, w, alive)


def gru(backend: Backend, z: Any, w: Any, h: Any, dh: Any, alive: Any) -> tuple[Any, ...]:
    hs, gates = backend.gru(z, w, None, h, alive)
    return hs, gates, *backend.gru_backward(None, dh, hs, gates, w, alive)


CELLS = ("rnn, tanh", simple_rnn("tanh"), 1), ("rnn, relu", simple_rnn("relu"), 1), ("lstm", lstm, 4), ("gru", gru, 3)
STATES = {"h": normal(2, 4, seed=2), "dh": normal(2, 4, seed=3)}
RECURRENT = [
    Row(f"{name}, {value} in {which}, {how}", kind, (*with_one(arrays, which, (1,), value), alive))
    for name, kind, gates in CELLS
    for value in (NAN, INF, -INF, MOST)
    for arrays in ({"z": normal(3, 2, gates * 4), "w": 0.5 * normal(gates * 4, 4, seed=1), **STATES},)
    for which in arrays
    if not (value == MOST and which == "h")  # whether that overflows on the way back depends on the order of factors
    for how, alive in (("whole", None), ("ended", ALIVE))
    if not (how == "ended" and which == "w")  # a gradient of 0 times a weight that is not finite: left open
]
WAY = None, ONES.T, np.stack([np.zeros_like(ONES.T), ENDS.T]), np.eye(len(EDGES), dtype=np.float32)
RECURRENT.append(Row("rnn backward, states at the edge", of("simple_rnn_backward", "relu"), WAY))

# ---- updates ---------------------------------------------------------------------------------------------------------

P, G = every()
S = np.abs(np.roll(G, 3))
SHRUNK = MomentStep(0.1, 0.2, 0.9, 0.99, 0.5, adaptive=True, eps=1e-3, weight_decay=0.0, shrink=0.1)
DECAYED = MomentStep(0.0, 0.2, 0.9, 0.99, 0.5, adaptive=False, eps=1e-3, weight_decay=0.1, shrink=0.0)
UPDATES = [
    Row("sgd", changed("sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1), (P, G, S)),
    Row("adagrad", changed("adagrad", lr=0.1, eps=1e-3, weight_decay=0.1), (P, G, S)),
    Row("rmsprop", changed("rmsprop", lr=0.1, rho=0.9, eps=1e-3, weight_decay=0.1), (P, G, S)),
    Row("adam", changed("adam", how=AdamStep(3, 0.1, 0.9, 0.99, 1e-3, 0.0, False)), (P, G, S, S)),
    Row("adam, decay", changed("adam", how=AdamStep(3, 0.1, 0.9, 0.99, 1e-3, 0.3, False)), (P, G, S, S)),
    Row("adamw", changed("adam", how=AdamStep(3, 0.1, 0.9, 0.99, 1e-3, 0.3, True)), (P, G, S, S)),
    Row("moments", changed("moments", how=SHRUNK), (P, G, S, S)),
    Row("moments, decay", changed("moments", how=DECAYED), (P, G, S, S)),
    Row("lion", changed("lion", lr=0.1, beta1=0.9, beta2=0.99, weight_decay=0.1), (P, G, S)),
]  # fmt: skip

FAMILIES = {
    "activations": ACTIVATIONS, "pooling": POOLINGS, "losses": LOSSES, "norms": NORMS, "convolution": conv_rows(),
    "dense": DENSE, "recurrent": RECURRENT, "updates": UPDATES,
}  # fmt: skip
PLACES = {row.name: (family, place) for family, rows in FAMILIES.items() for place, row in enumerate(rows)}
KINDS: list[Any] = [name for name, reason in MISSING.items() if reason is None and name != "reference"]
with contextlib.suppress(ImportError):  # without Numba there are no compiled kernels
    from xpnet.backend.jit.backend import JitBackend

    KINDS.append(pytest.param("jit", marks=pytest.mark.slow))


def results(backend: Backend, row: Row) -> list[np.ndarray | None]:
    arrays = [None if array is None else backend.asarray(array) for array in row.arrays]
    with use_backend(backend), backend.computing():
        result = row.call(backend, *arrays)
    both = result if isinstance(result, tuple) else (result,)
    return [None if array is None else np.array(backend.to_numpy(array)) for array in both]


def assert_alike(got: np.ndarray, want: np.ndarray) -> None:
    """NaN where NaN is, infinities of one sign, and all other numbers to rounding."""
    assert got.shape == want.shape and got.dtype == want.dtype
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.where(np.isfinite(got), 0, got), np.where(finite, 0, want))
    usual = float(np.abs(want[finite]).max(initial=0))
    np.testing.assert_allclose(got[finite], want[finite], rtol=2e-5, atol=2e-5 * min(max(usual, 1), 1e3))


@pytest.fixture(scope="module", params=KINDS)
def each(request: pytest.FixtureRequest) -> Backend:
    return JitBackend() if request.param == "jit" else make_backend(request.param)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table(each: Backend, family: str) -> None:
    wrong = []
    for row in FAMILIES[family]:
        for number, (got, want) in enumerate(zip(results(each, row), expected(row), strict=True)):
            assert (got is None) == (want is None), row.name
            try:
                if got is not None and want is not None:
                    assert_alike(got, want)
            except AssertionError as error:
                wrong.append(f"{row.name}, result {number}: {error}")
    assert not wrong, f"{len(wrong)} of {len(FAMILIES[family])} rows:\n" + "\n".join(wrong[:3])


@functools.cache
def _expected(family: str, place: int) -> list[np.ndarray | None]:
    return results(REFERENCE, FAMILIES[family][place])


def expected(row: Row) -> list[np.ndarray | None]:
    family, place = PLACES[row.name]
    return _expected(family, place)


def test_nothing_passes_a_dead_relu(each: Backend) -> None:
    dy, y = f32(INF, -INF, NAN, 1, INF, NAN, 2), f32(0, 0, 0, -0.0, 1, 1, NAN)
    dx = each.to_numpy(each.activate_backward(each.asarray(dy), each.asarray(y), "relu"))
    np.testing.assert_array_equal(dx, f32(0, 0, 0, 0, INF, NAN, 0))


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("images", [3, IMAGES])
def test_each_window_of_minus_infinity_gives_its_gradient_to_one_pixel(
    each: Backend, window: Window, images: int
) -> None:
    x = each.asarray(np.full((images, 2, 6, 6), -INF, np.float32))
    y = each.max_pool2d(x, window)
    dx = each.to_numpy(each.max_pool2d_backward(each.copy(each.xp.ones_like(y)), x, y, window))
    real = REFERENCE.avg_pool2d(np.ones(x.shape, np.float32), window) > 0  # windows that hold more than padding
    assert dx.sum() == real.sum()


def test_rows_have_names_of_their_own() -> None:
    assert len(PLACES) == sum(map(len, FAMILIES.values())) > 300
