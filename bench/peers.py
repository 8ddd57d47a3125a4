"""The networks of the benches, ready to run on random images: in xpnet, and in what it is measured against.

Each maker returns a function that does one training step (forward, loss, backward, Adam), or one inference, on the
batch it was made with. Training ends with the loss as a Python number, inference with the scores.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import paths  # noqa: F401
import textbook

import xpnet
from xpnet import layers, networks
from xpnet.model import Model

Step = Callable[[], Any]

BATCH = {"mlp": 32, "lenet5": 64, "simpleconvnet": 100, "deepconvnet": 100, "vgg": 64}
VGG = (32, 64, 128)  # filters of the blocks


def shape(network: str) -> tuple[int, int, int]:
    return (3, 32, 32) if network == "vgg" else (1, 28, 28)


def data(batch: int, network: str = "mlp") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((batch, *shape(network)), dtype=np.float32), rng.integers(0, 10, batch)


# ---- xpnet ---------------------------------------------------------------------------------------------------------


def vgg() -> Model:
    """Blocks of two 3x3 convolutions and a pooling, after Simonyan and Zisserman (2015), for images of 32x32x3."""
    parts: list[Any] = []
    for filters in VGG:
        parts += [layers.Conv2D(filters, 3, padding=1, activation="relu") for _ in range(2)] + [layers.MaxPool2D(2)]
    model = xpnet.Sequential([*parts, layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10)])
    model.build(shape("vgg"))
    return model


def xpnet_network(network: str) -> Model:
    makers = {
        "mlp": networks.MLP,
        "lenet5": networks.LeNet5,
        "simpleconvnet": networks.SimpleConvNet,
        "deepconvnet": networks.DeepConvNet,
        "vgg": vgg,
    }
    xpnet.seed(0)
    return makers[network]()


def xpnet_step(network: str, batch: int, train: bool = True) -> Step:
    model, (x, t) = xpnet_network(network), data(batch, network)
    model.compile("adam")
    if not train:
        inputs = model.backend.asarray(x)
        return lambda: model(inputs)
    step = model.make_step()
    return lambda: float(step(model.backend.batch((x, t), model.dtype), "the benchmark")["loss"])


# ---- a textbook ----------------------------------------------------------------------------------------------------


def textbook_step(network: str, batch: int) -> Step:
    makers = {
        "mlp": textbook.mlp,
        "lenet5": textbook.lenet5,
        "simpleconvnet": textbook.simple_conv_net,
        "deepconvnet": textbook.deep_conv_net,
    }
    if network not in makers:
        raise SystemExit(f"compare: the textbook has no {network}; choose of {', '.join(makers)} with --networks")
    model, (x, t) = makers[network](), data(batch)
    return lambda: float(model.train_step(x, t))


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def torch_step(network: str, batch: int, channels_last: bool, train: bool = True) -> Step:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model, (x, t) = torch_network(network), data(batch, network)
    form = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=form).train(train)
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    inputs, targets = torch.tensor(x).to(memory_format=form), torch.tensor(t)

    def infer() -> Any:
        with torch.inference_mode():
            return model(inputs)

    def step() -> float:
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step if train else infer


def torch_network(network: str) -> Any:
    """The same network, layer by layer, in PyTorch."""
    from torch import nn

    if network == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if network == "simpleconvnet":
        first = [nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        return nn.Sequential(*first, nn.Linear(4320, 100), nn.ReLU(), nn.Linear(100, 10))
    if network == "lenet5":
        first = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
        return nn.Sequential(*first, *second, *dense)
    blocks: list[nn.Module] = []
    plan = [(f, 1) for f in VGG] if network == "vgg" else [(16, 1), (32, 2), (64, 1)]
    channels = shape(network)[0]
    for filters, padding in plan:
        blocks += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        blocks += [nn.Conv2d(filters, filters, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    if network == "vgg":
        return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10))
    dense = [nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 10), nn.Dropout()]
    return nn.Sequential(*blocks, *dense)


# ---- Keras 3 -------------------------------------------------------------------------------------------------------


def keras_step(network: str, batch: int, train: bool = True) -> Step:
    """On KERAS_BACKEND, by default JAX, the fastest of its backends on these networks; compiled."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as error:
        raise SystemExit(f"compare: {error}. Install it: pip install keras jax") from error

    x, t = data(batch, network)
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))  # Keras's order on a CPU
    model = keras.Sequential([keras.Input(x.shape[1:]), *keras_layers(network)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=keras.backend.backend() == "jax")
    if train:
        return lambda: float(model.train_on_batch(x, t))
    return lambda: model.predict_on_batch(x)


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
