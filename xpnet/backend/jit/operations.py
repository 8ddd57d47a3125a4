"""Which rows of program.py's table the operations of a network become; inference.py makes the table of them.

Weights are read where they lie, so that whoever writes into them changes the next answer; nothing that follows from
them is kept. What a convolution, a dense layer or a sum gives goes through the normalization and the ReLU behind it
before it is written.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.jit import arranging, curves, pixels, rows, steps, transposed
from xpnet.backend.jit.arranging import Lines, is_line, lines_of, put_together
from xpnet.backend.jit.buffers import Buffer, Kind, Row, Shape, View, bits, buffers_of, full, together
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.program import ABSOLUTE, ARENA, INPUT
from xpnet.backend.jit.tiles import CHANNELS, PIXELS
from xpnet.backend.window import Window

Array = Any


class Unknown(Exception):
    """The kernel does not have this operation, or not in this form."""


def _length(view: View) -> int:
    """Entries from the first to the last, with the gaps between them."""
    return view.shape[0] * view.cs if len(view.shape) == 3 else math.prod(view.shape)


@functools.lru_cache(maxsize=64)
def _filled(size: int, value: float) -> Array:
    return np.full(size, value, np.float32)


class Planner:
    """Goes through the operations of a graph, and writes rows."""

    def __init__(self, graph: Any) -> None:
        self.rows: list[Row] = []
        self.norms: list[Row] = []
        self.keep: list[Any] = []  # arrays whose addresses are in the table
        self.work = 0  # multiplications of an image
        self.once = 0  # numbers that are put in another order for each piece of work, whatever the images
        N = graph.shapes[0][0] if graph.shapes[0] else 0
        if N < 1 or any(not shape or shape[0] % N for shape in graph.shapes):
            raise Unknown
        if any(str(dtype) != "float32" for dtype in graph.dtypes):
            raise Unknown
        self.rows_of = [shape[0] // N for shape in graph.shapes]  # of an image, where (N, T, ...) became (N * T, ...)
        self.shapes = [
            (rows, *shape[1:]) if rows > 1 else tuple(shape[1:])
            for rows, shape in zip(self.rows_of, graph.shapes, strict=True)
        ]
        self.input = Buffer(math.prod(self.shapes[0]), INPUT)
        self.values = {0: full(self.input, self.shapes[0])}
        self.parts: dict[int, Lines] = {}  # values that are part of others, or these in another order, not yet copied
        self.zeros: set[int] = set()  # values that are nothing else
        self.ops = list(graph.ops)
        self.readers: list[list[int]] = [[] for _ in self.shapes]  # of each value the operations, as often as they do
        for at, op in enumerate(self.ops):
            for number in op.inputs():
                self.readers[number].append(at)
        self.output = graph.output
        self.fused: set[int] = set()
        self.makers = {number: at for at, op in enumerate(self.ops) for number in op.outputs if number is not None}

    # ---- what operations are made of -----------------------------------------------------------------------------

    def unknown(self) -> Any:
        raise Unknown

    def whole(self, arg: Any) -> View:
        """A value as an array of its own; of (C, T) it may be an image (C, 1, T)."""
        return self.at(getattr(arg, "number", -1))

    def at(self, number: int) -> View:
        if number in self.parts:
            self.values[number] = self.joined(self.parts.pop(number))
        if number not in self.values:
            raise Unknown
        return self.values[number]

    def value(self, arg: Any) -> View:
        """Likewise, of one whose rows are images."""
        view = self.whole(arg)
        return view if self.rows_of[arg.number] == 1 else self.unknown()

    def last(self, number: int) -> tuple[View, Shape]:
        """The network's output, and the shape of one."""
        return self.at(number) if self.rows_of[number] == 1 else self.unknown(), self.shapes[number]

    def joined(self, lines: Lines) -> View:
        out = full(Buffer(math.prod(lines.shape)), lines.shape)
        put_together(self, lines, out.buffer)
        return out

    def lines(self, arg: Any) -> Lines:
        """Where the numbers of a value lie."""
        number = getattr(arg, "number", None)
        return self.parts[number] if number in self.parts else lines_of(self.whole(arg), self.shapes[arg.number])

    def compact(self, view: View, arg: Any) -> View:
        if not view.compact:
            self.values[arg.number] = view = self.copied(view)
        return view

    def copied(self, view: View) -> View:
        out = full(Buffer(math.prod(view.shape)), view.shape)
        self.copy(view, out.buffer, out)
        return out

    def copy(self, view: View, buffer: Buffer, into: View, first: int = 0) -> None:
        C, H, W = view.shape if len(view.shape) == 3 else (1, 1, view.entries)
        distances = [BYTES * d for d in (view.cs, view.rs, into.cs, into.rs)]
        self.add(steps.copy, view.buffer, buffer, C, H, W, *distances, each=len(view.shape) == 3, first=first)

    def add(
        self, kind: Kind, source: Buffer, out: Buffer, *rest: Any, each: bool = True, others: tuple[Buffer, ...] = (),
        first: int = 0,
    ) -> None:  # fmt: skip
        self.rows.append(Row(kind, source, out, (first, *rest), each, others))

    def first(self, kind: Kind, out: Buffer, *rest: Any) -> None:
        """What is done once for a block of images, before all else."""
        self.norms.append(Row(kind, out, out, (0, *rest), False))

    def array(self, arg: Any, size: int | None = None) -> Array:
        """Of a parameter, as it lies in memory; or of numbers that never change."""
        array = getattr(arg, "value", arg)
        learned = isinstance(array, np.ndarray) and array.dtype == np.float32 and array.flags.c_contiguous
        if not learned or array is arg or (size is not None and array.size != size):
            raise Unknown
        self.keep.append(array)
        return array

    def address(self, arg: Any, size: int) -> int:
        return 0 if arg is None else self.array(arg, size).ctypes.data

    def constant(self, values: Array) -> int:
        self.keep.append(values)
        return int(values.ctypes.data)

    def affine(self, bias: Any, size: int, norm: Any) -> tuple[Any, ...]:
        """Where the factors and terms of the channels lie, behind a product: two places."""
        if norm is None:
            ones = self.constant(_filled(size, 1.0))
            return ABSOLUTE, ones, ABSOLUTE, self.address(bias, size) or self.constant(_filled(size, 0.0))
        a, buffer = norm.args, Buffer(2 * size, own=False)
        arrays = a["gamma"], a["beta"], a["mean"], a["var"], bias
        rest = [*(self.address(each, size) for each in arrays), size, bits(a["eps"])]
        self.first(steps.norm, buffer, *rest)
        return ARENA, (buffer, 0), ARENA, (buffer, size)

    def followed_by(self, at: int, name: str) -> int | None:
        """The place of the operation of this name that alone reads what the operation at `at` gives, be it as a signal
        of an image of one row, or the other way round.
        """
        number = self.ops[at].outputs[0]
        if len(self.readers[number]) != 1 or number == self.output:
            return None
        (place,) = self.readers[number]
        if self.ops[place].name == "reshape" != name:
            shapes = [self.shapes[each] for each in (number, self.ops[place].outputs[0] or 0)]
            same = self.rows_of[number] == 1 and (is_line(*shapes) or is_line(*shapes[::-1]))
            return self.followed_by(place, name) if same else None
        return place if self.ops[place].name == name else None

    def absorb(self, place: int) -> None:
        """The operation, and the other shape that it reads, are done with one before it."""
        self.fused.add(place)
        maker = self.makers.get(self.ops[place].inputs()[0], 0)
        if self.ops[maker].name == "reshape":
            self.fused.add(maker)

    def take_over(self, at: int, activation: str | None) -> tuple[Any, int, int]:
        """The batch normalization and ReLU right behind: the norm or None, whether there is a ReLU, and the last."""
        norm, relu = None, activation == "relu"
        if activation not in (None, "relu"):
            raise Unknown
        if not relu and (place := self.followed_by(at, "running_norm")) is not None:
            norm, at = self.ops[place], place
            self.absorb(place)
        if not relu and (place := self.followed_by(at, "activate")) is not None:
            relu, at = self.ops[place].args["activation"] == "relu", place
            self.absorb(place)
        return norm, int(relu), self.ops[at].outputs[0]

    # ---- operations ------------------------------------------------------------------------------------------------

    def conv2d(self, at: int, x: Any, w: Any, b: Any, window: Window, groups: int = 1, activation: Any = None) -> None:
        view = self.value(x)
        norm, relu, number = self.take_over(at, activation)
        O, CG, KH, KW = self.array(w).shape
        (_, H, W), K = view.shape, CG * KH * KW
        OH, OW = window.output_size((H, W))
        affine = self.affine(b, O, norm)
        self.work += O * K * OH * OW
        if groups == 1 and window.kernel == (H, W) and window.padding == ((0, 0), (0, 0)):  # one pixel comes out
            self.product(self.compact(self.value(x), x), w, K, O, affine, relu, number)
            return
        buffer, cs, rs, places = self.taps(view, window, (OH, OW))
        vectors = -(-((OH - 1) * rs + OW) // LANES)
        offsets = (np.arange(CG)[:, None] * cs + places).reshape(-1) * BYTES
        out = View(Buffer(O * vectors * LANES), (O, OH, OW), vectors * LANES, rs)
        largest = next(size for size in CHANNELS if size <= O // groups)
        self.add(
            steps.convolution, buffer, out.buffer, self.array(w).ctypes.data, *affine, relu,
            self.constant(offsets.astype(np.int64)), K, groups, O // groups, CG * cs * BYTES, out.cs * BYTES, vectors,
            PIXELS[largest], together(largest, K), others=buffers_of(affine),
        )  # fmt: skip
        self.values[number] = out

    def taps(self, view: View, window: Window, size: tuple[int, int]) -> tuple[Buffer, int, int, Array]:
        """Images that a window needs no margin of: where, cs, rs, and the offset of each of its pixels."""
        (KH, KW), (SH, SW), (DH, DW) = window.kernel, window.stride, window.dilation
        ((top, bottom), (left, right)), (OH, OW), (C, H, W) = window.padding, size, view.shape
        rows, columns = np.arange(KH) * DH, np.arange(KW) * DW
        if view.buffer.base == ARENA and not (top or bottom or left or right) and (SH, SW) == (1, 1):
            return view.buffer, view.cs, view.rs, (rows[:, None] * view.rs + columns).reshape(-1)
        rows_apart, columns_apart = (rows % SH).tolist(), (columns % SW).tolist()
        starts = sorted({(a, b) for a in rows_apart for b in columns_apart})
        HQ, WQ = int(rows[-1] // SH) + OH, int(columns[-1] // SW) + OW
        cs = HQ * WQ
        if (SH, SW) == (1, 1):  # the margin behind a row is the one before the next, too
            WQ = max(OW, W + max(left, right))
            cs = HQ * WQ + left + W + right - min(WQ, left + W + right)
        padded = Buffer(C * len(starts) * cs)
        self.add(
            steps.pad, view.buffer, padded, C, H, W, view.cs * BYTES, view.rs * BYTES, top, left, HQ, WQ, SH, SW,
            self.constant(np.array(starts, np.int64)), len(starts), bits(0.0), cs,
        )  # fmt: skip
        image = np.array([[starts.index((a, b)) for b in columns_apart] for a in rows_apart])
        places = image * cs + (rows // SH)[:, None] * WQ + columns // SW
        return padded, len(starts) * cs, WQ, places.reshape(-1)

    def dense(self, at: int, x: Any, w: Any, b: Any, activation: Any = None) -> None:
        view, rows = self.compact(self.whole(x), x), self.rows_of[x.number]
        norm, relu, number = self.take_over(at, activation)
        O, K = self.array(w).shape
        if math.prod(view.shape) != rows * K or self.shapes[x.number][-1:] != (K,):
            raise Unknown
        self.work += rows * O * K
        self.product(view, w, K, O, self.affine(b, O, norm), relu, number, rows)

    def product(
        self, x: View, w: Any, K: int, O: int, affine: tuple[Any, ...], relu: int, number: int, rows: int = 1
    ) -> None:
        """Of all images of a block with the weights, or of the rows of one."""
        out = full(Buffer(rows * O), self.shapes[number])
        rest = self.array(w).ctypes.data, *affine, relu, K, O, rows
        kind = steps.dense if rows == 1 else steps.dense_rows
        self.add(kind, x.buffer, out.buffer, *rest, each=rows > 1, others=buffers_of(affine))
        self.values[number] = out

    def result(self, at: int, shape: Shape | None = None) -> View:
        """Room for what the operation gives."""
        number = self.ops[at].outputs[0]
        shape = self.shapes[number] if shape is None else shape
        self.values[number] = out = full(Buffer(math.prod(shape)), shape)
        return out

    def like(self, at: int, view: View) -> View:
        """Room for as many entries, in the same order, with the same gaps."""
        self.values[self.ops[at].outputs[0]] = out = view._replace(buffer=Buffer(_length(view)))
        return out

    def activation(self, at: int, x: Any, name: str, constants: tuple[float, ...] = ()) -> None:
        if name not in curves.NAMES:
            raise Unknown
        view = self.whole(x)
        view = view if view.buffer.base == ARENA else self.compact(view, x)
        out = self.like(at, view)
        constants = tuple(bits(constant) for constant in constants)
        kernel = functools.partial(curves.activation, curves.NAMES.index(name))
        rest = _length(view), *constants
        self.add(kernel, view.buffer, out.buffer, *rest, each=len(view.shape) > 1)

    def activate(self, at: int, y: Any, activation: Any) -> None:
        if activation is None:
            self.values[self.ops[at].outputs[0]] = self.whole(y)
        else:
            self.activation(at, y, activation)

    def running_norm(self, at: int, **args: Any) -> None:
        op, view = self.ops[at], self.value(args["x"])
        place = self.followed_by(at, "activate")
        relu = place is not None and self.ops[place].args["activation"] == "relu"
        out = self.like(at, view)
        if relu and place is not None:
            self.absorb(place)
            self.values[self.ops[place].outputs[0]] = out
        C = view.shape[0]
        affine = self.affine(None, C, op)
        rest = C, *affine, view.entries if len(view.shape) == 3 else math.prod(view.shape[1:]), int(relu)
        each = len(view.shape) > 1
        self.add(steps.scale_channels, view.buffer, out.buffer, *rest, each=each, others=buffers_of(affine))

    def scale_channels(self, at: int, x: Any, slope: Any, shift: Any) -> None:
        view = self.value(x)
        C, out = view.shape[0], self.like(at, view)
        places = ABSOLUTE, self.address(slope, C), *self.affine(shift, C, None)[2:]
        entries = view.entries if len(view.shape) == 3 else math.prod(view.shape[1:])
        self.add(steps.scale_channels, view.buffer, out.buffer, C, *places, entries, 0, each=len(view.shape) > 1)

    def add_values(self, at: int, x: Any, y: Any) -> None:
        a, learned = self.whole(x), not hasattr(y, "number")
        second: tuple[Any, ...]
        if not learned:
            b = self.whole(y)
            if self.shapes[x.number] != self.shapes[y.number]:
                raise Unknown
            if a[1:] != b[1:]:
                a, b = self.compact(a, x), self.compact(b, y)
            second = b.buffer.base, (b.buffer, 0), (b.buffer,)
        else:
            a = self.compact(a, x)
            second = ABSOLUTE, self.address(y, math.prod(a.shape)), 0
        place = self.followed_by(at, "activate")
        relu = place is not None and self.ops[place].args["activation"] == "relu"
        out = self.like(at, a)
        if relu and place is not None:
            self.absorb(place)
            self.values[self.ops[place].outputs[0]] = out
        rest = *second, _length(a), int(relu)
        self.add(steps.add, a.buffer, out.buffer, *rest, each=len(a.shape) > 1, others=buffers_of(second))

    def run(self) -> None:
        for at, op in enumerate(self.ops):
            if at in self.fused:
                continue
            write = OPERATIONS.get(op.name)
            if write is None or any(number is not None and self.readers[number] for number in op.outputs[1:]):
                raise Unknown
            write(self, at, **op.args)


OPERATIONS: dict[str, Callable[..., None]] = {
    "add": Planner.add_values,
    **{
        name: getattr(Planner, name)
        for name in (
            "conv2d", "dense", "activation", "activate", "running_norm", "scale_channels",
        )
    },
    "attention": rows.attention,
    "avg_pool2d": pixels.avg_pool2d,
    "concat": arranging.concat,
    "conv2d_transposed": transposed.conv2d_transposed,
    "group_norm": rows.group_norm,
    "local_response_norm": pixels.local_response_norm,
    "max": pixels.largest,
    "max_pool2d": pixels.max_pool2d,
    "mean": pixels.mean,
    "pad": pixels.pad,
    "permute": arranging.permute,
    "repeat2d": arranging.repeat2d,
    "reshape": arranging.reshape,
    "softmax": pixels.softmax,
    "slice": arranging.slice_,
    "zeros_like": arranging.zeros_like,
}  # fmt: skip
