"""The table that `model.summary()` prints."""

from __future__ import annotations

from typing import Any

from xpnet.base.nested import as_several
from xpnet.core.carried import states_set_aside
from xpnet.core.declare import Shape
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.core.watch import watched
from xpnet.errors import OptionError


def summary(model: Network) -> str:
    """A table: each layer in the order of its use, with its output's shape and its own parameters.

    Raises OptionError for a model that is not built: without the shape of its input no output has one.
    """
    if not model.input_shapes:
        raise OptionError(
            "the model is not built yet: call model.build(shape) with the shape of one sample, or train it first"
        )
    paths = {id(layer): path for path, layer in model.named_layers()}
    rows: list[tuple[str, str, str]] = []
    seen: set[int] = set()

    def see(layer: Layer, y: Any) -> None:
        again = id(layer) in seen
        seen.add(id(layer))
        count = 0 if again else sum(p.size for p in layer.parameters())
        name = f"{paths.get(id(layer)) or '-'} ({type(layer).__name__})" + (" again" if again else "")
        rows.append((name, ", ".join(of_batch(tuple(each.shape[1:])) for each in as_several(y)), f"{count:,}"))

    inputs = list(zip(model.input_shapes, model.input_dtypes, strict=True))
    with watched(model, see), states_set_aside(model):
        model(*(model.backend.zeros((1, *shape), dtype) for shape, dtype in inputs))
    trained = sum(p.size for p in model.parameters() if p.trainable)
    fixed = sum(p.size for p in model.parameters() if not p.trainable)
    header = ("layer", "output", "parameters")
    first, second, third = (max(len(row[i]) for row in (header, *rows)) for i in range(3))
    lines = [f"{name:<{first}}  {shape:<{second}}  {count:>{third}}" for name, shape, count in (header, *rows)]
    rule = "-" * len(lines[0])
    taken = " and ".join(of_batch(shape) + " of integers" * (dtype != model.dtype) for shape, dtype in inputs)
    title = f"{model.name or type(model).__name__}, input {taken}"
    total = f"{trained + fixed:,} parameters, {trained:,} of them trainable"
    return "\n".join([title, rule, lines[0], rule, *lines[1:], rule, total])


def of_batch(shape: Shape) -> str:
    """The shape with its batch: (N, 3, 4), or (N,)."""
    return f"({', '.join(map(str, ('N', *shape)))}{',' * (not shape)})"
