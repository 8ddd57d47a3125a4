"""Every backend's steps of recurrent layers against the reference, and what NaN and infinity become."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.kit.strategies import normal, seeds
from xpnet.backend import Backend
from xpnet.backend.cpu import work


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
    def how(self) -> dict[str, Any]:
        lengths = np.random.default_rng(self.seed).integers(0, self.T + 1, self.N)
        alive = np.arange(self.T)[:, None] < lengths if self.lengths else None
        return {"alive": alive, "reverse": self.reverse}

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


def on(backend: Backend, arrays: Any) -> list[Any]:
    return [backend.asarray(a) if isinstance(a, np.ndarray) else a for a in arrays]


def agree(backend: Backend, name: str, *args: Any, how: dict[str, Any]) -> Any:
    return assert_agree(backend, name, *args, *on_host(how))


def on_host(how: dict[str, Any]) -> tuple[Any, Any]:
    return how["alive"], how["reverse"]


@given(case=cases, nonlinearity=st.sampled_from(["tanh", "relu"]))
def test_a_simple_rnn_agrees_with_the_reference(backend: Backend, case: Steps, nonlinearity: str) -> None:
    z, w = case.normal(case.T, case.N, case.H), case.normal(case.H, case.H, seed=1)
    h, dh = case.states
    hs = agree(backend, "simple_rnn", z, w, h, nonlinearity, how=case.how)
    agree(backend, "simple_rnn_backward", case.dhs, dh, hs, w, nonlinearity, how=case.how)


@given(case=cases)
def test_an_lstm_agrees_with_the_reference(backend: Backend, case: Steps) -> None:
    z, w = case.normal(case.T, case.N, 4 * case.H), case.normal(4 * case.H, case.H, seed=1)
    hs, cs, gates = agree(backend, "lstm", z, w, *case.states, how=case.how)
    agree(backend, "lstm_backward", case.dhs, *case.states, hs, cs, gates, w, how=case.how)


@given(case=cases, bias=st.booleans())
def test_a_gru_agrees_with_the_reference(backend: Backend, case: Steps, bias: bool) -> None:
    z, w = case.normal(case.T, case.N, 3 * case.H), case.normal(3 * case.H, case.H, seed=1)
    h, dh = case.states
    b = case.normal(3 * case.H, seed=4) if bias else None
    hs, gates = agree(backend, "gru", z, w, b, h, how=case.how)
    agree(backend, "gru_backward", case.dhs, dh, hs, gates, w, how=case.how)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_batches_agree_too(backend: Backend, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Those of which the threads of a CPU take parts."""
    case = Steps(3, 70, 4, 0, dtype, True, False, True)
    monkeypatch.setattr("xpnet.backend.cpu.recurrent.WORTH", 1)
    assert work.WORTH > 1
    test_an_lstm_agrees_with_the_reference.hypothesis.inner_test(backend, case)  # type: ignore[attr-defined]
    test_a_gru_agrees_with_the_reference.hypothesis.inner_test(backend, case, True)  # type: ignore[attr-defined]
    test_a_simple_rnn_agrees_with_the_reference.hypothesis.inner_test(backend, case, "tanh")  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [30.0, -30.0, 1e30, -1e30, np.inf, -np.inf, np.nan])
def test_far_away_the_gates_are_open_or_closed(backend: Backend, dtype: str, value: float) -> None:
    """Without a warning, and NaN stays NaN."""
    z, w, h = np.full((1, 2, 4), value, dtype), np.zeros((4, 1), dtype), np.zeros((2, 1), dtype)
    _, _, gates = backend.lstm(*on(backend, (z, w, h, h)))
    up, both = (1.0, value > 0), (value > 0) * 2.0 - 1
    expected = np.full((1, 2, 4), float(up[1]) if value == value else np.nan)
    expected[..., 2] = both if value == value else np.nan
    np.testing.assert_allclose(backend.to_numpy(gates), expected, atol=1e-6)
    y = backend.to_numpy(
        backend.simple_rnn(*on(backend, (z, np.zeros((4, 4), dtype), np.zeros((2, 4), dtype))), "relu")
    )
    np.testing.assert_array_equal(y[1:], np.maximum(z, 0))
