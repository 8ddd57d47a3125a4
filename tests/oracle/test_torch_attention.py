"""PyTorch as an oracle: attention and the layers of transformers, given the same weights, in float64 to 1e-10."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend, make_backend
from xpnet.core.layer import Layer
from xpnet.layers import (
    LayerNorm,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytestmark = pytest.mark.oracle
sizes = st.integers(1, 5)
ACTIVATIONS = st.sampled_from(["relu", "gelu"])


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


def tensor(x: Any, grad: bool = False) -> Any:
    return torch.tensor(np.array(x), requires_grad=grad)


def share_weights(layer: Layer, theirs: Any, seed: int) -> dict[str, Any]:
    """Give both the same random weights, by name; returns PyTorch's."""
    others = dict(theirs.named_parameters())
    assert {name for name, _ in layer.named_parameters()} == others.keys()
    for place, (name, parameter) in enumerate(layer.named_parameters()):
        assert parameter.shape == tuple(others[name].shape), name
        parameter.value = 0.5 * normal(parameter.shape, seed + place)
        others[name].data = tensor(layer.backend.to_numpy(parameter.value)).to(others[name].dtype)
    return others


def assert_agree(layer: Layer, xs: Sequence[np.ndarray], call: Any, others: dict[str, Any]) -> None:
    """Values, and gradients of floating point inputs and of weights."""
    y, back = layer.forward(*xs, train=True)
    txs = [tensor(x, x.dtype.kind == "f") for x in xs]
    expected = call(*txs)
    dy = normal(tuple(y.shape), 3)
    expected.backward(tensor(dy))
    dxs = back(dy)
    pairs = [(y, expected)]
    pairs += [(dx, x.grad) for dx, x in zip(dxs if len(xs) > 1 else (dxs,), txs, strict=True) if dx is not None]
    pairs += [(parameter.grad, others[name].grad) for name, parameter in layer.named_parameters()]
    for ours, other in pairs:
        other = np.zeros(ours.shape) if other is None else other.detach().numpy()
        assert_close(ours, other, layer.backend, 1e-10, scale=1.0)


def masks(N: int, S: int, seed: int) -> np.ndarray:
    """Which elements are real, one at least: PyTorch gives NaN where none is."""
    real = np.random.default_rng(seed).integers(0, 2, (N, S))
    real[:, 0] = 1
    return real


@given(N=sizes, T=sizes, S=sizes, H=st.integers(1, 3), D=sizes, seed=seeds, data=st.data())
def test_multi_head_attention(here: Backend, N: int, T: int, S: int, H: int, D: int, seed: int, data: Any) -> None:
    E, choose = H * D, lambda *options: data.draw(st.sampled_from(options))
    inputs, bias, masked, causal, added = choose(1, 2, 3), *(choose(True, False) for _ in range(4))
    S = T if inputs == 1 else S
    K, V = (choose(E, 3), choose(E, 2)) if inputs == 3 else (E, E)
    xs = [normal((N, T, E), seed), normal((N, S, K), seed + 1), normal((N, S, V), seed + 2)][:inputs]
    real, rows = masks(N, S, seed), normal((T, S), seed + 3) if added else None
    layer = MultiHeadAttention(H, bias, causal=causal, mask=masked, attention_mask=rows).to(here).astype("float64")
    layer.build(*(x.shape[1:] for x in xs), *([(S,)] if masked else []))
    theirs = torch.nn.MultiheadAttention(E, H, bias=bias, kdim=K, vdim=V, batch_first=True, dtype=torch.float64)
    others = share_weights(layer, theirs, seed)
    mask = np.zeros((T, S)) if rows is None else rows
    mask = np.where(np.arange(S) <= np.arange(T)[:, None], mask, -np.inf) if causal else mask

    def call(*txs: Any) -> Any:
        query, key, value = (txs[min(i, inputs - 1)] for i in range(3))
        hidden = torch.where(tensor(real == 0), -torch.inf, 0.0).to(torch.float64) if masked else None
        return theirs(query, key, value, hidden, False, tensor(mask) if causal or added else None)[0]

    assert_agree(layer, [*xs, *([real] if masked else [])], call, others)


@given(N=sizes, T=sizes, S=sizes, H=st.integers(1, 3), seed=seeds)
def test_the_weights_of_attention(here: Backend, N: int, T: int, S: int, H: int, seed: int) -> None:
    """The mean over the heads, and its gradient."""
    x, memory = normal((N, T, 2 * H), seed), normal((N, S, 2 * H), seed + 1)
    layer = MultiHeadAttention(H, return_weights=True).to(here).astype("float64")
    layer.build((T, 2 * H), (S, 2 * H))
    theirs = torch.nn.MultiheadAttention(2 * H, H, batch_first=True, dtype=torch.float64)
    others = share_weights(layer, theirs, seed)
    (y, weights), back = layer.forward(x, memory, train=True)
    tx, tm = tensor(x, True), tensor(memory, True)
    expected = theirs(tx, tm, tm)
    dy, dw = normal((N, T, 2 * H), seed + 2), normal((N, T, S), seed + 3)
    torch.autograd.backward(expected, [tensor(dy), tensor(dw)])
    dxs = back((dy, dw))
    pairs = [(y, expected[0]), (weights, expected[1]), (dxs[0], tx.grad), (dxs[1], tm.grad)]
    pairs += [(parameter.grad, others[name].grad) for name, parameter in layer.named_parameters()]
    for ours, other in pairs:
        assert_close(ours, other.detach().numpy(), here, 1e-10, scale=1.0)


