"""What is set on an object that is made already has an effect, or is refused."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from xpnet import (
    Model,
    Sequential,
    callbacks,
    initializers,
    layers,
    losses,
    metrics,
    networks,
    optimizers,
    random,
    regularizers,
    schedules,
)
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

OWN: list[tuple[Any, str, str]] = [  # an object, a name that it does not have, and what it is called here
    (optimizers.Adam(), "learning_rate", "here it is lr;"),
    (optimizers.SGD(), "betas", "it has lr, weight_decay"),
    (Parameter(np.zeros(2)), "requires_grad", "here it is trainable;"),
    (Parameter(np.zeros(2)), "data", "here it is value;"),
    (losses.SoftmaxCrossEntropy(), "ignore_index", "here it is ignored_label;"),
    (losses.MeanSquaredError(), "reduction", "not needed: a loss is the mean over the batch"),
    (schedules.Cosine(0.1, 10), "T_max", "here it is steps;"),
    (callbacks.EarlyStopping(), "patince", "perhaps patience is meant;"),
    (callbacks.Backup("b"), "filepath", "here it is path;"),
    (metrics.Accuracy(), "ignore_class", "here it is ignored_label;"),
    (initializers.Normal(), "stddev", "it has std"),
    (initializers.HeNormal(), "gain", "it has none"),
    (regularizers.L2(), "l1", "it has l2"),
]
WRONG: list[tuple[Any, str, Any]] = [
    (optimizers.Adam(), "lr", -0.1),
    (optimizers.Adam(), "beta2", 1.0),
    (optimizers.Adam(), "lr_scale", -1.0),
    (optimizers.Adam(), "groups", [3]),
    (optimizers.Nesterov(), "momentum", -0.1),
    (schedules.Cosine(0.1, 10), "steps", 0),
    (losses.SoftmaxCrossEntropy(), "label_smoothing", 1.0),
    (callbacks.ReduceLROnPlateau(), "patience", -1),
    (metrics.Accuracy(), "axis", 0),
    (regularizers.L2(), "l2", -1.0),
]


@pytest.mark.parametrize(("value", "name", "said"), OWN, ids=[f"{type(v).__name__}.{n}" for v, n, _ in OWN])
def test_what_the_library_does_not_have_cannot_be_set(value: Any, name: str, said: str) -> None:
    for each in (value, copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        with pytest.raises(OptionError, match=f"has no setting '{name}', and would not heed it.*{said}"):
            setattr(each, name, 1)
        assert not hasattr(each, name)


@pytest.mark.parametrize(("value", "name", "bad"), WRONG, ids=[f"{type(v).__name__}.{n}" for v, n, _ in WRONG])
def test_values_are_read_as_the_constructor_reads_them(value: Any, name: str, bad: Any) -> None:
    before = getattr(value, name)
    with pytest.raises(OptionError):
        setattr(value, name, bad)
    assert getattr(value, name) == before
    setattr(value, name, before)


def test_what_follows_from_a_setting_changes_with_it() -> None:
    cosine, loss = schedules.Cosine(0.1, 10), losses.SoftmaxCrossEntropy()
    cosine.steps = 20
    loss.class_weights = [1, 2]  # type: ignore[assignment]
    assert cosine.length == 20
    assert loss.class_weights == (1.0, 2.0) and loss.divides_by_weights


def test_a_momentum_that_comes_later_is_used() -> None:
    """It was kept, and changed nothing: the optimizer had no velocity."""
    late, early = optimizers.SGD(0.1), optimizers.SGD(0.1, momentum=0.9)
    for optimizer, first in ((late, 0), (early, 0)):
        p, q = Parameter(np.ones(3), "a"), Parameter(np.ones(3), "b")
        for step in range(3):
            if step == first:
                optimizer.momentum = 0.9
            p.add_grad(np.ones(3))
            q.add_grad(np.ones(3))
            optimizer.update([p, q])
        assert np.allclose(p.value, 1 - 0.1 * (1 + 1.9 + 2.71)) and np.array_equal(p.value, q.value)
    p = Parameter(np.ones(3), "a")
    for momentum in (0.0, 0.5, 0.5):
        late.momentum = momentum
        p.add_grad(np.ones(3))
        late.update([p])
    assert np.allclose(p.value, 1 - 0.1 * (1 + 1 + 1.5))


def test_groups_that_come_later_are_used() -> None:
    optimizer, p, q = optimizers.SGD(0.1), Parameter(np.ones(1), "a"), Parameter(np.ones(1), "b")
    for expected in (0.9, 0.9):
        p.add_grad(np.ones(1))
        q.add_grad(np.ones(1))
        optimizer.update([p, q])
        assert np.allclose(q.value, expected)
        optimizer.groups = (optimizers.Group("b", lr_scale=0.0),)
    assert np.allclose(p.value, 0.8)


FOREIGN = ["frozen", "freeze", "requires_grad", "training", "learning_rate"]


@pytest.mark.parametrize("name", FOREIGN)
def test_layers_refuse_what_others_call_it_and_take_all_else(name: str) -> None:
    class Mine(Model):
        def __init__(self) -> None:
            super().__init__()
            self.kernel, self.lr, self.alpha = 3, 0.1, None

    for layer in (layers.Dense(3), Sequential([]), Mine()):
        with pytest.raises(OptionError, match=f"has no setting '{name}', and would not heed it; here it is "):
            setattr(layer, name, False)
        layer.anything = 1  # type: ignore[attr-defined]


class Own(Model):
    """`frozen` and `training` are its own business: it has such arguments."""

    def __init__(self, learning_rate: float = 0.1, frozen: bool = False) -> None:
        super().__init__()
        self.learning_rate, self.frozen = learning_rate, frozen  # type: ignore[method-assign, assignment]


class OwnAdam(optimizers.Adam):
    def __init__(self, learning_rate: float = 0.1) -> None:
        super().__init__(learning_rate)
        self.learning_rate, self.anything = learning_rate, 1


class PlainAdam(optimizers.Adam):
    """Nothing of its own."""


def test_users_classes_have_the_names_that_they_want() -> None:
    assert Own(0.2).learning_rate == OwnAdam(0.2).learning_rate == 0.2
    plain = PlainAdam()
    plain.anything = 1  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="here it is lr"):
        plain.learning_rate = 0.1  # type: ignore[attr-defined]
    for optimizer in (plain, OwnAdam()):
        with pytest.raises(OptionError, match="lr must be a positive number"):
            optimizer.lr = -0.1
        optimizer.lr = np.float32(0.5)  # type: ignore[assignment]
        assert type(optimizer.lr) is float


# ---- layers --------------------------------------------------------------------------------------------------------

FOREIGN_TO_LAYERS: list[tuple[Any, str, str]] = [
    (Sequential([]), "lr", r"model\.optimizer\.lr"),
    (layers.Dense(3), "lr", r"model\.optimizer\.lr"),
    (layers.Dense(3), "weight_decay", "the optimizer's weight_decay"),
    (layers.Dense(3), "kernel_initializer", "initializer"),
    (layers.Dropout(), "p", "rate"),
    (layers.Dropout(), "ratio", "rate"),
    (layers.BatchNorm1D(), "epsilon", "eps"),
    (layers.BatchNorm1D(), "track_running_stats", "running_statistics"),
    (layers.Conv2D(2, 3), "strides", "stride"),
    (layers.Conv2D(2, 3), "use_bias", "bias"),
    (layers.LSTM(3), "return_sequences", "return_sequence"),
    (layers.LeakyReLU(), "alpha", "negative_slope"),
]


@pytest.mark.parametrize(
    ("layer", "name", "here"), FOREIGN_TO_LAYERS, ids=[f"{type(v).__name__}.{n}" for v, n, _ in FOREIGN_TO_LAYERS]
)
def test_layers_refuse_what_their_arguments_are_called_elsewhere(layer: Any, name: str, here: str) -> None:
    for each in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        with pytest.raises(OptionError, match=f"has no setting '{name}', and would not heed it; here it is {here}"):
            setattr(each, name, 1)


class MyDropout(layers.Dropout):
    """What a user adds is the user's business."""


