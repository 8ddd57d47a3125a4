"""Trainings whose every bit is held: `same_bits.py` runs this file with the xpnet of one tree and of another.

Prints one JSON object on a line for each training: its name, and a SHA-256 of each part of what came out. The parts:
`names` (paths, shapes and types of the parameters in their order, classes of the layers), `weights` (running statistics
too), `history` (losses and metrics by epoch), `outputs` (of a batch and of one image), and `draws` (the next number
that the seed gives, which depends on how many random keys were taken).
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import Sequential, callbacks, initializers, layers, losses, metrics, networks, optimizers, schedules
from xpnet.data import Loader, Standardize, augment, one_hot, write_idx

BATCH = 50
SHAPE = (1, 28, 28)

Result = tuple[Any, Mapping[str, Any]]  # the trained model, and the history or other numbers by name
Training = Callable[[Any, Any], Result]


def fit(model: Any, x: Any, t: Any, optimizer: Any = "adam", loss: Any = "softmax_cross_entropy", **how: Any) -> Result:
    if not model.metrics:
        model.compile(optimizer, loss, ["accuracy"])
    return model, model.fit(x, t, **{"batch_size": BATCH, "verbose": 0} | how).history


def mlp(*between: Any, **dense: Any) -> Sequential:
    """Small, with layers between its two; `dense` are options of the first."""
    first = layers.Dense(32, **{"activation": "relu"} | dense)
    return Sequential([layers.Flatten(), first, *between, layers.Dense(10)])


# ---- networks --------------------------------------------------------------------------------------------------------


def committee(x: Any, t: Any) -> Result:
    return fit(networks.MultiColumn(), x, t, loss="negative_log_likelihood")


NETWORKS: dict[str, Training] = {
    "mlp": lambda x, t: fit(networks.MLP(), x, t),
    "lenet5": lambda x, t: fit(networks.LeNet5(), x, t),
    "lenet5-1998": lambda x, t: fit(networks.LeNet5(variant="1998"), x, t),
    "simpleconvnet": lambda x, t: fit(networks.SimpleConvNet(), x, t),
    "deepconvnet": lambda x, t: fit(networks.DeepConvNet(), x, t),
    "multicolumn": committee,
}


# ---- layers ----------------------------------------------------------------------------------------------------------


def every_layer() -> Sequential:
    """Of one input, with options that are not the defaults: those of version 0.1, which any later commit has too."""
    inner = [
        layers.Conv2D(4, (3, 2), (2, 1), ((1, 2), (0, 3)), (1, 2), 2, False, layers.LeakyReLU(0.2), "he_uniform"),
        layers.MaxPool2D((3, 2), (1, 2), ((1, 0), (0, 1))), layers.BatchNorm2D(0.3, 1e-3),
        layers.LocalResponseNorm(3, 0.5, 0.6, 2.0),
    ]  # fmt: skip
    return Sequential(
        [
            layers.Conv2D(2, 3, padding="same", activation="tanh", initializer="xavier_uniform"), Sequential(inner),
            layers.ReLU(), layers.AvgPool2D(2, 1, 1), layers.Dropout(0.2), layers.GlobalAvgPool2D(), layers.Sigmoid(),
            layers.Tanh(1.5, 0.5), layers.BatchNorm1D(), layers.LeakyReLU(0.3), layers.Flatten(),
            layers.Dense(12, False, "sigmoid", 0.3), layers.Softmax(), layers.Dense(10, initializer="xavier_normal"),
        ]
    )  # fmt: skip


class Branches(xpnet.Model):
    """A written network: layers of several inputs, `+`, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice = (layers.Conv2D(4, 3, 2, "same", activation="relu") for _ in range(2))
        self.second = layers.Conv2D(4, 3, padding="same")
        self.blocks = [layers.Dense(16, activation="tanh") for _ in range(2)]
        self.output = layers.Dense(10)

    def call(self, x: Any) -> Any:
        a = self.first(x)
        b = layers.Concat()(self.second(a) + a, layers.Average()(a, self.second(a)))
        h = layers.Flatten()(self.twice(b))
        return self.output(layers.Add()(*(block(h) for block in self.blocks)))


def frozen(x: Any, t: Any) -> Result:
    model = networks.LeNet5()
    model.layers[0].trainable = False
    return fit(model, x, t)


