"""Graphs of core/trace.py that are written by hand, and what the reference makes of them."""

from typing import Any

import numpy as np

from tests.kit.strategies import integers, normal
from xpnet.backend import Backend
from xpnet.backend.window import Window
from xpnet.core.parameter import Parameter
from xpnet.core.trace import Op, Value

REFERENCE = Backend()


class Net:
    """A graph that is written by hand, and what the reference makes of it."""

    def __init__(self, *shape: int) -> None:
        self.ops: list[Op] = []
        self.shapes, self.dtypes, self.output = [(1, *shape)], ["float32"], 0

    @property
    def value(self) -> Value:
        return Value(self.output)

    def then(self, op: str, **args: Any) -> Value:
        """One more operation, of the value before it unless it is told."""
        if not any(isinstance(arg, Value) for arg in args.values()) and op != "concat":
            args = {"y" if op == "activate" else "x": self.value, **args}
        rows = [np.zeros(shape, np.float32) for shape in self.shapes]
        result = self.perform(op, args, rows)
        several = result if isinstance(result, tuple) else (result,)
        numbers: list[int | None] = []
        for each in several:
            if isinstance(each, np.ndarray):
                self.shapes.append(each.shape)
                self.dtypes.append("float32")
            numbers.append(len(self.shapes) - 1 if isinstance(each, np.ndarray) else None)
        self.ops.append(Op(op, args, tuple(numbers)))
        self.output = numbers[0] or 0
        return self.value

    def perform(self, op: str, args: dict[str, Any], arrays: list[Any]) -> Any:
        def array(arg: Any) -> Any:
            if isinstance(arg, Value):
                return arrays[arg.number]
            if isinstance(arg, tuple) and arg and all(isinstance(each, Value) for each in arg):
                return tuple(map(array, arg))
            return arg.value if isinstance(arg, Parameter) else arg

        a = {name: array(arg) for name, arg in args.items()}
        if op == "add":
            return a["x"] + a["y"]
        if op == "concat":
            return np.concatenate(a["xs"], axis=a["axis"])
        if op == "reshape":
            return a["x"].reshape(-1, *a["shape"][1:])
        if op == "max":
            return np.max(a["x"], axis=a["axis"])
        if op == "slice":
            return a["x"][a["index"]]
        if op in ("permute", "zeros_like"):
            return np.zeros_like(a["x"]) if op == "zeros_like" else np.transpose(a["x"], a["axes"])
        if op == "activation":
            return REFERENCE.activation(a["x"], a["name"], *a["constants"])
        return getattr(REFERENCE, op)(**a)

    def expected(self, x: np.ndarray) -> np.ndarray:
        arrays: list[Any] = [x] + [None] * len(self.shapes)
        with np.errstate(all="ignore"):
            for op in self.ops:
                result = self.perform(op.name, op.args, arrays)
                for number, each in zip(op.outputs, result if isinstance(result, tuple) else (result,), strict=True):
                    if number is not None:
                        arrays[number] = each
        return np.asarray(arrays[self.output])


def learned(*shape: int, seed: int, whole: bool = False) -> Parameter:
    return Parameter(integers(shape, seed, "float32") if whole else normal(shape, seed, "float32"))


def small(channels: int = 3) -> Net:
    """Something of everything: convolutions with and without a margin, a normalization, a shortcut, dense layers."""
    net = Net(channels, 13, 11)
    margin = Window((3, 3), padding=((1, 1), (1, 1)))
    conv(net, 10, margin, 1, activation="relu")
    kept = conv(net, 10, Window((3, 3)), 2)
    norm(net, 10, 3)
    net.then("activate", activation="relu")
    conv(net, 10, margin, 4, groups=2)
    norm(net, 10, 5)
    net.then("add", x=kept, y=net.value)
    net.then("activate", activation="relu")
    net.then("max_pool2d", window=Window((2, 2), (2, 2)))
    conv(net, 7, Window((3, 3), (2, 2), ((1, 1), (1, 1))), 6)
    net.then("reshape", shape=(1, 7 * 3 * 2))
    dense(net, 50, 7, activation="relu")
    dense(net, 9, 8)
    return net


def conv(net: Net, O: int, window: Window, seed: int, groups: int = 1, activation: str | None = None) -> Value:
    w = learned(O, net.shapes[net.output][1] // groups, *window.kernel, seed=seed)
    b = learned(O, seed=seed + 100)
    return net.then("conv2d", w=w, b=b, window=window, groups=groups, activation=activation)


def norm(net: Net, C: int, seed: int) -> Value:
    gamma, beta, mean, var = (learned(C, seed=seed + 10 * i) for i in range(4))
    var.value[...] **= 2
    return net.then("running_norm", mean=mean, var=var, gamma=gamma, beta=beta, eps=1e-3)


def dense(net: Net, O: int, seed: int, activation: str | None = None) -> Value:
    w, b = learned(O, net.shapes[net.output][1], seed=seed), learned(O, seed=seed + 100)
    return net.then("dense", w=w, b=b, activation=activation)
