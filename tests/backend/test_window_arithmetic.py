"""Windows by their definition, pixel by pixel: which margins, how many outputs, and what each of them sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnet.backend.one_axis import make_window1d, output_length
from xpnet.backend.window import Window, make_window
from xpnet.errors import ShapeError
from xpnet.layers import Conv1D, Conv2D, MaxPool2D

axes = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))  # length, kernel, ...
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))


def seen_by(output: int, kernel: int, stride: int, dilation: int, before: int) -> list[int]:
    """The pixels of an axis that an output sees; those below 0 and from its length on are margins."""
    return [output * stride - before + tap * dilation for tap in range(kernel)]


@given(vertical=axes, horizontal=axes)
def test_same_padding_gives_an_output_for_each_stride_and_what_is_odd_lies_behind(
    vertical: tuple[int, ...], horizontal: tuple[int, ...]
) -> None:
    size, kernel, stride, dilation = ((a, b) for a, b in zip(vertical, horizontal, strict=True))
    window = make_window(kernel, stride, "same", dilation, size)
    assert window.output_size(size) == tuple(-(-length // s) for length, s in zip(size, stride, strict=True))
    for (before, after), length, k, s, d in zip(window.padding, size, kernel, stride, dilation, strict=True):
        assert after - before in (0, 1)
        last = seen_by(-(-length // s) - 1, k, s, d, before)[-1]
        assert last == length - 1 + after or (before, after) == (0, 0)  # no margin that nobody sees
        assert last < length + after


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "dilation", "margins"),
    [
        (5, 3, 1, 1, (1, 1)), (5, 4, 1, 1, (1, 2)), (5, 2, 1, 1, (0, 1)), (6, 3, 2, 1, (0, 1)), (5, 3, 2, 1, (1, 1)),
        (7, 3, 1, 2, (2, 2)), (7, 2, 1, 3, (1, 2)), (6, 3, 2, 2, (1, 2)), (9, 1, 3, 1, (0, 0)), (4, 1, 4, 3, (0, 0)),
        (28, 5, 1, 1, (2, 2)), (227, 11, 4, 1, (4, 4)),
    ],
)  # fmt: skip
def test_margins_of_same_padding(
    length: int, kernel: int, stride: int, dilation: int, margins: tuple[int, int]
) -> None:
    """Those that TensorFlow and PyTorch have; PyTorch has none with strides."""
    window = make_window((kernel, kernel), (stride, stride), "same", (dilation, dilation), (length, length))
    assert window.padding == (margins, margins)
    assert make_window1d(kernel, stride, "same", dilation, length).padding == ((0, 0), margins)


@given(vertical=axes, horizontal=axes, padding=st.tuples(pads, pads))
def test_there_are_as_many_outputs_as_windows_that_fit_and_taps_are_what_they_see(
    vertical: tuple[int, ...], horizontal: tuple[int, ...], padding: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    size, kernel, stride, dilation = ((a, b) for a, b in zip(vertical, horizontal, strict=True))
    window = make_window(kernel, stride, padding, dilation, size)
    counts = [
        sum(seen_by(o, k, s, d, before)[-1] < length + after for o in range(length + before + after))
        for length, k, s, d, (before, after) in zip(size, kernel, stride, dilation, padding, strict=True)
    ]
    if 0 in counts:
        with pytest.raises(ShapeError, match="the window covers"):
            window.output_size(size)
        return
    assert window.output_size(size) == tuple(counts)
    places = [range(-before, length + after) for length, (before, after) in zip(size, padding, strict=True)]
    for m, n, rows, columns in window.taps(size):
        for axis, tap, met in ((0, m, rows), (1, n, columns)):
            found = [
                seen_by(o, kernel[axis], stride[axis], dilation[axis], padding[axis][0])[tap]
                for o in range(counts[axis])
            ]
            assert list(places[axis][met]) == found
    assert [(m, n) for m, n, _, _ in window.taps(size)] == [(m, n) for m in range(kernel[0]) for n in range(kernel[1])]


@given(axis=axes, padding=pads)
def test_a_signal_is_an_image_of_one_row(axis: tuple[int, ...], padding: tuple[int, int]) -> None:
    length, kernel, stride, dilation = axis
    window = make_window1d(kernel, stride, padding, dilation, length)
    assert window == Window((1, kernel), (1, stride), ((0, 0), padding), (1, dilation))
    padded = length + sum(padding)
    if padded < (kernel - 1) * dilation + 1:
        with pytest.raises(ShapeError, match="the window covers"):
            output_length(window, length)
    else:
        assert output_length(window, length) == (padded - (kernel - 1) * dilation - 1) // stride + 1


def test_layers_have_these_sizes() -> None:
    assert Conv2D(4, 3, padding="same", dilation=2).output_shape((2, 7, 5)) == (4, 7, 5)
    assert Conv2D(4, (3, 2), 2, "same").output_shape((2, 7, 6)) == (4, 4, 3)
    assert Conv2D(4, 3, dilation=(1, 3)).output_shape((2, 7, 9)) == (4, 5, 3)
    assert Conv1D(4, 3, 2, "same", 2).output_shape((2, 9)) == (4, 5)
    assert MaxPool2D(3, 2, "same").output_shape((2, 6, 7)) == (2, 3, 4)
    with pytest.raises(ShapeError, match="the window covers 1x5 pixels, more than the 4x4"):
        Conv2D(1, (1, 5)).output_shape((1, 4, 4))
