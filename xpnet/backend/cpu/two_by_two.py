"""Max pooling over windows of 2x2 that lie side by side: of two rows the larger pixels, and of these the pairs.

The first pass is over runs of whole rows, and what it leaves is half as much; a pass for each of the four pixels would
be over short runs, of a pixel's images or channels.
"""

from typing import Any

import numpy as np

from xpnet.backend.cpu.threads import is_little, run_tiles
from xpnet.backend.cpu.work import share_rows
from xpnet.backend.window import Window

Array = Any


def takes(image: Array, window: Window) -> bool:
    """Whether the windows are such, and cover the image (H, W, C, N)."""
    H, W, *_ = image.shape
    return window.kernel == window.extent == window.stride == (2, 2) and not (H % 2 or W % 2)


def max_pool(image: Array, out: Array) -> None:
    """out (H/2, W/2, C, N), in the memory order of the image, hwcn or hcwn."""
    H, W, C, N = image.shape
    if image.flags.c_contiguous:
        shape = H // 2, 2, W // 2, 2, C * N
    else:
        image, out, shape = image.transpose(0, 2, 1, 3), out.transpose(0, 2, 1, 3), (H // 2, 2, C * W // 2, 2, N)
    windows, y = image.reshape(shape), out.reshape(shape[::2])

    def work(i0: int, i1: int) -> None:
        larger = np.maximum(windows[i0:i1, 0], windows[i0:i1, 1])
        np.maximum(larger[:, :, 0], larger[:, :, 1], out=y[i0:i1])

    run_tiles(work, share_rows(H // 2, image.size), alone=is_little(image.size, 2))
