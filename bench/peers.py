"""The four networks, ready for a training step on random images, in xpnet and in what it is measured against.

Each maker returns a function that does one training step (forward, loss, backward, Adam) on the batch it was made with.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import xpnet
from xpnet.cli.common import NETWORKS
from xpnet.training import Trainer

sys.path.insert(0, str(Path(__file__).parent))
import textbook

Step = Callable[[], float]

BATCH = {name: network.batch_size for name, network in NETWORKS.items()}


def data(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((batch, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, batch)


def xpnet_step(network: str, batch: int) -> Step:
    xpnet.seed(0)
    model = NETWORKS[network].make()
    model.compile("adam")
    assert model.optimizer and model.loss
    trainer, (x, t) = Trainer(model, model.optimizer, model.loss), data(batch)
    return lambda: float(trainer.step(*model.backend.batch(x, t, model.dtype), "the benchmark")[0])


def textbook_step(network: str, batch: int) -> Step:
    makers = {
        "mlp": textbook.mlp,
        "lenet5": textbook.lenet5,
        "simpleconvnet": textbook.simple_conv_net,
        "deepconvnet": textbook.deep_conv_net,
    }
    model, (x, t) = makers[network](), data(batch)
    return lambda: float(model.train_step(x, t))


def torch_step(network: str, batch: int, channels_last: bool) -> Step:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model, (x, t) = torch_network(network), data(batch)
    form = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=form)
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    inputs, targets = torch.tensor(x).to(memory_format=form), torch.tensor(t)

    def step() -> float:
        optimizer.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def torch_network(network: str):
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
    channels = 1
    for filters, padding in ((16, 1), (32, 2), (64, 1)):
        blocks += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        blocks += [nn.Conv2d(filters, filters, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    dense = [nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 10), nn.Dropout()]
    return nn.Sequential(*blocks, *dense)
