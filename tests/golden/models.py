"""The models that the golden files hold; as a program, it writes those that are not there.

Between them they name every class that a file of version 0.1 may name.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Layer, Model, Sequential, layers, losses, metrics, networks, optimizers, regularizers, schedules
from xpnet.data import one_hot
from xpnet.initializers import HeNormal, HeUniform, Normal, XavierNormal, XavierUniform

HERE = Path(__file__).parent
ANSWERS = HERE / "models.json"
RATES_AT = (0, 1, 5, 40)  # the steps whose learning rates are written down


class Joined(Model):
    """Layers side by side, and one that joins what they give: a class of the user's own."""

    def __init__(self, branches: Sequence[Layer], join: Layer, name: str | None = None) -> None:
        super().__init__(name)
        self.branches, self.join = list(branches), join

    def call(self, x: Any) -> Any:
        return self.join(*(branch(x) for branch in self.branches))


def inputs(shape: tuple[int, ...], N: int = 6) -> np.ndarray:
    """(N, *shape), of numbers that no version of a random generator can change."""
    size = N * int(np.prod(shape))
    return (np.arange(size) * 7919 % 101 / 50 - 1).astype(np.float32).reshape(N, *shape)


# ---- the models ------------------------------------------------------------------------------------------------------


def every_layer() -> Sequential:
    """Of one input, as version 0.1 had them: this stays as it is, as the files do, whatever layers come."""
    inner = [
        layers.Conv2D(4, (3, 2), (2, 1), ((1, 2), (0, 3)), (1, 2), 2, False, layers.LeakyReLU(0.2), 0.05, "odd"),
        layers.MaxPool2D((3, 2), (1, 2), ((1, 0), (0, 1))), layers.BatchNorm2D(0.3, 1e-3),
        layers.LocalResponseNorm(3, 0.5, 0.6, 2.0),
    ]  # fmt: skip
    return Sequential(
        [
            layers.Conv2D(2, 3, padding="same", activation="tanh", initializer="xavier_uniform"),
            networks.TableConv2D(((0,), (1, 0), (0, 1), (1,)), 2), networks.Subsampling("halved"),
            Sequential(inner, name="inner"), layers.ReLU(), layers.AvgPool2D(2, 1, 1), layers.Dropout(0.2),
            layers.GlobalAvgPool2D(), layers.Sigmoid(), layers.Tanh(1.5, 0.5), layers.BatchNorm1D(),
            layers.LeakyReLU(0.3), layers.Flatten(), layers.LogSoftmax(-1), layers.Softmax(-1),
            layers.Dense(3, False, "sigmoid", "normal", "last"),
        ]
    )  # fmt: skip


def joined() -> Sequential:
    """Layers of several inputs, and one layer that stands in two places."""
    shared = layers.Dense(4, activation="sigmoid")
    added = Joined([shared, layers.Dense(4)], layers.Add(), "added")
    averaged = Joined([shared, layers.Dense(4)], layers.Average(), "averaged")
    return Sequential([layers.Flatten(), Joined([added, averaged, layers.Dense(2)], layers.Concat()), layers.Dense(3)])


def drawn() -> Sequential:
    """Every initializer and regularizer as an object, in float64; the first layer is frozen."""
    model = Sequential(
        [
            layers.Flatten(), layers.Dense(5, initializer=Normal(0.3), regularizer=regularizers.L1(1e-3)),
            layers.Dense(5, initializer=HeNormal(), regularizer=regularizers.L2(1e-3)),
            layers.Dense(5, initializer=HeUniform(), regularizer=regularizers.L1L2(1e-3, 1e-4)),
            layers.Dense(5, initializer=XavierNormal(), regularizer="l2"), layers.Dense(3, initializer=XavierUniform()),
        ]
    )  # fmt: skip
    model.layers[1].trainable = False
    return model.astype("float64")


def compiled(model: Model, shape: tuple[int, ...], optimizer: Any, loss: Any, *counted: Any) -> Model:
    model.compile(optimizer, loss, counted)
    model.build(shape)
    return model


SMALL, LEAST = (1, 8, 8), (1, 12, 12)  # LeNet5 takes no smaller images than these

