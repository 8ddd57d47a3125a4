"""The compiled steps of recurrent layers: what the reference computes, in float32."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.test_primitives import assert_agree
from tests.backend.test_recurrent import Steps, cases, check_gru, check_lstm, check_simple_rnn
from tests.kit.strategies import normal
from xpnet.backend import use_backend
from xpnet.backend.cpu import recurrent, threads

pytestmark = pytest.mark.slow

jit_backend = pytest.importorskip("xpnet.backend.jit.backend", reason='needs Numba: pip install "xpnet[jit]"')
from xpnet.backend.jit import cells, sequences  # noqa: E402

JIT = jit_backend.JitBackend()


@given(case=cases, relu=st.booleans(), bias=st.booleans(), parts=st.booleans())
def test_each_agrees_with_the_reference(case: Steps, relu: bool, bias: bool, parts: bool) -> None:
    case = case._replace(dtype="float32", N=recurrent.SAMPLES + case.N if parts else case.N)
    assert JIT.cells(np.dtype("float32")) is cells
    with use_backend(JIT), pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "WORTH", 1)
        check_simple_rnn(JIT, case, "relu" if relu else "tanh")
        check_lstm(JIT, case)
        check_gru(JIT, case, bias)


def test_tanh_is_right_to_some_units_in_the_last_place() -> None:
    x = np.concatenate([s * np.geomspace(1e-30, 100, 20001, dtype=np.float32) for s in (1, -1)])
    got = np.array([cells.tanh(value) for value in x], np.float32)
    expected = np.tanh(x.astype(np.float64))
    assert np.all(np.abs(got - expected) <= 5 * np.spacing(np.abs(expected).astype(np.float32)))
    assert [cells.tanh(np.float32(value)) for value in (0, np.inf, -np.inf)] == pytest.approx([0, 1, -1], abs=1e-7)
    assert np.isnan(cells.tanh(np.float32(np.nan)))
    assert cells.sigmoid(np.float32(-200)) == pytest.approx(0, abs=1e-7)


@given(case=cases, wide=st.sampled_from([1, 2]))
def test_all_steps_of_an_lstm_in_one_call_agree_with_the_reference(case: Steps, wide: int) -> None:
    """Of whole tiles and of samples that are left over, by one thread and by parts."""
    case = case._replace(dtype="float32", H=wide * sequences.WIDTH, N=recurrent.SAMPLES + case.N)
    assert sequences.takes(case.H, *case.states)
    with use_backend(JIT), pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "WORTH", 1)
        check_lstm(JIT, case)


def test_an_lstm_has_the_same_bits_on_any_number_of_threads() -> None:
    case = Steps(3, 2 * recurrent.SAMPLES + 6, sequences.WIDTH, 0, "float32", True, False, True)
    z, w = case.normal(case.T, case.N, 4 * case.H), case.normal(4 * case.H, case.H, seed=1)
    results = []
    for count in (1, 2, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recurrent, "WORTH", 1)
            patch.setattr(threads, "thread_count", lambda count=count: count)
            patch.setattr(threads, "team", functools.cache(lambda count=count: threads.Team(count - 1)))
            arrays = JIT.lstm(z, w, *case.states, *case.how)
            results.append([*arrays, *JIT.lstm_backward(case.dhs, *case.states, *arrays, w, *case.how)])
            threads.team().close()
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize(("K", "bias"), [(3, True), (28, False)])
def test_what_inputs_give_to_all_steps_agrees_with_the_reference(
    monkeypatch: pytest.MonkeyPatch, K: int, bias: bool
) -> None:
    """Of short sums: more rows than are taken together, and tiles that are left over."""
    rows, J = sequences.TOGETHER + sequences.ROWS + 1, 5 * sequences.WIDTH
    x, w, b = (normal(shape, seed, "float32") for seed, shape in enumerate([(rows, K), (J, K), (J,)]))
    assert not sequences.takes_inputs(x, w)
    monkeypatch.setattr(sequences, "MANY", rows)
    assert sequences.takes_inputs(x, w)
    with use_backend(JIT):
        y = assert_agree(JIT, "dense", x, w, b if bias else None)
        assert_agree(JIT, "dense_backward", normal((rows, J), 4, "float32"), x, w, y, None, bias)
