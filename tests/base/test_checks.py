"""Arguments that must be numbers: what is none, and what is too large for one."""

from typing import Any

import pytest

from xpnet import layers, optimizers
from xpnet.base import checks
from xpnet.errors import OptionError

HUGE = 10**400  # float() raises OverflowError


@pytest.mark.parametrize(
    "check", [checks.finite, checks.number, checks.positive, checks.at_least_zero, checks.fraction]
)
@pytest.mark.parametrize("value", [HUGE, -HUGE])
def test_integers_of_hundreds_of_digits(check: Any, value: int) -> None:
    with pytest.raises(OptionError, match="rate must be"):
        check("rate", value)


def test_settings_of_that_kind() -> None:
    for make in (lambda: optimizers.SGD(HUGE), lambda: layers.Dropout(HUGE), lambda: layers.LeakyReLU(HUGE)):
        with pytest.raises(OptionError):
            make()
