"""Convolution by columns: what the reference computes, in any tiles and on any number of threads."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.kit.helpers import assert_close, bits, calls_of, without_helpers
from tests.kit.strategies import ConvCase, convolutions, normal
from xpnet.backend import make_backend
from xpnet.backend.cpu import backend as cpu_backend
from xpnet.backend.cpu import choice, columns, threads, work
from xpnet.backend.window import Pads, Window

dtypes = st.sampled_from(["float32", "float64"])


@pytest.fixture
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one multiplication; what is remembered of the usual ones does not count."""
    for module in (columns, work):
        monkeypatch.setattr(module, "PRODUCT", 1)
    monkeypatch.setattr(columns, "divide_channels", work.divide_channels.__wrapped__)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch, small_products: None) -> None:
    """So small that there are many of them in a small image."""
    monkeypatch.setattr(columns, "MANY_PIXELS", 4)
    monkeypatch.setattr(columns, "WORTH", 1)
    monkeypatch.setattr(columns, "TILE_BYTES", 256)


@pytest.fixture
def restored_pool() -> Iterator[None]:
    """Afterwards, no threads in a number that a test made up."""
    yield
    threads.team().close()
    without_helpers()


def conv_and_pool(case: ConvCase, dtype: str) -> list[np.ndarray]:
    """What every threaded primitive of the NumPy backend returns."""
    backend = make_backend("numpy")
    x, w, dy = (normal(s, case.seed + i, dtype) for i, s in enumerate((case.x_shape, case.w_shape, case.y_shape)))
    y = backend.conv2d(x, w, normal(w.shape[:1], case.seed, dtype), case.window, case.groups, "relu")
    pooled = backend.max_pool2d(x, case.window._replace(padding=((0, 0), (0, 0))))
    return [y, *backend.conv2d_backward(dy, x, w, y, case.window, case.groups, "relu"), pooled]


