"""UNet: a score for each pixel."""

from pathlib import Path

import numpy as np
import pytest

import xpnet
from tests.kit.small import digits
from tests.kit.strategies import normal
from xpnet import gradient_check
from xpnet.errors import ShapeError
from xpnet.networks import UNet


def test_a_unet_learns_which_pixels_are_bright() -> None:
    x, _ = digits(16)
    x, t = x[:, :, 2:26, 2:26], (x[:, 0, 2:26, 2:26] > 0.5).astype(np.int64)
    model = UNet(2, 4, 2, (1, 24, 24))
    model.compile(xpnet.optimizers.Adam(0.01), metrics=["accuracy"])
    model.fit(x, t, batch_size=8, epochs=12, verbose=0)
    assert model.predict(x).shape == (16, 2, 24, 24)
    assert model.history.history["accuracy"][-1] > 0.95
    assert model.predict(x[:, :, :16, :8]).shape == (16, 2, 16, 8)
    with pytest.raises(ShapeError, match=r"needed is \(N, C, H, W\) with H and W multiples of 4"):
        model.predict(x[:, :, :, :22])


def test_the_gradient_of_a_unet_is_right(tmp_path: Path) -> None:
    model = UNet(2, 3, 2, (1, 8, 8))
    for p in model.parameters():
        if p.name.endswith("bias"):
            p.value = 0.3 * normal(p.shape, len(p.name))
    assert gradient_check(model, normal((2, 1, 8, 8), 0), eps=1e-7, tolerance=1e-4) < 1e-4
    model.save(tmp_path / "net")
    np.testing.assert_array_equal(
        xpnet.load(tmp_path / "net").get_weights()[-2], model.astype("float32").get_weights()[-2]
    )


def test_what_came_down_stands_before_what_was_enlarged() -> None:
    """As in the paper's figure, and in the weights of others."""
    model, x = UNet(2, 3, 1, (1, 4, 4)), normal((2, 1, 4, 4), 0, "float32")
    passed = model.down[0](x)
    enlarged = model.enlarge[0](model.bottom(model.pool(passed)))
    expected = model.output(model.up[0](np.concatenate([passed, enlarged], axis=1)))
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)
