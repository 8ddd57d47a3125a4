"""Settings for groups of parameters: each is updated as by an optimizer with these settings, with one call."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.callbacks.test_backup import resumed, train
from tests.kit.helpers import assert_close, assert_same, calls_of
from tests.kit.small import clusters, network, normed_network
from tests.kit.strategies import normal
from xpnet import layers, losses, optimizers, schedules
from xpnet.backend import Backend, make_backend
from xpnet.callbacks import EMA, Callback, ReduceLROnPlateau
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.model import Model, Sequential
from xpnet.optimizers import SGD, Adam, AdamW, Group, Muon, Optimizer, no_decay_on_vectors

SHAPES = {"conv.weight": (2, 3, 3, 3), "conv.bias": (2,), "norm.weight": (2,), "head.weight": (4, 2), "head.bias": (4,)}


def parameters(backend: Backend) -> dict[str, Parameter]:
    arrays = {name: normal(shape, i) for i, (name, shape) in enumerate(SHAPES.items())}
    return {name: Parameter(backend.asarray(array), name, backend=backend) for name, array in arrays.items()}


def steps(optimizer: Optimizer, chosen: dict[str, Parameter], count: int = 4) -> dict[str, np.ndarray]:
    """The parameters after so many steps; a gradient depends on the parameter's name and the step alone."""
    for step in range(count):
        for name, p in chosen.items():
            p.grad = normal(p.shape, 100 * step + list(SHAPES).index(name))
        optimizer.update(chosen.values())
    return {name: np.array(p.backend.to_numpy(p.value)) for name, p in chosen.items()}


VECTORS = ("conv.bias", "norm.weight", "head.bias")
ROWS: list[tuple[Any, list[tuple[dict[str, Any], tuple[str, ...]]]]] = [
    (
        no_decay_on_vectors(),
        [({"weight_decay": 0.0}, VECTORS), ({}, ("conv.weight", "head.weight"))],
    ),
    (
        [Group("*.bias", weight_decay=0.0, beta1=0.5)],
        [
            ({"weight_decay": 0.0, "beta1": 0.5}, ("conv.bias", "head.bias")),
            ({}, ("conv.weight", "norm.weight", "head.weight")),
        ],
    ),
    (
        [Group(["head.*", "norm.?eight"], lr_scale=10.0), no_decay_on_vectors(), Group("head.bias", lr_scale=0.5)],
        [
            ({}, ("conv.weight",)),
            ({"weight_decay": 0.0}, ("conv.bias",)),
            ({"lr": 0.5, "weight_decay": 0.0}, ("norm.weight",)),
            ({"lr": 0.5}, ("head.weight",)),
            ({"lr": 0.025, "weight_decay": 0.0}, ("head.bias",)),
        ],
    ),
    ([Group("[ch]*.weight", weight_decay=0.0)], [({"weight_decay": 0.0}, ("conv.weight", "head.weight"))]),
]
rows = pytest.mark.parametrize(("groups", "alike"), ROWS, ids=[repr(groups) for groups, _ in ROWS])


@rows
def test_a_group_is_updated_as_by_an_optimizer_with_its_settings(backend: Backend, groups: Any, alike: Any) -> None:
    got = steps(AdamW(0.05, weight_decay=0.3, groups=groups), parameters(backend))
    for settings, names in alike:
        own = AdamW(**{"lr": 0.05, "weight_decay": 0.3, **settings})
        expected = steps(own, {name: p for name, p in parameters(backend).items() if name in names})
        for name in names:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-12, atol=1e-14)


@rows
def test_there_is_one_call_for_each_group(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, groups: Any, alike: Any
) -> None:
    monkeypatch.setattr(backend, "flat", True)
    calls, counted = calls_of(backend.adam)
    monkeypatch.setattr(backend, "adam", counted)
    steps(AdamW(0.05, groups=groups), parameters(backend), 1)
    assert len(calls) == max(len(alike), 2)
    calls.clear()
    steps(AdamW(0.05), parameters(backend), 1)
    assert len(calls) == 1


def test_the_norm_is_that_of_all_groups_together(backend: Backend) -> None:
    chosen = parameters(backend)
    before = {name: np.array(backend.to_numpy(p.value)) for name, p in chosen.items()}
    groups = [Group("head.*", lr_scale=2.0), Group("conv.*", momentum=0.9)]
    after = steps(SGD(1.0, clip_norm=0.5, groups=groups), chosen, 1)
    taken = [(before[name] - after[name]) / (2 if "head" in name else 1) for name in SHAPES]
    assert np.sqrt(sum((each**2).sum() for each in taken)) == pytest.approx(0.5, rel=1e-9)


