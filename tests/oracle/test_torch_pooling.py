"""PyTorch as an oracle for pooling, resizing and padding: values and gradients of random configurations, in float64."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.strategies import normal, seeds, spaced
from xpnet import layers
from xpnet.backend import Backend, make_backend
from xpnet.errors import ShapeError

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
from tests.oracle.test_torch_layers import assert_agree  # noqa: E402 (it needs PyTorch)

F = torch.nn.functional
pytestmark = pytest.mark.oracle
two = st.booleans()  # whether there are two axes behind the channels, or one


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


@st.composite
def spatial(draw: Any, rank: int, most: int = 9) -> tuple[int, ...]:
    """(N, C, H, W) or (N, C, T)."""
    return (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *(draw(st.integers(1, most)) for _ in range(rank)))


@st.composite
def pools(draw: Any, most_dilated: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape and options as PyTorch calls them: padding up to half the window, the last windows in or out."""
    rank = draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    dilation = tuple(draw(st.integers(1, most_dilated)) for _ in range(rank))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    # most are long enough for a window; with ceil_mode, some of one pixel less are, too
    sizes = [max(1, e - 2 * p + draw(st.integers(-1, 7))) for e, p in zip(extents, padding, strict=True)]
    options: dict[str, Any] = {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    if most_dilated > 1:
        options["dilation"] = dilation
    return (2, draw(st.integers(1, 2)), *sizes), {"kernel_size": kernel} | options


def ours(options: dict[str, Any]) -> dict[str, Any]:
    """Names and forms of the options here."""
    renamed = {"pool_size" if name == "kernel_size" else name: value for name, value in options.items()}
    if len(options["kernel_size"]) == 2:
        return renamed
    single = {name: value[0] if isinstance(value, tuple) else value for name, value in renamed.items()}
    return single


def assert_pools_agree(make: Any, theirs: Any, here: Backend, shape: Any, options: Any, seed: int) -> None:
    """Also in what is too small."""
    layer, x = make(**ours(options)).to(here), spaced(shape, seed)
    try:
        expected = theirs(torch.tensor(x), **options)
    except RuntimeError as error:
        assert "too small" in str(error) or "Invalid computed output size" in str(error)
        with pytest.raises(ShapeError, match="window covers"):
            layer.output_shape(shape[1:])
        return
    if bool(torch.isinf(expected).any()):
        with pytest.raises(ShapeError, match="no window around all of it"):
            layer.output_shape(shape[1:])
        return
    assert layer.output_shape(shape[1:]) == tuple(expected.shape[1:])
    assert_agree(layer, x, lambda x: theirs(x, **options), seed)


@given(case=pools(most_dilated=3), seed=seeds)
def test_max_pool(here: Backend, case: tuple[tuple[int, ...], dict[str, Any]], seed: int) -> None:
    shape, options = case
    make, theirs = (layers.MaxPool1D, F.max_pool1d) if len(shape) == 3 else (layers.MaxPool2D, F.max_pool2d)
    assert_pools_agree(make, theirs, here, shape, options, seed)


@given(case=pools(most_dilated=1), count=st.booleans(), divisor=st.sampled_from([None, 1, 3]), seed=seeds)
def test_avg_pool(
    here: Backend, case: tuple[tuple[int, ...], dict[str, Any]], count: bool, divisor: int | None, seed: int
) -> None:
    shape, options = case
    make, theirs = (layers.AvgPool1D, F.avg_pool1d) if len(shape) == 3 else (layers.AvgPool2D, F.avg_pool2d)
    more = {"count_include_pad": count} | ({"divisor_override": divisor} if len(shape) == 4 else {})
    assert_pools_agree(make, theirs, here, shape, options | more, seed)


@given(data=st.data(), rank=st.integers(1, 2), seed=seeds)
def test_adaptive_and_global_pools(here: Backend, data: st.DataObject, rank: int, seed: int) -> None:
    shape = data.draw(spatial(rank))
    sizes = tuple(data.draw(st.one_of(st.none(), st.integers(1, 10))) for _ in range(rank))
    wanted: Any = sizes if rank == 2 else sizes[0]
    filled = tuple(size or own for size, own in zip(sizes, shape[2:], strict=True))
    x = spaced(shape, seed)
    for kind in ("Avg", "Max"):
        theirs = getattr(F, f"adaptive_{kind.lower()}_pool{rank}d")
        layer = getattr(layers, f"Adaptive{kind}Pool{rank}D")(wanted).to(here)
        assert layer.output_shape(shape[1:]) == (shape[1], *filled)
        assert_agree(layer, x, lambda x, theirs=theirs: theirs(x, filled), seed)
        whole = getattr(layers, f"Global{kind}Pool{rank}D")().to(here)
        assert_agree(whole, x, lambda x, theirs=theirs: theirs(x, 1).flatten(1), seed)


@given(data=st.data(), rank=st.integers(1, 2), by_scale=st.booleans(), kind=st.integers(0, 2), seed=seeds)
def test_upsample(here: Backend, data: st.DataObject, rank: int, by_scale: bool, kind: int, seed: int) -> None:
    shape = data.draw(spatial(rank))
    numbers = tuple(data.draw(st.integers(1, 4 if by_scale else 20)) for _ in range(rank))
    mode = "nearest" if kind == 0 else "bilinear" if rank == 2 else "linear"
    corners = kind == 2
    given: Any = numbers if rank == 2 else numbers[0]
    make = layers.UpSample2D if rank == 2 else layers.UpSample1D
    layer = make(mode=mode, align_corners=corners, **{"scale" if by_scale else "size": given}).to(here)
    options: dict[str, Any] = {"scale_factor" if by_scale else "size": numbers, "mode": mode}
    options |= {"align_corners": corners} if kind else {}
    assert_agree(layer, normal(shape, seed), lambda x: F.interpolate(x, **options), seed)


MODES = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular", "Constant": "constant"}


@pytest.mark.parametrize("kind", MODES)
@given(data=st.data(), rank=st.integers(1, 2), seed=seeds)
def test_pads(here: Backend, kind: str, data: st.DataObject, rank: int, seed: int) -> None:
    padding = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(rank))
    most = {"Reflection": 1, "Circular": 0}.get(kind, -9)
    sizes = [max(1, max(pads) + most + data.draw(st.integers(0, 3))) for pads in padding]
    value = {"value": 1.5} if kind == "Constant" else {}
    flat = [pad for pads in reversed(padding) for pad in pads]  # PyTorch begins with the last axis
    layer = getattr(layers, f"{kind}Pad{rank}D")(padding if rank == 2 else padding[0], **value).to(here)
    assert_agree(layer, normal((2, 2, *sizes), seed), lambda x: F.pad(x, flat, mode=MODES[kind], **value), seed)
