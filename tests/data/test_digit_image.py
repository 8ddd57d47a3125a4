"""A picture of a digit, however it was made, comes out as MNIST would show it."""

import numpy as np
import PIL
import pytest
from PIL import Image

from xpnet.data import digit_from_array, read_digit
from xpnet.errors import DataError, DTypeError, FileError, FormatError, OptionError, ShapeError


@pytest.fixture(scope="module")
def digits(mnist_data):
    """Ten test images of MNIST, one of each digit, (10, 28, 28) uint8."""
    x, t = mnist_data[1]
    first = [np.flatnonzero(t == label)[0] for label in range(10)]
    return np.rint(x[first, 0] * np.float32(255)).astype(np.uint8)


def picture(digit, light=True, factor=5):
    """Blown up, with uneven margins, on white paper or on black."""
    a = np.pad(np.kron(digit, np.ones((factor, factor), np.uint8)), ((40, 90), (70, 30)))
    return 255 - a if light else a


def correlation(y, digit, shifts=(0,)):
    """The best one over shifts by so many pixels."""
    assert y.shape == (1, 28, 28) and y.dtype == np.float32
    assert y.min() == 0 and y.max() == 1
    moved = [np.roll(y[0], (i, j), axis=(0, 1)) for i in shifts for j in shifts]
    return max(np.corrcoef(m.ravel(), digit.ravel())[0, 1] for m in moved)


def saved(tmp_path, image, name="digit.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["digit.png", "digit.jpg", "digit.bmp", "digit.gif"])
def test_a_picture_of_an_mnist_digit_comes_back_as_it_was(tmp_path, digits, light, name):
    for digit in digits:
        path = saved(tmp_path, Image.fromarray(picture(digit, light)), name)
        assert correlation(read_digit(path), digit) > 0.9
        assert correlation(read_digit(str(path), "light" if light else "dark"), digit) > 0.9


@pytest.mark.parametrize("factor", [1, 3, 40])
def test_any_size_will_do(digits, factor):
    assert all(correlation(digit_from_array(picture(digit, factor=factor)), digit) > 0.9 for digit in digits)


def test_an_mnist_image_is_left_nearly_alone(digits):
    assert all(correlation(digit_from_array(digit), digit) > 0.97 for digit in digits)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_any_mode_will_do(tmp_path, digits, mode, light):
    a = picture(digits[3], light)
    if mode == "I;16":
        image = Image.fromarray(a.astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = Image.fromarray(a.astype({"I": np.int32, "F": np.float32}[mode]))
    else:
        image = Image.fromarray(np.stack([a, a, a], axis=-1)).convert(mode)
    old = int(PIL.__version__.split(".")[0]) < 13  # which reads no YCbCr that is not compressed, and says so
    options = {"compression": "tiff_lzw"} if mode == "YCbCr" and old else {}
    assert correlation(read_digit(saved(tmp_path, image, "digit.tif", **options)), digits[3]) > 0.9


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_not_clipped_to_eight(tmp_path, digits, order):
    a = 20000 + picture(digits[3]).astype(np.uint16) * 100
    image = Image.frombytes("I;16" if order == "<u2" else "I;16B", a.shape[::-1], a.astype(order).tobytes())
    assert correlation(read_digit(saved(tmp_path, image, "digit.tif")), digits[3]) > 0.9


@pytest.mark.parametrize("ink", [0, 255], ids=["black", "white"])
def test_strokes_on_transparency_are_seen_whatever_their_colour(tmp_path, digits, ink):
    alpha = picture(digits[3], light=False)
    a = np.stack([np.full_like(alpha, ink)] * 3 + [alpha], axis=-1)
    path = saved(tmp_path, Image.fromarray(a))
    assert correlation(read_digit(path), digits[3]) > 0.9
    assert correlation(read_digit(path, "dark" if ink else "light"), digits[3]) > 0.9


def test_a_card_with_transparent_edges_is_a_card(tmp_path, digits):
    a = picture(digits[3], light=True)
    alpha = np.zeros_like(a)
    alpha[10:-10, 10:-10] = 255
    path = saved(tmp_path, Image.fromarray(np.stack([a, a, a, alpha], axis=-1)))
    assert correlation(read_digit(path), digits[3]) > 0.9


def test_a_palette_with_a_transparent_colour(tmp_path, digits):
    image = Image.fromarray(picture(digits[3])).convert("P")
    path = saved(tmp_path, image, transparency=int(np.asarray(image)[0, 0]))
    assert correlation(read_digit(path), digits[3]) > 0.9


def test_exif_rotation_is_undone(tmp_path, digits):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown rotated by 90 degrees clockwise
    turned = np.rot90(picture(digits[3]))
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(turned)), "digit.jpg", exif=exif, quality=95)
    assert correlation(read_digit(path), digits[3]) > 0.9


