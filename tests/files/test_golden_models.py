"""Models that version 0.1 saved are loaded as what they were: tests/golden says how they were made."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.golden.models import ANSWERS, HERE, MODELS, Joined, answers, train
from xpnet.backend import Backend

EXPECTED: dict[str, dict[str, Any]] = json.loads(ANSWERS.read_text(encoding="utf-8"))
OWN = {"joined": [Joined]}  # classes that the file of this name needs to be given


def load(name: str, folder: Path = HERE) -> xpnet.Model:
    return xpnet.load(folder / f"{name}.safetensors", custom=OWN.get(name, []))


def assert_as_expected(name: str, model: xpnet.Model) -> None:
    """Of settings those are compared that version 0.1 had; outputs to rounding, of the largest."""
    found, expected = answers(model), EXPECTED[name]
    assert found.keys() == expected.keys()
    for key in ("optimizer", "loss"):
        assert of_the_same_keys(found[key], expected[key]) == expected[key]
    for key in ("layers", "parameters"):  # in their order
        assert list(found[key].items()) == list(expected[key].items())
    for key in ("class", "name", "input_shape", "dtype", "frozen", "metrics"):
        assert found[key] == expected[key], key
    assert found["rates"] == pytest.approx(expected["rates"], rel=1e-9)
    outputs = np.array(expected["outputs"])
    np.testing.assert_allclose(found["outputs"], outputs, rtol=0, atol=1e-5 * np.abs(outputs).max())


def of_the_same_keys(found: Any, expected: Any) -> Any:
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return found
    return {key: of_the_same_keys(found.get(key), value) for key, value in expected.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_model_of_version_0_1_is_what_it_was(backend: Backend, name: str) -> None:
    model = load(name)
    assert model.backend is backend
    assert_as_expected(name, model)


@pytest.mark.parametrize("name", EXPECTED)
def test_it_can_be_saved_again_and_trained_further(name: str, tmp_path: Path) -> None:
    load(name).save(tmp_path / f"{name}.safetensors")
    model = load(name, tmp_path)
    assert_as_expected(name, model)
    train(model)
    changed = [p for p, old in zip(model.parameters(), load(name).get_weights(), strict=True) if (p.value != old).any()]
    assert {p.name for p in changed} >= {p.name for p in model.parameters() if p.trainable and "bias" not in p.name}
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_every_golden_model_has_its_file_and_its_answers() -> None:
    files = {path.stem for path in HERE.glob("*.safetensors") if not path.stem.startswith("backup")}
    assert files == EXPECTED.keys() == MODELS.keys()