def test_clipping_by_value_comes_before_the_norm(backend: Backend) -> None:
    p = Parameter(backend.asarray(np.zeros(3)), backend=backend)
    p.grad = np.array([5.0, -0.5, -3.0])
    SGD(1.0, clip_value=2.0).update([p])
    assert_close(p.value, np.array([-2.0, 0.5, 2.0]), backend)
    p.value, p.grad = np.zeros(3), np.array([5.0, 0.0, -3.0])
    SGD(1.0, clip_value=2.0, clip_norm=1.0).update([p])
    assert_close(p.value, np.array([-1.0, 0.0, 1.0]) / np.sqrt(2), backend)


def test_the_rate_of_a_group_is_a_factor_of_the_schedule_and_of_what_callbacks_make_of_it(backend: Backend) -> None:
    chosen = {name: p for name, p in parameters(backend).items() if "bias" in name}
    before = {name: np.array(backend.to_numpy(p.value)) for name, p in chosen.items()}
    optimizer = SGD(schedules.Step(1.0, every=1), groups=[Group("head.*", lr_scale=3.0)])
    optimizer.lr_scale = 0.5
    for p in chosen.values():
        p.grad = np.ones(p.shape)
    optimizer.update(chosen.values())
    for p in chosen.values():
        p.grad = np.ones(p.shape)
    optimizer.update(chosen.values())
    for name, p in chosen.items():
        factor = 3 if "head" in name else 1
        np.testing.assert_allclose(backend.to_numpy(p.value), before[name] - factor * 0.5 * (1 + 0.1), rtol=1e-12)


def test_a_setting_that_is_changed_in_training_changes_for_groups_that_do_not_have_their_own(backend: Backend) -> None:
    optimizer = AdamW(0.05, weight_decay=0.3, groups=[Group("*.bias", weight_decay=0.0)])
    chosen = parameters(backend)
    optimizer.weight_decay, optimizer.beta1 = 0.1, 0.2
    got = steps(optimizer, chosen)
    own = AdamW(0.05, 0.2, weight_decay=0.0)
    expected = steps(own, {name: p for name, p in parameters(backend).items() if "bias" in name})
    np.testing.assert_allclose(got["head.bias"], expected["head.bias"], rtol=1e-12)
    expected = steps(AdamW(0.05, 0.2, weight_decay=0.1), parameters(backend))
    np.testing.assert_allclose(got["head.weight"], expected["head.weight"], rtol=1e-12)


def test_a_group_may_keep_what_the_others_do_not(backend: Backend) -> None:
    optimizer = SGD(0.1, groups=[Group("head.*", momentum=0.9, nesterov=True)])
    chosen = parameters(backend)
    got = steps(optimizer, chosen)
    assert [len(optimizer.state[p]) for p in chosen.values()] == [0, 0, 0, 1, 1]
    expected = steps(SGD(0.1, 0.9, True), parameters(backend))
    np.testing.assert_allclose(got["head.weight"], expected["head.weight"], rtol=1e-12)


# ---- in training -----------------------------------------------------------------------------------------------------


def grouped(name: str = "adamw") -> Callable[[], Model]:
    def make() -> Model:
        groups = [no_decay_on_vectors(), Group("dense2.*", lr_scale=3.0)]
        rate = schedules.Cosine(0.02, 24)
        return normed_network(type(optimizers.get(name))(rate, weight_decay=0.1, clip_norm=0.5, groups=groups))

    return make


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_a_training_with_groups_goes_on_to_the_bit(tmp_path: Path, name: str) -> None:
    kinds: list[Callable[[], Callback]] = [lambda: EMA(0.9), lambda: ReduceLROnPlateau(patience=1)]
    expected = train(grouped(name), *(kind() for kind in kinds), accumulate=2)
    assert resumed(tmp_path / "b", grouped(name), *kinds, after=(5, 1, 3), accumulate=2) == expected
    assert expected[0] != train(lambda: normed_network(type(optimizers.get(name))(0.02)))[0]


