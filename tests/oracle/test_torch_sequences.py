"""PyTorch as an oracle: embeddings and dense layers on sequences, in float64."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close
from tests.kit.small import Written
from tests.kit.strategies import normal, seeds
from xpnet import Sequential
from xpnet.backend import Backend, make_backend
from xpnet.layers import Dense, Embedding, SimpleRNN

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytestmark = pytest.mark.oracle
sizes = st.integers(1, 6)


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


def tensor(x: Any, grad: bool = False) -> Any:
    return torch.tensor(np.array(x), requires_grad=grad)


def assert_all_close(pairs: Any, backend: Backend) -> None:
    for ours, theirs in pairs:
        assert_close(ours, theirs.detach().numpy(), backend, 1e-11, scale=1.0)


@given(shape=st.lists(sizes, max_size=3), vocabulary=st.integers(1, 9), size=sizes, seed=seeds, padded=st.booleans())
def test_embedding(here: Backend, shape: list[int], vocabulary: int, size: int, seed: int, padded: bool) -> None:
    padding = seed % vocabulary if padded else None
    layer = Embedding(vocabulary, size, padding_index=padding).to(here).astype("float64")
    x = np.random.default_rng(seed).integers(0, vocabulary, (3, *shape))
    layer.build(tuple(shape))
    if padded:
        np.testing.assert_array_equal(layer.weight.value[padding], 0)
        layer.weight.value = normal(layer.weight.shape, seed)  # a vector may be said later
    y, back = layer.forward(x)
    theirs = torch.nn.Embedding(vocabulary, size, padding, dtype=torch.float64)
    theirs.weight.data = tensor(layer.weight.value)
    expected, dy = theirs(tensor(x)), normal(tuple(y.shape), seed)
    expected.backward(tensor(dy))
    assert back(dy) is None
    assert_all_close([(y, expected), (layer.weight.grad, theirs.weight.grad)], here)


@given(N=sizes, T=sizes, I=sizes, O=sizes, seed=seeds, activation=st.sampled_from([None, "relu", "tanh", "softmax"]))
def test_dense_on_sequences(here: Backend, N: int, T: int, I: int, O: int, seed: int, activation: str | None) -> None:
    layer = Dense(O, activation=activation).to(here).astype("float64")
    layer.build((T, I))
    layer.bias.value = normal((O,), seed + 2)
    weight, bias = (tensor(p.value, True) for p in layer.parameters())
    x, dy = normal((N, T, I), seed), normal((N, T, O), seed + 1)
    y, back = layer.forward(x)
    tx = tensor(x, True)
    z = torch.nn.functional.linear(tx, weight, bias)
    theirs = {None: lambda z: z, "softmax": lambda z: torch.softmax(z, -1), "relu": torch.relu, "tanh": torch.tanh}
    expected = theirs[activation](z)
    expected.backward(tensor(dy))
    dx = back(dy)
    assert_all_close(
        [(y, expected), (dx, tx.grad), (layer.weight.grad, weight.grad), (layer.bias.grad, bias.grad)], here
    )


@pytest.mark.parametrize("chained", [True, False])
def test_a_tied_language_model(here: Backend, chained: bool) -> None:
    """The gradient of a shared weight is the sum of its uses."""
    V, H = 7, 4
    embedding = Embedding(V, H)
    parts = embedding, SimpleRNN(H), Dense(V, tied=embedding)
    if chained:
        model: Any = Sequential(parts)
    else:
        model = Written(lambda m, x: m.out(m.rnn(m.words(x))), words=parts[0], rnn=parts[1], out=parts[2])
    model.to(here).astype("float64")
    x, dy = np.random.default_rng(0).integers(0, V, (3, 5)), normal((3, 5, V), 1)
    y, back = model.forward(x, train=True)
    assert model.parameter_count((5,)) == V * H + 2 * H * H + 2 * H + V == sum(p.size for p in model.parameters())
    back(dy)
    weight, w_ih, w_hh, b_ih, b_hh, bias = theirs = [tensor(p.value, True) for p in model.parameters()]
    h, hs = torch.zeros(3, H, dtype=torch.float64), []
    for t in range(5):
        h = torch.tanh(weight[tensor(x[:, t])] @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
        hs.append(h)
    expected = torch.stack(hs, 1) @ weight.T + bias
    expected.backward(tensor(dy))
    pairs = [(p.grad, other.grad) for p, other in zip(model.parameters(), theirs, strict=True)]
    assert_all_close([(y, expected), *pairs], here)
