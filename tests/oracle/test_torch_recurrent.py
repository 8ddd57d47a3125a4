"""PyTorch as an oracle: SimpleRNN, LSTM and GRU with all their options, in float64."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.helpers import assert_close
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend, make_backend
from xpnet.layers import GRU, LSTM, SimpleRNN
from xpnet.layers.recurrent import Recurrent

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytestmark = pytest.mark.oracle
sizes = st.integers(1, 5)


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


class Config(NamedTuple):
    kind: str
    N: int
    T: int
    F: int
    H: int
    layers: int
    bidirectional: bool
    bias: bool
    lengths: bool
    given: bool  # first states
    sequence: bool  # whether the loss depends on it
    states: bool  # and on the last states
    seed: int


configs = st.builds(
    Config, st.sampled_from(["tanh", "relu", "lstm", "gru"]), sizes, sizes, sizes, sizes, st.integers(1, 3),
    *[st.booleans()] * 6, seeds,
)  # fmt: skip


def make_both(c: Config, backend: Backend) -> tuple[Recurrent, Any]:
    """Ours and PyTorch's, of the same weights."""
    options: Any = {"layers": c.layers, "bidirectional": c.bidirectional, "bias": c.bias, "lengths": c.lengths}
    theirs: Any = {"num_layers": c.layers, "bidirectional": c.bidirectional, "bias": c.bias, "batch_first": True}
    layer: Recurrent
    if c.kind in ("lstm", "gru"):
        layer = (LSTM if c.kind == "lstm" else GRU)(c.H, return_state=True, **options)
        make = torch.nn.LSTM if c.kind == "lstm" else torch.nn.GRU
    else:
        layer = SimpleRNN(c.H, return_state=True, nonlinearity=c.kind, **options)
        make, theirs = torch.nn.RNN, {**theirs, "nonlinearity": c.kind}
    layer.to(backend).astype("float64").build((c.T, c.F), *[()] * c.lengths)
    other = make(c.F, c.H, dtype=torch.float64, **theirs)
    for index, ((ours, parameter), (name, tensor)) in enumerate(
        zip(layer.named_parameters(), other.named_parameters(), strict=True)
    ):
        assert (ours, parameter.shape) == (name, tuple(tensor.shape))  # PyTorch's names, in its order
        parameter.value = normal(parameter.shape, c.seed + index)
        tensor.data = torch.tensor(np.array(parameter.value))
    return layer, other


def state_like_theirs(state: np.ndarray) -> Any:
    """(N, H) or (N, L*D, H) -> (L*D, N, H)."""
    return torch.tensor(state[:, None] if state.ndim == 2 else state).transpose(0, 1).contiguous()


def state_like_ours(state: Any) -> np.ndarray:
    array: np.ndarray = state.detach().transpose(0, 1).numpy()
    return array[:, 0] if array.shape[1] == 1 else array


@given(c=configs)
def test_recurrent_layers(here: Backend, c: Config) -> None:
    layer, other = make_both(c, here)
    x = normal((c.N, c.T, c.F), c.seed)
    lengths = np.random.default_rng(c.seed).integers(1, c.T + 1, c.N)
    shapes = [(c.N, *layer.state_shape)] * len(layer.kinds)
    first = [normal(shape, c.seed + 1 + i) for i, shape in enumerate(shapes)]
    dstates = [normal(shape, c.seed + 3 + i) if c.states else None for i, shape in enumerate(shapes)]
    D = layer.directions
    dy = normal((c.N, c.T, D * c.H), c.seed + 5)

    (y, *states), back = layer.forward(x, *[lengths] * c.lengths, *(first if c.given else []), train=True)
    dxs = back((dy if c.sequence else None, *dstates))
    dx, *dothers = dxs if isinstance(dxs, tuple) else (dxs,)

    theirs = torch.tensor(x, requires_grad=True)
    packed: Any = theirs
    if c.lengths:
        packed = torch.nn.utils.rnn.pack_padded_sequence(theirs, torch.tensor(lengths), True, enforce_sorted=False)
    h = [state_like_theirs(state).requires_grad_() for state in first]
    hx = (tuple(h) if c.kind == "lstm" else h[0]) if c.given else None
    expected, last = other(packed, hx)
    if c.lengths:
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, True, total_length=c.T)
    last = last if c.kind == "lstm" else (last,)
    outputs, gradients = [expected], [torch.tensor(dy if c.sequence else 0 * dy)]
    if c.states:
        outputs, gradients = [*outputs, *last], [*gradients, *map(state_like_theirs, dstates)]
    torch.autograd.backward(outputs, gradients)

    pairs = [(y, expected.detach().numpy()), (dx, theirs.grad.numpy())]
    pairs += [(ours, state_like_ours(state)) for ours, state in zip(states, last, strict=True)]
    if c.given:
        pairs += [(d, state_like_ours(s.grad)) for d, s in zip(dothers[c.lengths :], h, strict=True)]
    pairs += [(p.grad, t.grad.numpy()) for p, t in zip(layer.parameters(), other.parameters(), strict=True)]
    for got, want in pairs:
        assert_close(got, want, here, 1e-11, scale=1.0)


@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_initial_weights_are_distributed_as_in_pytorch(make: type[Recurrent]) -> None:
    layer = make(25, layers=2, bidirectional=True)
    other = {SimpleRNN: torch.nn.RNN, LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}[make](50, 25, 2, bidirectional=True)
    layer.build((3, 50))
    for ours, theirs in zip(layer.parameters(), other.parameters(), strict=True):
        assert np.abs(ours.value).max() <= 0.2
        assert ours.value.std() == pytest.approx(float(theirs.detach().std()), rel=0.5)
        assert ours.value.std() == pytest.approx(0.2 / 3**0.5, rel=0.5)
