"""Tensors of types that NumPy has not, in safetensors files of other programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpnet import Sequential, layers
from xpnet.errors import FormatError
from xpnet.files.tensors import read_safetensors

WEIGHT = np.array([[1.5, -2.0, 3e38], [0.0, -0.0078125, 1.0]], np.float32)  # but for 3e38, bfloat16 has each of them


def write(path: Path, tensors: dict[str, tuple[str, tuple[int, ...], bytes]]) -> Path:
    """A safetensors file by hand: the header's length, the header, the bytes."""
    header: dict[str, Any] = {}
    place = 0
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(content)]}
        place += len(content)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(content for *_, content in tensors.values()))
    return path


def upper_halves(x: np.ndarray) -> bytes:
    return (np.ascontiguousarray(x, "<f4").view("<u4") >> 16).astype("<u2").tobytes()


def test_bfloat16_and_float16_are_read_bit_for_bit(tmp_path: Path) -> None:
    half, special = np.array([0.1, -2.0], np.float16), np.array([np.inf, -np.inf, np.nan, 1e-40], np.float32)
    path = write(
        tmp_path / "a",
        {
            "full": ("F32", (2, 3), WEIGHT.tobytes()),
            "weight": ("BF16", (2, 3), upper_halves(WEIGHT)),
            "half": ("F16", (2,), half.tobytes()),
            "special": ("BF16", (4,), upper_halves(special)),
            "single": ("BF16", (), upper_halves(np.array(2.5, np.float32))),
            "none": ("BF16", (0, 3), b""),
        },
    )
    tensors, _ = read_safetensors(path)
    cut = (WEIGHT.view(np.uint32) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(tensors["weight"], cut, strict=True)
    np.testing.assert_array_equal(tensors["full"], WEIGHT, strict=True)
    np.testing.assert_array_equal(tensors["half"], half, strict=True)
    np.testing.assert_array_equal(tensors["special"][:3], special[:3], strict=True)
    assert 0 < tensors["special"][3] <= special[3]
    assert tensors["single"] == 2.5 and tensors["single"].shape == () and tensors["none"].shape == (0, 3)


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F16", 2)])
def test_a_network_takes_them(dtype: str, size: int, tmp_path: Path) -> None:
    weight, bias = np.full((2, 3), 1.5, np.float32), np.full(2, -0.25, np.float32)
    tensors = {
        name: (dtype, x.shape, upper_halves(x) if dtype == "BF16" else x.astype("<f2").tobytes())
        for name, x in (("layers.0.weight", weight), ("layers.0.bias", bias))
    }
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    names = [name for name, _ in model.named_parameters()]
    model.load_weights(write(tmp_path / "a", dict(zip(names, tensors.values(), strict=True))))
    np.testing.assert_array_equal(model.predict(np.ones((1, 3), np.float32)), [[4.25, 4.25]])
    assert all(p.dtype == np.float32 for p in model.get_weights())


@pytest.mark.parametrize(("dtype", "name"), [("F8_E4M3", "float8"), ("F8_E5M2", "float8")])
def test_smaller_ones_are_refused_by_name(dtype: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a", {"layers.0.weight": (dtype, (2, 3), bytes(6))})
    with pytest.raises(
        FormatError, match=rf"layers\.0\.weight holds {name} \({dtype}\), which is not read here: write"
    ):
        read_safetensors(path)


def test_as_safetensors_writes_them(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    x = torch.randn(5, 7)
    save_file({"b": x.bfloat16(), "h": x.half(), "f": x}, tmp_path / "a")
    tensors, _ = read_safetensors(tmp_path / "a")
    np.testing.assert_array_equal(tensors["b"], x.bfloat16().float().numpy(), strict=True)
    np.testing.assert_array_equal(tensors["h"], x.half().numpy(), strict=True)
