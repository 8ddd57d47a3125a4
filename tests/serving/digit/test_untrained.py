"""Where no trained network is there, one learns in front of the person's eyes."""

from pathlib import Path

import pytest

from tests.serving.digit.talk import opened
from xpnet.serving.digit import shelf as shelves
from xpnet.serving.digit.shelf import Shelf


def test_a_page_begins_with_a_training(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "PACKAGED", tmp_path / "gone.safetensors")
    bare = Shelf(runs=tmp_path / "runs")
    monkeypatch.setattr(bare, "digits", shelf.digits)
    assert not any(entry.trained for entry in bare.entries())
    with opened(bare) as page:
        (network,) = (frame for frame in page.frames if frame.kind == "network")
        assert network.fields["trained"] is False and network.fields["accuracy"] is None
        begun = page.wait("training")
        assert begun.fields["on"] and begun.fields["slot"] == "a" and begun.fields["key"] == network.fields["key"]
        later = page.wait("training", lambda frame: frame.fields["step"] > begun.fields["step"])
        assert later.fields["steps"] > later.fields["step"] > 0