def test_users_layers_are_free_but_for_what_nobody_would_heed() -> None:
    mine = MyDropout()
    mine.p, mine.ratio = 1, 2  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match="no setting 'lr'"):
        mine.lr = 0.1  # type: ignore[attr-defined]


def built(layer: Any, *shape: int) -> Any:
    layer.build(shape)
    return layer


LIVE: list[tuple[Any, str, float, Any]] = [  # a layer, a number that its forward reads, another, and what it is not
    (layers.Dropout(0.5), "rate", 0.2, 1.0),
    (layers.GaussianNoise(), "std", 0.7, -1.0),
    (layers.BatchNorm1D(), "momentum", 0.3, 2),
    (layers.BatchNorm1D(), "eps", 0.3, -5),
    (layers.LayerNorm(), "eps", 0.3, 0),
    (layers.RMSNorm(), "eps", 0.3, 0),
    (layers.LeakyReLU(), "negative_slope", 0.7, -1),
    (layers.ELU(), "alpha", 0.7, np.inf),
    (layers.Softplus(), "beta", 0.7, 0),
    (layers.Tanh(), "amplitude", 2.0, "x"),
    (layers.HardTanh(), "low", -0.1, 3.0),
    (layers.ConstantPad1D(1), "value", 2.0, "x"),
    (layers.LSTM(3, layers=2, dropout=0.3), "dropout", 0.6, 1.0),
    (layers.MultiHeadAttention(2, dropout=0.3), "dropout", 0.6, 1.0),
]


