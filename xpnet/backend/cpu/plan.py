"""A network's inference as a list of NumPy calls over arrays that are there already.

One image of LeNet-5 is 400,000 multiplications, 20 microseconds, and to call its layers takes several times as long. So
for small batches everything that follows from the shapes is done once: each array has its place (one memory for those
that are not needed at the same time), each call is bound to the arrays that it reads and writes, convolutions write
into the middle of the padded image that the next one reads, and pooling comes before bias and ReLU, which it makes
four times smaller. Large convolutions and whatever else has no place here are the backend's own primitives. Batches for
which these are as good have no plan.
"""

import contextvars
import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from xpnet.backend.cpu.blas import single_threaded_blas
from xpnet.backend.cpu.memory_pool import STEP, pool
from xpnet.backend.cpu.products import PRODUCT_WORK, product, rows_together
from xpnet.backend.cpu.shared_plan import SharedPlan, rows_of_a_part
from xpnet.backend.cpu.threads import Computing
from xpnet.backend.cpu.work import PRODUCT
from xpnet.backend.window import Pads, Window

Array = np.ndarray
Call = Callable[[], Any]

COLUMNS = 1 << 20  # bytes of columns that a convolution makes at once; more are better made in tiles
FEW_COLUMNS = 1 << 22  # bytes of columns of one image, where the call of a primitive can be part of a plan
MULTIPLICATIONS = 1 << 26  # of a dense layer; of more, other calls are no part worth speaking of
ENTRIES = 1 << 16  # of what a primitive returns, which is copied to its place
NONE = ((0, 0), (0, 0))
_BLAS_HELD = single_threaded_blas()


class NumpyPlan:
    """What `NumpyBackend.plan` returns; threads that use it at the same time have arrays of their own."""

    def __init__(self, backend: Any, graph: Any) -> None:
        self.backend, self.graph = backend, graph
        self.idle = [Prepared(backend, graph)]

    def __call__(self, x: Array) -> Array:
        pool.count(STEP)
        prepared = self.take()
        y = prepared.way(prepared, x)
        self.idle.append(prepared)
        return y

    def take(self) -> "Prepared":
        """One that nobody uses; to be given back to `idle`."""
        try:
            return self.idle.pop()
        except IndexError:
            return Prepared(self.backend, self.graph)


def plan(backend: Any, graph: Any) -> NumpyPlan | SharedPlan | None:
    """A plan, unless the batch is so large that the primitives are as good."""
    if not all(_is_small(op, graph) for op in graph.ops):
        return None
    make, rows = functools.partial(NumpyPlan, backend), rows_of_a_part(graph)
    return SharedPlan(make, graph, rows) if rows else make(graph)


def _is_small(op: Any, graph: Any) -> bool:
    """Whether one thread does it at once, or its results need little room beside what it takes to make them."""
    shape = graph.shapes[op.outputs[0]]
    if op.name == "conv2d":
        return _columns(op, graph) <= (FEW_COLUMNS if shape[0] == 1 else COLUMNS)
    if op.name == "dense":
        return bool(shape[0] * op.args["w"].size <= MULTIPLICATIONS)
    return (op.name != "layer" and hasattr(Prepared, f"_{op.name}")) or bool(math.prod(shape) <= ENTRIES)


