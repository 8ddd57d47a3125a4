"""Every backend's steps of recurrent layers against the reference, and what NaN and infinity become."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import recurrent


class Steps(NamedTuple):
    T: int
    N: int
    H: int
    seed: int
    dtype: str
    lengths: bool
    reverse: bool
    sequence: bool  # whether there is a gradient of the states of all steps

    def normal(self, *shape: int, seed: int = 0) -> np.ndarray:
        return normal(shape, self.seed + seed, self.dtype)

    @property
    def how(self) -> tuple[np.ndarray | None, bool]:
        """Which samples have a step, and the direction."""
        lengths = np.random.default_rng(self.seed).integers(0, self.T + 1, self.N)
        alive = np.arange(self.T)[:, None] < lengths if self.lengths else None
        return alive, self.reverse

    @property
    def dhs(self) -> np.ndarray | None:
        """In an order that is not that of its shape, as a gradient (N, T, H) is."""
        return self.normal(self.N, self.T, self.H, seed=9).transpose(1, 0, 2) if self.sequence else None

    @property
    def states(self) -> list[np.ndarray]:
        return [self.normal(self.N, self.H, seed=2), self.normal(self.N, self.H, seed=3)]


several = st.integers(1, 5)
cases = st.builds(
    Steps, several, several, st.integers(1, 9), seeds, st.sampled_from(["float32", "float64"]), *[st.booleans()] * 3
)


def check_simple_rnn(backend: Backend, case: Steps, nonlinearity: str) -> None:
    z, w = case.normal(case.T, case.N, case.H), case.normal(case.H, case.H, seed=1)
    h, dh = case.states
    hs = assert_agree(backend, "simple_rnn", z, w, h, nonlinearity, *case.how)
    assert_agree(backend, "simple_rnn_backward", case.dhs, dh, hs, w, nonlinearity, *case.how)


def check_lstm(backend: Backend, case: Steps) -> None:
    z = case.normal(case.T, case.N, 4 * case.H)
    w = case.normal(4 * case.H, case.H, seed=1) * case.H**-0.5  # so that many states are no steeper than few
    arrays = assert_agree(backend, "lstm", z, w, *case.states, *case.how)
    assert_agree(backend, "lstm_backward", case.dhs, *case.states, *arrays, w, *case.how)


def check_gru(backend: Backend, case: Steps, bias: bool) -> None:
    z, w = case.normal(case.T, case.N, 3 * case.H), case.normal(3 * case.H, case.H, seed=1)
    h, dh = case.states
    b = case.normal(3 * case.H, seed=4) if bias else None
    hs, gates = assert_agree(backend, "gru", z, w, b, h, *case.how)
    assert_agree(backend, "gru_backward", case.dhs, dh, hs, gates, w, *case.how)


@given(case=cases, nonlinearity=st.sampled_from(["tanh", "relu"]))
def test_a_simple_rnn_agrees_with_the_reference(backend: Backend, case: Steps, nonlinearity: str) -> None:
    check_simple_rnn(backend, case, nonlinearity)


@given(case=cases)
def test_an_lstm_agrees_with_the_reference(backend: Backend, case: Steps) -> None:
    check_lstm(backend, case)


@given(case=cases, bias=st.booleans())
def test_a_gru_agrees_with_the_reference(backend: Backend, case: Steps, bias: bool) -> None:
    check_gru(backend, case, bias)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_batch_agree_too(backend: Backend, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Those that the threads of a CPU take through the steps."""
    monkeypatch.setattr(recurrent, "WORTH", 1)
    case = Steps(3, 2 * recurrent.SAMPLES + 6, 4, 0, dtype, True, False, True)
    check_lstm(backend, case)
    check_gru(backend, case, True)
    check_simple_rnn(backend, case, "tanh")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [30.0, -30.0, 1e30, -1e30, np.inf, -np.inf, np.nan])
def test_far_away_the_gates_are_open_or_closed(backend: Backend, dtype: str, value: float) -> None:
    """Without a warning, and NaN stays NaN."""
    z, w, h = np.full((1, 2, 4), value, dtype), np.zeros((4, 1), dtype), np.zeros((2, 1), dtype)
    _, _, gates = backend.lstm(*map(backend.asarray, (z, w, h, h)))
    expected = np.full((1, 2, 4), 1.0 if value > 0 else 0.0)
    expected[..., 2] = 1.0 if value > 0 else -1.0
    expected = expected if value == value else expected * np.nan
    np.testing.assert_allclose(backend.to_numpy(gates), expected, atol=1e-6)
    wide = map(backend.asarray, (z, np.zeros((4, 4), dtype), np.zeros((2, 4), dtype)))
    np.testing.assert_array_equal(backend.to_numpy(backend.simple_rnn(*wide, "relu"))[1:], np.maximum(z, 0))