@pytest.mark.parametrize(("layer", "name", "new", "bad"), LIVE, ids=[f"{type(v).__name__}.{n}" for v, n, *_ in LIVE])
@pytest.mark.parametrize("is_built", [False, True])
def test_numbers_that_forward_reads_are_checked_and_heeded(
    layer: Any, name: str, new: float, bad: Any, is_built: bool
) -> None:
    layer, made = layer.copy(), type(layer)(**{**layer.config(), name: new})
    shape = (6, 4) if type(layer).__name__ in ("ConstantPad1D", "LSTM", "MultiHeadAttention") else (4,)
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)

    def outputs(each: Any) -> list[np.ndarray]:
        random.seed(1)
        y = each.forward(x, train=True)[0]
        return [np.array(y), np.array(each(x))]

    if is_built:
        outputs(layer)
    before = getattr(layer, name)
    with pytest.raises(OptionError):
        setattr(layer, name, bad)
    assert getattr(layer, name) == before
    setattr(layer, name, new)
    assert layer.config() == made.config()
    fresh = layer.copy() if is_built else layer
    made.build(shape), fresh.build(shape)
    for own, other in zip(made.parameters(), fresh.parameters(), strict=True):
        own.value = other.value
    made._location = fresh._location = None
    for got, expected in zip(outputs(fresh), outputs(made), strict=True):
        assert np.array_equal(got, expected)


SHAPING: list[tuple[Any, tuple[int, ...], str, Any]] = [
    (layers.Dense(3), (4,), "units", 5),
    (layers.Dense(3, activation="relu"), (4,), "activation", "tanh"),
    (layers.Dense(3), (4,), "bias", False),
    (layers.Dense(3), (4,), "initializer", "normal"),
    (layers.Conv2D(2, 3), (1, 8, 8), "stride", 2),
    (layers.MaxPool2D(), (1, 8, 8), "pool_size", 4),
    (layers.BatchNorm1D(), (4,), "momentum", None),
    (layers.PReLU(), (4,), "start", 0.5),
    (layers.LSTM(3), (5, 4), "return_sequence", False),
]


@pytest.mark.parametrize(
    ("layer", "shape", "name", "new"), SHAPING, ids=[f"{type(v).__name__}.{n}" for v, _, n, _ in SHAPING]
)
def test_what_shapes_a_layer_is_taken_until_it_is_built(
    layer: Any, shape: tuple[int, ...], name: str, new: Any
) -> None:
    done = built(layer.copy(), *shape)
    with pytest.raises(OptionError, match=f"{name} cannot be changed any more, it is built.*make a new one"):
        setattr(done, name, new)
    assert done.config() == layer.config()
    setattr(done, name, layer.config()[name] if name != "bias" else done.bias)  # nothing new
    layer = layer.copy()
    layer.trainable, layer.name = False, "mine"
    setattr(layer, name, new)
    made = type(layer)(**layer.config())
    assert made.config() == layer.config() and made.config()[name] != done.config()[name]
    assert layer.build(shape) == made.build(shape) and layer.name == "mine" and not layer.trainable
    assert [(n, p.shape) for n, p in layer.named_parameters()] == [(n, p.shape) for n, p in made.named_parameters()]


