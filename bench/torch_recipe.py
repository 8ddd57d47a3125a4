"""A recipe in PyTorch: the same network from the same initial weights, the same batches, learning rates and average."""

import os
import time
from typing import Any

import numpy as np
import torch
from torch import nn

import xpnet
from xpnet import layers, random
from xpnet.data import Batches
from xpnet.model import Sequential
from xpnet.networks.recipes import Recipe

Pair = tuple[np.ndarray, np.ndarray]


def in_torch(recipe: Recipe, seed: int, train: Pair, test: Pair, channels_last: bool) -> dict[str, Any]:
    """Seconds of training up to the end of each epoch, and the accuracy on the test images there."""
    if recipe.augment or (recipe.optimizer, recipe.loss) != ("adam", "softmax_cross_entropy") or recipe.weight_decay:
        raise SystemExit("recipes: PyTorch's side knows no augmentation, and only Adam and the softmax cross-entropy")
    torch.set_num_threads(int(os.environ["XPNET_NUM_THREADS"]))
    torch.manual_seed(seed)  # for dropout
    xpnet.seed(seed)
    own = recipe.make()
    recipe.compile(own, len(train[0]))
    assert isinstance(own, Sequential) and own.optimizer
    form = torch.channels_last if channels_last else torch.contiguous_format
    TorchRun(recipe, own, form).step(*(part[: recipe.batch_size] for part in train))  # threads and caches wake up

    run = TorchRun(recipe, own, form)
    xpnet.seed(seed)
    batches = Batches(*train, recipe.batch_size, shuffle=True)
    seconds, accuracies, total = [], [], 0.0
    key = random.next_key("training")
    for epoch in range(recipe.epochs):
        start = time.perf_counter()
        with random.drawing_from(key, "train", epoch):  # the order that `fit` has
            in_order = iter(batches)
        for x, t in in_order:
            run.step(x, t)
        total += time.perf_counter() - start
        seconds.append(total)
        accuracies.append(run.accuracy(*test))
    return {"seconds": seconds, "accuracies": accuracies}


class TorchRun:
    """A training of the recipe's network, from the weights of `own`."""

    def __init__(self, recipe: Recipe, own: Sequential, form: torch.memory_format) -> None:
        assert own.optimizer
        self.model, self.form = twin(own).to(memory_format=form), form
        self.rate, self.decay, self.steps = own.optimizer.lr, recipe.ema, 0
        self.loss = nn.CrossEntropyLoss()
        self.parameters = list(self.model.parameters())
        self.averages: list[torch.Tensor] = []
        self.optimizer = torch.optim.Adam(self.parameters)

    def step(self, x: np.ndarray, t: np.ndarray) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.steps)
        self.optimizer.zero_grad()
        self.loss(self.model(self.tensor(x)), torch.from_numpy(t)).backward()
        self.optimizer.step()
        self.steps += 1
        if self.decay is None:
            return
        if not self.averages:
            self.averages = [p.detach().clone() for p in self.parameters]
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)

    def accuracy(self, x: np.ndarray, t: np.ndarray) -> float:
        """Of the averaged weights, if there are any."""
        own = [p.data for p in self.parameters]
        self.model.eval()
        for p, average in zip(self.parameters, self.averages or own, strict=True):
            p.data = average
        with torch.inference_mode():
            scores = torch.cat([self.model(self.tensor(part)) for part in np.array_split(x, len(x) // 250)])
        for p, value in zip(self.parameters, own, strict=True):
            p.data = value
        self.model.train()
        return float((scores.argmax(1).numpy() == t).mean())

    def tensor(self, x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(x).to(memory_format=self.form)


def twin(model: Sequential) -> nn.Module:
    """The same layers with the same weights."""
    parts: list[nn.Module] = []
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D) and layer.stride == layer.dilation == (1, 1):
            padding = layer.padding if isinstance(layer.padding, str) else tuple(pair[0] for pair in layer.padding)
            out, channels, *kernel = layer.weight.shape
            parts.append(nn.Conv2d(channels, out, tuple(kernel), padding=padding))
        elif isinstance(layer, layers.Dense):
            parts.append(nn.Linear(*reversed(layer.weight.shape)))
        elif isinstance(layer, layers.MaxPool2D):
            parts.append(nn.MaxPool2d(layer.pool_size, layer.stride))
        elif isinstance(layer, layers.Dropout):
            parts.append(nn.Dropout(layer.rate))
        elif isinstance(layer, layers.Flatten):
            parts.append(nn.Flatten())
        else:
            raise SystemExit(f"recipes: PyTorch's side knows no {layer.label}")
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            weights: Any = parts[-1]
            with torch.no_grad():
                for name in ("weight", "bias"):
                    value = model.backend.to_numpy(getattr(layer, name).value)
                    getattr(weights, name).copy_(torch.from_numpy(np.array(value)))
            if layer.activation == "relu":
                parts.append(nn.ReLU())
            elif layer.activation is not None:
                raise SystemExit(f"recipes: PyTorch's side knows ReLU only, not the activation of {layer.label}")
    return nn.Sequential(*parts)
