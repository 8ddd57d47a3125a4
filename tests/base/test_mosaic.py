"""Many small images as one."""

import numpy as np

from xpnet.base.mosaic import filters_as_tiles, mosaic


def test_a_mosaic_has_gaps_of_nan() -> None:
    whole = mosaic(np.arange(12.0).reshape(3, 2, 2), 2, 1)
    nan = np.nan
    expected = [[0, 1, nan, 4, 5], [2, 3, nan, 6, 7], [nan] * 5, [8, 9, nan, nan, nan], [10, 11, nan, nan, nan]]
    assert np.array_equal(whole, expected, equal_nan=True)


def test_tiles_may_be_wider_than_high() -> None:
    whole = mosaic(np.arange(18.0).reshape(3, 2, 3), 1, 1)
    assert whole.shape == (8, 3)
    assert all(np.array_equal(whole[3 * i : 3 * i + 2], 6 * i + np.arange(6.0).reshape(2, 3)) for i in range(3))
    beside = mosaic(np.arange(18.0).reshape(3, 3, 2), 3, 1)
    assert beside.shape == (3, 8)
    assert all(np.array_equal(beside[:, 3 * i : 3 * i + 2], 6 * i + np.arange(6.0).reshape(3, 2)) for i in range(3))


def test_a_mosaic_may_have_a_margin_and_another_ground() -> None:
    image = mosaic(np.arange(8).reshape(2, 2, 2, 1), 1, gap=1, margin=1, blank=9)[:, :, 0]
    expected = [[9] * 4, [9, 0, 1, 9], [9, 2, 3, 9], [9] * 4, [9, 4, 5, 9], [9, 6, 7, 9], [9] * 4]
    assert image.dtype.kind == "i" and np.array_equal(image, expected)


def test_filters_of_one_or_three_channels_are_tiles_and_others_are_rows_of_them() -> None:
    for channels in (1, 3):
        filters = np.arange(2 * channels * 4).reshape(2, channels, 2, 2)
        tiles, columns = filters_as_tiles(filters)
        assert columns is None and np.array_equal(tiles[1, :, :, -1], filters[1, -1])
    filters = np.arange(2 * 5 * 4).reshape(2, 5, 2, 2)
    tiles, columns = filters_as_tiles(filters)
    assert columns == 5 and tiles.shape == (10, 2, 2, 1) and np.array_equal(tiles[6, :, :, 0], filters[1, 1])
