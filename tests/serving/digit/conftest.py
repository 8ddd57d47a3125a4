"""A shelf for tests: the networks of the package, and of the training digits the first few."""

from pathlib import Path

import numpy as np
import pytest

from xpnet.data.datasets import mnist_part
from xpnet.serving.digit.shelf import Shelf


@pytest.fixture(scope="session")
def mnist_test() -> tuple[np.ndarray, np.ndarray]:
    """uint8 (10000, 1, 28, 28), and labels."""
    return mnist_part("test", normalize=False)


@pytest.fixture
def shelf(tmp_path: Path, mnist_test: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Whose digits are few: 600 to test, and of these 400 to train on, so that nothing takes long."""
    x, t = mnist_test
    parts = {"test": (x[:600], t[:600]), "train": (x[:400], t[:400])}
    shelf = Shelf(runs=tmp_path / "runs")
    monkeypatch.setattr(shelf, "digits", parts.__getitem__)
    return shelf
