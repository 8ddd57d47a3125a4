"""A Watch on a free port, which ends with its test."""

from collections.abc import Iterator

import pytest

from xpnet import serving


@pytest.fixture
def watch() -> Iterator[serving.Watch]:
    found = serving.Watch(0)
    yield found
    found.close()
