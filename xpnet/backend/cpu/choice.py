"""Which algorithm computes a convolution on a CPU: decided here for both backends, with compiled kernels and without.

`backend.explain(layer, shape)` tells what this file decides.
"""

import functools
from typing import Any

import numpy as np

from xpnet.backend.window import Window

Shape = tuple[int, ...]
Dtypes = tuple[Any, Any]  # of input and weights

WINOGRAD = "winograd"  # cpu/winograd.py, with compiled steps in jit/winograd.py
DIRECT = "direct"  # jit/direct.py
DEPTHWISE = "depthwise"  # jit/depthwise.py
ONE_PRODUCT = "one product"  # cpu/one_product.py
COLUMNS = "columns"  # cpu/columns.py
WHOLE_IMAGE = "whole image"  # cpu/whole_image.py

BLOCKS = "kernels of 3 x 3, 2 x 2 pixels of the output at a time, from 16 products instead of 36"  # jit/blocks.py
MEANING = {
    WINOGRAD: "kernels of three rows, two rows of the output at a time, from four products instead of six",
    DIRECT: "register tiles in compiled kernels, for which nothing is gathered",
    DEPTHWISE: "forward as the direct one; backward one compiled walk over the image for all gradients",
    ONE_PRODUCT: "forward all columns at once, as they are few, and one product; backward, and transposed, by columns",
    COLUMNS: "tiles of columns that stay in the cache, and a product for each row of a tile",
    WHOLE_IMAGE: "a dense layer of all pixels, one product",
}

WINOGRAD_IMAGES = 24  # its products are as many columns wide: fewer are too narrow
WINOGRAD_OVER_DIRECT = 48  # images from which on it is faster than a direct convolution
BLOCK_WEIGHTS = 1 << 16  # of each place of a kernel of 3 x 3, as many as its blocks take: more fall out of the caches
BLOCK_CHANNELS = 8  # fewer inputs are not worth the combining
DEPTHWISE_KERNELS = (3, 3), (5, 5)  # whose sums stay in vector registers
SMALL = 1 << 20  # bytes of columns that are made at once


@functools.lru_cache(maxsize=4096)
def choose(x: Shape, w: Shape, dtypes: Dtypes, window: Window, groups: int, lanes: int) -> tuple[str, str, str]:
    """The algorithm for x (N, C, H, W) and w (O, C/G, KH, KW), and why it is not Winograd's and not the direct one.

    `lanes` is the number of images in a vector of the compiled kernels, 0 if there are none.
    """
    if (w[2:], groups, window.padding, dtypes[0]) == (x[2:], 1, ((0, 0), (0, 0)), dtypes[1]):
        why = "the kernel is as large as the image"
        return WHOLE_IMAGE, why, why
    not_direct = why_not_compiled(x, dtypes, lanes) if lanes else "there are no compiled kernels"
    in_blocks = not not_direct and takes_blocks(w)
    images = WINOGRAD_IMAGES if not_direct else lanes if in_blocks else WINOGRAD_OVER_DIRECT
    not_winograd = why_not_winograd(x, w, dtypes, window, groups, images)
    if in_blocks and not not_winograd and w[1] < BLOCK_CHANNELS:
        not_winograd = "there are too few channels"
    if not not_winograd:
        return WINOGRAD, "", not_direct
    if not not_direct and is_depthwise(w, window, groups):
        return DEPTHWISE, not_winograd, "a channel meets its own kernel alone"
    if not not_direct:
        return DIRECT, not_winograd, ""
    (_, C, KH, KW), (OH, OW) = w, window.output_size(x[2:])
    if x[0] * groups * C * KH * KW * OH * OW * dtypes[0].itemsize <= SMALL:
        return ONE_PRODUCT, not_winograd, not_direct
    return COLUMNS, not_winograd, not_direct


def takes_blocks(w: Shape) -> bool:
    """Whether the compiled kernels compute it in blocks of pixels, not in rows."""
    return w[2:] == (3, 3) and w[0] * w[1] <= BLOCK_WEIGHTS


def is_depthwise(w: Shape, window: Window, groups: int) -> bool:
    """Whether the compiled kernels go back through it in one walk: with a stride, there is too little to walk over."""
    return w[:2] == (groups, 1) and groups > 1 and w[2:] in DEPTHWISE_KERNELS and window.stride == (1, 1)


def why_not_compiled(x: Shape, dtypes: tuple[Any, ...], lanes: int) -> str:
    """Why the compiled kernels do not take it; empty where they do."""
    if any(dtype != np.float32 for dtype in dtypes):
        return "not everything is float32"
    if x[0] < lanes:
        return "there are fewer images than a vector register holds"
    return "there is nothing in it" if 0 in x else ""


def why_not_winograd(x: Shape, w: Shape, dtypes: Dtypes, window: Window, groups: int, images: int) -> str:
    """Why Winograd's rows, which want so many images, do not take it; empty where they do."""
    if w[2] != 3:
        return "the kernel has not three rows"
    if window.stride != (1, 1) or window.dilation != (1, 1):
        return "stride and dilation are not 1"
    if groups != 1:
        return "it has groups"
    if x[0] < images:
        return "there are too few images"
    if dtypes[0] != dtypes[1]:
        return "input and weights have two data types"
    return "there is nothing in it" if 0 in x else ""


def explain(x: Shape, w: Shape, dtypes: Dtypes, window: Window, groups: int, lanes: int) -> str:
    """`choose`, as a sentence."""
    name, not_winograd, not_direct = choose(x, w, dtypes, window, groups, lanes)
    in_blocks = name == WINOGRAD and lanes and not not_direct and takes_blocks(w)
    words = [f"{name}: {BLOCKS if in_blocks else MEANING[name]}"]
    words += [f"not {other}: {why}" for other, why in ((WINOGRAD, not_winograd), (DIRECT, not_direct)) if why]
    return "; ".join(words)
