"""What layers, losses, metrics and optimizers call of the array namespace, held against the installed CuPy.

Every function they call while every case of the tests' tables runs on NumPy is written down with its arguments; CuPy
must have a function of that name that takes them. CuPy itself is only looked at, so this needs no device.
"""

import functools
import inspect
from typing import Any

import numpy as np
import pytest

from tests.kit import loss_table, metric_table, optimizer_table, small
from tests.kit.layer_table import CASES
from tests.kit.strategies import normal
from xpnet import metrics
from xpnet.backend import Backend, on_backend
from xpnet.base.nested import mapped
from xpnet.core.parameter import Parameter

Call = tuple[str, int, tuple[str, ...]]  # the function, how many positional arguments, the names of the others

UFUNC_OPTIONS = {"out", "dtype", "casting"}  # what CuPy's universal functions take by name


class Recorder:
    """A namespace that passes everything on and writes down every call."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self.calls: set[Call] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._xp, name)
        if not callable(found) or isinstance(found, type):
            return found

        @functools.wraps(found)
        def call(*args: Any, **options: Any) -> Any:
            self.calls.add((name, len(args), tuple(sorted(options))))
            return found(*args, **options)

        return call


def refusal(xp: Any, call: Call, plain: Any) -> str | None:
    """Why a namespace does not take a call, or None if it does; `plain` is the library that `xp` is a thin layer over.

    A function of that layer which passes unknown keywords on takes only those that the one below it takes.
    """
    name, positional, options = call
    function = getattr(xp, name, None)
    if function is None:
        return f"there is no {name}"
    if hasattr(function, "nin"):
        if not function.nin <= positional <= function.nargs:
            return f"{name} does not take {positional} arguments"
        unknown = set(options) - UFUNC_OPTIONS
        return f"{name} does not take {', '.join(sorted(unknown))}" if unknown else None
    signature = inspect.signature(function)
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(options))
    except TypeError as error:
        return f"{name}: {error}"
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        passed_on = tuple(option for option in options if option not in signature.parameters)
        return refusal(plain, (name, positional, passed_on), plain) if passed_on else None
    return None


@functools.cache
def recorded() -> frozenset[Call]:
    """The calls that every case of the tables makes, forward and backward, training and inference."""
    xp = Recorder(np)
    backend = Backend(xp)
    with on_backend(backend):
        for case in CASES:
            layer = case.layer(backend)
            layer.forward(*case.inputs(backend))
            layer.reset_state(np.array([True, False, True]))
            y, back = layer.forward(*case.inputs(backend), train=True)
            back(mapped(np.ones_like, y))
        for loss_case in loss_table.CASES:
            t, y = loss_case.targets(3, 4, 1), loss_case.outputs(3, 4, 0).astype("float32")
            loss_case.make(4).forward(y, t if t.dtype.kind == "i" else t.astype("float32"), backend)[1]()
        for metric_case in metric_table.CASES:
            metric_case.metric.reset()
            metric_case.metric.update(*metric_case.data(5, 0), backend)
            metric_case.metric.result()
            metric_case.metric.reset()
        for y, t in ((normal((3, 1), 0), np.ones(3)), (normal((3, 2), 0), np.ones((3, 2)))):
            metrics.Accuracy().update(y[:, :1], t.reshape(3, -1)[:, 0], backend)
            metrics.BinaryAccuracy().update(y, t, backend)
        for optimizer, _ in optimizer_table.RULES:
            p = Parameter(normal((3, 4), 0, "float32"), backend=backend)
            p.grad = normal((3, 4), 1, "float32")
            optimizer_table.fresh(optimizer).update([p])
        model = small.normed_network()
        model.fit(*small.clusters(), epochs=2, verbose=0, validation_split=0.2)
        model.evaluate(*small.clusters(), verbose=0)
        model.predict(small.clusters()[0])
    return frozenset(xp.calls)


def test_the_record_is_not_empty() -> None:
    calls = recorded()
    assert {"reshape", "sum", "matmul", "where", "maximum", "exp", "tanh", "concat", "argmax"} <= {c[0] for c in calls}
    assert ("sum", 1, ("axis", "keepdims")) in calls


def test_cupy_has_every_function_and_takes_its_arguments() -> None:
    cupy = pytest.importorskip("cupy", reason='CuPy is not installed: pip install "xpnet[sim]"')
    import array_api_compat.cupy as xp

    refused = {call: why for call in sorted(recorded()) if (why := refusal(xp, call, cupy))}
    assert not refused


WRONG: list[Call] = [
    ("unstack_all", 1, ()),
    ("sum", 1, ("where",)),
    ("max", 1, ("initial",)),
    ("argmax", 1, ("stable",)),
    ("reshape", 1, ()),
    ("zeros", 1, ("like",)),
    ("exp", 1, ("where",)),
    ("exp", 3, ()),
    ("maximum", 1, ()),
]


@pytest.mark.parametrize("call", WRONG, ids=lambda call: f"{call[0]}-{call[1]}-{'-'.join(call[2])}")
def test_a_call_that_cupy_does_not_take_is_refused(call: Call) -> None:
    """The check can fail: NumPy takes most of these."""
    cupy = pytest.importorskip("cupy", reason='CuPy is not installed: pip install "xpnet[sim]"')
    import array_api_compat.cupy as xp

    assert refusal(xp, call, cupy)
