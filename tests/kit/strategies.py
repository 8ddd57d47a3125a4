"""Hypothesis strategies: an *output* size is drawn and a legal input derived from it, so that no example is lost.

Numbers are never drawn one by one: a seed is, and arrays are made from it.
"""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from xpnet.backend.window import Window

seeds = st.integers(0, 2**32 - 1)


class ConvCase(NamedTuple):
    """A convolution: arrays of these shapes can be convolved."""

    window: Window
    groups: int
    x_shape: tuple[int, int, int, int]
    w_shape: tuple[int, int, int, int]
    seed: int

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        return (self.x_shape[0], self.w_shape[0], *self.window.output_size(self.x_shape[2:]))


class PoolCase(NamedTuple):
    """A pooling of an image batch of this shape."""

    window: Window
    x_shape: tuple[int, int, int, int]
    seed: int

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        return (*self.x_shape[:2], *self.window.output_size(self.x_shape[2:]))


@st.composite
def _axis(draw: Any, pooling: bool, most_dilated: int = 3) -> tuple[int, int, tuple[int, int], int, int]:
    """(kernel, stride, (before, after), dilation, length) of one axis of the image."""
    kernel, stride, output = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 5))
    dilation = draw(st.integers(1, most_dilated))
    unused = draw(st.integers(0, stride - 1))  # rows at the end that no window reaches
    padded = (output - 1) * stride + (kernel - 1) * dilation + 1 + unused
    most = (kernel - 1) * dilation if pooling else 4
    before = draw(st.integers(0, min(most, padded - 1)))
    after = draw(st.integers(0, min(most, padded - 1 - before)))
    met = [[o * stride + k * dilation for k in range(kernel)] for o in range(output)]
    if pooling and not all(any(before <= place < padded - after for place in window) for window in met):
        before = after = 0  # a pooling window may not see padding only
    return kernel, stride, (before, after), dilation, padded - before - after


@st.composite
def _window(draw: Any, pooling: bool, most_dilated: int = 3) -> tuple[Window, tuple[int, int]]:
    kernels, strides, paddings, dilations, size = zip(*(draw(_axis(pooling, most_dilated)) for _ in "HW"), strict=True)
    return Window(kernels, strides, paddings, dilations), size


@st.composite
def convolutions(draw: Any, batch: tuple[int, int] = (1, 3), channels: int = 3) -> ConvCase:
    """Any stride, dilation, asymmetric padding and groups; up to so many channels in a group."""
    window, size = draw(_window(pooling=False))
    groups, inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, channels)), draw(st.integers(1, channels))
    x_shape = (draw(st.integers(*batch)), groups * inputs, *size)
    return ConvCase(window, groups, x_shape, (groups * outputs, inputs, *window.kernel), draw(seeds))


@st.composite
def poolings(draw: Any, batch: tuple[int, int] = (1, 3), most_dilated: int = 3) -> PoolCase:
    """Any stride (windows overlap, or leave gaps), dilation up to so much, padding smaller than the window."""
    window, size = draw(_window(True, most_dilated))
    return PoolCase(window, (draw(st.integers(*batch)), draw(st.integers(1, 3)), *size), draw(seeds))


def image_batches(max_side: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes (N, C) or (N, C, H, W)."""
    side = st.integers(1, max_side)
    return st.one_of(st.tuples(side, side), st.tuples(side, side, side, side))


def normal(shape: tuple[int, ...], seed: int, dtype: Any = "float64") -> np.ndarray:
    """Standard normal."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(shape: tuple[int, ...], seed: int, dtype: Any = "float64", limit: int = 4) -> np.ndarray:
    """Whole numbers from -limit to limit: sums and products of them are exact, and ties are frequent."""
    return np.random.default_rng(seed).integers(-limit, limit + 1, shape).astype(dtype)


def spaced(shape: tuple[int, ...], seed: int, dtype: Any = "float64") -> np.ndarray:
    """In shuffled order, numbers around zero that lie 0.01 apart, none nearer to zero than 0.005.

    A derivative taken with steps of 1e-4 meets no kink: no ties for max pooling, no zeros for ReLU.
    """
    count = int(np.prod(shape))
    values = (np.arange(count) - count // 2 + 0.5) * 0.01
    return np.random.default_rng(seed).permutation(values).reshape(shape).astype(dtype)
