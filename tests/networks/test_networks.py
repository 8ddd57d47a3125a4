"""The networks: their size and shape, their gradient, and that a step lowers their loss."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kit.small import digits
from tests.kit.strategies import normal, spaced
from xpnet import gradient_check, losses, networks, optimizers
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, Tanh
from xpnet.model import Model, Sequential
from xpnet.networks import MLP, DeepConvNet, LeNet5, MultiColumn, SimpleConvNet, Subsampling, TableConv2D
from xpnet.networks.lenet5 import CONNECTIONS


def classic() -> LeNet5:
    return LeNet5(variant="1998")


COUNTS: list[tuple[Callable[[], Model], int]] = [
    (DeepConvNet, 123_552), (SimpleConvNet, 433_890), (LeNet5, 61_706), (classic, 60_850), (MLP, 101_770),
    (MultiColumn, 440_814),
]  # fmt: skip
everyone = pytest.mark.parametrize("make", [make for make, _ in COUNTS], ids=lambda make: make.__name__)


@pytest.mark.parametrize(("make", "count"), COUNTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_number_of_parameters_is_the_one_that_it_says(make: Callable[[], Model], count: int) -> None:
    model = make()
    assert sum(p.size for p in model.parameters()) == count
    assert f"{count:,}" in (type(model).__doc__ or "")


def test_lenet5_has_the_layers_of_the_paper() -> None:
    sizes = {name: sum(p.size for p in layer.parameters()) for name, layer in classic().children()}
    paper = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert {name: sizes[name] for name in paper} == paper
    squashes = [layer for _, layer in classic().named_layers() if isinstance(layer, Tanh)]
    assert len(squashes) == 6
    assert {(squash.amplitude, squash.slope) for squash in squashes} == {(1.7159, 2 / 3)}
    columns = [sum(map_ in row for row in CONNECTIONS) for map_ in range(6)]
    assert columns == [10] * 6  # table I: each map of S2 goes to ten maps of C3
    assert sum(map(len, CONNECTIONS)) == 60


@everyone
@pytest.mark.parametrize("classes", [10, 3])
def test_an_image_gives_a_score_for_each_class(make: Any, classes: int) -> None:
    model = LeNet5(classes, "1998") if make is classic else make(classes=classes)
    assert model.input_shape == (1, 28, 28)
    assert model.output_shape((1, 28, 28)) == (classes,)
    y = model.predict(normal((2, 1, 28, 28), 0, "float32"))
    assert y.shape == (2, classes)
    assert np.isfinite(y).all()


@everyone
def test_an_image_of_another_size_is_refused(make: Callable[[], Model]) -> None:
    with pytest.raises(ShapeError, match="the input has shape"):
        make().predict(np.ones((2, 1, 20, 20), np.float32))


def test_deepconvnet_pads_as_the_book_does() -> None:
    model = DeepConvNet()
    convolutions = [layer for layer in model if isinstance(layer, Conv2D)]
    assert [layer.filters for layer in convolutions] == [16, 16, 32, 32, 64, 64]
    assert [layer.padding for layer in convolutions] == [1, 1, 1, 2, 1, 1] or [
        layer.padding for layer in convolutions
    ] == [((p, p), (p, p)) for p in (1, 1, 1, 2, 1, 1)]
    assert all(layer.kernel_size == (3, 3) for layer in convolutions)
    shape, sides = (1, 28, 28), []
    for layer in model:
        shape = layer.output_shape(shape)
        if isinstance(layer, MaxPool2D):
            sides.append(shape)
    assert sides == [(16, 14, 14), (32, 8, 8), (64, 4, 4)]


def test_deepconvnet_drops_out_after_both_dense_layers_unless_told_otherwise() -> None:
    for model, kinds in (
        (DeepConvNet(), [Flatten, Dense, Dropout, Dense, Dropout]),
        (DeepConvNet(last_dropout=False), [Flatten, Dense, Dropout, Dense]),
    ):
        assert [type(layer) for layer in list(model)[9:]] == kinds
        assert {layer.rate for layer in model if isinstance(layer, Dropout)} == {0.5}
    assert {layer.rate for layer in DeepConvNet(dropout=0.2) if isinstance(layer, Dropout)} == {0.2}


def test_sizes_can_be_chosen() -> None:
    assert [p.shape for p in SimpleConvNet(4, filters=3, hidden=7, input_shape=(2, 12, 12)).parameters()] == [
        (3, 2, 5, 5), (3,), (7, 3 * 4 * 4), (7,), (4, 7), (4,),
    ]  # fmt: skip
    assert [p.shape[0] for p in MLP(3, hidden=(8, 5), input_shape=(6,)).parameters()] == [8, 8, 5, 5, 3, 3]
    with pytest.raises(OptionError, match='variant must be "modern" or "1998", not "2012"'.replace('"2012"', "'2012'")):
        LeNet5(variant="2012")


@everyone
def test_the_gradient_of_the_whole_network_is_right(make: Callable[[], Model]) -> None:
    model = make()
    for p in model.parameters():  # biases off zero, so that no ReLU stands at its kink
        if p.name.endswith("bias"):
            p.value = 0.1 * normal(p.shape, len(p.name))
    assert gradient_check(model, spaced((2, 1, 28, 28), 0) / 8, eps=1e-7, tolerance=1e-4) < 1e-4


@everyone
def test_a_step_lowers_the_loss_on_its_batch(make: Callable[[], Model]) -> None:
    x, t = digits()
    model = make()
    model.compile(optimizers.SGD(0.01))
    before = model.evaluate(x[:20], t[:20])
    assert 1.5 < before < 6
    for _ in range(3):
        model.train_on_batch(x[:20], t[:20])
    assert model.evaluate(x[:20], t[:20]) < before - 0.01


def test_each_column_learns_as_if_it_were_alone() -> None:
    """The gradient of a column is that of its own loss, over the number of columns."""
    x, t = digits(8)
    committee = MultiColumn(columns=3, filters=(3, 4), hidden=6, dropout=0.0)
    committee.astype("float64")
    y, back = committee.forward(x.astype("float64"), train=True)
    loss = losses.NegativeLogLikelihood()
    back(loss.forward(y, t)[1]())
    together = [p.grad.copy() for p in committee.parameters()]
    outputs = []
    for p in committee.parameters():
        p.zero_grad()
    for column in committee.parts:
        own, own_back = column.forward(x.astype("float64"), train=True)
        own_back(loss.forward(own, t)[1]())
        outputs.append(own)
    np.testing.assert_allclose(y, sum(outputs) / 3, rtol=1e-12)
    assert len({float(own[0, 0]) for own in outputs}) == 3, "all columns have the same weights"
    for grad, p in zip(together, committee.parameters(), strict=True):
        np.testing.assert_allclose(grad, p.grad / 3, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("columns", [0, 1, 1.5, True])
def test_a_committee_has_two_columns_at_least(columns: Any) -> None:
    with pytest.raises(OptionError, match="MultiColumn: columns must be an integer of at least 2"):
        MultiColumn(columns=columns)


TABLE = ((0, 2), (1,), (2, 0, 1))


def test_the_table_convolution_is_one_with_zeros_where_nothing_is_connected(backend: Backend) -> None:
    table = TableConv2D(TABLE, 3)
    full = Conv2D(3, 3)
    table.build((3, 6, 5))
    full.build((3, 6, 5))
    kernels = normal(table.weight.shape, 1, "float32")
    assert kernels.shape == (6, 3, 3)
    table.weight.value, table.bias.value = kernels, np.arange(3.0)
    weight = np.zeros((3, 3, 3, 3), np.float32)
    pairs = [(o, c) for o, row in enumerate(TABLE) for c in row]
    for (o, c), kernel in zip(pairs, kernels, strict=True):
        weight[o, c] = kernel
    assert full.bias is not None
    full.weight.value, full.bias.value = weight, np.arange(3.0)
    x = backend.asarray(normal((2, 3, 6, 5), 0, "float32"))
    (y, back), (y_full, back_full) = table.forward(x, train=True), full.forward(x, train=True)
    np.testing.assert_array_equal(backend.to_numpy(y), backend.to_numpy(y_full))
    np.testing.assert_array_equal(backend.to_numpy(back(y)), backend.to_numpy(back_full(y)))
    dw = backend.to_numpy(full.weight.grad)
    np.testing.assert_array_equal(backend.to_numpy(table.weight.grad), np.stack([dw[o, c] for o, c in pairs]))
    np.testing.assert_array_equal(backend.to_numpy(table.bias.grad), backend.to_numpy(full.bias.grad))


def test_the_layers_of_lenet5_are_right_on_every_backend(backend: Backend) -> None:
    assert gradient_check(TableConv2D(TABLE, 2), normal((2, 3, 4, 5), 0)) < 1e-5
    assert gradient_check(Subsampling(), normal((2, 3, 5, 4), 0)) < 1e-5
    x = normal((1, 2, 4, 4), 1, "float32")
    layer = Subsampling()
    layer.build((2, 4, 4))
    layer.weight.value, layer.bias.value = np.array([2.0, -1.0]), np.array([0.5, 0.25])
    sums = x.reshape(1, 2, 2, 2, 2, 2).sum(axis=(3, 5))
    expected = sums * np.array([2.0, -1.0])[:, None, None] + np.array([0.5, 0.25])[:, None, None]
    np.testing.assert_allclose(backend.to_numpy(layer(backend.asarray(x))), expected, rtol=1e-5, atol=1e-5)


def test_the_layers_of_lenet5_refuse_what_they_cannot_take() -> None:
    for table in ((), ((),), ((0, 0),), ((-1,),)):
        with pytest.raises(OptionError, match="the table must list"):
            TableConv2D(table, 3)
    for layer, shape in (
        (TableConv2D(TABLE, 3), (2, 6, 6)),
        (TableConv2D(TABLE, 3), (3, 2, 6)),
        (Subsampling(), (3, 1, 4)),
    ):
        with pytest.raises(ShapeError, match="needed is"):
            layer.build(shape)
    built = Sequential([Subsampling()])
    built.build((2, 4, 4))
    with pytest.raises(ShapeError, match=r"needed is \(N, 2, H, W\)"):
        built.forward(np.ones((1, 3, 4, 4), np.float32))


def test_every_network_and_every_layer_that_is_made_for_one_is_listed() -> None:
    found = set()
    for module in pkgutil.iter_modules(networks.__path__):
        inside = vars(importlib.import_module(f"xpnet.networks.{module.name}")).items()
        classes = {name: cls for name, cls in inside if isinstance(cls, type) and issubclass(cls, Layer)}
        found |= {name for name, cls in classes.items() if cls.__module__.startswith("xpnet.networks.")}
    found = {name for name in found if not name.startswith("_")}  # bases are for their own file
    assert found == {*networks.__all__}


def test_each_column_of_a_committee_gives_logarithms_of_probabilities() -> None:
    committee, x = MultiColumn(4, 3, (3, 4), 6), normal((5, 1, 28, 28), 0, "float32")
    columns = [column(x) for column in committee.parts]
    for y in columns:
        np.testing.assert_allclose(np.exp(y).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(committee(x), np.mean(columns, axis=0), rtol=1e-5)