def test_layers_inside_what_is_made_already_follow_its_backend_and_type() -> None:
    model = Sequential([layers.Dense(3), layers.Dense(2)]).astype("float64")
    model.layers[0].activation, model.layers[1].units = "prelu", 7  # type: ignore[attr-defined]
    assert model.build((4,)) == (7,)
    assert {str(p.dtype) for p in model.parameters()} == {"float64"}


def test_composites_have_made_their_layers() -> None:
    for composite, name, new in (
        (Sequential([]), "layers", [layers.Dense(3)]),
        (networks.MLP(), "classes", 3),
        (layers.Residual(layers.Dense(3)), "block", layers.Dense(3)),
        (layers.TransformerEncoderLayer(2), "dropout", 0.5),
    ):
        with pytest.raises(OptionError, match=f"{name} cannot be changed any more, its layers were made with it"):
            setattr(composite, name, new)
    vae = networks.VAE(2, 4)
    vae.beta = 3
    assert vae.config()["beta"] == 3.0
    with pytest.raises(OptionError, match="beta must be"):
        vae.beta = -1


def test_trainable_is_true_or_false() -> None:
    layer = built(layers.Dense(3), 4)
    for value in (layer, layer.weight, Sequential([layers.Dense(3)])):
        for bad in ("no", None, 2, 0.0, []):
            with pytest.raises(OptionError, match="must be True or False"):
                value.trainable = bad
        for good in (np.bool_(False), 0, np.int64(1), True):
            value.trainable = good
            assert value.trainable is bool(good)
    with pytest.raises(OptionError, match="must be True or False"):
        Parameter(np.zeros(2), trainable="no")  # type: ignore[arg-type]


def test_a_network_takes_objects_where_compile_takes_names() -> None:
    model: Any = Sequential([layers.Dense(3)])
    for name, bad in (
        ("optimizer", "sgd"), ("loss", "mean_squared_error"), ("loss", np.mean), ("metrics", ["accuracy"]),
        ("metrics", 3), ("metrics", None),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=rf"{name} must be .*model\.compile\({name}=\.\.\.\)"):
            setattr(model, name, bad)
    model.optimizer, model.loss, model.metrics = optimizers.SGD(), losses.MeanSquaredError(), [metrics.Accuracy()]
    model.optimizer = model.loss = None

    class OwnStep(Model):
        def __init__(self) -> None:
            super().__init__()
            self.loss: Any = np.mean  # its own business

        def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
            return {}

    assert OwnStep().loss is np.mean


def test_a_users_schedule_must_give_a_rate() -> None:
    class Given(schedules.Schedule):
        def __init__(self, rate: Any) -> None:
            self.rate = rate

        def __call__(self, step: int) -> float:
            return self.rate  # type: ignore[no-any-return]

    for bad in (-0.1, "x", None, np.nan, np.inf, True, [0.1]):
        with pytest.raises(OptionError, match=r"Given gave .* as the learning rate of step 0"):
            optimizers.SGD(Given(bad)).update([Parameter(np.ones(2))])
    for good in (0, 0.1, np.float32(0.1), np.array(0.1)):
        assert Given(good)(0) is good


def test_min_delta_is_not_negative() -> None:
    for kind in (callbacks.EarlyStopping, callbacks.ReduceLROnPlateau):
        with pytest.raises(OptionError, match="min_delta must be a number of at least 0, not -1"):
            kind(min_delta=-1)
        callback = kind()
        with pytest.raises(OptionError, match="min_delta must be a number of at least 0, not -1"):
            callback.min_delta = -1


def test_a_parameter_is_not_replaced_by_an_array() -> None:
    layer = layers.Dense(2)
    layer.build((3,))
    for value in (np.zeros((2, 3), np.float32), None):
        with pytest.raises(OptionError, match=r"weight is a parameter; its numbers are set by layer\.weight\.value = "):
            layer.weight = value
    layer.weight.value = np.zeros((2, 3), np.float32)
    assert not layer.weight.value.any()