# ---- how to train ----------------------------------------------------------------------------------------------------


def two_inputs(x: Any, t: Any) -> Result:
    """`fit` takes one; the steps of `train_on_batch` are written out, by the protocol."""

    class Two(xpnet.Model):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.output = layers.Dense(8), layers.Dense(8), layers.Dense(10)

        def call(self, a: Any, b: Any) -> Any:
            return self.output(layers.Concat()(self.left(a), self.right(b)))

    model, loss, optimizer = Two(), losses.SoftmaxCrossEntropy(), optimizers.Adam()
    values = []
    for start in range(0, len(x), BATCH):
        flat = model.backend.asarray(x[start : start + BATCH].reshape(-1, 784))
        y, back = model.forward(flat[:, :392], flat[:, 392:], train=True)
        value, loss_back = loss.forward(y, model.backend.asarray(t[start : start + BATCH]), model.backend)
        values.append(float(value))
        back(loss_back())
        optimizer.update(model.parameters())
    return model, {"loss": values}


def on_batches(x: Any, t: Any) -> Result:
    model = mlp(layers.Dropout(0.2))
    model.compile("adam", metrics=["accuracy"])
    weights = np.linspace(0, 2, BATCH)
    values = [model.train_on_batch(x[i : i + BATCH], t[i : i + BATCH], weights) for i in range(0, len(x), BATCH)]
    return model, {"loss": values, "evaluated": model.evaluate(x[:130], t[:130], sample_weight=t[:130] / 4)}


def augmented(x: Any, t: Any, **loader: Any) -> Result:
    views = augment.Compose(
        [
            augment.Affine(2, 10, 0.1, 5, p=0.7), augment.Elastic(20, p=0.3), augment.Shift(1), augment.Rotate(5),
            augment.Scale(0.1, fill="edge"), augment.Shear(3), augment.Flip(p=0.2), augment.Cutout(4, p=0.5),
            augment.Noise(0.1, p=0.5), augment.Crop(28, padding=2),
        ]
    )  # fmt: skip
    return fit(mlp(), Loader((x, t), BATCH, augment=views, **loader), None, batch_size=None, epochs=2)


def standardized(x: Any, t: Any) -> Result:
    pixels = (x * 255).astype(np.uint8)
    loader = Loader((pixels, t), BATCH, drop_last=True, transform=Standardize().fit(x).transform)
    held_out = Loader((pixels[:75], t[:75]), BATCH, shuffle=False)
    how = {"validation_data": held_out, "steps_per_epoch": None, "epochs": 2, "batch_size": None}
    return fit(mlp(layers.BatchNorm1D()), loader, None, **how)


def generated(x: Any, t: Any) -> Result:
    def batches() -> Any:
        while True:
            yield from ((x[i : i + BATCH], t[i : i + BATCH]) for i in range(0, len(x), BATCH))

    steps = len(x) // BATCH - 1
    return fit(mlp(), batches(), None, batch_size=None, epochs=2, steps_per_epoch=steps)


def with_callbacks(x: Any, t: Any) -> Result:
    told = [
        callbacks.EarlyStopping("val_accuracy", patience=2, min_delta=0.05),
        callbacks.ReduceLROnPlateau("val_loss", 0.3, 0, 0.5),
        callbacks.TerminateOnNaN(every=4),
    ]
    return fit(mlp(layers.Dropout(0.3)), x, t, callbacks=told, epochs=8, validation_split=0.2)


class _Interrupt(callbacks.Callback):
    """Ctrl-C after so many steps, once in a process."""

    left = 0

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        _Interrupt.left -= 1
        if not _Interrupt.left:
            raise KeyboardInterrupt


def resumed(x: Any, t: Any) -> Result:
    """Interrupted in the middle of the second epoch, and gone on with."""
    steps = len(x) // BATCH
    _Interrupt.left = steps + steps // 2
    with tempfile.TemporaryDirectory() as folder:

        def train() -> Result:
            xpnet.seed(3)
            told = [callbacks.EMA(0.9), callbacks.Backup(Path(folder) / "backup", every=2), _Interrupt()]
            rate = schedules.Cosine(0.01, 3 * steps)
            return fit(mlp(layers.Dropout(0.2)), x, t, optimizers.AdamW(rate), epochs=3, callbacks=told)

        try:
            train()
        except KeyboardInterrupt:
            return train()
    raise SystemExit("the training was not interrupted")