BIG = ConvCase(Window((3, 3), (1, 1), ((1, 1), (1, 1))), 2, (4, 8, 20, 19), (12, 4, 3, 3), 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_change_a_bit(
    monkeypatch: pytest.MonkeyPatch, small_tiles: None, restored_pool: None, dtype: str
) -> None:
    results = []
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        without_helpers()
        results.append([bits(a) for a in conv_and_pool(BIG, dtype)])
    assert results[0] == results[1] == results[2]


@given(case=convolutions(), dtype=dtypes)
def test_tiles_change_rounding_only(small_tiles: None, case: ConvCase, dtype: str) -> None:
    x, w = normal(case.x_shape, case.seed, dtype), normal(case.w_shape, case.seed + 1, dtype)
    y, dy = normal(case.y_shape, case.seed + 2, dtype), normal(case.y_shape, case.seed + 3, dtype)
    numpy = make_backend("numpy")
    assert_agree(numpy, "conv2d", x, w, None, case.window, case.groups)
    assert_agree(numpy, "conv2d_backward", dy, x, w, y, case.window, case.groups, "relu")
    assert_agree(numpy, "conv2d_transposed", dy, w, x[0, :, 0, 0], case.window, case.x_shape[2:], case.groups, "relu")


def test_small_tiles_are_many(small_tiles: None) -> None:
    walk = columns.Walk(np.zeros((20, 8, 19, 2)), (20, 19), (3, 3), (1, 1), (1, 1), (1, 1), 1, 8)
    tiles = walk.tiles()
    assert len(tiles) > 100
    seen = np.zeros((20, 19, 2), int)
    for i0, i1, j0, j1, n0, n1 in tiles:
        seen[i0:i1, j0:j1, n0:n1] += 1
    assert np.all(seen == 1)


@pytest.mark.parametrize("images", [3, 9, 23])  # several columns of all images in a tile; one of some of them
@pytest.mark.parametrize("groups", [1, 2])
def test_a_tile_may_have_some_of_the_images(
    images: int, groups: int, monkeypatch: pytest.MonkeyPatch, small_products: None
) -> None:
    by_columns = choice.COLUMNS, "", ""
    monkeypatch.setattr(cpu_backend, "choose", lambda *case: by_columns)
    monkeypatch.setattr(columns, "MANY_PIXELS", 8)
    monkeypatch.setattr(columns, "TRANSPOSED", 1)
    window = Window((3, 2), (2, 1), ((1, 1), (0, 1)))
    x, w, dy = (
        normal(shape, seed, "float64")
        for seed, shape in enumerate([(images, 4, 9, 7), (6, 4 // groups, 3, 2), (images, 6, 5, 7)])
    )
    backend, reference = make_backend("numpy"), make_backend("reference")
    y = backend.conv2d(x, w, None, window, groups)
    assert_close(y, reference.conv2d(x, w, None, window, groups), backend)
    wanted = reference.conv2d_backward(dy, x, w, y, window, groups)
    for got, want in zip(backend.conv2d_backward(dy, x, w, y, window, groups), wanted, strict=True):
        assert_close(got, want, backend)


@pytest.mark.parametrize("channels", [1, 16])
def test_no_images_have_gradients_of_zero(channels: int) -> None:
    backend, window = make_backend("numpy"), Window((3, 3), (1, 1), ((1, 1), (1, 1)))
    x, w, b = (np.zeros(shape, "float32") for shape in ((0, channels, 8, 8), (4, channels, 3, 3), 4))
    y = backend.conv2d(x, w, b, window, 1, "relu")
    assert y.shape == (0, 4, 8, 8)
    dx, dw, db = backend.conv2d_backward(y, x, w, y, window, 1, "relu")
    assert dx.shape == x.shape and not dw.any() and not db.any() and dw.shape == w.shape


@pytest.mark.parametrize(
    ("channels", "cost", "size"), [(64, 15_000, 64), (64, 40_000, 16), (30, 10**6, 30), (7, 10, 7)]
)
def test_channels_are_divided_evenly_or_not_at_all(channels: int, cost: int, size: int) -> None:
    assert work.divide_channels(channels, cost) == size


def test_convolution_makes_no_float64_from_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    scratched, scratch = calls_of(columns.scratch)
    products, matmul = calls_of(np.matmul)
    monkeypatch.setattr(columns, "scratch", scratch)
    monkeypatch.setattr(np, "matmul", matmul)
    results = conv_and_pool(BIG, "float32")
    assert scratched and products
    assert {a.dtype.name for a in (*results, *scratched, *products)} == {"float32"}


@pytest.mark.parametrize("pads", [((0, 0), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (0, 2))], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("images", [3, 23])
def test_single_pixels_are_columns_already(
    images: int, groups: int, pads: Pads, monkeypatch: pytest.MonkeyPatch, small_tiles: None
) -> None:
    """Unless there are some beside the image."""
    by_columns = choice.COLUMNS, "", ""
    monkeypatch.setattr(cpu_backend, "choose", lambda *case: by_columns)
    filled: list[object] = []
    monkeypatch.setattr(
        columns.Walk, "fill", lambda self, *args, own=columns.Walk.fill: (filled.append(1), own(self, *args))
    )
    window = Window((1, 1), padding=pads)
    x, w = normal((images, 4, 9, 7), 1, "float64"), normal((6, 4 // groups, 1, 1), 2, "float64")
    backend, reference = make_backend("numpy"), make_backend("reference")
    y = backend.conv2d(x, w, None, window, groups)
    assert bool(filled) == (pads != ((0, 0), (0, 0)))
    assert_close(y, reference.conv2d(x, w, None, window, groups), backend)
    dy = normal(y.shape, 3, "float64")
    wanted = reference.conv2d_backward(dy, x, w, y, window, groups)
    for got, want in zip(backend.conv2d_backward(dy, x, w, y, window, groups), wanted, strict=True):
        assert_close(got, want, backend)
