"""Which rows of program.py's table the operations of a network become; inference.py makes the table of them.

Weights are read where they lie, so that whoever writes into them changes the next answer; nothing that follows from
them is kept. What a convolution, a dense layer or a sum gives goes through the normalization and the ReLU behind it
before it is written.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from xpnet.backend.jit import curves, steps
from xpnet.backend.jit.buffers import Buffer, Kind, Row, Shape, View, full
from xpnet.backend.jit.kernels import BYTES, LANES
from xpnet.backend.jit.program import ABSOLUTE, ARENA, INPUT
from xpnet.backend.jit.tiles import CHANNELS, PIXELS
from xpnet.backend.window import Window

Array = Any

CACHED = 1 << 18  # bytes of a convolution's weights that stay in a level-2 cache beside the rest
BESIDE = Window((2, 2), (2, 2))


class Unknown(Exception):
    """The kernel does not have this operation, or not in this form."""


def numbers(args: Iterable[Any]) -> Iterator[int]:
    """Of the values among the arguments, also in tuples of them."""
    for arg in args:
        if hasattr(arg, "number"):
            yield arg.number
        elif isinstance(arg, (tuple, list)):
            yield from numbers(arg)


def _values(args: dict[str, Any]) -> list[Any]:
    """The values among the arguments."""
    found: list[Any] = []
    for arg in args.values():
        several = isinstance(arg, (tuple, list)) and not hasattr(arg, "number")
        found += [each for each in (arg if several else [arg]) if hasattr(each, "number")]
    return found


def _buffers(affine: tuple[Any, ...]) -> tuple[Buffer, ...]:
    return tuple(place[0] for place in affine if isinstance(place, tuple))


def _length(view: View) -> int:
    """Entries from the first to the last, with the gaps between them."""
    return view.shape[0] * view.cs if len(view.shape) == 3 else math.prod(view.shape)


@functools.lru_cache(maxsize=64)
def _filled(size: int, value: float) -> Array:
    return np.full(size, value, np.float32)


def bits(number: float) -> int:
    return int(np.float64(number).view(np.int64))


class Planner:
    """Goes through the operations of a graph, and writes rows."""

    def __init__(self, graph: Any) -> None:
        self.rows: list[Row] = []
        self.norms: list[Row] = []
        self.keep: list[Any] = []  # arrays whose addresses are in the table
        self.work = 0  # multiplications of an image
        self.shapes = [tuple(shape[1:]) for shape in graph.shapes]
        batch = {shape[0] if shape else None for shape in graph.shapes}
        if len(batch) != 1 or any(str(dtype) != "float32" for dtype in graph.dtypes):
            raise Unknown
        self.input = Buffer(math.prod(self.shapes[0]), INPUT)
        self.values = {0: full(self.input, self.shapes[0])}
        self.uses = [0] * len(self.shapes)
        for op in graph.ops:
            for number in numbers(op.args.values()):
                self.uses[number] += 1
        self.uses[graph.output] += 1
        self.ops = list(graph.ops)
        self.fused: set[int] = set()

    # ---- what operations are made of -----------------------------------------------------------------------------

    def value(self, arg: Any) -> View:
        number = getattr(arg, "number", None)
        if number not in self.values:
            raise Unknown
        return self.values[number]

    def compact(self, arg: Any) -> View:
        view = self.value(arg)
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
        self.norms.append(Row(steps.norm, buffer, buffer, (0, *rest), False))
        return ARENA, (buffer, 0), ARENA, (buffer, size)

    def followed_by(self, at: int, name: str) -> int | None:
        """The place of the operation of this name that alone reads what the operation at `at` gives."""
        number = self.ops[at].outputs[0]
        if self.uses[number] != 1:
            return None
        later = (i for i in range(at + 1, len(self.ops)) if number in numbers(self.ops[i].args.values()))
        place = next(later, None)
        return place if place is not None and self.ops[place].name == name else None

    def take_over(self, at: int, activation: str | None) -> tuple[Any, int, int]:
        """The batch normalization and ReLU right behind: the norm or None, whether there is a ReLU, and the last."""
        norm, relu = None, activation == "relu"
        if activation not in (None, "relu"):
            raise Unknown
        if not relu and (place := self.followed_by(at, "running_norm")) is not None:
            norm, at = self.ops[place], place
            self.fused.add(place)
        if not relu and (place := self.followed_by(at, "activate")) is not None:
            relu, at = self.ops[place].args["activation"] == "relu", place
            self.fused.add(place)
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
            self.product(self.compact(x), w, K, O, affine, relu, number)
            return
        buffer, cs, rs, places = self.taps(view, window, (OH, OW))
        vectors = -(-((OH - 1) * rs + OW) // LANES)
        offsets = (np.arange(CG)[:, None] * cs + places).reshape(-1) * BYTES
        out = View(Buffer(O * vectors * LANES), (O, OH, OW), vectors * LANES, rs)
        largest = next(size for size in CHANNELS if size <= O // groups)
        together = max(largest, CACHED // (BYTES * K) // largest * largest)
        self.add(
            steps.convolution, buffer, out.buffer, self.array(w).ctypes.data, *affine, relu,
            self.constant(offsets.astype(np.int64)), K, groups, O // groups, CG * cs * BYTES, out.cs * BYTES, vectors,
            PIXELS[largest], together, others=_buffers(affine),
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
        view = self.compact(x)
        norm, relu, number = self.take_over(at, activation)
        O, K = self.array(w).shape
        if view.shape != (K,):
            raise Unknown
        self.work += O * K
        self.product(view, w, K, O, self.affine(b, O, norm), relu, number)

    def product(self, x: View, w: Any, K: int, O: int, affine: tuple[Any, ...], relu: int, number: int) -> None:
        out = full(Buffer(O), self.shapes[number])
        rest = self.array(w).ctypes.data, *affine, relu, K, O
        self.add(steps.dense, x.buffer, out.buffer, *rest, each=False, others=_buffers(affine))
        self.values[number] = out

    def max_pool2d(self, at: int, x: Any, window: Window) -> None:
        self.pool(at, self.value(x), window, steps.max_pool)

    def avg_pool2d(self, at: int, x: Any, window: Window) -> None:
        self.pool(at, self.value(x), window, steps.avg_pool)

    def pool(self, at: int, view: View, window: Window, kind: Kind) -> None:
        C, H, W = view.shape
        OH, OW = window.output_size((H, W))
        out = self.result(at, (C, OH, OW))
        if kind == steps.max_pool and window == BESIDE and view.buffer.base == ARENA:
            kind = steps.pool2
        geometry = *window.kernel, *window.stride, *window.dilation, *(pads[0] for pads in window.padding)
        self.add(kind, view.buffer, out.buffer, C, H, W, view.cs * BYTES, view.rs * BYTES, OH, OW, *geometry)

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
        view = self.value(x) if self.value(x).buffer.base == ARENA else self.compact(x)
        out = self.like(at, view)
        constants = tuple(bits(constant) for constant in constants)
        kernel = functools.partial(curves.activation, curves.NAMES.index(name))
        rest = _length(view), *constants
        self.add(kernel, view.buffer, out.buffer, *rest, each=len(view.shape) == 3)

    def activate(self, at: int, y: Any, activation: Any) -> None:
        if activation is None:
            self.values[self.ops[at].outputs[0]] = self.value(y)
        else:
            self.activation(at, y, activation)

    def running_norm(self, at: int, **args: Any) -> None:
        op, view = self.ops[at], self.value(args["x"])
        place = self.followed_by(at, "activate")
        relu = place is not None and self.ops[place].args["activation"] == "relu"
        out = self.like(at, view)
        if relu and place is not None:
            self.fused.add(place)
            self.values[self.ops[place].outputs[0]] = out
        C = view.shape[0]
        affine = self.affine(None, C, op)
        rest = C, *affine, view.entries if len(view.shape) == 3 else math.prod(view.shape[1:]), int(relu)
        each = len(view.shape) == 3
        self.add(steps.scale_channels, view.buffer, out.buffer, *rest, each=each, others=_buffers(affine))

    def scale_channels(self, at: int, x: Any, slope: Any, shift: Any) -> None:
        view = self.value(x)
        C, out = view.shape[0], self.like(at, view)
        places = ABSOLUTE, self.address(slope, C), *self.affine(shift, C, None)[2:]
        entries = view.entries if len(view.shape) == 3 else math.prod(view.shape[1:])
        self.add(steps.scale_channels, view.buffer, out.buffer, C, *places, entries, 0, each=len(view.shape) == 3)

    def add_values(self, at: int, **args: Any) -> None:
        one, other = _values(args)
        a, b = self.value(one), self.value(other)
        if a.shape != b.shape:
            raise Unknown
        if a[1:] != b[1:]:
            a, b = self.compact(one), self.compact(other)
        place = self.followed_by(at, "activate")
        relu = place is not None and self.ops[place].args["activation"] == "relu"
        out = self.like(at, a)
        if relu and place is not None:
            self.fused.add(place)
            self.values[self.ops[place].outputs[0]] = out
        rest = b.buffer.base, (b.buffer, 0), (b.buffer,), _length(a), int(relu)
        self.add(steps.add, a.buffer, out.buffer, *rest, each=len(a.shape) == 3, others=(b.buffer,))

    def concat(self, at: int, **args: Any) -> None:
        first, views = 0, [self.value(each) for each in _values(args)]
        out = self.result(at)
        if args.get("axis", 1) not in (1, -len(out.shape)) or any(view.shape[1:] != out.shape[1:] for view in views):
            raise Unknown
        for view in views:
            self.copy(view, out.buffer, out, first * BYTES)
            first += math.prod(view.shape)

    def reshape(self, at: int, x: Any, **_: Any) -> None:
        number = self.ops[at].outputs[0]
        shape, view = self.shapes[number], self.compact(x)
        if math.prod(shape) != math.prod(view.shape):
            raise Unknown
        self.values[number] = full(view.buffer, shape)

    def mean(self, at: int, x: Any, axis: Any, keepdims: bool = False) -> None:
        view = self.value(x)
        spatial = tuple(range(2, len(view.shape) + 1))
        if len(view.shape) not in (2, 3) or tuple(np.atleast_1d(axis) % (len(view.shape) + 1)) != spatial:
            raise Unknown
        (C, *_, L), cs, rs = view.shape, view.cs or view.shape[-1], view.rs
        H = view.shape[1] if len(view.shape) == 3 else 1
        self.add(steps.mean, view.buffer, self.result(at).buffer, C, H, L, cs * BYTES, rs * BYTES)

    def pad(self, at: int, x: Any, padding: Any, value: float = 0.0) -> None:
        view, out = self.value(x), self.result(at)
        (top, _), (left, _) = padding
        self.add(
            steps.pad, view.buffer, out.buffer, *view.shape, view.cs * BYTES, view.rs * BYTES, top, left,
            *out.shape[1:], 1, 1, self.constant(np.zeros((1, 2), np.int64)), 1, bits(value), out.cs,
        )  # fmt: skip

    def softmax(self, at: int, x: Any, axis: int = 1) -> None:
        view = self.value(x)
        if len(view.shape) != 1 or axis not in (1, -1):
            raise Unknown
        self.add(steps.softmax, view.buffer, self.result(at).buffer, *view.shape, each=False)

    def local_response_norm(self, at: int, x: Any, size: int, alpha: float, beta: float, k: float) -> None:
        view = self.value(x)
        if len(view.shape) != 3:
            raise Unknown
        out = self.like(at, view)
        rest = view.shape[0], view.cs, size, *map(bits, (alpha / size, beta, k))
        self.add(steps.local_response_norm, view.buffer, out.buffer, *rest)

    def run(self) -> None:
        for at, op in enumerate(self.ops):
            if at in self.fused:
                continue
            write = OPERATIONS.get(op.name)
            if write is None or (len(op.outputs) > 1 and any(n is not None and self.uses[n] for n in op.outputs[1:])):
                raise Unknown
            write(self, at, **op.args)


OPERATIONS: dict[str, Callable[..., None]] = {
    "add": Planner.add_values,
    **{
        name: getattr(Planner, name)
        for name in (
            "conv2d", "dense", "max_pool2d", "avg_pool2d", "activation", "activate", "running_norm", "scale_channels",
            "concat", "reshape", "mean", "pad", "softmax", "local_response_norm",
        )
    },
}  # fmt: skip
