"""Which device a worker takes."""

import pytest

from xpnet.backend.cuda.device import LOCAL_NUMBERS, own_device


@pytest.mark.parametrize("name", LOCAL_NUMBERS)
def test_workers_of_a_host_take_its_devices_in_turn(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in LOCAL_NUMBERS:
        monkeypatch.delenv(other, raising=False)
    assert own_device(4) == 0
    taken = []
    for number in range(6):
        monkeypatch.setenv(name, str(number))
        taken.append(own_device(4))
    assert taken == [0, 1, 2, 3, 0, 1]
