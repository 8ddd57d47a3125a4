"""The laws of what every layer refuses, and of how it is built."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.conftest import MISSING
from tests.kit.helpers import assert_same, bits
from tests.kit.layer_table import CASES, Case
from tests.kit.strategies import normal
from tests.laws.test_laws import as_tuple, every_layer, fresh, of_floats, shape_of, with_parameters
from xpnet import layers, random
from xpnet.backend import Array, Backend, make_backend, use_backend
from xpnet.cli.layer_cases.base import Shapes
from xpnet.core.layer import Layer
from xpnet.errors import DTypeError, ShapeError
from xpnet.model import Model


@pytest.fixture(params=[name for name in ("numpy", "cupy") if MISSING.get(name, "left out") is None])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Refusals and builds come before any backend computes: two of them, one on a device, are enough."""
    with use_backend(make_backend(request.param)) as current:
        yield current


def zeros(backend: Backend, case: Case, shapes: Shapes, dtype: str | None = None) -> list[Array]:
    """A batch of zeros of each shape, integers where the layer takes them, or all of one data type."""
    kinds = [dtype or ("int64" if count else "float32") for count in case.row.counts]
    kinds += kinds[:1] * (len(shapes) - len(kinds))  # more inputs than there should be
    return [backend.zeros((2, *shape), kind) for shape, kind in zip(shapes, kinds, strict=False)]


@pytest.mark.parametrize("case", [case for case in CASES if case.row.wrong], ids=lambda case: case.name)
def test_a_wrong_shape_is_an_error_that_says_all(backend: Backend, case: Case) -> None:
    layer = case.layer(backend)
    layer.name = "middle"
    for shapes in case.row.wrong:
        with pytest.raises(ShapeError) as caught:
            fresh(layer).forward(*zeros(backend, case, shapes))
        message = str(caught.value)
        assert layer.composite or message.startswith(f"middle ({type(layer).__name__}): ")  # else a layer inside
        got, too_small = shapes[-1], "window covers" in message
        size = "x".join(map(str, got[1:]))  # behind the channels
        assert (f"the {size} " if too_small else str(("N", *got)).replace("'", "")) in message
        assert "use a smaller kernel" in message if too_small else ", needed is " in message
    fine = case.inputs(backend)
    assert shape_of(fresh(layer).forward(*fine)[0]) == layer.output_shape(*case.shapes)  # it still works


@with_parameters
def test_an_empty_batch_is_refused(backend: Backend, case: Case) -> None:
    with pytest.raises(ShapeError, match="batch of at least one"):
        case.layer(backend).forward(*case.zeros(backend, 0))


@pytest.mark.parametrize("case", [case for case in CASES if case.row.make is not layers.ReLU], ids=lambda c: c.name)
def test_an_axis_of_length_0_is_refused(backend: Backend, case: Case) -> None:
    first, *others = case.shapes
    for axis in range(len(first)):
        empty = (*first[:axis], 0, *first[axis + 1 :])
        for layer in (case.layer(backend), case.make()):  # built and not yet built
            with pytest.raises(ShapeError):
                layer.forward(*zeros(backend, case, (empty, *others)))


@pytest.mark.parametrize("case", [c for c in CASES if len(c.shapes) > 1], ids=lambda case: case.name)
def test_batches_of_different_length_are_refused(backend: Backend, case: Case) -> None:
    xs = [case.zeros(backend, 2 + (i == 1))[i] for i in range(len(case.shapes))]
    with pytest.raises(ShapeError, match="batches of 2 and of 3"):
        case.layer(backend).forward(*xs)


@with_parameters
def test_a_wrong_dtype_is_refused(backend: Backend, case: Case) -> None:
    for layer in (case.layer(backend), case.make()):  # built and not yet built
        for dtype in ("float64", "int64", "uint8"):
            with pytest.raises(DTypeError, match=rf"{type(layer).__name__}: the input is {dtype}.*float32"):
                fresh(layer).forward(*case.zeros(backend, dtype=dtype))


