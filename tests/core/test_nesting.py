"""Models inside models, anywhere: names, freezing, moves, files, counts, averages and resuming."""

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.helpers import assert_lives_on, assert_same
from tests.kit.small import Written, clusters
from tests.kit.strategies import normal, seeds
from xpnet import random
from xpnet.analysis.summary import summary
from xpnet.backend import Backend, make_backend
from xpnet.callbacks import EMA, Backup, LambdaCallback
from xpnet.core.layer import Layer
from xpnet.errors import OptionError, ShapeError
from xpnet.layers import BatchNorm1D, Dense, Dropout, Tanh
from xpnet.model import Model, Sequential

X, T = clusters(24)


class Wrapper(Layer):
    """A layer of one's own with a model inside."""

    kind = "wrapper"

    def __init__(self, inner: Layer) -> None:
        super().__init__()
        self.inner = inner

    def output_shape(self, *shapes: Any) -> Any:
        return self.inner.output_shape(*shapes)

    def build(self, *shapes: Any) -> Any:
        return self.inner.build(*shapes)

    def forward(self, *xs: Any, train: bool = False) -> Any:
        return self.inner.forward(*xs, train=train)


class Block(Model):
    """A residual block, with models in a list and in a dict."""

    kind = "block"

    def __init__(self, units: int = 4) -> None:
        super().__init__()
        self.units = units
        self.steps = [Sequential([Dense(units), Tanh()]), Wrapper(Sequential([Dense(units)]))]
        self.ends = {"norm": BatchNorm1D(), "again": [Sequential([Dense(units, activation="tanh")])]}

    def call(self, x: Any) -> Any:
        h = x
        for step in self.steps:
            h = step(h)
        return self.ends["again"][0](self.ends["norm"](h + x))  # type: ignore[index]


