"""MNIST, read once."""

from typing import Any

import pytest

from xpnet.data import mnist


@pytest.fixture(scope="session")
def mnist_data() -> Any:
    """((x, t), (x_test, t_test)) as the package ships it."""
    return mnist()
