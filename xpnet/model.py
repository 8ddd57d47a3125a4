"""Models: a network is a layer that can be compiled, trained, evaluated, saved and printed.

`Sequential` chains layers. A subclass of `Model` writes `call` in plain Python. Training and files are the floor below:
training/loop.py and files/network.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from xpnet import losses, optimizers, training
from xpnet.backend import Array, on_backend
from xpnet.base.checks import sample_shape
from xpnet.callbacks import Callback, History
from xpnet.core.layer import Back, Layer, Shape, building
from xpnet.core.tape import Tape, Var, gradients
from xpnet.errors import NotBuiltError, OptionError, ShapeError, TapeError, XpnetError
from xpnet.files import network as files
from xpnet.losses import Loss
from xpnet.metrics import Metric
from xpnet.metrics import get as get_metric
from xpnet.optimizers import Optimizer

Data = Any  # a NumPy array or what becomes one


class Model(Layer):
    """The base of networks. A subclass makes its layers in `__init__` and joins them in `call`:

        class Residual(Model):
            def __init__(self):
                super().__init__()
                self.conv = layers.Conv2D(16, 3, padding="same", activation="relu")
                self.dense = layers.Dense(10)

            def call(self, x):
                h = self.conv(x)
                return self.dense(layers.GlobalAvgPool2D()(h + x))

    In training `x` is a Var, which takes layers and `+` only; in inference it is a plain array.
    """

    kind = "model"
    skips_dx = composite = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.input_shape: Shape | None = None  # without the batch; of several inputs, of the first
        self.input_shapes: tuple[Shape, ...] = ()  # of each input; () until the model is built
        self._known_shapes: dict[tuple[Shape, ...], Shape] = {}  # of the output, by those of the inputs
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: list[Metric] = []
        self.history: History | None = None
        self.stop_training = False
        self._last: type[Layer] | None = None  # the class of layer that the last output came from

    def __getattr__(self, attribute: str) -> Any:
        """Only for what is not there."""
        if "optimizer" not in vars(self) and not attribute.startswith("__"):
            raise NotBuiltError(f"{type(self).__name__}.__init__ must begin with super().__init__()")
        return super().__getattr__(attribute)

    # ---- the layer protocol ----------------------------------------------------------------------------------------

    def call(self, *xs: Any) -> Any:
        """The network in plain Python: what a subclass writes."""
        raise XpnetError(f"{type(self).__name__} has no call: write `def call(self, x)` that joins its layers")

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        tape = Tape(train)
        inputs = [Var(x, tape) for x in xs]
        output = self._run(*inputs)
        if not isinstance(output, Var) or output.tape is not tape:
            raise OptionError(f"{self.label}: call must return what a layer returned, not {type(output).__name__}")
        self._check_calls(tape)
        self._last = next((_last_in(call.layer) for call in tape.calls if call.output == output.index), None)
        spent = False

        def back(dy: Array, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise OptionError(
                    f"{self.label}: back was called twice; run forward again (its arrays are freed on the way back)"
                )
            spent = True
            dxs = tape.walk_back(dy, output, inputs, need_dx)
            if need_dx:  # an input that the output does not depend on has gradient zero
                dxs = [self.xp.zeros_like(x.value) if dx is None else dx for x, dx in zip(inputs, dxs, strict=True)]
            return dxs[0] if len(dxs) == 1 else tuple(dxs)

        return output.value, back

    def _run(self, *xs: Any) -> Any:
        """`call`, on the model's backend."""
        with on_backend(self.backend):
            if self._built:
                return self.call(*xs)
            with self._first_use():
                output = self.call(*xs)
                self._note_inputs(tuple(tuple(x.shape[1:]) for x in xs))
            return output

    @contextmanager
    def _first_use(self) -> Iterator[None]:
        """One thread at a time; if it fails, every layer that was not built is again as it was."""
        with building:
            before = [(layer, vars(layer).copy()) for _, layer in self.named_layers() if not layer._built]
            try:
                yield
            except Exception:
                for layer, attributes in before:
                    object.__setattr__(layer, "__dict__", attributes)
                raise

    def _check_calls(self, tape: Tape) -> None:
        """A layer with parameters that the model does not own would never be trained."""
        own = {id(layer) for _, layer in self.named_layers()}
        for call in tape.calls:
            if id(call.layer) not in own and any(True for _ in call.layer.named_parameters()):
                raise TapeError(
                    f"{self.label}: call uses a {type(call.layer).__name__} that is not an attribute of the model, so"
                    " its parameters would not be trained; make it in __init__: self.name = ..."
                )

    def __call__(self, *xs: Any, train: bool | None = None) -> Any:
        if train or any(isinstance(x, Var) for x in xs):
            return super().__call__(*xs, train=train)
        with self.backend.computing():
            return self._run(*xs)

    def build(self, *shapes: Shape) -> Shape:
        """Make all parameters, for inputs of these shapes (without the batch), and return the output's shape."""
        dummies = [self.backend.zeros((1, *sample_shape(self.label, shape)), self.dtype) for shape in shapes]
        output: Shape = tuple(self._run(*dummies).shape[1:])
        return output

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes not in self._known_shapes:  # `call` is Python: the way to know is to run it, on one image of zeros
            self._known_shapes = self._known_shapes | {shapes: self.build(*shapes)}  # layers are built once only
        return self._known_shapes[shapes]

    def _note_inputs(self, shapes: tuple[Shape, ...]) -> None:
        if not self._built:
            self.input_shape, self.input_shapes, self._built = shapes[0], shapes, True

    # ---- Keras-like training ---------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: str | Loss = "softmax_cross_entropy",
        metrics: str | Metric | Iterable[str | Metric] | None = None,
    ) -> None:
        """Choose how to train: an optimizer, a loss and metrics, each by name or as an object."""
        chosen = losses.get(loss)
        chosen.check_last(self.last())
        given = [metrics] if isinstance(metrics, (str, Metric, type)) else list(metrics or ())
        counted = [get_metric(metric, chosen) for metric in given]
        names = ["loss", *(metric.name for metric in counted)]
        if len(set(names)) < len(names):
            raise OptionError(f"compile: every metric needs a name of its own, and not 'loss'; they are {names[1:]}")
        self.optimizer, self.loss, self.metrics = optimizers.get(optimizer), chosen, counted

    def last(self) -> type[Layer] | None:
        """The class of the layer that gives the output; a written model knows it after its first forward."""
        return self._last

    def fit(
        self,
        x: Data,
        t: Data = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | Literal["auto"] = "auto",
        callbacks: Callback | Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_freq: int = 1,
        sample_weight: Data = None,
        class_weight: Mapping[int, float] | None = None,
        accumulate: int = 1,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
    ) -> History:
        """Train on samples x (N, ...) with targets t (N, ...), and return the history of losses and metrics by epoch.

        x may also be an iterable of batches (x, t) or (x, t, sample_weight), without t, batch_size (32), shuffle and
        validation_split; one without a length, such as a generator, needs steps_per_epoch, the batches of an epoch.
        validation_data: (x, t), (x, t, sample_weight) or such an iterable (validation_steps: its batches, if it is a
        generator), evaluated every `validation_freq` epochs; or validation_split: this last share of the data.
        sample_weight (N,), class_weight {class: weight} (1 for others; in training only): the loss is
        sum_n(w[n] L[n]) / N, w the product of the two; metrics are not weighted. The losses that are reported hold the
        penalties of regularizers. accumulate: a step of the optimizer takes the mean gradient of so many batches.
        verbose: 0 quiet, 1 a progress bar, 2 a line per epoch; "auto" is 1 on a terminal and 2 elsewhere.
        `epochs` is the number of the last epoch: training goes from initial_epoch to epochs, as in Keras.
        Ctrl-C ends training at once: callbacks finish, `model.history` is kept, and KeyboardInterrupt goes on. With
        callbacks.Backup(path) the next call goes on from there, also after the process was killed.
        """
        return training.fit(
            self, x, t, epochs=epochs, verbose=verbose, callbacks=callbacks, initial_epoch=initial_epoch,
            validation_freq=validation_freq, accumulate=accumulate, batch_size=batch_size, shuffle=shuffle,
            sample_weight=sample_weight, class_weight=class_weight, steps_per_epoch=steps_per_epoch,
            validation_split=validation_split, validation_data=validation_data, validation_steps=validation_steps,
        )  # fmt: skip

    def evaluate(
        self, x: Data, t: Data = None, batch_size: int | None = None, verbose: int | Literal["auto"] = 0,
        return_dict: bool = False, sample_weight: Data = None, steps: int | None = None,
    ) -> Any:  # fmt: skip
        """[loss, metric, ...] in inference mode (the loss alone without metrics), or a dict of them by name.

        Data, weights and the loss are as in `fit`; batch_size is 256 for arrays. An iterable of batches without a
        length is read to its end, or for so many `steps`.
        """
        results = training.evaluate(self, x, t, batch_size, verbose, sample_weight, steps)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def predict(self, x: Data, batch_size: int | None = None, verbose: int | Literal["auto"] = 0) -> np.ndarray:
        """The outputs for samples x in inference mode, batch by batch (256); NumPy in, NumPy out.

        x may also be an iterable of batches x, (x, t) or (x, t, sample_weight), in an order that it keeps; it is read
        to its end, and of each batch x counts.
        """
        return training.predict(self, x, batch_size, verbose)

    def train_on_batch(self, x: Data, t: Data, sample_weight: Data = None) -> float:
        """One step of the optimizer on one batch; returns the loss before the step."""
        return training.train_on_batch(self, x, t, sample_weight)

    # ---- weights and files -----------------------------------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters' values, in the order of `parameters()`."""
        return [np.array(p.backend.to_numpy(p.value)) for p in self.parameters()]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Put back what `get_weights` gave."""
        parameters = self.parameters()
        if len(weights) != len(parameters):
            raise ShapeError(f"{self.label} has {len(parameters)} parameters, {len(weights)} arrays were given")
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.value = weight

    def save(self, path: str | os.PathLike[str]) -> None:
        """Network and weights in one safetensors file, which `xpnet.load` reads. Written whole or not at all."""
        files.save(self, path)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """The weights alone, by name, in safetensors."""
        files.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` or `save` wrote into this network; every name and shape must match."""
        files.load_weights(self, path)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print each layer's output shape and number of parameters."""
        from xpnet.analysis.summary import summary

        print_fn(summary(self))


