"""The package: what it offers, and that it needs no matplotlib."""

import subprocess
import sys

from xpnet import analysis, visualize

CHECK = """
import sys
sys.modules["matplotlib"] = None  # importing it would raise
import numpy as np, xpnet

assert "xpnet.analysis" not in sys.modules, "it is imported when somebody asks for it"
model, x = xpnet.networks.LeNet5(), np.zeros((2, 1, 28, 28), np.float32)
assert xpnet.analysis.probabilities(model, x).shape == (2, 10)
assert xpnet.analysis.grad_cam(model, x).shape == (2, 28, 28)
assert "xpnet.visualize" not in sys.modules
"""


def test_numbers_need_no_matplotlib() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_public_function_says_what_it_does() -> None:
    assert all(getattr(analysis, name).__doc__ for name in analysis.__all__)


def test_visualize_offers_the_same_numbers() -> None:
    for name in set(analysis.__all__) & set(visualize.__all__):
        assert getattr(visualize, name) is getattr(analysis, name)
