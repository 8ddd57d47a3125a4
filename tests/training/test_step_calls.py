"""What a step of training costs beside the numbers: calls of Python functions, which are counted."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xpnet import networks
from xpnet.backend import use_backend
from xpnet.model import Model


def calls_of(function: Callable[[], Any]) -> int:
    """How many Python functions run in a call of this one, itself included."""
    count, before = 0, sys.getprofile()

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(("network", "batch", "most"), [(networks.MLP, 32, 150), (networks.LeNet5, 64, 560)])
def test_a_step_calls_few_functions(network: Callable[[], Model], batch: int, most: int) -> None:
    """NumPy's own that are written in Python count, too, other ones in each version, and a wait for a thread."""
    with use_backend("numpy"):
        model = network()
    model.compile("adam")
    x, t = np.random.default_rng(0).random((batch, 1, 28, 28), np.float32), np.arange(batch) % 10
    step, on_device = model.make_step(), model.backend.batch((x, t), model.dtype)
    for _ in range(3):
        step(on_device, "the test")
    assert calls_of(lambda: step(on_device, "the test")) <= most
