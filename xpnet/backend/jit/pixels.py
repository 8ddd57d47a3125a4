"""Pooling, and what else a compiled plan does with pixels and scores: which rows of the table they become."""

import math
from typing import Any

import numpy as np

from xpnet.backend.jit import steps
from xpnet.backend.jit.buffers import Kind, View, bits
from xpnet.backend.jit.kernels import BYTES
from xpnet.backend.jit.program import ARENA
from xpnet.backend.window import Window

BESIDE = Window((2, 2), (2, 2))


def max_pool2d(planner: Any, at: int, x: Any, window: Window) -> None:
    pool(planner, at, planner.value(x), window, steps.max_pool)


def avg_pool2d(planner: Any, at: int, x: Any, window: Window) -> None:
    pool(planner, at, planner.value(x), window, steps.avg_pool)


def pool(planner: Any, at: int, view: View, window: Window, kind: Kind) -> None:
    C, H, W = view.shape
    OH, OW = window.output_size((H, W))
    out = planner.result(at, (C, OH, OW))
    if kind == steps.max_pool and window == BESIDE and view.buffer.base == ARENA:
        kind = steps.pool2
    geometry = *window.kernel, *window.stride, *window.dilation, *(pads[0] for pads in window.padding)
    planner.add(kind, view.buffer, out.buffer, C, H, W, view.cs * BYTES, view.rs * BYTES, OH, OW, *geometry)


def mean(planner: Any, at: int, x: Any, axis: Any, keepdims: bool = False) -> None:
    view, axes = planner.value(x), len(planner.shapes[x.number]) + 1
    if axes not in (3, 4) or tuple(np.atleast_1d(axis) % axes) != tuple(range(2, axes)):
        planner.unknown()
    (C, *_, L), cs, rs = view.shape, view.cs or view.shape[-1], view.rs
    H = view.shape[1] if len(view.shape) == 3 else 1
    planner.add(steps.mean, view.buffer, planner.result(at).buffer, C, H, L, cs * BYTES, rs * BYTES)


def largest(planner: Any, at: int, x: Any, axis: tuple[int, ...]) -> None:
    """Of each channel, which is a window."""
    view, axes = planner.value(x), len(planner.shapes[x.number]) + 1
    if axes not in (3, 4) or tuple(axis) != tuple(range(2, axes)):
        planner.unknown()
    C, H, W = view.shape if len(view.shape) == 3 else (view.shape[0], 1, view.shape[1])
    cs, rs = (view.cs, view.rs) if len(view.shape) == 3 else (W, W)
    geometry = H, W, 1, 1, 1, 1, 0, 0
    planner.add(
        steps.max_pool, view.buffer, planner.result(at).buffer, C, H, W, cs * BYTES, rs * BYTES, 1, 1, *geometry
    )


def pad(planner: Any, at: int, x: Any, padding: Any, value: float = 0.0) -> None:
    view, out = planner.value(x), planner.result(at)
    (top, _), (left, _) = padding
    if len(out.shape) != 3:
        planner.unknown()
    planner.add(
        steps.pad, view.buffer, out.buffer, *view.shape, view.cs * BYTES, view.rs * BYTES, top, left,
        *out.shape[1:], 1, 1, planner.constant(np.zeros((1, 2), np.int64)), 1, bits(value), out.cs,
    )  # fmt: skip


def softmax(planner: Any, at: int, x: Any, axis: int = 1) -> None:
    view, rows = planner.compact(planner.whole(x), x), planner.rows_of[x.number]
    shape = planner.shapes[x.number]
    if axis not in (-1, len(shape) - (rows > 1)):
        planner.unknown()
    rest = shape[-1], math.prod(shape[:-1])
    planner.add(steps.softmax, view.buffer, planner.result(at).buffer, *rest, each=len(shape) > 1)


def local_response_norm(planner: Any, at: int, x: Any, size: int, alpha: float, beta: float, k: float) -> None:
    view = planner.value(x)
    if len(view.shape) != 3:
        planner.unknown()
    out = planner.like(at, view)
    rest = view.shape[0], view.cs, size, *map(bits, (alpha / size, beta, k))
    planner.add(steps.local_response_norm, view.buffer, out.buffer, *rest)
