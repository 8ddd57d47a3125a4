"""Metrics that users write: what could not be called is told before training."""

from typing import Any

import pytest

from xpnet import Sequential, layers, metrics
from xpnet.errors import OptionError


def test_a_count_that_cannot_be_called_is_told_when_compiled() -> None:
    class Short(metrics.Metric):
        def count(self, y: Any, t: Any) -> Any:
            return 1

    class OwnUpdate(Short):
        def update(self, y: Any, t: Any, backend: Any = None) -> None:
            self.total = self.count(y, t)

    model = Sequential([layers.Dense(2)])
    with pytest.raises(OptionError, match=r"Short\.count is called with y, t, backend: write def count\(self, y, t, b"):
        model.compile(metrics=[Short()])
    model.compile(metrics=[OwnUpdate()])
