"""What attention and positions are for: what an element sees, where it stands, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close, assert_same
from tests.kit.small import Written
from tests.kit.strategies import normal
from xpnet import optimizers, random
from xpnet.backend import Backend
from xpnet.core.layer import Layer
from xpnet.data import mask_of
from xpnet.errors import DTypeError, OptionError, ShapeError
from xpnet.layers import (
    Dense,
    LearnedPositions,
    MultiHeadAttention,
    SinusoidalPositions,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

CAUSAL = [
    lambda: MultiHeadAttention(2, causal=True),
    lambda: TransformerEncoderLayer(2, 5, causal=True, norm_first=True),
]
MASKED = [
    lambda: MultiHeadAttention(2, mask=True),
    lambda: TransformerEncoder([TransformerEncoderLayer(2, 5, mask=True) for _ in range(2)]),
]


@pytest.mark.parametrize("make", CAUSAL)
def test_a_causal_layer_does_not_look_ahead(backend: Backend, make: Any) -> None:
    layer, x = make(), normal((2, 6, 4), 0, "float32")
    changed = x.copy()
    changed[:, 4:] += 1
    y, other = (backend.to_numpy(layer(backend.asarray(each))) for each in (x, changed))
    np.testing.assert_array_equal(y[:, :4], other[:, :4])
    assert (y[:, 4:] != other[:, 4:]).any(axis=2).all()


@pytest.mark.parametrize("make", MASKED)
@pytest.mark.parametrize("kind", ["bool", "int32", "int64"])
def test_padding_changes_nothing_for_real_elements(backend: Backend, make: Any, kind: str) -> None:
    layer, x = make(), normal((2, 6, 4), 0)
    layer.astype("float64")
    mask = mask_of([6, 4], 6).astype(kind)
    y, back = layer.forward(backend.asarray(x), backend.asarray(mask))
    short = backend.asarray(x[1:, :4])
    alone, alone_back = layer.forward(short, backend.asarray(mask[1:, :4]))
    assert_close(y[1:, :4, :], alone)
    dy = normal((2, 6, 4), 1) * mask[..., None]
    dx, dmask = back(backend.asarray(dy))
    assert dmask is None
    assert_close(dx[1:, :4, :], alone_back(backend.asarray(dy[1:, :4]))[0])
    assert not backend.to_numpy(dx[1, 4:, :]).any()


def test_a_sequence_without_a_real_element_gives_numbers(backend: Backend) -> None:
    layer, x = MultiHeadAttention(2, mask=True, return_weights=True), backend.asarray(normal((2, 3, 4), 0, "float32"))
    (y, weights), back = layer.forward(x, backend.zeros((2, 3), "int64"), train=True)
    assert not backend.to_numpy(weights).any()
    assert_same(y, np.zeros((2, 3, 4), np.float32))  # the bias of the last projection
    dx, _ = back((y + 1, None))
    assert not backend.to_numpy(dx).any()


def test_the_weights_say_who_was_seen(backend: Backend) -> None:
    x = backend.asarray(normal((2, 4, 6), 0))
    layer = MultiHeadAttention(3, causal=True, return_weights=True).astype("float64")
    _, weights = layer(x)
    host = backend.to_numpy(weights)
    assert_close(weights, np.tril(host))
    np.testing.assert_allclose(host.sum(axis=2), 1)


def test_dropout_takes_weights_in_training_alone(backend: Backend) -> None:
    layer = MultiHeadAttention(2, dropout=0.5, return_weights=True)
    x = backend.asarray(normal((2, 20, 4), 0, "float32"))
    (_, weights), _ = layer.forward(x, train=False)
    np.testing.assert_allclose(backend.to_numpy(weights).sum(axis=2), 1, rtol=1e-5)
    (_, dropped), _ = layer.forward(x, train=True)
    share = (backend.to_numpy(dropped) == 0).mean()
    assert share == pytest.approx(0.25, abs=0.1)  # both heads
    random.seed(0)
    first, _ = layer.forward(x, train=True)
    random.seed(0)
    again, _ = layer.forward(x, train=True)
    assert_same(first[0], again[0])


def test_an_attention_mask_is_a_constant(backend: Backend) -> None:
    x = backend.asarray(normal((2, 4, 6), 0))
    seen = np.tril(np.ones((4, 4), bool))
    causal, masked, added = (
        MultiHeadAttention(2, **options).astype("float64")
        for options in (
            {"causal": True},
            {"attention_mask": seen},
            {"attention_mask": np.where(seen, 0, -np.inf)},
        )
    )
    y = causal(x)
    for layer in (masked, added):
        layer.build((4, 6))
        for parameter, own in zip(layer.parameters(), causal.parameters(), strict=True):
            parameter.value = own.value
        assert_close(layer(x), y)
        twin = type(layer)(**layer.config())
        assert twin.attention_mask == layer.attention_mask == tuple(map(tuple, layer.attention_mask))


def test_initial_weights_are_pytorchs_but_for_the_last_projection() -> None:
    layer = MultiHeadAttention(4)
    layer.build((5, 64))
    weight = layer.in_proj_weight
    assert weight is not None and np.abs(weight.value).max() <= math.sqrt(6 / (64 + 3 * 64))
    assert weight.value.std() == pytest.approx(math.sqrt(2 / (64 + 3 * 64)), rel=0.05)
    assert [name for name, _ in layer.named_parameters()] == [
        "in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "shapes", "message"),
    [
        (lambda: MultiHeadAttention(4), [(2, 3, 6)], r"\(N, T, E\) with an E that 4 heads divide"),
        (lambda: MultiHeadAttention(2), [(2, 3, 6), (2, 4, 6), (2, 5, 6)], r"\(N, 4, V\): as many values as keys"),
        (lambda: MultiHeadAttention(2), [(2, 3, 6)] * 4, "one to three sequences .*mask=True a mask"),
        (lambda: MultiHeadAttention(2, attention_mask=[[0.0]]), [(2, 3, 6)], r"\(N, 1, E\), and 1 keys"),
        (lambda: LearnedPositions(4), [(2, 5, 6)], r"\(N, T, E\), of at most 4 elements"),
        (lambda: TransformerDecoderLayer(2, mask=True), [(2, 3, 4), (2, 3, 4)], "0 masks came, and its options take 1"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make().forward(*(np.zeros(shape, np.float32) for shape in shapes))


def test_a_mask_is_refused_in_another_type() -> None:
    x = normal((2, 3, 4), 0, "float32")
    for inputs, place in (((x, np.ones((2, 3), np.float32)), 2), ((x,), 1)):  # the second has none
        words = rf"input {place} is float32, and the layer takes integers \(int64, int32, bool\) there"
        with pytest.raises(DTypeError, match=words):
            MultiHeadAttention(2, mask=True).forward(*inputs)
    with pytest.raises(DTypeError, match="or make the layer with mask=True"):
        MultiHeadAttention(2).forward(x, np.ones((2, 3), np.bool_))


@pytest.mark.parametrize(
    "options",
    [
        {"heads": 0}, {"heads": 2, "causal": 1}, {"heads": 2, "dropout": 1.0}, {"heads": 2, "mask": [1]},
        {"heads": 2, "attention_mask": 3}, {"heads": 2, "attention_mask": [[1.0, math.nan]]},
        {"heads": 2, "attention_mask": [[True], [True, False]]}, {"heads": 2, "attention_mask": [["a"]]},
        {"heads": 2, "attention_mask": [[1, 0], [1, 1]]},
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="MultiHeadAttention: "):
        MultiHeadAttention(**options)


def test_a_stack_takes_layers() -> None:
    for layers in ([], 6, ["a"]):
        with pytest.raises(OptionError, match="TransformerEncoder takes a list of layers"):
            TransformerEncoder(layers)  # type: ignore[arg-type]


def test_sinusoidal_positions_are_those_of_the_paper(backend: Backend) -> None:
    layer = SinusoidalPositions()
    for T, E in ((7, 6), (300, 5)):
        x = normal((2, T, E), 0, "float32")
        expected = x.copy()
        for t in range(T):
            for i in range(E):
                angle = t / 10000 ** (2 * (i // 2) / E)
                expected[:, t, i] += math.cos(angle) if i % 2 else math.sin(angle)
        assert_close(layer(backend.asarray(x)), expected)


def test_learned_positions_learn_what_was_used(backend: Backend) -> None:
    layer, x = LearnedPositions(6), backend.asarray(normal((3, 4, 2), 0, "float32"))
    y, back = layer.forward(x)
    assert_same(y, backend.to_numpy(x) + backend.to_numpy(layer.weight.value)[:4])
    assert_same(back(y), y)
    assert_close(layer.weight.grad[:4, :], backend.to_numpy(y).sum(axis=0))
    assert not backend.to_numpy(layer.weight.grad)[4:].any()


class First(Layer):
    """The first element."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape[1:]

    def forward(self, x: Any, train: bool = False) -> Any:
        def back(dy: Any) -> Any:
            dx = np.zeros_like(x)
            dx[:, 0] = dy
            return dx

        return x[:, 0], back


