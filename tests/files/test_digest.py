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


def test_it_changes_with_a_weight_and_not_with_a_running_statistic(tmp_path: Path) -> None:
    model, before = small(), weights_sha256(small())
    norm = model.layers[1]
    assert isinstance(norm, layers.BatchNorm1D)
    norm.running_mean.writable()[...] = 7
    model.save(tmp_path / "a.safetensors")
    assert weights_sha256(xpnet.load(tmp_path / "a.safetensors")) == before
    first = model.parameters()[0]
    first.value = np.nextafter(np.array(first.value), np.float32(100))
    assert weights_sha256(model) != before