MODELS: dict[str, Callable[[], Model]] = {
    "mlp": lambda: compiled(
        networks.MLP(3, (6, 5), SMALL, "perceptron"), SMALL,
        optimizers.SGD(schedules.Step(0.1, 30, 0.5), 0.5), losses.SoftmaxCrossEntropy(0.1), "acc", metrics.TopK(2),
    ),
    "lenet5": lambda: compiled(
        networks.LeNet5(3, input_shape=LEAST), LEAST,
        optimizers.Momentum(schedules.Exponential(0.01, 0.9, 3), 0.8), "softmax_cross_entropy", "accuracy",
    ),
    "lenet5-1998": lambda: compiled(
        networks.LeNet5(3, "1998", LEAST), LEAST,
        optimizers.Nesterov(schedules.Cosine(0.01, 50, 1e-4), clip_norm=1.0), losses.MeanSquaredError(), "accuracy",
    ),
    "simpleconvnet": lambda: compiled(
        networks.SimpleConvNet(3, 2, 5, SMALL), SMALL,
        optimizers.AdaGrad(schedules.Constant(0.02), 1e-9), "softmax_cross_entropy", "top_2_accuracy",
    ),
    "deepconvnet": lambda: compiled(
        networks.DeepConvNet(3, 0.3, False, SMALL), SMALL,
        optimizers.RMSProp(schedules.OneCycle(0.01, 60, 0.4), 0.9, 1e-6, 1e-4), "softmax_cross_entropy", "accuracy",
    ),
    "multicolumn": lambda: compiled(
        networks.MultiColumn(3, 2, (2, 3), 4, 0.1, SMALL), SMALL,
        optimizers.Adam(schedules.Warmup(schedules.Cosine(0.01, 30), 5, 1e-3), 0.8), "negative_log_likelihood",
        "accuracy", metrics.ConfusionMatrix(3),
    ),
    "every-layer": lambda: compiled(
        every_layer(), LEAST, optimizers.AdamW(0.02, 0.8, 0.95, 1e-6, 0.1, 2.0), losses.MeanSquaredError(), "accuracy",
    ),
    "joined": lambda: compiled(
        joined(), (5,), optimizers.Adam(0.01), losses.BinaryCrossEntropyWithLogits(0.2), "accuracy",
    ),
    "drawn": lambda: compiled(
        drawn(), (2, 3), optimizers.SGD(0.1), "softmax_cross_entropy", "accuracy",
    ),
}  # fmt: skip


# ---- what they answer ------------------------------------------------------------------------------------------------


def train(model: Model, steps: int = 3) -> None:
    x = inputs(model.input_shape).astype(model.dtype)
    t = np.arange(len(x)) % 3
    rows = isinstance(model.loss, (losses.MeanSquaredError, losses.BinaryCrossEntropyWithLogits))
    for _ in range(steps):
        model.train_on_batch(x, one_hot(t, 3) if rows else t)


def plain(configured: Any) -> dict[str, Any]:
    """The class of an object and those of its settings that are numbers or strings; objects among them likewise."""
    found: dict[str, Any] = {"class": type(configured).__name__}
    for name, value in configured.config().items():
        if isinstance(value, (type(None), bool, int, float, str)):
            found[name] = value
        elif hasattr(value, "config"):
            found[name] = plain(value)
    return found


def answers(model: Model) -> dict[str, Any]:
    """All that a loaded model must have and do."""
    rate = model.optimizer.lr
    return {
        "class": type(model).__name__,
        "name": model.config()["name"],
        "input_shape": list(model.input_shape),
        "dtype": model.dtype,
        "layers": {path: type(layer).__name__ for path, layer in model.named_layers()},
        "parameters": {name: list(p.shape) for name, p in model.named_parameters()},
        "frozen": [name for name, p in model.named_parameters() if not p.trainable],
        "optimizer": plain(model.optimizer),
        "rates": [rate(step) if isinstance(rate, schedules.Schedule) else rate for step in RATES_AT],
        "loss": plain(model.loss),
        "metrics": [metric.name for metric in model.metrics],
        "outputs": model.predict(inputs(model.input_shape).astype(model.dtype)).tolist(),
    }


def main() -> None:
    known = json.loads(ANSWERS.read_text(encoding="utf-8")) if ANSWERS.exists() else {}
    with xpnet.use_backend("reference"):
        for name, make in MODELS.items():
            if name in known:
                continue
            xpnet.seed(7)
            model = make()
            train(model)
            model.save(HERE / f"{name}.safetensors")
            known[name] = answers(model)
    lines = (f" {json.dumps(name)}: {json.dumps(answer)}" for name, answer in known.items())
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