def _bands(rows: int, multiplications: int, pool: Window) -> int:
    """Into how many bands of rows the output is divided, `multiplications` for each row: so many that BLAS takes the
    product of one without packing it. None may cut a window of the pooling behind in two.
    """
    (extent, _), (stride, _) = pool.extent, pool.stride
    if extent > stride or rows % stride:
        return 1
    counts = [bands for bands in range(1, rows // stride + 1) if rows // stride % bands == 0]
    return next((bands for bands in counts if rows // bands * multiplications <= PRODUCT), counts[-1])


def _columns(op: Any, graph: Any) -> int:
    """The bytes of a convolution's columns."""
    N, _, OH, OW = graph.shapes[op.outputs[0]]
    w = op.args["w"]
    return int(N * OH * OW * w.size // w.shape[0] * np.dtype(graph.dtypes[op.outputs[0]]).itemsize)


class Memory:
    """Arrays that are needed for a while: one that is given back is taken again."""

    def __init__(self) -> None:
        self.free: list[Array] = []

    def take(self, shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
        """An array, and what to give back."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        fitting = [each for each in self.free if each.size >= size]
        if fitting:
            block = min(fitting, key=len)
            self.free = [each for each in self.free if each is not block]
        else:
            block = np.empty(max(size, 64), np.uint8)
        return block[:size].view(dtype).reshape(shape), block


class Prepared:
    """The calls of a plan, and the arrays that they work on."""

    def __init__(self, backend: Any, graph: Any) -> None:
        self.backend, self.graph, self.memory = backend, graph, Memory()
        self.calls: list[Call] = []
        self.places: dict[int, Array] = {}
        self.padded: dict[int, tuple[Pads, Array]] = {}  # arrays that lie in the middle of one with zeros around
        self.blocks: dict[int, Array] = {}  # what of the memory an array is in
        self.uses = Counter(number for op in graph.ops for number in op.inputs())
        self.uses[graph.output] += 1
        self.root: dict[int, int] = {}  # of an array that is another one in another shape
        self.skipped: set[int] = set()
        self.mixed, self.padding = False, self._paddings()  # whether there are calls of layers or primitives
        self.input = self.place(0)
        for index, op in enumerate(graph.ops):
            if index not in self.skipped:
                getattr(self, f"_{op.name}", self._primitive)(op, index)
            for number in op.inputs():
                self._used(number)
        self.output = self.places[graph.output]

        # Bound to it, it would hold itself, and what is dropped would wait for the garbage collector.
        self.way: Callable[[Prepared, Array], Array] = Prepared._run_mixed if self.mixed else Prepared._run_alone
        self.context = contextvars.Context()
        self.context.run(np.seterr, all="ignore")

    def _run_alone(self, x: Array) -> Array:
        """Calls of NumPy look at nothing of the context but its settings of errors, so that they have one of their own,
        which is entered ten times as fast as `quiet`.
        """
        with _BLAS_HELD:
            return self.context.run(self._run, x)

    def _run_mixed(self, x: Array) -> Array:
        """Layers and primitives may look at the context."""
        with Computing():
            return self._run(x)

    def _run(self, x: Array) -> Array:
        return self.compute(x).copy()

    def compute(self, x: Array) -> Array:
        self.input[...] = x
        for call in self.calls:
            call()
        return self.output

    # ---- where arrays lie ------------------------------------------------------------------------------------------

    def _paddings(self) -> dict[int, Pads]:
        """The zeros that convolutions want around their inputs; where two differ, those of the first."""
        found: dict[int, Pads] = {}
        for op in self.graph.ops:
            if self._is_by_columns(op) and op.args["window"].padding != NONE:
                found.setdefault(op.args["x"].number, op.args["window"].padding)
        return found

    def place(self, number: int) -> Array:
        """Where the array is to be, in C order or in the middle of zeros."""
        shape, dtype = self.graph.shapes[number], self.graph.dtypes[number]
        if number in self.padding:
            (top, bottom), (left, right) = pads = self.padding[number]
            N, C, H, W = shape
            around = np.zeros((N, C, top + H + bottom, left + W + right), dtype)
            self.padded[number] = pads, around
            self.places[number] = around[:, :, top : top + H, left : left + W]
        else:
            self.places[number], self.blocks[number] = self.memory.take(shape, dtype)
        return self.places[number]

    def _used(self, number: int) -> None:
        """One use of the array is done; after the last, its place is free."""
        number = self.root.get(number, number)
        self.uses[number] -= 1
        if not self.uses[number] and number in self.blocks:
            self.memory.free.append(self.blocks.pop(number))

    def value(self, argument: Any) -> Any:
        """An argument as a primitive takes it."""
        if type(argument) is tuple:
            return tuple(map(self.value, argument))
        if hasattr(argument, "number"):
            return self.places[argument.number]
        return getattr(argument, "value", argument)

    def then(self, function: Callable[..., Any], *arrays: Any, out: Array) -> None:
        self.calls.append(functools.partial(function, *arrays, out=out))

    def copy(self, place: Array, x: Array) -> None:
        """place[...] = x, without the detour that np.copyto takes."""
        self.calls.append(functools.partial(place.__setitem__, ..., x))

    def flat(self, number: int, shape: tuple[int, ...]) -> Array:
        """The array in C order, in another shape: a view, or a copy that is made each time."""
        x = self.places[number]
        if x.flags.c_contiguous:
            return x.reshape(shape)
        copy = np.empty(shape, x.dtype)
        self.copy(copy.reshape(x.shape), x)
        return copy

    # ---- what is done ----------------------------------------------------------------------------------------------

    def _primitive(self, op: Any, index: int) -> None:
        """The backend's own, whose result is copied to its place."""
        primitive, (first, *_) = getattr(self.backend, op.name), op.outputs
        arguments, place, several = op.positional(self.value), self.place(first), len(op.outputs) > 1

        def call() -> None:
            y = primitive(*arguments)
            place[...] = y[0] if several else y

        self.calls.append(call)
        self.mixed = True

    def _layer(self, op: Any, index: int) -> None:
        layer, xs, place = op.args["layer"], self.value(op.args["xs"]), self.place(op.outputs[0])

        def call() -> None:
            place[...] = layer.forward(*xs, train=False)[0]

        self.calls.append(call)
        self.mixed = True

    def _reshape(self, op: Any, index: int) -> None:
        number, (made,) = op.args["x"].number, op.outputs
        x, lent = self.places[number], number in self.blocks or number in self.root
        if lent and x.flags.c_contiguous:
            return self._view(op, x.reshape(self.graph.shapes[made]))
        self.padding.pop(made, None)  # it lies in one piece
        return self.copy(self.place(made).reshape(x.shape), x)

    def _view(self, op: Any, view: Array) -> None:
        """What is made lies in the place of another array."""
        number, (made,) = op.args["x"].number, op.outputs
        self.root[made] = root = self.root.get(number, number)
        self.uses[root] += self.uses[made]
        self.places[made] = view
        self.padding.pop(made, None)  # it lies where it lies

    def _slice(self, op: Any, index: int) -> None:
        self._view(op, self.value(op.args["x"])[op.args["index"]])

    def _permute(self, op: Any, index: int) -> None:
        self._view(op, self.value(op.args["x"]).transpose(op.args["axes"]))

    def _zeros_like(self, op: Any, index: int) -> None:
        self.places[op.outputs[0]] = np.zeros(self.graph.shapes[op.outputs[0]], self.graph.dtypes[op.outputs[0]])

    def _max(self, op: Any, index: int) -> None:
        self.then(np.maximum.reduce, self.value(op.args["x"]), op.args["axis"], None, out=self.place(op.outputs[0]))

    def _concat(self, op: Any, index: int) -> None:
        arrays, axis = self.value(op.args["xs"]), op.args["axis"]
        self.calls.append(functools.partial(np.concatenate, arrays, axis, self.place(op.outputs[0])))

    def _add(self, op: Any, index: int) -> None:
        self.then(np.add, self.value(op.args["x"]), self.value(op.args["y"]), out=self.place(op.outputs[0]))

    def _activate(self, op: Any, index: int) -> None:
        x = self.value(op.args["y"])
        self.then(np.maximum, x, np.zeros((), x.dtype), out=self.place(op.outputs[0]))

    def _running_norm(self, op: Any, index: int) -> None:
        x, mean, var, gamma, beta, eps = map(self.value, op.args.values())
        slope, shift = np.empty((2, *mean.shape), x.dtype)
        self.then(np.add, var, x.dtype.type(eps), out=slope)
        self.then(np.sqrt, slope, out=slope)
        self.then(np.divide, x.dtype.type(1), slope, out=slope)
        if gamma is not None:
            self.then(np.multiply, gamma, slope, out=slope)
        self.then(np.multiply, slope, mean, out=shift)
        self.then(np.subtract, x.dtype.type(0) if beta is None else beta, shift, out=shift)
        y, ones = self.place(op.outputs[0]), (-1, *(1,) * (x.ndim - 2))
        self.then(np.multiply, x, slope.reshape(ones), out=y)
        self.then(np.add, y, shift.reshape(ones), out=y)

    def _dense(self, op: Any, index: int) -> None:
        x, w, b, activation = map(self.value, op.args.values())
        x, y = self.flat(op.args["x"].number, x.shape), self.place(op.outputs[0])
        if len(x) * w.size > 2 * PRODUCT_WORK:  # half of which takes as long as to wake a thread
            self.calls.append(functools.partial(product, x, w.T, y))  # which knows that BLAS is held
            return self._finish(y, b, activation, y)
        if len(x) == 1:  # a vector, which needs no loop around
            self.calls.append(functools.partial(w.dot, x[0], y[0]))  # a microsecond faster than np.matmul
            return self._finish(y[0], b, activation, y[0])
        height = rows_together(len(x), w.T)
        self.then(np.matmul, x.reshape(-1, height, x.shape[1]), w.T, out=y.reshape(-1, height, len(w)))
        return self._finish(y, b, activation, y)

    def _finish(self, y: Array, b: Array | None, activation: str | None, out: Array) -> None:
        """out = act(y + b)."""
        ends = out if activation is None else y  # what lies in one piece is gone through in longer runs
        if b is not None:
            self.then(np.add, y, b, out=ends)
        if activation == "relu":
            self.then(np.maximum, y, np.zeros((), y.dtype), out=out)
        elif b is None and y is not out:
            self.copy(out, y)

    def _is_by_columns(self, op: Any) -> bool:
        return op.name == "conv2d" and op.args["groups"] == 1 and _columns(op, self.graph) <= COLUMNS

    def _conv2d(self, op: Any, index: int) -> None:
        if not self._is_by_columns(op):
            return self._primitive(op, index)
        _, w, b, *_ = map(self.value, op.args.values())
        N, O, OH, OW = self.graph.shapes[op.outputs[0]]
        pool = self._pool_behind(op, index)
        kernels = w.reshape(O, -1)  # (O, C*KH*KW), a view: parameters lie in C order
        bands = _bands(OH, kernels.size * OW, Window() if pool is None else pool.args["window"])
        columns, block = self._columns_of(op.args["x"].number, op.args["window"], (OH, OW), bands)
        y, scratch = self.memory.take((N, bands, O, OH // bands, OW), w.dtype)
        if N == bands == 1:
            self.calls.append(functools.partial(kernels.dot, columns[0, 0], y.reshape(O, -1)))
        else:
            self.then(np.matmul, kernels, columns, out=y.reshape(N, bands, O, -1))
        made = op.outputs[0] if pool is None else pool.outputs[0]
        place = self.place(made)
        rows = place.reshape(N, O, bands, -1, place.shape[3]).transpose(
            0, 2, 1, 3, 4
        )  # (N, bands, O, rows, OW), a view
        pooled = y if pool is None else self._pooled(y, pool.args["window"])
        self._finish(pooled, None if b is None else b.reshape(-1, 1, 1), op.args["activation"], rows)
        self.memory.free += [scratch, *block]
        return None

    def _columns_of(self, number: int, window: Window, size: tuple[int, int], bands: int) -> tuple[Array, list[Array]]:
        """(N, bands, C*KH*KW, pixels), of so many bands of output rows, copied each time where they are no view; and
        what to give back.
        """
        x, pads = self.places[number], window.padding
        N, C, H, W = x.shape
        (KH, KW), (SH, SW), (DH, DW), (OH, OW) = window.kernel, window.stride, window.dilation, size
        if window == Window() and bands == 1 and x.flags.c_contiguous:
            return x.reshape(N, 1, C, H * W), []
        if pads != NONE:
            known, around = self.padded.get(number, (None, x))
            if known != pads:
                (top, bottom), (left, right) = pads
                around = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
                self.copy(around[:, :, top : top + H, left : left + W], x)
            x = around
        n, c, h, w = x.strides
        shape = N, bands, C, KH, KW, OH // bands, OW
        strides = n, OH // bands * SH * h, c, h * DH, w * DW, h * SH, w * SW
        columns, block = self.memory.take(shape, x.dtype)
        self.copy(columns, as_strided(x, shape, strides, writeable=False))
        return columns.reshape(N, bands, C * KH * KW, -1), [block]

    def _pool_behind(self, op: Any, index: int) -> Any:
        """The pooling that alone uses the convolution's output, if it comes next: max(y) + b is max(y + b)."""
        after = self.graph.ops[index + 1] if index + 1 < len(self.graph.ops) else None
        if after is None or after.name != "max_pool2d" or self.uses[op.outputs[0]] != 1:
            return None
        if after.inputs() != list(op.outputs) or after.args["window"].padding != NONE:
            return None
        self.skipped.add(index + 1)
        return after

    def _pooled(self, y: Array, window: Window) -> Array:
        """The largest of each window over the last two axes, first along the rows and then along the columns."""
        (KH, KW), (SH, SW), (DH, DW) = window.kernel, window.stride, window.dilation
        OH, OW = window.output_size(y.shape[-2:])
        high = self._largest([y[..., m * DH : m * DH + (OH - 1) * SH + 1 : SH, :] for m in range(KH)])
        return self._largest([high[..., n * DW : n * DW + (OW - 1) * SW + 1 : SW] for n in range(KW)])

    def _largest(self, arrays: list[Array]) -> Array:
        if len(arrays) == 1:
            return arrays[0]
        first, second, *others = arrays
        out = np.empty(first.shape, first.dtype)
        self.then(np.maximum, first, second, out=out)
        for other in others:
            self.then(np.maximum, out, other, out=out)
        return out

    def _max_pool2d(self, op: Any, index: int) -> None:
        window = op.args["window"]
        if window.padding != NONE:
            return self._primitive(op, index)
        place = self.place(op.outputs[0])
        self.copy(place, self._pooled(self.value(op.args["x"]), window))
        return None
