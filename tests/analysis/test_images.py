"""Arrays as images."""

import numpy as np

from xpnet.analysis.images import enlarged


def test_enlarging_keeps_a_plane_and_the_mean() -> None:
    rows = np.arange(4.0)[:, None] * np.ones((1, 3))
    large = enlarged(rows[None], (12, 9))[0]
    assert large.shape == (12, 9)
    assert np.allclose(large[1:-1], ((np.arange(1, 11) + 0.5) / 3 - 0.5).clip(0, 3)[:, None], atol=1e-6)
    assert np.allclose(enlarged(np.full((1, 2, 5), 3.0), (7, 11)), 3)
    some = np.random.default_rng(0).random((2, 3, 4))
    assert np.allclose(enlarged(some, (3, 4)), some)
    assert np.isclose(enlarged(some, (6, 8)).mean(), some.mean(), rtol=0.05)
