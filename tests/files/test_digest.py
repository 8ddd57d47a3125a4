"""The SHA-256 of a network's weights: what is hashed, and that nothing else is."""

import hashlib
from pathlib import Path

import numpy as np

import xpnet
from xpnet import Sequential, layers
from xpnet.files.digest import weights_sha256


def small() -> Sequential:
    model = Sequential([layers.Dense(2), layers.BatchNorm1D()])
    model.build((3,))
    for parameter in model.parameters():
        count = parameter.size
        parameter.value = np.arange(count, dtype="float32").reshape(parameter.shape)
    return model


def test_it_is_that_of_names_types_shapes_and_bytes_in_the_order_of_the_names() -> None:
    model = small()
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        shape = b"".join(size.to_bytes(8, "little") for size in parameter.shape)
        digest.update(name.encode() + b"\0float32\0" + shape + np.arange(parameter.size, dtype="<f4").tobytes())
    assert weights_sha256(model) == digest.hexdigest()


def test_it_is_kept_by_a_file_and_changes_with_a_single_bit(tmp_path: Path) -> None:
    model, before = small(), weights_sha256(small())
    model.save(tmp_path / "a.safetensors")
    assert weights_sha256(xpnet.load(tmp_path / "a.safetensors")) == before
    for parameter in model.parameters():  # running statistics among them
        value = np.array(parameter.value)
        parameter.value = np.nextafter(value, np.float32(100))
        assert weights_sha256(model) != before
        parameter.value = value
    assert weights_sha256(model) == before