class Deep(Model):
    """Blocks several levels deep, one of them used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Dense(4)
        self.block = Block()
        self.chain = Sequential([Sequential([Block(), Dense(4)], name="low"), Dropout(0.3)], name="high")
        self.out = Dense(3)

    def call(self, x: Any) -> Any:
        return self.out(self.chain(self.block(self.block(self.first(x)))))


def deep() -> Model:
    model = Deep()
    model.compile("adam", metrics=["accuracy"])
    return model


PATHS = {
    "first", "out", "block", "chain", "block.steps.0", "block.steps.0.dense1", "block.steps.1", "block.steps.1.inner",
    "block.steps.1.inner.dense1", "block.ends.norm", "block.ends.again.0", "block.ends.again.0.dense1", "chain.low",
    "chain.low.block1", "chain.low.block1.steps.0.dense1", "chain.low.dense1", "chain.dropout1",
}  # fmt: skip


def test_names_are_paths_however_deep() -> None:
    model = deep()
    model.build((2,))
    paths = [path for path, _ in model.named_layers()]
    assert {*paths} >= PATHS and len({*paths}) == len(paths)
    names = [name for name, _ in model.named_parameters()]
    assert "chain.low.block1.ends.again.0.dense1.weight" in names and len({*names}) == len(names)
    block = 4 * 4 * 3 + 4 * 3 + 4 * 4
    total = sum(p.size for p in model.parameters())
    assert total == model.parameter_count((2,)) == (2 * 4 + 4) + 2 * block + (4 * 4 + 4) + (4 * 3 + 3)
    text = summary(model)
    assert f"{total:,} parameters, {total - 16:,} of them trainable" in text
    assert "block.steps.0.dense1 (Dense) again" in text and "chain.low.block1.ends.norm (BatchNorm1D)" in text


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_an_inner_model_freezes_before_and_after_it_is_nested_and_built(built: bool, nested: bool) -> None:
    inner = Block()
    if built:
        inner.build((4,))
    if not nested:
        inner.trainable = False
    model = Sequential([Dense(4), Wrapper(inner), Dense(3)])
    if nested:
        inner.trainable = False
    model.compile("sgd")
    model.build((2,))
    before = {name: np.array(p.value) for name, p in model.named_parameters()}
    model.fit(X, T, batch_size=8, epochs=1, verbose=0)
    for name, p in model.named_parameters():
        if "norm.running" not in name:
            assert np.array_equal(p.value, before[name]) == name.startswith("wrapper1"), name
    inner.trainable = True
    assert all(p.trainable for name, p in model.named_parameters() if "running" not in name)


def test_an_inner_model_moves_with_the_outer_one(backend: Backend) -> None:
    model = deep()
    model.build((2,))
    target = make_backend("reference")
    model.to(target).astype("float64")
    for _, layer in model.named_layers():
        assert layer.backend is target and layer.dtype == "float64"
    for p in model.parameters():
        assert_lives_on(target, p.value, "float64")
    y = model(X.astype("float64"))
    assert y.dtype == np.float64
    inner = model.block
    inner.astype("float32").to(backend)  # and alone, back to where it was
    assert inner(backend.asarray(normal((2, 4), 0, "float32"))).shape == (2, 4)


def test_a_model_with_all_that_is_saved_and_loaded(tmp_path: Path) -> None:
    model = deep()
    model.block.trainable = False
    model.fit(X, T, batch_size=8, epochs=1, verbose=0)
    model.save(tmp_path / "deep.safetensors")
    loaded = xpnet.load(tmp_path / "deep.safetensors", custom=[Deep])
    assert_same(loaded(X), model(X))
    assert [(n, p.trainable) for n, p in loaded.named_parameters()] == [
        (n, p.trainable) for n, p in model.named_parameters()
    ]
    chain = Sequential([Dense(4), Block(), Wrapper(Sequential([Block()]))])
    y = chain(X)
    chain.save(tmp_path / "chain.safetensors")
    assert_same(xpnet.load(tmp_path / "chain.safetensors", custom=[Block, Wrapper])(X), y)


def test_averages_and_resuming_reach_the_innermost(tmp_path: Path) -> None:
    def train(*callbacks: Any) -> Model:
        random.seed(5)
        model = deep()
        model.fit(X, T, batch_size=8, epochs=3, verbose=0, callbacks=[EMA(0.5), *callbacks])
        return model

    def stop(batch: int, logs: Any) -> None:
        steps.append(batch)
        if len(steps) == 5:
            raise KeyboardInterrupt

    whole, steps = train(), []
    stopper = LambdaCallback()
    backup = tmp_path / "backup.safetensors"
    stopper.on_train_batch_end = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        train(Backup(backup, every=1), stopper)
    steps.clear()
    stopper.on_train_batch_end = lambda batch, logs: steps.append(batch)  # type: ignore[method-assign]
    resumed = train(Backup(backup, every=1), stopper)
    assert len(steps) < 9
    for p, q in zip(resumed.parameters(), whole.parameters(), strict=True):
        np.testing.assert_array_equal(p.value, q.value)


def test_layers_may_be_added_to_an_inner_chain_after_the_outer_was_built() -> None:
    """The outer model sees them, as long as its own layers can take what the inner one gives then."""
    for chained in (True, False):
        inner, out = Sequential([Dense(4)]), Dense(3)
        model = Sequential([inner, out]) if chained else Written(lambda m, x: m.out(m.inner(x)), inner=inner, out=out)
        model.build((2,))
        count = model.parameter_count((2,))
        inner.add(Tanh())
        inner.add(Dense(4))
        assert model.parameter_count((2,)) == count + 20
        y, back = model.forward(X, train=True)
        back(y, need_dx=False)
        assert all(p.has_grad for p in model.parameters())
        inner.add(Dense(5))
        with pytest.raises(ShapeError, match=r"needed is \(N, 4\)"):
            model.forward(X)


@pytest.mark.parametrize("wrap", [lambda inner: inner, Wrapper])
def test_layers_with_the_first_parameters_may_be_added_later(wrap: Callable[[Layer], Layer]) -> None:
    inner = Sequential([Tanh()])
    model = Sequential([wrap(inner), Dense(3)])
    y, back = model.forward(X, train=True)
    back(y, need_dx=False)
    inner.add(Dense(2))
    y, back = model.forward(X, train=True)
    back(y, need_dx=False)
    assert all(p.has_grad for p in inner.parameters()) and len(inner.parameters()) == 2


def test_the_shape_of_the_output_follows_what_is_added() -> None:
    inner = Sequential([Dense(4)])
    model = Written(lambda m, x: m.inner(x), inner=inner)
    assert model.output_shape((2,)) == (4,)
    inner.add(Dense(5))
    assert model.output_shape((2,)) == (5,)


# ---- a property: parentheses do not matter ---------------------------------------------------------------------------


def flat_layers() -> list[Layer]:
    return [Dense(5), Tanh(), Dense(4, activation="relu"), BatchNorm1D(), Dense(4), Tanh(), Dense(3)]


def nest(layers: list[Layer], draw: Callable[[int], int]) -> Layer:
    """The chain of these layers, put into models at random."""
    if len(layers) == 1 and draw(2):
        return layers[0]
    if len(layers) > 1:
        cuts = sorted({draw(len(layers) - 1) + 1 for _ in range(draw(3))})
        parts = [layers[a:b] for a, b in zip([0, *cuts], [*cuts, len(layers)], strict=True)]
        inside = [nest(part, draw) for part in parts] if len(parts) > 1 else layers
    else:
        inside = layers
    kind = draw(4)
    if kind == 0:
        return Sequential(inside)
    if kind == 1:
        return Wrapper(Sequential(inside))

    def body(m: Any, x: Any) -> Any:
        for step in m.steps["all"] if kind == 2 else [m.first, *m.rest]:
            x = step(x)
        return x

    model = Written(body)
    if kind == 2:
        model.steps = {"all": inside}
    else:
        model.first, model.rest = inside[0], inside[1:]
    return model


@given(choices=st.lists(st.integers(0, 11), min_size=60, max_size=60), seed=seeds)
def test_a_nested_network_gives_the_bits_of_the_flat_one(choices: list[int], seed: int) -> None:
    rest = iter(choices * 10)
    flat, x = Sequential(flat_layers()), normal((6, 3), seed, "float32")
    flat.build((3,))
    nested = nest(list(flat.copy()), lambda n: next(rest) % n)
    results = []
    for network in (flat, nested):
        y, back = network.forward(x, train=True)
        dx = back(np.ones_like(y))
        results.append([y, dx, *(p.grad for p in network.parameters()), *(p.value for p in network.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def chain(depth: int) -> Sequential:
    model = Sequential([Dense(3)])
    for _ in range(depth - 1):
        model = Sequential([model])
    return model


def test_as_deep_as_it_is_built_a_network_can_be_used(tmp_path: Path) -> None:
    """One of 100 in one another, with what Python allows; also what is written of it, which once doubled with each."""
    model, x = chain(100), np.ones((2, 3), "float32")
    model.build((3,))
    model.compile("sgd", "mse")
    model.fit(x, x, epochs=1, verbose=0)
    model.save(tmp_path / "deep.safetensors")
    for each in (model, model.copy(), xpnet.load(tmp_path / "deep.safetensors"), pickle.loads(pickle.dumps(model))):
        assert_same(each.predict(x), model.predict(x))
        assert repr(each).count("Sequential(") == 100 and "dense" in summary(each)
        each.set_weights(each.get_weights())


def test_deeper_than_python_goes_is_told_when_it_is_built() -> None:
    model, x = chain(200), np.ones((2, 3), "float32")
    words = (
        r"layers lie 201 deep in it, one in another, and Python's recursion limit of \d+ allows 1\d\d here: put them"
    )
    for use in (lambda: model.build((3,)), lambda: model(x), lambda: model.forward(x), lambda: model.predict(x)):
        with pytest.raises(OptionError, match=words):
            use()
    assert not model.is_built
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(3000)
        assert model.copy()(x).shape == (2, 3)
    finally:
        sys.setrecursionlimit(before)
    outer = Sequential([Dense(3)])
    outer.build((3,))
    with pytest.raises(OptionError, match="put them side by side in one Sequential"):
        outer.add(chain(200))
    assert len(outer) == 1 and outer(x).shape == (2, 3)


@pytest.mark.parametrize("depth", [200, 480, 900])
def test_what_is_done_before_it_is_built_tells_of_the_depth_too(depth: int) -> None:
    model = chain(depth)
    uses: list[Callable[[], Any]] = [
        lambda: model.compile("sgd", "mse"), model.copy, lambda: copy.deepcopy([model]), lambda: pickle.dumps(model),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(OptionError, match=f"layers lie {depth + 1} deep in it.* Python's recursion limit"):
            use()
    assert repr(model).startswith("Sequential(layers=[Sequential(layers=[") and len(model.parameters()) == 0