def test_a_network_with_a_mask_is_fitted() -> None:
    """A mask of bools goes through fit, predict and evaluate."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 5, 8)).astype(np.float32)
    t, mask = (x[:, 0, 0] > 0).astype(np.int64), mask_of(rng.integers(1, 6, 64), 5)

    model = Written(
        lambda m, x, mask: m.out(m.first(m.layer(m.positions(x), mask))),
        positions=SinusoidalPositions(), layer=TransformerEncoderLayer(2, 16, 0.0, mask=True), first=First(),
        out=Dense(2),
    )  # fmt: skip
    model.compile(optimizers.Adam(0.01), metrics=["accuracy"])
    model.fit((x, mask), t, epochs=20, verbose=0)
    assert model.evaluate((x, mask), t)[1] > 0.9
    assert_same(model.predict((x, mask)), model.predict((x, mask.astype(np.int64))))


@pytest.mark.parametrize("inputs", [2, 3])
def test_an_input_given_several_times_is_queries_keys_and_values_as_one_is(backend: Backend, inputs: int) -> None:
    layer = MultiHeadAttention(2).astype("float64")
    x, dy = (backend.asarray(normal((2, 5, 4), seed, "float64")) for seed in (1, 2))
    layer.build((5, 4))
    assert layer.in_proj_bias is not None
    layer.in_proj_bias.value = normal((12,), 3)  # so that the three parts of it differ
    y, back = layer.forward(x)
    dx = back(dy)
    gradients = [backend.copy(p.grad) for p in layer.parameters()]
    for p in layer.parameters():
        p.zero_grad()
    several, several_back = layer.forward(*[x] * inputs)
    assert_close(several, backend.to_numpy(y), backend)
    assert_close(sum(several_back(dy)), backend.to_numpy(dx), backend)
    for p, expected in zip(layer.parameters(), gradients, strict=True):
        assert_close(p.grad, backend.to_numpy(expected), backend)
