"""Recurrent layers with all their options against a plain loop over samples and steps, and what they refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from tests.kit.helpers import assert_close, assert_same
from tests.kit.strategies import normal, seeds
from tests.training.test_step import Interrupt
from xpnet import Sequential, layers, optimizers
from xpnet.backend import Backend
from xpnet.callbacks import Backup
from xpnet.errors import DataError, DTypeError, OptionError, ShapeError
from xpnet.layers import GRU, LSTM, SimpleRNN
from xpnet.layers.recurrent import Recurrent


class Options(NamedTuple):
    kind: str
    N: int
    T: int
    F: int
    H: int
    layers: int
    bidirectional: bool
    bias: bool
    lengths: bool
    return_sequence: bool
    return_state: bool
    given: bool  # first states
    seed: int

    def make(self) -> Recurrent:
        names = ("layers", "bidirectional", "bias", "lengths", "return_sequence", "return_state")
        options = {name: getattr(self, name) for name in names}
        if self.kind in ("tanh", "relu"):
            return SimpleRNN(self.H, nonlinearity=self.kind, **options)
        return (LSTM if self.kind == "lstm" else GRU)(self.H, **options)

    def inputs(self, layer: Recurrent) -> list[np.ndarray]:
        xs = [normal((self.N, self.T, self.F), self.seed)]
        if self.lengths:
            xs.append(np.random.default_rng(self.seed).integers(0, self.T + 1, self.N))
        if self.given:
            xs += [normal((self.N, *layer.state_shape), self.seed + i) for i in range(1, 1 + len(layer.kinds))]
        return xs


small = st.integers(1, 4)
options = st.builds(
    Options, st.sampled_from(["tanh", "relu", "lstm", "gru"]), small, small, small, small, st.integers(1, 3),
    *[st.booleans()] * 6, seeds,
)  # fmt: skip


def sigmoid(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-x))
    return result


def step(kind: str, x: np.ndarray, states: list[np.ndarray], p: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The states of one sample after one step."""
    a, m = p["weight_ih"] @ x + p["bias_ih"], p["weight_hh"] @ states[0] + p["bias_hh"]
    if kind in ("tanh", "relu"):
        return [np.tanh(a + m) if kind == "tanh" else np.maximum(a + m, 0)]
    if kind == "lstm":
        i, f, g, o = np.split(a + m, 4)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    (a_r, a_z, a_n), (m_r, m_z, m_n) = np.split(a, 3), np.split(m, 3)
    z, n = sigmoid(a_z + m_z), np.tanh(a_n + sigmoid(a_r + m_r) * m_n)
    return [(1 - z) * n + z * states[0]]


def plain_loop(c: Options, parameters: dict[str, np.ndarray], xs: list[np.ndarray]) -> list[np.ndarray]:
    """What the layer gives: one sample, one layer, one direction and one step after the other."""
    H, D, kinds = c.H, 2 if c.bidirectional else 1, 2 if c.kind == "lstm" else 1
    places = c.layers * D
    given = [state.reshape(c.N, places, H) for state in xs[1 + c.lengths :]]
    y, last = np.zeros((c.N, c.T, D * H)), [np.zeros((c.N, places, H)) for _ in range(kinds)]
    for sample in range(c.N):
        length = int(xs[1][sample]) if c.lengths else c.T
        sequence = xs[0][sample, :length]
        for layer in range(c.layers):
            ahead = np.zeros((length, D * H))
            for direction in range(D):
                place, suffix = layer * D + direction, f"_l{layer}" + "_reverse" * direction
                p = {name: parameters.get(name + suffix, 0.0) for name in ("bias_ih", "bias_hh")}
                p |= {name: parameters[name + suffix] for name in ("weight_ih", "weight_hh")}
                states = [state[sample, place] for state in given] or [np.zeros(H)] * kinds
                for t in range(length)[:: -1 if direction else 1]:
                    states = step(c.kind, sequence[t], states, p)  # type: ignore[arg-type]
                    ahead[t, direction * H : (direction + 1) * H] = states[0]
                for array, state in zip(last, states, strict=True):
                    array[sample, place] = state
            sequence = ahead
        y[sample, :length] = sequence
    end = y if c.return_sequence else last[0][:, -D:].reshape(c.N, D * H)
    return [end, *(state if places > 1 else state[:, 0] for state in last)] if c.return_state else [end]


def as_list(y: Any) -> list[Any]:
    return list(y) if isinstance(y, tuple) else [y]


