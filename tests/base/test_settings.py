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
    optimizers,
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
