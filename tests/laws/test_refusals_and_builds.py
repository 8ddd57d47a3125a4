"""The laws of what every layer refuses, and of how it is built."""

import pytest

from tests.kit.helpers import bits
from tests.kit.layer_table import CASES, Case
from tests.laws.test_laws import every_layer, fresh, of_floats, of_integers, shape_of, with_parameters
from xpnet import random
from xpnet.backend import Backend
from xpnet.errors import DTypeError, ShapeError


@pytest.mark.parametrize("case", [case for case in CASES if case.wrong], ids=lambda case: case.name)
def test_a_wrong_shape_is_an_error_that_says_all(backend: Backend, case: Case) -> None:
    layer = case.layer(backend)
    layer.name = "middle"
    for shapes in case.wrong:
        with pytest.raises(ShapeError) as caught:
            fresh(layer).forward(*(backend.zeros((2, *shape)) for shape in shapes))
        message = str(caught.value)
        assert message.startswith(f"middle ({type(layer).__name__}): ")
        got, too_small = shapes[-1], "window covers" in message
        assert (f"{got[-2]}x{got[-1]} input" if too_small else f"({', '.join(['N', *map(str, got)])})") in message
        assert "use a smaller kernel" in message if too_small else ", needed is " in message
    fine = case.inputs(backend)
    assert shape_of(fresh(layer).forward(*fine)[0]) == layer.output_shape(*case.shapes)  # it still works


@with_parameters
def test_an_empty_batch_is_refused(backend: Backend, case: Case) -> None:
    with pytest.raises(ShapeError, match="batch of at least one"):
        case.layer(backend).forward(*(backend.zeros((0, *shape)) for shape in case.shapes))


@pytest.mark.parametrize("case", [c for c in CASES if len(c.shapes) > 1], ids=lambda case: case.name)
def test_batches_of_different_length_are_refused(backend: Backend, case: Case) -> None:
    xs = [backend.zeros((2 + (i == 1), *shape)) for i, shape in enumerate(case.shapes)]
    with pytest.raises(ShapeError, match="batches of 2 and of 3"):
        case.layer(backend).forward(*xs)


@with_parameters
def test_a_wrong_dtype_is_refused(backend: Backend, case: Case) -> None:
    for layer in (case.layer(backend), case.make()):  # built and not yet built
        for dtype in ("float64", "int64", "uint8"):
            with pytest.raises(DTypeError, match=rf"{type(layer).__name__}: the input is {dtype}.*float32"):
                fresh(layer).forward(*(backend.zeros((2, *shape), dtype) for shape in case.shapes))


@of_floats
def test_integers_are_refused(backend: Backend, case: Case) -> None:
    """Pixels from 0 to 255 would go through many a layer and come out wrong; ReLU alone is exact for them too."""
    layer = case.make()
    for dtype in ("int64", "uint8"):
        with pytest.raises(DTypeError, match=rf"{type(layer).__name__}: the input is {dtype}.*astype\(.float32.\)"):
            fresh(layer).forward(*(backend.zeros((2, *shape), dtype) for shape in case.shapes), train=True)
    assert layer.parameters() == []  # and nothing was built for them


@of_integers
def test_a_layer_of_integers_refuses_all_else(backend: Backend, case: Case) -> None:
    for layer in (case.make(), case.layer(backend)):
        for dtype in ("float32", "float64", "uint8"):
            with pytest.raises(DTypeError, match=rf"the input is {dtype}, the layer takes integers.*astype\(.int64.\)"):
                layer.forward(*(backend.zeros((2, *shape), dtype) for shape in case.shapes), train=True)
    assert case.make().parameters() == []


@every_layer
def test_building_twice_keeps_the_parameters(backend: Backend, case: Case) -> None:
    layer = case.make()
    layer.build(*case.shapes)
    before = [(id(p), bits(p.value)) for p in layer.parameters()]
    layer.build(*case.shapes)
    fresh(layer).forward(*case.inputs(backend))
    assert [(id(p), bits(p.value)) for p in layer.parameters()] == before


@every_layer
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
    assert layer.parameters() == []  # asking builds nothing
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