class Sequential(Model):
    """Layers in a chain: `Sequential([layers.Flatten(), layers.Dense(10)])`."""

    kind = "sequential"

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None) -> None:
        super().__init__(name)
        self.layers: list[Layer] = []
        self._first: int | None = None  # what _first_trained found
        self._names: list[str] = []  # of the layers; a layer may have another name in another model
        if isinstance(layers, Layer):
            raise OptionError("Sequential takes a list of layers: Sequential([layers.Flatten(), layers.Dense(10)])")
        for layer in layers:
            self._append(layer)

    def add(self, layer: Layer) -> None:
        """Put a layer at the end."""
        if type(self) is not Sequential:
            raise OptionError(
                f"{type(self).__name__} is complete as it is; to extend it, make a Sequential([*model.layers, ...])"
            )
        self._append(layer)
        if self._built:
            layer._move(self.backend, self.dtype)
            try:
                self.build(self.input_shape or ())
            except XpnetError:
                del self.layers[-1], self._names[-1]
                raise

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise OptionError(f"{self.label}: {layer!r} is no layer; give objects such as layers.Dense(10)")
        self._first = None
        self._names.append(self._name_for(layer))
        self.layers.append(layer)

    def _name_for(self, layer: Layer) -> str:
        """The name that the user gave, or conv1, conv2, dense1, ..."""
        if layer in self.layers:  # shared
            return self._names[self.layers.index(layer)]
        if layer._named:
            name = str(layer.name)
            if name in self._names:
                raise OptionError(f"{self.label}: two layers have the name {name!r}; give each a name of its own")
            if not name or "." in name:
                raise OptionError(f"{self.label}: {name!r} cannot name a layer: dots part the names of a path")
            return name
        numbers = [int(n) for name in self._names if (n := name.removeprefix(layer.kind)).isdecimal()]
        name = f"{layer.kind}{max(numbers, default=0) + 1}"
        layer.call_it(name)
        return name

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield from zip(self._names, self.layers, strict=True)

    def last(self) -> type[Layer] | None:
        return _last_in(self.layers[-1]) if self.layers else None

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def call(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        if not self._built:
            self.build(tuple(x.shape[1:]))
        backs: list[Back] = []
        for layer in self.layers:
            x, back = layer.forward(x, train=train)
            backs.append(back)
        spent = False

        def back_all(dy: Array, need_dx: bool = True) -> Array:
            nonlocal spent
            if spent:
                raise OptionError(
                    f"{self.label}: back was called twice; run forward again (its arrays are freed on the way back)"
                )
            spent = True
            first = 0 if need_dx else self._first_trained()
            while len(backs) > first:
                layer, back = self.layers[len(backs) - 1], backs.pop()  # popped: its arrays are freed after use
                last = len(backs) == first and not need_dx
                dy = back(dy, need_dx=False) if last and layer.skips_dx else back(dy)
                if not last:
                    (dy,) = gradients(layer, dy, 1)
            backs.clear()
            return dy

        return x, back_all

    def _first_trained(self) -> int:
        """The index of the first layer with parameters: nobody asks for a gradient in front of it."""
        if self._first is None:
            learned = (i for i, layer in enumerate(self.layers) if any(True for _ in layer.named_parameters()))
            self._first = next(learned, 0)
        return self._first

    def build(self, shape: Shape) -> Shape:
        shape = sample_shape(self.label, shape)
        with self._first_use():
            self.output_shape(shape)  # raises, before any layer is built, if one of them cannot take it
            self._note_inputs((tuple(shape),))
            for layer in self.layers:
                if not layer._built:
                    layer._dtype = self.dtype
                shape = layer.build(shape)
        return shape

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape


def _last_in(layer: Layer) -> type[Layer] | None:
    """The class of layer that gives the output of this one, such as the activation of a Dense."""
    if isinstance(layer, Model):
        return layer.last()
    inner = [child for _, child in layer.children()]
    return type(inner[-1] if inner else layer)
