"""A network with what it keeps beside its layers once it is compiled and trained, and with its weights in and out.

It is the model as training and callbacks know it; compile, fit and all else that people do with one stands in model.py.
It is here because it joins a network with optimizer, loss and metrics, as a file does, and saves and loads itself: this
is the lowest floor that knows all of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.data.image_file import Preparation
from xpnet.errors import OptionError, ShapeError, XpnetError
from xpnet.files import network
from xpnet.files.answers import checked_names
from xpnet.losses import Loss
from xpnet.metrics import Metric
from xpnet.optimizers import Optimizer


class NoLoss:
    """In the place of a network's loss before it is compiled: it is False, and who calls it is told what to do."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "None"

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise OptionError(
            "a network's loss is an object, and there is none before model.compile(optimizer, loss); then"
            " model.evaluate(x, t) gives the loss of samples, and model.fit(x, t) trains"
        )


NO_LOSS: Any = NoLoss()


COMPILED = {"optimizer": "an optimizer", "loss": "a loss", "metrics": "a list of metrics"}  # what `compile` sets


def check_compiled(network: TrainableNetwork, attribute: str, value: Any) -> None:
    """OptionError for a name, say, where there must be an object."""
    if attribute == "metrics":
        fine = isinstance(value, (list, tuple)) and all(isinstance(each, Metric) for each in value)
    else:
        fine = value is None or isinstance(value, Optimizer if attribute == "optimizer" else (Loss, NoLoss))
    if not fine:
        raise OptionError(
            f"{network.label}: {attribute} must be {COMPILED[attribute]}, as an object, not {value!r}; names are read"
            f" by model.compile({attribute}=...)"
        )


class TrainableNetwork(Network):
    """A network that can be trained, once it has an optimizer and a loss, and that files can hold.

    class_names: of the classes that it tells apart, by number, and preparation: how a picture's file is read for it, a
    data.Preparation. `fit` sets both where the data come from a data.ImageFolder; files keep them.
    """

    class_names: list[str] | None = None
    preparation: Preparation | None = None

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = NO_LOSS
        self.metrics: list[Metric] = []
        self.history: object = None  # of the last training; model.py says what it is
        self.stop_training = False  # what a callback sets, to end training after the step or the epoch
        self._step: Any = None  # training/step.py has its class

    def __setattr__(self, attribute: str, value: Any) -> None:
        if attribute in COMPILED and (type(self).__module__.startswith("xpnet.") or not self.has_own_step):
            check_compiled(self, attribute, value)
        if attribute == "class_names":
            value = checked_names(value)
        elif attribute == "preparation" and not isinstance(value, (Preparation, Layer, type(None))):
            raise OptionError(f"{self.label}: preparation is a data.Preparation, or None, not {value!r}")
        elif attribute == "classes" and isinstance(value, (list, tuple)) and type(self).__module__.startswith("xpnet."):
            raise OptionError(f"{self.label}: the names of its classes are class_names; classes is how many there are")
        super().__setattr__(attribute, value)

    def keep_preparation(self, batches: Any) -> None:
        """What the classes of these batches are called, and how pictures' files become samples, if they know it."""
        preparation = getattr(batches, "preparation", None)
        if isinstance(preparation, Preparation):
            self.class_names, self.preparation = batches.classes, preparation

    @property
    def step(self) -> Any:
        """The training step that is under way, with the means that a `train_step` needs."""
        if self._step is None:
            raise OptionError(f"{self.label}: no training step is under way; fit and train_on_batch call train_step")
        return self._step

    def set_step(self, step: Any) -> None:
        """From here on this is the step that is under way; None: there is none."""
        vars(self)["_step"] = step

    @property
    def has_own_step(self) -> bool:
        """Whether a subclass says what a training step is, so that data and losses are its own business."""
        return True

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Any]:
        """Forward, loss, back and update on a batch: its losses by name."""
        raise XpnetError(f"{type(self).__name__} has no train_step: it must say how it is trained")

    def named_optimizers(self) -> Iterator[tuple[str, Optimizer]]:
        """(path, optimizer), each once: its own, in whatever attribute, and those of the models inside it."""
        seen: set[int] = set()
        for path, layer in self.named_layers():
            for attribute, value in vars(layer).items():
                if isinstance(value, Optimizer) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{attribute}" if path else attribute, value

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters' values, in the order of `parameters()`."""
        return [np.array(p.backend.to_numpy(p.value)) for p in self.parameters()]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Put back what `get_weights` gave: all of it, or, where a shape is wrong, nothing."""
        parameters = self.parameters()
        if len(weights) != len(parameters):
            raise ShapeError(f"{self.label} has {len(parameters)} parameters, {len(weights)} arrays were given")
        fitting = [parameter.fitting(weight) for parameter, weight in zip(parameters, weights, strict=True)]
        for parameter, weight in zip(parameters, fitting, strict=True):
            parameter.value = weight

    def save(self, path: str | os.PathLike[str]) -> None:
        """Network and weights in one safetensors file, which `xpnet.load` reads. Written whole or not at all."""
        network.save(self, path, {"optimizer": self.optimizer, "loss": self.loss or None, "metrics": self.metrics})

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """The weights alone, by name, in safetensors."""
        network.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` or `save` wrote into this network; every name and shape must match."""
        network.load_weights(self, path)