class Pair(Model):
    """Two networks that take turns, each with an optimizer of its own; callbacks name parameters by the whole model."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Sequential([layers.Dense(4, name="first"), layers.Dense(3, name="head")])
        self.two = Sequential([layers.Dense(3, name="head")])
        groups = [Group("head.*", lr_scale=5.0), Group("*.bias", weight_decay=0.0)]
        self.optimizer_one = AdamW(0.02, weight_decay=0.5, groups=groups)
        self.optimizer_two = AdamW(0.02, weight_decay=0.5, groups=groups)

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        values = {}
        for name, model, optimizer in (("a", self.one, self.optimizer_one), ("b", self.two, self.optimizer_two)):
            y, back = model.forward(batch[0], train=True)
            values[name], loss_back = losses.get("softmax_cross_entropy").forward(y, batch[1], self.backend)
            back(loss_back(), need_dx=False)
            self.step.apply_gradients(optimizer, model)
        return values


class Names(Callback):
    def on_before_update(self, batch: int, logs: Any) -> None:
        list(self.model.named_parameters())


def test_names_are_those_within_the_network_that_is_updated(tmp_path: Path) -> None:
    def make() -> Model:
        return Pair()

    expected = train(make, Names(), validation_data=None)
    assert resumed(tmp_path / "b", make, Names, after=(9, 8), validation_data=None) == expected
    xpnet.seed(5)
    model = Pair()
    model.fit(*clusters(14), batch_size=7, callbacks=[Names()])
    for optimizer, part in ((model.optimizer_one, model.one), (model.optimizer_two, model.two)):
        state = optimizer.get_state(dict(part.named_parameters()))["groups"]
        assert (state["head.weight"], state["head.bias"]) == ([0], [0, 1])


def test_a_compiled_model_keeps_its_groups_in_a_file(tmp_path: Path) -> None:
    model = network(AdamW(0.01, groups=[Group(("*.bias", "head.*"), lr_scale=0.0), no_decay_on_vectors()]))
    model.build((2,))
    model.save(tmp_path / "m")
    again = xpnet.load(tmp_path / "m")
    assert repr(again.optimizer) == repr(model.optimizer)
    assert repr(model.optimizer) == (
        "AdamW(lr=0.01, groups=(Group(names=('*.bias', 'head.*'), lr_scale=0.0), Group(max_axes=1, weight_decay=0.0)))"
    )


def test_frozen_parameters_are_in_groups_too_and_stay() -> None:
    model = network(AdamW(0.01, groups=[Group("dense1.*", weight_decay=0.0)]))
    model.build((2,))
    model.layers[0].trainable = False
    before = model.get_weights()
    model.fit(*clusters(), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.layers[0].trainable = True
    model.fit(*clusters(), verbose=0)
    assert (model.get_weights()[0] != before[0]).any()


def test_a_copy_has_groups_of_its_own() -> None:
    model = network(AdamW(0.05, weight_decay=0.5, groups=[Group("*.bias", weight_decay=0.0, lr_scale=2.0)]))
    model.fit(*clusters(), verbose=0, shuffle=False)
    other, list_of = copy.deepcopy(model), list(model.get_weights())
    other.fit(*clusters(), verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), list_of, strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(*clusters(), verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Group("*.bias"), r"Group has no settings: give some, as in Group\(.*weight_decay=0.0"),
        (lambda: Group([], weight_decay=0.0), "names must be a pattern of names, or several, not"),
        (lambda: Group(3, weight_decay=0.0), "names must be a pattern of names, or several, not 3"),  # type: ignore[arg-type]
        (lambda: Group("*", max_axes=-1, weight_decay=0.0), "Group: max_axes must be an integer of at least 0"),
        (lambda: Group("*", lr_scale=-1.0), "Group: lr_scale must be a number of at least 0"),
        (
            lambda: Adam(groups=[Group("*", lr=1.0)]),
            "lr is no setting that a group of Adam may have; lr_scale is a fac",
        ),
        (
            lambda: Adam(groups=[Group("*", momentum=0.9)]),
            "momentum is no setting .*may have lr_scale, beta1, beta2, eps",
        ),
        (lambda: Adam(groups=[Group("*", clip_norm=1.0)]), "clip_norm is no setting"),
        (lambda: Adam(groups={"*.bias": {"weight_decay": 0}}), "groups takes a list of groups, such as optimizers.Gr"),
        (lambda: Adam(groups=3), "groups takes a list of groups"),
    ],
)
def test_groups_that_cannot_be_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_a_group_that_no_parameter_is_in_is_an_error_and_so_is_a_wrong_value() -> None:
    words = r"no parameter is in Group\(names='bias', .*they are called dense1.weight, dense1.bias, dense2.weight, de"
    with pytest.raises(OptionError, match=words):
        network(SGD(groups=[Group("*.bias", lr_scale=2.0), Group("bias", lr_scale=3.0)])).fit(*clusters(), verbose=0)
    with pytest.raises(OptionError, match="weight_decay must be a number of at least 0"):
        network(SGD(groups=[Group("*.bias", weight_decay=-1)])).fit(*clusters(), verbose=0)


# ---- what they are good for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_comes_to_the_minimum(backend: Backend, name: str) -> None:
    """Of |A w - b|**2 in a matrix w and a vector."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
    best = np.linalg.lstsq(a, b, rcond=None)[0]
    least = ((a @ best - b) ** 2).sum()
    w, v = (Parameter(backend.asarray(np.zeros(shape)), backend=backend) for shape in ((4, 3), (4,)))
    rates = {"sgd": 0.02, "momentum": 0.01, "nesterov": 0.01, "adagrad": 0.5}
    optimizer = type(optimizers.get(name))(schedules.Cosine(rates.get(name, 0.1), steps=300), weight_decay=0.0)
    for _ in range(300):
        value, vector = backend.to_numpy(w.value), backend.to_numpy(v.value)
        w.grad, v.grad = 2 * a.T @ (a @ value - b), 2 * a.T @ (a @ vector - b[:, 0])
        optimizer.update([w, v])
    assert ((a @ backend.to_numpy(w.value) - b) ** 2).sum() < least * 1.02
    assert ((a @ backend.to_numpy(v.value) - b[:, 0]) ** 2).sum() < ((a @ best - b)[:, 0] ** 2).sum() * 1.02


