"""The table that `model.summary()` prints."""

from __future__ import annotations

from xpnet.backend import Array
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

    def see(layer: Layer, y: Array) -> None:
        again = id(layer) in seen
        seen.add(id(layer))
        count = 0 if again else sum(p.size for p in layer.parameters())
        name = f"{paths.get(id(layer)) or '-'} ({type(layer).__name__})" + (" again" if again else "")
        rows.append((name, str(("N", *y.shape[1:])).replace("'", ""), f"{count:,}"))

    with watched(model, see):
        model(*(model.backend.zeros((1, *shape), model.dtype) for shape in model.input_shapes))
    trained = sum(p.size for p in model.parameters() if p.trainable)
    fixed = sum(p.size for p in model.parameters() if not p.trainable)
    header = ("layer", "output", "parameters")
    first, second, third = (max(len(row[i]) for row in (header, *rows)) for i in range(3))
    lines = [f"{name:<{first}}  {shape:<{second}}  {count:>{third}}" for name, shape, count in (header, *rows)]
    rule = "-" * len(lines[0])
    inputs = " and ".join(f"(N, {', '.join(map(str, shape))})" for shape in model.input_shapes)
    title = f"{model.name or type(model).__name__}, input {inputs}"
    total = f"{trained + fixed:,} parameters, {trained:,} of them trainable"
    return "\n".join([title, rule, lines[0], rule, *lines[1:], rule, total])
