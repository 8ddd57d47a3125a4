"""One file as a network sees it: the same as in a folder, with what is transparent on what it shows on."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xpnet.data import ImageFolder, Loader, Normalize, Preparation, Standardize, hold_out, read_image
from xpnet.errors import FileError, FormatError, OptionError


def strokes(path: Path, grey: int, thick: int = 2, card: int | None = None) -> Path:
    """A cross of this grey on transparency, or on an opaque card."""
    image = Image.new("RGBA", (20, 16), (0, 0, 0, 0) if card is None else (card, card, card, 255))
    image.paste((grey, grey, grey, 255), (4, 7, 16, 7 + thick))
    image.paste((grey, grey, grey, 255), (9, 2, 9 + thick, 14))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


OPTIONS = [
    {},
    {"grayscale": True},
    {"size": 8},
    {"size": (5, 9), "fit": "stretch", "grayscale": True},
    {"size": 8, "background": "light"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_file_is_read_as_in_a_folder(tmp_path: Path, options: dict) -> None:
    paths = [strokes(tmp_path / "a" / f"{i}.png", grey) for i, grey in enumerate((0, 90, 255))]
    source = ImageFolder(tmp_path, **options)
    for path, x in zip(paths, source[:][0], strict=True):
        found = read_image(path, **options)
        assert found.dtype == np.uint8 and np.array_equal(found, x)
        assert np.array_equal(source.preparation.image(str(path)), x)


@pytest.mark.parametrize(("grey", "behind"), [(0, 255), (60, 255), (255, 0), (180, 0)])
@pytest.mark.parametrize("thick", [1, 12])
def test_strokes_on_transparency_are_seen(tmp_path: Path, grey: int, behind: int, thick: int) -> None:
    """However thin or thick: black ones alone were zeros on zeros."""
    x = read_image(strokes(tmp_path / "a.png", grey, thick), grayscale=True)
    assert set(np.unique(x)) == {grey, behind} and x[0, 0, 0] == behind


def test_the_background_can_be_said(tmp_path: Path) -> None:
    path = strokes(tmp_path / "a.png", 0)
    assert read_image(path, background="dark").max() == 0
    assert read_image(path, background="light").max() == 255
    strokes(tmp_path / "b.png", 0, card=20)  # nothing is transparent
    assert read_image(tmp_path / "b.png", background="light").max() == 20
    with pytest.raises(OptionError, match=r"background must be .* not 'white'"):
        read_image(path, background="white")  # type: ignore[arg-type]


def test_what_is_not_dark_throughout_stays_on_black(tmp_path: Path) -> None:
    image = Image.new("RGBA", (20, 16), (0, 0, 0, 0))
    image.paste((10, 10, 10, 255), (2, 2, 18, 14))
    image.paste((250, 200, 60, 255), (4, 4, 12, 12))
    image.save(tmp_path / "a.png")
    Image.new("RGBA", (20, 16), (0, 0, 0, 0)).save(tmp_path / "empty.png")
    assert read_image(tmp_path / "a.png")[:, 0, 0].tolist() == [0, 0, 0]
    assert read_image(tmp_path / "empty.png").max() == 0


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.png: No such file"):
        read_image(tmp_path / "nothing.png")
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(FormatError, match=r"a\.png cannot be read as an image"):
        read_image(tmp_path / "a.png")


# ---- the preparation -------------------------------------------------------------------------------------------------


def test_a_preparation_makes_what_a_loader_makes(tmp_path: Path) -> None:
    for name, grey in (("a", 30), ("b", 220)):
        for i in range(4):
            strokes(tmp_path / name / f"{i}.png", grey, 1 + i)
    source = ImageFolder(tmp_path, 8)
    train, _ = hold_out(source, 0.25, seed=1)
    x = source[:][0] / np.float32(255)
    for transform in (None, Normalize.fit(x), Standardize().fit(x)):
        loader = Loader(train, 3, shuffle=False, transform=transform)
        assert loader.classes == train.classes == ["a", "b"]
        batches = np.concatenate([x for x, _ in loader])
        for number in range(len(train)):
            read = loader.preparation.read(train.name(number))
            assert read.dtype == np.float32 and np.array_equal(read[0], batches[number])
    bytes_ = Loader(train, normalize=False).preparation.read(train.name(0))
    assert bytes_.dtype == np.uint8 and bytes_.shape == (1, 3, 8, 8)


def test_without_a_size_it_is_that_of_the_first_image(tmp_path: Path) -> None:
    strokes(tmp_path / "a" / "1.png", 0)
    preparation = ImageFolder(tmp_path).preparation
    assert preparation.size == (16, 20)
    Image.new("RGB", (7, 7)).save(tmp_path / "other.png")
    assert preparation.read(tmp_path / "other.png").shape == (1, 3, 16, 20)


def test_settings_are_checked_also_when_they_are_changed() -> None:
    preparation = Preparation(28, grayscale=True)
    assert repr(preparation) == "Preparation(size=(28, 28), grayscale=True)"
    preparation.size = 32  # type: ignore[assignment]
    assert preparation.size == (32, 32)
    for again in (copy.deepcopy(preparation), pickle.loads(pickle.dumps(preparation))):
        assert again.config() == preparation.config()
    for name, value in (("size", 0), ("fit", "pad"), ("background", "red"), ("transform", 3), ("sizes", 3)):
        with pytest.raises(OptionError, match=name):
            setattr(preparation, name, value)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("bits", "kept"), [(8, 255), (10, 1020), (12, 4080), (14, 16320), (16, 65535)])
def test_sixteen_bits_of_which_not_all_are_used(tmp_path: Path, bits: int, kept: int, suffix: str) -> None:
    """A picture of 8 bits was all zeros, one of 12 reached to 15."""
    grey = np.arange(256, dtype=np.uint32).reshape(16, 16)
    path = tmp_path / "a" / f"1.{suffix}"
    path.parent.mkdir()
    Image.fromarray((grey * kept // 255).astype(np.uint16)).save(path)
    for x in (read_image(path, grayscale=True), ImageFolder(tmp_path, grayscale=True)[:][0][0]):
        np.testing.assert_array_equal(x[0], grey)
    found = Preparation(grayscale=True).read(path)
    np.testing.assert_allclose(found[0, 0], grey / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("largest", "white"), [(0, 255), (1, 255), (200, 255), (1030, 4095), (2600, 4095), (4096, 4095)]
)
def test_how_bright_a_picture_is_stays(tmp_path: Path, largest: int, white: int) -> None:
    """The bits alone decide, and not its brightest pixel."""
    Image.fromarray(np.array([[0, largest // 2, largest]], np.uint16)).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png", grayscale=True)[0, 0].astype(float)
    np.testing.assert_allclose(found, np.array([0, largest // 2, largest]) * 255 / white, atol=1)


def test_classes_that_lie_one_folder_deeper_are_told(tmp_path: Path) -> None:
    for name in ("photos/cat/1.png", "photos/dog/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("L", (3, 3)).save(tmp_path / name)
    with pytest.warns(UserWarning, match=rf"holds one class, photos, .* name {re.escape(str(tmp_path / 'photos'))}$"):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path / "photos").classes == ["cat", "dog"]
