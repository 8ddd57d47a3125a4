"""Update steps of NumPy's backend: piece by piece, they do what the reference does at once."""

import numpy as np
import pytest

from tests.kit.strategies import normal
from xpnet.backend import Backend
from xpnet.backend.cpu import updates
from xpnet.backend.cpu.backend import NumpyBackend
from xpnet.backend.reference import AdamStep, MomentStep

ADAM = [
    AdamStep(step, 0.1, 0.9, 0.99, 1e-3, decay, decoupled)
    for step, decay, decoupled in ((1, 0.0, False), (7, 0.1, False), (7, 0.1, True))
]
MOMENTS = MomentStep(0.1, 0.2, 0.9, 0.99, 0.3, True, 1e-3, 0.1, 0.05)


@pytest.mark.parametrize("size", [1, 6, 7, 8, 20, 21])
@pytest.mark.parametrize("how", [*ADAM, MOMENTS], ids=lambda how: type(how).__name__)
def test_pieces_cover_every_entry_once(monkeypatch: pytest.MonkeyPatch, how: AdamStep | MomentStep, size: int) -> None:
    monkeypatch.setattr(updates, "UPDATE", 7)
    p, g, m, v = (normal((size,), seed, "float64") for seed in range(4))
    here, there = [p.copy(), g, m.copy(), v**2], [p.copy(), g, m.copy(), v**2]
    name = "adam" if isinstance(how, AdamStep) else "moments"
    getattr(NumpyBackend(), name)(*here, how)
    getattr(Backend(), name)(*there, how)
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("size", [1, 7, 8, 20])
def test_what_is_forgotten_is_so_in_every_piece(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(updates, "UPDATE", 7)
    x = normal((size, 2), 1, "float32")
    for view in (x, x[:, 0], x.T):
        ours, theirs = np.array(view, order="K"), view.copy()
        NumpyBackend().forget(ours, 0.5)
        Backend().forget(theirs, 0.5)
        assert ours.tolist() == theirs.tolist()
    NumpyBackend().forget(gaps := x[:, 0], 9.0)
    assert not gaps.any() and x[:, 1].all()


def test_gradients_lie_behind_one_another_with_zeros_between() -> None:
    flat, parts = np.full(20, 7.0), [np.arange(6.0).reshape(2, 3), None, np.arange(3.0)]
    NumpyBackend().collect(flat, parts, (0, 8, 12))
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0]