def options_of(data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of a layer, and how PyTorch calls them."""
    first, bias, activation = (data.draw(each) for each in (st.booleans(), st.booleans(), ACTIVATIONS))
    ours = {"norm_first": first, "bias": bias, "activation": activation, "dropout": 0.0, "feedforward": 5}
    theirs = {"norm_first": first, "bias": bias, "activation": activation, "dropout": 0.0, "dim_feedforward": 5}
    return ours, {**theirs, "batch_first": True, "dtype": torch.float64}


@given(N=sizes, T=sizes, H=st.integers(1, 3), seed=seeds, causal=st.booleans(), masked=st.booleans(), data=st.data())
def test_encoder_layer(
    here: Backend, N: int, T: int, H: int, seed: int, causal: bool, masked: bool, data: Any
) -> None:  # fmt: skip
    ours, options = options_of(data)
    layer = TransformerEncoderLayer(H, causal=causal, mask=masked, **ours).to(here).astype("float64")
    x, real = normal((N, T, 2 * H), seed), masks(N, T, seed)
    layer.build(x.shape[1:], *([(T,)] if masked else []))
    theirs = torch.nn.TransformerEncoderLayer(2 * H, H, **options)
    others = share_weights(layer, theirs, seed)
    ahead = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None

    def call(x: Any, *_: Any) -> Any:
        return theirs(x, ahead, tensor(real == 0) if masked else None)

    assert_agree(layer, [x, *([real] if masked else [])], call, others)


@given(N=sizes, T=sizes, S=sizes, H=st.integers(1, 3), seed=seeds, data=st.data())
def test_decoder_layer(here: Backend, N: int, T: int, S: int, H: int, seed: int, data: Any) -> None:
    (ours, options), E = options_of(data), 2 * H
    causal, masked, memory_masked = (data.draw(st.booleans()) for _ in range(3))
    flags = {"causal": causal, "mask": masked, "memory_mask": memory_masked}
    layer = TransformerDecoderLayer(H, **flags, **ours).to(here).astype("float64")
    x, memory, real, real_memory = normal((N, T, E), seed), normal((N, S, E), seed + 1), masks(N, T, 1), masks(N, S, 2)
    given = [mask for mask, there in ((real, masked), (real_memory, memory_masked)) if there]
    layer.build(x.shape[1:], memory.shape[1:], *(mask.shape[1:] for mask in given))
    theirs = torch.nn.TransformerDecoderLayer(E, H, **options)
    others = share_weights(layer, theirs, seed)
    ahead = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None

    def call(x: Any, memory: Any, *_: Any) -> Any:
        hidden = tensor(real == 0) if masked else None, tensor(real_memory == 0) if memory_masked else None
        return theirs(x, memory, ahead, None, *hidden)

    assert_agree(layer, [x, memory, *given], call, others)


def test_stacks(here: Backend) -> None:
    def layers(kind: Any) -> list[Any]:
        return [kind(2, 6, dropout=0.0) for _ in range(2)]

    x, memory, options = normal((3, 4, 8), 0), normal((3, 5, 8), 1), {"batch_first": True, "dtype": torch.float64}
    encoder = TransformerEncoder(layers(TransformerEncoderLayer), LayerNorm()).to(here).astype("float64")
    encoder.build((4, 8))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 6, 0.0, **options)
    theirs = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(8, dtype=torch.float64), False)
    assert_agree(encoder, [x], theirs, share_weights(encoder, theirs, 2))
    decoder = TransformerDecoder(layers(TransformerDecoderLayer), LayerNorm()).to(here).astype("float64")
    decoder.build((4, 8), (5, 8))
    layer = torch.nn.TransformerDecoderLayer(8, 2, 6, 0.0, **options)
    theirs = torch.nn.TransformerDecoder(layer, 2, torch.nn.LayerNorm(8, dtype=torch.float64))
    ahead = torch.ones(4, 4, dtype=torch.bool).triu(1)
    others = share_weights(decoder, theirs, 3)
    assert_agree(decoder, [x, memory], lambda x, memory: theirs(x, memory, ahead), others)


def test_in_float32_the_values_are_near(here: Backend) -> None:
    x, memory = normal((8, 30, 64), 0, "float32"), normal((8, 20, 64), 1, "float32")
    layer = TransformerDecoderLayer(8, 128, 0.0).to(here)
    layer.build((30, 64), (20, 64))
    theirs = torch.nn.TransformerDecoderLayer(64, 8, 128, 0.0, batch_first=True)
    for name, parameter in theirs.named_parameters():
        dict(layer.named_parameters())[name].value = parameter.detach().numpy()
    expected = theirs(tensor(x), tensor(memory), torch.ones(30, 30, dtype=torch.bool).triu(1))
    assert_close(layer(x, memory), expected.detach().numpy(), here, 1e-4)