def test_uneven_light_and_noise_are_removed(digits):
    rng = np.random.default_rng(0)
    for digit in digits:
        a = picture(digit, light=False, factor=10) / np.float32(255)
        H, W = a.shape
        paper = 0.9 - 0.3 * np.arange(W) / W - 0.1 * np.arange(H)[:, None] / H
        y = digit_from_array(paper * (1 - 0.8 * a) + rng.normal(0, 0.02, a.shape))
        assert correlation(y, digit, shifts=(-1, 0, 1)) > 0.9  # a centre between two pixels may be rounded either way
        assert not y[0, :3].any() and not y[0, :, :3].any()


def test_a_speck_of_dust_does_not_move_the_digit(digits):
    a = picture(digits[3])
    dusty = a.copy()
    dusty[3, 5] = dusty[-9, -4] = 0
    assert np.array_equal(digit_from_array(a), digit_from_array(dusty))


def test_brightness_and_contrast_do_not_matter(digits):
    a = picture(digits[3])
    y = digit_from_array(a)
    np.testing.assert_allclose(digit_from_array(a / np.float32(255)), y, atol=1e-5)
    np.testing.assert_allclose(digit_from_array(0.3 + a / np.float32(510)), y, atol=1e-4)
    np.testing.assert_allclose(digit_from_array(a > 127, "light"), digit_from_array((a > 127) * 1.0), atol=1e-5)


@pytest.mark.parametrize("shape", [(90, 12), (12, 90), (60, 60)])
def test_the_longer_side_is_20_pixels_and_the_mass_is_centred(shape):
    a = np.zeros((200, 300))
    a[50 : 50 + shape[0], 20 : 20 + shape[1]] = 1
    y = digit_from_array(a)[0]
    rows, columns = np.flatnonzero(y.any(axis=1)), np.flatnonzero(y.any(axis=0))
    size = (len(rows), len(columns))
    assert size == tuple(max(1, round(n * 20 / max(shape))) for n in shape)
    assert abs(y.sum(axis=1) @ np.arange(28) / y.sum() - 14) <= 0.5
    assert abs(y.sum(axis=0) @ np.arange(28) / y.sum() - 14) <= 0.5


def test_a_lopsided_digit_stays_within_the_image():
    a = np.zeros((100, 400))
    a[30:70, 40:80] = 1  # all its mass at one end
    a[49:51, 40:360] = 0.5
    y = digit_from_array(a)[0]
    assert len(np.flatnonzero(y.any(axis=0))) == 20


def test_the_array_is_not_written_to(digits):
    a = picture(digits[3]).astype(np.float32)
    a.flags.writeable = False
    before = a.copy()
    digit_from_array(a)
    assert np.array_equal(a, before)