def all_together(x: Any, t: Any) -> Result:
    loader = Loader((x, t, np.linspace(0.5, 1.5, len(x))), BATCH, augment=augment.Shift(2))
    steps = 2 * -(-len(loader) // 2)
    rate = schedules.Warmup(schedules.Cosine(0.01, steps), 3)
    model = mlp(layers.BatchNorm1D(), layers.Dropout(0.3), regularizer="l1_l2")
    counted = ["acc", "top_3", metrics.ConfusionMatrix(10)]
    model.compile(optimizers.Nesterov(rate, clip_norm=1.0), losses.SoftmaxCrossEntropy(0.1), counted)
    how = {"callbacks": callbacks.EMA(0.95), "accumulate": 2, "validation_data": (x[:70], t[:70]), "epochs": 2}
    return fit(model, loader, None, batch_size=None, class_weight={3: 2.0}, **how)


def validated(x: Any, t: Any) -> Result:
    return fit(mlp(), x, t, validation_split=0.3, validation_freq=2, initial_epoch=1, epochs=4, shuffle=False)


def weighted(x: Any, t: Any) -> Result:
    return fit(mlp(), x, t, sample_weight=np.linspace(0, 2, len(x)), class_weight={0: 3.0, 7: 0.5})


def found_lr(x: Any, t: Any) -> Result:
    model = mlp(layers.Dropout(0.2))
    model.compile("adam", metrics=["accuracy"])
    model.build(SHAPE)
    found = xpnet.find_lr(model, x, t, batch_size=BATCH, steps=25)
    return model, {"rates": found.rates, "losses": found.losses, "smoothed": found.smoothed}


def cross_validated(x: Any, t: Any) -> Result:
    made = []

    def make() -> Any:
        made.append(mlp(layers.Dropout(0.2)))
        made[-1].compile("momentum", metrics=["accuracy"])
        return made[-1]

    done = xpnet.cross_validate(make, x, t, 3, batch_size=BATCH, transform=Standardize, validation_split=0.2)
    numbers = {f"{i} {name}": values for i, h in enumerate(done.histories) for name, values in h.history.items()}
    return made[-1], numbers | {f"mean {name}": value for name, value in done.mean.items()}


def in_float64(x: Any, t: Any) -> Result:
    return fit(networks.LeNet5().astype("float64"), x, t)


FIT: dict[str, Training] = {
    "every layer": lambda x, t: fit(every_layer(), x, t),
    "branches": lambda x, t: fit(Branches(), x, t),
    "two inputs": two_inputs,
    "frozen layer": frozen,
    "float64": in_float64,
    "dropout": lambda x, t: fit(mlp(layers.Dropout(0.5)), x, t, epochs=2),
    "augmentation": augmented,
    "augmentation, 2 workers": lambda x, t: augmented(x, t, workers=2),
    "standardized bytes": standardized,
    "generator": generated,
    "L1": lambda x, t: fit(mlp(regularizer="l1"), x, t),
    "L2": lambda x, t: fit(mlp(regularizer="l2"), x, t),
    "label smoothing": lambda x, t: fit(mlp(), x, t, loss=losses.SoftmaxCrossEntropy(0.1)),
    "EMA": lambda x, t: fit(mlp(layers.BatchNorm1D()), x, t, callbacks=callbacks.EMA(0.9), epochs=2),
    "accumulate": lambda x, t: fit(mlp(regularizer="l2"), x[BATCH:], t[BATCH:], accumulate=2, epochs=2),
    "validation split": validated,
    "weights of samples": weighted,
    "callbacks": with_callbacks,
    "resumed": resumed,
    "all together": all_together,
    "train_on_batch": on_batches,
    "find_lr": found_lr,
    "cross-validation": cross_validated,
    "loss mean_squared_error": lambda x, t: fit(mlp(), x, one_hot(t, 10), loss="mse"),
    "loss binary_cross_entropy": lambda x, t: fit(mlp(), x, one_hot(t, 10), loss="binary_cross_entropy"),
    "loss of log-probabilities": lambda x, t: fit(Sequential([*mlp().layers, layers.LogSoftmax()]), x, t, loss="nll"),
    "loss of rows": lambda x, t: fit(mlp(), x, one_hot(t, 10)),
}

RATE = schedules.Warmup(schedules.Exponential(0.01, 0.9), 5)
OPTIMIZERS: dict[str, Training] = {
    f"optimizer {name}": lambda x, t, make=make: fit(mlp(), x, t, make(RATE, weight_decay=1e-3, clip_norm=0.5))
    for name, make in optimizers.OPTIMIZERS.items()
}


# ---- commands --------------------------------------------------------------------------------------------------------


def command(*words: str) -> Training:
    """`xpnet train` on some images, in a process of its own."""

    def train(x: Any, t: Any) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            for part, count in (("train", 500), ("t10k", 100)):
                write_idx(Path(folder) / f"{part}-images-idx3-ubyte", np.round(x[:count, 0] * 255).astype(np.uint8))
                write_idx(Path(folder) / f"{part}-labels-idx1-ubyte", t[:count].astype(np.uint8))
            out = Path(folder) / "out"
            line = [sys.executable, "-m", "xpnet", "train", *words, "--quiet", "--json", "--data", folder, "--out", out]
            done = subprocess.run(line, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"xpnet train {' '.join(words)}: {done.stderr}")
            (file,) = out.glob("*.safetensors")
            printed = json.loads(done.stdout.splitlines()[-1])
            tested = {name: printed[name] for name in ("test_loss", "test_accuracy")}
            return xpnet.load(file), printed["history"] | tested

    return train


COMMANDS: dict[str, Training] = {
    "xpnet train mlp": command("mlp", "--epochs", "3", "--validation", "0.2", "--optimizer", "adamw"),
    "xpnet train --recipe fast": command("--recipe", "fast", "--epochs", "2"),
    "xpnet train --recipe best": command("mlp", "--recipe", "best", "--epochs", "2"),
}

TRAININGS = NETWORKS | FIT | OPTIMIZERS | COMMANDS


# ---- what came out ---------------------------------------------------------------------------------------------------


def digest(*parts: bytes | str) -> str:
    return hashlib.sha256(b"\0".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()


def digests(model: Any, history: Mapping[str, Any], x: Any) -> dict[str, str]:
    host = model.backend.to_numpy
    values = {path: np.ascontiguousarray(host(p.value)) for path, p in model.named_parameters()}
    names = [(path, v.shape, str(v.dtype)) for path, v in values.items()]
    kinds = [(path, type(layer).__name__) for path, layer in model.named_layers()]
    numbers = [part for name, value in history.items() if name != "lr" for part in (name, np.asarray(value).tobytes())]
    shapes = model.input_shapes
    inputs = [np.ascontiguousarray(part.reshape(20, -1)) for part in np.split(x[:20], len(shapes), axis=2)]
    inputs = [part.reshape(20, *shape).astype(model.dtype) for part, shape in zip(inputs, shapes, strict=True)]
    outputs = [host(model(*(model.backend.asarray(part[:N]) for part in inputs))).tobytes() for N in (20, 1)]
    return {
        "names": digest(json.dumps([names, kinds])),
        "weights": digest(*(v.tobytes() for v in values.values())),
        "history": digest(*numbers),
        "outputs": digest(*outputs),
        "draws": digest(initializers.HeNormal()((8,), 8, 8).tobytes()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, required=True, help="whose xpnet this must be")
    parser.add_argument("--steps", type=int, default=30, help=f"steps of {BATCH} images in an epoch (default 30)")
    parser.add_argument("names", nargs="+", choices=TRAININGS, metavar="TRAINING")
    arguments = parser.parse_args()
    if not Path(xpnet.__file__).is_relative_to(arguments.tree):
        raise SystemExit(f"this is the xpnet of {xpnet.__file__}, and not that of {arguments.tree}")
    warnings.simplefilter("ignore")
    (x, t), _ = xpnet.data.mnist()
    N = arguments.steps * BATCH
    for name in arguments.names:
        xpnet.seed(0)
        made = TRAININGS[name](*((x[:500], t[:500]) if name in COMMANDS else (x[:N], t[:N])))
        print(json.dumps({"name": name, "parts": digests(*made, x)}), flush=True)


if __name__ == "__main__":
    main()