@given(c=options)
def test_it_is_the_plain_loop_and_its_derivative(backend: Backend, c: Options) -> None:
    layer = c.make().to(backend).astype("float64")
    xs = c.inputs(layer)
    layer.build(*(x.shape[1:] for x in xs))
    values = {name: normal(p.shape, c.seed + 7 + i) for i, (name, p) in enumerate(layer.named_parameters())}
    for name, parameter in layer.named_parameters():
        parameter.value = values[name]
    y, back = layer.forward(*map(backend.asarray, xs), train=True)
    expected = plain_loop(c, values, xs)
    for got, want in zip(as_list(y), expected, strict=True):
        assert_close(got, want, backend, scale=1.0)

    dys = [normal(each.shape, c.seed + 90 + i) for i, each in enumerate(expected)]
    device = [backend.asarray(dy) for dy in dys]
    dxs = as_list(back(tuple(device) if c.return_state else device[0]))
    assert [dx is None for dx in dxs] == [x.dtype.kind == "i" for x in xs]
    gradients = {name: np.array(backend.to_numpy(p.grad)) for name, p in layer.named_parameters()}

    def moved(by: float) -> float:
        """The loss of the plain loop, with everything moved along one direction."""
        at = {name: value + by * normal(value.shape, c.seed + 60) for name, value in values.items()}
        inputs = [x if x.dtype.kind == "i" else x + by * normal(x.shape, c.seed + 50) for x in xs]
        return sum(float(np.sum(dy * out)) for dy, out in zip(dys, plain_loop(c, at, inputs), strict=True))

    slope = sum(float(np.sum(grad * normal(grad.shape, c.seed + 60))) for grad in gradients.values())
    for dx, x in zip(dxs, xs, strict=True):
        slope += 0.0 if dx is None else float(np.sum(backend.to_numpy(dx) * normal(x.shape, c.seed + 50)))
    if c.kind != "relu":  # whose kinks may lie between the two ends; PyTorch's gradients are held elsewhere
        assert slope == pytest.approx((moved(1e-5) - moved(-1e-5)) / 2e-5, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_what_stands_behind_the_end_may_be_anything(backend: Backend, make: Callable[..., Recurrent]) -> None:
    layer = make(3, layers=2, bidirectional=True, lengths=True, return_state=True)
    lengths = np.array([4, 1, 2, 0])
    x = np.where(np.arange(4)[:, None] < lengths[:, None, None], normal((4, 4, 2), 1), 0).astype(np.float32)
    spoilt = np.where(np.arange(4)[:, None] < lengths[:, None, None], x, np.float32(np.nan))

    def run(x: np.ndarray) -> list[Any]:
        (y, *states), back = layer.forward(backend.asarray(x), backend.asarray(lengths), train=True)
        for p in layer.parameters():
            p.zero_grad()
        dx, none = back((y, *states))
        assert none is None
        return [y, *states, dx, *(backend.copy(p.grad) for p in layer.parameters())]

    for got, want in zip(run(spoilt), run(x), strict=True):
        assert_same(got, want)


def test_an_empty_sample_gives_zeros_and_keeps_its_first_state(backend: Backend) -> None:
    layer = GRU(3, lengths=True, return_state=True)
    h = backend.asarray(normal((2, 3), 2, "float32"))
    y, last = layer(backend.asarray(normal((2, 4, 2), 1, "float32")), backend.asarray([0, 0]), h)
    assert_same(y, np.zeros((2, 4, 3), np.float32))
    assert_same(last, h)


def test_dropout_between_layers_is_of_training_alone(backend: Backend) -> None:
    layer, plain = LSTM(4, layers=3, dropout=0.5), LSTM(4, layers=3)
    x = backend.asarray(normal((5, 6, 3), 1, "float32"))
    plain.build((6, 3))
    layer.build((6, 3))
    for p, q in zip(layer.parameters(), plain.parameters(), strict=True):
        p.value = q.value
    assert_same(layer(x), plain(x))
    y, _ = layer.forward(x, train=True)
    assert np.abs(backend.to_numpy(y - plain(x))).max() > 1e-3
    with xpnet.random.drawing_from((1, 2)):
        whole, _ = layer.forward(x, train=True)
    with xpnet.random.drawing_from((1, 2), first_sample=3):
        part, _ = layer.forward(x[3:, ...], train=True)
    assert_close(part, whole[3:, ...])  # a part of a batch has its part of the masks


# ---- stateful ------------------------------------------------------------------------------------------------------


def reader(make: Callable[..., Recurrent], **more: Any) -> Sequential:
    xpnet.seed(3)
    model = Sequential([make(4, stateful=True, layers=2, **more), layers.Dense(3)])
    model.build((5, 2))
    model.compile(optimizers.SGD(0.1))
    return model


X, LABELS = normal((12, 5, 2), 1, "float32"), np.random.default_rng(2).integers(0, 3, (12, 5))


@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_truncated_backpropagation_is_the_loop_that_hands_states_on(make: Callable[..., Recurrent]) -> None:
    model, twin = reader(make), reader(make)
    inner = make(4, layers=2, return_state=True)
    inner.build((5, 2))
    for p, q in zip(inner.parameters(), twin.layers[0].parameters(), strict=True):
        p.value = q.value
    dense, loss, optimizer = twin.layers[1], twin.loss, optimizers.SGD(0.1)
    states: list[Any] = []
    for batch in range(3):
        x, t = X[4 * batch : 4 * batch + 4], LABELS[4 * batch : 4 * batch + 4]
        model.train_on_batch(x, t)
        (y, *states), inner_back = inner.forward(x, *states, train=True)
        scores, dense_back = dense.forward(y, train=True)
        _, loss_back = loss.forward(scores, t)
        inner_back((dense_back(loss_back()), *[None] * len(states)), need_dx=False)
        optimizer.update([*inner.parameters(), *dense.parameters()])
    for p, q in zip(model.parameters(), [*inner.parameters(), *dense.parameters()], strict=True):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-5, atol=1e-7)
    for (_, state), value in zip(model.named_states(), states, strict=True):
        np.testing.assert_allclose(state.value, value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", [LSTM, GRU])
def test_an_interrupted_training_goes_on_to_the_bit(tmp_path: Path, make: Callable[..., Recurrent]) -> None:
    def train(path: Path, after: int | None = None) -> list[bytes]:
        model = reader(make, dropout=0.3)
        watch = [Interrupt(after), Backup(path, every=1)]
        model.fit(X, LABELS, batch_size=4, shuffle=False, epochs=2, verbose=0, callbacks=watch)
        return [weight.tobytes() for weight in model.get_weights()]

    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", 2)
    assert train(tmp_path / "parts") == whole


def test_rows_of_both_states_are_forgotten(backend: Backend) -> None:
    layer = LSTM(3, layers=2, stateful=True)
    layer(backend.asarray(normal((2, 4, 2), 1, "float32")))
    assert [path for path, _ in layer.named_states()] == ["state", "cell"]
    layer.reset_state(np.array([True, False]))
    for _, state in layer.named_states():
        value = backend.to_numpy(state.value)
        assert value.shape == (2, 2, 3) and np.all(value[0] == 0) and np.all(value[1] != 0)


# ---- what is refused -----------------------------------------------------------------------------------------------

WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: LSTM(10, 20), OptionError, "LSTM: return_sequence must be True or False, not 20; units alone is a number"),  # type: ignore[arg-type]
    (lambda: GRU(4, bidirectional=True, stateful=True), OptionError, "the direction from the end cannot"),
    (lambda: GRU(4, dropout=0.5), OptionError, "between layers, and there is one; put layers.Dropout"),
    (lambda: LSTM(4, layers=0), OptionError, "LSTM: layers must be an integer of at least 1"),
    (lambda: SimpleRNN(4, nonlinearity="sigmoid"), OptionError, 'must be "tanh" or "relu", not \'sigmoid\''),
    (lambda: LSTM(4).build((3, 2), (4,)), ShapeError, r"a sequence, alone or with a first state of \(N, 4\) and"),
    (lambda: LSTM(4, layers=2).build((3, 2), (4,), (4,)), ShapeError, r"of \(N, 2, 4\) and \(N, 2, 4\)"),
    (lambda: GRU(4, lengths=True).build((3, 2)), ShapeError, r"a sequence and its lengths \(N,\), alone or"),
    (lambda: GRU(4, lengths=True)(X, np.full(12, 6)), DataError, "a length is 6; these sequences have 0 to 5 steps"),
    (lambda: GRU(4, lengths=True)(X, np.full(12, -1)), DataError, "a length is -1; these sequences have 0 to 5"),
    (
        lambda: GRU(4, lengths=True)(X, np.full(12, True)),
        DTypeError,
        r"not bool; a mask \(N, T\) has those of mask.sum",
    ),
    (
        lambda: GRU(4, lengths=True)(X, np.full(12, 2.0)),
        DTypeError,
        r"input 2 is float64, and the layer takes integers",
    ),
    (lambda: GRU(4)(X, np.full(12, 2)), DTypeError, "the input is int64, .*; or make the layer with lengths=True"),
    (lambda: LSTM(4, num_layers=2), TypeError, "no argument 'num_layers'; here it is layers;"),  # type: ignore[call-arg]
    (lambda: LSTM(4, return_sequences=True), TypeError, "here it is return_sequence;"),  # type: ignore[call-arg]
    (lambda: LSTM(4, batch_first=True), TypeError, r"not needed: sequences are \(N, T, F\)"),  # type: ignore[call-arg]
    (lambda: layers.Embedding(4, 2, padding_idx=0), TypeError, "here it is padding_index;"),  # type: ignore[call-arg]
    (lambda: layers.Embedding(4, 2, padding_index=4), OptionError, "one of the numbers 0 to 3, not 4"),
    (lambda: layers.TimeDistributed(4), OptionError, "layer must be a layer or a network, not 4"),  # type: ignore[arg-type]
    (lambda: layers.Bidirectional, AttributeError, "here it is bidirectional=True of the recurrent layer"),
]


@pytest.mark.parametrize(("mistake", "error", "words"), WRONG)
def test_mistakes_are_told(mistake: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mistake()
