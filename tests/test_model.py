"""Sequential and Model as containers: names, parameters, building, summaries, copies, moves."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_lives_on, assert_same
from tests.kit.strategies import normal
from xpnet import layers, networks, random
from xpnet.backend import Backend, make_backend, use_backend
from xpnet.core.parameter import zero_gradients
from xpnet.errors import DTypeError, OptionError, ShapeError
from xpnet.layers import BatchNorm2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Softmax
from xpnet.model import Model, Sequential

SHAPE = (1, 8, 8)


def small() -> Sequential:
    return Sequential(
        [
            Conv2D(3, 3, activation="relu"),
            BatchNorm2D(),
            MaxPool2D(2),
            Flatten(),
            Dense(6, activation="tanh"),
            Dropout(0.3),
            Dense(4),
        ]
    )


def data(N: int = 12) -> tuple[np.ndarray, np.ndarray]:
    return normal((N, *SHAPE), 0, "float32"), np.arange(N) % 4


class Block(Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv2D(2, 3, padding="same")
        self.more = [Conv2D(2, 1), {"deep": Conv2D(2, 1, bias=False)}]

    def call(self, x: Any) -> Any:
        return self.more[1]["deep"](self.more[0](self.conv(x))) + self.conv(x)  # type: ignore[index]


# ---- names -----------------------------------------------------------------------------------------------------------


def test_layers_are_named_by_kind_and_number() -> None:
    model = Sequential([Conv2D(2, 3), Conv2D(2, 3), MaxPool2D(), Flatten(), Dense(3), Dense(2)])
    assert [layer.name for layer in model] == ["conv1", "conv2", "pool1", "flatten1", "dense1", "dense2"]


def test_names_of_ones_own_stay_and_numbers_go_on_after_them() -> None:
    model = Sequential([Dense(2, name="first"), Dense(2, name="dense5"), Dense(2)])
    assert [layer.name for layer in model] == ["first", "dense5", "dense6"]
    assert [name for name, _ in model.children()] == ["first", "dense5", "dense6"]


def test_two_layers_of_one_name_are_refused_but_one_layer_may_come_twice() -> None:
    with pytest.raises(OptionError, match="two layers have the name 'a'; give each a name of its own"):
        Sequential([Dense(2, name="a"), Dense(2, name="a")])
    shared = Dense(2, name="a")
    assert len(Sequential([shared, shared])) == 2


def test_parameters_have_paths_through_models_lists_and_dicts() -> None:
    model = Sequential([Block(), Sequential([Flatten(), Dense(2)], name="head")])
    model.build((2, 4, 4))
    assert [name for name, _ in model.named_parameters()] == [
        "model1.conv.weight", "model1.conv.bias", "model1.more.0.weight", "model1.more.0.bias",
        "model1.more.1.deep.weight", "head.dense1.weight", "head.dense1.bias",
    ]  # fmt: skip
    assert [p.name for p in model.parameters()] == [name for name, _ in model.named_parameters()]


def test_shared_parameters_come_once() -> None:
    shared = Dense(4)
    model = Sequential([shared, Sequential([shared, Dense(4)]), shared])
    model.build((4,))
    assert len(model.parameters()) == 4
    assert len({id(p) for p in model.parameters()}) == 4


# ---- building --------------------------------------------------------------------------------------------------------


def test_lazy_and_built_models_are_the_same() -> None:
    built, lazy = small(), small()
    random.seed(5)
    assert built.build(SHAPE) == (4,)
    random.seed(5)
    assert lazy.parameters() == []
    x, _ = data()
    y, _ = lazy.forward(x)
    assert lazy.input_shape == SHAPE == built.input_shape
    np.testing.assert_array_equal(y, built.forward(x)[0])
    for p, q in zip(lazy.parameters(), built.parameters(), strict=True):
        np.testing.assert_array_equal(p.value, q.value)


def test_building_again_keeps_the_weights() -> None:
    model = small()
    model.build(SHAPE)
    before = model.get_weights()
    assert model.build(SHAPE) == (4,)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_refused_input_does_not_become_the_shape_of_the_model() -> None:
    model = Sequential([Dense(3)])
    with pytest.raises(ShapeError, match="dense1"):
        model.forward(normal((2, 1, 4, 4), 0, "float32"))
    model.forward(normal((2, 4), 0, "float32"))
    assert model.input_shape == (4,)


def test_add_goes_on_where_the_network_ends() -> None:
    model = Sequential()
    for layer in (Dense(5), Dense(4)):
        model.add(layer)
    model.build((3,))
    model.add(Dense(2))
    assert [layer.name for layer in model] == ["dense1", "dense2", "dense3"]
    assert model[2].weight.shape == (2, 4)  # type: ignore[attr-defined]
    assert model.output_shape((3,)) == (2,)
    with pytest.raises(ShapeError, match="conv1"):
        model.add(Conv2D(2, 3))


def test_add_moves_the_layer_to_the_model_and_keeps_the_weights_of_a_built_one() -> None:
    model, backend = Sequential([Dense(3)]).to("array_api_strict").astype("float64"), make_backend("array_api_strict")
    model.build((3,))
    layer = model[0]
    before = model.get_weights()
    model.add(layer)
    model.add(Dense(2))
    for a, b in zip(model.get_weights(), before, strict=False):
        np.testing.assert_array_equal(a, b)
    for p in model.parameters():
        assert_lives_on(backend, p.value, "float64")
    assert model.predict(normal((2, 3), 0)).dtype == np.float64


def test_what_is_no_layer_or_complete_is_not_added_to() -> None:
    with pytest.raises(OptionError, match=r"'relu' is no layer; give objects such as layers\.Dense"):
        Sequential(["relu"])  # type: ignore[list-item]
    built = Sequential([Dense(2)])
    built.build((2,))
    with pytest.raises(OptionError, match="is no layer"):
        built.add(3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="MLP is complete as it is"):
        networks.MLP().add(Dense(2))


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        (Softmax(), "softmax_cross_entropy"),
        (Dense(4, activation="softmax"), "softmax_cross_entropy"),
        (Sequential([Dense(4, activation=Softmax())]), "categorical_crossentropy"),
        (Dense(1, activation="sigmoid"), "binary_cross_entropy"),
    ],
)
def test_an_activation_that_the_loss_contains_is_refused(last: Any, loss: str) -> None:
    with pytest.raises(OptionError, match="contains it already: leave"):
        Sequential([Flatten(), last]).compile("sgd", loss)
    Sequential([Flatten(), last]).compile("sgd", "mse")


def test_a_chain_is_a_sequence() -> None:
    model = small()
    assert len(model) == 7
    assert next(iter(model)) is model[0]
    assert isinstance(model[-1], Dense)


# ---- summary ---------------------------------------------------------------------------------------------------------


def test_the_summary_of_a_chain() -> None:
    model = small()
    with pytest.raises(OptionError, match="not built yet"):
        model.summary()
    model.build(SHAPE)
    lines: list[str] = []
    model.summary(lines.append)
    rows = lines[0].splitlines()
    assert rows[0] == "Sequential, input (N, 1, 8, 8)"
    assert [row.split() for row in rows[4:11]] == [
        ["conv1", "(Conv2D)", "(N,", "3,", "6,", "6)", "30"],
        ["norm1", "(BatchNorm2D)", "(N,", "3,", "6,", "6)", "12"],
        ["pool1", "(MaxPool2D)", "(N,", "3,", "3,", "3)", "0"],
        ["flatten1", "(Flatten)", "(N,", "27)", "0"],
        ["dense1", "(Dense)", "(N,", "6)", "168"],
        ["dropout1", "(Dropout)", "(N,", "6)", "0"],
        ["dense2", "(Dense)", "(N,", "4)", "28"],
    ]
    assert rows[-1] == "238 parameters, 232 of them trainable"
    assert len({len(row) for row in rows[1:11]}) == 1


def test_the_summary_of_a_model_follows_its_call_and_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([Block()])
    model.build((2, 4, 4))
    model.summary()
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines()[4:8]] == [
        "model1.conv", "model1.more.0", "model1.more.1.deep", "model1.conv",
    ]  # fmt: skip
    assert "model1.conv (Conv2D) again" in text
    assert next(line for line in text.splitlines() if "again" in line).split()[-1] == "0"
    assert "48 parameters, 48 of them trainable" in text
    assert "forward" not in vars(model[0].conv)  # type: ignore[attr-defined]


# ---- weights, copies, moves ------------------------------------------------------------------------------------------


def test_weights_are_copies_and_go_back_in() -> None:
    model = small()
    model.build(SHAPE)
    weights = model.get_weights()
    for p in model.parameters():
        p.value = p.value + 1
    assert not np.array_equal(model.get_weights()[0], weights[0])
    model.set_weights(weights)
    for p, w in zip(model.parameters(), weights, strict=True):
        np.testing.assert_array_equal(p.value, w)
        assert not np.shares_memory(p.value, w)
    with pytest.raises(ShapeError, match="has 10 parameters, 9 arrays were given"):
        model.set_weights(weights[1:])
    with pytest.raises(ShapeError, match=r"parameter 'conv1.weight' has shape \(3, 1, 3, 3\)"):
        model.set_weights([np.zeros(3), *weights[1:]])


def test_a_copy_is_independent_and_trains_alike() -> None:
    model, (x, t) = small(), data()
    model.compile("adam", metrics=["accuracy"])
    model.fit(x, t, batch_size=4)
    before, copy = model.get_weights(), model.copy()
    histories = []
    for trained in (copy, model):
        random.seed(1)
        histories.append(trained.fit(x, t, batch_size=4, epochs=2).history)
        if trained is copy:
            for a, b in zip(model.get_weights(), before, strict=True):
                np.testing.assert_array_equal(a, b)
    assert histories[0] == histories[1]  # the optimizer's state was copied too


@pytest.mark.parametrize("there", ["reference", "array_api_strict", "torch"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "rmsprop"])
def test_a_move_in_the_middle_of_training_changes_no_loss(there: str, optimizer: str) -> None:
    if there == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    x, t = data()
    losses = []
    for places in (("numpy", "numpy", "numpy"), ("numpy", there, "numpy")):
        random.seed(2)
        model = small()
        model.compile(optimizer)
        losses.append([])
        for place in places:
            model.to(place)
            losses[-1] += model.fit(x, t, batch_size=4, epochs=2).history["loss"]
            for p in model.parameters():
                assert_lives_on(make_backend(place), p.value, "float32")
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_model_lives_where_it_was_made() -> None:
    with use_backend("reference") as backend:
        model = small()
    model.build(SHAPE)
    assert model.backend is backend
    assert all(layer.backend is backend for _, layer in model.named_layers())
    x, _ = data()
    assert isinstance(model.predict(x), np.ndarray)


@pytest.mark.parametrize("built", [True, False])
def test_astype_turns_everything_to_float64(built: bool) -> None:
    model, (x, t) = small(), data()
    if built:
        model.build(SHAPE)
    model.astype("float64").compile("adam")
    with pytest.raises(DTypeError, match=r"conv1 \(Conv2D\): the input is float32, the layer works in float64"):
        model.forward(x)
    model.fit(x, t, batch_size=6)  # fit converts the data
    assert {p.value.dtype.name for p in model.parameters()} == {"float64"}
    assert {a.dtype.name for slots in model.optimizer.state.values() for a in slots.values()} == {"float64"}  # type: ignore[union-attr]
    assert model.predict(x).dtype == np.float64
    with pytest.raises(OptionError, match="float32 or float64, not in float16"):
        model.astype("float16")


def test_a_chain_is_a_layer_of_another() -> None:
    inner = Sequential([Dense(3, activation="tanh"), Dense(2)])
    outer, flat = Sequential([Dense(4), inner]), Sequential([Dense(4), Dense(3, activation="tanh"), Dense(2)])
    assert outer.build((5,)) == flat.build((5,)) == (2,)
    flat.set_weights(outer.get_weights())
    x = normal((3, 5), 0, "float32")
    (y, back), (y_flat, back_flat) = outer.forward(x, train=True), flat.forward(x, train=True)
    np.testing.assert_array_equal(y, y_flat)
    np.testing.assert_array_equal(back(y), back_flat(y))


def test_the_empty_chain_returns_its_input() -> None:
    x = normal((2, 3), 0, "float32")
    y, back = Sequential().forward(x, train=True)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(back(2 * x), 2 * x)


def test_every_name_of_the_layers_is_importable() -> None:
    assert len(set(layers.__all__)) == len(layers.__all__)
    assert all(issubclass(getattr(layers, name), layers.Layer) for name in layers.__all__)


def test_a_layer_that_comes_twice_is_counted_once() -> None:
    shared = Dense(3)
    chain = Sequential([shared, shared, Dense(2)])
    counted = chain.parameter_count((3,))  # before it is built
    chain.build((3,))
    assert counted == sum(p.size for p in chain.parameters()) == 12 + 8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "pooling", [MaxPool2D(2), MaxPool2D(3, stride=2, padding=1), MaxPool2D((1, 2), stride=1)], ids=str
)
def test_relu_in_front_of_pooling_is_taken_back_as_layer_by_layer(backend: Backend, pooling: Any, dtype: str) -> None:
    """To the same bits, though the chain does so behind the pooling."""
    model = Sequential(
        [Conv2D(3, 3, activation="relu"), pooling.copy(), Conv2D(2, 2, padding=1, activation="relu"), pooling.copy()]
    )
    model.to(backend).astype(dtype).build((2, 9, 10))
    x, grads = backend.asarray(normal((3, 2, 9, 10), 0, dtype)), []
    y, back = model.forward(x, train=True)
    dy = backend.asarray(normal(tuple(y.shape), 1, dtype))
    for chain in (True, False):
        zero_gradients(model.parameters())
        if chain:
            dx = back(dy)
        else:
            z, backs = x, []
            for layer in model.layers:
                z, layer_back = layer.forward(z, train=True)
                backs.append(layer_back)
            assert_same(z, backend.to_numpy(y), backend)
            dx = dy
            for layer_back in reversed(backs):
                dx = layer_back(dx)
        grads.append([backend.to_numpy(each).copy() for each in (dx, *(p.grad for p in model.parameters()))])
    for together, apart in zip(*grads, strict=True):
        np.testing.assert_array_equal(together, apart)


@pytest.mark.parametrize("layer", [Conv2D(3, 3, activation="relu"), MaxPool2D(2), Dense(2)], ids=str)
def test_the_way_back_is_gone_with_its_last_user(layer: Any) -> None:
    """And what it holds with it: at once, and not when the collector of circles comes by."""
    shape = (2, 4) if isinstance(layer, Dense) else (2, 1, 8, 8)
    with layer.backend.computing():
        y, back = layer.forward(layer.backend.asarray(np.ones(shape, np.float32)), train=True)
        seen = weakref.ref(back)
        gc.disable()
        try:
            del y, back
            assert seen() is None
        finally:
            gc.enable()


@pytest.mark.parametrize("front", [[], [Flatten()], [Dropout(0.5), Flatten()]], ids=str)
def test_what_is_in_front_of_the_first_weights_needs_no_gradient_and_they_do(front: list[Any]) -> None:
    chain = Sequential([*front, Dense(5, activation="tanh"), Dense(3)])
    x, dy = normal((4, 6), 0, "float32"), normal((4, 3), 1, "float32")
    gradients = []
    for need_dx in (True, False):
        random.seed(0)
        _, back = chain.forward(x, train=True)
        for p in chain.parameters():
            p.zero_grad()
        dx = back(dy, need_dx=need_dx)
        assert (dx is not None and dx.shape == x.shape) or not need_dx
        gradients.append([np.array(p.grad) for p in chain.parameters()])
    assert all(np.array_equal(one, other) and one.any() for one, other in zip(*gradients, strict=True))
