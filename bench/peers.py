"""The networks of the benches, ready to run on random data: in xpnet, and in what it is measured against.

Each maker returns a Step, which does one training step (forward, loss, backward, Adam), or one inference, on the next
of some batches, the same ones in the same order for all peers. Training ends with the loss as a Python number,
inference with the scores. PyTorch's stand in torch_peers.py, ONNX Runtime's in onnx_peers.py.
"""

import os
from collections.abc import Callable
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import paths  # noqa: F401
import textbook

import xpnet
from xpnet import layers, networks
from xpnet.model import Model
from xpnet.networks.mobilenet import convolution


class Step(NamedTuple):
    """`run` makes a step and returns the loss or the scores. `restart`, of training, puts back the first weights and an
    Adam that has seen nothing, so that no peer trains for so long that its moments become denormal numbers.
    """

    run: Callable[[], Any]
    restart: Callable[[], Any] | None = None


BATCHES = 64  # different ones, that a step takes in turn
BATCH = {
    "mlp": 32, "lenet5": 64, "simpleconvnet": 100, "deepconvnet": 100, "vgg": 64,
    "resnet20": 64, "mobilenet": 64, "lstm": 64, "gpt": 16, "dcgan": 64,
}  # fmt: skip
VGG = (32, 64, 128)  # filters of the blocks
MOBILENET = ((32, 16, 1, 1), (16, 24, 2, 6), (24, 24, 1, 6), (24, 24, 1, 6))  # maps, filters, stride and expansion
GPT = {"vocabulary": 65, "context": 64, "layers": 4, "width": 128, "heads": 4}
TEXTBOOK = {
    "mlp": textbook.mlp,
    "lenet5": textbook.lenet5,
    "simpleconvnet": textbook.simple_conv_net,
    "deepconvnet": textbook.deep_conv_net,
}
KERAS = (*TEXTBOOK, "vgg")
DRAWS = ("deepconvnet", "dcgan")  # dropout and noise in training: no two libraries draw the same
NOISE = 100  # numbers that a GAN draws an image from
SHAPES = {"vgg": (3, 32, 32), "resnet20": (3, 32, 32), "mobilenet": (3, 32, 32), "lstm": (28, 28)}


def shape(network: str) -> tuple[int, ...]:
    """Of a sample."""
    return SHAPES.get(network, (1, 28, 28))


def data(batch: int, network: str = "mlp", seed: int = 0) -> tuple[np.ndarray, ...]:
    """What a training step takes, all noise: samples and labels, a text and the same one letter on, or images alone."""
    rng = np.random.default_rng(seed)
    if network == "gpt":
        text = rng.integers(0, GPT["vocabulary"], (batch, GPT["context"] + 1))
        return text[:, :-1].copy(), text[:, 1:].copy()
    x = rng.random((batch, *shape(network)), dtype=np.float32)
    return (2 * x - 1,) if network == "dcgan" else (x, rng.integers(0, 10, batch))


def inputs(batch: int, network: str, seed: int = 0) -> np.ndarray:
    """What an inference takes: samples, or the noise that images are drawn from."""
    if network == "dcgan":
        return np.random.default_rng(seed).standard_normal((batch, NOISE), np.float32)
    return data(batch, network, seed)[0]


def many(batch: int, network: str, train: bool, count: int = BATCHES) -> list[tuple[np.ndarray, ...]]:
    """Batches of `data`, or of `inputs` alone."""
    return [data(batch, network, seed) if train else (inputs(batch, network, seed),) for seed in range(count)]


def differ(a: Any, b: Any) -> float:
    """How far apart two results are, relative to the largest entry; infinite with other shapes, or not a number."""
    a, b = (np.asarray(each, np.float64) for each in (a, b))
    if a.shape != b.shape:
        return float("inf")
    gap = float(abs(a - b).max() / max(abs(a).max(), 1e-30))
    return gap if np.isfinite(gap) else float("inf")


# ---- xpnet ---------------------------------------------------------------------------------------------------------


def vgg() -> Model:
    """Blocks of two 3x3 convolutions and a pooling, after Simonyan and Zisserman (2015), for images of 32x32x3."""
    parts: list[Any] = []
    for filters in VGG:
        parts += [layers.Conv2D(filters, 3, padding=1, activation="relu") for _ in range(2)] + [layers.MaxPool2D(2)]
    model = xpnet.Sequential([*parts, layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10)])
    model.build(shape("vgg"))
    return model