@of_floats
def test_integers_are_refused(backend: Backend, case: Case) -> None:
    """Pixels from 0 to 255 would go through many a layer and come out wrong; ReLU alone is exact for them too."""
    layer = case.make()
    for dtype in ("int64", "uint8"):
        name = r"\w+ \(\w+\)" if layer.composite else type(layer).__name__  # of a network, a layer inside
        with pytest.raises(DTypeError, match=rf"{name}: the input is {dtype}.*astype\(.float32.\)"):
            fresh(layer).forward(*case.zeros(backend, dtype=dtype), train=True)
    assert layer.parameters() == []  # and nothing was built for them


@pytest.mark.parametrize("case", [case for case in CASES if case.all_integers], ids=lambda case: case.name)
def test_a_layer_of_integers_refuses_all_else(backend: Backend, case: Case) -> None:
    for layer in (case.make(), case.layer(backend)):
        for dtype in ("float32", "float64", "uint8"):
            with pytest.raises(DTypeError, match=rf"the input is {dtype}, the layer takes integers.*astype\(.int64.\)"):
                fresh(layer).forward(*zeros(backend, case, case.shapes, dtype), train=True)
    assert case.make().parameters() == []


@every_layer
def test_building_twice_keeps_the_parameters(backend: Backend, case: Case) -> None:
    layer = case.make()
    layer.build(*case.shapes)
    before = [(id(p), bits(p.value)) for p in layer.parameters()]
    layer.build(*case.shapes)
    fresh(layer).forward(*case.inputs(backend))
    assert [(id(p), bits(p.value)) for p in layer.parameters()] == before


# a layer that joins others in a `call` is known when that has run
but_networks = pytest.mark.parametrize(
    "case", [case for case in CASES if not case.make().composite], ids=lambda case: case.name
)


@but_networks
def test_parameters_are_counted_before_they_are_made(backend: Backend, case: Case) -> None:
    layer, state = case.make(), random.get_state()
    count = layer.parameter_count(*case.shapes)
    assert layer.parameters() == [] and random.get_state() == state
    layer.build(*case.shapes)
    assert count == sum(p.size for p in layer.parameters()) == layer.parameter_count(*case.shapes)


@every_layer
def test_output_shape_tells_the_truth(backend: Backend, case: Case) -> None:
    layer = case.make()
    told = layer.output_shape(*case.shapes)
    assert layer.composite or layer.parameters() == []  # asking builds nothing
    assert layer.build(*case.shapes) == told
    assert layer.output_shape(*case.shapes) == told
    assert shape_of(fresh(layer).forward(*case.inputs(backend))[0]) == told


@every_layer
def test_config_makes_the_layer_again(case: Case) -> None:
    layer = case.make()
    layer.name = "again"
    twin = type(layer)(**layer.config())
    assert repr(twin) == repr(layer)
    assert "name='again'" in repr(layer)
    assert twin.config() == layer.config()


class Alone(Model):
    """A layer as a network, which can be saved."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def call(self, *xs: Any) -> Any:
        return self.layer(*xs)


@every_layer
def test_it_is_saved_and_loaded(backend: Backend, case: Case, tmp_path: Path) -> None:
    """Settings and weights: what was loaded gives the same bits."""
    model, xs = Alone(case.make()), case.inputs(backend)
    model.build(*case.shapes, dtype=tuple("int64" if count else "float32" for count in case.row.counts))
    for index, parameter in enumerate(model.parameters()):
        parameter.value = np.abs(normal(parameter.shape, index, "float32")) + 0.1
    model.save(tmp_path / "alone.xpnet")
    loaded = xpnet.load(tmp_path / "alone.xpnet", custom=Alone)
    assert repr(loaded.layer) == repr(model.layer)
    pairs = zip(loaded.named_parameters(), model.named_parameters(), strict=True)
    assert all(name == own and bits(p.value) == bits(q.value) for (name, p), (own, q) in pairs)
    for got, want in zip(as_tuple(fresh(loaded)(*xs)), as_tuple(fresh(model)(*xs)), strict=True):
        assert_same(got, want)
