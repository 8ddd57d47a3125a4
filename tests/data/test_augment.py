"""Augmentation: geometry against loops over pixels, seeds, and nothing written into the input."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpnet.random
from xpnet.data import augment
from xpnet.data.augment import Affine, Compose, Crop, Cutout, Elastic, Flip, Noise, Rotate, Scale, Shear, Shift
from xpnet.data.augment.elastic import _smoothed
from xpnet.errors import DTypeError, OptionError, ShapeError

X = np.random.default_rng(0).random((7, 2, 9, 6), np.float32)
X.flags.writeable = False

ALL = [
    Affine(shift=2, rotate=20, scale=0.2, shear=10, p=0.7),
    Shift(1.5, fill="edge"),
    Shift(2, whole=True),
    Rotate(30, fill=0.5),
    Scale((0.5, 2)),
    Shear(20),
    Elastic(alpha=20, sigma=2, p=0.5),
    Flip(),
    Flip(vertical=True),
    Crop((9, 6), padding=2, fill="edge", p=0.5),
    Crop(4),
    Cutout(4, holes=2, p=0.5),
    Noise(0.2, clip=(0, 1), p=0.5),
    Compose([Rotate(10), Elastic(10, 2), Flip(), Shift(2), Noise(0.1)]),
    Compose([]),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def at(image, row, column, fill):
    """Bilinear interpolation of one channel at one place, by the definition."""
    H, W = image.shape
    top, left = math.floor(row), math.floor(column)
    value = 0.0
    for i in (top, top + 1):
        for j in (left, left + 1):
            weight = (1 - abs(row - i)) * (1 - abs(column - j))
            if fill == "edge":
                pixel = image[min(max(i, 0), H - 1), min(max(j, 0), W - 1)]
            else:
                pixel = image[i, j] if 0 <= i < H and 0 <= j < W else fill
            value += weight * float(pixel)
    return value


def loop(x, source, fill=0.0):
    """Each pixel of each image from the place source(i, j)."""
    y = np.zeros_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        y[n, c, i, j] = at(x[n, c], *source(i, j), fill)
    return y


def case(transform):
    return repr(transform)[:60]


@pytest.mark.parametrize("transform", ALL, ids=case)
def test_types_seed_and_input_are_kept(transform):
    before = X.tobytes()
    y, again, other = transform(X, rng(1)), transform(X, rng(1)), transform(X, rng(2))
    assert y.dtype == np.float32 and y.flags.writeable and not np.shares_memory(y, X)
    assert y.shape[:2] == X.shape[:2] and X.tobytes() == before
    assert y.tobytes() == again.tobytes()
    assert not np.array_equal(y, other) or isinstance(transform, Compose)
    assert transform(X[:1], rng()).shape[0] == 1
    strided = np.zeros((14, 2, 6, 9), np.float32).transpose(0, 1, 3, 2)[::2]
    strided[...] = X
    assert transform(strided, rng(1)).tobytes() == y.tobytes()
    y64 = transform(X.astype(np.float64), rng(1))
    assert y64.dtype == np.float64
    np.testing.assert_allclose(y64, y, atol=1e-5)


@pytest.mark.parametrize("transform", ALL, ids=case)
def test_transforms_can_be_sent_to_another_process(transform):
    sent = pickle.loads(pickle.dumps(transform))
    assert sent(X, rng(3)).tobytes() == transform(X, rng(3)).tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: Affine(2, 20, 0.2, 10, p=p),
        lambda p: Elastic(20, 2, p=p),
        lambda p: Flip(p=p),
        lambda p: Cutout(9, p=p),
        lambda p: Noise(0.3, (0.2, 0.4), p=p),
        lambda p: Crop((9, 6), padding=2, p=p),
    ],
)
def test_each_sample_is_transformed_with_probability_p_and_the_others_are_kept_to_the_bit(make):
    x = np.random.default_rng(0).random((2000, 1, 9, 6), np.float32)
    changed = (make(0.25)(x, rng()) != x).any(axis=(1, 2, 3))
    assert 0.15 < changed.mean() < 0.35
    assert np.array_equal(make(0)(x, rng()), x)
    assert (make(1.0)(x, rng()) != x).any(axis=(1, 2, 3)).mean() > 0.8


@pytest.mark.parametrize("fill", [0.0, 0.3, "edge"])
def test_a_shift_moves_every_pixel_by_the_same(fill):
    transform = Shift((1.75, 2.5), fill=fill)
    draws = rng(5)
    draws.random(7, np.float32)  # who is chosen
    down, right = (draws.random(7) * 2 * side - side for side in (1.75, 2.5))
    y = transform(X, rng(5))
    for n in range(7):
        expected = loop(X[n : n + 1], lambda i, j, n=n: (i - down[n], j - right[n]), fill)
        np.testing.assert_allclose(y[n : n + 1], expected, atol=2e-6)


def test_a_whole_shift_is_exact():
    y = Shift(2, whole=True)(X, rng())
    padded = np.pad(X, ((0, 0), (0, 0), (2, 2), (2, 2)))
    windows = [[padded[:, :, 2 - a : 11 - a, 2 - b : 8 - b] for a in range(-2, 3)] for b in range(-2, 3)]
    for n in range(7):
        assert any(np.array_equal(y[n], w[n]) for row in windows for w in row)
    draws = rng()
    draws.random(7, np.float32)
    down, right = (np.rint(draws.random(7) * 4 - 2).astype(int) for _ in range(2))
    for n in range(7):
        assert np.array_equal(y[n], padded[n, :, 2 - down[n] : 11 - down[n], 2 - right[n] : 8 - right[n]])


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_quarter_turns_are_exact_and_positive_is_counter_clockwise(degrees):
    x = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    y = Rotate((degrees, degrees))(x, rng())
    np.testing.assert_allclose(y, np.rot90(x, degrees // 90, axes=(2, 3)), atol=3e-6)


@pytest.mark.parametrize("degrees", [17.0, -40.0])
def test_a_rotation_is_about_the_centre(degrees):
    a, cy, cx = math.radians(degrees), 4.0, 2.5

    def source(i, j):  # turned back
        down, right = i - cy, j - cx
        return math.cos(a) * down + math.sin(a) * right + cy, -math.sin(a) * down + math.cos(a) * right + cx

    np.testing.assert_allclose(Rotate((degrees, degrees))(X, rng()), loop(X, source), atol=3e-6)


@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_a_scale_above_one_enlarges(factor):
    expected = loop(X, lambda i, j: ((i - 4) / factor + 4, (j - 2.5) / factor + 2.5))
    np.testing.assert_allclose(Scale((factor, factor))(X, rng()), expected, atol=3e-6)


def test_shear_leans_upright_lines():
    tan = math.tan(math.radians(20))
    expected = loop(X, lambda i, j: (i, j - tan * (i - 4)))
    np.testing.assert_allclose(Shear((20, 20))(X, rng()), expected, atol=3e-6)


def test_affine_is_shear_scale_rotation_and_shift_in_this_order():
    draws = rng(3)
    draws.random(7, np.float32)
    down, right = (draws.random(7) * 4 - 2 for _ in range(2))
    a, lean = np.deg2rad(draws.random(7) * 60 - 30), np.deg2rad(draws.random(7) * 20 - 10)
    scale = draws.random(7) * 0.4 + 0.8
    y = Affine(shift=2, rotate=30, scale=0.2, shear=10)(X, rng(3))
    for n in range(7):

        def source(i, j, n=n):
            i, j = i - 4 - down[n], j - 2.5 - right[n]
            i, j = math.cos(a[n]) * i + math.sin(a[n]) * j, -math.sin(a[n]) * i + math.cos(a[n]) * j
            i, j = i / scale[n], j / scale[n]
            return i + 4, j - math.tan(lean[n]) * i + 2.5

        np.testing.assert_allclose(y[n : n + 1], loop(X[n : n + 1], source), atol=5e-6)


def field(noise, sigma):
    """One field (L, M) smoothed along both axes, by the definition."""
    radius = math.ceil(3 * sigma)
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    out = np.zeros(noise.shape)
    for i, j in np.ndindex(noise.shape):
        for a in range(-radius, radius + 1):
            for b in range(-radius, radius + 1):
                if 0 <= i + a < noise.shape[0] and 0 <= j + b < noise.shape[1]:
                    out[i, j] += taps[a + radius] * taps[b + radius] * noise[i + a, j + b]
    return out


def test_elastic_moves_pixels_by_noise_smoothed_by_a_gaussian():
    y = Elastic(alpha=6, sigma=1.2)(X, rng(2))
    draws = rng(2)
    draws.random(7, np.float32)
    noise = draws.random((6, 9, 2, 7), np.float32).astype(np.float64) * 2 - 1  # (W, H), dy and dx, N
    for n in range(7):
        dy, dx = (field(noise[:, :, k, n].T, 1.2) * 6 for k in range(2))
        expected = loop(X[n : n + 1], lambda i, j, dy=dy, dx=dx: (i + dy[i, j], j + dx[i, j]))
        np.testing.assert_allclose(y[n : n + 1], expected, atol=2e-5)


@given(length=st.integers(1, 12), count=st.integers(1, 15))
def test_smoothing_is_a_convolution_with_zeros_outside(length, count):
    a = np.random.default_rng(1).random((length, 3), np.float32)
    taps = np.arange(1, count + 1, dtype=np.float32)
    kernel = np.concatenate([taps[:0:-1], taps])
    for m in range(3):
        expected = np.convolve(a[:, m], kernel)[count - 1 : count - 1 + length]
        np.testing.assert_allclose(_smoothed(a, taps)[:, m], expected, rtol=1e-5)


def test_strong_distortion_stays_in_the_range_of_the_image():
    y = Elastic(alpha=500, sigma=2)(X, rng())
    assert np.isfinite(y).all() and y.min() >= 0 and y.max() <= X.max() + 1e-6


def test_a_batch_that_goes_through_in_pieces_is_as_if_it_went_at_once(monkeypatch):
    transform = Affine(2, 20, 0.1)
    whole = transform(X, rng())
    monkeypatch.setattr(augment.interpolation, "_PIECE", 100)
    assert transform(X, rng()).tobytes() == whole.tobytes()


def test_warps_that_follow_each_other_are_interpolated_once():
    rotate = Rotate((30, 30))
    both = Compose([rotate, Rotate((-30, -30))])(X, rng())
    np.testing.assert_allclose(both, X, atol=1e-5)  # what left the frame came back, and nothing is blurred
    one_by_one = Rotate((-30, -30))(rotate(X, rng()), rng())
    assert np.abs(one_by_one - X).max() > 0.1
    apart = Compose([rotate, Rotate((-30, -30), fill=1)])(X, rng())
    assert np.abs(apart - X).max() > 0.1  # another fill is another image


def test_joined_warps_apply_in_the_order_of_the_list():
    shift, turn = Affine(shift=(0, 0)), Rotate((90, 90))
    shift.plan = lambda size, chosen, rng: lambda part, rows, columns: columns.__isub__(2)  # two pixels to the right
    x = np.zeros((1, 1, 7, 7), np.float32)
    x[0, 0, 3, 1] = 1
    y = Compose([shift, turn])(x, rng())  # to (3, 3), which is the centre
    assert np.unravel_index(y.argmax(), y.shape)[2:] == (3, 3)
    y = Compose([turn, shift])(x, rng())  # to (5, 3), then to (5, 5)
    assert np.unravel_index(y.argmax(), y.shape)[2:] == (5, 5)


def test_flip_mirrors():
    assert np.array_equal(Flip(p=1)(X, rng()), X[..., ::-1])
    assert np.array_equal(Flip(vertical=True, p=1)(X, rng()), X[:, :, ::-1])


@pytest.mark.parametrize("fill", [0.25, "edge"])
def test_a_crop_is_a_window_of_the_padded_image(fill):
    y = Crop((5, 4), padding=1, fill=fill)(X, rng())
    around = ((0, 0), (0, 0), (1, 1), (1, 1))
    padded = np.pad(X, around, "edge") if fill == "edge" else np.pad(X, around, constant_values=fill)
    places = set()
    for n in range(7):
        found = [(i, j) for i in range(7) for j in range(5) if np.array_equal(y[n], padded[n, :, i : i + 5, j : j + 4])]
        assert found
        places.add(found[0])
    assert len(places) > 2
    middle = Crop((5, 4), padding=1, fill=fill, p=0)(X, rng())
    assert np.array_equal(middle, padded[:, :, 3:8, 2:6])


def test_crops_reach_every_place():
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2).repeat(200, axis=0)
    assert set(Crop(1)(x, rng()).ravel().tolist()) == {0, 1, 2, 3}


def test_cutout_puts_rectangles_anywhere():
    x = np.ones((300, 2, 9, 6), np.float32)
    y = Cutout((4, 3), fill=0.5)(x, rng())
    assert np.array_equal(y[:, 0], y[:, 1]) and set(np.unique(y)) == {0.5, 1}
    hole = y[:, 0] != 1
    rows, columns = hole.any(axis=2), hole.any(axis=1)
    assert np.array_equal(hole, rows[:, :, None] & columns[:, None, :])
    assert set(rows.sum(axis=1)) == {2, 3, 4} and set(columns.sum(axis=1)) == {2, 3}  # cut off at the edge
    assert rows.any(axis=0).all() and columns.any(axis=0).all()
    assert Cutout(2, holes=3)(x, rng()).mean() < Cutout(2)(x, rng()).mean()


def test_holes_reach_every_place_and_lie_around_what_was_drawn():
    x = np.ones((400, 1, 5, 3), np.float32)
    assert (Cutout(1, fill=0)(x, rng()) == 0).any(axis=(0, 1)).all()
    draws = rng(4)
    draws.random(400, np.float32)  # who is chosen
    down, across = draws.integers(0, 5, 400), draws.integers(0, 3, 400)
    assert (down == 4).any() and (across == 2).any()
    holes = Cutout((2, 3), fill=0)(x, rng(4))[:, 0] == 0
    for n in range(400):
        expected = np.zeros((5, 3), bool)
        expected[max(down[n] - 1, 0) : down[n] + 1, max(across[n] - 1, 0) : across[n] + 2] = True
        assert np.array_equal(holes[n], expected)


@pytest.mark.parametrize("std", [0.02, 0.3, 2.5])
def test_noise_is_what_was_drawn_times_its_deviation(std):
    draws = rng(8)
    draws.random(7, np.float32)
    expected = X + np.float32(std) * draws.standard_normal(X.shape, np.float32)
    np.testing.assert_allclose(Noise(std)(X, rng(8)), expected, rtol=1e-6, atol=1e-7)


def test_noise_has_its_deviation_and_is_bounded():
    x = np.full((50, 1, 20, 20), 0.5, np.float32)
    y = Noise(0.1)(x, rng())
    assert abs(y.mean() - 0.5) < 2e-3 and abs(y.std() - 0.1) < 2e-3
    y = Noise(1, clip=(0, 1))(x, rng())
    assert y.min() == 0 and y.max() == 1


def test_the_images_are_the_same_on_every_backend(backend):
    xpnet.seed(6)
    y = ALL[-2](X)
    with xpnet.use_backend("numpy"):
        xpnet.seed(6)
        assert ALL[-2](X).tobytes() == y.tobytes()


def test_without_a_generator_the_seed_of_xpnet_decides():
    xpnet.seed(4)
    y = Compose([Rotate(), Noise()])(X)
    assert xpnet.random.get_state() == (4, 0, {"['augment']": 1})
    xpnet.seed(4)
    assert Compose([Rotate(), Noise()])(X).tobytes() == y.tobytes()


@pytest.mark.parametrize("transform", ALL, ids=case)
def test_what_is_no_batch_of_images_is_refused(transform):
    with pytest.raises(DTypeError, match="the images are uint8, expected float32"):
        transform(np.zeros((1, 1, 4, 4), np.uint8), rng())
    for wrong in (X[0], X[:0], np.zeros((2, 784), np.float32)):
        with pytest.raises(ShapeError, match=r"expected \(N, C, H, W\)"):
            transform(wrong, rng())
    with pytest.raises(OptionError, match="NumPy generator"):
        transform(X, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shift(-1), "shift must be a number of at least 0"),
        (lambda: Shift((1, 2, 3)), "shift must be a number, or a pair"),
        (lambda: Shift((1, -2)), "shift must be a number of at least 0"),
        (lambda: Rotate("10"), "rotate must be"),
        (lambda: Rotate((10, -10)), "smaller first"),
        (lambda: Scale(1), "scale must stay above 0"),
        (lambda: Scale((0, 1)), "scale must stay above 0"),
        (lambda: Shear(90), "between -90 and 90"),
        (lambda: Rotate(fill="wrap"), "fill must be"),
        (lambda: Rotate(fill=float("nan")), "fill must be"),
        (lambda: Rotate(p=1.5), "p must be"),
        (lambda: Flip(p=-0.1), "p must be"),
        (lambda: Flip(p="often"), "p must be a probability, from 0 to 1, not 'often'"),
        (lambda: Elastic(alpha=-1), "alpha must be"),
        (lambda: Elastic(sigma=0), "sigma must be"),
        (lambda: Crop(0), "size must be"),
        (lambda: Crop((1, 2, 3)), r"pair \(H, W\)"),
        (lambda: Crop(4, padding=-1), "padding must be"),
        (lambda: Cutout(holes=0), "holes must be"),
        (lambda: Cutout(fill="edge"), "no edge"),
        (lambda: Noise(-1), "std must be"),
        (lambda: Noise(clip=(1, 0)), "smaller first"),
        (lambda: Compose([Rotate]), "no transform"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="a window of 10 x 10 does not fit into 9 x 6"):
        Crop(10)(X, rng())


def test_a_transform_of_ones_own():
    class Invert(augment.Transform):
        def __init__(self, p=1.0):
            self.p = p

        def apply(self, x, chosen, rng):
            return np.where(chosen[:, None, None, None], 1 - x, x)

    assert np.array_equal(Compose([Invert()])(X, rng()), 1 - X)
    assert repr(Rotate(5)) == "Rotate(rotate=5)"