def test_a_blank_picture_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    speck = np.zeros((50, 50))
    speck[20, 20] = 1
    slope = np.broadcast_to(np.linspace(0.2, 0.9, 60), (50, 60))
    blanks = [np.zeros((30, 30)), np.ones((30, 30)), 0.5 + rng.normal(0, 0.05, (99, 99)), slope, speck, np.ones((1, 1))]
    for a in blanks:
        with pytest.raises(DataError, match="blank"):
            digit_from_array(a)
    with pytest.raises(DataError, match=r"white\.png: the picture is blank"):
        read_digit(saved(tmp_path, Image.new("L", (40, 30), 255), "white.png"))
    with pytest.raises(DataError, match="blank"):
        read_digit(saved(tmp_path, Image.new("RGBA", (40, 30)), "clear.png"))
    with pytest.raises(DataError, match="blank"):  # light strokes where dark ones were asked for
        digit_from_array(np.pad(np.ones((9, 9)), 9), "light")


def test_arrays_that_are_no_picture_are_refused():
    for shape in [(28,), (1, 28, 28), (0, 5), ()]:
        with pytest.raises(ShapeError, match=r"must have shape \(H, W\)"):
            digit_from_array(np.zeros(shape))
    for dtype in (np.complex64, "U1", object):
        with pytest.raises(DTypeError, match="real numbers"):
            digit_from_array(np.zeros((5, 5), dtype))
    with pytest.raises(DataError, match="NaN"):
        digit_from_array(np.full((5, 5), np.nan))
    with pytest.raises(OptionError, match="background must be"):
        digit_from_array(np.zeros((5, 5)), "grey")


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileError, match=r"missing\.png: No such file"):
        read_digit(tmp_path / "missing.png")
    with pytest.raises(FileError, match="directory"):
        read_digit(tmp_path)

    def forbid(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbid)
    with pytest.raises(FileError, match="secret: Permission denied"):
        read_digit("secret")


def test_what_is_not_a_sound_image_is_refused(tmp_path, digits):
    whole = saved(tmp_path, Image.fromarray(picture(digits[3]))).read_bytes()
    for content in (b"", b"hello", whole[:20], whole[: len(whole) // 2], whole[:50] + b"\xff\0" * 40 + whole[130:]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(FormatError, match=r"bad\.png cannot be read as an image"):
            read_digit(tmp_path / "bad.png")


@pytest.mark.parametrize("side", [12, 20], ids=["Pillow would warn", "Pillow would refuse"])
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, side):
    path = saved(tmp_path, Image.new("L", (side, side)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FormatError, match="cannot be read as an image"):
        read_digit(path)


# ---- the range that is there -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_numbers_of_few_bits_in_a_wide_type_have_the_range_of_their_bits(digits, dtype, bits):
    a = picture(digits[3]).astype(dtype)
    np.testing.assert_allclose(digit_from_array(a * (2**bits // 256)), digit_from_array(picture(digits[3])), atol=0.02)


def test_a_mask_of_zeros_and_ones_is_black_and_white(digits):
    a = picture(digits[3]) > 127
    for dtype in (np.int64, np.uint8, np.uint16):
        np.testing.assert_array_equal(digit_from_array(a.astype(dtype)), digit_from_array(a))


def test_twelve_bits_in_a_png_of_sixteen(tmp_path, digits):
    for faint in (1, 4):  # also as far from white as a dim photograph
        a = (picture(digits[3]).astype(np.uint16) * 16) // faint
        assert correlation(read_digit(saved(tmp_path, Image.fromarray(a))), digits[3]) > 0.9


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((255, 165, 0), (173, 216, 230)),
        ((255, 0, 0), (0, 130, 0)),
        ((0, 130, 0), (255, 0, 0)),
        ((90, 90, 255), (120, 110, 0)),
    ],
)
def test_colours_of_one_brightness_are_told_apart(tmp_path, digits, ink, paper):
    share = (picture(digits[3], light=False) / 255)[..., None]
    a = (np.array(paper) * (1 - share) + np.array(ink) * share).astype(np.uint8)
    for name in ("digit.png", "digit.jpg"):
        assert correlation(read_digit(saved(tmp_path, Image.fromarray(a), name)), digits[3]) > 0.85
