"""Settings of a training on handwritten digits that belong together: the usual ones of each network, and two recipes.

`best` is after accuracy, `fast` after the seconds to 99 %; bench/recipes.py measures them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from xpnet import networks
from xpnet.callbacks import EMA, Callback, History
from xpnet.data.augment import Affine, Compose, Elastic
from xpnet.data.loader import Augment, Loader
from xpnet.layers import Conv2D, Dense, Flatten, Layer, MaxPool2D
from xpnet.losses import Loss
from xpnet.model import Model, Sequential
from xpnet.optimizers import OPTIMIZERS, Optimizer
from xpnet.schedules import SCHEDULES


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    make: gives the network. lr: the learning rate, the highest of the schedule. weight_decay: None is the optimizer's
    own. augment: what is done to each batch. ema: the decay of a moving average of the weights, which is what is kept
    then; None keeps the last weights.
    """

    make: Callable[..., Model]
    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "adam"
    schedule: str = "cosine"
    weight_decay: float | None = None
    loss: str | Loss = "softmax_cross_entropy"
    augment: Augment | None = None
    ema: float | None = None

    def compile(self, model: Model, samples: int) -> None:
        """Compile the model for a training on so many samples."""
        steps = self.epochs * -(-samples // self.batch_size)
        rate = SCHEDULES[self.schedule](self.lr, steps)
        make: Callable[..., Optimizer] = OPTIMIZERS[self.optimizer]
        optimizer = make(rate) if self.weight_decay is None else make(rate, weight_decay=self.weight_decay)
        model.compile(optimizer, self.loss, ["accuracy"])

    def fit(
        self,
        model: Model,
        x: Any,
        t: Any,
        verbose: int | Literal["auto"] = "auto",
        callbacks: Iterable[Callback] = (),
        validation_data: Any = None,
        shards: int | None = None,
    ) -> History:
        """Train the compiled model. `shards` is that of `fit`: into how many parts a batch is cut."""
        more: dict[str, Any] = {"validation_data": validation_data}
        if shards is not None:
            more["shards"] = shards
        around = [*([EMA(self.ema)] if self.ema else []), *callbacks]
        if self.augment is None:
            return model.fit(x, t, self.batch_size, self.epochs, verbose, around, **more)
        batches = Loader((x, t), self.batch_size, augment=self.augment)
        return model.fit(batches, None, None, self.epochs, verbose, around, **more)


def small_convnet(classes: int = 10) -> Sequential:
    """The network of `fast`: most of its work is on maps of 14x14, where a map costs a quarter of a full one."""
    parts: list[Layer] = [Conv2D(8, 3, padding="same", activation="relu"), MaxPool2D(2)]
    parts += [Conv2D(16, 3, padding="same", activation="relu") for _ in range(2)] + [MaxPool2D(2)]
    model = Sequential([*parts, Flatten(), Dense(64, activation="relu"), Dense(classes)])
    model.build((1, 28, 28))
    return model


def small_vgg(classes: int = 10) -> networks.VGG:
    """VGG's form at a size for digits."""
    return networks.VGG(((32, 32), (64, 64)), True, 128, classes=classes, input_shape=IMAGE)


IMAGE = (1, 28, 28)
NETWORKS = {
    "simpleconvnet": Recipe(networks.SimpleConvNet, epochs=20, batch_size=100, lr=0.001),
    "deepconvnet": Recipe(networks.DeepConvNet, epochs=20, batch_size=100, lr=0.001),
    "lenet5": Recipe(networks.LeNet5, epochs=20, batch_size=64, lr=0.001),
    "mlp": Recipe(networks.MLP, epochs=5, batch_size=32, lr=0.002),
    "vgg": Recipe(small_vgg, epochs=10, batch_size=100, lr=0.002),
    "resnet20": Recipe(partial(networks.ResNet20, input_shape=IMAGE), epochs=10, batch_size=100, lr=0.005),
    "inceptionnet": Recipe(networks.InceptionNet, epochs=10, batch_size=100, lr=0.005),
    "lstm": Recipe(
        partial(networks.RecurrentClassifier, "lstm", input_shape=IMAGE), epochs=10, batch_size=100, lr=0.005
    ),
    "gru": Recipe(partial(networks.RecurrentClassifier, "gru", input_shape=IMAGE), epochs=10, batch_size=100, lr=0.005),
}

# The classes of networks for ImageNet, which are too large for digits; `xpnet summary` knows them.
LARGE = (
    "AlexNet", "VGG11", "VGG13", "VGG16", "VGG19", "ResNet18", "ResNet34", "ResNet50", "MobileNetV1", "MobileNetV2",
)  # fmt: skip

RECIPES = {
    "best": Recipe(
        networks.MultiColumn,
        epochs=15,
        batch_size=100,
        lr=0.002,
        schedule="warmup",
        loss="negative_log_likelihood",
        augment=Compose([Affine(shift=2, rotate=10, scale=0.1, shear=5, p=0.7), Elastic(alpha=20, p=0.3)]),
        ema=0.999,
    ),
    "fast": Recipe(small_convnet, epochs=3, batch_size=100, lr=0.006, schedule="one_cycle"),
}
