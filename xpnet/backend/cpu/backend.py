"""The CPU backend: the primitives that are worth more than the reference, tuned for NumPy.

Arrays keep the shape (N, C, H, W); convolution and pooling return them in another memory order (layouts.py), which
elementwise NumPy code keeps without knowing of it. choice.py says which algorithm computes a convolution.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from xpnet.backend.cpu import choice, columns, one_product, two_by_two, whole_image
from xpnet.backend.cpu.activation import pick
from xpnet.backend.cpu.algorithm import Algorithm, backward, transposed_backward
from xpnet.backend.cpu.attention import CpuAttention
from xpnet.backend.cpu.choice import choose
from xpnet.backend.cpu.elementwise import CpuElementwise
from xpnet.backend.cpu.group_norm import CpuGroupNorm
from xpnet.backend.cpu.layouts import empty_in_order_of, hwcn_to_nchw, pad, view_as_hwcn
from xpnet.backend.cpu.memory_pool import STEP, copied_out, pool
from xpnet.backend.cpu.plan import plan
from xpnet.backend.cpu.products import product
from xpnet.backend.cpu.recurrent import CpuRecurrent
from xpnet.backend.cpu.sums import CpuSums, add_arrays, add_groups
from xpnet.backend.cpu.threads import Computing, is_little, run_tiles
from xpnet.backend.cpu.training_plan import free_arrays, plan_training
from xpnet.backend.cpu.updates import CpuUpdates
from xpnet.backend.cpu.winograd import Winograd
from xpnet.backend.cpu.work import share_rows
from xpnet.backend.like import require_like
from xpnet.backend.reference import Array
from xpnet.backend.window import Pads, Pair, Window
from xpnet.base.host import as_host, native
from xpnet.base.quiet import quietly
from xpnet.random import Key

LABELS = np.dtype(np.int64)
UNSIGNED = {4: np.dtype(np.uint32), 8: np.dtype(np.uint64)}  # numbers of so many bytes


class NumpyBackend(CpuAttention, CpuElementwise, CpuGroupNorm, CpuRecurrent, CpuSums, CpuUpdates):
    name = "numpy"
    flat = fills = True
    lanes = 0  # images in a vector of the compiled kernels, if there are any
    algorithms: ClassVar[dict[str, Algorithm]] = {
        choice.WINOGRAD: Winograd(),
        choice.ONE_PRODUCT: one_product,
        choice.COLUMNS: columns,
        choice.WHOLE_IMAGE: whole_image,
    }

    def __init__(self) -> None:
        super().__init__(np)

    @quietly
    def asarray(self, x: Any, dtype: Any = None) -> Array:
        return as_host(x, dtype)

    def batch(self, arrays: Iterable[np.ndarray], dtype: Any) -> tuple[Array, ...]:
        own = np.dtype(dtype)
        return tuple(
            [array if array.dtype == own or array.dtype is LABELS else self._converted(array, own) for array in arrays]
        )

    def _converted(self, array: np.ndarray, dtype: Any) -> Array:
        """To this data type if they are floating point numbers, and in any case to this machine's byte order."""
        return self.asarray(array, dtype) if array.dtype.kind == "f" else native(array)

    def memory_advice(self, samples: int | None) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # arrays live in the memory of the process

    def free_memory(self) -> None:
        free_arrays()
        pool.clear()

    def handed_out(self, x: Array) -> Array:
        return copied_out(x)

    planned = np.ndarray

    def plan(self, graph: Any) -> Callable[[Array], Array] | None:
        return plan(self, graph)

    def plan_training(
        self, graph: Any
    ) -> Callable[[Array], tuple[Array, Callable[[Array, bool], Array | None]]] | None:
        return plan_training(self, graph)

    def computing(self) -> contextlib.AbstractContextManager[None]:
        pool.count(STEP)
        return Computing()

    # ---- convolution and dense -------------------------------------------------------------------------------------

    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        algorithm = self.algorithms[choose(x.shape, w.shape, (x.dtype, w.dtype), window, groups, self.lanes)[0]]
        return algorithm.forward(x, w, b, window, groups, activation == "relu")

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        relu, need = activation == "relu", (need_dx, need_dw, need_db)
        algorithm = self.algorithms[choose(x.shape, w.shape, (x.dtype, w.dtype), window, groups, self.lanes)[0]]
        return backward(algorithm, dy, x, w, y, window, groups, relu, need)

    def conv2d_transposed(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        window: Window,
        size: Pair,
        groups: int = 1,
        activation: str | None = None,
    ) -> Array:
        shape = (x.shape[0], groups * w.shape[1], *size)
        algorithm = self.algorithms[choose(shape, w.shape, (x.dtype, w.dtype), window, groups, self.lanes)[0]]
        return algorithm.input_gradient(x, w, b, window, size, groups, activation == "relu")

    def conv2d_transposed_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        relu, need = activation == "relu", (need_dx, need_dw, need_db)
        algorithm = self.algorithms[choose(dy.shape, w.shape, (x.dtype, w.dtype), window, groups, self.lanes)[0]]
        return transposed_backward(algorithm, dy, x, w, y, window, groups, relu, need)

    def explain_conv2d(self, x: Array, w: Array, window: Window, groups: int = 1) -> str:
        return choice.explain(x.shape, w.shape, (x.dtype, w.dtype), window, groups, self.lanes)

    product = staticmethod(product)

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        return self.product(x, w.T, None, b, activation == "relu")

    def dense_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        activation: str | None = None,
        need_dx: bool = True,
        out: Array | None = None,
        need_dw: bool = True,
        need_db: bool = True,
    ) -> tuple[Array | None, Array | None, Array | None]:
        require_like(dy, y)
        dz = self.activate_backward(dy, y, activation)
        dx, dw = self.product(dz, w) if need_dx else None, self.product(dz.T, x, out) if need_dw else None
        return dx, dw, self.sum(dz, 0) if need_db else None

    # ---- pooling: over views (H, W, C, N), in the memory order of x, where every slice is made of runs of images -----

    def max_pool2d(self, x: Array, window: Window) -> Array:
        image = view_as_hwcn(pad(x, window, -np.inf))
        (OH, OW), taps = window.output_size(x.shape[2:]), window.taps(x.shape[2:])
        y = empty_in_order_of(image, (OH, OW))
        if two_by_two.takes(image, window):
            two_by_two.max_pool(image, y)
            return hwcn_to_nchw(y)

        def work(i0: int, i1: int) -> None:
            first, *others = (image[rows_met(h, i0, i1), w] for _, _, h, w in taps)
            out = y[i0:i1]
            np.copyto(out, first)
            for other in others:
                np.maximum(out, other, out=out)

        run_tiles(work, share_rows(OH, x.size), alone=is_little(y.size * len(taps), 2))
        return hwcn_to_nchw(y)

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window, relu: bool = False) -> Array:
        (H, W), (top, _), (left, _) = x.shape[2:], *window.padding
        image = view_as_hwcn(pad(x, window, np.nan))  # which is equal to nothing
        largest, gradient, taps = view_as_hwcn(y), view_as_hwcn(dy), window.taps((H, W))
        if relu:
            gradient = pick(gradient, largest > 0)
        dx = empty_in_order_of(image, image.shape[:2])
        (OH, OW), (SH, SW), (EH, EW) = largest.shape[:2], window.stride, window.extent
        rows_apart = SH >= EH  # no row of the input is met by two of the output, so that bands may be done at once
        apart = rows_apart and SW >= EW  # no pixel is in two windows, so that none gets two shares
        if not (window.kernel == window.extent == window.stride and image.shape[:2] == (OH * SH, OW * SW)):
            dx[...] = 0  # else windows lie side by side and every pixel is written

        def work(i0: int, i1: int) -> None:
            best, dout = largest[i0:i1], gradient[i0:i1]
            hit, met = np.empty_like(best, bool), np.zeros_like(best, bool)  # `met`: its largest pixel has had its turn
            share = np.empty_like(best)
            for _, _, h, w in taps:
                met_here = rows_met(h, i0, i1), w
                np.equal(image[met_here], best, out=hit)
                np.greater(hit, met, out=hit)  # hit and not met: the first of equal ones
                np.logical_or(met, hit, out=met)
                if apart:
                    pick(dout, hit, dx[met_here])
                else:
                    pick(dout, hit, share)
                    dx[met_here] += share

        bands = share_rows(OH, x.size) if rows_apart else [(0, OH)]
        run_tiles(work, bands, alone=is_little(y.size * len(taps), 5))
        return hwcn_to_nchw(dx[top : top + H, left : left + W])

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        image = view_as_hwcn(pad(x, window, 0))
        pixels = [image[h, w] for _, _, h, w in window.taps(x.shape[2:])]
        y = add_arrays(pixels, empty_in_order_of(image, pixels[0].shape[:2]))
        y *= 1 / (window.kernel[0] * window.kernel[1])
        return hwcn_to_nchw(y)

    def pad(self, x: Array, padding: Pads, value: float = 0.0) -> Array:
        return pad(x, Window(padding=padding), value)

    def repeat2d(self, x: Array, times: Pair) -> Array:
        image, (rows, columns) = view_as_hwcn(x), times
        y = empty_in_order_of(image, (image.shape[0] * rows, image.shape[1] * columns))
        for i in range(rows):
            for j in range(columns):
                y[i::rows, j::columns] = image
        return hwcn_to_nchw(y)

    # ---- embedding -------------------------------------------------------------------------------------------------

    def embedding_backward(self, dy: Array, x: Array, vocabulary: int) -> Array:
        numbers = x.reshape(-1)  # (M,)
        order = np.argsort(numbers, kind="stable")  # equal ones side by side, in the order of the batch
        numbers = numbers[order]
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))  # of each number that occurs, its first
        dw = np.zeros((vocabulary, dy.shape[-1]), dy.dtype)
        dw[numbers[starts]] = add_groups(dy.reshape(-1, dy.shape[-1])[order], starts)
        return dw

    # ---- softmax and random numbers ----------------------------------------------------------------------------------

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        if t.ndim != 1:
            return super().softmax_cross_entropy(y, t)
        dy = y - np.maximum.reduce(y, axis=1, keepdims=True)  # (N, C)
        picked = np.arange(len(y)), t
        losses = -dy[picked]
        np.exp(dy, out=dy)
        total = self.sum(dy, 1, keepdims=True)
        losses += np.log(total[:, 0])
        dy /= total
        dy[picked] -= 1
        return losses, dy

    def are_classes(self, t: Array, classes: int) -> bool:
        return bool(np.maximum.reduce(t.view(UNSIGNED[t.itemsize])) < classes)  # as which numbers below 0 are large

    def random_words(self, count: int, key: Key, first: int = 0) -> Array:
        skipped, within = divmod(first, 8)  # a counter gives eight numbers
        end = within + count
        stream = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=skipped)
        return stream.random_raw(-(-end // 2)).astype("<u8", copy=False).view("<u4")[within:end]


def rows_met(rows: slice, i0: int, i1: int) -> slice:
    """Of the input rows that one row of the window meets, those of the output rows i0 ... i1."""
    return slice(rows.start + i0 * rows.step, rows.start + (i1 - 1) * rows.step + 1, rows.step)