def mobilenet() -> Model:
    """The first blocks of MobileNetV2 (Sandler et al., 2018) behind a convolution of stride 1, for images of 32x32x3:
    one without expansion, one of stride 2 and two with a shortcut, of 96 and 144 maps inside.
    """
    first, blocks = convolution(MOBILENET[0][0], 3, layers.ReLU6()), [networks.InvertedResidual(*m) for m in MOBILENET]
    model = xpnet.Sequential([*first, *blocks, layers.GlobalAvgPool2D(), layers.Dense(10)])
    model.build(shape("mobilenet"))
    return model


def xpnet_network(network: str) -> Model:
    makers = {
        "mlp": networks.MLP,
        "lenet5": networks.LeNet5,
        "simpleconvnet": networks.SimpleConvNet,
        "deepconvnet": networks.DeepConvNet,
        "vgg": vgg,
        "resnet20": networks.ResNet20,
        "mobilenet": mobilenet,
        "lstm": networks.RecurrentClassifier,
        "gpt": lambda: networks.GPT(**GPT, dropout=0.0),
        "dcgan": lambda: networks.DCGAN(NOISE),
    }
    xpnet.seed(0)
    return makers[network]()


def xpnet_step(network: str, batch: int, train: bool = True, count: int = BATCHES) -> Step:
    return step_of(xpnet_network(network), network, batch, train, count)


def step_of(model: Model, network: str, batch: int, train: bool = True, count: int = BATCHES) -> Step:
    """A training step of the model, or an inference by `predict`, which takes and gives NumPy's arrays."""
    batches = cycle(many(batch, network, train, count))
    if not train:
        return Step(lambda: model.predict(*next(batches)))
    if not model.has_own_step:
        model.compile("adam")
    step, weights, parameters = model.make_step(), model.get_weights(), dict(model.named_parameters())
    fresh = [(optimizer, optimizer.get_state(parameters)) for _, optimizer in model.named_optimizers()]

    def train_step() -> float:
        logs = step(model.backend.batch(next(batches), model.dtype), "the benchmark")
        return sum(map(float, logs.values()))  # the one loss, or those of both networks

    def restart() -> None:
        model.set_weights(weights)
        for optimizer, state in fresh:
            optimizer.set_state(state, parameters)

    return Step(train_step, restart)


# ---- a textbook ----------------------------------------------------------------------------------------------------


def textbook_step(network: str, batch: int) -> Step:
    """In float64, whose moments take thousands of steps to become denormal."""
    model, batches = TEXTBOOK[network](), cycle(many(batch, network, train=True))
    return Step(lambda: float(model.train_step(*next(batches))))


# ---- Keras 3 -------------------------------------------------------------------------------------------------------


def keras_step(network: str, batch: int, train: bool = True) -> Step:
    """On KERAS_BACKEND, by default JAX, the fastest of its backends on these networks; compiled."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    batches = [(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), *t) for x, *t in many(batch, network, train)]
    model = keras.Sequential([keras.Input(batches[0][0].shape[1:]), *keras_layers(network)])  # Keras's order on a CPU
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=keras.backend.backend() == "jax")
    turns = cycle(batches)
    if not train:
        return Step(lambda: model.predict_on_batch(*next(turns)))
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    first = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]

    def restart() -> None:
        for variable, value in zip(variables, first, strict=True):
            variable.assign(value)

    return Step(lambda: float(model.train_on_batch(*next(turns))), restart)


def keras_layers(network: str) -> list[Any]:
    from keras import layers as k

    if network == "mlp":
        return [k.Flatten(), k.Dense(128, "relu"), k.Dense(10)]
    if network == "simpleconvnet":
        return [k.Conv2D(30, 5, activation="relu"), k.MaxPool2D(), k.Flatten(), k.Dense(100, "relu"), k.Dense(10)]
    if network == "lenet5":
        first = [k.Conv2D(6, 5, padding="same", activation="relu"), k.MaxPool2D()]
        second = [k.Conv2D(16, 5, activation="relu"), k.MaxPool2D(), k.Flatten()]
        return [*first, *second, k.Dense(120, "relu"), k.Dense(84, "relu"), k.Dense(10)]
    parts: list[Any] = []
    for filters, padding in [(f, 1) for f in VGG] if network == "vgg" else [(16, 1), (32, 2), (64, 1)]:
        parts += [k.Conv2D(filters, 3, padding="same", activation="relu"), k.ZeroPadding2D(padding)]
        parts += [k.Conv2D(filters, 3, activation="relu"), k.MaxPool2D()]
    if network == "vgg":
        return [*parts, k.Flatten(), k.Dense(128, "relu"), k.Dense(10)]
    return [*parts, k.Flatten(), k.Dense(50, "relu"), k.Dropout(0.5), k.Dense(10), k.Dropout(0.5)]