def test_muon_makes_steps_of_matrices_orthogonal_and_leaves_the_rest_to_adamw(backend: Backend) -> None:
    chosen = parameters(backend)
    before = {name: np.array(backend.to_numpy(p.value)) for name, p in chosen.items()}
    optimizer = Muon(0.1, weight_decay=0.0, match_adam=False, groups=[Group("head.*", orthogonal=False)])
    after = steps(optimizer, chosen, 1)
    step = (before["conv.weight"] - after["conv.weight"]).reshape(2, 27) / 0.1
    np.testing.assert_allclose(np.linalg.svd(step)[1], 1, atol=0.35)
    expected = steps(AdamW(0.1, weight_decay=0.0), parameters(backend), 1)
    for name in ("conv.bias", "norm.weight", "head.weight", "head.bias"):
        np.testing.assert_allclose(after[name], expected[name], rtol=1e-12)
    tall = backend.asarray(normal((40, 6), 0))
    for x in (tall, tall.mT):
        near = backend.to_numpy(backend.orthogonal(x, optimizer.coefficients, 5))
        np.testing.assert_allclose(np.linalg.svd(near)[1], 1, atol=0.35)
    assert_same(
        backend.orthogonal(backend.zeros((2, 3)), optimizer.coefficients, 5), np.zeros((2, 3), np.float32), backend
    )


def test_a_network_learns_with_each_of_them() -> None:
    x, t = clusters()
    for name in ("nadam", "radam", "lion", "muon"):
        xpnet.seed(0)
        model = network(type(optimizers.get(name))(0.01))
        model.fit(x, t, epochs=15, batch_size=10, verbose=0)
        assert model.evaluate(x, t)[1] > 0.95, name


def test_a_step_of_nadam_that_begins_late_has_the_product_of_all_before() -> None:
    backend = make_backend("numpy")
    one, other = parameters(backend), parameters(backend)
    optimizer, early = optimizers.Nadam(0.1), optimizers.Nadam(0.1)
    got = steps(optimizer, one, 6)
    steps(early, other, 3)
    late = optimizers.Nadam(0.1)
    late.set_state(early.get_state(other), other)
    for step in range(3, 6):
        for name, p in other.items():
            p.grad = normal(p.shape, 100 * step + list(SHAPES).index(name))
        late.update(other.values())
    for name, p in other.items():
        assert np.array(p.value).tobytes() == got[name].tobytes()


def test_a_setting_that_changes_in_training_changes_for_the_groups_that_have_none_of_their_own(
    backend: Backend,
) -> None:
    changed, whole = (AdamW(0.05, weight_decay=0.3, groups=[Group("*.bias", beta1=0.5)]) for _ in range(2))
    one, other = parameters(backend), parameters(backend)
    steps(changed, one, 1)
    changed.weight_decay = whole.weight_decay = 0.7  # as a callback may
    steps(whole, other, 1)
    before = {name: np.array(backend.to_numpy(p.value)) for name, p in other.items()}
    for name, p in one.items():
        p.value = before[name]
    got, expected = steps(changed, one, 1), steps(whole, other, 1)
    fixed = steps(AdamW(0.05, weight_decay=0.3, groups=[Group("*.bias", beta1=0.5)]), parameters(backend), 2)
    for name in ("conv.bias", "head.bias"):
        assert changed._rules.of(one[name]).twin.weight_decay == 0.7  # type: ignore[union-attr]
        assert not np.allclose(got[name], fixed[name])
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6)
